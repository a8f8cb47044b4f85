//! k-way Fiduccia–Mattheyses refinement. Input: an assignment; output: one that is not worse, with its quality.
//!
//! A pass moves every vertex at most once, always the one with the greatest gain, losing ones too, and is then taken back to
//! its best moment. A part may be overfilled by one heaviest vertex on the way, since under tight limits no single move is
//! feasible but an exchange is; while some part is overfull only its vertices move. Passes repeat until one gains nothing.
//! A shake is repaired by the same passes, begun at the vertices around it alone.

use super::Quality;
use super::balance::Balance;
use super::queue::{BLOCKED, Queue};
use super::state::State;
use crate::hypergraph::Hypergraph;
use cnasc_base::random::Rng;

/// Passes on one assignment. They end by themselves when one gains nothing; this only bounds pathological cases.
const PASSES: u32 = 40;

/// Moves without a new best after which a pass is given up: a part of small graphs, and bounded for large ones.
fn patience(vertices: usize) -> usize {
    (vertices / 6).clamp(10, 400)
}

/// The same for a pass around a shake, whose repair lies near or nowhere.
const LOCAL_PATIENCE: usize = 8;

/// The refinement of one hypergraph under one balance, with its arrays kept between assignments.
pub struct Refiner<'a> {
    state: State<'a>,
    queues: Vec<Queue>,
    /// For each vertex its leaf in the queue of the part where the pass found it.
    leaf_of: Vec<u32>,
    /// For each part its vertices at the start of the pass, by leaf.
    members: Vec<Vec<u32>>,
    locked: Vec<bool>,
    /// Moves of the pass, each with the part that the vertex left.
    moves: Vec<(u32, u32)>,
    /// Kept moves since a shake began, the shake included.
    trail: Vec<(u32, u32)>,
    /// Vertices whose gains the last move changed.
    changed: Vec<u32>,
    /// Vertices that moved or whose gains changed in this pass; some stand there more than once.
    touched: Vec<u32>,
    order: Vec<u32>,
    /// For each part how heavy it may become within a pass: its limit and one heaviest vertex more.
    caps: Vec<u64>,
}

impl<'a> Refiner<'a> {
    /// Nothing assigned yet.
    #[must_use]
    pub fn new(graph: &'a Hypergraph, balance: &'a Balance) -> Self {
        let parts = balance.parts();
        let slack = graph.weights().iter().copied().max().unwrap_or(0);
        Self {
            state: State::new(graph, balance),
            queues: (0..parts).map(|_| Queue::new()).collect(),
            leaf_of: vec![0; graph.vertices()],
            members: vec![Vec::new(); parts],
            locked: vec![false; graph.vertices()],
            moves: Vec::with_capacity(graph.vertices()),
            trail: Vec::new(),
            changed: Vec::new(),
            touched: Vec::new(),
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
        let mut quality = self.state.quality();
        for _ in 0..PASSES {
            rng.shuffle(&mut self.order);
            self.locked.fill(false);
            self.fill_queues();
            self.open_all();
            let after = self.pass(quality, patience(self.order.len()));
            let improved = after < quality;
            quality = after;
            if !improved {
                break;
            }
        }
        quality
    }

    /// Moves some vertices of the current assignment, of this `quality`, and repairs around them; takes everything back
    /// where that made it worse. Gives the quality of what is kept.
    pub(super) fn shake(&mut self, kick: &[(u32, u32)], quality: Quality) -> Quality {
        self.trail.clear();
        self.touched.clear();
        for &(vertex, part) in kick {
            let from = self.state.part_of[vertex as usize];
            if from != part {
                self.state.apply(vertex as usize, part as usize, &mut self.changed);
                self.trail.push((vertex, from));
            }
        }
        self.note_touched();
        let mut now = self.state.quality();
        let mut shaken = self.trail.len();
        for _ in 0..PASSES {
            self.locked.fill(false);
            // At first the shaken vertices stay where they are, or they would simply go back.
            for &(vertex, _) in &self.trail[..shaken] {
                self.locked[vertex as usize] = true;
            }
            shaken = 0;
            self.fill_queues();
            self.open_touched();
            let after = self.pass(now, LOCAL_PATIENCE);
            self.trail.extend(&self.moves);
            let improved = after < now;
            now = after;
            if !improved {
                break;
            }
        }
        if now <= quality {
            return now;
        }
        while let Some((vertex, from)) = self.trail.pop() {
            self.state.apply(vertex as usize, from as usize, &mut self.changed);
        }
        self.state.unmark(&mut self.changed);
        quality
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
        while self.moves.len() > kept {
            let Some((vertex, from)) = self.moves.pop() else { break };
            self.state.apply(vertex as usize, from as usize, &mut self.changed);
        }
        self.state.unmark(&mut self.changed);
        best
    }

    /// Gives every vertex a leaf in the queue of its part; none may move yet.
    fn fill_queues(&mut self) {
        for members in &mut self.members {
            members.clear();
        }
        for &vertex in &self.order {
            let members = &mut self.members[self.state.part_of[vertex as usize] as usize];
            self.leaf_of[vertex as usize] = u32::try_from(members.len()).expect("there are few vertices");
            members.push(vertex);
        }
    }

    /// Lets every vertex move.
    fn open_all(&mut self) {
        self.touched.clear();
        for (queue, members) in self.queues.iter_mut().zip(&self.members) {
            queue.fill(members.iter().map(|&vertex| self.state.best_target(vertex as usize, &self.caps).0));
        }
    }

    /// Lets the touched vertices move; others follow when a move changes their gains.
    fn open_touched(&mut self) {
        for (queue, members) in self.queues.iter_mut().zip(&self.members) {
            queue.fill(members.iter().map(|_| BLOCKED));
        }
        for index in 0..self.touched.len() {
            self.renew(self.touched[index]);
        }
        self.touched.clear();
    }

    fn renew(&mut self, vertex: u32) {
        if !self.locked[vertex as usize] {
            let home = self.state.part_of[vertex as usize] as usize;
            let key = self.state.best_target(vertex as usize, &self.caps).0;
            self.queues[home].set(self.leaf_of[vertex as usize], key);
        }
    }

    /// The best move that is allowed now. Keys may be stale where a part filled or emptied since; they are corrected here.
    fn choose(&mut self) -> Option<(u32, u32)> {
        loop {
            let source = match self.state.overfull() {
                Some(part) => part,
                None => self.fullest_queue()?,
            };
            let (leaf, key) = self.queues[source].top()?;
            let vertex = self.members[source][leaf as usize];
            let (gain, part) = self.state.best_target(vertex as usize, &self.caps);
            if gain == key {
                return Some((vertex, part));
            }
            self.queues[source].set(leaf, gain);
        }
    }

    fn fullest_queue(&self) -> Option<usize> {
        let mut best: Option<(i64, usize)> = None;
        for (part, queue) in self.queues.iter().enumerate() {
            if let Some((_, key)) = queue.top()
                && best.is_none_or(|(greatest, _)| key > greatest)
            {
                best = Some((key, part));
            }
        }
        best.map(|(_, part)| part)
    }

    fn perform(&mut self, vertex: u32, part: u32) {
        let from = self.state.part_of[vertex as usize];
        self.locked[vertex as usize] = true;
        self.queues[from as usize].set(self.leaf_of[vertex as usize], BLOCKED);
        self.state.apply(vertex as usize, part as usize, &mut self.changed);
        self.moves.push((vertex, from));
        for index in 0..self.changed.len() {
            self.renew(self.changed[index]);
        }
        self.touched.push(vertex);
        self.note_touched();
    }

    fn note_touched(&mut self) {
        self.touched.extend(&self.changed);
        self.state.unmark(&mut self.changed);
    }
}
