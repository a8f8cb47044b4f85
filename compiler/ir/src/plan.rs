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
    /// For each node the device that computes it; where it has copies, the one whose answer counts as the node's own.
    pub device_of: Vec<DeviceId>,
    /// Nodes that further devices compute too, because that takes less time than sending them there; by node and device.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<Copied>,
    /// For each device its nodes, copies included, in the order in which it computes them. Joined with the transfers these
    /// orders have no cycle.
    pub order: Vec<Vec<NodeId>>,
    /// For each node when its computation on its own device starts and ends, in seconds from the start.
    pub spans: Vec<Span>,
    /// Outputs sent from one device to another, once a device, ordered by start and then by node and device.
    pub transfers: Vec<Transfer>,
    /// Seconds from the image to the answer, simulated.
    pub latency: f64,
    /// Seconds that no placement on this fleet can go below. Where it is the latency, the plan is proved optimal.
    pub bound: f64,
    /// Σ bytes·(parts − 1) over outputs, by the nodes' own devices: Λ of paper.md eq. 3.
    pub connectivity: u64,
    /// Bytes sent over links.
    pub sent_bytes: u64,
    /// Devices that hold the whole network each and take whole images, so that several are computed at once; ascending. The plan is
    /// that of one image on one of them: more of them give more answers a second, none sooner. Empty for all other plans.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<Replica>,
}

/// A device that takes whole images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replica {
    /// Which.
    pub device: DeviceId,
    /// Seconds that it takes for one image.
    pub latency: f64,
}

impl Plan {
    /// All devices that compute `node`, its own first.
    pub fn hosts(&self, node: NodeId) -> impl Iterator<Item = DeviceId> {
        let own = self.device_of.get(node.index()).copied();
        own.into_iter().chain(self.copies.iter().filter(move |copy| copy.node == node).map(|copy| copy.device))
    }

    /// Whether `device` computes `node`.
    #[must_use]
    pub fn is_on(&self, node: NodeId, device: DeviceId) -> bool {
        self.hosts(node).any(|host| host == device)
    }

    /// By how much the latency is above what is proved to be impossible, as a share of the latter: 0.1 is 10 %. Where
    /// nothing takes any time it is 0.
    #[must_use]
    pub fn gap(&self) -> f64 {
        if self.latency > self.bound { self.latency / self.bound - 1.0 } else { 0.0 }
    }

    /// Images a second where they come without a pause: one at a time, but for replicas, each of which takes one. None where an
    /// image takes no time.
    #[must_use]
    pub fn throughput(&self) -> Option<f64> {
        let throughput = if self.replicas.is_empty() {
            1.0 / self.latency
        } else {
            self.replicas.iter().map(|replica| 1.0 / replica.latency).sum()
        };
        throughput.is_finite().then_some(throughput)
    }

    /// Whether no placement is faster, but for rounding.
    #[must_use]
    pub fn is_optimal(&self) -> bool {
        self.gap() <= 1e-9
    }
}

/// A node computed once more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copied {
    /// Which.
    pub node: NodeId,
    /// On which device, not its own.
    pub device: DeviceId,
    /// When, in seconds.
    pub span: Span,
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
    /// Its size as it travels: half of the output's where the fleet sends half-precision numbers.
    pub bytes: u64,
    /// When it is on the link, in seconds.
    pub span: Span,
}
