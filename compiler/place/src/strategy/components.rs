//! The paper's own placement (paper.md, Their placement): without the input and the output vertices, each connected
//! component of what is left, heaviest first, goes to the least loaded of n − 1 units; the output is on a unit of its own
//! that merges. On one device everything is on it.
//!
//! Input vertices here are the image and the pipelines before the first block, output vertices the last gather and what
//! follows it. A network without blocks, such as one of independent branches, has the image, and the answer back to the node that joins
//! the branches. The merging unit is the slowest device, the last of
//! equals, and loads are in seconds, so that on equal units this is the paper's rule. There every unit computes the input
//! vertices itself; a plan computes a node once, so they are on the unit of the heaviest component, which needs them first.

use super::by_speed;
use crate::schedule::{Placement, by_rank};
use crate::workload::Workload;
use cnasc_ir::architecture::{NodeId, Role};
use cnasc_ir::fleet::{DeviceId, Fleet};

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zone {
    Input,
    Body,
    Output,
}

/// The placement.
pub(super) fn place(workload: &Workload, fleet: &Fleet) -> Placement {
    let mut units = by_speed(fleet);
    let merging = units.pop().expect("a verified fleet has a device");
    if units.is_empty() {
        return super::single::on(workload, merging);
    }
    let zones = zones(workload);
    let mut groups = components(workload, &zones);
    let flops = |group: &Vec<NodeId>| group.iter().map(|&node| workload.cost(node).flops).sum::<u64>();
    groups.sort_by_key(|group| std::cmp::Reverse(flops(group)));
    let mut device_of = vec![merging; workload.len()];
    let mut loads = vec![0.0_f64; units.len()];
    let mut first = units[0];
    for (rank, group) in groups.iter().enumerate() {
        let unit = least_loaded(&loads);
        loads[unit] += flops(group) as f64 / fleet.device(units[unit]).compute;
        if rank == 0 {
            first = units[unit];
        }
        for node in group {
            device_of[node.index()] = units[unit];
        }
    }
    put_inputs(&mut device_of, &zones, first);
    by_rank(workload, fleet, device_of)
}

fn put_inputs(device_of: &mut [DeviceId], zones: &[Zone], first: DeviceId) {
    for (device, zone) in device_of.iter_mut().zip(zones) {
        if *zone == Zone::Input {
            *device = first;
        }
    }
}

fn least_loaded(loads: &[f64]) -> usize {
    let mut least = 0;
    for (unit, load) in loads.iter().enumerate() {
        if *load < loads[least] {
            least = unit;
        }
    }
    least
}

fn zones(workload: &Workload) -> Vec<Zone> {
    let is_block = |node: NodeId| workload.cost(node).role == Role::Block;
    let last = workload.len() - 1;
    if !workload.ids().any(is_block) {
        let tail = tail(workload);
        let zone = |node| match node {
            0 => Zone::Input,
            _ if tail.contains(&NodeId::new(node)) => Zone::Output,
            _ => Zone::Body,
        };
        return (0..=last).map(zone).collect();
    }
    let mut after = vec![false; workload.len()];
    for node in workload.ids() {
        after[node.index()] = is_block(node) || workload.inputs(node).any(|from| after[from.index()]);
    }
    let mut before = vec![false; workload.len()];
    for node in (0..=last).rev().map(NodeId::new) {
        before[node.index()] = is_block(node) || workload.consumers(node).any(|to| before[to.index()]);
    }
    let zone = |(before, after)| match (before, after) {
        (true, true) => Zone::Body,
        (_, false) => Zone::Input,
        (false, true) => Zone::Output,
    };
    before.into_iter().zip(after).map(zone).collect()
}

/// The answer and what leads to it alone, back to the last node that joins several; the answer where there is no such node.
fn tail(workload: &Workload) -> Vec<NodeId> {
    let mut node = NodeId::new(workload.len() - 1);
    let mut tail = vec![node];
    loop {
        let mut inputs = workload.inputs(node);
        match (inputs.next(), inputs.next()) {
            (Some(_), Some(_)) => return tail,
            (Some(before), None) if before.index() > 0 && workload.consumers(before).count() == 1 => {
                node = before;
                tail.push(node);
            }
            _ => return tail.into_iter().take(1).collect(),
        }
    }
}

/// The body's weakly connected components, each ascending, by their first node.
fn components(workload: &Workload, zones: &[Zone]) -> Vec<Vec<NodeId>> {
    let mut seen: Vec<bool> = zones.iter().map(|zone| *zone != Zone::Body).collect();
    let mut components = Vec::new();
    for start in workload.ids() {
        if seen[start.index()] {
            continue;
        }
        seen[start.index()] = true;
        let mut component = vec![start];
        let mut next = 0;
        while let Some(&node) = component.get(next) {
            next += 1;
            for other in workload.inputs(node).chain(workload.consumers(node)) {
                if !std::mem::replace(&mut seen[other.index()], true) {
                    component.push(other);
                }
            }
        }
        component.sort_unstable();
        components.push(component);
    }
    components
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dag::Dag;
    use crate::workload::Cost;
    use cnasc_ir::fleet::{Backend, Device, Link};

    /// Stem 1 feeds three chains of 3, 2 and 1 blocks that gather in 8; the head is 9.
    fn workload() -> Workload {
        let edges = [(0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (1, 7), (4, 8), (6, 8), (7, 8), (8, 9)];
        let role = |node| match node {
            0 => Role::Input,
            1 | 9 => Role::Pipeline,
            8 => Role::Gather,
            _ => Role::Block,
        };
        let costs = (0..10).map(|node| Cost { flops: 100, bytes: 4, ..Cost::of(role(node)) });
        Workload::from_costs(Dag::from_edges(10, &edges).expect("edges ascend"), costs.collect()).expect("a network")
    }

    /// Branches of 2, 1 and 1 nodes that take the image and are joined in 5; the head is 7.
    fn branches() -> Workload {
        let edges = [(0, 1), (1, 2), (0, 3), (0, 4), (2, 5), (3, 5), (4, 5), (5, 6), (6, 7)];
        let role = |node| if node == 0 { Role::Input } else { Role::Pipeline };
        let costs = (0..8).map(|node| Cost { flops: 100, bytes: 4, ..Cost::of(role(node)) });
        Workload::from_costs(Dag::from_edges(8, &edges).expect("edges ascend"), costs.collect()).expect("a network")
    }

    /// One node after the other: all but the answer are one component.
    fn chain() -> Workload {
        let role = |node| if node == 0 { Role::Input } else { Role::Pipeline };
        let costs = (0..4).map(|node| Cost { flops: 100, bytes: 4, ..Cost::of(role(node)) });
        let edges = [(0, 1), (1, 2), (2, 3)];
        Workload::from_costs(Dag::from_edges(4, &edges).expect("edges ascend"), costs.collect()).expect("a network")
    }

    fn devices(count: usize) -> Vec<u32> {
        devices_of(&workload(), count)
    }

    fn devices_of(workload: &Workload, count: usize) -> Vec<u32> {
        let device = Device {
            name: "unit".to_owned(),
            kind: "unit".to_owned(),
            compute: 1e3,
            memory: 1e9,
            cores: 1,
            backend: Backend::Jit,
            power: None,
        };
        let fleet = Fleet::uniform("fleet", count, &device, Link { rate: 1e6, latency: 1e-3 });
        place(workload, &fleet).device_of.into_iter().map(|device| device.0).collect()
    }

    #[test]
    fn branches_are_components_without_any_blocks() {
        assert_eq!(devices_of(&branches(), 3), [0, 0, 0, 1, 1, 2, 2, 2]);
        assert_eq!(devices_of(&branches(), 4), [0, 0, 0, 1, 2, 3, 3, 3]);
        assert_eq!(devices_of(&chain(), 3), [0, 0, 0, 2]);
    }

    #[test]
    fn components_go_to_the_least_loaded_and_the_last_unit_merges() {
        assert_eq!(devices(1), [0; 10]);
        assert_eq!(devices(2), [0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        // 3 to unit 0; 2 and then 1 to unit 1, which is less loaded both times.
        assert_eq!(devices(3), [0, 0, 0, 0, 0, 1, 1, 1, 2, 2]);
        assert_eq!(devices(5), [0, 0, 0, 0, 0, 1, 1, 2, 4, 4]);
    }
}
