//! k-way Fiduccia–Mattheyses refinement. Input: an assignment; output: one that is not worse, with its quality.
//!
//! A pass moves every vertex at most once, always the one with the greatest gain, losing ones too, and is then taken back to
//! its best moment. A part may be overfilled by one heaviest vertex on the way, since under tight limits no single move is
//! feasible but an exchange is; while some part is overfull only its vertices move. A pass begins with the vertices whose
//! nets are cut; others follow when a move changes their gains. Passes repeat until one gains nothing.

use super::Quality;
use super::anneal::anneal;
use super::balance::Balance;
use super::queue::Queues;
use super::state::State;
use crate::hypergraph::Hypergraph;
use cnasc_base::random::Rng;

/// Passes on one assignment. They end by themselves when one gains nothing; this only bounds pathological cases.
const PASSES: u32 = 40;

/// Moves without a new best after which a pass is given up: a part of small graphs, and bounded for large ones.
fn patience(vertices: usize) -> usize {
    (vertices / 6).clamp(10, 400)
}

/// The refinement of one hypergraph under one balance, with its arrays kept between assignments.
pub struct Refiner<'a> {
    state: State<'a>,
    queues: Queues,
    locked: Vec<bool>,
    /// For each vertex in a queue the part that its key is for.
    target_of: Vec<u32>,
    /// Moves of the pass, each with the part that the vertex left.
    moves: Vec<(u32, u32)>,
    /// Vertices whose gains the last move changed.
    changed: Vec<u32>,
    order: Vec<u32>,
    /// For each part how heavy it may become within a pass: its limit and one heaviest vertex more.
    caps: Vec<u64>,
}

impl<'a> Refiner<'a> {
    /// Nothing assigned yet.
    #[must_use]
    pub fn new(graph: &'a Hypergraph, balance: &'a Balance) -> Self {
        let slack = graph.weights().iter().copied().max().unwrap_or(0);
        Self {
            state: State::new(graph, balance),
            queues: Queues::new(balance.parts(), graph.vertices()),
            locked: vec![false; graph.vertices()],
            target_of: vec![0; graph.vertices()],
            moves: Vec::new(),
            changed: Vec::new(),
            order: (0_u32..).take(graph.vertices()).collect(),
            caps: balance.limits().iter().map(|limit| limit.saturating_add(slack)).collect(),
        }
    }

    /// The hypergraph that is partitioned.
    #[must_use]
    pub fn graph(&self) -> &'a Hypergraph {
        self.state.graph
    }

    /// The assignment as it is now.
    #[must_use]
    pub fn part_of(&self) -> &[u32] {
        &self.state.part_of
    }

    /// Takes an assignment and improves it as far as passes do; the stream decides among equal gains.
    pub(super) fn refine(&mut self, part_of: &[u32], rng: &mut Rng) -> Quality {
        self.state.reset(part_of);
        self.improve(rng)
    }

    fn improve(&mut self, rng: &mut Rng) -> Quality {
        let mut quality = self.state.quality();
        rng.shuffle(&mut self.order);
        for _ in 0..PASSES {
            self.queues.clear();
            self.open_boundary();
            let after = self.pass(quality, patience(self.order.len()));
            self.unlock();
            let improved = after < quality;
            quality = after;
            if !improved {
                break;
            }
        }
        quality
    }

    /// Takes an assignment, walks on from it by annealing, and refines the best that it met.
    pub(super) fn anneal(&mut self, part_of: &[u32], steps: u32, rng: &mut Rng) -> Quality {
        self.state.reset(part_of);
        anneal(&mut self.state, steps, rng);
        self.improve(rng)
    }

    fn pass(&mut self, start: Quality, patience: usize) -> Quality {
        let (mut best, mut kept) = (start, 0);
        self.moves.clear();
        while self.moves.len() < kept + patience {
            let Some((vertex, part)) = self.choose() else { break };
            self.perform(vertex, part);
            // The imbalance costs a division a part, so it is looked at only where it can decide.
            if best.excess == 0 && self.state.connectivity > best.connectivity {
                continue;
            }
            let quality = self.state.quality();
            if quality < best {
                (best, kept) = (quality, self.moves.len());
            }
        }
        for index in (kept..self.moves.len()).rev() {
            let (vertex, from) = self.moves[index];
            self.locked[vertex as usize] = false;
            self.state.apply(vertex as usize, from as usize, None);
        }
        self.moves.truncate(kept);
        best
    }

    /// Lets the moves that were kept be made again.
    fn unlock(&mut self) {
        for &(vertex, _) in &self.moves {
            self.locked[vertex as usize] = false;
        }
    }

    /// Lets the vertices move that have a cut net, and those of overfull parts.
    fn open_boundary(&mut self) {
        for index in 0..self.order.len() {
            let vertex = self.order[index];
            if self.state.is_boundary(vertex as usize) || self.state.is_in_overfull(vertex as usize) {
                self.renew(vertex);
            }
        }
    }

    fn renew(&mut self, vertex: u32) {
        if !self.locked[vertex as usize] {
            let home = self.state.part_of[vertex as usize] as usize;
            let (key, target) = self.state.best_target(vertex as usize, &self.caps);
            self.target_of[vertex as usize] = target;
            self.queues.set(home, vertex, key);
        }
    }

    /// The same after a move from one part to another.
    fn renew_after(&mut self, vertex: u32, parts: (u32, u32)) {
        let place = vertex as usize;
        if self.locked[place] {
            return;
        }
        if !self.queues.contains(vertex) {
            self.renew(vertex);
            return;
        }
        let home = self.state.part_of[place] as usize;
        let (key, target) = self.state.next_target(place, self.target_of[place], parts, &self.caps);
        self.target_of[place] = target;
        self.queues.set(home, vertex, key);
    }

    /// The best move that is allowed now. Keys may be stale where a part filled or emptied since; they are corrected here.
    fn choose(&mut self) -> Option<(u32, u32)> {
        loop {
            let source = match self.state.overfull() {
                Some(part) => part,
                None => self.queues.richest()?,
            };
            let (vertex, key) = self.queues.top(source)?;
            let (gain, part) = self.state.best_target(vertex as usize, &self.caps);
            if gain == key {
                return Some((vertex, part));
            }
            self.target_of[vertex as usize] = part;
            self.queues.set(source, vertex, gain);
        }
    }

    fn perform(&mut self, vertex: u32, part: u32) {
        let from = self.state.part_of[vertex as usize];
        self.locked[vertex as usize] = true;
        self.queues.remove(from as usize, vertex);
        self.state.apply(vertex as usize, part as usize, Some(&mut self.changed));
        self.moves.push((vertex, from));
        for index in 0..self.changed.len() {
            self.renew_after(self.changed[index], (from, part));
        }
        self.state.unmark(&mut self.changed);
    }
}
