//! Random graphs as RandWire networks: a vertex is a 3×3 separable convolution of the sum of its inputs (Xie et al. 2019).

use crate::networks::Network;
use cnasc_base::random::{Rng, Seed};
use cnasc_place::Hypergraph;

/// A family with its parameters, in the words of the literature.
#[derive(Clone, Copy)]
pub enum Family {
    /// Each edge with this probability.
    Er(f64),
    /// Each new vertex takes so many earlier ones, by degree.
    Ba(usize),
    /// A ring with so many neighbours, each edge rewired with this probability.
    Ws(usize, f64),
    /// An edge with probability c^(−β·distance) … of this reach: likelier between near numbers.
    Distance(f64),
}

impl Family {
    /// Edges from smaller to larger numbers, sorted, each once.
    fn edges(self, nodes: usize, rng: &mut Rng) -> Vec<(usize, usize)> {
        let mut edges = Vec::new();
        match self {
            Self::Er(p) => each_pair(nodes, |_| rng.chance(p), &mut edges),
            Self::Distance(reach) => {
                let chance = |distance: usize| libm::exp(-(distance as f64 - 1.0) / reach);
                each_pair(nodes, |distance| rng.chance(0.6 * chance(distance)), &mut edges);
            }
            Self::Ba(m) => attach(nodes, m, rng, &mut edges),
            Self::Ws(k, p) => rewire(nodes, k, p, rng, &mut edges),
        }
        edges.sort_unstable();
        edges.dedup();
        edges
    }
}

fn each_pair(nodes: usize, mut keep: impl FnMut(usize) -> bool, edges: &mut Vec<(usize, usize)>) {
    for to in 1..nodes {
        edges.extend((0..to).filter(|from| keep(to - from)).map(|from| (from, to)));
    }
}

fn attach(nodes: usize, m: usize, rng: &mut Rng, edges: &mut Vec<(usize, usize)>) {
    let mut ends: Vec<usize> = (0..m).collect();
    for to in m..nodes {
        let mut chosen: Vec<usize> = Vec::new();
        while chosen.len() < m {
            let from = if to == m { chosen.len() } else { ends[rng.below(ends.len())] };
            if !chosen.contains(&from) {
                chosen.push(from);
            }
        }
        for from in chosen {
            edges.push((from, to));
            ends.extend([from, to]);
        }
    }
}

fn rewire(nodes: usize, k: usize, p: f64, rng: &mut Rng, edges: &mut Vec<(usize, usize)>) {
    for step in 1..=k / 2 {
        for from in 0..nodes {
            let mut to = (from + step) % nodes;
            if rng.chance(p) {
                to = rng.below(nodes);
            }
            if to != from {
                edges.push((from.min(to), from.max(to)));
            }
        }
    }
}

/// One graph of `nodes` vertices in all, stem and average at the end included, at 156 channels and 14 by 14.
pub fn single(family: Family, nodes: usize, seed: &Seed) -> Hypergraph {
    let mut net = Network::default();
    let (channels, plane) = (156, 14 * 14);
    let stem = net.node(channels * plane * 27, channels * plane, &[]);
    stage(&mut net, family, nodes - 2, channels, plane, stem, &mut seed.rng());
    net.hypergraph()
}

/// A whole network of the small regime: two convolutions, three stages of `nodes` blocks, a classifier.
pub fn whole(family: Family, nodes: usize, channels: u64, seed: &Seed) -> Hypergraph {
    let mut net = Network::default();
    let mut rng = seed.rng();
    let half = channels / 2 * 112 * 112;
    let first = net.node(half * 27, half, &[]);
    let elements = channels * 56 * 56;
    let mut last = net.node(elements * channels / 2 * 9, elements, &[first]);
    for (index, side) in [28_u64, 14, 7].into_iter().enumerate() {
        last = stage(&mut net, family, nodes, channels << index, side * side, last, &mut rng);
    }
    let wide = net.node(1280 * 49 * channels * 4, 1280 * 49, &[last]);
    net.node(1280 * 1000, 1000, &[wide]);
    net.hypergraph()
}

/// Blocks that take each other's outputs, or `stem`'s where they have none, and an average of those that nobody takes.
fn stage(
    net: &mut Network,
    family: Family,
    nodes: usize,
    channels: u64,
    plane: u64,
    stem: usize,
    rng: &mut Rng,
) -> usize {
    let edges = family.edges(nodes, rng);
    let mut numbers = Vec::with_capacity(nodes);
    let mut taken = vec![false; nodes];
    for node in 0..nodes {
        let mut inputs: Vec<usize> =
            edges.iter().filter(|(_, to)| *to == node).map(|&(from, _)| numbers[from]).collect();
        edges.iter().filter(|(_, to)| *to == node).for_each(|&(from, _)| taken[from] = true);
        if inputs.is_empty() {
            inputs.push(stem);
        }
        let elements = channels * plane;
        numbers.push(net.node(elements * (channels + 9 + inputs.len() as u64), elements, &inputs));
    }
    let ends: Vec<usize> = numbers.iter().zip(taken).filter(|(_, taken)| !taken).map(|(&number, _)| number).collect();
    net.node(channels * plane * ends.len() as u64, channels * plane, &ends)
}
