//! Heterogeneous earliest finish time (Topcuoglu, Hariri, Wu 2002), with insertion.
//!
//! Nodes by falling upward rank, computed with mean computing and sending times over the fleet; each goes where it would
//! finish first, in the first idle gap that holds it. As published, sends do not contend with each other here; the
//! simulation of the result has them contend. An output is sent once to a device, so a second consumer there waits for no
//! second message. A device whose memory the weights alone would exceed is passed over while another is left.

use crate::schedule::{Placement, ranked, ranks};
use crate::workload::Workload;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::{DeviceId, Fleet, Link};
use cnasc_ir::plan::Span;

/// The placement.
pub(super) fn place(workload: &Workload, fleet: &Fleet) -> Placement {
    let order = ranked(&mean_ranks(workload, fleet));
    let mut schedule = Schedule {
        workload,
        fleet,
        device_of: vec![DeviceId(0); workload.len()],
        spans: vec![Span::default(); workload.len()],
        busy: vec![Vec::new(); fleet.devices.len()],
        weights: vec![0; fleet.devices.len()],
    };
    for node in order {
        schedule.put(node);
    }
    let Schedule { device_of, spans, .. } = schedule;
    let mut order: Vec<NodeId> = workload.ids().collect();
    let start = |node: &NodeId| spans[node.index()].start;
    // Nodes of no duration start with what follows them; their numbers, a topological order, decide.
    order.sort_by(|a, b| start(a).total_cmp(&start(b)).then(a.cmp(b)));
    Placement { device_of, order }
}

fn mean_ranks(workload: &Workload, fleet: &Fleet) -> Vec<f64> {
    let devices = fleet.devices.len() as f64;
    let pace = fleet.devices.iter().map(|device| 1.0 / device.compute).sum::<f64>() / devices;
    let links: Vec<Link> = fleet.links.iter().flatten().flatten().copied().collect();
    let count = links.len().max(1) as f64;
    // Where both ends are on one device nothing is sent: one pairing in `devices`.
    let away = 1.0 - 1.0 / devices;
    let latency = away * links.iter().map(|link| link.latency).sum::<f64>() / count;
    let byte = away * links.iter().map(|link| 8.0 / link.rate).sum::<f64>() / count;
    let compute = |node: NodeId| workload.cost(node).flops as f64 * pace;
    ranks(workload, compute, |from, _| latency + workload.cost(from).bytes as f64 * byte)
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
    fn put(&mut self, node: NodeId) {
        let mut best: Option<((bool, f64), DeviceId, Span)> = None;
        for device in self.fleet.ids() {
            let span = self.earliest(node, device);
            let weights = self.weights[device.index()] + self.workload.cost(node).weights;
            let key = (weights as f64 > self.fleet.device(device).memory, span.end);
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

    /// When `node` could be computed on `device`; its inputs are placed, because ranks fall along edges.
    fn earliest(&self, node: NodeId, device: DeviceId) -> Span {
        let arrival = |input: NodeId| {
            let from = self.device_of[input.index()];
            let made = self.spans[input.index()].end;
            if from == device {
                return made;
            }
            let link = self.fleet.link(from, device);
            link.map_or(f64::INFINITY, |link| made + link.seconds(self.workload.cost(input).bytes))
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
