//! The multilevel scheme: coarsen, partition what is left, and carry the answer back, refining it at every level. Input: a
//! hypergraph and limits; output: an assignment, to be refined at the finest level.
//!
//! Small hypergraphs get many such starts, each coarsened anew until a handful of vertices a part is left: clusters move as
//! wholes, which finds cuts that single moves do not. So do the clusters of a combination, which are what two assignments put
//! together, and are moved about in the better of them. (Sanders and Schulz 2012, Distributed evolutionary graph partitioning,
//! where contracting what agrees is the crossover.) Large ones get one, whose coarsest level is searched as a small one is.

use super::balance::Balance;
use super::coarsening::{Level, coarsen, contract};
use super::fm::Refiner;
use super::{Effort, Search, initial, intervals};
use crate::hypergraph::Hypergraph;
use cnasc_base::random::Rng;
use std::collections::BTreeMap;

/// Vertices a part at the coarsest level of a start: so many, and up to so many more.
const COARSE: (usize, usize) = (3, 8);

/// Vertices above which one descent replaces the starts, and those that its coarsest level has at least.
const LARGE: usize = 2000;

/// Vertices a part that the coarsest level of a large hypergraph has at least.
const LARGE_PART: usize = 32;

/// How much heavier than the mean a cluster may become.
const CLUSTER: u64 = 2;

/// Whether one descent takes the place of many starts.
pub(super) fn is_large(graph: &Hypergraph, parts: usize) -> bool {
    graph.vertices() > LARGE.max(2 * LARGE_PART * parts)
}

/// Annealing steps for each vertex of what intervals or combinations were contracted to: there are few.
const WALK: u32 = 35;

/// A start of a small hypergraph.
pub(super) fn start(graph: &Hypergraph, balance: &Balance, rng: &mut Rng) -> Vec<u32> {
    let levels = hierarchy(graph, balance.parts() * (COARSE.0 + rng.below(COARSE.1)) + COARSE.1, rng);
    let coarsest = levels.last().map_or(graph, |level| &level.graph);
    let mut refiner = Refiner::new(coarsest, balance);
    let part_of = sketch(&mut refiner, balance, rng);
    uncoarsen(balance, &levels, part_of, rng)
}

/// The better of a grown and a bisected assignment, refined.
fn sketch(refiner: &mut Refiner, balance: &Balance, rng: &mut Rng) -> Vec<u32> {
    let graph = refiner.graph();
    let grown = initial::grow(graph, balance.targets(), rng);
    let grown = (refiner.refine(&grown, rng), refiner.part_of().to_vec());
    let split = initial::bisect(graph, balance, rng);
    let split = (refiner.refine(&split, rng), refiner.part_of().to_vec());
    if split.0 < grown.0 { split.1 } else { grown.1 }
}

/// A start of intervals that are a part at most, distributed over the parts. Good partitions of a network are often
/// intervals of its order, more of them than parts.
pub(super) fn pieced(graph: &Hypergraph, balance: &Balance, rng: &mut Rng) -> Vec<u32> {
    let level = contract(graph, intervals::pieces(graph, balance.share_of_least(1.0)));
    let mut refiner = Refiner::new(&level.graph, balance);
    let part_of = sketch(&mut refiner, balance, rng);
    walk(&mut refiner, &part_of, rng);
    level.project(refiner.part_of())
}

/// The better of two assignments, improved by moving what lies together in both.
pub(super) fn combined(
    graph: &Hypergraph,
    balance: &Balance,
    better: &[u32],
    other: &[u32],
    rng: &mut Rng,
) -> Vec<u32> {
    // Each cluster is named after its first vertex.
    let mut first_of: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    let pairs = better.iter().copied().zip(other.iter().copied());
    let cluster_of = (0_u32..).zip(pairs).map(|(vertex, pair)| *first_of.entry(pair).or_insert(vertex)).collect();
    let level = contract(graph, cluster_of);
    let mut start = vec![0; level.graph.vertices()];
    for (&coarse, &part) in level.coarse_of.iter().zip(better) {
        start[coarse as usize] = part;
    }
    let mut refiner = Refiner::new(&level.graph, balance);
    walk(&mut refiner, &start, rng);
    level.project(refiner.part_of())
}

/// Anneals an assignment of clusters.
fn walk(refiner: &mut Refiner, part_of: &[u32], rng: &mut Rng) {
    let vertices = u32::try_from(part_of.len()).expect("vertices are numbered with 32 bits");
    refiner.anneal(part_of, WALK.saturating_mul(vertices), rng);
}

/// The only start of a large one.
pub(super) fn descend(graph: &Hypergraph, balance: &Balance, effort: Effort, rng: &mut Rng) -> Vec<u32> {
    let levels = hierarchy(graph, (LARGE / 2).max(LARGE_PART * balance.parts()), rng);
    let coarsest = levels.last().map_or(graph, |level| &level.graph);
    let mut search = Search::new(coarsest, balance);
    search.run(None, effort, rng);
    let part_of = search.into_best().unwrap_or_else(|| vec![0; coarsest.vertices()]);
    uncoarsen(balance, &levels, part_of, rng)
}

fn hierarchy(graph: &Hypergraph, least: usize, rng: &mut Rng) -> Vec<Level> {
    let cap = CLUSTER * (graph.total_weight() / least as u64).max(1);
    let mut levels: Vec<Level> = Vec::new();
    loop {
        let fine = levels.last().map_or(graph, |level| &level.graph);
        if fine.vertices() <= least {
            return levels;
        }
        let Some(level) = coarsen(fine, cap, least, rng) else { return levels };
        levels.push(level);
    }
}

/// Carries an assignment of the coarsest level to the finest, refined at all levels between; at the finest the caller does.
fn uncoarsen(balance: &Balance, levels: &[Level], mut part_of: Vec<u32>, rng: &mut Rng) -> Vec<u32> {
    for (index, level) in levels.iter().enumerate().rev() {
        part_of = level.project(&part_of);
        if index > 0 {
            let mut refiner = Refiner::new(&levels[index - 1].graph, balance);
            refiner.refine(&part_of, rng);
            part_of.copy_from_slice(refiner.part_of());
        }
    }
    part_of
}
