//! Architecture → the same network with some nodes computed in parts, each a range of output channels or of output rows, and its weights.
//!
//! A part by channels has the range's slice of the weights and needs all that its convolution or linear layer takes; where a node
//! computes each channel from the same one alone, as pools and depthwise convolutions do, it needs that range only. What comes
//! before the last convolution of a node becomes a node of its own. A part by rows has all weights and needs the rows that its windows go over.
//! Parts take what they need from parts of the node before where they can, so that two nodes cut alike exchange edges only; else
//! it is gathered by joins and cut by slices, which are nodes of their own. The order of additions in each element stays as it
//! was: answers are those of the whole network up to how a kernel treats a tensor of another size.

mod layout;
mod range;
mod weights;

pub use weights::cut_weights;

use cnasc_ir::architecture::{Architecture, ArchitectureError, NodeId, Role, pipe};
use cnasc_ir::op::Axis;
use cnasc_ir::split::{Cut, Origin, PieceKind, Split};
use cnasc_ir::{Op, Shape};
use layout::{Graph, Layout, LayoutId};
use range::Narrowed;
use std::ops::Range;

/// Below so many channels a part, channels are not kept in the blocks that kernels compute at once.
const BLOCK: u32 = 16;

/// Cuts each node of a verified architecture as `cuts` says, where that is possible; nodes without an entry and those that can't be
/// cut so stay whole.
///
/// # Errors
/// Where the name of a node is too long to be that of a part too.
pub fn split(architecture: &Architecture, cuts: &[Option<Cut>]) -> Result<Split, ArchitectureError> {
    let mut graph = Graph::new(architecture);
    let mut layouts: Vec<LayoutId> = Vec::with_capacity(architecture.nodes.len());
    for id in architecture.ids() {
        let source = Source::of(architecture, id, &layouts);
        let cut = cuts.get(id.index()).and_then(Option::as_ref);
        let in_parts = cut.and_then(|cut| in_parts(&mut graph, &source, cut));
        layouts.push(in_parts.unwrap_or_else(|| whole(&mut graph, &source)));
    }
    if let Some(&answer) = layouts.last() {
        graph.whole(answer);
    }
    let (nodes, pieces) = graph.used();
    let mut made = Architecture::new(architecture.name.clone(), nodes)?;
    made.provenance.clone_from(&architecture.provenance);
    made.preprocess.clone_from(&architecture.preprocess);
    Ok(Split { architecture: made, pieces })
}

/// An operator and where it comes from.
#[derive(Debug, Clone)]
struct Operator {
    op: Op,
    origin: Option<Origin>,
}

/// An input of a node to be: what it is made from, and how it is scaled.
#[derive(Debug, Clone)]
struct Input {
    from: LayoutId,
    scale: Vec<Operator>,
}

/// A node of the network, or the beginning of one, before it is cut.
#[derive(Debug, Clone)]
struct Source {
    name: String,
    role: Role,
    inputs: Vec<Input>,
    ops: Vec<Operator>,
    shape: Shape,
}

impl Source {
    fn of(architecture: &Architecture, id: NodeId, layouts: &[LayoutId]) -> Self {
        let node = architecture.node(id);
        let mut operator = 0;
        let mut operators = |ops: &[Op]| -> Vec<Operator> {
            let numbered = ops.iter().map(|op| {
                let origin = Some(Origin { node: id, operator, channels: None });
                operator += steps(op);
                Operator { op: op.clone(), origin }
            });
            numbered.collect()
        };
        let inputs =
            node.inputs.iter().map(|join| Input { from: layouts[join.from.index()], scale: operators(&join.scale) });
        let inputs = inputs.collect();
        Self { name: node.name.clone(), role: node.role, inputs, ops: operators(&node.ops), shape: node.shape }
    }

    /// The shapes that the first operator takes.
    fn joined(&self, graph: &Graph) -> Option<Vec<Shape>> {
        let scaled = |input: &Input| pipe(&ops(&input.scale), &[graph.layout(input.from).shape]).ok();
        self.inputs.iter().map(scaled).collect()
    }
}

/// How many steps lowering makes of an operator.
fn steps(op: &Op) -> usize {
    match op {
        Op::Scale { by } => by.iter().map(steps).sum::<usize>() + 1,
        _ => 1,
    }
}

impl Operator {
    /// Where each of its steps comes from. One of several steps is never cut.
    fn origins(&self) -> impl Iterator<Item = Option<Origin>> {
        (0..steps(&self.op)).map(|step| {
            let origin = self.origin.clone();
            origin.map(|origin| Origin { operator: origin.operator + step, ..origin })
        })
    }
}

fn ops(operators: &[Operator]) -> Vec<Op> {
    operators.iter().map(|operator| operator.op.clone()).collect()
}

/// Adds the node as it is.
fn whole(graph: &mut Graph, source: &Source) -> LayoutId {
    let from = source.inputs.iter().map(|input| (graph.whole(input.from), input.scale.clone())).collect();
    let node = graph.add(source.name.clone(), source, from, source.ops.clone(), source.shape, PieceKind::Whole);
    graph.place(Layout::one(source.name.clone(), source.shape, node))
}

/// Adds the node in parts. None, and nothing is added that stays, where it can't be cut so or would be one part.
fn in_parts(graph: &mut Graph, source: &Source, cut: &Cut) -> Option<LayoutId> {
    if source.role == Role::Input {
        return None;
    }
    match cut.axis {
        Axis::Rows => parts(graph, source, cut, 1),
        Axis::Channels => by_channels(graph, source, cut),
        Axis::Columns => None,
    }
}

fn by_channels(graph: &mut Graph, source: &Source, cut: &Cut) -> Option<LayoutId> {
    let dense = |operator: &Operator| matches!(operator.op, Op::Conv { groups: 1, .. } | Op::Linear { .. });
    let last = source.ops.iter().rposition(dense);
    let bare = source.inputs.iter().all(|input| input.scale.is_empty());
    let Some(at) = last.filter(|&at| at > 0 || !bare) else { return parts(graph, source, cut, unit(source, cut)) };
    let (before, after) = source.ops.split_at(at);
    let shape = match before.is_empty() {
        true => source.joined(graph)?.first().copied()?,
        false => pipe(&ops(before), &source.joined(graph)?).ok()?,
    };
    let name = graph.name(format!("{}~in", source.name));
    let head = Source { name, ops: before.to_vec(), shape, ..source.clone() };
    let heavy = before.iter().any(|operator| matches!(operator.op, Op::Conv { .. } | Op::Linear { .. }));
    let in_parts = if heavy { by_channels(graph, &head, cut) } else { None };
    let from = in_parts.unwrap_or_else(|| whole(graph, &head));
    let tail = Source { inputs: vec![Input { from, scale: Vec::new() }], ops: after.to_vec(), ..source.clone() };
    parts(graph, &tail, cut, unit(source, cut))
}

/// Of how many channels each part has a multiple: whole groups, and whole blocks where there are channels enough.
fn unit(source: &Source, cut: &Cut) -> u32 {
    let made = |operator: &Operator| match operator.op {
        Op::Conv { groups, channels, .. } if groups > 1 => channels / groups,
        _ => 1,
    };
    let group = source.ops.iter().map(made).max().unwrap_or(1).max(1);
    let count = cut.shares.iter().filter(|share| **share > 0.0).count();
    let blocks = source.shape.channels as usize >= count * BLOCK as usize && BLOCK.is_multiple_of(group);
    if blocks { BLOCK } else { group }
}

/// What one part is made of.
struct Part {
    number: u32,
    range: Range<u32>,
    ops: Vec<Operator>,
    /// For each input what of it is needed, and how that is scaled.
    inputs: Vec<(Need, Vec<Operator>)>,
}

/// All of a tensor, or a range of it.
type Need = Option<Range<u32>>;

fn parts(graph: &mut Graph, source: &Source, cut: &Cut, unit: u32) -> Option<LayoutId> {
    let ranges = range::deal(source.shape.extent(cut.axis), &cut.shares, unit);
    let ranges = (0..).zip(ranges).filter(|(_, range)| !range.is_empty());
    let parts: Option<Vec<Part>> = ranges.map(|(number, range)| part(graph, source, cut.axis, number, range)).collect();
    let parts = parts.filter(|parts| parts.len() > 1)?;
    let mut pieces = Vec::with_capacity(parts.len());
    for (count, part) in (1..).zip(parts) {
        let mut from = Vec::with_capacity(part.inputs.len());
        for (input, (need, scale)) in source.inputs.iter().zip(part.inputs) {
            let node = match need {
                Some(range) => graph.view(input.from, cut.axis, range),
                None => graph.whole(input.from),
            };
            from.push((node, scale));
        }
        let shape = source.shape.with(cut.axis, part.range.end - part.range.start);
        let name = graph.name(format!("{}#{count}", source.name));
        let node = graph.add(name, source, from, part.ops, shape, PieceKind::Part(part.number));
        pieces.push((part.range, node));
    }
    Some(graph.place(Layout { name: source.name.clone(), shape: source.shape, axis: cut.axis, pieces }))
}

fn part(graph: &Graph, source: &Source, axis: Axis, number: u32, range: Range<u32>) -> Option<Part> {
    let joined = source.joined(graph)?;
    let (ops, need) = narrow(axis, &source.ops, &joined, range.clone())?;
    let mut inputs = Vec::with_capacity(source.inputs.len());
    for input in &source.inputs {
        let Some(range) = need.clone() else {
            inputs.push((None, input.scale.clone()));
            continue;
        };
        let (scale, need) = narrow(axis, &input.scale, &[graph.layout(input.from).shape], range)?;
        inputs.push((need, scale));
    }
    Some(Part { number, range, ops, inputs })
}

/// A pipeline cut to `wanted` of its output, and what it then needs of its inputs. Operators before one that needs all of what it takes
/// stay as they are.
fn narrow(axis: Axis, operators: &[Operator], inputs: &[Shape], wanted: Range<u32>) -> Option<(Vec<Operator>, Need)> {
    let mut taken = Vec::with_capacity(operators.len());
    let mut shape = inputs.first().copied()?;
    for (index, operator) in operators.iter().enumerate() {
        taken.push(shape);
        shape = if index == 0 { operator.op.output(inputs).ok()? } else { operator.op.output(&[shape]).ok()? };
    }
    let mut cut = operators.to_vec();
    let mut wanted = wanted;
    for (index, operator) in cut.iter_mut().enumerate().rev() {
        if axis == Axis::Channels
            && let Some(origin) = &mut operator.origin
        {
            origin.channels = Some(wanted.clone());
        }
        match range::narrow(&operator.op, axis, taken[index], &wanted)? {
            Narrowed::Local(op, range) => (operator.op, wanted) = (op, range),
            Narrowed::Dense(op) => {
                operator.op = op;
                return Some((cut, None));
            }
        }
    }
    Some((cut, Some(wanted)))
}
