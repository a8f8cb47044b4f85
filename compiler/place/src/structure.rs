//! The shape of a graph: depths, widths, edge lengths, longest path, overlap η; and of a partition of it the entropy of the
//! loads and who sends how much to whom.
//!
//! Input: a [`Dag`] and which of its vertices count. η = longest path / (|V| / n) (paper.md eq. 2), both counted in
//! vertices without the input and the output. In a network those are its blocks and the gathers between its bodies, which
//! stand on every path as single vertices do in Figure 5; stems, pipelines, the head and the last gather are not counted.

use crate::dag::Dag;
use crate::workload::Workload;
use cnasc_ir::architecture::Role;

/// Which nodes of a network count in |V| and in paths: blocks, and gathers that some block comes after. Where a network has
/// no block at all, every node but the image and the answer; where that leaves none, the answer.
#[must_use]
pub fn counted(workload: &Workload) -> Vec<bool> {
    let (dag, costs) = (workload.dag(), workload.costs());
    let mut before_block = vec![false; costs.len()];
    for node in (0..costs.len()).rev() {
        let leads_on = |&to: &u32| before_block[to as usize] || costs[to as usize].role == Role::Block;
        before_block[node] = dag.consumers(node).iter().any(leads_on);
    }
    let counts = |(cost, before): (&crate::workload::Cost, &bool)| match cost.role {
        Role::Block => true,
        Role::Gather => *before,
        Role::Input | Role::Pipeline => false,
    };
    let counted: Vec<bool> = costs.iter().zip(&before_block).map(counts).collect();
    if counted.contains(&true) {
        return counted;
    }
    let last = costs.len() - 1;
    (0..costs.len()).map(|node| node > 0 && (node < last || last == 1)).collect()
}

/// For each vertex the greatest number of counted vertices on a path that ends in it, itself included.
#[must_use]
pub fn depths(dag: &Dag, counted: &[bool]) -> Vec<u32> {
    let mut depths = vec![0; dag.len()];
    for vertex in 0..dag.len() {
        let before = dag.inputs(vertex).iter().map(|&from| depths[from as usize]).max().unwrap_or(0);
        depths[vertex] = before + u32::from(counted[vertex]);
    }
    depths
}

/// The greatest number of counted vertices on any path.
#[must_use]
pub fn longest_path(dag: &Dag, counted: &[bool]) -> u32 {
    depths(dag, counted).into_iter().max().unwrap_or(0)
}

/// The number of counted vertices at each depth, from depth 1.
#[must_use]
pub fn widths(dag: &Dag, counted: &[bool]) -> Vec<u32> {
    let depths = depths(dag, counted);
    let mut widths = vec![0; depths.iter().copied().max().unwrap_or(0) as usize];
    for (depth, _) in depths.into_iter().zip(counted).filter(|(_, counts)| **counts) {
        widths[depth as usize - 1] += 1;
    }
    widths
}

/// How many edges between counted vertices span how many depths: at index k − 1 the number of those that lead k depths down.
#[must_use]
pub fn edge_lengths(dag: &Dag, counted: &[bool]) -> Vec<u32> {
    let depths = depths(dag, counted);
    let mut lengths = Vec::new();
    for to in (0..dag.len()).filter(|&to| counted[to]) {
        for &from in dag.inputs(to).iter().filter(|&&from| counted[from as usize]) {
            // An input is at least one depth above what takes it.
            let length = (depths[to] - depths[from as usize]) as usize;
            if lengths.len() < length {
                lengths.resize(length, 0);
            }
            lengths[length - 1] += 1;
        }
    }
    lengths
}

/// Bytes that each part sends to each other, the sender's row first; an output is sent once to a part that takes it, so that
/// all together are Λ. `part_of` is an assignment of [`Hypergraph::of_blocks`](crate::Hypergraph::of_blocks) to `parts` parts:
/// every unit has the image.
#[must_use]
pub fn traffic(workload: &Workload, part_of: &[u32], parts: usize) -> Vec<Vec<u64>> {
    let mut traffic = vec![vec![0; parts]; parts];
    let mut sent = vec![false; parts];
    for (vertex, &from) in part_of.iter().enumerate() {
        sent.fill(false);
        for &to in workload.dag().consumers(vertex + 1) {
            let to = part_of[to as usize - 1];
            if to != from && !std::mem::replace(&mut sent[to as usize], true) {
                traffic[from as usize][to as usize] += workload.costs()[vertex + 1].bytes;
            }
        }
    }
    traffic
}

/// η on `devices` units: 1 where the longest path is no longer than a unit's share of the vertices, and `devices` for a
/// chain. 0 where nothing counts.
#[must_use]
pub fn eta(dag: &Dag, counted: &[bool], devices: u32) -> f64 {
    let vertices = counted.iter().filter(|&&counts| counts).count();
    if vertices == 0 {
        return 0.0;
    }
    f64::from(longest_path(dag, counted)) / (vertices as f64 / f64::from(devices))
}

/// Shannon entropy of the loads' shares over that of equal shares: 1 where all are equal, 0 where one has everything.
/// A single unit, and loads of nothing, are balanced: 1.
#[must_use]
pub fn entropy(loads: &[u64]) -> f64 {
    let total: f64 = loads.iter().map(|&load| load as f64).sum();
    if loads.len() < 2 || total <= 0.0 {
        return 1.0;
    }
    let shares = loads.iter().filter(|&&load| load > 0).map(|&load| load as f64 / total);
    let entropy: f64 = shares.map(|share| -share * libm::log(share)).sum();
    // One share of everything gives −0.
    entropy / libm::log(loads.len() as f64) + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Cost;
    use cnasc_base::random::Seed;

    fn chain(vertices: impl IntoIterator<Item = u32>) -> Vec<(u32, u32)> {
        let vertices: Vec<u32> = vertices.into_iter().collect();
        vertices.windows(2).map(|pair| (pair[0], pair[1])).collect()
    }

    #[track_caller]
    fn check(vertices: u32, edges: &[(u32, u32)], path: u32, expect: f64) {
        let dag = Dag::from_edges(vertices, edges).expect("edges ascend");
        let counted = vec![true; vertices as usize];
        assert_eq!(longest_path(&dag, &counted), path);
        assert!((eta(&dag, &counted, 3) - expect).abs() < 1e-12, "{}", eta(&dag, &counted, 3));
    }

    /// The four worked values of Figure 5, n = 3.
    #[test]
    fn eta_of_figure_5() {
        let mut nine = chain(0..6);
        nine.extend([(0, 6), (6, 7), (7, 8), (8, 5)].into_iter().filter(|(from, to)| from < to));
        check(9, &nine, 6, 2.0);

        let chains: Vec<(u32, u32)> = (0..3).flat_map(|row| chain(row * 5..row * 5 + 5)).collect();
        check(15, &chains, 5, 1.0);

        // Layers start at 0, 4, 8, 12; the single vertices between them are 3, 7, 11.
        let mut layers = Vec::new();
        for joint in [3, 7, 11] {
            layers.extend((joint - 3..joint).map(|from| (from, joint)));
            layers.extend((joint + 1..joint + 4).map(|to| (joint, to)));
        }
        check(15, &layers, 7, 1.4);

        check(7, &chain(0..7), 7, 3.0);
    }

    #[test]
    fn widths_count_by_depth() {
        let dag = Dag::from_edges(6, &[(0, 1), (0, 2), (0, 3), (1, 4), (4, 5), (3, 5)]).expect("edges ascend");
        assert_eq!(widths(&dag, &[true; 6]), [1, 3, 1, 1]);
        // Uncounted vertices neither show nor lengthen a path.
        assert_eq!(widths(&dag, &[false, true, true, true, true, false]), [3, 1]);
    }

    #[test]
    fn edges_are_as_long_as_the_depths_they_span() {
        let dag = Dag::from_edges(5, &[(0, 1), (1, 2), (0, 2), (2, 3), (0, 3), (0, 4)]).expect("edges ascend");
        assert_eq!(edge_lengths(&dag, &[true; 5]), [4, 1, 1]);
        assert_eq!(edge_lengths(&dag, &[false, true, true, true, true]), [2]);
        assert_eq!(edge_lengths(&dag, &[false; 5]), [0_u32; 0]);
    }

    #[test]
    fn traffic_adds_up_to_the_connectivity() {
        for number in 0..20 {
            let workload = crate::sample::workload(&Seed::new(number), 30);
            let mut rng = Seed::new(number).child("parts").rng();
            let graph = crate::Hypergraph::of_blocks(&workload);
            let part_of: Vec<u32> = (0..graph.vertices()).map(|_| rng.below(4) as u32).collect();
            let traffic = traffic(&workload, &part_of, 4);
            assert!((0..4).all(|part| traffic[part][part] == 0));
            assert_eq!(traffic.iter().flatten().sum::<u64>(), graph.connectivity(&part_of));
        }
    }

    #[test]
    fn gathers_between_bodies_count_and_the_last_does_not() {
        let roles = [Role::Input, Role::Pipeline, Role::Block, Role::Gather, Role::Pipeline, Role::Block, Role::Gather];
        let cost = |role| Cost { flops: 1, bytes: 1, ..Cost::of(role) };
        let dag = Dag::from_edges(7, &chain(0..7)).expect("edges ascend");
        let workload = Workload::from_costs(dag, roles.map(cost).to_vec()).expect("a chain is a network");
        assert_eq!(counted(&workload), [false, false, true, true, false, true, false]);
        assert!((eta(workload.dag(), &counted(&workload), 2) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn networks_without_blocks_count_what_is_between_the_ends() {
        for (nodes, expect) in [(4, vec![false, true, true, false]), (2, vec![false, true])] {
            let role = |node| if node == 0 { Role::Input } else { Role::Pipeline };
            let costs = (0..nodes).map(|node| Cost { flops: 1, bytes: 1, ..Cost::of(role(node)) });
            let dag = Dag::from_edges(nodes, &chain(0..nodes)).expect("edges ascend");
            assert_eq!(counted(&Workload::from_costs(dag, costs.collect()).expect("it is a chain")), expect);
        }
    }

    #[test]
    fn entropy_by_hand() {
        assert!((entropy(&[5, 5, 5]) - 1.0).abs() < 1e-12);
        assert!(entropy(&[9, 0, 0]).abs() < 1e-12);
        // Shares ½, ¼, ¼: 1.5 bits of log₂ 3.
        assert!((entropy(&[2, 1, 1]) - 1.5 / libm::log2(3.0)).abs() < 1e-12);
        assert!((entropy(&[7]) - 1.0).abs() < 1e-12);
    }
}
