//! A placed network: who computes what, in which order, and what is sent when.

use crate::architecture::NodeId;
use crate::fleet::DeviceId;
use serde::{Deserialize, Serialize};

/// The placement of one architecture on one fleet, with the latency that the simulation gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What made it: the name that `--strategy` takes, such as `heft`.
    pub strategy: String,
    /// For each node the device that computes it.
    pub device_of: Vec<DeviceId>,
    /// For each device its nodes in the order in which it computes them. Joined with the transfers these orders have no cycle.
    pub order: Vec<Vec<NodeId>>,
    /// For each node when its computation starts and ends, in seconds from the start.
    pub spans: Vec<Span>,
    /// Outputs sent from one device to another, once a device, ordered by start and then by node and device.
    pub transfers: Vec<Transfer>,
    /// Seconds from the image to the answer, simulated.
    pub latency: f64,
    /// Seconds that no placement on this fleet can go below: the greater of critical path and total work over total speed.
    pub bound: f64,
    /// Σ bytes·(parts − 1) over outputs: Λ of paper.md eq. 3.
    pub connectivity: u64,
    /// Bytes sent over links.
    pub sent_bytes: u64,
}

/// From `start` to `end`, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// When it begins.
    pub start: f64,
    /// When it is over.
    pub end: f64,
}

/// One output on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// Whose output.
    pub node: NodeId,
    /// From here,
    pub from: DeviceId,
    /// to there.
    pub to: DeviceId,
    /// Its size.
    pub bytes: u64,
    /// When it is on the link, in seconds.
    pub span: Span,
}
