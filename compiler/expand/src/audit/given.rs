//! Edges read from elsewhere → a graph that can be audited.

use crate::generate::Dag;

/// The graph of these undirected edges, each directed from the smaller number to the larger. An edge that stands there twice
/// is one; edges to a node itself or to nodes beyond `nodes` are left out.
#[must_use]
pub fn graph(nodes: usize, edges: &[(u32, u32)]) -> Dag {
    let mut predecessors = vec![Vec::new(); nodes];
    for &(a, b) in edges {
        let (from, to) = (a.min(b), a.max(b));
        if from != to && (to as usize) < nodes {
            predecessors[to as usize].push(from);
        }
    }
    for inputs in &mut predecessors {
        inputs.sort_unstable();
        inputs.dedup();
    }
    Dag { nodes, predecessors, origin: (0..).take(nodes).collect() }
}
