//! Barabási–Albert: m vertices without edges first; each further one attaches m edges to distinct vertices, with probability
//! proportional to their degrees. The first further one finds no degrees and is joined to all m. M(N − M) edges in all.

use super::{Edge, id};
use cnasc_base::Rng;

/// Draws with 1 ≤ `each` < `nodes`.
///
/// A target is drawn uniformly from a list that holds every vertex once for each of its edges; one drawn already is drawn anew.
pub(super) fn draw(nodes: usize, each: usize, rng: &mut Rng) -> Vec<Edge> {
    let count = each * (nodes - each);
    let mut edges = Vec::with_capacity(count);
    let mut ends: Vec<u32> = Vec::with_capacity(2 * count);
    // The last vertex that chose this one; 0 where none did, since vertex 0 never chooses.
    let mut chosen_by = vec![0_u32; nodes];
    for vertex in (each..nodes).map(id) {
        let first = edges.len();
        if first == 0 {
            edges.extend((0..each).map(|target| (id(target), vertex)));
        }
        while edges.len() - first < each {
            let target = ends[rng.below(ends.len())];
            if chosen_by[target as usize] != vertex {
                chosen_by[target as usize] = vertex;
                edges.push((target, vertex));
            }
        }
        ends.extend(edges[first..].iter().flat_map(|&(target, vertex)| [target, vertex]));
    }
    edges
}
