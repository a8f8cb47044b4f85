//! The graph as it grows: which nodes hold a tensor that was cut, and nodes that take ranges of it, each made once.

use super::{Operator, Source};
use cnasc_ir::architecture::{Architecture, Join, Node, NodeId, Role};
use cnasc_ir::op::{Axis, Slice};
use cnasc_ir::split::{Piece, PieceKind};
use cnasc_ir::{Op, Shape};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// A [`Layout`] of a [`Graph`]: its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LayoutId(usize);

/// Where the output of a node is.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// The node's name, and that of its parts put together.
    pub name: String,
    /// Of the whole.
    pub shape: Shape,
    /// The axis that the parts lie one behind the other along.
    pub axis: Axis,
    /// In order, each with its range; at least one.
    pub pieces: Vec<(Range<u32>, NodeId)>,
}

impl Layout {
    /// All of it in one node.
    pub fn one(name: String, shape: Shape, node: NodeId) -> Self {
        Self { name, shape, axis: Axis::Channels, pieces: vec![(0..shape.channels, node)] }
    }
}

/// Nodes and layouts so far.
#[derive(Debug)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    pieces: Vec<Piece>,
    layouts: Vec<Layout>,
    views: BTreeMap<(LayoutId, Axis, u32, u32), NodeId>,
    slices: BTreeMap<(NodeId, Axis, u32, u32), NodeId>,
    names: BTreeSet<String>,
}

impl Graph {
    pub fn new(architecture: &Architecture) -> Self {
        Self {
            nodes: Vec::new(),
            pieces: Vec::new(),
            layouts: Vec::new(),
            views: BTreeMap::new(),
            slices: BTreeMap::new(),
            names: architecture.nodes.iter().map(|node| node.name.clone()).collect(),
        }
    }

    pub fn layout(&self, id: LayoutId) -> &Layout {
        &self.layouts[id.0]
    }

    pub fn place(&mut self, layout: Layout) -> LayoutId {
        self.layouts.push(layout);
        LayoutId(self.layouts.len() - 1)
    }

    /// A name that no node of the whole network or of this graph has, much like `wanted`.
    pub fn name(&mut self, mut wanted: String) -> String {
        while !self.names.insert(wanted.clone()) {
            wanted.push('~');
        }
        wanted
    }

    /// Adds a node that computes what `source` or a part of it does.
    pub fn add(
        &mut self,
        name: String,
        source: &Source,
        from: Vec<(NodeId, Vec<Operator>)>,
        own: Vec<Operator>,
        shape: Shape,
        kind: PieceKind,
    ) -> NodeId {
        let scales = from.iter().flat_map(|(_, scale)| scale);
        let origins = scales.chain(&own).flat_map(Operator::origins).collect();
        let ops = |operators: Vec<Operator>| operators.into_iter().map(|operator| operator.op).collect();
        let inputs = from.into_iter().map(|(from, scale)| Join { from, scale: ops(scale) }).collect();
        self.push(Node { name, role: source.role, inputs, ops: ops(own), shape }, Piece { kind, origins })
    }

    fn push(&mut self, node: Node, piece: Piece) -> NodeId {
        self.nodes.push(node);
        self.pieces.push(piece);
        NodeId::new(self.nodes.len() - 1)
    }

    /// The node that holds all of a layout.
    pub fn whole(&mut self, id: LayoutId) -> NodeId {
        let Layout { axis, shape, .. } = *self.layout(id);
        self.view(id, axis, 0..shape.extent(axis))
    }

    /// The node that holds `range` of a layout along `axis`.
    pub fn view(&mut self, id: LayoutId, axis: Axis, range: Range<u32>) -> NodeId {
        let key = (id, axis, range.start, range.end);
        if let Some(&made) = self.views.get(&key) {
            return made;
        }
        let made = self.make_view(id, axis, range);
        self.views.insert(key, made);
        made
    }

    fn make_view(&mut self, id: LayoutId, axis: Axis, range: Range<u32>) -> NodeId {
        let layout = self.layout(id).clone();
        if let [(_, node)] = layout.pieces.as_slice() {
            return self.slice(*node, axis, range);
        }
        if axis != layout.axis {
            let whole = self.whole(id);
            return self.slice(whole, axis, range);
        }
        let mut taken = Vec::new();
        for (has, node) in &layout.pieces {
            let inside = range.start.max(has.start)..range.end.min(has.end);
            if !inside.is_empty() {
                taken.push(self.slice(*node, axis, inside.start - has.start..inside.end - has.start));
            }
        }
        if let [only] = taken.as_slice() {
            return *only;
        }
        let all = range == (0..layout.shape.extent(axis));
        let name = if all { layout.name } else { self.name(range_name(&layout.name, axis, &range)) };
        let inputs = taken.into_iter().map(|from| Join { from, scale: Vec::new() }).collect();
        let shape = layout.shape.with(axis, range.end - range.start);
        let node = Node { name, role: Role::Pipeline, inputs, ops: vec![Op::Concat { axis }], shape };
        self.push(node, Piece { kind: PieceKind::Gather, origins: Vec::new() })
    }

    /// The node that holds `range` of the output of `node`.
    fn slice(&mut self, node: NodeId, axis: Axis, range: Range<u32>) -> NodeId {
        let from = &self.nodes[node.index()];
        if range == (0..from.shape.extent(axis)) {
            return node;
        }
        let key = (node, axis, range.start, range.end);
        if let Some(&made) = self.slices.get(&key) {
            return made;
        }
        let (wanted, shape) = (range_name(&from.name, axis, &range), from.shape.with(axis, range.end - range.start));
        let name = self.name(wanted);
        let inputs = vec![Join { from: node, scale: Vec::new() }];
        let ops = vec![Op::Slice(Slice::range(axis, range.start, range.end))];
        let made = Node { name, role: Role::Pipeline, inputs, ops, shape };
        let made = self.push(made, Piece { kind: PieceKind::Slice, origins: Vec::new() });
        self.slices.insert(key, made);
        made
    }

    /// All nodes that the last one needs, in order.
    pub fn used(self) -> (Vec<Node>, Vec<Piece>) {
        let mut used = vec![false; self.nodes.len()];
        if let Some(last) = used.last_mut() {
            *last = true;
        }
        for (index, node) in self.nodes.iter().enumerate().rev() {
            if used[index] {
                node.inputs.iter().for_each(|join| used[join.from.index()] = true);
            }
        }
        let mut numbers = Vec::with_capacity(used.len());
        let (mut nodes, mut pieces) = (Vec::new(), Vec::new());
        for ((mut node, piece), used) in self.nodes.into_iter().zip(self.pieces).zip(used) {
            numbers.push(NodeId::new(nodes.len()));
            if used {
                node.inputs.iter_mut().for_each(|join| join.from = numbers[join.from.index()]);
                nodes.push(node);
                pieces.push(piece);
            }
        }
        (nodes, pieces)
    }
}

/// `conv.rows.14-28`.
fn range_name(name: &str, axis: Axis, range: &Range<u32>) -> String {
    format!("{name}.{axis}.{}-{}", range.start, range.end)
}
