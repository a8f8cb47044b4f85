//! What only the inside shows: no kernel writes outside its tensor, and options of the code generator don't change results.

use super::emit::Cpu;
use super::{CodeOptions, Options, compile_with};
use crate::tests::{Net, conv, depthwise, difference, image, infer};
use cnasc_ir::fleet::Backend;
use cnasc_ir::op::{Axis, Gate, Window};
use cnasc_ir::{Op, Shape, TensorId};

const CANARY: u32 = 0x7fc0_beef;

/// A network with every kind of kernel, borders, copies, odd channels and sizes.
fn every_kernel(channels: u32, size: u32) -> Net {
    let mut net = Net::new(Shape::new(3, size, size + 1), 11);
    let stem = net.add(conv(3, channels), &[TensorId(0)]);
    let left = net.add(depthwise(5, channels), &[stem]);
    let right = net.add(conv(1, channels), &[stem]);
    let sum = net.add(Op::WeightedSum { gate: Gate::SigmoidInputs }, &[left, right]);
    let relu = net.add(Op::Relu, &[sum]);
    let grouped = Op::Conv { window: Window::same(3, 2), groups: channels, channels: 2 * channels, bias: true };
    let grouped = net.add(grouped, &[relu]);
    let pool = net.add(Op::max_pool(2, 2), &[relu]);
    let pool = net.add(Op::avg_pool(1, 1), &[pool]);
    let (wide, narrow) = (net.graph.step(grouped).shape, net.graph.step(pool).shape);
    let joined = if (wide.height, wide.width) == (narrow.height, narrow.width) {
        net.add(Op::Concat { axis: Axis::Channels }, &[pool, grouped, pool])
    } else {
        net.add(Op::Concat { axis: Axis::Channels }, &[grouped, grouped])
    };
    let normed = net.add(Op::Lrn { size: 6, alpha: 0.5, beta: 0.75, bias: 1.0 }, &[joined]);
    let squeezed = net.add(Op::GlobalAvg, &[normed]);
    let excited = net.add(Op::HardSigmoid { alpha: 0.5, beta: 0.5 }, &[squeezed]);
    let scaled = net.add(Op::Mul, &[normed, excited]);
    let scaled = net.add(Op::HardSwish, &[scaled]);
    let shape = net.graph.step(scaled).shape;
    let stored = net.add(Op::Constant { shape: shape.with(Axis::Rows, 1) }, &[TensorId(0)]);
    let shifted = net.add(Op::Sub, &[scaled, stored]);
    let soft = Axis::ALL.map(|axis| net.add(Op::Softmax { axis }, &[shifted]));
    let summed = net.add(Op::Sum, &soft);
    let padded = net.add(depthwise(3, shape.channels), &[summed]);
    let mean = net.add(Op::GlobalAvg, &[padded]);
    let gate = net.add(Op::Sigmoid, &[mean]);
    net.add(Op::Linear { outputs: 11, bias: true }, &[gate]);
    net
}

#[test]
fn kernels_write_only_their_own_tensors() {
    for (channels, size) in [(1, 4), (5, 7), (16, 6), (17, 5), (40, 9)] {
        let net = every_kernel(channels, size);
        let share = net.whole(Backend::Jit);
        let options = Options { guard: 64, ..Options::default() };
        let mut jit = compile_with(&net.graph, &net.weights, &share, options).unwrap();
        let mut inside = vec![false; jit.machine.arena().floats().len()];
        jit.guards.iter().for_each(|range| inside[range.clone()].fill(true));
        assert!(inside.iter().filter(|&&inside| !inside).count() >= 128 * jit.guards.len());
        jit.machine.arena_mut().floats_mut().fill(f32::from_bits(CANARY));
        let found = infer(&mut jit, &net, &share, &image(net.graph.step(TensorId(0)).shape, 1));
        // The canary is a NaN: whoever reads one shows it.
        assert!(found.iter().all(|value| value.is_finite()), "{channels}x{size}: {found:?}");
        for (index, (value, inside)) in jit.machine.arena().floats().iter().zip(inside).enumerate() {
            assert!(inside || value.to_bits() == CANARY, "float {index} was written, {channels} channels, size {size}");
        }
    }
}

#[test]
fn code_options_do_not_change_results() {
    let net = every_kernel(20, 8);
    let share = net.whole(Backend::Jit);
    let image = image(net.graph.step(TensorId(0)).shape, 1);
    let run = |optimize, cpu| {
        let code = CodeOptions { optimize, verify: true, cpu, isa: None };
        let mut jit = compile_with(&net.graph, &net.weights, &share, Options { code, threads: 1, guard: 0 }).unwrap();
        infer(&mut jit, &net, &share, &image)
    };
    let (plain, optimized) = (run(false, None), run(true, None));
    assert_eq!(plain, optimized);
    for broadcasts_at_will in [true, false] {
        let poor = run(false, Some(Cpu { multiplies_and_adds: false, broadcasts_at_will }));
        difference(net.graph.step(net.graph.output()).shape, &poor, &plain).unwrap();
    }
}
