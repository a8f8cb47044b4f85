//! k-way hypergraph partitioning: minimise Λ = Σ cost·(γ − 1) while every part's weight stays within `bound` times its share
//! of the total.
//!
//! Input: a [`Hypergraph`], the parts' shares, the bound, an effort and a seed. Output: a [`Partition`]. Several starts
//! ([`initial`]) are each refined by k-way Fiduccia–Mattheyses passes ([`fm`]) that may overfill a part on the way but keep
//! only feasible ends; the best is then shaken and refined again, as often as the effort says. The same seed gives the same
//! partition. Where no assignment can keep the bound, because one vertex is too heavy or because the vertices do not
//! pack, the smallest bound for which [`balance`] finds a packing takes its place and the partition says so.
//!
//! Everything works on a `Hypergraph` and an assignment, so a multilevel scheme is one more layer: contract to a smaller
//! `Hypergraph`, partition that, and refine the projected assignment with the same passes.

pub mod balance;
pub mod fm;
pub mod initial;
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

/// How many times to try. Time grows linearly with both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Assignments to start from.
    pub starts: u32,
    /// Shakes of the best.
    pub kicks: u32,
}

impl Effort {
    /// For scoring thousands of candidates a second: the two cheap kinds of start and a few shakes.
    pub const FAST: Self = Self { starts: 2, kicks: 5 };
    /// For the plan that will run, and for reports.
    pub const THOROUGH: Self = Self { starts: 24, kicks: 400 };

    /// The effort for `pins` ends of edges on `parts` parts: less in proportion where both together are beyond what the
    /// efforts above were made for, so that large networks are still placed in seconds.
    fn within(self, pins: usize, parts: usize) -> Self {
        const FULL: u64 = 20_000;
        let size = (pins as u64).saturating_mul(parts as u64).max(FULL);
        let part = |count: u32| u32::try_from(u64::from(count) * FULL / size).unwrap_or(count);
        Self { starts: part(self.starts).max(1), kicks: part(self.kicks) }
    }
}

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
    let mut search = Search { refiner: Refiner::new(graph, &balance), best: None };
    if balance.parts() > 1 && graph.vertices() > 0 {
        let effort = request.effort.within((0..graph.nets()).map(|net| graph.pins(net).len()).sum(), balance.parts());
        search.start(request, effort, &balance, &mut rng);
        search.shake(effort.kicks, &balance, &mut rng);
    }
    let part_of = match search.best {
        Some((_, part_of)) => part_of,
        None => balance.packing().to_vec(),
    };
    let loads = balance.loads(graph, &part_of);
    Partition { connectivity: graph.connectivity(&part_of), loads, bound: balance.bound(), part_of }
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

struct Search<'a> {
    refiner: Refiner<'a>,
    best: Option<(Quality, Vec<u32>)>,
}

impl Search<'_> {
    fn start(&mut self, request: &Request, effort: Effort, balance: &Balance, rng: &mut Rng) {
        let graph = self.refiner.graph();
        if let Some(known) = request.known
            && known.len() == graph.vertices()
            && known.iter().all(|&part| (part as usize) < balance.parts())
        {
            self.refine(known, rng);
        }
        for index in 0..effort.starts {
            let start = initial::start(index, graph, balance, rng);
            self.refine(&start, rng);
        }
        if self.best.as_ref().is_some_and(|(quality, _)| quality.excess > 0) {
            // A packing keeps the limits by construction, and refinement never leaves them.
            self.refine(balance.packing(), rng);
        }
    }

    /// Iterated local search: move a few vertices of the best at random, repair, keep what is not worse.
    fn shake(&mut self, kicks: u32, balance: &Balance, rng: &mut Rng) {
        let Some((_, best)) = &mut self.best else { return };
        let mut quality = self.refiner.refine(best, rng);
        let mut moves = Vec::new();
        for _ in 0..kicks {
            initial::kick(self.refiner.graph(), balance.parts(), &mut moves, rng);
            quality = self.refiner.shake(&moves, quality);
        }
        best.copy_from_slice(self.refiner.part_of());
    }

    fn refine(&mut self, part_of: &[u32], rng: &mut Rng) {
        let quality = self.refiner.refine(part_of, rng);
        if self.best.as_ref().is_none_or(|(best, _)| quality < *best) {
            self.best = Some((quality, self.refiner.part_of().to_vec()));
        }
    }
}

#[cfg(test)]
mod tests;
