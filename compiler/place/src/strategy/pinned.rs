//! Placement where the heavy nodes have their devices already: layers computed in parts, each part where it belongs.
//!
//! What the parts are put together by, and light nodes between them, is computed on every device that needs it where that takes
//! no longer than sending it; else on the fastest of those. A slice is taken where its tensor is.

use super::by_speed;
use crate::schedule::{Placement, rank_order};
use crate::simulate::Machine;
use crate::workload::Workload;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::{DeviceId, Fleet};
use std::collections::BTreeSet;

/// Where a node is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// On this device.
    On(DeviceId),
    /// Where its input is.
    WithInput,
    /// Where it is best.
    Free,
}

/// The placement; image and answer are on the fastest device. Nodes without a pin are free, and devices must be of the fleet.
pub(super) fn place(workload: &Workload, fleet: &Fleet, pins: &[Pin]) -> Placement {
    let machine = Machine::new(workload, fleet);
    let speed = by_speed(fleet);
    let mut pinned =
        Pinned { workload, machine: &machine, speed: &speed, hosts: vec![BTreeSet::new(); workload.len()] };
    let pin = |node: NodeId| pins.get(node.index()).copied().unwrap_or(Pin::Free);
    for node in workload.ids().rev() {
        pinned.hosts[node.index()] = pinned.wanted(node, pin(node));
    }
    for node in workload.ids().filter(|&node| pin(node) == Pin::WithInput) {
        pinned.hosts[node.index()] = pinned.with_input(node);
    }
    pinned.finish()
}

struct Pinned<'a> {
    workload: &'a Workload,
    machine: &'a Machine<'a>,
    speed: &'a [DeviceId],
    /// Of the nodes that are settled; slices have none until all others do.
    hosts: Vec<BTreeSet<DeviceId>>,
}

impl Pinned<'_> {
    /// The devices of a node whose consumers are settled.
    fn wanted(&self, node: NodeId, pin: Pin) -> BTreeSet<DeviceId> {
        let is_end = node.index() == 0 || node.index() + 1 == self.workload.len();
        match pin {
            Pin::On(device) => BTreeSet::from([device]),
            Pin::WithInput => BTreeSet::new(),
            Pin::Free if is_end => self.speed.first().copied().into_iter().collect(),
            Pin::Free => {
                let consumers = self.workload.consumers(node);
                let needed: BTreeSet<DeviceId> =
                    consumers.flat_map(|to| self.hosts[to.index()].iter().copied()).collect();
                let first = self.speed.iter().copied().find(|device| needed.contains(device) || needed.is_empty());
                let again = |&device: &DeviceId| {
                    Some(device) == first || first.is_some_and(|from| self.is_light(node, from, device))
                };
                let again: BTreeSet<DeviceId> = needed.into_iter().filter(again).collect();
                if again.is_empty() { first.into_iter().collect() } else { again }
            }
        }
    }

    /// Whether `device` computes the node in less time than its output takes to get there.
    fn is_light(&self, node: NodeId, from: DeviceId, device: DeviceId) -> bool {
        let sent = self.machine.message(node.index(), from.index(), device.index());
        self.machine.seconds(node.index(), device.index()) <= sent
    }

    /// The devices of a slice: those of its consumers that have the input anyway, and one that has it for the others.
    fn with_input(&self, node: NodeId) -> BTreeSet<DeviceId> {
        let has: BTreeSet<DeviceId> =
            self.workload.inputs(node).flat_map(|from| self.hosts[from.index()].iter().copied()).collect();
        let needed: BTreeSet<DeviceId> =
            self.workload.consumers(node).flat_map(|to| self.hosts[to.index()].iter().copied()).collect();
        let mut hosts: BTreeSet<DeviceId> = has.intersection(&needed).copied().collect();
        if hosts.is_empty() {
            hosts.extend(self.speed.iter().copied().find(|device| has.contains(device)));
        }
        hosts
    }

    /// The fastest of a node's devices is its own.
    fn finish(self) -> Placement {
        let own = |hosts: &BTreeSet<DeviceId>| self.speed.iter().copied().find(|device| hosts.contains(device));
        let device_of: Vec<DeviceId> = self.hosts.iter().map(|hosts| own(hosts).unwrap_or(self.speed[0])).collect();
        let mut copies = Vec::new();
        for (node, hosts) in self.workload.ids().zip(&self.hosts) {
            copies.extend(hosts.iter().filter(|&&host| host != device_of[node.index()]).map(|&host| (node, host)));
        }
        let order = rank_order(self.machine, &device_of);
        Placement { device_of, copies, order }
    }
}
