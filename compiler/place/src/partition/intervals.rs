//! The best partition into intervals of the vertices' own order, by dynamic programming. Input: a hypergraph and limits;
//! output: an assignment, where the limits can be kept.
//!
//! A net pays for each interval that has a pin of it and does not begin it, so that the cost of an interval depends on its
//! ends alone. Networks are numbered in a topological order, in which good parts are often nearly intervals.

use crate::hypergraph::Hypergraph;

/// How far beyond the limits intervals may go where none keep them; refinement repairs what is left.
const SLACKS: [f64; 6] = [1.0, 1.03, 1.1, 1.3, 1.6, 2.5];

/// Beyond so many steps of the programme it would take longer than everything else.
const MAX_STEPS: usize = 1 << 24;

/// The best intervals that are within the limits, or within a little more.
pub(super) fn nearly(graph: &Hypergraph, limits: &[u64]) -> Option<Vec<u32>> {
    if graph.vertices() * graph.vertices() > MAX_STEPS {
        return None;
    }
    let widened = |slack: f64| limits.iter().map(|&limit| (limit as f64 * slack) as u64).collect::<Vec<u64>>();
    SLACKS.into_iter().find_map(|slack| intervals(graph, &widened(slack)))
}

/// The parts as intervals, in their order, with the least Λ under `limits`; `None` where no intervals keep them.
fn intervals(graph: &Hypergraph, limits: &[u64]) -> Option<Vec<u32>> {
    let (vertices, parts) = (graph.vertices(), limits.len());
    let first_pin: Vec<u32> =
        (0..graph.nets()).map(|net| graph.pins(net).iter().copied().min().unwrap_or(0)).collect();
    let widest = limits.iter().copied().max().unwrap_or(0);
    // At `end * (parts + 1) + used`: the least Λ of the vertices before `end` in the first `used` parts, and where the last
    // of these begins.
    let width = parts + 1;
    let mut least = vec![(u64::MAX, 0_u32); (vertices + 1) * width];
    least[0] = (0, 0);
    let mut seen = vec![u32::MAX; graph.nets()];
    for begin in 0..=vertices {
        // An empty interval costs nothing.
        for used in 0..parts {
            let here = least[begin * width + used].0;
            let next = &mut least[begin * width + used + 1];
            if here < next.0 {
                *next = (here, number(begin));
            }
        }
        let (mut load, mut cost) = (0, 0);
        for end in begin + 1..=vertices {
            let vertex = end - 1;
            load += graph.weights()[vertex];
            if load > widest {
                break;
            }
            for &net in graph.nets_of(vertex) {
                let net = net as usize;
                if (first_pin[net] as usize) < begin && seen[net] != number(begin) {
                    seen[net] = number(begin);
                    cost += graph.costs()[net];
                }
            }
            for used in 0..parts {
                let before = least[begin * width + used].0;
                let next = &mut least[end * width + used + 1];
                if before != u64::MAX && load <= limits[used] && before + cost < next.0 {
                    *next = (before + cost, number(begin));
                }
            }
        }
    }
    if least[vertices * width + parts].0 == u64::MAX {
        return None;
    }
    let mut part_of = vec![0; vertices];
    let mut end = vertices;
    for used in (1..=parts).rev() {
        let begin = least[end * width + used].1 as usize;
        part_of[begin..end].fill(number(used - 1));
        end = begin;
    }
    Some(part_of)
}

fn number(place: usize) -> u32 {
    u32::try_from(place).expect("vertices are numbered with 32 bits")
}
