//! Local search on the simulated latency: a placement → one that is not slower.
//!
//! Threshold accepting (Dueck, Scheuer 1990): a move that costs at most a falling share of the latency is taken, and the best
//! is remembered. Moves: a node, or a chain of them, to another device; two nodes exchange devices; a node to another place
//! in the order; a node computed once more where it is consumed, or no more. It ends after a number of simulations, so that
//! no clock decides the plan.

use super::Evaluator;
use crate::schedule::{Placement, rank_order};
use cnasc_base::random::Rng;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::DeviceId;

/// The share of the latency that a move may cost at the beginning.
const THRESHOLD: f64 = 0.002;

/// The most nodes that move together.
const CHAIN: usize = 6;

/// One part of a move.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// The node was on this device.
    Device(NodeId, DeviceId),
    /// The node at the second place in the order was at the first.
    Order(usize, usize),
    /// This copy was made, or dropped.
    Copy(NodeId, DeviceId),
}

/// A search under way.
pub(super) struct Climb<'a, 'b> {
    evaluator: &'a mut Evaluator<'b>,
    current: Placement,
    latency: f64,
    best: Placement,
    least: f64,
    rng: Rng,
    /// The current move, to take it back.
    undo: Vec<Change>,
}

impl<'a, 'b> Climb<'a, 'b> {
    /// From `start`, which takes `latency`.
    pub(super) fn new(evaluator: &'a mut Evaluator<'b>, start: Placement, latency: f64, rng: Rng) -> Self {
        Self { evaluator, best: start.clone(), current: start, latency, least: latency, rng, undo: Vec::new() }
    }

    /// The best found with so many simulations, and its latency.
    pub(super) fn run(mut self, simulations: usize) -> (f64, Placement) {
        for step in 0..simulations {
            let left = 1.0 - step as f64 / simulations as f64;
            let accepted = self.latency * (1.0 + THRESHOLD * left * left);
            match self.rng.below(16) {
                0..=3 => self.move_order(),
                4..=5 => self.swap(),
                6..=9 => self.move_chain(),
                10..=11 => self.toggle_copy(),
                _ => self.move_node(),
            }
            self.judge(accepted);
        }
        (self.least, self.best)
    }

    /// Keeps the move where the latency stays within `accepted`, and takes the order by rank where that is better.
    fn judge(&mut self, accepted: f64) {
        if self.undo.is_empty() {
            return;
        }
        let latency = self.evaluator.latency_within(&self.current, accepted);
        if latency > accepted || latency == f64::INFINITY {
            while let Some(change) = self.undo.pop() {
                self.take_back(change);
            }
            return;
        }
        self.undo.clear();
        self.latency = latency;
        if latency < self.least {
            let by_rank = rank_order(self.evaluator.simulator.machine(), &self.current.device_of);
            let by_start = self.evaluator.simulator.start_order();
            for order in [by_start, by_rank] {
                let ordered = Placement { order, ..self.current.clone() };
                let latency = self.evaluator.latency_within(&ordered, self.latency);
                if latency < self.latency {
                    (self.current, self.latency) = (ordered, latency);
                }
            }
            self.least = self.latency;
            self.best.clone_from(&self.current);
        }
    }

    fn take_back(&mut self, change: Change) {
        match change {
            Change::Device(node, device) => self.current.device_of[node.index()] = device,
            Change::Order(from, to) => shift(&mut self.current.order, to, from),
            Change::Copy(node, device) => self.flip(node, device),
        }
    }

    /// Moves one node to another place in the order, between its inputs and its consumers.
    fn move_order(&mut self) {
        let workload = self.evaluator.workload;
        let from = self.rng.below(workload.len());
        let order = &mut self.current.order;
        let node = order[from];
        let mut first = from;
        while first > 0 && !workload.inputs(node).any(|input| input == order[first - 1]) {
            first -= 1;
        }
        let mut last = from;
        while last + 1 < order.len() && !workload.consumers(node).any(|to| to == order[last + 1]) {
            last += 1;
        }
        let to = first + self.rng.below(last - first + 1);
        if to != from {
            shift(order, from, to);
            self.undo.push(Change::Order(from, to));
        }
    }

    fn move_node(&mut self) {
        let node = self.any_node();
        let device = self.any_device(node);
        self.put(node, device);
    }

    /// Moves a node and some that follow it on the same device, each a consumer of the one before.
    fn move_chain(&mut self) {
        let mut node = self.any_node();
        let device = self.any_device(node);
        let home = self.current.device_of[node.index()];
        for _ in 0..2 + self.rng.below(CHAIN - 1) {
            self.put(node, device);
            let workload = self.evaluator.workload;
            let on_home = |to: &NodeId| self.current.device_of[to.index()] == home;
            let follow = workload.consumers(node).filter(on_home).count();
            if follow == 0 {
                return;
            }
            let pick = self.rng.below(follow);
            let next = workload.consumers(node).filter(|to| self.current.device_of[to.index()] == home).nth(pick);
            node = next.unwrap_or(node);
        }
    }

    fn swap(&mut self) {
        let (a, b) = (self.any_node(), self.any_node());
        let (home, other) = (self.current.device_of[a.index()], self.current.device_of[b.index()]);
        self.put(a, other);
        self.put(b, home);
    }

    /// Computes a node also where it is consumed, or no longer; the image can't be computed and the answer is wanted once.
    fn toggle_copy(&mut self) {
        let workload = self.evaluator.workload;
        if workload.len() < 3 {
            return;
        }
        let node = NodeId::new(1 + self.rng.below(workload.len() - 2));
        let pick = self.rng.below(workload.consumers(node).count());
        let consumer = workload.consumers(node).nth(pick).unwrap_or(node);
        let device = self.current.device_of[consumer.index()];
        if device == self.current.device_of[node.index()] {
            return;
        }
        let had = self.current.copies.binary_search(&(node, device)).is_ok();
        self.flip(node, device);
        self.undo.push(Change::Copy(node, device));
        if !had && self.rng.chance(0.5) {
            self.copy_inputs(node, device);
        }
    }

    /// Computes on `device` also some of what leads to `node`: a copy is of little use while its inputs are sent.
    fn copy_inputs(&mut self, node: NodeId, device: DeviceId) {
        let mut reached = vec![node];
        let mut next = 0;
        while next < reached.len() && reached.len() < CHAIN {
            let workload = self.evaluator.workload;
            for input in workload.inputs(reached[next]) {
                if input.index() > 0 && !self.current.is_on(input, device) {
                    self.flip(input, device);
                    self.undo.push(Change::Copy(input, device));
                    reached.push(input);
                }
            }
            next += 1;
        }
    }

    fn flip(&mut self, node: NodeId, device: DeviceId) {
        match self.current.copies.binary_search(&(node, device)) {
            Ok(at) => {
                self.current.copies.remove(at);
            }
            Err(at) => self.current.copies.insert(at, (node, device)),
        }
    }

    fn put(&mut self, node: NodeId, device: DeviceId) {
        let before = std::mem::replace(&mut self.current.device_of[node.index()], device);
        if before != device {
            self.undo.push(Change::Device(node, before));
        }
    }

    fn any_node(&mut self) -> NodeId {
        NodeId::new(self.rng.below(self.evaluator.workload.len()))
    }

    /// Mostly the device of a neighbour, since that saves a message; sometimes any.
    fn any_device(&mut self, node: NodeId) -> DeviceId {
        let workload = self.evaluator.workload;
        let neighbours = workload.inputs(node).count() + workload.consumers(node).count();
        if neighbours > 0 && self.rng.chance(0.7) {
            let pick = self.rng.below(neighbours);
            let neighbour = workload.inputs(node).chain(workload.consumers(node)).nth(pick);
            return neighbour.map_or(DeviceId(0), |other| self.current.device_of[other.index()]);
        }
        DeviceId::new(self.rng.below(self.evaluator.fleet.devices.len()))
    }
}

/// Takes the element at `from` out and puts it in at `to`.
fn shift(order: &mut [NodeId], from: usize, to: usize) {
    if from < to {
        order[from..=to].rotate_left(1);
    } else {
        order[to..=from].rotate_right(1);
    }
}
