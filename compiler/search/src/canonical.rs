//! Architecture → the hash of a form that two have in common just where they are isomorphic: alike but for the names and the order of nodes.
//!
//! The form is a legend, which says what nodes compute and what joins do, each kind once and in the order of their texts, and the nodes as
//! numbers: for each its kind, and for each of its inputs the place of that in the order of nodes, and the join's kind.
//!
//! Nodes are coloured by what they compute and by the colours of those before and behind them, over and over until no colour splits any more
//! (Weisfeiler and Leman 1968; directed, with what a join does to its input as the edge's colour). Where nodes still share a colour, one of the
//! smallest such class is singled out and colours are refined again, for each of its members; of the orders found, the one with the least
//! numbers counts (McKay, "Practical graph isomorphism", 1981, without its pruning by automorphisms, but for twins). The search of graphs with
//! very many symmetries is given up: those have no canonical form.

use cnasc_ir::Architecture;
use cnasc_ir::architecture::Node;
use cnasc_ir::op::Op;
use sha2::{Digest, Sha256};

/// How many orders are looked at before a graph is given up.
const ORDERS: usize = 256;

/// The SHA-256 of that form in hexadecimal, or none where the graph has too many symmetries.
#[must_use]
pub fn hash(architecture: &Architecture) -> Option<String> {
    let graph = Graph::new(&architecture.nodes);
    let mut search = Search { graph: &graph, left: ORDERS, least: None };
    search.visit(&graph.refine(graph.kinds.iter().map(|&kind| mix(&[kind])).collect()))?;
    let mut hasher = Sha256::new();
    for legend in [&graph.legend.0, &graph.legend.1] {
        hasher.update((legend.len() as u64).to_le_bytes());
        legend.iter().for_each(|text| hasher.update(format!("{text}\n")));
    }
    search.least?.iter().for_each(|number| hasher.update(number.to_le_bytes()));
    Some(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What is looked at of an architecture.
struct Graph {
    /// The kinds of nodes and of joins, as text.
    legend: (Vec<String>, Vec<String>),
    /// For each node its kind.
    kinds: Vec<u64>,
    /// For each node who it takes from, and the kind of the join.
    inputs: Vec<Vec<(usize, u64)>>,
    /// For each node who takes from it, and the kind of the join.
    consumers: Vec<Vec<(usize, u64)>>,
}

struct Search<'a> {
    graph: &'a Graph,
    /// How many orders may still be looked at.
    left: usize,
    least: Option<Vec<u64>>,
}

impl Graph {
    fn new(nodes: &[Node]) -> Self {
        let computed = nodes.iter().map(|node| (node.role, node.ops.as_slice(), node.shape));
        let (node_legend, node_kinds) = kinds(computed, |(role, ops, shape)| format!("{role:?} {ops:?} {shape}"));
        let joins = nodes.iter().flat_map(|node| {
            let ordered = node.ops.first().is_some_and(|op| !takes_any_order(op));
            let place = move |index| if ordered { index + 1 } else { 0 };
            (0..).zip(&node.inputs).map(move |(index, join)| (place(index), join.scale.as_slice()))
        });
        let (join_legend, join_kinds) = kinds(joins, |(place, scale)| format!("{place} {scale:?}"));
        let mut join_kinds = join_kinds.into_iter();
        let mut consumers = vec![Vec::new(); nodes.len()];
        let mut inputs = Vec::with_capacity(nodes.len());
        for (to, node) in nodes.iter().enumerate() {
            let from = node.inputs.iter().map(|join| join.from.index());
            let edges: Vec<(usize, u64)> = from.zip(&mut join_kinds).collect();
            edges.iter().for_each(|&(from, kind)| consumers[from].push((to, kind)));
            inputs.push(edges);
        }
        Self { legend: (node_legend, join_legend), kinds: node_kinds, inputs, consumers }
    }

    /// Colours that tell apart what the ones before do, and what stands differently among them; until there are no more.
    fn refine(&self, mut colours: Vec<u64>) -> Vec<u64> {
        let mut count = classes(&colours);
        loop {
            // A sum, because neighbours have no order.
            let side = |edges: &[(usize, u64)], colours: &[u64]| {
                let seen = edges.iter().map(|&(other, kind)| mix(&[kind, colours[other]]));
                seen.fold(0, u64::wrapping_add)
            };
            let finer: Vec<u64> = (0..colours.len())
                .map(|node| {
                    mix(&[colours[node], side(&self.inputs[node], &colours), side(&self.consumers[node], &colours)])
                })
                .collect();
            let more = classes(&finer);
            if more <= count {
                return colours;
            }
            (colours, count) = (finer, more);
        }
    }

    /// The members of the smallest class that has several, of the first among these; of twins only one.
    fn undecided(&self, colours: &[u64]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..colours.len()).collect();
        order.sort_unstable_by_key(|&node| (colours[node], node));
        let classes = order.chunk_by(|&a, &b| colours[a] == colours[b]).filter(|class| class.len() > 1);
        let Some(class) = classes.min_by_key(|class| (class.len(), colours[class[0]])) else { return Vec::new() };
        let mut members: Vec<usize> = Vec::new();
        for &node in class {
            if !members.iter().any(|&other| self.are_twins(node, other)) {
                members.push(node);
            }
        }
        members
    }

    /// Whether two nodes of one colour take from the same nodes and give to the same nodes, so that they can change places.
    fn are_twins(&self, a: usize, b: usize) -> bool {
        let sorted = |edges: &[(usize, u64)]| {
            let mut edges = edges.to_vec();
            edges.sort_unstable();
            edges
        };
        self.kinds[a] == self.kinds[b]
            && sorted(&self.inputs[a]) == sorted(&self.inputs[b])
            && sorted(&self.consumers[a]) == sorted(&self.consumers[b])
    }

    /// The whole graph as numbers, its nodes in the order of their colours, all of which differ.
    fn numbers(&self, colours: &[u64]) -> Vec<u64> {
        let mut order: Vec<usize> = (0..colours.len()).collect();
        order.sort_unstable_by_key(|&node| colours[node]);
        let mut place = vec![0; order.len()];
        (0_u64..).zip(&order).for_each(|(at, &node)| place[node] = at);
        let mut numbers = Vec::with_capacity(8 * order.len());
        let mut edges: Vec<(u64, u64)> = Vec::new();
        for node in order {
            edges.clear();
            edges.extend(self.inputs[node].iter().map(|&(from, kind)| (place[from], kind)));
            edges.sort_unstable();
            numbers.extend([self.kinds[node], edges.len() as u64]);
            numbers.extend(edges.iter().flat_map(|&(from, kind)| [from, kind]));
        }
        numbers
    }
}

impl Search<'_> {
    /// Looks at all orders that agree with these colours; none where there are too many.
    fn visit(&mut self, colours: &[u64]) -> Option<()> {
        let undecided = self.graph.undecided(colours);
        if undecided.is_empty() {
            self.left = self.left.checked_sub(1)?;
            let numbers = self.graph.numbers(colours);
            if self.least.as_ref().is_none_or(|least| numbers < *least) {
                self.least = Some(numbers);
            }
            return Some(());
        }
        for node in undecided {
            let mut single = colours.to_owned();
            single[node] = mix(&[single[node], 1]);
            self.visit(&self.graph.refine(single))?;
        }
        Some(())
    }
}

/// Whether an operator computes the same, and costs the same, whichever way its inputs stand. Learnt weights stand with their inputs.
fn takes_any_order(op: &Op) -> bool {
    matches!(op, Op::WeightedSum { .. } | Op::Sum | Op::Mean | Op::Add | Op::Mul)
}

/// How many different colours there are.
fn classes(colours: &[u64]) -> usize {
    let mut sorted = colours.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted.len()
}

/// How many kinds back a like one is looked for before it is written out anew.
const RECENT: usize = 32;

/// The texts of the values, each once and in order, and for each value the place of its text among these.
fn kinds<T: PartialEq>(values: impl Iterator<Item = T>, text: impl Fn(&T) -> String) -> (Vec<String>, Vec<u64>) {
    // Text takes long to write, and most values are like one before.
    let mut written: Vec<(T, String)> = Vec::new();
    let mut place_of: Vec<usize> = Vec::new();
    for value in values {
        let recent = written.iter().enumerate().rev().take(RECENT);
        let known = recent.into_iter().find(|(_, (other, _))| *other == value).map(|(place, _)| place);
        place_of.push(known.unwrap_or(written.len()));
        if known.is_none() {
            let text = text(&value);
            written.push((value, text));
        }
    }
    let mut legend: Vec<String> = written.iter().map(|(_, text)| text.clone()).collect();
    legend.sort_unstable();
    legend.dedup();
    let rank_of: Vec<u64> =
        written.iter().map(|(_, text)| legend.partition_point(|other| other < text) as u64).collect();
    (legend, place_of.into_iter().map(|place| rank_of[place]).collect())
}

/// One number of several, by the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). Where two colours should ever fall together by
/// accident, graphs have more orders to look at, or none; never do two that differ have one form.
fn mix(numbers: &[u64]) -> u64 {
    let mut mixed = numbers.len() as u64;
    for number in numbers {
        mixed = mixed.wrapping_add(*number).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
    }
    mixed
}
