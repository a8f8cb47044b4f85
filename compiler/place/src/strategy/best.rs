//! The fastest of all strategies and of partitions on fewer devices, improved by local search on the simulated latency.
//!
//! Everything on one device is always among the candidates, so placing never makes it worse. The search is threshold
//! accepting: it takes a move that costs at most a falling share of the latency, and remembers the best. It stops after a
//! number of simulations that depends on the size of the network only, so that no clock decides the plan.

use super::{Care, Evaluator, PlaceError, by_speed, components, heft, hypergraph, single};
use crate::schedule::{Placement, by_rank};
use crate::workload::Workload;
use cnasc_base::random::{Rng, Seed};
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::{DeviceId, Fleet};

/// Node visits that all simulations of one search make together: a fraction of a second.
const BUDGET: usize = 2_000_000;

/// The most simulations, which small networks would otherwise exceed without gaining anything.
const SIMULATIONS: usize = 24_000;

/// Candidates that the search starts from.
const STARTS: usize = 3;

/// The share of the latency that a move may cost at the beginning.
const THRESHOLD: f64 = 0.03;

/// The most nodes that move together.
const CHAIN: usize = 6;

/// The fastest of the portfolio, improved.
///
/// # Errors
/// Where no candidate has the memory and the links: why everything on one device has not.
pub(super) fn place(workload: &Workload, fleet: &Fleet, seed: &Seed) -> Result<Placement, PlaceError> {
    let mut evaluator = Evaluator::new(workload, fleet);
    let mut candidates = portfolio_of(&evaluator, Care::FULL, seed);
    // Less care sometimes finds more; what the portfolio alone would give must not be lost.
    candidates.extend(portfolio_of(&evaluator, Care::QUICK, seed));
    let found = ranked(&mut evaluator, candidates);
    let Some((mut least, mut best)) = found.first().cloned() else { return single::place(workload, fleet) };
    if fleet.devices.len() == 1 {
        return Ok(best);
    }
    let simulations = (BUDGET / workload.len()).clamp(100, SIMULATIONS) / STARTS;
    for (index, (latency, start)) in (0..).zip(found.into_iter().take(STARTS)) {
        let mut climb = Climb::new(&mut evaluator, start, latency, seed.child("climb").nth(index).rng());
        climb.run(simulations);
        if climb.least < least {
            (least, best) = (climb.least, climb.best);
        }
    }
    Ok(best)
}

/// The fastest of the portfolio as it is.
///
/// # Errors
/// As [`place`].
pub(super) fn portfolio(workload: &Workload, fleet: &Fleet, seed: &Seed) -> Result<Placement, PlaceError> {
    let mut evaluator = Evaluator::new(workload, fleet);
    let candidates = portfolio_of(&evaluator, Care::QUICK, seed);
    let found = ranked(&mut evaluator, candidates).into_iter().next();
    found.map_or_else(|| single::place(workload, fleet), |(_, placement)| Ok(placement))
}

/// The candidates that have the memory and the links, the fastest first.
fn ranked(evaluator: &mut Evaluator, candidates: Vec<Placement>) -> Vec<(f64, Placement)> {
    let mut found: Vec<(f64, Placement)> = Vec::new();
    for placement in candidates {
        let latency = evaluator.latency(&placement);
        if latency < f64::INFINITY {
            found.push((latency, placement));
        }
    }
    // Stable, so that of equals the simplest, which comes first, is kept.
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.dedup_by(|a, b| a.1.device_of == b.1.device_of);
    found
}

/// What all other strategies give, on all devices and on fewer; everything on one device comes first.
fn portfolio_of(evaluator: &Evaluator, care: Care, seed: &Seed) -> Vec<Placement> {
    let (workload, fleet) = (evaluator.workload, evaluator.fleet);
    let mut placements: Vec<Placement> = single::place(workload, fleet).into_iter().collect();
    if fleet.devices.len() == 1 {
        return placements;
    }
    let speed = by_speed(fleet);
    placements.extend([heft::place(workload, fleet), components::place(workload, fleet)]);
    placements.push(hypergraph::place(workload, fleet, care, seed));
    placements.extend(fleet.ids().map(|device| single::on(workload, device)));
    // Every number of devices up to eight, then twice as many each time.
    for count in (2..speed.len()).filter(|count| *count <= 8 || count.is_power_of_two()) {
        placements.extend(hypergraph::on(workload, fleet, &speed[..count], care, &seed.nth(count as u64)));
    }
    if evaluator.scarce {
        placements.extend(hypergraph::by_memory(workload, fleet, &speed, care, seed));
    }
    placements
}

struct Climb<'a, 'b> {
    evaluator: &'a mut Evaluator<'b>,
    current: Placement,
    latency: f64,
    best: Placement,
    least: f64,
    rng: Rng,
    /// Devices before the move, to take it back.
    undo: Vec<(NodeId, DeviceId)>,
}

impl<'a, 'b> Climb<'a, 'b> {
    fn new(evaluator: &'a mut Evaluator<'b>, start: Placement, latency: f64, rng: Rng) -> Self {
        Self { evaluator, best: start.clone(), current: start, latency, least: latency, rng, undo: Vec::new() }
    }

    fn run(&mut self, simulations: usize) {
        for step in 0..simulations {
            let left = 1.0 - step as f64 / simulations as f64;
            let accepted = self.latency * (1.0 + THRESHOLD * left * left);
            match self.rng.below(8) {
                0..=1 => self.try_order(accepted),
                2 => {
                    self.swap();
                    self.try_devices(accepted);
                }
                3..=4 => {
                    self.move_chain();
                    self.try_devices(accepted);
                }
                _ => {
                    self.move_node();
                    self.try_devices(accepted);
                }
            }
        }
    }

    /// Keeps the moved devices where the latency stays within `accepted`, and takes the order by rank where that is better.
    fn try_devices(&mut self, accepted: f64) {
        if self.undo.is_empty() {
            return;
        }
        let latency = self.evaluator.latency(&self.current);
        if latency > accepted {
            while let Some((node, device)) = self.undo.pop() {
                self.current.device_of[node.index()] = device;
            }
            return;
        }
        self.undo.clear();
        self.latency = latency;
        if latency < self.least {
            let (workload, fleet) = (self.evaluator.workload, self.evaluator.fleet);
            let ranked = by_rank(workload, fleet, self.current.device_of.clone());
            let latency = self.evaluator.latency(&ranked);
            if latency < self.latency {
                (self.current, self.latency) = (ranked, latency);
            }
        }
        self.remember();
    }

    fn remember(&mut self) {
        if self.latency < self.least {
            self.least = self.latency;
            self.best.clone_from(&self.current);
        }
    }

    /// Moves one node to another place in the order, between its inputs and its consumers.
    fn try_order(&mut self, accepted: f64) {
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
        // Only a place among the device's own nodes makes a difference.
        let own = |order: &[NodeId]| {
            let between = &order[from.min(to)..=from.max(to)];
            let home = self.current.device_of[node.index()];
            between.iter().filter(|other| self.current.device_of[other.index()] == home).count() > 1
        };
        if to == from || !own(order) {
            return;
        }
        shift(order, from, to);
        let latency = self.evaluator.latency(&self.current);
        if latency > accepted {
            shift(&mut self.current.order, to, from);
        } else {
            self.latency = latency;
            self.remember();
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
            let follow: Vec<NodeId> =
                workload.consumers(node).filter(|to| self.current.device_of[to.index()] == home).collect();
            if follow.is_empty() {
                return;
            }
            node = follow[self.rng.below(follow.len())];
        }
    }

    fn swap(&mut self) {
        let (a, b) = (self.any_node(), self.any_node());
        let (home, other) = (self.current.device_of[a.index()], self.current.device_of[b.index()]);
        self.put(a, other);
        self.put(b, home);
    }

    fn put(&mut self, node: NodeId, device: DeviceId) {
        let before = std::mem::replace(&mut self.current.device_of[node.index()], device);
        if before != device {
            self.undo.push((node, before));
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
