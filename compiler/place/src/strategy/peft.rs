//! Predict earliest finish time (Arabnejad, Barbosa 2014): as HEFT, but each device's finish time counts with the optimistic
//! cost of what follows from there, and nodes come by the mean of that cost.
//!
//! The optimistic cost of node v on device d is the longest way from its end to the answer, where each consumer takes the
//! device that is best for it and a message costs the mean.

use super::list::{Means, schedule};
use crate::schedule::Placement;
use crate::workload::Workload;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::Fleet;

/// The placement.
pub(super) fn place(workload: &Workload, fleet: &Fleet) -> Placement {
    let devices = fleet.devices.len();
    let costs = optimistic(workload, fleet);
    let mean = |node: NodeId| costs[node.index() * devices..][..devices].iter().sum::<f64>() / devices as f64;
    let order = by_priority(workload, mean);
    schedule(workload, fleet, &order, |node, device, end| end + costs[node.index() * devices + device.index()])
}

/// The optimistic cost of node v on device d at `v * devices + d`.
fn optimistic(workload: &Workload, fleet: &Fleet) -> Vec<f64> {
    let devices = fleet.devices.len();
    let means = Means::new(fleet);
    let mut costs = vec![0.0_f64; workload.len() * devices];
    for node in workload.ids().rev() {
        let send = means.send(workload, node);
        for device in 0..devices {
            let way = |to: NodeId| {
                let on = |other: usize| {
                    let seconds = workload.cost(to).flops as f64 / fleet.devices[other].compute;
                    let sent = if other == device { 0.0 } else { send };
                    costs[to.index() * devices + other] + seconds + sent
                };
                (0..devices).map(on).fold(f64::INFINITY, f64::min)
            };
            costs[node.index() * devices + device] = workload.consumers(node).map(way).fold(0.0, f64::max);
        }
    }
    costs
}

/// Always the ready node of greatest priority, the first of equals: a topological order.
pub(super) fn by_priority(workload: &Workload, priority: impl Fn(NodeId) -> f64) -> Vec<NodeId> {
    let mut missing: Vec<usize> = workload.ids().map(|node| workload.inputs(node).count()).collect();
    let mut ready: Vec<NodeId> = workload.ids().filter(|node| missing[node.index()] == 0).collect();
    let mut order = Vec::with_capacity(workload.len());
    while !ready.is_empty() {
        let mut first = 0;
        for other in 1..ready.len() {
            let (a, b) = (ready[other], ready[first]);
            if priority(a).total_cmp(&priority(b)).then(b.cmp(&a)).is_gt() {
                first = other;
            }
        }
        let node = ready.swap_remove(first);
        order.push(node);
        for to in workload.consumers(node) {
            missing[to.index()] -= 1;
            if missing[to.index()] == 0 {
                ready.push(to);
            }
        }
    }
    order
}
