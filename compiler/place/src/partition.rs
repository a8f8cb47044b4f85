//! k-way hypergraph partitioning: minimise Λ = Σ cost·(γ − 1) while every part's weight stays within `bound` times its share
//! of the total.
//!
//! Input: a [`Hypergraph`], the parts' shares, the bound, an effort and a seed. Output: a [`Partition`]. Starts (the best
//! partition into intervals, and multilevel ones) are each refined by k-way Fiduccia–Mattheyses passes ([`fm`]) that may
//! overfill a part on the way but keep only feasible ends; the best is then annealed and refined again. A large hypergraph is
//! coarsened to a small one, for which all this is done. The same seed gives the same partition. Where no assignment can keep the bound, because one vertex is too heavy or because the vertices do not
//! pack, the smallest bound for which [`balance`] finds a packing takes its place and the partition says so.
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
    pub const FAST: Self = Self { starts: 0, steps: 20 };
    /// For the plan that will run, and for reports.
    pub const THOROUGH: Self = Self { starts: 30, steps: 270 };

    /// The starts of a hypergraph: where it is very small, annealing finds everything; where it is large, it takes the time.
    fn starts_for(self, graph: &Hypergraph, parts: usize) -> u32 {
        const WORK: usize = 20_000;
        let fit = WORK / (graph.pin_count() + graph.vertices() * parts).max(1);
        let fit = fit.clamp(6, (graph.vertices() / 4).max(6));
        self.starts.min(u32::try_from(fit).unwrap_or(u32::MAX))
    }

    /// The annealing steps of a hypergraph.
    fn steps_for(self, vertices: usize, parts: usize) -> u32 {
        const FLOOR: f64 = 40.0;
        let size = vertices as f64 * libm::sqrt(parts as f64) + FLOOR;
        (f64::from(self.steps) * size) as u32
    }
}

/// Vertices and parts up to which the thorough effort ends with a short branch and bound, and the nodes of that.
const PROVABLE: (usize, usize) = (32, 4);
const PROOF_NODES: u64 = 1000;

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
    let part_of = match search.best {
        Some((_, part_of)) => part_of,
        None => balance.packing().to_vec(),
    };
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
    best: Option<(Quality, Vec<u32>)>,
}

impl<'a> Search<'a> {
    fn new(graph: &'a Hypergraph, balance: &'a Balance) -> Self {
        Self { graph, balance, refiner: Refiner::new(graph, balance), best: None }
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
        for _ in 0..effort.starts_for(graph, balance.parts()) {
            let start = multilevel::start(graph, balance, rng);
            self.refine(&start, rng);
        }
        self.repair(rng);
        self.anneal(effort.steps_for(graph.vertices(), balance.parts()), rng);
    }

    /// Where nothing keeps the limits: a packing does by construction, and refinement never leaves them.
    fn repair(&mut self, rng: &mut Rng) {
        if self.best.as_ref().is_none_or(|(quality, _)| quality.excess > 0) {
            self.refine(self.balance.packing(), rng);
        }
    }

    /// Walks on from the best.
    fn anneal(&mut self, steps: u32, rng: &mut Rng) {
        let Some((_, best)) = &self.best else { return };
        self.refiner.refine(best, rng);
        let quality = self.refiner.anneal(steps, rng);
        self.keep(quality);
    }

    fn refine(&mut self, part_of: &[u32], rng: &mut Rng) {
        let quality = self.refiner.refine(part_of, rng);
        self.keep(quality);
    }

    fn keep(&mut self, quality: Quality) {
        if self.best.as_ref().is_none_or(|(best, _)| quality < *best) {
            self.best = Some((quality, self.refiner.part_of().to_vec()));
        }
    }
}

#[cfg(test)]
mod tests;
