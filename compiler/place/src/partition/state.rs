//! An assignment with everything that a move changes, kept up to date: pins of each net in each part, the parts' weights, Λ,
//! and the two terms of every gain.
//!
//! Moving v from a to b saves the cost of each net whose last pin in a it is (`leave`) and pays that of each net without a
//! pin in b: gain = `leave[v]` − (`total[v]` − `reach[v][b]`). Only nets whose count passes 0, 1 or 2 change any term.

use super::Quality;
use super::balance::Balance;
use super::queue::BLOCKED;
use crate::hypergraph::Hypergraph;

pub(super) struct State<'a> {
    pub(super) graph: &'a Hypergraph,
    pub(super) balance: &'a Balance,
    pub(super) part_of: Vec<u32>,
    pub(super) loads: Vec<u64>,
    /// Λ.
    pub(super) connectivity: u64,
    parts: usize,
    /// Pins of net e in part p, at `e * parts + p`.
    pins_in: Vec<u32>,
    /// Cost of the nets of v whose only pin in v's part is v.
    leave: Vec<i64>,
    /// Cost of the nets of v with a pin in part p, at `v * parts + p`.
    reach: Vec<i64>,
    /// Cost of the nets of v.
    total: Vec<i64>,
    /// Whether a vertex stands in a list of changed ones.
    marked: Vec<bool>,
    /// The nets that touch more than one part, in no order.
    cut: Vec<u32>,
    /// For each net where it stands in `cut`, and how many parts it touches.
    spread: Vec<(u32, u32)>,
}

impl<'a> State<'a> {
    pub(super) fn new(graph: &'a Hypergraph, balance: &'a Balance) -> Self {
        let (vertices, parts) = (graph.vertices(), balance.parts());
        let cost_of = |&net: &u32| signed(graph.costs()[net as usize]);
        Self {
            graph,
            balance,
            part_of: vec![0; vertices],
            loads: vec![0; parts],
            connectivity: 0,
            parts,
            pins_in: vec![0; graph.nets() * parts],
            leave: vec![0; vertices],
            reach: vec![0; vertices * parts],
            marked: vec![false; vertices],
            cut: Vec::with_capacity(graph.nets()),
            spread: vec![(0, 0); graph.nets()],
            total: (0..vertices).map(|vertex| graph.nets_of(vertex).iter().map(cost_of).sum()).collect(),
        }
    }

    /// Takes another assignment and counts everything anew.
    pub(super) fn reset(&mut self, part_of: &[u32]) {
        self.part_of.copy_from_slice(part_of);
        self.loads.fill(0);
        self.pins_in.fill(0);
        self.leave.fill(0);
        self.reach.fill(0);
        self.connectivity = 0;
        self.cut.clear();
        for (&part, &weight) in self.part_of.iter().zip(self.graph.weights()) {
            self.loads[part as usize] += weight;
        }
        for net in 0..self.graph.nets() {
            let pins = self.graph.pins(net);
            let counts = &mut self.pins_in[net * self.parts..(net + 1) * self.parts];
            for &pin in pins {
                counts[self.part_of[pin as usize] as usize] += 1;
            }
            let cost = signed(self.graph.costs()[net]);
            let mut touched = 0_u32;
            for (part, _) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                touched += 1;
                for &pin in pins {
                    self.reach[pin as usize * self.parts + part] += cost;
                }
            }
            for &pin in pins {
                if counts[self.part_of[pin as usize] as usize] == 1 {
                    self.leave[pin as usize] += cost;
                }
            }
            self.connectivity += self.graph.costs()[net] * u64::from(touched.saturating_sub(1));
            self.spread[net] = (self.cut.len() as u32, touched);
            if touched > 1 {
                self.cut.push(net as u32);
            }
        }
    }

    /// What moving `vertex` to `part` takes off Λ.
    pub(super) fn gain(&self, vertex: usize, part: usize) -> i64 {
        // Sums of all costs fit, so wrapping never happens; it only spares the checks.
        self.leave[vertex].wrapping_add(self.reach[vertex * self.parts + part]).wrapping_sub(self.total[vertex])
    }

    /// What exchanging the parts of two vertices takes off Λ less than the gains of both: a net of both keeps its parts.
    pub(super) fn shared(&self, one: usize, other: usize) -> i64 {
        let (from, to) = (self.part_of[one] as usize, self.part_of[other] as usize);
        let mut shared = 0;
        let (mut left, mut right) = (self.graph.nets_of(one), self.graph.nets_of(other));
        while let ([a, left_rest @ ..], [b, right_rest @ ..]) = (left, right) {
            if a == b {
                let counts = &self.pins_in[*a as usize * self.parts..(*a as usize + 1) * self.parts];
                let last = i64::from(counts[from] == 1) + i64::from(counts[to] == 1);
                shared += last * signed(self.graph.costs()[*a as usize]);
            }
            if a <= b {
                left = left_rest;
            }
            if b <= a {
                right = right_rest;
            }
        }
        shared
    }

    /// Σ (γ − 1): how often an output is sent.
    pub(super) fn sent(&self) -> u64 {
        let touched = self.pins_in.iter().filter(|&&count| count > 0).count();
        touched.saturating_sub(self.graph.nets()) as u64
    }

    /// Number of parts.
    pub(super) fn parts(&self) -> usize {
        self.parts
    }

    /// Whether `part` stays within its limit when `vertex` comes.
    pub(super) fn has_room(&self, vertex: usize, part: usize) -> bool {
        self.loads[part] + self.graph.weights()[vertex] <= self.balance.limits()[part]
    }

    /// Whether both parts stay within their limits when two vertices change places.
    pub(super) fn can_swap(&self, one: usize, other: usize) -> bool {
        let weights = self.graph.weights();
        let fits = |part: u32, comes: u64, goes: u64| {
            self.loads[part as usize] - goes + comes <= self.balance.limits()[part as usize]
        };
        fits(self.part_of[other], weights[one], weights[other]) && fits(self.part_of[one], weights[other], weights[one])
    }

    /// The greatest gain of a vertex over the parts that it would not fill beyond `caps`, and that part; of equals the one
    /// with the most room. [`BLOCKED`] where no part has room.
    pub(super) fn best_target(&self, vertex: usize, caps: &[u64]) -> (i64, u32) {
        let home = self.part_of[vertex];
        let weight = self.graph.weights()[vertex];
        let reach = &self.reach[vertex * self.parts..(vertex + 1) * self.parts];
        let (mut most, mut room, mut target) = (i64::MIN, 0, home);
        for (part, ((&reach, &load), &cap)) in (0_u32..).zip(reach.iter().zip(&self.loads).zip(caps)) {
            let rest = cap.saturating_sub(load);
            // Without short circuits: which part wins is a coin toss to a branch predictor.
            let allowed = (part != home) & (weight <= rest);
            let better = allowed & ((reach > most) | ((reach == most) & (rest > room)));
            most = if better { reach } else { most };
            room = if better { rest } else { room };
            target = if better { part } else { target };
        }
        if target == home { (BLOCKED, home) } else { (most + self.leave[vertex] - self.total[vertex], target) }
    }

    /// As [`State::best_target`] of a vertex whose best target was `target` before another vertex moved between `parts`: only
    /// these can have changed much, so only they are looked at where the target is none of them.
    pub(super) fn next_target(&self, vertex: usize, target: u32, parts: (u32, u32), caps: &[u64]) -> (i64, u32) {
        let home = self.part_of[vertex];
        if target == parts.0 || target == home {
            return self.best_target(vertex, caps);
        }
        let weight = self.graph.weights()[vertex];
        let mut best = (self.gain(vertex, target as usize), target);
        let other = parts.1;
        if other != home && weight <= caps[other as usize].saturating_sub(self.loads[other as usize]) {
            let gain = self.gain(vertex, other as usize);
            if gain > best.0 {
                best = (gain, other);
            }
        }
        best
    }

    /// Moves `vertex` to `part`; `changed` takes the other vertices whose gains changed, each once until [`State::unmark`].
    pub(super) fn apply(&mut self, vertex: usize, part: usize, mut changed: Option<&mut Vec<u32>>) {
        let from = self.part_of[vertex] as usize;
        self.connectivity = self.connectivity.wrapping_add_signed(-self.gain(vertex, part));
        let weight = self.graph.weights()[vertex];
        self.loads[from] -= weight;
        self.loads[part] += weight;
        self.part_of[vertex] = u32::try_from(part).expect("parts are devices, of which there are few");
        self.leave[vertex] = 0;
        let graph = self.graph;
        for &net in graph.nets_of(vertex) {
            self.cross(net as usize, vertex, from, part, changed.as_deref_mut());
        }
    }

    /// What one net sees of a move.
    fn cross(&mut self, net: usize, vertex: usize, from: usize, part: usize, mut changed: Option<&mut Vec<u32>>) {
        let graph = self.graph;
        let counts = &mut self.pins_in[net * self.parts..(net + 1) * self.parts];
        counts[from] -= 1;
        let (left, before) = (counts[from], counts[part]);
        counts[part] += 1;
        if left > 1 && before > 1 {
            return;
        }
        let cost = signed(graph.costs()[net]);
        // The net leaves a part, or enters one.
        if left == 0 || before == 0 {
            self.respread(net, left == 0, before == 0);
            let pins = graph.pins(net);
            self.reach_changes(pins, (left == 0).then_some(from), (before == 0).then_some(part), cost);
            if before == 0 {
                self.leave[vertex] += cost;
            }
            if let Some(changed) = &mut changed {
                for &pin in pins {
                    if !self.marked[pin as usize] & (pin as usize != vertex) {
                        self.marked[pin as usize] = true;
                        changed.push(pin);
                    }
                }
            }
        }
        // It depends on a last pin, or no longer does.
        if left == 1 || before == 1 {
            self.depend(net, vertex, (from, left), (part, before), cost, changed);
        }
    }

    /// What the pins of a net reach after it left a part, entered one, or both.
    fn reach_changes(&mut self, pins: &[u32], gone: Option<usize>, come: Option<usize>, cost: i64) {
        let (parts, reach) = (self.parts, self.reach.as_mut_slice());
        // Sums of all costs fit, and places are within the array, so wrapping never happens; it only spares the checks.
        let place = |pin: u32, part: usize| (pin as usize).wrapping_mul(parts).wrapping_add(part);
        if let Some(part) = gone {
            for &pin in pins {
                let reach = &mut reach[place(pin, part)];
                *reach = reach.wrapping_sub(cost);
            }
        }
        if let Some(part) = come {
            for &pin in pins {
                let reach = &mut reach[place(pin, part)];
                *reach = reach.wrapping_add(cost);
            }
        }
    }

    /// Counts anew how many parts a net touches that left one, entered one, or both.
    fn respread(&mut self, net: usize, gone: bool, come: bool) {
        if gone == come {
            return;
        }
        let (place, touched) = &mut self.spread[net];
        if come {
            *touched += 1;
            if *touched == 2 {
                *place = self.cut.len() as u32;
                self.cut.push(net as u32);
            }
        } else {
            *touched -= 1;
            if *touched == 1 {
                let place = *place;
                self.cut.swap_remove(place as usize);
                if let Some(&last) = self.cut.get(place as usize) {
                    self.spread[last as usize].0 = place;
                }
            }
        }
    }

    /// The nets that touch more than one part.
    pub(super) fn cut(&self) -> &[u32] {
        &self.cut
    }

    /// What the one pin gains by leaving that a net now depends on in the part left, or no longer in the part entered.
    fn depend(
        &mut self,
        net: usize,
        vertex: usize,
        (from, left): (usize, u32),
        (part, before): (usize, u32),
        cost: i64,
        mut changed: Option<&mut Vec<u32>>,
    ) {
        let mut wanted = u32::from(left == 1) + u32::from(before == 1);
        for &pin in self.graph.pins(net) {
            let other = pin as usize;
            let home = self.part_of[other] as usize;
            let released = left == 1 && home == from;
            if other == vertex || !(released || before == 1 && home == part) {
                continue;
            }
            self.leave[other] += if released { cost } else { -cost };
            if let Some(changed) = &mut changed
                && !self.marked[other]
            {
                self.marked[other] = true;
                changed.push(pin);
            }
            wanted -= 1;
            if wanted == 0 {
                return;
            }
        }
    }

    /// Lets `changed` be reported again, and empties it.
    pub(super) fn unmark(&mut self, changed: &mut Vec<u32>) {
        for &vertex in &*changed {
            self.marked[vertex as usize] = false;
        }
        changed.clear();
    }

    /// How good the assignment is now.
    pub(super) fn quality(&self) -> Quality {
        Quality {
            excess: self.excess(),
            connectivity: self.connectivity,
            imbalance: self.balance.imbalance(&self.loads),
        }
    }

    fn excess(&self) -> u64 {
        self.loads.iter().zip(self.balance.limits()).map(|(&load, &limit)| load.saturating_sub(limit)).sum()
    }

    /// Whether a net of `vertex` reaches another part.
    pub(super) fn is_boundary(&self, vertex: usize) -> bool {
        let home = self.part_of[vertex] as usize;
        let reach = &self.reach[vertex * self.parts..(vertex + 1) * self.parts];
        reach.iter().enumerate().any(|(part, &reach)| reach > 0 && part != home)
    }

    /// Whether the part of `vertex` is above its limit.
    pub(super) fn is_in_overfull(&self, vertex: usize) -> bool {
        let home = self.part_of[vertex] as usize;
        self.loads[home] > self.balance.limits()[home]
    }

    /// The part that is furthest above its limit.
    pub(super) fn overfull(&self) -> Option<usize> {
        let over = |part: usize| self.loads[part].saturating_sub(self.balance.limits()[part]);
        let worst = (0..self.parts).max_by_key(|&part| (over(part), std::cmp::Reverse(part)))?;
        (over(worst) > 0).then_some(worst)
    }
}

fn signed(cost: u64) -> i64 {
    i64::try_from(cost).expect("a hypergraph's costs sum to less than 2^60")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use cnasc_base::random::Seed;

    #[test]
    fn what_moves_keep_equals_what_counting_gives() {
        let graph = Hypergraph::of_blocks(&sample::workload(&Seed::new(2), 40));
        let balance = Balance::new(&graph, &[1.0; 3], 1.2);
        let mut state = State::new(&graph, &balance);
        state.reset(&vec![0; graph.vertices()]);
        let mut rng = Seed::new(3).rng();
        let mut fresh = State::new(&graph, &balance);
        for _ in 0..300 {
            let (vertex, part) = (rng.below(graph.vertices()), rng.below(3));
            if state.part_of[vertex] as usize != part {
                let expected = state.connectivity as i64 - state.gain(vertex, part);
                let mut changed = Vec::new();
                state.apply(vertex, part, Some(&mut changed));
                state.unmark(&mut changed);
                assert_eq!(state.connectivity as i64, expected);
            }
            fresh.reset(&state.part_of);
            assert_eq!(state.connectivity, graph.connectivity(&state.part_of));
            assert_eq!(
                (&state.leave, &state.reach, &state.pins_in, &state.loads),
                (&fresh.leave, &fresh.reach, &fresh.pins_in, &fresh.loads)
            );
        }
    }
}
