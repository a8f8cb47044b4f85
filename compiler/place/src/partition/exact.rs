//! Proof that a partition is the best there is, for small hypergraphs: branch and bound. Input: a hypergraph, shares, a
//! partition to beat, and how many nodes the search may visit. Output: the best partition, and whether that is proved.
//!
//! A node is an assignment of some vertices. It is given up where `bound` says that no completion is better than the best
//! known, where the free vertices do not fit, or where it is another one with parts of equal limits exchanged. The vertex
//! with the most to lose by its second best part comes next, to its best part first.
//! (Delling et al. 2015, Exact combinatorial branch-and-bound for graph bisection, gives the frame; the bound is our own.)

mod bound;

use super::balance::Balance;
use super::{Partition, Request};
use crate::hypergraph::Hypergraph;
use bound::{Bound, Choice};

/// The most parts: the parts of a net are kept as bits.
const MAX_PARTS: usize = 32;

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// The best partition known.
    pub partition: Partition,
    /// Whether no partition within its bound has less Λ.
    pub optimal: bool,
    /// Nodes visited.
    pub nodes: u64,
}

/// Looks for a better partition than `known`, until there is none or `nodes` nodes were visited. What `known` is not, such as
/// within the limits, is not assumed.
#[must_use]
pub fn prove(graph: &Hypergraph, request: &Request, known: &Partition, nodes: u64) -> Proof {
    let balance = Balance::new(graph, request.targets, known.bound.max(request.bound));
    let parts = balance.parts();
    if parts > MAX_PARTS || known.part_of.len() != graph.vertices() {
        return Proof { partition: known.clone(), optimal: false, nodes: 0 };
    }
    let mut search = Search {
        state: State::new(graph, balance.limits()),
        bound: Bound::new(graph, parts),
        step: graph.costs().iter().fold(0, |step, &cost| gcd(step, cost)).max(1),
        best: known.connectivity,
        found: None,
        nodes: 0,
        most: nodes,
    };
    search.descend();
    let optimal = search.nodes < nodes;
    let visited = search.nodes;
    let partition = match search.found {
        None => known.clone(),
        Some(part_of) => Partition {
            connectivity: graph.connectivity(&part_of),
            loads: balance.loads(graph, &part_of),
            bound: balance.bound(),
            part_of,
        },
    };
    Proof { partition, optimal, nodes: visited }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// An assignment of some vertices.
struct State<'a> {
    graph: &'a Hypergraph,
    limits: &'a [u64],
    loads: Vec<u64>,
    /// For each vertex its part; [`FREE`] where it has none yet.
    part_of: Vec<u32>,
    /// For each net the parts that it has pins in, as bits.
    touched: Vec<u32>,
    free_weight: u64,
    /// Λ of what is assigned.
    cost: u64,
}

const FREE: u32 = u32::MAX;

impl<'a> State<'a> {
    fn new(graph: &'a Hypergraph, limits: &'a [u64]) -> Self {
        Self {
            graph,
            limits,
            loads: vec![0; limits.len()],
            part_of: vec![FREE; graph.vertices()],
            touched: vec![0; graph.nets()],
            free_weight: graph.total_weight(),
            cost: 0,
        }
    }

    fn is_free(&self, vertex: usize) -> bool {
        self.part_of[vertex] == FREE
    }

    fn fits(&self, vertex: usize, part: usize) -> bool {
        self.loads[part] + self.graph.weights()[vertex] <= self.limits[part]
    }

    /// Whether an earlier part is as empty and as large: then the assignment with both exchanged is looked at instead.
    fn is_twin(&self, part: usize) -> bool {
        self.loads[part] == 0
            && (0..part).any(|other| {
                self.loads[other] == 0
                    && self.limits[other] == self.limits[part]
                    && !self.touched.iter().any(|bits| bits >> other & 1 == 1)
            })
            && !self.touched.iter().any(|bits| bits >> part & 1 == 1)
    }

    fn assign(&mut self, vertex: usize, part: usize, entered: &mut Vec<u32>) {
        let weight = self.graph.weights()[vertex];
        self.loads[part] += weight;
        self.free_weight -= weight;
        self.part_of[vertex] = u32::try_from(part).expect("there are few parts");
        for &net in self.graph.nets_of(vertex) {
            let bits = &mut self.touched[net as usize];
            if *bits >> part & 1 == 0 {
                self.cost += if *bits == 0 { 0 } else { self.graph.costs()[net as usize] };
                *bits |= 1 << part;
                entered.push(net);
            }
        }
    }

    fn undo(&mut self, vertex: usize, part: usize, entered: &[u32]) {
        let weight = self.graph.weights()[vertex];
        self.loads[part] -= weight;
        self.free_weight += weight;
        self.part_of[vertex] = FREE;
        for &net in entered {
            let bits = &mut self.touched[net as usize];
            *bits &= !(1 << part);
            self.cost -= if *bits == 0 { 0 } else { self.graph.costs()[net as usize] };
        }
    }
}

struct Search<'a> {
    state: State<'a>,
    bound: Bound,
    /// Every Λ is a multiple of this.
    step: u64,
    best: u64,
    found: Option<Vec<u32>>,
    nodes: u64,
    most: u64,
}

impl Search<'_> {
    fn descend(&mut self) {
        self.nodes += 1;
        if self.nodes >= self.most {
            return;
        }
        let Some(choice) = self.bound.look(&self.state, self.best, self.step) else { return };
        let Choice::Branch { vertex, mut parts } = choice else {
            self.best = self.state.cost;
            self.found = Some(self.state.part_of.clone());
            return;
        };
        parts.sort_unstable();
        let mut entered = Vec::new();
        for (_, part) in parts {
            entered.clear();
            self.state.assign(vertex, part, &mut entered);
            self.descend();
            self.state.undo(vertex, part, &entered);
        }
    }
}
