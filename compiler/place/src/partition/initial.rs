//! Assignments to start from. Input: a hypergraph and limits; output: an assignment that may break them,
//! which refinement repairs.
//!
//! Two kinds: greedy growing from random vertices, and recursive bisection.

use super::balance::Balance;
use super::fm::Refiner;
use super::{Quality, intervals};
use crate::dag::Rows;
use crate::hypergraph::Hypergraph;
use cnasc_base::random::Rng;
use std::collections::BinaryHeap;

/// Grown splits in two from which bisection takes the best, beside the best intervals.
const GROWN: usize = 1;

/// Grows part after part from a random vertex, taking the vertex that is joined most strongly to what is already in it.
pub(super) fn grow(graph: &Hypergraph, targets: &[f64], rng: &mut Rng) -> Vec<u32> {
    let vertices = graph.vertices();
    let last = index(targets.len() - 1);
    let mut part_of = vec![last; vertices];
    let mut free = vec![true; vertices];
    let mut order: Vec<u32> = (0_u32..).take(vertices).collect();
    rng.shuffle(&mut order);
    let mut next = order.iter().copied();
    for (part, &target) in (0_u32..last).zip(targets) {
        let mut pull = vec![0_u64; vertices];
        let mut seen = vec![false; graph.nets()];
        let mut heap: BinaryHeap<(u64, u32)> = BinaryHeap::new();
        let mut load = 0.0;
        loop {
            let found = heap.pop().map(|(key, vertex)| (Some(key), vertex));
            let Some((key, vertex)) = found.or_else(|| next.next().map(|vertex| (None, vertex))) else { break };
            let place = vertex as usize;
            // A vertex stands in the heap once for each time its pull grew; only the latest counts.
            if !free[place] || key.is_some_and(|key| key != pull[place]) {
                continue;
            }
            let weight = graph.weights()[place] as f64;
            if load + weight / 2.0 > target {
                break;
            }
            load += weight;
            free[place] = false;
            part_of[place] = part;
            for &net in graph.nets_of(place) {
                if !std::mem::replace(&mut seen[net as usize], true) {
                    for &pin in graph.pins(net as usize).iter().filter(|&&pin| free[pin as usize]) {
                        pull[pin as usize] += graph.costs()[net as usize] + 1;
                        heap.push((pull[pin as usize], pin));
                    }
                }
            }
        }
    }
    part_of
}

/// Splits parts and vertices in two, refines the split, and goes on in both halves.
pub(super) fn bisect(graph: &Hypergraph, balance: &Balance, rng: &mut Rng) -> Vec<u32> {
    let mut part_of = vec![0; graph.vertices()];
    let everything: Vec<u32> = (0_u32..).take(graph.vertices()).collect();
    split(graph, balance, 0..balance.parts(), &everything, &mut part_of, rng);
    part_of
}

fn split(
    graph: &Hypergraph,
    balance: &Balance,
    parts: std::ops::Range<usize>,
    vertices: &[u32],
    part_of: &mut [u32],
    rng: &mut Rng,
) {
    if parts.len() == 1 || vertices.is_empty() {
        for &vertex in vertices {
            part_of[vertex as usize] = index(parts.start);
        }
        return;
    }
    let middle = parts.start + parts.len() / 2;
    let share = |range: std::ops::Range<usize>| balance.targets()[range].iter().sum::<f64>();
    let shares = [share(parts.start..middle), share(middle..parts.end)];
    let inner = induced(graph, vertices);
    // The bound compounds from level to level, so each takes the root of it that its depth leaves.
    let bound = libm::pow(balance.bound(), 1.0 / libm::ceil(libm::log2(parts.len() as f64)));
    let halves = Balance::greedy(&inner, &shares, bound);
    let side = halved(&inner, &halves, rng);
    let pick = |half: u32| -> Vec<u32> {
        vertices.iter().zip(&side).filter(|(_, side)| **side == half).map(|(&vertex, _)| vertex).collect()
    };
    split(graph, balance, parts.start..middle, &pick(0), part_of, rng);
    split(graph, balance, middle..parts.end, &pick(1), part_of, rng);
}

/// The best of a few splits in two: the best intervals, and some grown from random vertices.
fn halved(graph: &Hypergraph, halves: &Balance, rng: &mut Rng) -> Vec<u32> {
    if halves.parts() < 2 {
        return vec![0; graph.vertices()];
    }
    let mut refiner = Refiner::new(graph, halves);
    let mut best: Option<(Quality, Vec<u32>)> = None;
    let mut starts: Vec<Vec<u32>> = intervals::nearly(graph, halves.limits()).into_iter().collect();
    starts.extend((0..GROWN).map(|_| grow(graph, halves.targets(), rng)));
    for start in starts {
        let quality = refiner.refine(&start, rng);
        if best.as_ref().is_none_or(|(least, _)| quality < *least) {
            best = Some((quality, refiner.part_of().to_vec()));
        }
    }
    best.map_or_else(|| halves.packing().to_vec(), |(_, side)| side)
}

/// The hypergraph of some vertices alone: nets lose the pins outside, and vanish where fewer than two are left.
fn induced(graph: &Hypergraph, vertices: &[u32]) -> Hypergraph {
    let mut inner_of = vec![u32::MAX; graph.vertices()];
    for (inner, &vertex) in (0_u32..).zip(vertices) {
        inner_of[vertex as usize] = inner;
    }
    let mut costs = Vec::new();
    let mut pins = Rows::default();
    let mut row = Vec::new();
    for (net, &cost) in graph.costs().iter().enumerate() {
        row.clear();
        row.extend(graph.pins(net).iter().map(|&pin| inner_of[pin as usize]).filter(|&pin| pin != u32::MAX));
        if row.len() > 1 {
            costs.push(cost);
            pins.push(row.iter().copied());
        }
    }
    let weights = vertices.iter().map(|&vertex| graph.weights()[vertex as usize]).collect();
    Hypergraph::new(weights, costs, pins).expect("a part of a sound hypergraph is sound")
}

fn index(part: usize) -> u32 {
    u32::try_from(part).expect("parts are devices, of which there are few")
}
