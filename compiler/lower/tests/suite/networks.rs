//! Architectures to test with: one that can be computed by hand, random ones with every operator, and wired ones for pictures.

use cnasc_base::random::{Rng, Seed};
use cnasc_ir::architecture::{Join, Node, Role, pipe};
use cnasc_ir::op::{Axis, Gate, Window};
use cnasc_ir::{Architecture, NodeId, Op, Shape};

pub fn conv(kernel: u32, channels: u32) -> Op {
    Op::Conv { window: Window::same(kernel, 1), groups: 1, channels, bias: false }
}

pub fn depthwise(channels: u32) -> Op {
    Op::Conv { window: Window::same(3, 1), groups: channels, channels, bias: false }
}

pub const WEIGHTED: Op = Op::WeightedSum { gate: Gate::SigmoidWeights };
const HALVE: Op = Op::max_pool(2, 2);

/// Nodes one behind the other; shapes are computed.
#[derive(Default)]
pub struct Builder {
    nodes: Vec<Node>,
}

impl Builder {
    pub fn new(image: Shape) -> Self {
        let nodes =
            vec![Node { name: "image".to_owned(), role: Role::Input, inputs: vec![], ops: vec![], shape: image }];
        Self { nodes }
    }

    pub fn add(&mut self, name: &str, role: Role, inputs: &[(usize, Vec<Op>)], ops: Vec<Op>) -> usize {
        let join = |(from, scale): &(usize, Vec<Op>)| Join { from: NodeId::new(*from), scale: scale.clone() };
        let inputs: Vec<Join> = inputs.iter().map(join).collect();
        let scaled: Vec<Shape> = inputs
            .iter()
            .map(|join| pipe(&join.scale, &[self.shape(join.from.index())]).expect("scaling fits"))
            .collect();
        let shape = pipe(&ops, &scaled).expect("operators fit");
        self.nodes.push(Node { name: name.to_owned(), role, inputs, ops, shape });
        self.nodes.len() - 1
    }

    pub fn shape(&self, node: usize) -> Shape {
        self.nodes[node].shape
    }

    /// The inputs brought to the smallest image among them and, where `channels` is given, to that many channels.
    pub fn meet(&self, inputs: &[usize], channels: Option<u32>) -> Vec<(usize, Vec<Op>)> {
        let target = inputs.iter().map(|&input| self.shape(input).height).min().unwrap_or(1);
        let scale = |&input: &usize| {
            let mut shape = self.shape(input);
            let mut ops = Vec::new();
            while shape.height > target {
                ops.push(HALVE);
                shape.height /= 2;
            }
            if let Some(channels) = channels.filter(|&channels| channels != shape.channels) {
                ops.push(conv(1, channels));
            }
            (input, ops)
        };
        inputs.iter().map(scale).collect()
    }

    /// All nodes that nothing takes yet, the last one included.
    pub fn open(&self) -> Vec<usize> {
        let taken =
            |index: usize| self.nodes.iter().any(|node| node.inputs.iter().any(|join| join.from.index() == index));
        (0..self.nodes.len()).filter(|&index| !taken(index)).collect()
    }

    pub fn finish(self, name: &str) -> Architecture {
        Architecture::new(name, self.nodes).expect("built to hold the invariants")
    }
}

/// Image 2×4×4; stem; two blocks, the second of which halves the image; a weighted join of both; a head.
pub fn small() -> Architecture {
    let mut net = Builder::new(Shape::new(2, 4, 4));
    let stem = net.add("stem", Role::Pipeline, &[(0, vec![])], vec![conv(3, 4), Op::BatchNorm, Op::Relu]);
    let first = net.add("body.0", Role::Block, &[(stem, vec![])], vec![depthwise(4), conv(1, 4), Op::BatchNorm]);
    let second = net.add("body.1", Role::Block, &[(stem, vec![])], vec![HALVE, conv(1, 6)]);
    let joins = net.meet(&[first, second], Some(6));
    let out = net.add("body.out", Role::Gather, &joins, vec![WEIGHTED]);
    let pass = net.add("pass", Role::Pipeline, &[(out, vec![])], vec![]);
    net.add("head", Role::Pipeline, &[(pass, vec![])], vec![Op::GlobalAvg, Op::Linear { outputs: 3, bias: true }]);
    net.finish("small")
}

/// A network of `blocks` blocks with operators of every kind, drawn from `seed`.
pub fn random(seed: u64, blocks: usize) -> Architecture {
    let mut rng = Seed::new(seed).rng();
    let mut net = Builder::new(Shape::new(2, 8, 8));
    for index in 0..blocks {
        let candidates = index + 1;
        let mut inputs: Vec<usize> = (0..1 + rng.below(4)).map(|_| rng.below(candidates)).collect();
        inputs.sort_unstable();
        inputs.dedup();
        block(&mut net, &mut rng, &format!("body.{index}"), &inputs);
    }
    let open = net.open();
    let joins = net.meet(&open, Some(4));
    net.add("body.out", Role::Gather, &joins, vec![Op::Mean]);
    let last = net.open();
    let head = vec![Op::GlobalAvg, Op::Linear { outputs: 5, bias: rng.chance(0.5) }, Op::BatchNorm];
    net.add("head", Role::Pipeline, &[(last[0], vec![])], head);
    net.finish("random")
}

fn block(net: &mut Builder, rng: &mut Rng, name: &str, inputs: &[usize]) {
    let joins = [
        Op::Concat { axis: Axis::Channels },
        Op::Sum,
        Op::Mean,
        WEIGHTED,
        Op::WeightedSum { gate: Gate::SigmoidInputs },
        Op::WeightedSum { gate: Gate::Plain },
    ];
    let join = joins[rng.below(joins.len())].clone();
    let channels = [2, 3, 4, 6][rng.below(4)];
    let scaled = net.meet(inputs, (join != Op::Concat { axis: Axis::Channels }).then_some(channels));
    let mut ops = Vec::new();
    if inputs.len() > 1 || rng.chance(0.5) {
        ops.push(join);
    }
    let shapes: Vec<Shape> =
        scaled.iter().map(|(from, scale)| pipe(scale, &[net.shape(*from)]).expect("scaling fits")).collect();
    for _ in 0..rng.below(5) {
        let shape = pipe(&ops, &shapes).expect("operators fit");
        ops.push(operator(rng, shape, channels));
    }
    net.add(name, Role::Block, &scaled, ops);
}

fn operator(rng: &mut Rng, shape: Shape, channels: u32) -> Op {
    let roomy = shape.height > 2;
    match rng.below(12) {
        0 => Op::Relu,
        1 => Op::Sigmoid,
        2 | 3 => Op::BatchNorm,
        4 => depthwise(shape.channels),
        5 if shape.channels.is_multiple_of(2) && channels.is_multiple_of(2) => {
            Op::Conv { window: Window::same(3, 1), groups: 2, channels, bias: true }
        }
        6 if roomy => Op::Conv { window: Window::same(3, 2), groups: 1, channels, bias: rng.chance(0.5) },
        7 if roomy => HALVE,
        8 if roomy => Op::avg_pool(2, 2),
        9 => Op::Mean,
        10 => Op::Sum,
        _ => conv(3, channels),
    }
}

/// A network of `blocks` separable convolutions, some of which halve the image, each edge of which exists with a probability that falls with
/// its length: dense near the diagonal, with a few long edges.
pub fn wired(seed: u64, blocks: usize, near: f64, far: f64) -> Architecture {
    let mut rng = Seed::new(seed).rng();
    let mut net = Builder::new(Shape::new(3, 32, 32));
    let stem = net.add("stem", Role::Pipeline, &[(0, vec![])], vec![conv(3, 16), Op::BatchNorm, Op::Relu]);
    for index in 0..blocks {
        let first = stem + 1;
        let mut inputs: Vec<usize> = (0..index)
            .filter(|other| rng.chance(if index - other <= 3 { near } else { far }))
            .map(|other| first + other)
            .collect();
        if inputs.is_empty() {
            inputs.push(stem);
        }
        let channels = inputs.iter().map(|&input| net.shape(input).channels).max().unwrap_or(16);
        let joins = net.meet(&inputs, Some(channels));
        let mut ops = if inputs.len() > 1 { vec![WEIGHTED] } else { vec![] };
        ops.extend([Op::Relu, depthwise(channels)]);
        if channels < 128 && rng.chance(3.0 / blocks as f64) {
            ops.extend([HALVE, conv(1, 2 * channels), Op::BatchNorm]);
        } else {
            ops.extend([conv(1, channels), Op::BatchNorm]);
        }
        net.add(&format!("body.{index}"), Role::Block, &joins, ops);
    }
    let open = net.open();
    let channels = open.iter().map(|&input| net.shape(input).channels).max().unwrap_or(16);
    let joins = net.meet(&open, Some(channels));
    let out = net.add("body.out", Role::Gather, &joins, vec![Op::Mean]);
    net.add("head", Role::Pipeline, &[(out, vec![])], vec![Op::GlobalAvg, Op::Linear { outputs: 10, bias: true }]);
    net.finish("wired")
}
