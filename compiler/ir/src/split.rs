//! A network some of whose nodes are computed in parts, and where each of its operators comes from.
//!
//! It computes the same function as the network that it was made from, with the same weights: each operator of a part has a range of the
//! channels of one operator there. What was cut and what it was cut into is in the names of the nodes: `conv#2` is the second part of `conv`.

use crate::architecture::{Architecture, NodeId};
use crate::op::Axis;
use std::collections::BTreeSet;
use std::ops::Range;

/// How a node is cut.
#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    /// Along which axis of its output; columns are never cut.
    pub axis: Axis,
    /// What each part has of it, in any unit; parts of 0 are left out. Part number i belongs to share i.
    pub shares: Vec<f64>,
}

/// The network in parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// With parts in the places of what was cut. Its hash is its own, its name and provenance those of the whole.
    pub architecture: Architecture,
    /// What each of its nodes is.
    pub pieces: Vec<Piece>,
}

impl Split {
    /// The nodes of the whole network that are computed in parts here.
    #[must_use]
    pub fn in_parts(&self) -> BTreeSet<NodeId> {
        let parts = self.pieces.iter().filter(|piece| matches!(piece.kind, PieceKind::Part(_)));
        parts.filter_map(Piece::node).collect()
    }
}

/// A node of a network in parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// What it is for.
    pub kind: PieceKind,
    /// For each operator of the node, as a tensor graph has them (the scaling operators of its inputs, input by input, then its own) where it comes from;
    /// none for those that only join or cut tensors. Such a list may be shorter than the node.
    pub origins: Vec<Option<Origin>>,
}

impl Piece {
    /// The node of the whole network that it is, or is a part of; none for what only joins or cuts tensors.
    #[must_use]
    pub fn node(&self) -> Option<NodeId> {
        self.origins.iter().flatten().next_back().map(|origin| origin.node)
    }
}

/// What a node of a network in parts is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceKind {
    /// A node that was not cut, or what comes before the cut in one that was.
    Whole,
    /// The part of this number, counted from 0.
    Part(u32),
    /// Puts parts together, or pieces of them.
    Gather,
    /// Takes a range of one tensor.
    Slice,
}

/// An operator of the network before it was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Whose.
    pub node: NodeId,
    /// Which of the node's operators as a tensor graph has them: scaling operators of its inputs first, input by input, then its own.
    pub operator: usize,
    /// The output channels of it that are computed here; all where absent.
    pub channels: Option<Range<u32>>,
}
