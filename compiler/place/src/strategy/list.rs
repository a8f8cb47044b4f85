//! List scheduling: nodes in a given order, each on the device that a rule prefers, in the first idle gap that holds it.
//!
//! Input: workload, fleet, an order by falling priority in which inputs come before their consumers, and the rule; output: a
//! [`Placement`]. As the published list schedulers assume, sends do not contend with each other here; the simulation of the
//! result has them contend. An output is sent once to a device, so a second consumer there waits for no second message. A
//! device whose memory the weights alone would exceed is passed over while another is left.

use crate::schedule::Placement;
use crate::workload::Workload;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::{DeviceId, Fleet, Link};
use cnasc_ir::plan::Span;

/// Schedules all nodes of `order`; of the devices the one for which `cost(node, device, end)` is least takes a node, the first
/// of equals.
pub(super) fn schedule(
    workload: &Workload,
    fleet: &Fleet,
    order: &[NodeId],
    cost: impl Fn(NodeId, DeviceId, f64) -> f64,
) -> Placement {
    let mut schedule = Schedule {
        workload,
        fleet,
        device_of: vec![DeviceId(0); workload.len()],
        spans: vec![Span::default(); workload.len()],
        busy: vec![Vec::new(); fleet.devices.len()],
        weights: vec![0; fleet.devices.len()],
    };
    for &node in order {
        schedule.put(node, &cost);
    }
    let Schedule { device_of, spans, .. } = schedule;
    let mut order: Vec<NodeId> = workload.ids().collect();
    let start = |node: &NodeId| spans[node.index()].start;
    // Nodes of no duration start with what follows them; their numbers, a topological order, decide.
    order.sort_by(|a, b| start(a).total_cmp(&start(b)).then(a.cmp(b)));
    Placement::new(device_of, order)
}

/// What a node costs on average over the fleet.
pub(super) struct Means {
    /// Seconds a FLOP.
    pace: f64,
    /// Seconds a message, and a byte of it; where both ends are on one device nothing is sent: one pairing in n.
    latency: f64,
    byte: f64,
}

impl Means {
    pub(super) fn new(fleet: &Fleet) -> Self {
        let devices = fleet.devices.len() as f64;
        let links: Vec<Link> = fleet.links.iter().flatten().flatten().copied().collect();
        let count = links.len().max(1) as f64;
        let away = 1.0 - 1.0 / devices;
        let wire = fleet.wire_bytes(8) as f64;
        Self {
            pace: fleet.devices.iter().map(|device| 1.0 / device.compute).sum::<f64>() / devices,
            latency: away * links.iter().map(|link| link.latency).sum::<f64>() / count,
            byte: away * links.iter().map(|link| wire / link.rate).sum::<f64>() / count,
        }
    }

    pub(super) fn compute(&self, workload: &Workload, node: NodeId) -> f64 {
        workload.cost(node).flops as f64 * self.pace
    }

    pub(super) fn send(&self, workload: &Workload, node: NodeId) -> f64 {
        self.latency + workload.cost(node).bytes as f64 * self.byte
    }
}

struct Schedule<'a> {
    workload: &'a Workload,
    fleet: &'a Fleet,
    device_of: Vec<DeviceId>,
    spans: Vec<Span>,
    /// For each device when it computes, ascending.
    busy: Vec<Vec<Span>>,
    /// For each device the weights on it.
    weights: Vec<u64>,
}

impl Schedule<'_> {
    fn put(&mut self, node: NodeId, cost: impl Fn(NodeId, DeviceId, f64) -> f64) {
        let mut best: Option<((bool, f64), DeviceId, Span)> = None;
        for device in self.fleet.ids() {
            let span = self.earliest(node, device);
            let weights = self.weights[device.index()] + self.workload.cost(node).weights;
            let key = (weights as f64 > self.fleet.device(device).memory, cost(node, device, span.end));
            if best.as_ref().is_none_or(|(least, ..)| key < *least) {
                best = Some((key, device, span));
            }
        }
        let (_, device, span) = best.expect("a verified fleet has a device");
        self.device_of[node.index()] = device;
        self.spans[node.index()] = span;
        self.weights[device.index()] += self.workload.cost(node).weights;
        let busy = &mut self.busy[device.index()];
        let place = busy.partition_point(|other| other.start < span.start);
        busy.insert(place, span);
    }

    /// When `node` could be computed on `device`.
    fn earliest(&self, node: NodeId, device: DeviceId) -> Span {
        let arrival = |input: NodeId| {
            let from = self.device_of[input.index()];
            let made = self.spans[input.index()].end;
            if from == device {
                return made;
            }
            let bytes = self.fleet.wire_bytes(self.workload.cost(input).bytes);
            self.fleet.link(from, device).map_or(f64::INFINITY, |link| made + link.seconds(bytes))
        };
        let ready = self.workload.inputs(node).map(arrival).fold(0.0, f64::max);
        let seconds = self.workload.cost(node).flops as f64 / self.fleet.device(device).compute;
        let mut start = ready;
        for other in &self.busy[device.index()] {
            if start + seconds <= other.start {
                break;
            }
            start = start.max(other.end);
        }
        Span { start, end: start + seconds }
    }
}
