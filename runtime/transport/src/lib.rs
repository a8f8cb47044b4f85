//! How tensors get from one device to another: the interface, and what stands behind it.
//!
//! A tensor travels as a [`Frame`]. An [`Endpoint`] is one device's way in and out; it is told what to [expect](Endpoint::expect)
//! before the first inference and takes nothing else, so that what a peer can make it hold is bounded. [`inbox`] is the receiving
//! half that implementations share; [`inprocess`](mod@inprocess) joins the threads of one process;
//! `net` (a cargo feature) joins machines by zenoh, in the bytes of [`wire`]; [`faulty`] breaks things on purpose, for tests.
//! A transport knows tensors as numbers of floats: networks, plans and kernels it never sees.

pub mod inbox;
mod mailbox;
pub mod payload;

pub mod wire;

pub mod inprocess;

#[cfg(feature = "net")]
pub mod net;

pub mod faulty;

pub use faulty::{Faults, Faulty};
pub use inprocess::{InProcess, inprocess};
pub use payload::Payload;

use cnasc_ir::{DeviceId, TensorId};
use std::time::Instant;

/// One tensor of one inference on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Which inference of the fleet; numbers grow and are never used again.
    pub inference: u64,
    /// Which tensor.
    pub tensor: TensorId,
    /// Who made it.
    pub from: DeviceId,
    /// Its values in the order of bundles, without the lanes that pad channels.
    pub payload: Payload,
}

/// A tensor that a device is to receive in every inference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Who makes it.
    pub from: DeviceId,
    /// Which it is.
    pub tensor: TensorId,
    /// Its number of values.
    pub len: usize,
}

/// One device's way to the others.
pub trait Endpoint: Send {
    /// Whose it is.
    fn device(&self) -> DeviceId;

    /// Tells what will be received in every inference, in place of what was told before. Frames of anything else are dropped.
    fn expect(&mut self, expected: &[Expected]);

    /// Hands a frame over for delivery. Never waits for the receiver: the caller has computing to do.
    ///
    /// # Errors
    /// Where there is no such receiver any more, or the frame claims another sender. A frame that gets lost later is no error here:
    /// the receiver's deadline finds it.
    fn send(&mut self, to: DeviceId, frame: Frame) -> Result<(), TransportError>;

    /// Waits for a tensor and copies it to `into`. Frames may come in any order: what comes early is kept for its own call, what
    /// belongs to inferences before `inference` is dropped.
    ///
    /// # Errors
    /// Where it is not there at `deadline`, can't come any more, or has another size than `into`.
    fn receive(
        &mut self,
        from: DeviceId,
        inference: u64,
        tensor: TensorId,
        into: &mut [f32],
        deadline: Instant,
    ) -> Result<(), TransportError>;

    /// Says that nothing more is sent in this inference: frames that were held back to be sent together leave now.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    fn flush(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    /// Tells the others that this device failed in `inference`, so that they stop waiting for it. Where a transport can't do that
    /// they wait until their deadline.
    fn give_up(&mut self, _inference: u64) {}
}

/// Why a tensor did not get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// It did not come in time.
    #[error("tensor {} of device {} did not come within the deadline", tensor.0, from.0)]
    Deadline {
        /// Whose.
        from: DeviceId,
        /// Which.
        tensor: TensorId,
    },
    /// The other side failed in this inference.
    #[error("device {} gave up", device.0)]
    GaveUp {
        /// Who.
        device: DeviceId,
    },
    /// The other side is gone.
    #[error("device {} is gone", device.0)]
    Closed {
        /// Who.
        device: DeviceId,
    },
    /// The sender's tensor has another size.
    #[error("tensor {} of device {} has {found} floats, expected were {wanted}", tensor.0, from.0)]
    Size {
        /// Whose.
        from: DeviceId,
        /// Which.
        tensor: TensorId,
        /// Floats that it should have.
        wanted: usize,
        /// Floats that came.
        found: usize,
    },
    /// It was not announced with [`Endpoint::expect`], so that it would never be kept.
    #[error("tensor {} of device {} is not among those expected", tensor.0, from.0)]
    Unexpected {
        /// Whose.
        from: DeviceId,
        /// Which.
        tensor: TensorId,
    },
    /// A frame names a device that is not its sender, or goes to one that does not exist.
    #[error("device {} is neither the sender nor another device of the fleet", device.0)]
    Foreign {
        /// Who.
        device: DeviceId,
    },
}
