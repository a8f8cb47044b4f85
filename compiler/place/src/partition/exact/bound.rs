//! A lower bound on Λ of every completion of an assignment, and the vertex to branch on. Input: an assignment of some vertices;
//! output: nothing where no completion is better than the best known, else what to do next.
//!
//! A net with pins in some parts pays its cost once for every further part that one of its free pins goes to. So each net has
//! a purse for each part that it does not touch. Each free vertex needs, whichever part it goes to, at least the least over
//! the parts of what its nets' purses hold for it; that much is added to the bound and taken out of the purses, so that
//! nothing is counted twice: a feasible solution of the dual of the linear relaxation, found greedily. What is left in the
//! purses, shared evenly, is what a vertex loses at least when its best part has no room for it.

use super::State;

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
    left: Vec<u64>,
}

/// Where a vertex can't go.
const CLOSED: u64 = u64::MAX;

impl Bound {
    pub(super) fn new(graph: &crate::hypergraph::Hypergraph, parts: usize) -> Self {
        Self {
            parts,
            purses: vec![0; graph.nets() * parts],
            free_pins: vec![0; graph.nets()],
            order: Vec::new(),
            asked: vec![0; parts],
            guests: vec![Vec::new(); parts],
            left: Vec::new(),
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
        let before = least;
        least = least.saturating_add(self.displaced(state));
        if least.div_ceil(step).saturating_mul(step) >= best { return None; }
        least = least.max(before + self.priced(state, best - before));
        (least.div_ceil(step).saturating_mul(step) < best).then_some(branch)
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

    /// What it costs at least that parts have no room for all the vertices that would cost least there.
    fn displaced(&mut self, state: &State) -> u64 {
        self.left.clear();
        for guests in &mut self.guests {
            guests.clear();
        }
        for index in 0..self.order.len() {
            let vertex = self.order[index].1 as usize;
            for part in 0..self.parts {
                self.asked[part] = if state.fits(vertex, part) { 0 } else { CLOSED };
            }
            for &net in state.graph.nets_of(vertex) {
                let share = u64::from(self.free_pins[net as usize]);
                for part in 0..self.parts {
                    let held = self.purses[net as usize * self.parts + part] / share;
                    self.asked[part] = self.asked[part].saturating_add(held);
                }
            }
            self.left.extend_from_slice(&self.asked);
            let Some(home) = (0..self.parts).min_by_key(|&part| self.asked[part]) else { continue };
            let others = (0..self.parts).filter(|&part| part != home).map(|part| self.asked[part]);
            let loss = others.min().unwrap_or(CLOSED).saturating_sub(self.asked[home]);
            self.guests[home].push((loss, state.graph.weights()[vertex]));
        }
        let mut least = 0_u64;
        for (part, guests) in self.guests.iter_mut().enumerate() {
            let room = state.limits[part] - state.loads[part];
            let weight: u64 = guests.iter().map(|(_, weight)| weight).sum();
            let mut over = weight.saturating_sub(room);
            // The cheapest by weight leave first, the last of them in part: a fractional knapsack.
            guests.sort_unstable_by(|a, b| (u128::from(a.0) * u128::from(b.1)).cmp(&(u128::from(b.0) * u128::from(a.1))));
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

    fn priced(&mut self, state: &State, gap: u64) -> u64 {
        let k = self.parts;
        let mut mu = [0.0_f64; 32];
        let mut best = 0.0_f64;
        let rooms: Vec<f64> = state.limits.iter().zip(&state.loads).map(|(l, w)| (l - w) as f64).collect();
        let iters: usize = std::env::var("IT").ok().and_then(|v| v.parse().ok()).unwrap_or(10);
        for _ in 0..iters {
            let mut over: Vec<f64> = rooms.iter().map(|r| -r).collect();
            let mut value = 0.0;
            for p in 0..k { value -= mu[p] * rooms[p]; }
            for (i, &(_, v)) in self.order.iter().enumerate() {
                let w = state.graph.weights()[v as usize] as f64;
                let row = &self.left[i * k..(i + 1) * k];
                let (mut least, mut home) = (f64::INFINITY, 0);
                for p in 0..k {
                    if row[p] != CLOSED {
                        let c = row[p] as f64 + w * mu[p];
                        if c < least { least = c; home = p; }
                    }
                }
                value += least;
                over[home] += w;
            }
            if value > best { best = value; if best >= gap as f64 { break; } }
            let mut norm = 0.0;
            for p in 0..k { if over[p] > 0.0 || mu[p] > 0.0 { norm += over[p] * over[p]; } }
            if norm == 0.0 { break; }
            let step = (gap as f64 * 1.05 - value).max(0.0) / norm;
            for p in 0..k { mu[p] = (mu[p] + step * over[p]).max(0.0); }
        }
        best as u64
    }
}
