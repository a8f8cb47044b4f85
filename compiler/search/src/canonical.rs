//! Architecture → the hash of a text that two have in common just where they are isomorphic: alike but for the names and the order of nodes.
//!
//! Nodes are coloured by what they compute and by the colours of those before and behind them, over and over until no colour splits any more
//! (Weisfeiler and Leman 1968; directed, with what a join does to its input as the edge's colour). Where nodes still share a colour, one of the
//! smallest such class is singled out and colours are refined again, for each of its members; of the orders found, the one with the least
//! text counts (McKay, "Practical graph isomorphism", 1981, without its pruning by automorphisms, but for twins). The search of graphs with
//! very many symmetries is given up: those have no canonical text.

use cnasc_base::Seed;
use cnasc_ir::Architecture;
use cnasc_ir::architecture::{Join, Node};
use cnasc_ir::op::Op;
use sha2::{Digest, Sha256};

/// How many orders are looked at before a graph is given up.
const ORDERS: usize = 256;

/// The SHA-256 of that text in hexadecimal, or none where the graph has too many symmetries.
#[must_use]
pub fn hash(architecture: &Architecture) -> Option<String> {
    let digest = Sha256::digest(form(architecture)?);
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The text.
fn form(architecture: &Architecture) -> Option<String> {
    let graph = Graph::new(&architecture.nodes);
    let mut search = Search { graph: &graph, left: ORDERS, least: None };
    let colours = graph.refine(graph.labels.iter().map(|label| mix(&[*label])).collect());
    search.visit(&colours)?;
    search.least
}

/// What is looked at of an architecture.
struct Graph {
    /// What each node computes.
    texts: Vec<String>,
    /// The same as numbers.
    labels: Vec<u64>,
    /// For each node who it takes from, and how.
    inputs: Vec<Vec<(usize, u64)>>,
    /// That as text.
    joins: Vec<Vec<String>>,
    /// For each node who takes from it, and how.
    consumers: Vec<Vec<(usize, u64)>>,
}

struct Search<'a> {
    graph: &'a Graph,
    /// How many orders may still be looked at.
    left: usize,
    least: Option<String>,
}

impl Graph {
    fn new(nodes: &[Node]) -> Self {
        let texts: Vec<String> =
            nodes.iter().map(|node| format!("{:?} {:?} {}", node.role, node.ops, node.shape)).collect();
        let labels = texts.iter().map(|text| number(text)).collect();
        let mut consumers = vec![Vec::new(); nodes.len()];
        let mut inputs = Vec::with_capacity(nodes.len());
        let mut joins = Vec::with_capacity(nodes.len());
        for (to, node) in nodes.iter().enumerate() {
            let ordered = node.ops.first().is_some_and(|op| !takes_any_order(op));
            let taken = node.inputs.iter().enumerate();
            let texts: Vec<String> = taken
                .map(|(place, join)| format!("{} {:?}", if ordered { place + 1 } else { 0 }, join.scale))
                .collect();
            let edge = |(join, text): (&Join, &String)| (join.from.index(), number(text));
            let edges: Vec<(usize, u64)> = node.inputs.iter().zip(&texts).map(edge).collect();
            joins.push(texts);
            for &(from, label) in &edges {
                consumers[from].push((to, label));
            }
            inputs.push(edges);
        }
        Self { texts, labels, inputs, joins, consumers }
    }

    /// Colours that tell apart what the ones before do, and what stands differently among them; until there are no more.
    fn refine(&self, mut colours: Vec<u64>) -> Vec<u64> {
        let mut count = classes(&colours);
        loop {
            let side = |edges: &[(usize, u64)], colours: &[u64]| {
                let mut side: Vec<u64> = edges.iter().map(|&(other, label)| mix(&[label, colours[other]])).collect();
                side.sort_unstable();
                mix(&side)
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
        self.labels[a] == self.labels[b]
            && sorted(&self.inputs[a]) == sorted(&self.inputs[b])
            && sorted(&self.consumers[a]) == sorted(&self.consumers[b])
    }

    /// The whole graph as text, its nodes in the order of their colours, all of which differ.
    fn text(&self, colours: &[u64]) -> String {
        let mut order: Vec<usize> = (0..colours.len()).collect();
        order.sort_unstable_by_key(|&node| colours[node]);
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, &node)| place[node] = at);
        let mut text = String::new();
        for node in order {
            let inputs = self.inputs[node].iter().zip(&self.joins[node]);
            let mut edges: Vec<(usize, &String)> = inputs.map(|(&(from, _), join)| (place[from], join)).collect();
            edges.sort_unstable();
            text.push_str(&format!("{} {edges:?}\n", self.texts[node]));
        }
        text
    }
}

impl Search<'_> {
    /// Looks at all orders that agree with these colours; none where there are too many.
    fn visit(&mut self, colours: &[u64]) -> Option<()> {
        let undecided = self.graph.undecided(colours);
        if undecided.is_empty() {
            self.left = self.left.checked_sub(1)?;
            let text = self.graph.text(colours);
            if self.least.as_ref().is_none_or(|least| text < *least) {
                self.least = Some(text);
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

fn number(text: &str) -> u64 {
    Seed::new(0).child(text).number()
}

/// One number of several, by the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). Where two colours should ever fall together by
/// accident, graphs have more orders to look at, or none; never do two that differ have one text.
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
