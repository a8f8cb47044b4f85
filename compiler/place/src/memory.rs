//! How much memory a placement needs. Input: workload and placement; output: bytes a device.
//!
//! An upper bound that holds whatever the timing: all weights of the device's nodes, and the largest set of tensors alive
//! at once in its order. There an output made here lives from its node to its last consumer here, or to the end where any
//! device has to receive it; an output received lives from the beginning to its last consumer; a node's own intermediate tensors live while
//! it computes.

use crate::schedule::Placement;
use crate::workload::Workload;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::{DeviceId, Fleet};

/// A device whose memory does not suffice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shortage {
    /// Which.
    pub device: DeviceId,
    /// Bytes that its share needs.
    pub needs: u64,
    /// Bytes that it has.
    pub has: f64,
}

/// Bytes that each of `devices` devices needs.
#[must_use]
pub fn needs(workload: &Workload, devices: usize, placement: &Placement) -> Vec<u64> {
    let lives = Lives::new(workload, devices, placement);
    let mut alive = vec![0_u64; devices];
    let mut peak = vec![0_u64; devices];
    let mut weights = vec![0_u64; devices];
    for node in workload.ids() {
        for device in placement.receivers(workload, node) {
            alive[device.index()] += workload.cost(node).bytes;
        }
    }
    for &node in &placement.order {
        let cost = workload.cost(node);
        for device in placement.hosts(node) {
            let home = device.index();
            weights[home] += cost.weights;
            alive[home] += cost.bytes;
            peak[home] = peak[home].max(alive[home] + cost.scratch);
            let dead = workload.inputs(node).filter(|&input| lives.ends(input, device, node));
            let dead: u64 = dead.map(|input| workload.cost(input).bytes).sum();
            // An order that is not topological, which the simulation refuses, may end what did not begin.
            alive[home] = alive[home].saturating_sub(dead);
        }
    }
    weights.into_iter().zip(peak).map(|(weights, peak)| weights + peak).collect()
}

/// The device that lacks most, where one lacks any.
#[must_use]
pub fn shortage(workload: &Workload, fleet: &Fleet, placement: &Placement) -> Option<Shortage> {
    let needs = needs(workload, fleet.devices.len(), placement);
    let shortages = fleet.ids().zip(needs).map(|(device, needs)| {
        let has = fleet.device(device).memory;
        Shortage { device, needs, has }
    });
    let lack = |shortage: &Shortage| shortage.needs as f64 - shortage.has;
    shortages.filter(|shortage| lack(shortage) > 0.0).max_by(|a, b| lack(a).total_cmp(&lack(b)))
}

/// Whether some placement on this fleet could lack memory at all: searches look no further where none can.
#[must_use]
pub fn is_scarce(workload: &Workload, fleet: &Fleet) -> bool {
    let most: u64 = workload.costs().iter().map(|cost| cost.weights + cost.bytes + cost.scratch).sum();
    fleet.devices.iter().any(|device| device.memory < most as f64)
}

/// How long outputs live.
struct Lives {
    devices: usize,
    /// The last consumer of the output of node v on device d at `v * devices + d`; the node itself where there is none, or
    /// where the output is sent from there, which may be at any time.
    last: Vec<NodeId>,
}

impl Lives {
    fn new(workload: &Workload, devices: usize, placement: &Placement) -> Self {
        let mut last: Vec<NodeId> = workload.ids().flat_map(|node| std::iter::repeat_n(node, devices)).collect();
        for &node in &placement.order {
            for device in placement.hosts(node) {
                for input in workload.inputs(node) {
                    last[input.index() * devices + device.index()] = node;
                }
            }
        }
        for node in workload.ids() {
            if !placement.receivers(workload, node).is_empty() {
                for device in placement.hosts(node) {
                    last[node.index() * devices + device.index()] = node;
                }
            }
        }
        Self { devices, last }
    }

    /// Whether the output of `input` is needed no more on `device` once `node` is done there.
    fn ends(&self, input: NodeId, device: DeviceId, node: NodeId) -> bool {
        self.last[input.index() * self.devices + device.index()] == node
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dag::Dag;
    use crate::workload::Cost;
    use cnasc_ir::architecture::Role;

    /// image (5 bytes) → a (7, weights 100, scratch 3) → b (11, weights 10), and a → c (13) ← b.
    fn workload() -> Workload {
        let cost = |role, bytes, weights, scratch| Cost { flops: 1, bytes, weights, scratch, ..Cost::of(role) };
        let costs = vec![
            cost(Role::Input, 5, 0, 0),
            cost(Role::Block, 7, 100, 3),
            cost(Role::Block, 11, 10, 0),
            cost(Role::Gather, 13, 0, 0),
        ];
        let dag = Dag::from_edges(4, &[(0, 1), (1, 2), (1, 3), (2, 3)]).expect("edges ascend");
        Workload::from_costs(dag, costs).expect("it is a network")
    }

    #[test]
    fn needs_by_hand() {
        let workload = workload();
        let order: Vec<NodeId> = workload.ids().collect();
        // Alone: at a 5 + 7 + 3, at b 7 + 11, at c 7 + 11 + 13.
        assert_eq!(needs(&workload, 1, &Placement::new(vec![DeviceId(0); 4], order.clone())), [110 + 31]);
        // b away: its output is received into a buffer that is there from the start; a's stays, because it is sent.
        let device_of = vec![DeviceId(0), DeviceId(0), DeviceId(1), DeviceId(0)];
        let mut placement = Placement::new(device_of, order);
        assert_eq!(needs(&workload, 2, &placement), [100 + 7 + 11 + 13, 10 + 7 + 11]);
        // a there too: nothing of it is sent, but the image is, and stays.
        placement.copies.push((NodeId(1), DeviceId(1)));
        assert_eq!(needs(&workload, 2, &placement), [100 + 5 + 7 + 11 + 13, 110 + 7 + 11]);
    }
}
