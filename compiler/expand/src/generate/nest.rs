//! Graph of graphs: every vertex of a drawn graph → a graph of an inner generator, as in hierarchical families (Ru et al.,
//! "Neural Architecture Generator Optimization", NeurIPS 2020).
//!
//! Vertex v of the outer graph, numbered as before it was ordered, is drawn from the stream `each` / v of the seed: what one
//! vertex becomes does not move the others. An inner vertex without predecessors takes all inner vertices without successors
//! of every outer predecessor; what has no outer predecessor takes what comes before the whole.

use super::{Dag, MAX_EDGES, MAX_NODES, check_edges, draw_nested, id};
use crate::codes;
use crate::value::Closure;
use cnasc_base::{Diagnostic, Location, Seed};
use cnasc_ir::Program;

/// The most levels of graphs inside graphs.
const MAX_LEVELS: usize = 16;

/// The graph in which a graph of `inner` stands for each vertex of `outer`, which itself is `level` levels deep.
pub(super) fn expand(
    program: &Program,
    outer: &Dag,
    inner: &Closure,
    (here, level): (Location, usize),
    seed: &Seed,
) -> Result<Dag, Diagnostic> {
    if level >= MAX_LEVELS {
        let message = format!("graphs stand more than {MAX_LEVELS} levels inside each other");
        return Err(Diagnostic::error(codes::TOO_DEEP, message).label(here, "this level is too deep"));
    }
    let seed = seed.child("each");
    let mut whole = Dag { nodes: 0, predecessors: Vec::new(), origin: Vec::new() };
    let mut ends: Vec<Vec<u32>> = Vec::with_capacity(outer.nodes);
    let mut edges = 0;
    for (predecessors, &origin) in outer.predecessors.iter().zip(&outer.origin) {
        let part = draw_nested(program, inner, level + 1, &seed.nth(u64::from(origin)))?;
        let first = whole.nodes;
        if first + part.nodes > MAX_NODES {
            let message = format!("a graph of graphs would have more than {MAX_NODES} nodes");
            return Err(Diagnostic::error(codes::NODES, message).label(here, "these are too many"));
        }
        let moved = |node: u32| id(first) + node;
        let before: Vec<u32> = predecessors.iter().flat_map(|&from| ends[from as usize].iter().copied()).collect();
        for inputs in &part.predecessors {
            let inputs: Vec<u32> =
                if inputs.is_empty() { before.clone() } else { inputs.iter().map(|&from| moved(from)).collect() };
            edges += inputs.len();
            if edges > MAX_EDGES {
                check_edges(edges, here)?;
            }
            whole.predecessors.push(inputs);
        }
        whole.origin.extend(part.origin.iter().map(|&origin| moved(origin)));
        ends.push(part.sinks().into_iter().map(moved).collect());
        whole.nodes += part.nodes;
    }
    Ok(whole)
}
