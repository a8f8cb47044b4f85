//! Devices that execute one bundle together: bundle × images → answers, with what each device did and when.
//!
//! [`Local`] is a fleet of threads in this process; [`Replicas`] are such fleets of one device each, which take whole images; `remote` (the
//! cargo feature `net`) is a fleet of several machines. [`measure`] times it, [`trace`] draws one of its answers. An answer is given only
//! where every device reports exactly the operators and bytes that the plan gives it: a distribution that did not happen is an
//! error, not a slow success.

pub mod local;
pub mod promise;
pub mod replicas;
pub mod worker;

#[cfg(feature = "net")]
pub mod remote;

pub mod measure;
pub mod trace;

pub use cnasc_node::Timing;
pub use local::Local;
pub use measure::{Latency, latency};
pub use replicas::{Batch, Replicas};

use cnasc_bundle::BundleError;
use cnasc_ir::DeviceId;
use cnasc_ir::fleet::Backend;
use cnasc_node::NodeError;

/// Whether this program can run devices of that backend: burn is there with the cargo feature of its name only.
#[must_use]
pub fn has(backend: Backend) -> bool {
    backend != Backend::Burn || cfg!(feature = "burn")
}

/// The answer to one image, and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The network's output in plain order (channel, row, column).
    pub output: Vec<f32>,
    /// Seconds from handing over the image to having the answer.
    pub seconds: f64,
    /// What each device of the fleet did, in the order of their ids.
    pub devices: Vec<DeviceReport>,
}

/// What one device did in one inference.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceReport {
    /// Which.
    pub device: DeviceId,
    /// Operators executed.
    pub operators: usize,
    /// Their floating-point operations ([`Op::flops`](cnasc_ir::Op::flops)).
    pub flops: u64,
    /// Bytes sent: those of the plan.
    pub bytes_sent: u64,
    /// Bytes received, likewise.
    pub bytes_received: u64,
    /// Seconds spent computing.
    pub busy_seconds: f64,
    /// For each action of the device's share when it ran, in seconds from handing over the image.
    pub timings: Vec<Timing>,
}

/// Why there is no fleet, or no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// The bundle was changed so that it no longer fits together.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// There must be one endpoint a device.
    #[error("the fleet has {wanted} devices, found are {found} endpoints")]
    Endpoints {
        /// Devices.
        wanted: usize,
        /// Endpoints.
        found: usize,
    },
    /// The system gives no thread.
    #[error("can't start a thread for device {}: {problem}", device.0)]
    Thread {
        /// For whom.
        device: DeviceId,
        /// What the system says.
        problem: String,
    },
    /// The image is not one of this network.
    #[error("the network takes an image of {wanted} floats in blocked order, found {found}")]
    Image {
        /// Floats needed.
        wanted: usize,
        /// Floats found.
        found: usize,
    },
    /// A device can't start or did not finish.
    #[error("device {}: {error}", device.0)]
    Node {
        /// Which.
        device: DeviceId,
        /// Why.
        error: NodeError,
    },
    /// A device's code panicked, which is a mistake in this program. The fleet has to be started anew.
    #[error("device {} panicked: {message}", device.0)]
    Panic {
        /// Which.
        device: DeviceId,
        /// What it said.
        message: String,
    },
    /// The device stopped in an earlier inference. The fleet has to be started anew.
    #[error("device {} has stopped", device.0)]
    Stopped {
        /// Which.
        device: DeviceId,
    },
    /// The plan spreads each image over devices: none takes whole images.
    #[error("no device of the plan takes whole images: it was not made by `data-parallel`")]
    NoReplicas,
    /// A device did something else than the plan says.
    #[error("device {} reports {found} {what}, the plan gives it {wanted}", device.0)]
    Distribution {
        /// Which.
        device: DeviceId,
        /// `operators`, `bytes sent`, `bytes received` or `answers`.
        what: &'static str,
        /// As planned.
        wanted: u64,
        /// As reported.
        found: u64,
    },
}

impl FleetError {
    /// The same of a device that was the only one of its fleet and has this number in a larger one.
    fn on(mut self, number: DeviceId) -> Self {
        match &mut self {
            Self::Thread { device, .. }
            | Self::Node { device, .. }
            | Self::Panic { device, .. }
            | Self::Stopped { device }
            | Self::Distribution { device, .. } => *device = number,
            Self::Bundle(_) | Self::Endpoints { .. } | Self::Image { .. } | Self::NoReplicas => {}
        }
        self
    }
}
