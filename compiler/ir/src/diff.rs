//! Two drawings of one thing → what differs: nodes and edges added, removed and changed.
//!
//! A [`Sketch`] is what the short text form ([`crate::text`]) says of an architecture or of a graph alone, so that a drawing can
//! be compared with one of which only that text was kept. Nodes are paired by their names. An edge into a node that was added
//! or removed belongs to that node's line and is not told again.

use crate::Architecture;
use crate::architecture::Join;
use crate::text::pipeline;
use serde::Serialize;
use std::collections::BTreeMap;

/// A drawing as its short text form has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sketch {
    /// What it is, without counts and hash: `network fashion 1x28x28`, `graph er(n: 8, p: 0.5)`.
    title: String,
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    name: String,
    /// The node that an input comes from, and the operators that bring it to the shape of the others.
    inputs: BTreeMap<String, String>,
    /// Empty where the node only stands in a graph.
    ops: String,
    /// The same.
    shape: String,
}

/// What differs between two drawings, in the order of their nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Difference {
    /// What they are, before and after, where that differs.
    pub title: Option<Change>,
    /// Nodes that the first has not, as lines of the short text.
    pub nodes_added: Vec<String>,
    /// Nodes that the second has not, as lines of the short text.
    pub nodes_removed: Vec<String>,
    /// Nodes with other operators or another shape.
    pub nodes_changed: Vec<NodeChange>,
    /// Edges that the first has not, between nodes that the second has.
    pub edges_added: Vec<Edge>,
    /// Edges that the second has not, into nodes that it has.
    pub edges_removed: Vec<Edge>,
    /// Edges that are scaled otherwise.
    pub edges_changed: Vec<EdgeChange>,
}

/// Before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// In the first drawing.
    pub before: String,
    /// In the second.
    pub after: String,
}

/// A node of both drawings that computes something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeChange {
    /// Its name.
    pub node: String,
    /// Its operators, where they differ.
    pub ops: Option<Change>,
    /// Its shape, where it differs.
    pub shape: Option<Change>,
}

/// An edge by its ends' names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// Where it begins.
    pub from: String,
    /// Where it ends.
    pub to: String,
}

/// An edge of both drawings that is brought to its target's shape by other operators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EdgeChange {
    /// Where it begins.
    pub from: String,
    /// Where it ends.
    pub to: String,
    /// The operators; empty where it is taken as it is.
    pub scale: Change,
}

/// What differs between two architectures.
#[must_use]
pub fn architectures(before: &Architecture, after: &Architecture) -> Difference {
    Sketch::of(before).difference(&Sketch::of(after))
}

impl Sketch {
    /// The sketch of an architecture; the image is in its title.
    #[must_use]
    pub fn of(architecture: &Architecture) -> Self {
        let input = |join: &Join| (architecture.node(join.from).name.clone(), pipeline(&join.scale));
        let nodes = architecture.nodes[1..].iter().map(|node| Node {
            name: node.name.clone(),
            inputs: node.inputs.iter().map(input).collect(),
            ops: pipeline(&node.ops),
            shape: node.shape.to_string(),
        });
        let title = format!("network {} {}", architecture.name, architecture.input());
        Self { title, nodes: nodes.collect() }
    }

    /// Reads a short text form; none where it is no such text.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let title = lines.next()?;
        // Counts and hash follow from the nodes.
        let end = title.match_indices(", ").find_map(|(at, comma)| {
            let rest = &title[at + comma.len()..];
            let counted = rest.split_once(' ').filter(|(count, _)| count.parse::<u64>().is_ok());
            counted.is_some_and(|(_, what)| what.starts_with("node")).then_some(at)
        })?;
        let nodes = lines.filter(|line| !line.trim().is_empty()).map(Node::read).collect::<Option<_>>()?;
        Some(Self { title: title[..end].to_owned(), nodes })
    }

    /// What the drawing `after` has otherwise.
    #[must_use]
    pub fn difference(&self, after: &Self) -> Difference {
        let olds: BTreeMap<&str, &Node> = self.nodes.iter().map(|node| (node.name.as_str(), node)).collect();
        let news: BTreeMap<&str, &Node> = after.nodes.iter().map(|node| (node.name.as_str(), node)).collect();
        let only = |nodes: &[Node], others: &BTreeMap<&str, &Node>| {
            nodes.iter().filter(|node| !others.contains_key(node.name.as_str())).map(Node::line).collect()
        };
        let mut difference = Difference {
            title: change(&self.title, &after.title),
            nodes_added: only(&after.nodes, &olds),
            nodes_removed: only(&self.nodes, &news),
            ..Difference::default()
        };
        for new in &after.nodes {
            if let Some(old) = olds.get(new.name.as_str()) {
                difference.node(old, new);
            }
        }
        difference
    }
}

impl Node {
    /// `name`, or `name = a + b (scale): ops : shape`, where operators and shape may be missing.
    fn read(line: &str) -> Option<Self> {
        let (name, rest) = line.split_once(" = ").unwrap_or((line.trim(), ""));
        if name.is_empty() || name.contains(' ') {
            return None;
        }
        let (rest, shape) = rest.rsplit_once(" : ").unwrap_or((rest, ""));
        let (joins, ops) = rest.split_once(": ").unwrap_or((rest, ""));
        let input = |join: &str| match join.split_once(" (") {
            Some((from, scale)) => (from.to_owned(), scale.trim_end_matches(')').to_owned()),
            None => (join.to_owned(), String::new()),
        };
        let inputs = joins.split(" + ").filter(|join| !join.is_empty()).map(input).collect();
        Some(Self { name: name.to_owned(), inputs, ops: ops.to_owned(), shape: shape.to_owned() })
    }

    /// The line that [`Node::read`] reads.
    fn line(&self) -> String {
        let join = |(from, scale): (&String, &String)| {
            if scale.is_empty() { from.clone() } else { format!("{from} ({scale})") }
        };
        let joins: Vec<String> = self.inputs.iter().map(join).collect();
        let mut line = self.name.clone();
        if !joins.is_empty() {
            line.push_str(&format!(" = {}", joins.join(" + ")));
        }
        if !self.ops.is_empty() {
            line.push_str(&format!(": {}", self.ops));
        }
        if !self.shape.is_empty() {
            line.push_str(&format!(" : {}", self.shape));
        }
        line
    }
}

impl Difference {
    /// Whether both are the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn node(&mut self, old: &Node, new: &Node) {
        let (ops, shape) = (change(&old.ops, &new.ops), change(&old.shape, &new.shape));
        if ops.is_some() || shape.is_some() {
            self.nodes_changed.push(NodeChange { node: new.name.clone(), ops, shape });
        }
        let edge = |from: &String| Edge { from: from.clone(), to: new.name.clone() };
        self.edges_added.extend(new.inputs.keys().filter(|from| !old.inputs.contains_key(*from)).map(edge));
        self.edges_removed.extend(old.inputs.keys().filter(|from| !new.inputs.contains_key(*from)).map(edge));
        for (from, before) in &old.inputs {
            let scale = new.inputs.get(from).and_then(|after| change(before, after));
            if let Some(scale) = scale {
                self.edges_changed.push(EdgeChange { from: from.clone(), to: new.name.clone(), scale });
            }
        }
    }

    /// One line for all: "2 nodes added, 1 edge removed".
    #[must_use]
    pub fn summary(&self) -> String {
        let counts = [
            (self.nodes_added.len(), "node", "added"),
            (self.nodes_removed.len(), "node", "removed"),
            (self.nodes_changed.len(), "node", "changed"),
            (self.edges_added.len(), "edge", "added"),
            (self.edges_removed.len(), "edge", "removed"),
            (self.edges_changed.len(), "edge", "changed"),
        ];
        let parts: Vec<String> = counts
            .iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, what, how)| format!("{count} {what}{} {how}", if *count == 1 { "" } else { "s" }))
            .collect();
        match (parts.as_slice(), &self.title) {
            ([], None) => "no difference".to_owned(),
            ([], Some(_)) => "the same graph under another name".to_owned(),
            _ => parts.join(", "),
        }
    }

    /// A line a difference for people: `+` added, `-` removed, `~` changed.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let arrow = |change: &Change| format!("{} → {}", quoted(&change.before), quoted(&change.after));
        lines.extend(self.title.iter().map(|title| format!("~ {}", arrow(title))));
        lines.extend(self.nodes_removed.iter().map(|line| format!("- node {line}")));
        lines.extend(self.nodes_added.iter().map(|line| format!("+ node {line}")));
        for NodeChange { node, ops, shape } in &self.nodes_changed {
            lines.extend(ops.iter().map(|ops| format!("~ node {node}: {}", arrow(ops))));
            lines.extend(shape.iter().map(|shape| format!("~ node {node}: shape {}", arrow(shape))));
        }
        lines.extend(self.edges_removed.iter().map(|edge| format!("- edge {} → {}", edge.from, edge.to)));
        lines.extend(self.edges_added.iter().map(|edge| format!("+ edge {} → {}", edge.from, edge.to)));
        for EdgeChange { from, to, scale } in &self.edges_changed {
            lines.push(format!("~ edge {from} → {to}: scaled by {}", arrow(scale)));
        }
        lines
    }
}

fn change(before: &str, after: &str) -> Option<Change> {
    (before != after).then(|| Change { before: before.to_owned(), after: after.to_owned() })
}

/// Operators hold arrows and spaces of their own.
fn quoted(text: &str) -> String {
    if text.is_empty() { "nothing".to_owned() } else { format!("`{text}`") }
}
