//! Network → its structural measures. Its nodes are what counts in paths: blocks, and gathers that some block comes after, which
//! stand on every path as single vertices do; stems, pipelines, the head and the last gather join nodes and are none themselves.

use crate::generate::Measures;
use cnasc_ir::Architecture;
use cnasc_ir::architecture::{Node, Role};
use petgraph::unionfind::UnionFind;

/// The measures of a network; without ring lengths, since its nodes stand on no ring. An edge joins two of the nodes that
/// count directly.
#[must_use]
pub fn of_network(architecture: &Architecture) -> Measures {
    let counted = counted(architecture);
    let count = architecture.nodes.len();
    let mut depths = vec![0_usize; count];
    let mut degrees = vec![0_usize; count];
    let mut widths = Vec::new();
    let mut edges = 0;
    let mut groups = UnionFind::<u32>::new(count);
    let mut components = counted.iter().filter(|&&counts| counts).count();
    for (to, node) in architecture.nodes.iter().enumerate() {
        for from in node.inputs.iter().map(|join| join.from.index()) {
            depths[to] = depths[to].max(depths[from]);
            if counted[from] && counted[to] {
                edges += 1;
                degrees[from] += 1;
                degrees[to] += 1;
                let id = |index: usize| u32::try_from(index).expect("an architecture has at most 2^20 nodes");
                components -= usize::from(groups.union(id(from), id(to)));
            }
        }
        if counted[to] {
            if widths.len() <= depths[to] {
                widths.resize(depths[to] + 1, 0);
            }
            widths[depths[to]] += 1;
            depths[to] += 1;
        }
    }
    let degrees = degrees.into_iter().zip(counted).filter_map(|(degree, counts)| counts.then_some(degree)).collect();
    let of_blocks = |figure: fn(&Node) -> u32| {
        let blocks = architecture.nodes.iter().filter(|node| node.role == Role::Block);
        blocks.map(|node| figure(node) as usize).collect()
    };
    Measures {
        edges,
        depth: widths.len(),
        widths,
        components,
        degrees,
        ring_lengths: Vec::new(),
        channels: of_blocks(|node| node.shape.channels),
        sizes: of_blocks(|node| node.shape.height.min(node.shape.width)),
    }
}

fn counted(architecture: &Architecture) -> Vec<bool> {
    let nodes = &architecture.nodes;
    let mut before_block = vec![false; nodes.len()];
    for (index, node) in nodes.iter().enumerate().rev() {
        if before_block[index] || node.role == Role::Block {
            node.inputs.iter().for_each(|join| before_block[join.from.index()] = true);
        }
    }
    let counts = |(index, before): (usize, bool)| match nodes[index].role {
        Role::Block => true,
        Role::Gather => before,
        Role::Input | Role::Pipeline => false,
    };
    before_block.into_iter().enumerate().map(counts).collect()
}
