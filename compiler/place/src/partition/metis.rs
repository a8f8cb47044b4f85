//! METIS as a rival (feature `metis`): a hypergraph as a graph, each net a star from its first pin, which in a network is the
//! producer. Input: a hypergraph, the number of parts, ε, a seed; output: parts that METIS finds for the cut edges' weight,
//! which is not Λ: an output sent once to a part with two consumers counts twice there.
//! (Karypis and Kumar 1998, A fast and high quality multilevel scheme for partitioning irregular graphs.)

use crate::hypergraph::Hypergraph;
use metis::option::{Seed, UFactor};
use metis::{Graph, Idx};
use std::collections::BTreeMap;

/// METIS counts in 32 bits: sums of weights are scaled to be below this.
const SCALE: u64 = 1 << 30;

/// For each vertex its part, of `parts` equal ones that are at most 1 + `epsilon` times their share where METIS finds such.
///
/// # Errors
/// Where METIS refuses the graph or fails.
pub fn metis(graph: &Hypergraph, parts: u32, epsilon: f64, seed: u32) -> Result<Vec<u32>, String> {
    let mut edges: Vec<BTreeMap<u32, u64>> = vec![BTreeMap::new(); graph.vertices()];
    for (net, &cost) in graph.costs().iter().enumerate() {
        let Some((&first, rest)) = graph.pins(net).split_first() else { continue };
        for &pin in rest {
            *edges[first as usize].entry(pin).or_default() += cost;
            *edges[pin as usize].entry(first).or_default() += cost;
        }
    }
    let total: u64 = edges.iter().flat_map(BTreeMap::values).sum();
    let (mut starts, mut ends, mut costs) = (vec![0], Vec::new(), Vec::new());
    for row in &edges {
        for (&end, &cost) in row {
            ends.push(number(u64::from(end))?);
            costs.push(scaled(cost, total)?);
        }
        starts.push(number(ends.len() as u64)?);
    }
    let weights: Vec<Idx> =
        graph.weights().iter().map(|&weight| scaled(weight, graph.total_weight())).collect::<Result<_, _>>()?;
    let mut part_of: Vec<Idx> = vec![0; graph.vertices()];
    // In thousandths above the share.
    let slack = (epsilon * 1000.0).clamp(1.0, 1e6) as Idx;
    Graph::new(1, number(u64::from(parts))?, &starts, &ends)
        .map_err(|error| error.to_string())?
        .set_vwgt(&weights)
        .set_adjwgt(&costs)
        .set_option(UFactor(slack))
        .set_option(Seed(number(u64::from(seed) & 0x7fff_ffff)?))
        .part_kway(&mut part_of)
        .map_err(|error| error.to_string())?;
    part_of.into_iter().map(|part| u32::try_from(part).map_err(|error| error.to_string())).collect()
}

fn scaled(value: u64, total: u64) -> Result<Idx, String> {
    number(if total < SCALE { value } else { (u128::from(value) * u128::from(SCALE) / u128::from(total)) as u64 })
        .map(|scaled| scaled.max(Idx::from(value > 0)))
}

fn number(value: u64) -> Result<Idx, String> {
    Idx::try_from(value).map_err(|_| "the graph is too large for METIS".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn it_partitions_a_network() {
        let graph = Hypergraph::of_blocks(&sample::workload(&cnasc_base::random::Seed::new(3), 60));
        let part_of = metis(&graph, 4, 0.1, 1).expect("a network is a graph");
        assert_eq!(part_of.len(), graph.vertices());
        assert!((0..4).all(|part| part_of.contains(&part)));
    }
}
