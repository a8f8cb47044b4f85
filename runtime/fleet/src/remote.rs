//! A fleet of several machines: nodes that join, are sent their shares, and execute them for a coordinator.
//!
//! ```text
//! keys          names, addresses, certificates, the key that bundles are signed with
//! protocol      calls and answers as bytes
//! clock         a node's clock beside the coordinator's
//! cache         parts of bundles on a node's disk
//! server        one node: joins, takes a signed part, compiles, executes
//! coordinator   deploys a bundle, streams images, holds every report against the plan
//! memory        gives back what is not needed
//! metrics       what a node has done, for Prometheus
//! recovery      goes on without nodes that went away, and with those that returned
//! versions      bundles that were deployed, to go back to
//! testbed       several machines made of one, to try all of this on
//! ```
//! Tensors go from node to node directly ([`cnasc_transport::net`]); the coordinator gives the image to the device that takes it and
//! gets the answer of the one that makes it. Both sides take the other's messages for hostile; who may say what is in
//! [`cnasc_transport::net::settings`].

pub mod cache;
pub mod clock;
pub mod coordinator;
pub mod keys;
pub mod memory;
pub mod metrics;
pub mod protocol;
pub mod recovery;
pub mod server;
pub mod testbed;
pub mod versions;

pub use coordinator::Coordinator;
pub use keys::{Keys, Member, Members, init};
pub use recovery::Steady;
pub use server::{NodeArgs, serve};

use crate::FleetError;
use cnasc_bundle::BundleError;
use cnasc_transport::net::NetError;
use protocol::Refusal;

/// Why a fleet on several machines does not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// Keys, names or addresses are missing or wrong.
    #[error("{0}")]
    Keys(String),
    /// This machine does not do what is asked of it: no thread, no place to write, no network namespace.
    #[error("{0}")]
    System(String),
    /// Nodes that are needed are not connected.
    #[error("not there within the deadline: {}", .0.join(", "))]
    Missing(Vec<String>),
    /// A node went away, or was silent for so long that it is taken to be gone.
    #[error("node `{0}` went away")]
    Lost(String),
    /// A node said no.
    #[error("node `{node}`: {}", refusal.message)]
    Refused {
        /// Which.
        node: String,
        /// Why.
        refusal: Refusal,
    },
    /// Time was up.
    #[error("node `{0}` did not answer within the deadline")]
    Late(String),
    /// The network itself.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The bundle does not fit together.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The image does not fit, or a node did something else than the plan says.
    #[error(transparent)]
    Fleet(#[from] FleetError),
}

impl RemoteError {
    /// Whether a node that is not there, or no longer, is the cause: a plan without it may do.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Lost(_))
    }
}
