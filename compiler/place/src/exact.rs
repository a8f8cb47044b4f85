//! The fastest placement, proved: depth-first branch and bound.
//!
//! Input: workload, fleet, a placement to beat, and a limit. Output: the best placement found, and what no placement goes
//! below; where the two are equal it is optimal.
//!
//! What is searched: every placement that the simulator knows, that is every device and every set of copies of every node, in
//! every topological order. A branch puts the next node of the order, on one set of devices; since the simulator books in
//! the placement's order, a prefix has its final times ([`crate::simulate`]). What it does not contain are schedules that
//! leave a device or a card idle on purpose; the simulator has none.
//!
//! What is cut off, none of which loses the optimum:
//! - what can't beat the best, by the bounds of `bounds`;
//! - a prefix from which everything goes on as from an earlier one (`state`): same nodes put, and the same times as far as
//!   they matter for what is left;
//! - of devices that can be exchanged without changing the fleet, all but the first that is not in use yet.
//!
//! The device of the answer is chosen first, because it decides which way messages must go. The limit counts prefixes, not
//! time, so that the result is the same everywhere.

mod bounds;
mod state;

use crate::memory;
use crate::schedule::Placement;
use crate::simulate::{Machine, Simulator, Timeline};
use crate::workload::Workload;
use bounds::Bounds;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::{DeviceId, Fleet};
use state::Seen;

/// The most nodes and devices that a solver takes: sets of both are bits of one number.
pub const MAX_NODES: usize = 64;
/// As [`MAX_NODES`].
pub const MAX_DEVICES: usize = 8;

/// How a search ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// The fastest placement found; none where nothing fits, or nothing was found within the limit.
    pub best: Option<Placement>,
    /// Its latency in seconds; infinite where there is none.
    pub latency: f64,
    /// What no placement goes below, in seconds: the latency where it is proved optimal.
    pub bound: f64,
    /// Prefixes looked at.
    pub prefixes: usize,
}

impl Solution {
    /// Whether the whole space was searched.
    #[must_use]
    pub fn is_proved(&self) -> bool {
        self.bound >= self.latency
    }
}

/// Searches until it is proved or `limit` prefixes were looked at. `start` is a placement to beat. `None` where the network or
/// the fleet is larger than [`MAX_NODES`] or [`MAX_DEVICES`].
#[must_use]
pub fn solve(workload: &Workload, fleet: &Fleet, start: Option<&Placement>, limit: usize) -> Option<Solution> {
    if workload.len() > MAX_NODES || fleet.devices.len() > MAX_DEVICES {
        return None;
    }
    let mut simulator = Simulator::new(workload, fleet);
    let fits = |placement: &&Placement| memory::shortage(workload, fleet, placement).is_none();
    let start = start.filter(fits).map(|start| (simulator.latency(start), start.clone()));
    let latency = start.as_ref().map_or(f64::INFINITY, |(latency, _)| *latency);
    let machine = simulator.machine().clone();
    let mut search = Search {
        workload,
        fleet,
        scarce: memory::is_scarce(workload, fleet),
        equals: equals(fleet),
        timelines: vec![Timeline::new(&machine); workload.len() + 1],
        child: Timeline::new(&machine),
        machine,
        path: Vec::with_capacity(workload.len()),
        best: start.filter(|(latency, _)| *latency < f64::INFINITY).map(|(_, placement)| placement),
        latency,
        limit,
        prefixes: 0,
        open: f64::INFINITY,
    };
    search.answers();
    let Search { best, latency, prefixes, open, .. } = search;
    Some(Solution { best, latency, bound: open.min(latency), prefixes })
}

/// A node and the set of devices that compute it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    node: usize,
    devices: u32,
}

struct Search<'a> {
    workload: &'a Workload,
    fleet: &'a Fleet,
    machine: Machine<'a>,
    scarce: bool,
    /// For each device the set of those that it can be exchanged with, itself included.
    equals: Vec<u32>,
    /// The booked times of each prefix of the path.
    timelines: Vec<Timeline>,
    child: Timeline,
    path: Vec<Step>,
    best: Option<Placement>,
    latency: f64,
    limit: usize,
    prefixes: usize,
    /// The least bound of what was left unsearched.
    open: f64,
}

impl Search<'_> {
    /// One search for each device that can give the answer.
    fn answers(&mut self) {
        let devices = self.fleet.devices.len();
        let firsts = (0..devices).filter(|&device| self.equals[device].trailing_zeros() as usize == device);
        let mut roots: Vec<(f64, usize, Bounds)> = Vec::new();
        for answer in firsts.collect::<Vec<_>>() {
            let mut bounds = Bounds::new(&self.machine, self.fleet, answer);
            self.timelines[0].clear();
            let least = bounds.least(&self.machine, &self.timelines[0], 0);
            roots.push((least, answer, bounds));
        }
        roots.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (least, answer, mut bounds) in roots {
            if self.prefixes >= self.limit {
                self.leave(least);
            } else if least < self.latency {
                let mut seen = Seen::new(self.scarce);
                self.descend(0, answer, &mut bounds, &mut seen);
            }
        }
    }

    /// Remembers that something was not searched.
    fn leave(&mut self, least: f64) {
        self.open = self.open.min(least);
    }

    /// Searches everything below the current path; `placed` is the set of its nodes.
    fn descend(&mut self, placed: u64, answer: usize, bounds: &mut Bounds, seen: &mut Seen) {
        let depth = self.path.len();
        if depth == self.workload.len() {
            self.finish(answer);
            return;
        }
        let children = self.children(placed, answer, bounds, seen);
        for (least, step) in children {
            if least >= self.latency {
                return;
            }
            if self.prefixes >= self.limit {
                self.leave(least);
                return;
            }
            let (before, after) = self.timelines.split_at_mut(depth + 1);
            after[0].copy_from(&before[depth]);
            put(&self.machine, &mut after[0], step);
            self.path.push(step);
            self.descend(placed | 1 << step.node, answer, bounds, seen);
            self.path.pop();
        }
    }

    /// The prefixes one node longer that may lead to something faster and were not seen, the most promising first.
    fn children(&mut self, placed: u64, answer: usize, bounds: &mut Bounds, seen: &mut Seen) -> Vec<(f64, Step)> {
        let mut children = Vec::new();
        let used = self.path.iter().fold(1_u32 << answer, |used, step| used | step.devices);
        for node in 0..self.workload.len() {
            let ready = self.machine.dag().inputs(node).iter().all(|&input| placed >> input & 1 == 1);
            if placed >> node & 1 == 1 || !ready {
                continue;
            }
            for devices in self.sets(node, answer, used) {
                let step = Step { node, devices };
                self.prefixes += 1;
                self.child.copy_from(&self.timelines[self.path.len()]);
                if put(&self.machine, &mut self.child, step) == f64::INFINITY || !self.has_weights(step) {
                    continue;
                }
                let placed = placed | 1 << node;
                let least = bounds.least(&self.machine, &self.child, placed);
                if least < self.latency
                    && seen.is_new(&self.machine, &self.child, placed, used | devices, || self.weights(step))
                {
                    children.push((least, step));
                }
            }
        }
        children.sort_by(|a, b| {
            let rest = |step: &Step| self.machine.rest(step.node);
            a.0.total_cmp(&b.0).then(rest(&b.1).total_cmp(&rest(&a.1))).then(a.1.cmp(&b.1))
        });
        children
    }

    /// The sets of devices that a node may be put on. Image and answer are on one; of devices that can be exchanged those
    /// that are in no use yet are taken from the first on.
    fn sets(&self, node: usize, answer: usize, used: u32) -> Vec<u32> {
        if node + 1 == self.workload.len() {
            return vec![1 << answer];
        }
        let unused_before = |device: usize| self.equals[device] & !used & ((1 << device) - 1);
        let mut sets: Vec<u32> = (1..1_u32 << self.fleet.devices.len())
            .filter(|set| node > 0 || set.count_ones() == 1)
            .filter(|set| {
                (0..MAX_DEVICES)
                    .filter(|device| set >> device & 1 == 1 && used >> device & 1 == 0)
                    .all(|device| unused_before(device) & !set == 0)
            })
            .collect();
        sets.sort_by_key(|set| set.count_ones());
        sets
    }

    /// Bytes of weights on each device with one more step.
    fn weights(&self, step: Step) -> Vec<u64> {
        let steps = || self.path.iter().copied().chain([step]);
        let on = |device: usize| {
            let own = steps().filter(|step| step.devices >> device & 1 == 1);
            own.map(|step| self.workload.costs()[step.node].weights).sum()
        };
        (0..self.fleet.devices.len()).map(on).collect()
    }

    fn has_weights(&self, step: Step) -> bool {
        let fits = |(weights, device): (u64, &cnasc_ir::fleet::Device)| weights as f64 <= device.memory;
        !self.scarce || self.weights(step).into_iter().zip(&self.fleet.devices).all(fits)
    }

    /// A complete path: keeps it where it is the best so far.
    fn finish(&mut self, answer: usize) {
        let latency = self.timelines[self.path.len()].latency();
        if latency >= self.latency {
            return;
        }
        let mut placement = Placement::new(vec![DeviceId::new(answer); self.workload.len()], Vec::new());
        for step in &self.path {
            let node = NodeId::new(step.node);
            placement.order.push(node);
            let mut hosts = (0..MAX_DEVICES).filter(|device| step.devices >> device & 1 == 1).map(DeviceId::new);
            placement.device_of[step.node] = hosts.next().expect("a step has a device");
            placement.copies.extend(hosts.map(|device| (node, device)));
        }
        placement.copies.sort_unstable();
        if !self.scarce || memory::shortage(self.workload, self.fleet, &placement).is_none() {
            self.latency = latency;
            self.best = Some(placement);
        }
    }
}

/// Puts a node on all its devices, the smallest first, and gives the time at which the last is done.
fn put(machine: &Machine, timeline: &mut Timeline, step: Step) -> f64 {
    let devices = (0..machine.devices()).filter(|device| step.devices >> device & 1 == 1);
    devices.map(|device| timeline.put(machine, step.node, device)).fold(0.0, f64::max)
}

/// For each device the set of devices that can take its place: swapping the two leaves the fleet as it was.
fn equals(fleet: &Fleet) -> Vec<u32> {
    let count = fleet.devices.len();
    let same = |a: usize, b: usize| {
        let (first, second) = (&fleet.devices[a], &fleet.devices[b]);
        let swapped = |device: usize| match device {
            _ if device == a => b,
            _ if device == b => a,
            _ => device,
        };
        let mut pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
        first.compute == second.compute
            && first.memory == second.memory
            && pairs.all(|(from, to)| fleet.links[from][to] == fleet.links[swapped(from)][swapped(to)])
    };
    (0..count).map(|a| (0..count).filter(|&b| same(a, b)).fold(0, |set, b| set | 1 << b)).collect()
}

#[cfg(test)]
mod tests;
