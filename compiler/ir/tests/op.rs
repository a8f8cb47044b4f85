//! Shapes, parameters and cost of operators against figures worked by hand or printed in papers.

use cnasc_ir::Shape;
use cnasc_ir::op::{Axis, Gate, Op, ParamRole, Slide, Window};

fn conv(kernel: u32, stride: u32, groups: u32, channels: u32) -> Op {
    Op::Conv { window: Window::same(kernel, stride), groups, channels, bias: false }
}

#[track_caller]
fn check(op: &Op, input: (u32, u32, u32), output: (u32, u32, u32), params: u64, macs: u64) {
    let input = Shape::from(input);
    let shape = op.output(&[input]).expect("the operator fits");
    assert_eq!(shape, Shape::from(output), "{op}");
    let found: u64 = op
        .params(&[input])
        .iter()
        .filter(|(role, _)| role.is_trained())
        .map(|(_, extents)| extents.iter().map(|&extent| u64::from(extent)).product::<u64>())
        .sum();
    assert_eq!(found, params, "parameters of {op}");
    assert_eq!(op.macs(&[input], shape), macs, "multiply-adds of {op}");
}

#[test]
fn convolutions() {
    // The stem of ResNet-50: 9,408 parameters, 118 M multiply-adds.
    let stem = Op::Conv { window: Window::same(7, 2), groups: 1, channels: 64, bias: false };
    check(&stem, (3, 224, 224), (64, 112, 112), 9_408, 118_013_952);
    check(&conv(3, 1, 1, 16), (1, 28, 28), (16, 28, 28), 144, 112_896);
    check(&conv(3, 1, 32, 32), (32, 14, 14), (32, 14, 14), 288, 56_448);
    check(&conv(1, 1, 1, 64), (32, 7, 7), (64, 7, 7), 2_048, 100_352);
    check(&conv(3, 2, 4, 8), (8, 9, 9), (8, 5, 5), 144, 3_600);
}

#[test]
fn the_rest() {
    check(&Op::BatchNorm, (32, 7, 7), (32, 7, 7), 64, 0);
    check(&Op::max_pool(2, 2), (8, 7, 7), (8, 3, 3), 0, 0);
    check(&Op::max_pool(3, 2), (8, 7, 7), (8, 3, 3), 0, 0);
    check(&Op::GlobalAvg, (8, 7, 7), (8, 1, 1), 0, 0);
    check(&Op::Linear { outputs: 10, bias: true }, (64, 1, 1), (10, 1, 1), 650, 640);
    check(&Op::Linear { outputs: 10, bias: false }, (2, 3, 4), (10, 1, 1), 240, 240);
    assert_eq!(
        Op::Concat { axis: Axis::Channels }.output(&[Shape::new(3, 4, 4), Shape::new(5, 4, 4)]),
        Ok(Shape::new(8, 4, 4))
    );
}

#[test]
fn joins_count_their_inputs() {
    let shape = Shape::new(4, 2, 2);
    let weighted = Op::WeightedSum { gate: Gate::SigmoidWeights };
    assert_eq!(weighted.params(&[shape; 3]), [(ParamRole::Gate, vec![3])]);
    assert_eq!(weighted.flops(&[shape; 3], shape), 16 * 5, "three products and two sums an element");
    assert_eq!(Op::Sum.flops(&[shape; 3], shape), 16 * 2);
    assert_eq!(Op::Mean.flops(&[shape; 3], shape), 16 * 3);
}

#[test]
fn element_wise_operators_broadcast() {
    let (image, channels, row) = (Shape::new(6, 4, 5), Shape::new(6, 1, 1), Shape::new(1, 1, 5));
    for op in [Op::Add, Op::Sub, Op::Mul, Op::Div] {
        assert_eq!(op.output(&[image, channels]), Ok(image));
        assert_eq!(op.output(&[channels, row]), Ok(Shape::new(6, 1, 5)));
        assert_eq!(op.flops(&[image, channels], image), 120);
    }
    let stored = Op::Constant { shape: channels };
    check(&stored, (3, 7, 7), (6, 1, 1), 6, 0);
    assert_eq!(stored.flops(&[image], channels), 0);
    assert_eq!(Op::Clip { min: 0.0, max: 6.0 }.flops(&[image], image), 240);
    assert_eq!(Op::Lrn { size: 5, alpha: 1e-4, beta: 0.75, bias: 1.0 }.flops(&[image], image), 120 * 9);
}

#[test]
fn numbers_have_bounds() {
    let shape = Shape::new(6, 4, 4);
    let error = |op: Op| op.output(&[shape]).expect_err("does not fit").to_string();
    insta::assert_snapshot!(error(Op::Clip { min: 1.0, max: -1.0 }), @"clip 1..-1 has a least value of 1, which is above its greatest, -1");
    insta::assert_snapshot!(error(Op::LeakyRelu { slope: f32::NAN }), @"leaky_relu NaN needs numbers of at most 1e30 either way");
    insta::assert_snapshot!(error(Op::Lrn { size: 0, alpha: 1.0, beta: 1.0, bias: 1.0 }), @"lrn 0 1 1 1 needs a size of 1 to 4096, found 0");
    insta::assert_snapshot!(error(Op::Lrn { size: 5, alpha: 1.0, beta: 1.0, bias: 0.0 }), @"lrn 5 1 1 0 needs an alpha of at least 0 and a bias above 0");
    insta::assert_snapshot!(error(Op::Lrn { size: 5, alpha: 1.0, beta: 17.0, bias: 1.0 }), @"lrn 5 1 17 1 needs a beta of -16 to 16, found 17");
    let misfit = Op::Mul.output(&[shape, Shape::new(6, 2, 1)]).expect_err("2 is neither 4 nor 1").to_string();
    insta::assert_snapshot!(misfit, @"mul needs extents that are equal or 1, found 6x4x4 and 6x2x1");
    insta::assert_snapshot!(Op::Sub.output(&[shape]).expect_err("one is missing").to_string(), @"sub takes two inputs, found 1");
}

#[test]
fn element_wise_operators_are_written_and_read() {
    let written = |op: &Op| {
        let json = serde_json::to_string(op).expect("operators are written");
        assert_eq!(serde_json::from_str::<Op>(&json).expect("what is written is read"), *op);
        format!("{op} | {json}")
    };
    insta::assert_snapshot!(written(&Op::Clip { min: 0.0, max: 6.0 }), @r#"relu6 | {"op":"clip","min":0.0,"max":6.0}"#);
    insta::assert_snapshot!(written(&Op::Clip { min: -1.0, max: 0.1 }), @r#"clip -1..0.1 | {"op":"clip","min":-1.0,"max":0.1}"#);
    insta::assert_snapshot!(written(&Op::LeakyRelu { slope: 0.01 }), @r#"leaky_relu 0.01 | {"op":"leaky_relu","slope":0.01}"#);
    insta::assert_snapshot!(written(&Op::HardSigmoid { alpha: 0.2, beta: 0.5 }), @r#"hard_sigmoid 0.2 0.5 | {"op":"hard_sigmoid","alpha":0.2,"beta":0.5}"#);
    insta::assert_snapshot!(written(&Op::HardSwish), @r#"hard_swish | {"op":"hard_swish"}"#);
    insta::assert_snapshot!(written(&Op::Softmax { axis: Axis::Channels }), @r#"softmax | {"op":"softmax"}"#);
    insta::assert_snapshot!(written(&Op::Softmax { axis: Axis::Columns }), @r#"softmax columns | {"op":"softmax","axis":"columns"}"#);
    insta::assert_snapshot!(written(&Op::Lrn { size: 5, alpha: 1e-4, beta: 0.75, bias: 1.0 }), @r#"lrn 5 0.0001 0.75 1 | {"op":"lrn","size":5,"alpha":0.0001,"beta":0.75,"bias":1.0}"#);
    insta::assert_snapshot!(written(&Op::Mul), @r#"mul | {"op":"mul"}"#);
    insta::assert_snapshot!(written(&Op::Constant { shape: Shape::new(6, 1, 1) }), @r#"constant 6x1x1 | {"op":"constant","shape":[6,1,1]}"#);
}

#[test]
fn misfits_say_what_they_found() {
    let error = |op: &Op, inputs: &[Shape]| op.output(inputs).expect_err("does not fit").to_string();
    let shape = Shape::new(6, 4, 4);
    insta::assert_snapshot!(error(&conv(3, 1, 4, 8), &[shape]), @"conv3 groups 4 8 can't split 6 input and 8 output channels evenly");
    insta::assert_snapshot!(error(&Op::max_pool(5, 5), &[shape]), @"maxpool5 does not fit an image of 6x4x4: its window of 5 is larger");
    insta::assert_snapshot!(error(&Op::Sum, &[shape, Shape::new(6, 4, 2)]), @"sum needs inputs of one shape, found 6x4x4 and 6x4x2");
    insta::assert_snapshot!(error(&Op::Concat { axis: Axis::Channels }, &[shape, Shape::new(6, 4, 2)]), @"concat needs inputs of one height and width, found 6x4x4 and 6x4x2");
    insta::assert_snapshot!(error(&Op::Relu, &[shape, shape]), @"relu takes one input, found 2");
    insta::assert_snapshot!(error(&Op::Relu, &[]), @"relu needs an input");
}

/// A convolution with all numbers different.
fn general() -> Op {
    let rows = Slide { kernel: 3, stride: 2, dilation: 2, before: 1, after: 0 };
    let columns = Slide { kernel: 5, stride: 1, dilation: 1, before: 2, after: 3 };
    Op::Conv { window: Window { rows, columns }, groups: 1, channels: 4, bias: false }
}

#[test]
fn windows_have_two_axes() {
    // (11 + 1 − 5) / 2 + 1 rows, 9 + 2 + 3 − 5 + 1 columns.
    check(&general(), (2, 11, 9), (4, 4, 10), 120, 4_800);
    let slide = Slide { kernel: 3, stride: 2, dilation: 2, before: 1, after: 0 };
    assert_eq!((slide.extent(), slide.places(11), slide.places(3)), (5, Some(4), None));
    // Taps at −1, 1, 3; at 1, 3, 5; at 5, 7, 9.
    let inside = |place| slide.inside(place, 5, (0, 0));
    assert_eq!([inside(0), inside(1), inside(3)], [1..3, 0..2, 0..0]);
    assert_eq!(slide.inside(0, 5, (1, 0)), 0..3);
    // (4 − 1) · 2 + 5 + 1 − 1.
    assert_eq!(slide.transposed(4, 1), Ok(11));
    assert!(slide.transposed(4, 2).is_err());
}

#[test]
fn windows_are_written_as_short_as_they_are() {
    let written = |op: &Op| {
        let json = serde_json::to_string(op).expect("operators are written");
        assert_eq!(serde_json::from_str::<Op>(&json).expect("what is written is read"), *op);
        format!("{op} | {json}")
    };
    insta::assert_snapshot!(written(&conv(3, 2, 1, 16)), @r#"conv3/2 16 | {"op":"conv","kernel":3,"stride":2,"padding":1,"groups":1,"channels":16,"bias":false}"#);
    insta::assert_snapshot!(written(&Op::max_pool(2, 2)), @r#"maxpool2 | {"op":"max_pool","kernel":2,"stride":2}"#);
    insta::assert_snapshot!(written(&Op::avg_pool(3, 2)), @r#"avgpool3/2 | {"op":"avg_pool","kernel":3,"stride":2}"#);
    insta::assert_snapshot!(written(&Op::Concat { axis: Axis::Channels }), @r#"concat | {"op":"concat"}"#);
    insta::assert_snapshot!(written(&Op::Concat { axis: Axis::Rows }), @r#"concat rows | {"op":"concat","axis":"rows"}"#);
    insta::assert_snapshot!(written(&general()), @r#"conv3x5/2x1 dilation 2x1 pad 1,2,0,3 4 | {"op":"conv","kernel":[3,5],"stride":[2,1],"padding":[1,2,0,3],"dilation":[2,1],"groups":1,"channels":4,"bias":false}"#);
    let padded = Op::AvgPool { window: Window::square(3, 2, 1), counted: [1, 1, 0, 0] };
    insta::assert_snapshot!(written(&padded), @r#"avgpool3/2 pad 1 counted 1,1,0,0 | {"op":"avg_pool","kernel":3,"stride":2,"padding":1,"counted":[1,1,0,0]}"#);
    assert!(serde_json::from_str::<Op>(r#"{"op":"max_pool","kernel":2,"stride":2,"side":2}"#).is_err());
    assert!(serde_json::from_str::<Op>(r#"{"op":"max_pool","kernel":[2,2,2],"stride":2}"#).is_err());
    assert!(serde_json::from_str::<Op>(r#"{"op":"max_pool","kernel":2}"#).is_err());
}

#[test]
fn windows_that_see_no_pixel_are_refused() {
    let shape = Shape::new(1, 1, 1);
    let pool = |window: Window| Op::MaxPool { window }.output(&[shape]);
    assert_eq!(pool(Window::square(3, 1, 1)), Ok(shape));
    assert!(pool(Window::square(2, 1, 2)).is_err());
    let dilated = Slide { dilation: 2, ..Slide::new(2, 1, 1) };
    assert!(pool(Window { rows: dilated, columns: dilated }).is_err());
    let much = Op::AvgPool { window: Window::square(3, 1, 1), counted: [2, 0, 0, 0] };
    assert!(much.output(&[shape]).is_err());
}
