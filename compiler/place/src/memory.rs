//! How much memory a placement needs. Input: for each node its device, and the priority order; output: bytes a device.
//!
//! An upper bound that holds whatever the timing: all weights of the device's nodes, and the largest set of tensors alive
//! at once in its order. There an output made here lives from its node to its last consumer here, or to the end where it is
//! also sent; an output received lives from the beginning to its last consumer; a node's own intermediate tensors live while
//! it computes.

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
pub fn needs(workload: &Workload, devices: usize, device_of: &[DeviceId], order: &[NodeId]) -> Vec<u64> {
    let mut alive = vec![0_u64; devices];
    let mut peak = vec![0_u64; devices];
    let mut weights = vec![0_u64; devices];
    let last_use = last_uses(workload, device_of, order);
    for held in received(workload, device_of) {
        alive[held.1.index()] += workload.cost(held.0).bytes;
    }
    for (place, &node) in order.iter().enumerate() {
        let device = device_of[node.index()];
        let cost = workload.cost(node);
        let home = device.index();
        weights[home] += cost.weights;
        alive[home] += cost.bytes;
        peak[home] = peak[home].max(alive[home] + cost.scratch);
        for input in workload.inputs(node) {
            let sent = device_of[input.index()] == device && is_sent(workload, device_of, input);
            if !sent && last_use(input, device) == place {
                alive[home] -= workload.cost(input).bytes;
            }
        }
    }
    weights.into_iter().zip(peak).map(|(weights, peak)| weights + peak).collect()
}

/// The device that lacks most, where one lacks any.
#[must_use]
pub fn shortage(workload: &Workload, fleet: &Fleet, device_of: &[DeviceId], order: &[NodeId]) -> Option<Shortage> {
    let needs = needs(workload, fleet.devices.len(), device_of, order);
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

/// Where in the order the last consumer of an output on a device stands.
fn last_uses<'a>(
    workload: &'a Workload,
    device_of: &'a [DeviceId],
    order: &[NodeId],
) -> impl Fn(NodeId, DeviceId) -> usize + use<'a> {
    let mut position = vec![0; workload.len()];
    for (place, node) in order.iter().enumerate() {
        position[node.index()] = place;
    }
    move |node, device| {
        let here = workload.consumers(node).filter(|to| device_of[to.index()] == device);
        here.map(|to| position[to.index()]).max().unwrap_or(0)
    }
}

/// Every (output, receiving device), once.
fn received(workload: &Workload, device_of: &[DeviceId]) -> Vec<(NodeId, DeviceId)> {
    let mut received = Vec::new();
    for node in workload.ids() {
        let from = received.len();
        for to in workload.consumers(node).map(|to| device_of[to.index()]) {
            if to != device_of[node.index()] && !received[from..].contains(&(node, to)) {
                received.push((node, to));
            }
        }
    }
    received
}

fn is_sent(workload: &Workload, device_of: &[DeviceId], node: NodeId) -> bool {
    workload.consumers(node).any(|to| device_of[to.index()] != device_of[node.index()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dag::Dag;
    use crate::workload::Cost;
    use cnasc_ir::architecture::Role;

    /// image (5 bytes) → a (7, weights 100, scratch 3) → b (11, weights 10), and a → c (13) ← b.
    fn workload() -> Workload {
        let cost = |role, bytes, weights, scratch| Cost { role, flops: 1, bytes, weights, scratch };
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
        assert_eq!(needs(&workload, 1, &[DeviceId(0); 4], &order), [110 + 31]);
        // b away: its output is received into a buffer that is there from the start; a's stays, because it is sent.
        let device_of = [DeviceId(0), DeviceId(0), DeviceId(1), DeviceId(0)];
        assert_eq!(needs(&workload, 2, &device_of, &order), [100 + 7 + 11 + 13, 10 + 7 + 11]);
    }
}
