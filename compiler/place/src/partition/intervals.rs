//! The best partition into intervals of the vertices' own order, by dynamic programming. Input: a hypergraph and limits;
//! output: an assignment, where intervals can nearly keep the limits.
//!
//! A net pays for each interval that has a pin of it and does not begin it, so that the cost of an interval depends on its
//! ends alone. Networks are numbered in a topological order, in which good parts are often nearly intervals.

use crate::hypergraph::Hypergraph;

/// How far beyond the limits intervals may go where none keep them; refinement repairs what is left.
const SLACKS: [f64; 6] = [1.0, 1.03, 1.1, 1.3, 1.6, 2.5];

/// Beyond so many steps of the programme it would take longer than everything else.
const MAX_STEPS: usize = 1 << 24;

/// The best intervals within the limits, or within a little more.
pub(super) fn nearly(graph: &Hypergraph, limits: &[u64]) -> Option<Vec<u32>> {
    if graph.vertices() * graph.vertices() > MAX_STEPS {
        return None;
    }
    let widened = |slack: f64| limits.iter().map(|&limit| (limit as f64 * slack) as u64).collect::<Vec<u64>>();
    SLACKS.into_iter().map(widened).find(|limits| fit(graph, limits)).and_then(|limits| intervals(graph, &limits))
}

/// Whether intervals keep the limits: they do where each taking all that it may leaves nothing.
fn fit(graph: &Hypergraph, limits: &[u64]) -> bool {
    let mut weights = graph.weights().iter().peekable();
    for &limit in limits {
        let mut room = limit;
        while let Some(&weight) = weights.next_if(|&&weight| weight <= room) {
            room -= weight;
        }
    }
    weights.peek().is_none()
}

/// The parts as intervals, in their order, with the least Λ under `limits`; `None` where no intervals keep them.
fn intervals(graph: &Hypergraph, limits: &[u64]) -> Option<Vec<u32>> {
    let (vertices, parts) = (graph.vertices(), limits.len());
    let mut entering = vec![0; graph.vertices()];
    let widest = limits.iter().copied().max().unwrap_or(0);
    // At `end * width + used`: the least Λ of what stands before `end` in the first `used` parts, and where the last of these
    // begins.
    let width = parts + 1;
    let mut least = vec![(u64::MAX, 0_u32); (vertices + 1) * width];
    least[0] = (0, 0);
    for (begin, mark) in (0..=vertices).zip(0_u32..) {
        if begin > 0 {
            pass(graph, begin - 1, &mut entering);
        }
        // An empty interval costs nothing.
        for used in 0..parts {
            let here = least[begin * width + used].0;
            let next = &mut least[begin * width + used + 1];
            if here < next.0 {
                *next = (here, mark);
            }
        }
        let so_far: Vec<u64> = least[begin * width..(begin + 1) * width].iter().map(|(cost, _)| *cost).collect();
        if so_far.iter().all(|&cost| cost == u64::MAX) {
            continue;
        }
        let (mut load, mut cost) = (0, 0);
        for end in begin + 1..=vertices {
            let vertex = end - 1;
            load += graph.weights()[vertex];
            if load > widest {
                break;
            }
            cost += entering[vertex];
            let row = &mut least[end * width + 1..(end + 1) * width];
            for ((next, &before), &limit) in row.iter_mut().zip(&so_far).zip(limits) {
                let total = before.saturating_add(cost);
                if load <= limit && total < next.0 {
                    *next = (total, mark);
                }
            }
        }
    }
    if least[vertices * width + parts].0 == u64::MAX {
        return None;
    }
    let mut part_of = vec![0; vertices];
    let mut end = vertices;
    for part in (0..parts).rev() {
        let begin = least[end * width + part + 1].1 as usize;
        part_of[begin..end].fill(index(part));
        end = begin;
    }
    Some(part_of)
}

/// Intervals, as many as it takes, none heavier than `cap` but single vertices that are: those with the least Λ, numbered in
/// their order.
pub(super) fn pieces(graph: &Hypergraph, cap: u64) -> Vec<u32> {
    let vertices = graph.vertices();
    let mut entering = vec![0; vertices];
    // The least Λ of what stands before a vertex, and where the last piece of it begins.
    let mut least = vec![(u64::MAX, 0_u32); vertices + 1];
    least[0] = (0, 0);
    for (begin, mark) in (0..vertices).zip(0_u32..) {
        if begin > 0 {
            pass(graph, begin - 1, &mut entering);
        }
        let (before, mut load, mut cost) = (least[begin].0, 0, 0);
        for vertex in begin..vertices {
            load += graph.weights()[vertex];
            if load > cap && vertex > begin {
                break;
            }
            cost += entering[vertex];
            if before + cost < least[vertex + 1].0 {
                least[vertex + 1] = (before + cost, mark);
            }
        }
    }
    let mut piece_of = vec![0; vertices];
    let (mut end, mut pieces) = (vertices, 0);
    while end > 0 {
        let begin = least[end].1 as usize;
        piece_of[begin..end].fill(pieces);
        (end, pieces) = (begin, pieces + 1);
    }
    piece_of.iter_mut().for_each(|piece| *piece = pieces - 1 - *piece);
    piece_of
}

/// Lets intervals begin behind `vertex`. `entering` says of each vertex from there on what it adds to the cost of the interval that it
/// stands in: the costs of its nets that have a pin before the interval and none in it before this one.
fn pass(graph: &Hypergraph, vertex: usize, entering: &mut [u64]) {
    for &net in graph.nets_of(vertex) {
        let behind = graph.pins(net as usize).iter().map(|&pin| pin as usize).filter(|&pin| pin > vertex);
        if let Some(next) = behind.min() {
            entering[next] += graph.costs()[net as usize];
        }
    }
}

fn index(part: usize) -> u32 {
    u32::try_from(part).expect("parts are devices, of which there are few")
}
