//! Each operator over many shapes, and random graphs of all of them.

use super::net::{Net, agrees, conv, depthwise};
use cnasc_base::random::{Rng, Seed};
use cnasc_ir::op::elementwise::broadcast;
use cnasc_ir::op::{Axis, Gate, Slide, Window};
use cnasc_ir::{Op, Shape, TensorId};
use proptest::prelude::*;

const IMAGE: TensorId = TensorId(0);

fn shapes(most: u32) -> impl Strategy<Value = Shape> {
    (1..=70_u32, 1..=most, 1..=most).prop_map(|(channels, height, width)| Shape::new(channels, height, width))
}

fn slides() -> impl Strategy<Value = Slide> {
    (1..=4_u32, 1..=3_u32, 1..=3_u32, 0..=3_u32, 0..=3_u32)
        .prop_map(|(kernel, stride, dilation, before, after)| Slide { kernel, stride, dilation, before, after })
}

fn windows() -> impl Strategy<Value = Window> {
    (slides(), slides()).prop_map(|(rows, columns)| Window { rows, columns })
}

fn check(net: &Net) -> Result<(), TestCaseError> {
    agrees(net, 3).map_err(TestCaseError::fail)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn convolutions(
        image in shapes(40), kernel in prop::sample::select(vec![1_u32, 2, 3, 5, 7]), stride in 1..=3_u32,
        padding in 0..=3_u32, channels in 1..=70_u32, bias: bool, relu: bool,
    ) {
        let mut net = Net::new(image, 1);
        let op = Op::Conv { window: Window::square(kernel, stride, padding), groups: 1, channels, bias };
        let Some(out) = net.try_add(op, &[IMAGE]) else { return Ok(()) };
        if relu {
            net.add(Op::Relu, &[out]);
        }
        check(&net)?;
    }

    /// Whole blocks of channels and whole tiles of 2 × 2 pixels, with what is done behind them.
    #[test]
    fn convolutions_in_winograds_form(
        blocks in 1..=4_u32, outputs in 1..=5_u32, height in 1..=9_u32, width in 4..=10_u32, bias: bool, adds: bool,
        behind in prop::sample::select(vec![None, Some(Op::Relu), Some(Op::HardSwish)]),
    ) {
        let mut net = Net::new(Shape::new(16 * blocks, 2 * height, 2 * width), 8);
        let channels = 16 * outputs;
        let op = Op::Conv { window: Window::same(3, 1), groups: 1, channels, bias };
        let mut out = net.add(op, &[IMAGE]);
        if adds {
            let other = net.add(conv(1, channels), &[IMAGE]);
            out = net.add(Op::Sum, &[out, other]);
        }
        if let Some(behind) = behind {
            net.add(behind, &[out]);
        }
        check(&net)?;
    }

    /// Their pixels may lie closer together than those of others, at some strides as far apart as those lie.
    #[test]
    fn images_of_few_channels(
        channels in 1..=4_u32, height in 1..=40_u32, width in 1..=40_u32, kernel in prop::sample::select(vec![2_u32, 3, 5, 7]),
        stride in 1..=5_u32, padding in 1..=3_u32, outputs in 1..=40_u32, twice: bool,
    ) {
        let mut net = Net::new(Shape::new(channels, height, width), 12);
        let op = Op::Conv { window: Window::square(kernel, stride, padding), groups: 1, channels: outputs, bias: true };
        let Some(first) = net.try_add(op.clone(), &[IMAGE]) else { return Ok(()) };
        if twice {
            // Another reader of the image, one that takes pixels as they are.
            let other = net.add(depthwise(3, channels), &[IMAGE]);
            let other = net.add(op, &[other]);
            net.add(Op::Concat { axis: Axis::Channels }, &[first, other]);
        }
        check(&net)?;
    }

    #[test]
    fn pointwise(image in shapes(40), stride in 1..=2_u32, channels in 1..=70_u32) {
        let mut net = Net::new(image, 2);
        net.add(Op::Conv { window: Window::same(1, stride), groups: 1, channels, bias: true }, &[IMAGE]);
        check(&net)?;
    }

    #[test]
    fn depthwise_convolutions(
        image in shapes(40), kernel in prop::sample::select(vec![1_u32, 3, 5, 7]), stride in 1..=2_u32, padding in 0..=3_u32,
        relu: bool,
    ) {
        let mut net = Net::new(image, 3);
        let (groups, channels) = (image.channels, image.channels);
        let op = Op::Conv { window: Window::square(kernel, stride, padding), groups, channels, bias: relu };
        let Some(out) = net.try_add(op, &[IMAGE]) else { return Ok(()) };
        if relu {
            net.add(Op::Relu, &[out]);
        }
        check(&net)?;
    }

    #[test]
    fn grouped_convolutions(
        groups in 1..=12_u32, inputs in 1..=12_u32, outputs in 1..=12_u32, height in 1..=40_u32, width in 1..=40_u32,
        kernel in prop::sample::select(vec![1_u32, 2, 3, 5, 7]), stride in 1..=2_u32,
    ) {
        // As many groups as leave 70 channels at most.
        let groups = groups.min(70 / inputs).min(70 / outputs);
        let mut net = Net::new(Shape::new(groups * inputs, height, width), 4);
        let op = Op::Conv { window: Window::same(kernel, stride), groups, channels: groups * outputs, bias: true };
        let Some(_) = net.try_add(op, &[IMAGE]) else { return Ok(()) };
        check(&net)?;
    }

    #[test]
    fn pools(image in shapes(24), kernel in 1..=5_u32, stride in 1..=3_u32, mean: bool) {
        let mut net = Net::new(image, 5);
        let op = if mean { Op::avg_pool(kernel, stride) } else { Op::max_pool(kernel, stride) };
        let Some(_) = net.try_add(op, &[IMAGE]) else { return Ok(()) };
        check(&net)?;
    }

    #[test]
    fn convolutions_of_general_windows(
        image in shapes(12), window in windows(), channels in 1..=40_u32, bias: bool, depthwise: bool,
    ) {
        let mut net = Net::new(image, 9);
        let (groups, channels) = if depthwise { (image.channels, image.channels) } else { (1, channels) };
        let Some(_) = net.try_add(Op::Conv { window, groups, channels, bias }, &[IMAGE]) else { return Ok(()) };
        check(&net)?;
    }

    #[test]
    fn pools_of_general_windows(image in shapes(16), window in windows(), counted in prop::array::uniform4(0..=3_u32), mean: bool) {
        let mut net = Net::new(image, 10);
        let padding = window.padding();
        let counted = [0, 1, 2, 3].map(|side| padding[side].min(counted[side]));
        let op = if mean { Op::AvgPool { window, counted } } else { Op::MaxPool { window } };
        let Some(_) = net.try_add(op, &[IMAGE]) else { return Ok(()) };
        check(&net)?;
    }

    #[test]
    fn heads(image in shapes(12), outputs in 1..=40_u32, bias: bool, global: bool) {
        let mut net = Net::new(image, 6);
        let input = if global { net.add(Op::GlobalAvg, &[IMAGE]) } else { IMAGE };
        net.add(Op::Linear { outputs, bias }, &[input]);
        check(&net)?;
    }

    /// Sums of many tensors, made from the image so that they differ.
    #[test]
    fn sums(image in shapes(40), degree in 1..=20_usize, kind in 0..5_usize, relu: bool) {
        let mut net = Net::new(image, 7);
        let inputs: Vec<TensorId> = (0..degree).map(|_| net.add(depthwise(3, image.channels), &[IMAGE])).collect();
        let op = [
            Op::Sum,
            Op::Mean,
            Op::WeightedSum { gate: Gate::Plain },
            Op::WeightedSum { gate: Gate::SigmoidInputs },
            Op::Sigmoid,
        ][kind].clone();
        let out = if op == Op::Sigmoid { net.add(op, &inputs[..1]) } else { net.add(op, &inputs) };
        if relu {
            net.add(Op::Relu, &[out]);
        }
        check(&net)?;
    }

    /// A node of a randomly wired network: what some nodes before it have made, and itself where it is fused into one pass over rows.
    #[test]
    fn nodes(
        image in shapes(40), degree in 1..=12_usize, kernel in prop::sample::select(vec![1_u32, 3, 5, 7]), stride in 1..=2_u32,
        channels in 1..=70_u32,
    ) {
        let mut net = Net::new(image, 11);
        let inputs: Vec<TensorId> = (0..degree).map(|_| net.add(depthwise(3, image.channels), &[IMAGE])).collect();
        let sum = net.add(Op::WeightedSum { gate: Gate::Plain }, &inputs);
        let relu = net.add(Op::Relu, &[sum]);
        let groups = image.channels;
        let window = Window::same(kernel, stride);
        let spread = net.add(Op::Conv { window, groups, channels: groups, bias: false }, &[relu]);
        net.add(conv(1, channels), &[spread]);
        check(&net)?;
    }

    #[test]
    fn concatenations(size in 1..=9_u32, pieces in prop::collection::vec(1..=40_u32, 1..6)) {
        let mut net = Net::new(Shape::new(5, size, size), 8);
        let inputs: Vec<TensorId> = pieces.iter().map(|&channels| net.add(conv(1, channels), &[IMAGE])).collect();
        net.add(Op::Concat { axis: Axis::Channels }, &inputs);
        check(&net)?;
    }

    #[test]
    fn random_graphs(seed in 0..100_000_u64, channels in 1..=40_u32, size in 1..=14_u32, steps in 3..30_usize) {
        check(&random_graph(seed, Shape::new(channels, size, size), steps))?;
    }
}

/// Steps with random operators on random earlier tensors; the last one sums up all that nothing has read, as far as it can.
fn random_graph(seed: u64, image: Shape, steps: usize) -> Net {
    let mut rng = Seed::new(seed).child("graph").rng();
    let mut net = Net::new(image, seed);
    for _ in 0..steps {
        let first = TensorId::new(rng.below(net.graph.steps.len()));
        let shape = net.graph.step(first).shape;
        let op = random_op(&mut rng, shape);
        let mut inputs = vec![first];
        if matches!(op, Op::Sum | Op::Mean | Op::WeightedSum { .. } | Op::Concat { .. }) {
            let alike = |id: &TensorId| net.graph.step(*id).shape == shape;
            let others: Vec<TensorId> = net.graph.ids().filter(alike).collect();
            for _ in 0..rng.below(4) {
                inputs.push(others[rng.below(others.len())]);
            }
        }
        if op.arithmetic().is_some() {
            let fits = |id: &TensorId| broadcast(shape, net.graph.step(*id).shape).is_ok();
            let others: Vec<TensorId> = net.graph.ids().filter(fits).collect();
            inputs.push(others[rng.below(others.len())]);
        }
        net.try_add(op, &inputs);
    }
    let shape = net.graph.step(net.graph.output()).shape;
    let alike: Vec<TensorId> = net.graph.ids().filter(|&id| net.graph.step(id).shape == shape).collect();
    net.add(Op::Mean, &alike);
    net
}

fn random_op(rng: &mut Rng, shape: Shape) -> Op {
    let (kernel, stride) = ([1, 3, 3, 5][rng.below(4)], 1 + u32::from(rng.chance(0.2)));
    match rng.below(16) {
        12 => Op::Clip { min: -0.5, max: 0.5 },
        13 => [Op::HardSwish, Op::HardSigmoid { alpha: 0.3, beta: 0.4 }][rng.below(2)].clone(),
        14 => [Op::Add, Op::Sub, Op::Mul][rng.below(3)].clone(),
        15 => [
            Op::Softmax { axis: Axis::ALL[rng.below(3)] },
            Op::Lrn { size: 5, alpha: 0.5, beta: 0.75, bias: 1.0 },
            Op::LeakyRelu { slope: 0.1 },
            Op::Constant { shape },
        ][rng.below(4)]
        .clone(),
        0 | 1 => Op::Relu,
        2 => Op::WeightedSum { gate: Gate::Plain },
        3 => [Op::Sum, Op::Mean][rng.below(2)].clone(),
        4 => [Op::Sigmoid, Op::WeightedSum { gate: Gate::SigmoidInputs }][rng.below(2)].clone(),
        5 | 6 => depthwise(kernel, shape.channels),
        7 | 8 => conv(1, 1 + rng.below(40) as u32),
        9 => Op::Conv { window: Window::same(kernel, stride), groups: 1, channels: shape.channels, bias: true },
        10 => [Op::max_pool(2, stride), Op::avg_pool(2, 2)][rng.below(2)].clone(),
        _ if shape.channels < 60 => Op::Concat { axis: Axis::Channels },
        _ => Op::Relu,
    }
}

#[test]
fn a_sigmoid_is_close_over_its_whole_range() {
    let shape = Shape::new(1, 100, 100);
    let mut net = Net::new(shape, 1);
    net.add(Op::Sigmoid, &[IMAGE]);
    let values: Vec<f32> = (0..10_000).map(|index| (index as f32 - 5000.0) / 50.0).collect();
    let share = net.whole(cnasc_ir::fleet::Backend::Jit);
    let mut jit = crate::compile(&net.graph, &net.weights, &share).unwrap();
    let found = super::infer(jit.as_mut(), &net, &share, &values);
    for (index, &value) in values.iter().enumerate() {
        let exact = 1.0 / (1.0 + libm::exp(-f64::from(value)));
        assert!((f64::from(found[index * 16]) - exact).abs() < 1e-6, "σ({value}) = {}", found[index * 16]);
    }
}
