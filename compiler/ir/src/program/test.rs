//! `test` declarations: what is drawn, and what must hold of it.

use super::{BinaryOp, Expr};
use cnasc_base::Location;

/// A `test` declaration, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// Its name.
    pub name: String,
    /// What is drawn.
    pub sample: Sample,
    /// What must hold; at least one.
    pub expectations: Vec<Expectation>,
    /// Where it was declared.
    pub location: Location,
}

/// `sample 200 of local(n: 32, reach: 4.0) seed 1`
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// How many; at least 1.
    pub count: u64,
    /// A generator, a block, a staging or a network with all its arguments.
    pub of: Expr,
    /// What the draws grow from; 0 where not given.
    pub seed: u64,
}

/// `expect …`
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// What is expected.
    pub kind: Expected,
    /// Where it was written, without the word `expect`.
    pub location: Location,
}

/// What a test may expect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expected {
    /// The samples are exactly those that were accepted.
    Snapshot,
    /// A number computed from all samples compares with a limit.
    Statistic {
        /// What becomes of the figures of all samples.
        statistic: Statistic,
        /// Of what.
        figure: Figure,
        /// How it compares, the statistic on the left: one of the six comparisons.
        op: BinaryOp,
        /// With what.
        limit: f64,
    },
}

/// What becomes of a figure of all samples. A figure of edges or nodes has many values a sample; all samples' values are taken
/// together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Statistic {
    /// The mean.
    Mean,
    /// The greatest.
    Max,
    /// The least.
    Min,
}

/// A figure of a sample. Of a network its blocks are the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// Of each edge: the smaller number of steps between its ends on a ring of all nodes. Generators alone have it.
    RingLength,
    /// Nodes on the longest path.
    Depth,
    /// The most nodes of one depth.
    Width,
    /// Edges.
    Edges,
    /// Of each node: its neighbours, in either direction.
    Degree,
    /// Connected components of the undirected graph.
    Components,
    /// Nodes.
    Nodes,
    /// Of each block: the channels that it gives. Generators have none.
    Channels,
    /// Of each block: the smaller side of the image that it gives. Generators have none.
    Size,
}

impl Statistic {
    /// All, with the words that a program names them by.
    pub const ALL: [(&'static str, Self); 3] = [("mean", Self::Mean), ("max", Self::Max), ("min", Self::Min)];
}

impl Figure {
    /// All, with the words that a program names them by.
    pub const ALL: [(&'static str, Self); 9] = [
        ("ring_length", Self::RingLength),
        ("depth", Self::Depth),
        ("width", Self::Width),
        ("edges", Self::Edges),
        ("degree", Self::Degree),
        ("components", Self::Components),
        ("nodes", Self::Nodes),
        ("channels", Self::Channels),
        ("size", Self::Size),
    ];
}
