//! The oracle against values worked out by hand, since everything else is compared with it.

use super::net::{Net, infer};
use crate::reference;
use cnasc_bundle::layout;
use cnasc_ir::fleet::Backend;
use cnasc_ir::op::{
    Axis, Coordinates, Fill, Gate, Interpolation, Pad, Reduce, Reduction, Reshape, Resize, Rounding, Slice, Slide,
    Transpose, Window,
};
use cnasc_ir::{Op, Shape, TensorId};

const IMAGE: TensorId = TensorId(0);

/// The plain answer of one step on an image, with parameters in their order.
fn apply(op: Op, inputs: &[TensorId], shape: Shape, image: &[f32], params: &[&[f32]]) -> Vec<f32> {
    let mut net = Net::new(shape, 1);
    net.add(op, inputs);
    net.weights.tensors = params.iter().map(|values| values.to_vec()).collect();
    let share = net.whole(Backend::Reference);
    let mut oracle = reference::compile(&net.graph, &net.weights, &share).unwrap();
    let blocked = infer(&mut oracle, &net, &share, image);
    let shape = net.graph.step(net.graph.output()).shape;
    let mut plain = vec![0.0; shape.elements() as usize];
    layout::to_plain(shape, &blocked, &mut plain);
    assert_eq!(plain, oracle.plain(net.graph.output()));
    plain
}

fn count(to: u32) -> Vec<f32> {
    (1..=to).map(|value| value as f32).collect()
}

#[test]
fn convolution() {
    // One channel, 3 × 3, values 1 to 9; the kernel picks the right neighbour and ten times the one below.
    let kernel = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 10.0, 0.0];
    let op = |stride| Op::Conv { window: Window::same(3, stride), groups: 1, channels: 1, bias: true };
    let found = apply(op(1), &[IMAGE], Shape::new(1, 3, 3), &count(9), &[&kernel, &[0.5]]);
    assert_eq!(found, [42.5, 53.5, 60.5, 75.5, 86.5, 90.5, 8.5, 9.5, 0.5]);
    let found = apply(op(2), &[IMAGE], Shape::new(1, 3, 3), &count(9), &[&kernel, &[0.5]]);
    assert_eq!(found, [42.5, 60.5, 8.5, 0.5]);
    // One row of taps at columns −1 and 1, 0 and 2, 1 and 3.
    let columns = Slide { kernel: 2, stride: 1, dilation: 2, before: 1, after: 1 };
    let op = Op::Conv { window: Window { rows: Slide::new(1, 2, 0), columns }, groups: 1, channels: 1, bias: false };
    let found = apply(op, &[IMAGE], Shape::new(1, 3, 3), &count(9), &[&[1.0, 10.0]]);
    assert_eq!(found, [20.0, 31.0, 2.0, 80.0, 97.0, 8.0]);
}

#[test]
fn grouped_convolution() {
    // Two groups of two channels, one output each: 1 · 1 + 2 · 10 and 3 · 100 + 4 · 1000.
    let op = Op::Conv { window: Window::same(1, 1), groups: 2, channels: 2, bias: false };
    let found = apply(op, &[IMAGE], Shape::new(4, 1, 1), &count(4), &[&[1.0, 10.0, 100.0, 1000.0]]);
    assert_eq!(found, [21.0, 4300.0]);
}

#[test]
fn pools() {
    let shape = Shape::new(1, 2, 5);
    assert_eq!(apply(Op::max_pool(2, 2), &[IMAGE], shape, &count(10), &[]), [7.0, 9.0]);
    assert_eq!(apply(Op::avg_pool(2, 3), &[IMAGE], shape, &count(10), &[]), [4.0, 7.0]);
    let rows = Slide::new(2, 1, 1);
    let columns = Slide { kernel: 2, stride: 2, dilation: 2, before: 1, after: 0 };
    let window = Window { rows, columns };
    // Columns −1 and 1, then 1 and 3, of rows of 1 to 5 and 6 to 10.
    assert_eq!(apply(Op::MaxPool { window }, &[IMAGE], shape, &count(10), &[]), [2.0, 4.0, 7.0, 9.0, 7.0, 9.0]);
    let mean = |counted| apply(Op::AvgPool { window, counted }, &[IMAGE], shape, &count(10), &[]);
    assert_eq!(mean([0; 4]), [2.0, 3.0, 4.5, 5.5, 7.0, 8.0]);
    assert_eq!(mean([1, 1, 0, 0]), [0.5, 1.5, 2.25, 5.5, 3.5, 8.0]);
    assert_eq!(apply(Op::GlobalAvg, &[IMAGE], Shape::new(2, 1, 5), &count(10), &[]), [3.0, 8.0]);
}

#[test]
fn element_wise() {
    let shape = Shape::new(2, 1, 1);
    let image = [1.0, -2.0];
    let run = |op, inputs: &[TensorId], params: &[&[f32]]| apply(op, inputs, shape, &image, params);
    assert_eq!(run(Op::Relu, &[IMAGE], &[]), [1.0, 0.0]);
    assert_eq!(run(Op::Sum, &[IMAGE, IMAGE, IMAGE], &[]), [3.0, -6.0]);
    assert_eq!(run(Op::Mean, &[IMAGE, IMAGE], &[]), image);
    assert_eq!(run(Op::WeightedSum { gate: Gate::Plain }, &[IMAGE, IMAGE], &[&[2.0, -0.5]]), [1.5, -3.0]);
    // σ(0) = 1/2.
    assert_eq!(run(Op::WeightedSum { gate: Gate::SigmoidWeights }, &[IMAGE, IMAGE], &[&[0.0, 0.0]]), image);
    assert_eq!(run(Op::Concat { axis: Axis::Channels }, &[IMAGE, IMAGE], &[]), [1.0, -2.0, 1.0, -2.0]);
    assert_eq!(apply(Op::Sigmoid, &[IMAGE], shape, &[0.0, 0.0], &[]), [0.5, 0.5]);
    let gate = Op::WeightedSum { gate: Gate::SigmoidInputs };
    assert_eq!(apply(gate, &[IMAGE], shape, &[0.0, 0.0], &[&[4.0]]), [2.0, 2.0]);
}

#[test]
fn activations() {
    let run = |op| apply(op, &[IMAGE], Shape::new(1, 1, 5), &[-4.0, -1.0, 0.0, 1.0, 8.0], &[]);
    assert_eq!(run(Op::Clip { min: -2.0, max: 6.0 }), [-2.0, -1.0, 0.0, 1.0, 6.0]);
    assert_eq!(run(Op::LeakyRelu { slope: 0.5 }), [-2.0, -0.5, 0.0, 1.0, 8.0]);
    // x · (x + 3) / 6 between −3 and 3.
    let found = run(Op::HardSwish);
    let wanted = [0.0, -2.0 / 6.0, 0.0, 4.0 / 6.0, 8.0];
    assert!(found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-6), "{found:?}");
    assert_eq!(run(Op::HardSigmoid { alpha: 0.25, beta: 0.5 }), [0.0, 0.25, 0.5, 0.75, 1.0]);
}

#[test]
fn arithmetic() {
    // A channel's factor times its pixels; a row less a column.
    let stored = |op: Op, shapes: [Shape; 2], params: [&[f32]; 2]| {
        let mut net = Net::new(Shape::new(1, 1, 1), 1);
        let inputs = shapes.map(|shape| net.add(Op::Constant { shape }, &[IMAGE]));
        net.add(op, &inputs);
        net.weights.tensors = params.iter().map(|values| values.to_vec()).collect();
        let mut oracle = reference::compile(&net.graph, &net.weights, &net.whole(Backend::Reference)).unwrap();
        infer(&mut oracle, &net, &net.whole(Backend::Reference), &[0.0]);
        oracle.plain(net.graph.output()).to_vec()
    };
    let channels = [Shape::new(2, 1, 2), Shape::new(2, 1, 1)];
    assert_eq!(stored(Op::Mul, channels, [&count(4), &[10.0, 100.0]]), [10.0, 20.0, 300.0, 400.0]);
    assert_eq!(stored(Op::Div, channels, [&count(4), &[2.0, 4.0]]), [0.5, 1.0, 0.75, 1.0]);
    let crossed = [Shape::new(1, 1, 2), Shape::new(1, 2, 1)];
    assert_eq!(stored(Op::Sub, crossed, [&[1.0, 2.0], &[10.0, 20.0]]), [-9.0, -8.0, -19.0, -18.0]);
    assert_eq!(stored(Op::Add, crossed, [&[1.0, 2.0], &[10.0, 20.0]]), [11.0, 12.0, 21.0, 22.0]);
}

#[test]
fn normalisations() {
    let close = |op, shape, image: &[f32], wanted: &[f32]| {
        let found = apply(op, &[IMAGE], shape, image, &[]);
        let close = |(found, wanted): (&f32, &f32)| (found - wanted).abs() < 1e-6;
        assert!(found.iter().zip(wanted).all(close), "{found:?} instead of {wanted:?}");
    };
    // e⁰ : e^(ln 3) is one to three, along each axis.
    let three = libm::logf(3.0);
    let image = [0.0, three, three, 0.0];
    close(Op::Softmax { axis: Axis::Channels }, Shape::new(2, 1, 2), &image, &[0.25, 0.75, 0.75, 0.25]);
    close(Op::Softmax { axis: Axis::Rows }, Shape::new(1, 2, 2), &image, &[0.25, 0.75, 0.75, 0.25]);
    close(Op::Softmax { axis: Axis::Columns }, Shape::new(1, 2, 2), &image, &[0.25, 0.75, 0.75, 0.25]);
    // Of size 2 each channel and the next: 1/(1 + 5), 2/(1 + 4 + 9), 3/(1 + 9).
    let op = Op::Lrn { size: 2, alpha: 2.0, beta: 1.0, bias: 1.0 };
    close(op, Shape::new(3, 1, 1), &count(3), &[1.0 / 6.0, 2.0 / 14.0, 0.3]);
    // Of size 3 both neighbours: 1/√(4 + 5), 2/√(4 + 14), 3/√(4 + 13).
    let op = Op::Lrn { size: 3, alpha: 3.0, beta: 0.5, bias: 4.0 };
    close(op, Shape::new(3, 1, 1), &count(3), &[1.0 / 3.0, 2.0 / 18.0_f32.sqrt(), 3.0 / 17.0_f32.sqrt()]);
}

#[test]
fn batch_norm() {
    // Scale, shift, mean, variance; the variance leaves 1 once ε is added.
    let variance = 1.0 - cnasc_ir::op::BATCH_NORM_EPSILON;
    let params: [&[f32]; 4] = [&[2.0, 3.0], &[0.5, -1.0], &[1.0, 0.0], &[variance, variance]];
    let found = apply(Op::BatchNorm, &[IMAGE], Shape::new(2, 1, 2), &[1.0, 2.0, 3.0, -1.0], &params);
    assert_eq!(found, [0.5, 2.5, 8.0, -4.0]);
}

#[test]
fn linear() {
    // Elements in the order channel, row, column.
    let weights = [1.0, 10.0, 100.0, 1000.0, 0.0, 0.0, 0.0, 1.0];
    let op = Op::Linear { outputs: 2, bias: true };
    let found = apply(op, &[IMAGE], Shape::new(2, 1, 2), &count(4), &[&weights, &[0.0, 0.5]]);
    assert_eq!(found, [4321.0, 4.5]);
}

#[test]
fn slices_and_pads() {
    let shape = Shape::new(1, 2, 4);
    let run = |op: Op| apply(op, &[IMAGE], shape, &count(8), &[]);
    assert_eq!(run(Op::Slice(Slice::range(Axis::Columns, 1, 3))), [2.0, 3.0, 6.0, 7.0]);
    // As ONNX has it: from the end to the start in steps of two, and clamped bounds.
    let slice = |start, end, step| Op::Slice(Slice::between(Axis::Columns, 4, start, end, step).unwrap());
    assert_eq!(run(slice(-1, i64::MIN, -2)), [4.0, 2.0, 8.0, 6.0]);
    assert_eq!(run(slice(-3, 1000, 2)), [2.0, 4.0, 6.0, 8.0]);
    assert_eq!(run(slice(20, 0, -1)), [4.0, 3.0, 2.0, 8.0, 7.0, 6.0]);
    assert_eq!(run(slice(1, 2, i64::MAX)), [2.0, 6.0]);
    for (start, end, step) in [(2, 2, 1), (3, 1, 1), (1, 3, -1), (0, 4, 0), (4, 9, 1)] {
        assert!(Slice::between(Axis::Columns, 4, start, end, step).is_err(), "{start}..{end} by {step}");
    }
    let pad = |before, after, fill| {
        apply(Op::Pad(Pad { before, after, fill }), &[IMAGE], Shape::new(1, 1, 3), &count(3), &[])
    };
    assert_eq!(pad([0, 0, 1], [0, 0, 2], Fill::Constant(0.5)), [0.5, 1.0, 2.0, 3.0, 0.5, 0.5]);
    assert_eq!(pad([0, 0, 2], [0, 0, 2], Fill::Reflect), [3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0]);
    assert_eq!(pad([0, 0, 5], [0, 0, 0], Fill::Reflect), [2.0, 1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0]);
    assert_eq!(pad([0, 0, 2], [0, 0, 1], Fill::Edge), [1.0, 1.0, 1.0, 2.0, 3.0, 3.0]);
    assert_eq!(pad([0, 0, 2], [0, 0, 1], Fill::Wrap), [2.0, 3.0, 1.0, 2.0, 3.0, 1.0]);
    assert_eq!(pad([1, 0, 0], [0, 1, 0], Fill::Reflect), [1.0, 2.0, 3.0].repeat(4));
}

#[test]
fn transpositions_and_reshapes() {
    let (shape, values) = (Shape::new(2, 1, 3), count(6));
    let turn = |axes| apply(Op::Transpose(Transpose { axes }), &[IMAGE], shape, &values, &[]);
    assert_eq!(turn([Axis::Columns, Axis::Rows, Axis::Channels]), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!(turn([Axis::Rows, Axis::Channels, Axis::Columns]), values);
    // The output's channels are the input's columns, its rows the channels, its columns the rows: 3 × 2 × 1.
    assert_eq!(turn([Axis::Columns, Axis::Channels, Axis::Rows]), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    let reshape = Op::Reshape(Reshape { shape: Shape::new(3, 2, 1) });
    assert_eq!(apply(reshape, &[IMAGE], shape, &values, &[]), values);
}

#[test]
fn reductions() {
    let shape = Shape::new(2, 2, 2);
    let run = |to, axes: &[Axis]| {
        let axes = axes.iter().copied().collect();
        apply(Op::Reduce(Reduce { to, axes }), &[IMAGE], shape, &count(8), &[])
    };
    assert_eq!(run(Reduction::Sum, &[Axis::Channels]), [6.0, 8.0, 10.0, 12.0]);
    assert_eq!(run(Reduction::Mean, &[Axis::Rows]), [2.0, 3.0, 6.0, 7.0]);
    assert_eq!(run(Reduction::Max, &[Axis::Columns]), [2.0, 4.0, 6.0, 8.0]);
    assert_eq!(run(Reduction::Mean, &[Axis::Channels, Axis::Columns]), [3.5, 5.5]);
    assert_eq!(run(Reduction::Sum, &Axis::ALL), [36.0]);
}

#[test]
fn resizings() {
    // Rows of 1 to 3 and 4 to 6.
    let run = |to, coordinates, by| {
        let resize = Resize::to(Shape::new(1, 2, 3), to, coordinates, by);
        apply(Op::Resize(resize), &[IMAGE], Shape::new(1, 2, 3), &count(6), &[])
    };
    let nearest = Interpolation::Nearest(Rounding::Floor);
    assert_eq!(
        run((4, 3), Coordinates::Asymmetric, nearest),
        [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 4.0, 5.0, 6.0]
    );
    let corners = run((3, 5), Coordinates::AlignCorners, Interpolation::Linear);
    let row = [1.0, 1.5, 2.0, 2.5, 3.0];
    let wanted: Vec<f32> = [0.0, 1.5, 3.0].into_iter().flat_map(|more| row.map(|value| value + more)).collect();
    assert_eq!(corners, wanted);
}

#[test]
fn transposed_convolutions() {
    // Two pixels, 1 and 2, a stride of 2: 1, 10, 100 + 2, 20, 200; without the first and last, and one more behind.
    let slide = |before, after| Slide { kernel: 3, stride: 2, dilation: 1, before, after };
    let run = |columns, more| {
        let window = Window { rows: Slide::new(1, 1, 0), columns };
        let op = Op::ConvTranspose { window, more: [0, more], groups: 1, channels: 1, bias: true };
        apply(op, &[IMAGE], Shape::new(1, 1, 2), &count(2), &[&[1.0, 10.0, 100.0], &[0.5]])
    };
    assert_eq!(run(slide(0, 0), 0), [1.5, 10.5, 102.5, 20.5, 200.5]);
    assert_eq!(run(slide(1, 1), 0), [10.5, 102.5, 20.5]);
    assert_eq!(run(slide(1, 0), 1), [10.5, 102.5, 20.5, 200.5, 0.5]);
    // Two groups of one input and two outputs.
    let window = Window::square(1, 1, 0);
    let op = Op::ConvTranspose { window, more: [0; 2], groups: 2, channels: 4, bias: false };
    let found = apply(op, &[IMAGE], Shape::new(2, 1, 1), &count(2), &[&[1.0, 10.0, 100.0, 1000.0]]);
    assert_eq!(found, [1.0, 10.0, 200.0, 2000.0]);
}

#[test]
fn products() {
    // (1 2; 3 4) squared.
    assert_eq!(apply(Op::MatMul, &[IMAGE, IMAGE], Shape::new(1, 2, 2), &count(4), &[]), [7.0, 10.0, 15.0, 22.0]);
}
