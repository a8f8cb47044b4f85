//! Element-wise operators over many shapes: alone, behind what does them in the same pass, and on extremes.

use super::net::{Net, agrees, conv, depthwise, infer};
use cnasc_ir::fleet::Backend;
use cnasc_ir::op::{Axis, Window};
use cnasc_ir::{Op, Shape, TensorId};
use proptest::prelude::*;

const IMAGE: TensorId = TensorId(0);

fn shapes(most: u32) -> impl Strategy<Value = Shape> {
    (1..=70_u32, 1..=most, 1..=most).prop_map(|(channels, height, width)| Shape::new(channels, height, width))
}

pub fn activations() -> impl Strategy<Value = Op> {
    prop_oneof![
        Just(Op::Relu),
        Just(Op::Sigmoid),
        Just(Op::HardSwish),
        Just(Op::Clip { min: 0.0, max: 6.0 }),
        (-1.0..1.0_f32, 0.0..1.0_f32).prop_map(|(min, range)| Op::Clip { min, max: min + range }),
        (-2.0..2.0_f32).prop_map(|slope| Op::LeakyRelu { slope }),
        (-2.0..2.0_f32, -1.0..1.0_f32).prop_map(|(alpha, beta)| Op::HardSigmoid { alpha, beta }),
    ]
}

/// A tensor with the extent 1 where a bit is set.
fn narrowed(shape: Shape, bits: u32) -> Shape {
    let narrow = |shape: Shape, (bit, axis)| if bits >> bit & 1_u32 == 1 { shape.with(axis, 1) } else { shape };
    (0_u32..).zip(Axis::ALL).fold(shape, narrow)
}

fn check(net: &Net) -> Result<(), TestCaseError> {
    agrees(net, 3).map_err(TestCaseError::fail)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn activations_alone_and_behind_others(image in shapes(9), op in activations(), before in 0..6_usize) {
        let mut net = Net::new(image, 11);
        let channels = image.channels;
        let grouped = Op::Conv { window: Window::same(3, 1), groups: channels, channels: 2 * channels, bias: true };
        let out = match before {
            0 => IMAGE,
            1 => net.add(conv(3, 20), &[IMAGE]),
            2 => net.add(depthwise(3, channels), &[IMAGE]),
            3 => net.add(grouped, &[IMAGE]),
            4 => net.add(Op::Linear { outputs: 21, bias: true }, &[IMAGE]),
            _ => net.add(Op::Sum, &[IMAGE, IMAGE]),
        };
        net.add(op, &[out]);
        check(&net)?;
    }

    /// The shape of a residual block: what is added is a convolution's result, and an activation comes behind.
    #[test]
    fn residuals(image in shapes(9), op in activations(), kernel in prop::sample::select(vec![1_u32, 3])) {
        let mut net = Net::new(image, 12);
        let left = net.add(conv(kernel, image.channels), &[IMAGE]);
        let sum = net.add(Op::Add, &[left, IMAGE]);
        let out = net.add(op, &[sum]);
        net.add(depthwise(3, image.channels), &[out]);
        check(&net)?;
    }

    #[test]
    fn arithmetic(shape in shapes(9), bits in (0..8_u32, 0..8_u32), function in 0..4_usize, op in activations(), active: bool, padded: bool) {
        let mut net = Net::new(shape, 13);
        // Two tensors of which each may have the extent 1 anywhere, divisors away from zero.
        let left = net.add(Op::Constant { shape: narrowed(shape, bits.0) }, &[IMAGE]);
        let right = net.add(Op::Constant { shape: narrowed(shape, bits.1) }, &[IMAGE]);
        let right = net.add(Op::Sigmoid, &[right]);
        let function = [Op::Add, Op::Sub, Op::Mul, Op::Div][function].clone();
        let mut out = net.add(function, &[left, right]);
        if active {
            out = net.add(op, &[out]);
        }
        if padded {
            net.add(depthwise(3, net.graph.step(out).shape.channels), &[out]);
        }
        check(&net)?;
    }

    /// Squeeze and excite: a tensor times factors that are made of it.
    #[test]
    fn factors_made_of_the_tensor(image in shapes(9), narrow in 1..=20_u32, function in 0..4_usize) {
        let mut net = Net::new(image, 14);
        let wide = net.add(conv(1, image.channels), &[IMAGE]);
        let mean = net.add(Op::GlobalAvg, &[wide]);
        let small = net.add(conv(1, narrow), &[mean]);
        let small = net.add(Op::Relu, &[small]);
        let back = net.add(conv(1, image.channels), &[small]);
        let gate = net.add(Op::Sigmoid, &[back]);
        let out = net.add([Op::Add, Op::Sub, Op::Mul, Op::Div][function].clone(), &[wide, gate]);
        net.add(depthwise(3, image.channels), &[out]);
        check(&net)?;
    }

    #[test]
    fn softmax(image in shapes(9), axis in prop::sample::select(Axis::ALL.to_vec()), slope in -40.0..40.0_f32, padded: bool) {
        let mut net = Net::new(image, 15);
        let wide = net.add(Op::LeakyRelu { slope }, &[IMAGE]);
        let out = net.add(Op::Softmax { axis }, &[wide]);
        if padded {
            net.add(depthwise(3, image.channels), &[out]);
        }
        check(&net)?;
    }

    #[test]
    fn local_response_normalisation(
        image in shapes(9), size in 1..=30_u32, alpha in 0.0..4.0_f32, beta in prop::sample::select(vec![0.5_f32, 0.75, 1.0, 2.0, -1.0]),
        bias in 0.1..3.0_f32, padded: bool,
    ) {
        let mut net = Net::new(image, 16);
        let out = net.add(Op::Lrn { size, alpha, beta, bias }, &[IMAGE]);
        if padded {
            net.add(depthwise(3, image.channels), &[out]);
        }
        check(&net)?;
    }
}

/// The values that the backend makes of these, one a pixel of one channel.
fn made(ops: &[Op], values: &[f32]) -> Vec<f32> {
    let shape = Shape::new(1, 1, values.len() as u32);
    let mut net = Net::new(shape, 1);
    let mut last = IMAGE;
    for op in ops {
        last = net.add(op.clone(), &[last]);
    }
    let share = net.whole(Backend::Jit);
    let mut executable = crate::compile(&net.graph, &net.weights, &share).unwrap();
    infer(executable.as_mut(), &net, &share, values).into_iter().step_by(16).collect()
}

#[test]
fn powers_are_close_over_their_whole_range() {
    let values: Vec<f32> = (0..4000).map(|index| libm::exp10f((index - 2000) as f32 / 250.0)).collect();
    let found = made(&[Op::Lrn { size: 1, alpha: 1.0, beta: 0.75, bias: 1e-12 }], &values);
    for (&value, found) in values.iter().zip(found) {
        let value = f64::from(value);
        let exact = value / libm::pow(1e-12 + value * value, 0.75);
        assert!((f64::from(found) - exact).abs() < 1e-5 * exact, "{found} instead of {exact} for {value}");
    }
}

#[test]
fn a_softmax_of_extremes_is_none_of_infinity() {
    let columns = Op::Softmax { axis: Axis::Columns };
    let close = |values: &[f32], wanted: &[f32]| {
        let found = made(std::slice::from_ref(&columns), values);
        let close = |(found, wanted): (&f32, &f32)| (found - wanted).abs() < 1e-6;
        assert!(found.iter().zip(wanted).all(close), "{found:?} instead of {wanted:?}");
    };
    close(&[-2e30, -1e30, -3e30], &[0.0, 1.0, 0.0]);
    close(&[1e30, 1e30], &[0.5, 0.5]);
    // A channel alone, though the lanes beside it hold greater values: zeros.
    assert_eq!(made(&[Op::Softmax { axis: Axis::Channels }], &[-300.0, 1e30]), [1.0, 1.0]);
}
