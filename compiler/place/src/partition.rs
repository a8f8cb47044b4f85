//! k-way hypergraph partitioning: minimise Λ = Σ cost·(γ − 1) while every part's weight stays within `bound` times its share
//! of the total.
//!
//! Input: a [`Hypergraph`], the parts' shares, the bound, an effort and a seed. Output: a [`Partition`]. Starts (the best
//! partition into intervals, pieces of intervals distributed, and multilevel ones) are each refined by k-way
//! Fiduccia–Mattheyses passes ([`fm`]) that may overfill a part on the way but keep only feasible ends. The best few are
//! combined with each other, two of them are annealed, and combined again. A large hypergraph is coarsened to a small one, for which
//! all this is done. The same seed gives the same partition. Where no assignment can keep the bound, because one vertex is too
//! heavy or because the vertices do not pack, the smallest bound for which [`balance`] finds a packing takes its place and the
//! partition says so.
//!
//! A level is a `Hypergraph` and an assignment, whatever it was coarsened from.

mod anneal;
pub mod balance;
mod coarsening;
pub mod exact;
pub mod fm;
pub mod initial;
mod intervals;
#[cfg(feature = "metis")]
pub mod metis;
mod multilevel;
mod queue;
mod state;

use crate::hypergraph::Hypergraph;
use balance::Balance;
use cnasc_base::random::{Rng, Seed};
use fm::Refiner;

/// What is asked of a partition.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// For each part its share of the weight; they need not sum to one. What is not a positive number counts as 0, and
    /// where nothing is left, or there is no part, one part takes everything.
    pub targets: &'a [f64],
    /// The greatest W_p over the part's share of the total, at least 1 (1 + ε of the literature).
    pub bound: f64,
    /// How hard to try.
    pub effort: Effort,
    /// An assignment to try as well, such as that of a tighter bound.
    pub known: Option<&'a [u32]>,
}

/// How hard to try. Time grows linearly with both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Multilevel starts beside the best intervals, at most; large hypergraphs get fewer.
    pub starts: u32,
    /// Annealing steps for each vertex and square root of the number of parts.
    pub steps: u32,
}

impl Effort {
    /// For scoring thousands of candidates a second.
    pub const FAST: Self = Self { starts: 0, steps: 12 };
    /// For the plan that will run, and for reports.
    pub const THOROUGH: Self = Self { starts: 30, steps: 240 };

    /// The starts of a hypergraph: fewer where it is large and takes the time, and where its nets have many pins: then the parts
    /// found from different starts are alike, and annealing finds more.
    fn starts_for(self, graph: &Hypergraph, parts: usize) -> u32 {
        const WORK: usize = 5000;
        const LEAST: usize = 4;
        let fit = WORK / (graph.pin_count() + graph.vertices() * parts).max(1);
        let fit = fit.clamp(LEAST, (graph.vertices() / 4).max(LEAST));
        let thinned = (fit as f64 * (PINS / pins_of_a_vertex(graph)).min(1.0)).ceil();
        self.starts.min(thinned as u32)
    }

    /// The annealing steps of a hypergraph.
    fn steps_for(self, vertices: usize, parts: usize) -> u32 {
        const FLOOR: f64 = 40.0;
        // Where a part has only a few vertices, more parts do not give more to choose from.
        let choices = (parts as f64).min(vertices as f64 / 4.0);
        (f64::from(self.steps) * (vertices as f64 * libm::sqrt(choices) + FLOOR)) as u32
    }
}

/// Pins of a vertex up to which a hypergraph gets all its starts.
const PINS: f64 = 3.0;

fn pins_of_a_vertex(graph: &Hypergraph) -> f64 {
    (graph.pin_count() as f64 / graph.vertices().max(1) as f64).max(f64::MIN_POSITIVE)
}

/// Vertices and parts up to which the thorough effort ends with a short branch and bound, and the nodes of that.
const PROVABLE: (usize, usize) = (32, 4);
const PROOF_NODES: u64 = 300;

/// Partitions that are kept to be combined.
const POOL: usize = 6;

/// Combinations of two of the pool before annealing, and each time after it.
const ROUNDS: (u32, u32) = (8, 4);

/// Weights of intervals that the best is combined with, in least parts.
const PIECES: [f64; 2] = [0.5, 0.25];

/// An assignment of all vertices to parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Partition {
    /// For each vertex its part.
    pub part_of: Vec<u32>,
    /// For each part the weight in it.
    pub loads: Vec<u64>,
    /// Λ.
    pub connectivity: u64,
    /// The bound that was kept: the one asked for, or the smallest feasible one found where that is larger.
    pub bound: f64,
}

/// The best partition found.
#[must_use]
pub fn partition(graph: &Hypergraph, request: &Request, seed: &Seed) -> Partition {
    let balance = Balance::new(graph, request.targets, request.bound);
    let mut rng = seed.child("partition").rng();
    let mut search = Search::new(graph, &balance);
    if balance.parts() > 1 && graph.vertices() > 0 {
        search.run(request.known, request.effort, &mut rng);
    }
    let part_of = search.into_best().unwrap_or_else(|| balance.packing().to_vec());
    let loads = balance.loads(graph, &part_of);
    let found = Partition { connectivity: graph.connectivity(&part_of), loads, bound: balance.bound(), part_of };
    let provable = graph.vertices() <= PROVABLE.0 && balance.parts() <= PROVABLE.1;
    if !provable || request.effort.steps < Effort::THOROUGH.steps {
        return found;
    }
    exact::prove(graph, request, &found, PROOF_NODES).partition
}

/// How good an assignment is; less is better. Overweight first, so that a feasible one beats every other.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
struct Quality {
    /// Σ of weight above the limits.
    excess: u64,
    /// Λ.
    connectivity: u64,
    /// Greatest load over its target: of two equal cuts the better balanced one.
    imbalance: f64,
}

/// The search of one hypergraph, or of one that a larger was coarsened to.
struct Search<'a> {
    graph: &'a Hypergraph,
    balance: &'a Balance,
    refiner: Refiner<'a>,
    /// The best found, the best of all first, each of another quality.
    pool: Vec<(Quality, Vec<u32>)>,
}

impl<'a> Search<'a> {
    fn new(graph: &'a Hypergraph, balance: &'a Balance) -> Self {
        Self { graph, balance, refiner: Refiner::new(graph, balance), pool: Vec::new() }
    }

    fn into_best(self) -> Option<Vec<u32>> {
        self.pool.into_iter().next().map(|(_, part_of)| part_of)
    }

    fn run(&mut self, known: Option<&[u32]>, effort: Effort, rng: &mut Rng) {
        let (graph, balance) = (self.graph, self.balance);
        if let Some(known) = known
            && known.len() == graph.vertices()
            && known.iter().all(|&part| (part as usize) < balance.parts())
        {
            self.refine(known, rng);
        }
        if multilevel::is_large(graph, balance.parts()) {
            let start = multilevel::descend(graph, balance, effort, rng);
            self.refine(&start, rng);
            self.repair(rng);
            return;
        }
        if let Some(start) = intervals::nearly(graph, balance.limits()) {
            self.refine(&start, rng);
        }
        let steps = effort.steps_for(graph.vertices(), balance.parts());
        if effort.starts == 0 {
            self.repair(rng);
            self.anneal(0, steps, rng);
            return;
        }
        let start = multilevel::pieced(graph, balance, rng);
        self.refine(&start, rng);
        for _ in 0..effort.starts_for(graph, balance.parts()) {
            let start = multilevel::start(graph, balance, rng);
            self.refine(&start, rng);
        }
        self.repair(rng);
        let pieces = PIECES.map(|share| intervals::pieces(graph, balance.share_of_least(share)));
        self.combine(ROUNDS.0, &pieces, rng);
        // From the best, and then from what is least like it: what one walk misses the other may find.
        for place in [0, POOL] {
            self.anneal(place, steps / 2, rng);
            self.combine(ROUNDS.1, &pieces, rng);
        }
    }

    /// Where nothing keeps the limits: a packing does by construction, and refinement never leaves them.
    fn repair(&mut self, rng: &mut Rng) {
        if self.pool.first().is_none_or(|(quality, _)| quality.excess > 0) {
            self.refine(self.balance.packing(), rng);
        }
    }

    /// Combines two of the pool so many times, mostly the best with another, and the best with intervals.
    fn combine(&mut self, rounds: u32, pieces: &[Vec<u32>], rng: &mut Rng) {
        for _ in 0..rounds {
            let count = self.pool.len();
            if count < 2 {
                break;
            }
            let one = if rng.below(2) == 0 { 0 } else { rng.below(count) };
            let other = (one + 1 + rng.below(count - 1)) % count;
            let (better, worse) = (&self.pool[one.min(other)].1, &self.pool[one.max(other)].1);
            let start = multilevel::combined(self.graph, self.balance, better, worse, rng);
            self.refine(&start, rng);
        }
        for pieces in pieces {
            let Some((_, best)) = self.pool.first() else { return };
            let start = multilevel::combined(self.graph, self.balance, best, pieces, rng);
            self.refine(&start, rng);
        }
    }

    /// Walks on from one of the pool, from the last where it has fewer.
    fn anneal(&mut self, place: usize, steps: u32, rng: &mut Rng) {
        let Some((_, start)) = self.pool.get(place).or(self.pool.last()) else { return };
        let quality = self.refiner.anneal(start, steps, rng);
        self.keep(quality);
    }

    fn refine(&mut self, part_of: &[u32], rng: &mut Rng) {
        let quality = self.refiner.refine(part_of, rng);
        self.keep(quality);
    }

    fn keep(&mut self, quality: Quality) {
        let place = self.pool.partition_point(|(other, _)| *other < quality);
        if place < POOL && self.pool.get(place).is_none_or(|(other, _)| *other != quality) {
            self.pool.truncate(POOL - 1);
            self.pool.insert(place, (quality, self.refiner.part_of().to_vec()));
        }
    }
}

#[cfg(test)]
mod tests;
