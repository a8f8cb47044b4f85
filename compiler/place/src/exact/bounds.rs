//! What no completion of a prefix goes below. Input: the booked times of the prefix and the device of the answer; output:
//! seconds.
//!
//! The greatest of
//! - the earliest end of the answer: nodes that are not put yet start on a device no earlier than it is free and their inputs
//!   are there; an input that is put comes in the earliest gap that its message has now, one that is not put with a message
//!   that meets nobody;
//! - the work that is left, on devices that are each free from their first possible start until the last message to the answer
//!   has to leave;
//! - the same work as far as it has at least q behind it, and q.
//!
//! A copy is one more device from which an input may come, so all of it holds with copies.

use crate::simulate::{Machine, Timeline};
use cnasc_ir::fleet::Fleet;

/// The bounds for one device of the answer, with arrays kept between prefixes.
pub(super) struct Bounds {
    answer: usize,
    speeds: Vec<f64>,
    flops: Vec<f64>,
    /// The shortest message to anywhere of each device, for what is computed there and consumed elsewhere.
    shortest: Vec<f64>,
    /// All nodes by falling [`Machine::rest`].
    by_rest: Vec<usize>,
    /// When the output of node v can be on device d at the earliest, at `v * devices + d`.
    there: Vec<f64>,
    /// When each device can start something that is not put yet.
    starts: Vec<f64>,
    windows: Vec<(f64, f64)>,
}

impl Bounds {
    pub(super) fn new(machine: &Machine, fleet: &Fleet, answer: usize) -> Self {
        let (nodes, devices) = (machine.nodes(), machine.devices());
        let shortest = |from: usize| {
            let ways = (0..nodes - 1).flat_map(|node| (0..devices).map(move |to| machine.message(node, from, to)));
            if from == answer { 0.0 } else { ways.fold(f64::INFINITY, f64::min) }
        };
        let mut by_rest: Vec<usize> = (0..nodes).collect();
        by_rest.sort_by(|&a, &b| machine.rest(b).total_cmp(&machine.rest(a)));
        Self {
            answer,
            speeds: fleet.devices.iter().map(|device| device.compute).collect(),
            flops: machine.workload().costs().iter().map(|cost| cost.flops as f64).collect(),
            shortest: (0..devices).map(shortest).collect(),
            by_rest,
            there: vec![0.0; nodes * devices],
            starts: vec![0.0; devices],
            windows: Vec::with_capacity(devices),
        }
    }

    /// The bound of all completions of `timeline`, in which the nodes of `placed` are put.
    pub(super) fn least(&mut self, machine: &Machine, timeline: &Timeline, placed: u64) -> f64 {
        let (nodes, devices) = (machine.nodes(), machine.devices());
        self.starts.fill(f64::INFINITY);
        for node in 0..nodes {
            let put = placed >> node & 1 == 1;
            if put && machine.dag().consumers(node).iter().all(|&to| placed >> to & 1 == 1) {
                continue;
            }
            if put {
                for device in 0..devices {
                    self.there[node * devices + device] = timeline.earliest(machine, node, device);
                }
            } else {
                self.compute(machine, timeline, node);
            }
        }
        let last = nodes - 1;
        if placed >> last & 1 == 1 {
            return timeline.latency();
        }
        let end = self.there[last * devices + self.answer];
        end.max(self.work(machine, placed))
    }

    /// When a node that is not put can be on each device: computed there, or sent.
    fn compute(&mut self, machine: &Machine, timeline: &Timeline, node: usize) {
        let devices = machine.devices();
        for device in 0..devices {
            let inputs = machine.dag().inputs(node).iter();
            let ready = inputs.map(|&input| self.there[input as usize * devices + device]).fold(0.0, f64::max);
            let start = ready.max(timeline.free(device));
            self.starts[device] = self.starts[device].min(start);
            self.there[node * devices + device] = start + machine.seconds(node, device);
        }
        if node + 1 == machine.nodes() {
            return;
        }
        let mut sent = [f64::INFINITY; super::MAX_DEVICES];
        for (to, sent) in sent.iter_mut().enumerate().take(devices) {
            for from in 0..devices {
                *sent = sent.min(self.there[node * devices + from] + machine.message(node, from, to));
            }
        }
        for (there, sent) in self.there[node * devices..(node + 1) * devices].iter_mut().zip(sent) {
            *there = there.min(sent);
        }
    }

    /// The two bounds by work.
    fn work(&mut self, machine: &Machine, placed: u64) -> f64 {
        let mut work = 0.0;
        let mut most = 0.0_f64;
        self.open(|_| 0.0);
        for index in 0..self.by_rest.len() {
            let node = self.by_rest[index];
            if placed >> node & 1 == 0 {
                work += self.flops[node];
                most = most.max(self.fill(work) + machine.rest(node));
            }
        }
        let shortest = std::mem::take(&mut self.shortest);
        self.open(|device| shortest[device]);
        self.shortest = shortest;
        most.max(self.fill(work))
    }

    /// Sets the windows: each device from its first start, and `close` before the end.
    fn open(&mut self, close: impl Fn(usize) -> f64) {
        self.windows.clear();
        let devices = self.speeds.iter().zip(&self.starts).enumerate();
        self.windows.extend(devices.map(|(device, (&speed, &start))| (start + close(device), speed)));
        self.windows.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    }

    /// When the devices have done `work` FLOPs in their windows.
    fn fill(&self, work: f64) -> f64 {
        let (mut speed, mut missed) = (0.0, 0.0);
        let mut end = f64::INFINITY;
        for &(start, own) in &self.windows {
            if start >= end {
                break;
            }
            speed += own;
            missed += own * start;
            end = (work + missed) / speed;
        }
        end
    }
}
