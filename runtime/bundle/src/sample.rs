//! Small networks with random placements, for the tests of the runtime's crates: edges of blocks × seed → [`Bundle`].
//!
//! A placement here is any valid one, good or bad: devices by lot and orders cut from one random topological order. Not a model of
//! what the compiler makes.

use crate::bundle::Bundle;
use cnasc_base::random::{Rng, Seed};
use cnasc_ir::architecture::{Architecture, Join, Node, NodeId, Role};
use cnasc_ir::fleet::{Backend, Device, Link};
use cnasc_ir::op::{Gate, Op, ParamRole, Window};
use cnasc_ir::plan::{Copied, Plan, Span, Transfer};
use cnasc_ir::tensor::{ParamId, ParamSpec, Step, TensorGraph, TensorId};
use cnasc_ir::{DeviceId, Fleet, Shape, Weights};
use std::collections::BTreeSet;

/// Shape of the image: an odd number of channels and unequal sides, so that mixed-up extents are found.
pub const IMAGE: Shape = Shape { channels: 3, height: 7, width: 5 };
/// Channels of every block: more than one block of lanes, with a remainder.
pub const CHANNELS: u32 = 19;
/// Classes of the answer.
pub const CLASSES: u32 = 10;

/// For each block the blocks, all before it, whose outputs it takes; one without any takes the stem.
pub type Edges = Vec<Vec<usize>>;

/// `blocks` one after the other.
#[must_use]
pub fn chain(blocks: usize) -> Edges {
    (0..blocks).map(|block| block.checked_sub(1).into_iter().collect()).collect()
}

/// One block, `width` beside each other that take it, and one that joins them.
#[must_use]
pub fn diamond(width: usize) -> Edges {
    let mut edges = vec![vec![]];
    edges.extend((0..width).map(|_| vec![0]));
    edges.push((1..=width).collect());
    edges
}

/// `blocks` that each take up to three of those before.
#[must_use]
pub fn random(seed: &Seed, blocks: usize) -> Edges {
    let mut rng = seed.child("edges").rng();
    let inputs = |block: usize, rng: &mut Rng| {
        let count = if block == 0 { 0 } else { rng.below(3.min(block) + 1) };
        let chosen: BTreeSet<usize> = (0..count).map(|_| rng.below(block)).collect();
        chosen.into_iter().collect()
    };
    (0..blocks).map(|block| inputs(block, &mut rng)).collect()
}

/// The network of `edges` with random weights, placed by lot on `devices` equal devices.
///
/// # Panics
/// Where the edges are not between a block and an earlier one, or there is no device.
#[must_use]
pub fn bundle(edges: &Edges, devices: usize, backend: Backend, seed: &Seed) -> Bundle {
    let architecture = architecture(edges);
    let graph = lower(&architecture);
    let weights = weights(&graph, &seed.child("weights"));
    let fleet = fleet(devices, backend);
    let plan = place(&graph, devices, &seed.child("plan"));
    Bundle::new(&architecture, graph, weights, plan, fleet).expect("the sample is made to fit together")
}

/// The same network with one more node computed where it was sent to: the first such that has a copy yet to come. None
/// where nothing but the image is sent.
///
/// # Panics
/// Never with a bundle of this module.
#[must_use]
pub fn copied(bundle: &Bundle) -> Option<Bundle> {
    let mut plan = bundle.plan.clone();
    let at = plan.transfers.iter().position(|transfer| transfer.node.index() > 0)?;
    let Transfer { node, to: device, .. } = plan.transfers.remove(at);
    let place = plan.copies.partition_point(|copy| (copy.node, copy.device) < (node, device));
    plan.copies.insert(place, Copied { node, device, span: Span::default() });
    let own = bundle.graph.steps.iter().filter(|step| step.node == node);
    let inputs: BTreeSet<NodeId> = own.flat_map(|step| &step.inputs).map(|&id| bundle.graph.step(id).node).collect();
    for input in inputs {
        let there = input == node || plan.is_on(input, device);
        if !there && !plan.transfers.iter().any(|transfer| transfer.node == input && transfer.to == device) {
            let from = plan.device_of[input.index()];
            let bytes = bundle.graph.step(bundle.graph.node_outputs()[input.index()]).shape.bytes();
            plan.transfers.push(Transfer { node: input, from, to: device, bytes, span: Span::default() });
        }
    }
    // Nodes are numbered in a topological order, so any device may follow it.
    for (device, order) in plan.order.iter_mut().enumerate() {
        *order = (0..bundle.nodes.len()).map(NodeId::new).collect();
        order.retain(|&node| {
            let device = DeviceId::new(device);
            plan.device_of[node.index()] == device
                || plan.copies.iter().any(|copy| (copy.node, copy.device) == (node, device))
        });
    }
    let copied = Bundle { plan, ..bundle.clone() };
    copied.verify().expect("what the copy needs is sent to it");
    Some(copied)
}

/// A random image: pixels in 0..1 in plain order.
#[must_use]
pub fn pixels(seed: &Seed) -> Vec<f32> {
    let mut rng = seed.child("pixels").rng();
    (0..IMAGE.elements()).map(|_| rng.unit() as f32).collect()
}

/// Equal devices, each joined to each other.
#[must_use]
pub fn fleet(devices: usize, backend: Backend) -> Fleet {
    let device = Device {
        name: "edge".to_owned(),
        kind: "edge".to_owned(),
        compute: 1e9,
        memory: 1e9,
        cores: 1,
        backend,
        power: None,
    };
    Fleet::uniform("sample", devices, &device, Link { rate: 1e8, latency: 1e-3 })
}

/// Image, stem, the blocks, a mean of all blocks without successors, and a linear head.
fn architecture(edges: &Edges) -> Architecture {
    let wide = Shape { channels: CHANNELS, ..IMAGE };
    let conv = |kernel, groups| Op::Conv { window: Window::same(kernel, 1), groups, channels: CHANNELS, bias: true };
    let join = |from: usize| Join { from: NodeId::new(from), scale: vec![] };
    let node = |name: String, role, inputs: Vec<usize>, ops, shape| {
        let inputs = inputs.into_iter().map(join).collect();
        Node { name, role, inputs, ops, shape }
    };
    let mut nodes = vec![
        node("image".to_owned(), Role::Input, vec![], vec![], IMAGE),
        node("stem".to_owned(), Role::Pipeline, vec![0], vec![conv(3, 1), Op::Relu], wide),
    ];
    let mut unused: BTreeSet<usize> = (0..edges.len()).collect();
    for (block, inputs) in edges.iter().enumerate() {
        inputs.iter().for_each(|input| {
            unused.remove(input);
        });
        let inputs = if inputs.is_empty() { vec![1] } else { inputs.iter().map(|input| input + 2).collect() };
        let ops = vec![Op::WeightedSum { gate: Gate::Plain }, Op::Relu, conv(3, CHANNELS), conv(1, 1)];
        nodes.push(node(format!("body.{block}"), Role::Block, inputs, ops, wide));
    }
    let gathered = if unused.is_empty() { vec![1] } else { unused.iter().map(|block| block + 2).collect() };
    nodes.push(node("body.out".to_owned(), Role::Gather, gathered, vec![Op::Mean], wide));
    let head = vec![Op::GlobalAvg, Op::Linear { outputs: CLASSES, bias: true }];
    nodes.push(node("head".to_owned(), Role::Pipeline, vec![nodes.len() - 1], head, Shape::new(CLASSES, 1, 1)));
    Architecture::new("sample", nodes).expect("the sample is a network")
}

/// One step an operator; the sample has no scaling blocks and nothing to fold.
fn lower(architecture: &Architecture) -> TensorGraph {
    let mut graph = TensorGraph { steps: Vec::new(), params: Vec::new(), nodes: architecture.nodes.len() as u32 };
    let mut outputs: Vec<TensorId> = Vec::new();
    for (index, node) in architecture.nodes.iter().enumerate() {
        let id = NodeId::new(index);
        if index == 0 {
            graph.steps.push(Step { op: Op::Input, inputs: vec![], params: vec![], shape: node.shape, node: id });
        }
        let mut inputs: Vec<TensorId> = node.inputs.iter().map(|join| outputs[join.from.index()]).collect();
        for (place, op) in node.ops.iter().enumerate() {
            let shapes: Vec<Shape> = inputs.iter().map(|&input| graph.step(input).shape).collect();
            let params = op.params(&shapes).into_iter().map(|(role, extents)| {
                let name = format!("{}.{place}.{}", node.name, role.suffix());
                graph.params.push(ParamSpec { name, role, extents });
                ParamId::new(graph.params.len() - 1)
            });
            let (op, params) = (op.clone(), params.collect());
            let shape = op.output(&shapes).expect("the architecture is verified");
            graph.steps.push(Step { op, inputs, params, shape, node: id });
            inputs = vec![graph.output()];
        }
        outputs.push(graph.output());
    }
    graph
}

/// Uniform, and of a size that lets values stay as they are through many blocks. Gates are positive, because a negative one lets
/// nothing but zeros through the ReLU behind it, and biases small, so that the image matters.
fn weights(graph: &TensorGraph, seed: &Seed) -> Weights {
    let mut rng = seed.rng();
    let tensors = graph.params.iter().map(|param| {
        let fan: u32 = param.extents[1..].iter().product();
        let (low, high) = match param.role {
            ParamRole::Gate => (0.4, 1.0),
            ParamRole::Weight => (-1.7 / f64::from(fan).sqrt(), 1.7 / f64::from(fan).sqrt()),
            _ => (-0.1, 0.1),
        };
        (0..param.elements()).map(|_| (low + (high - low) * rng.unit()) as f32).collect()
    });
    Weights { tensors: tensors.collect() }
}

/// Devices by lot, and the order of each cut from one random topological order of all nodes, so that they have no cycle.
fn place(graph: &TensorGraph, devices: usize, seed: &Seed) -> Plan {
    let mut rng = seed.rng();
    let nodes = graph.nodes as usize;
    let device_of: Vec<DeviceId> = (0..nodes).map(|_| DeviceId::new(rng.below(devices))).collect();
    let mut needs = vec![BTreeSet::new(); nodes];
    for step in &graph.steps {
        let inputs = step.inputs.iter().map(|&input| graph.step(input).node);
        needs[step.node.index()].extend(inputs.filter(|&node| node != step.node));
    }
    let mut order = vec![Vec::new(); devices];
    let mut transfers = Vec::new();
    let mut waiting: Vec<NodeId> = (0..nodes).map(NodeId::new).collect();
    let mut done = BTreeSet::new();
    while !waiting.is_empty() {
        let ready: Vec<usize> = (0..waiting.len()).filter(|&at| needs[waiting[at].index()].is_subset(&done)).collect();
        let node = waiting.remove(ready[rng.below(ready.len())]);
        done.insert(node);
        order[device_of[node.index()].index()].push(node);
        transfers.extend(transfers_of(graph, &device_of, &needs, node));
    }
    let sent_bytes = transfers.iter().map(|transfer: &Transfer| transfer.bytes).sum();
    Plan {
        strategy: "lot".to_owned(),
        device_of,
        copies: Vec::new(),
        order,
        spans: vec![Span::default(); nodes],
        transfers,
        latency: 0.0,
        bound: 0.0,
        connectivity: sent_bytes,
        sent_bytes,
        replicas: Vec::new(),
    }
}

fn transfers_of(
    graph: &TensorGraph,
    device_of: &[DeviceId],
    needs: &[BTreeSet<NodeId>],
    node: NodeId,
) -> Vec<Transfer> {
    let from = device_of[node.index()];
    let bytes = graph.step(graph.node_outputs()[node.index()]).shape.bytes();
    let takers = needs.iter().zip(device_of).filter(|(needs, device)| needs.contains(&node) && **device != from);
    let to: BTreeSet<DeviceId> = takers.map(|(_, &device)| device).collect();
    to.into_iter().map(|to| Transfer { node, from, to, bytes, span: Span::default() }).collect()
}
