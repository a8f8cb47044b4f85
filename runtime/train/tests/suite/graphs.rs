//! Small tensor graphs for the tests, and images to learn.

use cnasc_base::Seed;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::op::{Gate, Window};
use cnasc_ir::tensor::{ParamId, ParamSpec, Step};
use cnasc_ir::{Op, Shape, TensorGraph, TensorId};
use cnasc_train::data::Images;

/// The graph of these operators, each with the steps that it takes; step 0 is an image of `input`.
pub fn graph(input: Shape, ops: &[(Op, &[usize])]) -> TensorGraph {
    let first = Step { op: Op::Input, inputs: Vec::new(), params: Vec::new(), shape: input, node: NodeId(0) };
    let mut graph = TensorGraph { steps: vec![first], params: Vec::new(), nodes: ops.len() as u32 + 1 };
    for (index, (op, inputs)) in ops.iter().enumerate() {
        let inputs: Vec<TensorId> = inputs.iter().map(|&input| TensorId::new(input)).collect();
        let shapes: Vec<Shape> = inputs.iter().map(|&input| graph.step(input).shape).collect();
        let mut params = Vec::new();
        for (role, extents) in op.params(&shapes) {
            params.push(ParamId::new(graph.params.len()));
            graph.params.push(ParamSpec { name: format!("{index}.{}", role.suffix()), role, extents });
        }
        let shape = op.output(&shapes).expect("the operators fit");
        graph.steps.push(Step { op: op.clone(), inputs, params, shape, node: NodeId(index as u32 + 1) });
    }
    graph.verify().expect("the graph is one");
    graph
}

pub fn conv(kernel: u32, stride: u32, groups: u32, channels: u32, bias: bool) -> Op {
    Op::Conv { window: Window::same(kernel, stride), groups, channels, bias }
}

pub fn linear(outputs: u32) -> Op {
    Op::Linear { outputs, bias: true }
}

/// A stem, two separable blocks that are joined by learnt weights, and a classifier.
pub fn separable(channels: u32) -> TensorGraph {
    let block = [Op::Relu, conv(3, 1, channels, channels, false), conv(1, 1, 1, channels, false), Op::BatchNorm];
    let [relu, depthwise, pointwise, norm] = block;
    graph(
        IMAGE,
        &[
            (conv(3, 1, 1, channels, false), &[0]),
            (Op::BatchNorm, &[1]),
            (relu.clone(), &[2]),
            (depthwise.clone(), &[3]),
            (pointwise.clone(), &[4]),
            (norm.clone(), &[5]),
            (Op::WeightedSum { gate: Gate::SigmoidWeights }, &[2, 6]),
            (relu, &[7]),
            (depthwise, &[8]),
            (pointwise, &[9]),
            (norm, &[10]),
            (Op::GlobalAvg, &[11]),
            (linear(4), &[12]),
        ],
    )
}

/// What the networks of the tests take.
pub const IMAGE: Shape = Shape { channels: 1, height: 8, width: 8 };

/// Noisy images of four patterns: bars across, bars down, a checkerboard, and a bright spot in the middle.
pub fn patterns(count: usize, seed: u64) -> Images {
    let mut rng = Seed::new(seed).rng();
    let mut images = Images { shape: IMAGE, pixels: Vec::new(), labels: Vec::new() };
    for index in 0..count {
        let class = index % 4;
        images.labels.push(class as u16);
        let phase = rng.below(2);
        for at in 0..64 {
            let (row, column) = (at / 8, at % 8);
            let is_bright = match class {
                0 => (row / 2 + phase).is_multiple_of(2),
                1 => (column / 2 + phase).is_multiple_of(2),
                2 => (row + column + phase).is_multiple_of(2),
                _ => row.abs_diff(4 - phase) + column.abs_diff(4) < 3,
            };
            images.pixels.push((rng.below(96) + if is_bright { 159 } else { 0 }) as u8);
        }
    }
    images
}
