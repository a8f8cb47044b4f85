//! A lower bound on Λ of every completion of an assignment, and the vertex to branch on. Input: an assignment of some vertices;
//! output: nothing where no completion is better than the best known, else what to do next.
//!
//! A net with pins in some parts pays its cost once for every further part that one of its free pins goes to. So each net has
//! a purse for each part that it does not touch. Each free vertex needs, whichever part it goes to, at least the least over
//! the parts of what its nets' purses hold for it; that much is added to the bound and taken out of the purses, so that
//! nothing is counted twice: a feasible solution of the dual of the linear relaxation, found greedily.
//!
//! What is left in the purses, shared evenly, is what a vertex loses at least when its best part has no room for it. How
//! much must be lost is a generalised assignment problem: bounded part by part by a fractional knapsack, and where that is
//! not enough by a Lagrangian relaxation, in which room has a price. (Fisher 1981, The Lagrangian relaxation method.)

use super::State;
use crate::hypergraph::Hypergraph;

/// Subgradient steps at a node. More of them spare fewer nodes than they cost.
const STEPS: usize = 8;

/// What to do with a node.
pub(super) enum Choice {
    /// All vertices are assigned, and better than the best known.
    Done,
    /// Assign this vertex to each of these parts, which cost so much.
    Branch {
        /// The vertex.
        vertex: usize,
        /// The parts with the cost of each.
        parts: Vec<(u64, usize)>,
    },
}

/// Arrays kept between nodes.
pub(super) struct Bound {
    parts: usize,
    /// What net e has for part p, at `e * parts + p`.
    purses: Vec<u64>,
    /// Free pins of each net.
    free_pins: Vec<u32>,
    /// Free vertices by what they need, the most first.
    order: Vec<(u64, u32)>,
    /// What a free vertex costs in each part at least.
    asked: Vec<u64>,
    /// Weight of the free vertices that would go to a part, and what it costs to send them elsewhere: (cost, weight).
    guests: Vec<Vec<(u64, u64)>>,
    /// What each vertex of `order` still loses in each part, at `index * parts + part`.
    losses: Vec<u64>,
    prices: Vec<f64>,
    /// For each part the weight that would go there beyond its room.
    over: Vec<f64>,
}

/// Where a vertex can't go.
const CLOSED: u64 = u64::MAX;

impl Bound {
    pub(super) fn new(graph: &Hypergraph, parts: usize) -> Self {
        Self {
            parts,
            purses: vec![0; graph.nets() * parts],
            free_pins: vec![0; graph.nets()],
            order: Vec::new(),
            asked: vec![0; parts],
            guests: vec![Vec::new(); parts],
            losses: Vec::new(),
            prices: vec![0.0; parts],
            over: vec![0.0; parts],
        }
    }

    /// What to do with `state`, where something better than `best` may come of it; every Λ is a multiple of `step`.
    pub(super) fn look(&mut self, state: &State, best: u64, step: u64) -> Option<Choice> {
        if state.cost >= best || !self.has_room(state) {
            return None;
        }
        self.fill(state);
        let Some(branch) = self.rank(state)? else { return Some(Choice::Done) };
        let Choice::Branch { .. } = &branch else { return Some(branch) };
        let mut least = state.cost;
        for index in 0..self.order.len() {
            least += self.collect(state, self.order[index].1 as usize);
            if least >= best {
                return None;
            }
        }
        // Every Λ is a multiple of the step.
        let wanted = best.saturating_sub(step) + 1;
        self.share_losses(state);
        let pruned = least.saturating_add(self.displaced(state)) >= wanted
            || (least < wanted && self.priced(state, wanted - least));
        (!pruned).then_some(branch)
    }

    /// Whether the parts have room for the free vertices, not counting what is too small for any of them.
    fn has_room(&self, state: &State) -> bool {
        let weights = state.graph.weights();
        let free = (0..weights.len()).filter(|&vertex| state.is_free(vertex));
        let lightest = free.map(|vertex| weights[vertex]).min().unwrap_or(0);
        let rooms = state.loads.iter().zip(state.limits).map(|(load, limit)| limit - load);
        rooms.filter(|room| *room >= lightest).fold(0, u64::saturating_add) >= state.free_weight
    }

    fn fill(&mut self, state: &State) {
        for net in 0..state.graph.nets() {
            let touched = state.touched[net];
            let cost = if touched == 0 { 0 } else { state.graph.costs()[net] };
            for (part, purse) in self.purses[net * self.parts..(net + 1) * self.parts].iter_mut().enumerate() {
                *purse = if touched >> part & 1 == 1 { 0 } else { cost };
            }
            let free = state.graph.pins(net).iter().filter(|&&pin| state.is_free(pin as usize)).count();
            self.free_pins[net] = u32::try_from(free).expect("pins are numbered with 32 bits");
        }
    }

    /// What the purses hold for a vertex in each part.
    fn ask(&mut self, state: &State, vertex: usize) {
        for (part, asked) in self.asked.iter_mut().enumerate() {
            *asked = if state.fits(vertex, part) { 0 } else { CLOSED };
        }
        for &net in state.graph.nets_of(vertex) {
            let purses = &self.purses[net as usize * self.parts..(net as usize + 1) * self.parts];
            for (asked, &purse) in self.asked.iter_mut().zip(purses) {
                *asked = asked.saturating_add(purse);
            }
        }
    }

    /// Orders the free vertices and chooses one; `Some(None)` where none is free, `None` where one fits nowhere.
    fn rank(&mut self, state: &State) -> Option<Option<Choice>> {
        self.order.clear();
        let mut chosen: Option<((u64, u64), usize, Vec<u64>)> = None;
        for vertex in (0..state.graph.vertices()).filter(|&vertex| state.is_free(vertex)) {
            self.ask(state, vertex);
            let (mut first, mut second) = (CLOSED, CLOSED);
            for &asked in &self.asked {
                if asked < first {
                    (first, second) = (asked, first);
                } else if asked < second {
                    second = asked;
                }
            }
            if first == CLOSED {
                return None;
            }
            self.order.push((first, u32::try_from(vertex).expect("vertices are numbered with 32 bits")));
            let reach: u64 = state.graph.nets_of(vertex).iter().map(|&net| state.graph.costs()[net as usize]).sum();
            let key = (second, reach);
            if chosen.as_ref().is_none_or(|(most, _, _)| key > *most) {
                chosen = Some((key, vertex, self.asked.clone()));
            }
        }
        self.order.sort_unstable_by(|a, b| b.cmp(a));
        let Some((_, vertex, asked)) = chosen else { return Some(None) };
        let parts = asked.into_iter().zip(0..).filter(|&(asked, part)| asked != CLOSED && !state.is_twin(part));
        Some(Some(Choice::Branch { vertex, parts: parts.collect() }))
    }

    /// Takes what a vertex needs at least out of the purses.
    fn collect(&mut self, state: &State, vertex: usize) -> u64 {
        self.ask(state, vertex);
        let need = self.asked.iter().copied().min().unwrap_or(0);
        if need == 0 || need == CLOSED {
            return 0;
        }
        for part in (0..self.parts).filter(|&part| self.asked[part] != CLOSED) {
            let mut rest = need;
            // First from the nets with the fewest free pins, whose purses are of least use to others.
            for &net in state.graph.nets_of(vertex) {
                let purse = &mut self.purses[net as usize * self.parts + part];
                let taken = rest.min(*purse);
                *purse -= taken;
                rest -= taken;
            }
        }
        need
    }

    /// What is left in the purses, each shared evenly by the free pins of its net, for each vertex of `order` in each part.
    fn share_losses(&mut self, state: &State) {
        self.losses.clear();
        for &(_, vertex) in &self.order {
            let vertex = vertex as usize;
            let begin = self.losses.len();
            self.losses.extend((0..self.parts).map(|part| if state.fits(vertex, part) { 0 } else { CLOSED }));
            for &net in state.graph.nets_of(vertex) {
                let share = u64::from(self.free_pins[net as usize]);
                let purses = &self.purses[net as usize * self.parts..(net as usize + 1) * self.parts];
                for (loss, purse) in self.losses[begin..].iter_mut().zip(purses) {
                    *loss = loss.saturating_add(purse / share);
                }
            }
        }
    }

    /// What it costs at least that parts have no room for all the vertices that lose least there.
    fn displaced(&mut self, state: &State) -> u64 {
        for guests in &mut self.guests {
            guests.clear();
        }
        for (&(_, vertex), losses) in self.order.iter().zip(self.losses.chunks_exact(self.parts)) {
            let Some(home) = (0..self.parts).min_by_key(|&part| losses[part]) else { continue };
            let others = (0..self.parts).filter(|&part| part != home).map(|part| losses[part]);
            let loss = others.min().unwrap_or(CLOSED).saturating_sub(losses[home]);
            self.guests[home].push((loss, state.graph.weights()[vertex as usize]));
        }
        let mut least = 0_u64;
        for (part, guests) in self.guests.iter_mut().enumerate() {
            let room = state.limits[part] - state.loads[part];
            let weight: u64 = guests.iter().map(|(_, weight)| weight).sum();
            let mut over = weight.saturating_sub(room);
            // The cheapest by weight leave first, the last of them in part.
            let rate = |guest: &(u64, u64), other: &(u64, u64)| u128::from(guest.0) * u128::from(other.1);
            guests.sort_unstable_by(|a, b| rate(a, b).cmp(&rate(b, a)));
            for &(loss, weight) in &*guests {
                if over == 0 {
                    break;
                }
                let gone = over.min(weight);
                let share = u128::from(loss) * u128::from(gone) / u128::from(weight.max(1));
                least = least.saturating_add(u64::try_from(share).unwrap_or(u64::MAX));
                over -= gone;
            }
        }
        least
    }

    /// Whether some prices for room show that at least `gap` is lost.
    fn priced(&mut self, state: &State, gap: u64) -> bool {
        // A little more, so that no rounding prunes what must not be.
        let gap = gap as f64 * (1.0 + 1e-9) + 1e-3;
        self.prices.fill(0.0);
        for _ in 0..STEPS {
            let value = self.relaxed(state);
            if value >= gap {
                return true;
            }
            let moves = |part: usize| self.over[part] > 0.0 || self.prices[part] > 0.0;
            let norm: f64 =
                (0..self.parts).filter(|&part| moves(part)).map(|part| self.over[part] * self.over[part]).sum();
            if norm == 0.0 {
                return false;
            }
            for (price, over) in self.prices.iter_mut().zip(&self.over) {
                *price = (*price + (1.05 * gap - value) / norm * over).max(0.0);
            }
        }
        false
    }

    /// The relaxation under the prices as they are; leaves in `over` what would go where beyond the room there.
    fn relaxed(&mut self, state: &State) -> f64 {
        let mut value = 0.0;
        for part in 0..self.parts {
            let room = (state.limits[part] - state.loads[part]) as f64;
            self.over[part] = -room;
            value -= self.prices[part] * room;
        }
        for (&(_, vertex), losses) in self.order.iter().zip(self.losses.chunks_exact(self.parts)) {
            let weight = state.graph.weights()[vertex as usize] as f64;
            let (mut least, mut home) = (f64::INFINITY, 0);
            for (part, (&loss, price)) in losses.iter().zip(&self.prices).enumerate() {
                let paid = if loss == CLOSED { f64::INFINITY } else { loss as f64 + weight * price };
                if paid < least {
                    (least, home) = (paid, part);
                }
            }
            value += least;
            self.over[home] += weight;
        }
        value
    }
}
