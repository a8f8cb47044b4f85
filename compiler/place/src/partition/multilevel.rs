//! The multilevel scheme: coarsen, partition what is left, and carry the answer back, refining it at every level. Input: a
//! hypergraph and limits; output: an assignment, to be refined at the finest level.
//!
//! Small hypergraphs get many such starts, each coarsened anew until a handful of vertices a part is left: clusters move as
//! wholes, which finds cuts that single moves do not. Large ones get one, whose coarsest level is searched as a small one is.

use super::balance::Balance;
use super::coarsening::{Level, coarsen};
use super::fm::Refiner;
use super::{Effort, Quality, Search, initial};
use crate::hypergraph::Hypergraph;
use cnasc_base::random::Rng;

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

/// A start of a small hypergraph.
pub(super) fn start(graph: &Hypergraph, balance: &Balance, rng: &mut Rng) -> Vec<u32> {
    let levels = hierarchy(graph, balance.parts() * (COARSE.0 + rng.below(COARSE.1)) + COARSE.1, rng);
    let coarsest = levels.last().map_or(graph, |level| &level.graph);
    let mut refiner = Refiner::new(coarsest, balance);
    let mut best: Option<(Quality, Vec<u32>)> = None;
    for start in [initial::grow(coarsest, balance.targets(), rng), initial::bisect(coarsest, balance, rng)] {
        let quality = refiner.refine(&start, rng);
        if best.as_ref().is_none_or(|(least, _)| quality < *least) {
            best = Some((quality, refiner.part_of().to_vec()));
        }
    }
    let (_, part_of) = best.expect("there is at least one start");
    uncoarsen(balance, &levels, part_of, rng)
}

/// The only start of a large one.
pub(super) fn descend(graph: &Hypergraph, balance: &Balance, effort: Effort, rng: &mut Rng) -> Vec<u32> {
    let levels = hierarchy(graph, (LARGE / 2).max(LARGE_PART * balance.parts()), rng);
    let coarsest = levels.last().map_or(graph, |level| &level.graph);
    let mut search = Search::new(coarsest, balance);
    search.run(None, effort, rng);
    let part_of = search.best.map_or_else(|| vec![0; coarsest.vertices()], |(_, part_of)| part_of);
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
