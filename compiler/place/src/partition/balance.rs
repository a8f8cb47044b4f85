//! How heavy each part may be. Input: vertex weights, the parts' shares, the bound asked for. Output: a limit a part, the
//! bound that can be kept, and a packing that keeps it.
//!
//! Whether weights pack within limits is bin packing. Longest-processing-time-first gives a packing; where it breaks the
//! bound, a bounded depth-first search looks for one that keeps it, and what the best packing needs becomes the bound. With
//! few vertices that is exact; with many the greedy packing is within a light vertex of the best.

use crate::hypergraph::Hypergraph;

/// Nodes that the search for a packing may visit with up to 16 vertices, where that makes it exact,
const EXACT_NODES: u32 = 10_000;

/// and with more, where it only rearranges the lightest.
const SEARCH_NODES: u32 = 2_000;

/// Above this many vertices the greedy packing is good enough, and a search would be too deep.
const SEARCH_VERTICES: usize = 200;

/// Keeps a limit that is a whole number from being rounded down to the one below.
const ROUNDING: f64 = 1.0 + 1e-12;

/// Limits of all parts.
#[derive(Debug, Clone)]
pub struct Balance {
    targets: Vec<f64>,
    limits: Vec<u64>,
    packing: Vec<u32>,
    bound: f64,
}

impl Balance {
    /// The limits of parts with these shares under `bound`; see the module for what happens where none fits.
    #[must_use]
    pub fn new(graph: &Hypergraph, shares: &[f64], bound: f64) -> Self {
        let (mut balance, order) = Self::roughly(graph, shares, bound);
        if !balance.fits(graph, &balance.packing) && graph.vertices() <= SEARCH_VERTICES {
            let mut search = Packing::new(graph, &order, &balance);
            search.descend(0);
            balance.packing = search.best;
        }
        balance.relax(graph);
        balance
    }

    /// The same without a search for a packing: the bound may be relaxed a little further than it must.
    #[must_use]
    pub fn greedy(graph: &Hypergraph, shares: &[f64], bound: f64) -> Self {
        let mut balance = Self::roughly(graph, shares, bound).0;
        balance.relax(graph);
        balance
    }

    /// Limits that the greedy packing may break, and the vertices by falling weight.
    fn roughly(graph: &Hypergraph, shares: &[f64], bound: f64) -> (Self, Vec<u32>) {
        let targets = targets(graph.total_weight(), shares);
        // A comparison that also sends NaN to 1.
        let asked = if bound > 1.0 { bound } else { 1.0 };
        let limits = limits(&targets, asked);
        let mut order: Vec<u32> = (0_u32..).take(graph.vertices()).collect();
        order.sort_by_key(|&vertex| std::cmp::Reverse(graph.weights()[vertex as usize]));
        (Self { packing: pack(graph, &order, &targets), targets, limits, bound: asked }, order)
    }

    /// Number of parts, at least one.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.targets.len()
    }

    /// For each part the weight that it would have under perfect balance.
    #[must_use]
    pub fn targets(&self) -> &[f64] {
        &self.targets
    }

    /// So many times the weight that the smallest part would have under perfect balance.
    pub(super) fn share_of_least(&self, share: f64) -> u64 {
        (self.targets.iter().copied().fold(f64::INFINITY, f64::min) * share) as u64
    }

    /// For each part the greatest weight that it may have.
    #[must_use]
    pub fn limits(&self) -> &[u64] {
        &self.limits
    }

    /// The bound that the limits stand for.
    #[must_use]
    pub fn bound(&self) -> f64 {
        self.bound
    }

    /// An assignment that keeps the limits, whatever it cuts.
    #[must_use]
    pub fn packing(&self) -> &[u32] {
        &self.packing
    }

    /// The parts' weights under an assignment.
    #[must_use]
    pub fn loads(&self, graph: &Hypergraph, part_of: &[u32]) -> Vec<u64> {
        let mut loads = vec![0; self.parts()];
        for (&part, &weight) in part_of.iter().zip(graph.weights()) {
            loads[part as usize] += weight;
        }
        loads
    }

    /// Greatest load over its target.
    #[must_use]
    pub fn imbalance(&self, loads: &[u64]) -> f64 {
        loads.iter().zip(&self.targets).map(|(&load, &target)| ratio(load, target)).fold(0.0, f64::max)
    }

    fn fits(&self, graph: &Hypergraph, part_of: &[u32]) -> bool {
        self.loads(graph, part_of).iter().zip(&self.limits).all(|(load, limit)| load <= limit)
    }

    /// Raises bound and limits to what the packing needs.
    fn relax(&mut self, graph: &Hypergraph) {
        let loads = self.loads(graph, &self.packing);
        if loads.iter().zip(&self.limits).all(|(load, limit)| load <= limit) {
            return;
        }
        self.bound = self.imbalance(&loads).max(self.bound);
        self.limits = limits(&self.targets, self.bound);
        for (limit, load) in self.limits.iter_mut().zip(loads) {
            *limit = load.max(*limit);
        }
    }
}

fn ratio(load: u64, target: f64) -> f64 {
    match (load, target > 0.0) {
        (0, _) => 0.0,
        (_, true) => load as f64 / target,
        (_, false) => f64::INFINITY,
    }
}

fn targets(total: u64, shares: &[f64]) -> Vec<f64> {
    let sound = |share: &f64| if share.is_finite() && *share > 0.0 { *share } else { 0.0 };
    let sum: f64 = shares.iter().map(sound).sum();
    if sum > 0.0 && sum.is_finite() {
        shares.iter().map(|share| sound(share) / sum * total as f64).collect()
    } else {
        vec![total as f64]
    }
}

fn limits(targets: &[f64], bound: f64) -> Vec<u64> {
    // The cast saturates, which is right for a bound that limits nothing.
    targets.iter().map(|target| (target * bound * ROUNDING).floor() as u64).collect()
}

/// Heaviest first, each to the part that it fills least: longest processing time first.
fn pack(graph: &Hypergraph, order: &[u32], targets: &[f64]) -> Vec<u32> {
    let mut loads = vec![0_u64; targets.len()];
    let mut part_of = vec![0; graph.vertices()];
    for &vertex in order {
        let weight = graph.weights()[vertex as usize];
        let mut best = (f64::INFINITY, 0);
        for (part, (&load, &target)) in loads.iter().zip(targets).enumerate() {
            let filled = ratio(load + weight, target);
            if filled < best.0 {
                best = (filled, part);
            }
        }
        loads[best.1] += weight;
        part_of[vertex as usize] = u32::try_from(best.1).expect("parts are devices, of which there are few");
    }
    part_of
}

/// Depth-first search for the packing with the least greatest ratio; ends where one keeps the bound.
struct Packing<'a> {
    graph: &'a Hypergraph,
    order: &'a [u32],
    targets: &'a [f64],
    /// Good enough: the bound asked for, or what the heaviest vertex alone needs.
    goal: f64,
    loads: Vec<u64>,
    part_of: Vec<u32>,
    best: Vec<u32>,
    best_ratio: f64,
    left: u32,
}

impl<'a> Packing<'a> {
    fn new(graph: &'a Hypergraph, order: &'a [u32], balance: &'a Balance) -> Self {
        let heaviest = order.first().map_or(0, |&vertex| graph.weights()[vertex as usize]);
        let alone = ratio(heaviest, balance.targets.iter().copied().fold(0.0, f64::max));
        let best_ratio = balance.imbalance(&balance.loads(graph, &balance.packing));
        Self {
            graph,
            order,
            targets: &balance.targets,
            goal: balance.bound.max(alone) * ROUNDING,
            loads: vec![0; balance.parts()],
            part_of: vec![0; graph.vertices()],
            best: balance.packing.clone(),
            best_ratio,
            left: if graph.vertices() <= 16 { EXACT_NODES } else { SEARCH_NODES },
        }
    }

    fn descend(&mut self, depth: usize) {
        let Some(&vertex) = self.order.get(depth) else {
            // Every branch that is entered stays below the best ratio, so the end of one is an improvement.
            let filled = self.loads.iter().zip(self.targets).map(|(&load, &target)| ratio(load, target));
            self.best_ratio = filled.fold(0.0, f64::max);
            self.best.clone_from(&self.part_of);
            return;
        };
        let weight = self.graph.weights()[vertex as usize];
        for part in 0..self.loads.len() {
            if self.left == 0 || self.best_ratio <= self.goal {
                return;
            }
            let twin = (0..part).any(|other| {
                self.loads[other] == self.loads[part] && self.targets[other].total_cmp(&self.targets[part]).is_eq()
            });
            if twin || ratio(self.loads[part] + weight, self.targets[part]) >= self.best_ratio {
                continue;
            }
            self.left -= 1;
            self.loads[part] += weight;
            self.part_of[vertex as usize] = u32::try_from(part).expect("parts are devices, of which there are few");
            self.descend(depth + 1);
            self.loads[part] -= weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dag::Rows;

    fn bound(weights: &[u64], shares: &[f64], asked: f64) -> (f64, Vec<u64>) {
        let graph = Hypergraph::new(weights.to_vec(), vec![], Rows::default()).expect("no nets to be wrong");
        let balance = Balance::new(&graph, shares, asked);
        assert!(balance.fits(&graph, balance.packing()), "the packing keeps the limits");
        (balance.bound(), balance.limits().to_vec())
    }

    #[test]
    fn a_feasible_bound_is_kept() {
        assert_eq!(bound(&[1; 8], &[1.0; 4], 1.0), (1.0, vec![2; 4]));
        assert_eq!(bound(&[10; 10], &[1.0; 2], 1.1), (1.1, vec![55; 2]));
    }

    #[test]
    fn a_heavy_vertex_relaxes_the_bound() {
        assert_eq!(bound(&[6, 1, 1], &[1.0; 2], 1.1), (1.5, vec![6; 2]));
    }

    #[test]
    fn vertices_that_do_not_pack_relax_the_bound() {
        assert_eq!(bound(&[1; 5], &[1.0; 4], 1.2), (1.6, vec![2; 4]));
        // Greedy packing makes 7 of {3, 3, 2, 2, 2}; the search finds the 6.
        assert_eq!(bound(&[3, 3, 2, 2, 2], &[1.0; 2], 1.0), (1.0, vec![6; 2]));
    }

    #[test]
    fn unequal_shares_give_unequal_limits() {
        assert_eq!(bound(&[1; 12], &[3.0, 1.0], 1.0), (1.0, vec![9, 3]));
        assert_eq!(bound(&[1; 12], &[1.0, 0.0, f64::NAN], 1.0), (1.0, vec![12, 0, 0]));
        assert_eq!(bound(&[1; 12], &[], f64::NAN), (1.0, vec![12]));
    }
}
