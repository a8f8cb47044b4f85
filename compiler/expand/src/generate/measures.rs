//! DAG → its structural measures, which tests of the language state properties about.

use super::Dag;
use petgraph::unionfind::UnionFind;

/// What can be said of a graph's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measures {
    /// Edges.
    pub edges: usize,
    /// Nodes on the longest path.
    pub depth: usize,
    /// For each depth from 0 how many nodes have a longest path of so many nodes before them; the largest is the width.
    pub widths: Vec<usize>,
    /// Connected components of the undirected graph.
    pub components: usize,
    /// For each node its neighbours, in either direction.
    pub degrees: Vec<usize>,
    /// For each edge the smaller number of steps between its ends, as numbered before ordering, on a ring of all nodes.
    pub ring_lengths: Vec<usize>,
    /// For each block of a network the channels that it gives; a graph alone has none.
    pub channels: Vec<usize>,
    /// For each block of a network the smaller side of the image that it gives; a graph alone has none.
    pub sizes: Vec<usize>,
}

impl Dag {
    /// For each node the nodes before it on the longest path that ends there; 0 for one without predecessors.
    #[must_use]
    pub fn depths(&self) -> Vec<u32> {
        let mut depths = Vec::with_capacity(self.nodes);
        for inputs in &self.predecessors {
            // Predecessors come first, so that theirs are known.
            let depth = inputs.iter().map(|&from| depths[from as usize] + 1).max().unwrap_or(0);
            depths.push(depth);
        }
        depths
    }

    /// The nodes that no other takes inputs from, ascending; at least one.
    #[must_use]
    pub fn sinks(&self) -> Vec<u32> {
        let mut used = vec![false; self.nodes];
        for &from in self.predecessors.iter().flatten() {
            used[from as usize] = true;
        }
        (0..).zip(used).filter_map(|(node, used)| (!used).then_some(node)).collect()
    }

    /// All measures.
    #[must_use]
    pub fn measures(&self) -> Measures {
        let depths = self.depths();
        let mut widths = Vec::new();
        for &depth in &depths {
            let depth = depth as usize;
            if widths.len() <= depth {
                widths.resize(depth + 1, 0);
            }
            widths[depth] += 1;
        }
        let mut degrees = vec![0; self.nodes];
        let mut ring_lengths = Vec::new();
        let mut groups = UnionFind::<u32>::new(self.nodes);
        let mut components = self.nodes;
        for (to, inputs) in (0_u32..).zip(&self.predecessors) {
            for &from in inputs {
                degrees[from as usize] += 1;
                degrees[to as usize] += 1;
                ring_lengths.push(self.ring_length(from, to));
                components -= usize::from(groups.union(from, to));
            }
        }
        Measures {
            edges: ring_lengths.len(),
            depth: widths.len(),
            widths,
            components,
            degrees,
            ring_lengths,
            channels: Vec::new(),
            sizes: Vec::new(),
        }
    }

    fn ring_length(&self, from: u32, to: u32) -> usize {
        let steps = self.origin[from as usize].abs_diff(self.origin[to as usize]) as usize;
        steps.min(self.nodes - steps)
    }
}

impl Measures {
    /// The most nodes of one depth.
    #[must_use]
    pub fn width(&self) -> usize {
        self.widths.iter().copied().max().unwrap_or(0)
    }
}
