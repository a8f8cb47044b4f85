//! Reductions, resizing, transposed convolutions and products: shapes, cost, what is refused, how they are written.

use cnasc_ir::Shape;
use cnasc_ir::op::{Axes, Axis, Coordinates, Interpolation, Op, Reduce, Reduction, Resize, Rounding, Slide, Window};

fn written(op: &Op) -> String {
    let json = serde_json::to_string(op).expect("operators are written");
    assert_eq!(serde_json::from_str::<Op>(&json).expect("what is written is read"), *op);
    format!("{op} | {json}")
}

fn reduce(to: Reduction, axes: &[Axis]) -> Op {
    Op::Reduce(Reduce { to, axes: axes.iter().copied().collect() })
}

fn transposed(stride: u32, padding: u32, more: u32, groups: u32) -> Op {
    let window = Window::square(3, stride, padding);
    Op::ConvTranspose { window, more: [more; 2], groups, channels: 16, bias: true }
}

#[test]
fn shapes_and_cost() {
    let image = Shape::new(8, 5, 7);
    let output = |op: &Op| op.output(&[image]).expect("it fits");
    let mean = reduce(Reduction::Mean, &[Axis::Rows, Axis::Columns]);
    assert_eq!(output(&mean), Shape::new(8, 1, 1));
    assert_eq!(output(&reduce(Reduction::Max, &[Axis::Channels])), Shape::new(1, 5, 7));
    assert_eq!(mean.flops(&[image], output(&mean)), 280);
    let resize = Resize::to(image, (10, 14), Coordinates::HalfPixel, Interpolation::Linear);
    assert_eq!(resize.scales, [2.0, 2.0]);
    assert_eq!(output(&Op::Resize(resize)), Shape::new(8, 10, 14));
    // (5 − 1) · 2 + 3 + 1 − 2 = 10 rows.
    let op = transposed(2, 1, 1, 2);
    assert_eq!(output(&op), Shape::new(16, 10, 14));
    assert_eq!(op.macs(&[image], output(&op)), 280 * 9 * 8);
    assert_eq!(op.flops(&[image], output(&op)), 2 * 280 * 9 * 8 + 16 * 140);
    let params: Vec<Vec<u32>> = op.params(&[image]).into_iter().map(|(_, extents)| extents).collect();
    assert_eq!(params, [vec![8, 8, 3, 3], vec![16]]);
    let matrices = [Shape::new(2, 3, 4), Shape::new(2, 4, 5)];
    let product = Op::MatMul.output(&matrices).expect("they fit");
    assert_eq!(product, Shape::new(2, 3, 5));
    assert_eq!(Op::MatMul.macs(&matrices, product), 30 * 4);
}

#[test]
fn places_that_a_resize_takes() {
    let places = |extent: u32, to: u32, coordinates, rounding| {
        let by = Interpolation::Nearest(rounding);
        let resize = Resize::to(Shape::new(1, extent, 1), (to, 1), coordinates, by);
        (0..to).map(|place| resize.between(Axis::Rows, place, extent).low).collect::<Vec<u32>>()
    };
    assert_eq!(places(2, 4, Coordinates::HalfPixel, Rounding::PreferFloor), [0, 0, 1, 1]);
    assert_eq!(places(2, 4, Coordinates::Asymmetric, Rounding::Floor), [0, 0, 1, 1]);
    assert_eq!(places(2, 4, Coordinates::Asymmetric, Rounding::Ceil), [0, 1, 1, 1]);
    // 1/2 lies between two places.
    assert_eq!(places(4, 2, Coordinates::HalfPixel, Rounding::PreferFloor), [0, 2]);
    assert_eq!(places(4, 2, Coordinates::HalfPixel, Rounding::PreferCeil), [1, 3]);
    assert_eq!(places(5, 3, Coordinates::AlignCorners, Rounding::Floor), [0, 2, 4]);
    let linear = |coordinates| {
        let resize = Resize::to(Shape::new(1, 2, 1), (4, 1), coordinates, Interpolation::Linear);
        let at = |place| resize.between(Axis::Rows, place, 2);
        (0..4).map(|place| at(place).low as f32 + at(place).part).collect::<Vec<f32>>()
    };
    assert_eq!(linear(Coordinates::HalfPixel), [0.0, 0.25, 0.75, 1.0]);
    assert_eq!(linear(Coordinates::Asymmetric), [0.0, 0.5, 1.0, 1.0]);
    let one = Resize::to(Shape::new(1, 3, 1), (1, 1), Coordinates::PytorchHalfPixel, Interpolation::Linear);
    assert_eq!(one.between(Axis::Rows, 0, 3).low, 0);
    // 3/0.6 is 5 and no less.
    let scaled = Resize { scales: [0.6, 1.0], height: 4, ..one };
    let scaled = Resize { coordinates: Coordinates::Asymmetric, ..scaled };
    assert_eq!(scaled.between(Axis::Rows, 3, 7).low, 5);
}

#[test]
fn what_does_not_fit_is_refused() {
    let image = Shape::new(8, 5, 7);
    let error = |op: Op| op.output(&[image]).expect_err("does not fit").to_string();
    insta::assert_snapshot!(error(reduce(Reduction::Sum, &[])), @"reduce sum needs an axis to go along");
    let resize = Resize::to(image, (0, 3), Coordinates::HalfPixel, Interpolation::Linear);
    insta::assert_snapshot!(error(Op::Resize(Resize { scales: [1.0; 2], ..resize })), @"resize 0x3 linear would give a tensor of 8x0x3, which is empty or too large");
    insta::assert_snapshot!(error(Op::Resize(Resize { scales: [f32::NAN, 1.0], ..resize })), @"resize 0x3 linear needs scales of 1e-6 to 1e6, found NaN");
    insta::assert_snapshot!(error(transposed(2, 20, 0, 1)), @"conv_transpose3/2 pad 20 16 +bias leaves nothing: its padding takes 40 of 11");
    insta::assert_snapshot!(error(transposed(2, 0, 2, 1)), @"conv_transpose3/2 more 2,2 16 +bias needs an output padding below its stride or its dilation");
    insta::assert_snapshot!(error(transposed(1, 0, 0, 3)), @"conv_transpose3 groups 3 16 +bias can't split 8 input and 16 output channels evenly");
    insta::assert_snapshot!(error(transposed(0, 0, 0, 1)), @"conv_transpose3/0 16 +bias needs a kernel, a stride and a dilation of at least 1");
    let product = |left, right| Op::MatMul.output(&[left, right]).expect_err("does not fit").to_string();
    insta::assert_snapshot!(product(image, image), @"matmul can't multiply the matrices of 8x5x7 and 8x5x7");
    insta::assert_snapshot!(error(Op::MatMul), @"matmul takes two inputs, found 1");
}

#[test]
fn texts() {
    insta::assert_snapshot!(written(&reduce(Reduction::Mean, &[Axis::Columns, Axis::Rows])), @r#"reduce mean rows,columns | {"op":"reduce","to":"mean","axes":["rows","columns"]}"#);
    let image = Shape::new(8, 5, 7);
    let resize = Resize::to(image, (10, 14), Coordinates::HalfPixel, Interpolation::Nearest(Rounding::PreferFloor));
    insta::assert_snapshot!(written(&Op::Resize(resize)), @r#"resize 10x14 nearest | {"op":"resize","height":10,"width":14,"scales":[2.0,2.0],"coordinates":"half_pixel","interpolation":{"nearest":"prefer_floor"}}"#);
    let linear = Resize { interpolation: Interpolation::Linear, coordinates: Coordinates::AlignCorners, ..resize };
    insta::assert_snapshot!(written(&Op::Resize(linear)), @r#"resize 10x14 linear align_corners | {"op":"resize","height":10,"width":14,"scales":[2.0,2.0],"coordinates":"align_corners","interpolation":"linear"}"#);
    insta::assert_snapshot!(written(&transposed(2, 1, 1, 2)), @r#"conv_transpose3/2 pad 1 more 1,1 groups 2 16 +bias | {"op":"conv_transpose","kernel":3,"stride":2,"padding":1,"more":[1,1],"groups":2,"channels":16,"bias":true}"#);
    let rows = Slide { kernel: 2, stride: 2, dilation: 1, before: 0, after: 1 };
    let window = Window { rows, columns: Slide::new(2, 2, 0) };
    let op = Op::ConvTranspose { window, more: [0; 2], groups: 1, channels: 4, bias: false };
    insta::assert_snapshot!(written(&op), @r#"conv_transpose2/2 pad 0,0,1,0 4 | {"op":"conv_transpose","kernel":2,"stride":2,"padding":[0,0,1,0],"groups":1,"channels":4,"bias":false}"#);
    insta::assert_snapshot!(written(&Op::MatMul), @r#"matmul | {"op":"matmul"}"#);
    assert!(serde_json::from_str::<Op>(r#"{"op":"reduce","to":"mean","axes":["depth"]}"#).is_err());
    assert!(serde_json::from_str::<Op>(r#"{"op":"resize","height":2,"width":2,"scales":[1.0]}"#).is_err());
    assert_eq!(Axes::PLANE, [Axis::Columns, Axis::Rows].into_iter().collect());
}

#[test]
fn scales() {
    let image = Shape::new(8, 5, 7);
    let conv = |channels| Op::Conv { window: Window::same(1, 1), groups: 1, channels, bias: true };
    let scale = |by: &[Op]| Op::Scale { by: by.to_vec() };
    let squeeze = scale(&[Op::GlobalAvg, conv(2), Op::Relu, conv(8), Op::Sigmoid]);
    assert_eq!(squeeze.output(&[image]), Ok(image));
    assert_eq!(squeeze.macs(&[image], image), 16 + 16);
    // 280 for the mean and for the products; 32 + 2, 2, 32 + 8; 4 for each sigmoid.
    assert_eq!(squeeze.flops(&[image], image), 280 + 280 + 34 + 2 + 40 + 32);
    let params: Vec<Vec<u32>> = squeeze.params(&[image]).into_iter().map(|(_, extents)| extents).collect();
    assert_eq!(params, [vec![2, 8, 1, 1], vec![2], vec![8, 2, 1, 1], vec![8]]);
    // One factor a pixel.
    assert_eq!(scale(&[conv(1), Op::Sigmoid]).output(&[image]), Ok(image));
    let error = |by: &[Op]| scale(by).output(&[image]).expect_err("does not fit").to_string();
    insta::assert_snapshot!(error(&[Op::GlobalAvg, conv(4)]), @"scale(global_avg, pointwise 4 +bias) makes a factor of 4x1x1 for 8x5x7: its extents must be equal or 1");
    insta::assert_snapshot!(error(&[Op::max_pool(9, 9)]), @"scale(maxpool9) can't be made: maxpool9 does not fit an image of 8x5x7: its window of 9 is larger");
    insta::assert_snapshot!(Op::Scale { by: vec![Op::GlobalAvg] }.output(&[Shape::new(8, 1, 1), image]).expect_err("two"), @"scale(global_avg) takes one input, found 2");
    insta::assert_snapshot!(written(&squeeze), @r#"scale(global_avg, pointwise 2 +bias, relu, pointwise 8 +bias, sigmoid) | {"op":"scale","by":[{"op":"global_avg"},{"op":"conv","kernel":1,"stride":1,"padding":0,"groups":1,"channels":2,"bias":true},{"op":"relu"},{"op":"conv","kernel":1,"stride":1,"padding":0,"groups":1,"channels":8,"bias":true},{"op":"sigmoid"}]}"#);
}
