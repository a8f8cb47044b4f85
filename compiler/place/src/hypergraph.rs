//! The hypergraph of a network: vertices with weights, and one hyper-edge (a net) a producer, {it and all its consumers},
//! that costs the bytes of its output (paper.md, Concurrency score). A net whose pins lie in γ parts costs bytes·(γ − 1),
//! because an output is sent once to a part, however many consumers are there.
//!
//! The image is no vertex of the paper's graph, where every unit has it: [`Hypergraph::of_blocks`], the one that is scored,
//! leaves it out. A plan must put it somewhere, so [`Hypergraph::of_nodes`] has it as a vertex of weight 0.

pub mod hmetis;

use crate::dag::Rows;
use crate::workload::Workload;

/// Vertices `0..vertices()` and nets `0..nets()` over them, as flat arrays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hypergraph {
    weights: Vec<u64>,
    costs: Vec<u64>,
    pins: Rows,
    nets_of: Rows,
    total_weight: u64,
}

impl Hypergraph {
    /// A hypergraph from vertex weights and nets with their costs; row i of `pins` are the vertices of net i.
    ///
    /// # Errors
    /// Where a pin is no vertex or stands in a net twice, the numbers of costs and nets differ, or sums reach 2⁶⁰.
    pub fn new(weights: Vec<u64>, costs: Vec<u64>, pins: Rows) -> Result<Self, String> {
        if costs.len() != pins.len() {
            return Err(format!("{} costs for {} nets", costs.len(), pins.len()));
        }
        let small = |values: &[u64]| {
            values.iter().try_fold(0_u64, |sum, &value| sum.checked_add(value)).is_some_and(|sum| sum < 1 << 60)
        };
        if !small(&weights) || !small(&costs) {
            return Err("weights or costs are too large to add up".to_owned());
        }
        let mut last_net = vec![u32::MAX; weights.len()];
        for (net, row) in (0_u32..).zip(pins.iter()) {
            for &pin in row {
                match last_net.get_mut(pin as usize) {
                    None => return Err(format!("net {net} has pin {pin} of {} vertices", weights.len())),
                    Some(last) if *last == net => return Err(format!("net {net} has pin {pin} twice")),
                    Some(last) => *last = net,
                }
            }
        }
        Ok(Self::from_sound(weights, costs, pins))
    }

    /// The hypergraph that is scored: every node but the image. Vertex v is node v + 1.
    #[must_use]
    pub fn of_blocks(workload: &Workload) -> Self {
        Self::from_workload(workload, 1)
    }

    /// The hypergraph that is placed: every node, the image too. Vertex v is node v.
    #[must_use]
    pub fn of_nodes(workload: &Workload) -> Self {
        Self::from_workload(workload, 0)
    }

    fn from_workload(workload: &Workload, first: usize) -> Self {
        let (dag, costs) = (workload.dag(), workload.costs());
        let shift = |node: usize| u32::try_from(node - first).expect("networks have a bounded number of nodes");
        let mut net_costs = Vec::with_capacity(costs.len());
        let mut pins = Rows::with_capacity(costs.len(), 4 * costs.len());
        for (node, cost) in costs.iter().enumerate().skip(first) {
            let consumers = dag.consumers(node);
            if !consumers.is_empty() {
                net_costs.push(cost.bytes);
                pins.push(std::iter::once(shift(node)).chain(consumers.iter().map(|&to| shift(to as usize))));
            }
        }
        let weights = costs[first..].iter().map(|cost| cost.flops).collect();
        Self::from_sound(weights, net_costs, pins)
    }

    /// As [`Hypergraph::new`], of what is known to be one.
    pub(crate) fn from_sound(weights: Vec<u64>, costs: Vec<u64>, pins: Rows) -> Self {
        let total_weight = weights.iter().sum();
        let nets_of = pins.transposed(weights.len());
        Self { weights, costs, pins, nets_of, total_weight }
    }

    /// The same nets over other vertex weights, for balancing something else than FLOPs.
    ///
    /// # Errors
    /// As [`Hypergraph::new`].
    pub fn with_weights(&self, weights: Vec<u64>) -> Result<Self, String> {
        Self::new(weights, self.costs.clone(), self.pins.clone())
    }

    /// Number of vertices.
    #[must_use]
    pub fn vertices(&self) -> usize {
        self.weights.len()
    }

    /// Number of nets.
    #[must_use]
    pub fn nets(&self) -> usize {
        self.costs.len()
    }

    /// Vertex weights.
    #[must_use]
    pub fn weights(&self) -> &[u64] {
        &self.weights
    }

    /// Σ of the vertex weights.
    #[must_use]
    pub fn total_weight(&self) -> u64 {
        self.total_weight
    }

    /// Net costs.
    #[must_use]
    pub fn costs(&self) -> &[u64] {
        &self.costs
    }

    /// Σ of the nets' sizes.
    #[must_use]
    pub fn pin_count(&self) -> usize {
        self.pins.items()
    }

    /// The vertices of a net.
    #[must_use]
    pub fn pins(&self, net: usize) -> &[u32] {
        self.pins.row(net)
    }

    /// The nets of a vertex.
    #[must_use]
    pub fn nets_of(&self, vertex: usize) -> &[u32] {
        self.nets_of.row(vertex)
    }

    /// Λ = Σ cost·(γ − 1) of an assignment of all vertices to parts, counted from nothing (eq. 3).
    #[must_use]
    pub fn connectivity(&self, part_of: &[u32]) -> u64 {
        let mut sum = 0;
        let mut touched = Vec::new();
        for (pins, &cost) in self.pins.iter().zip(&self.costs) {
            touched.clear();
            for &pin in pins {
                let part = part_of[pin as usize];
                if !touched.contains(&part) {
                    touched.push(part);
                }
            }
            sum += cost * (touched.len() as u64).saturating_sub(1);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use cnasc_base::random::Seed;

    fn rows(lists: &[&[u32]]) -> Rows {
        let mut rows = Rows::default();
        for list in lists {
            rows.push(list.iter().copied());
        }
        rows
    }

    #[test]
    fn connectivity_by_hand() {
        let graph = Hypergraph::new(vec![1; 4], vec![10, 7], rows(&[&[0, 1, 2, 3], &[1, 2]])).expect("it is sound");
        assert_eq!(graph.connectivity(&[0, 0, 0, 0]), 0);
        assert_eq!(graph.connectivity(&[0, 0, 1, 1]), 17, "an output is sent once to a part");
        assert_eq!(graph.connectivity(&[0, 1, 1, 2]), 20);
    }

    #[test]
    fn unsound_ones_are_refused() {
        for (costs, pins) in [(vec![1], rows(&[&[0, 2]])), (vec![1], rows(&[&[0, 0]])), (vec![], rows(&[&[0, 1]]))] {
            assert!(Hypergraph::new(vec![1, 1], costs, pins).is_err());
        }
        assert!(Hypergraph::new(vec![u64::MAX, 1], vec![], Rows::default()).is_err());
    }

    #[test]
    fn the_image_is_placed_but_not_scored() {
        let workload = sample::workload(&Seed::new(1), 20);
        let (scored, placed) = (Hypergraph::of_blocks(&workload), Hypergraph::of_nodes(&workload));
        assert_eq!((scored.vertices(), placed.vertices()), (19, 20));
        assert_eq!((scored.nets() + 1, placed.weights()[0]), (placed.nets(), 0));
        assert_eq!(Hypergraph::new(scored.weights.clone(), scored.costs.clone(), scored.pins.clone()), Ok(scored));
    }
}
