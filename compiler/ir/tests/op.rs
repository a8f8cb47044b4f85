//! Shapes, parameters and cost of operators against figures worked by hand or printed in papers.

use cnasc_ir::Shape;
use cnasc_ir::op::{Gate, Op, ParamRole};

fn conv(kernel: u32, stride: u32, groups: u32, channels: u32) -> Op {
    Op::Conv { kernel, stride, padding: kernel / 2, groups, channels, bias: false }
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
    let stem = Op::Conv { kernel: 7, stride: 2, padding: 3, groups: 1, channels: 64, bias: false };
    check(&stem, (3, 224, 224), (64, 112, 112), 9_408, 118_013_952);
    check(&conv(3, 1, 1, 16), (1, 28, 28), (16, 28, 28), 144, 112_896);
    check(&conv(3, 1, 32, 32), (32, 14, 14), (32, 14, 14), 288, 56_448);
    check(&conv(1, 1, 1, 64), (32, 7, 7), (64, 7, 7), 2_048, 100_352);
    check(&conv(3, 2, 4, 8), (8, 9, 9), (8, 5, 5), 144, 3_600);
}

#[test]
fn the_rest() {
    check(&Op::BatchNorm, (32, 7, 7), (32, 7, 7), 64, 0);
    check(&Op::MaxPool { kernel: 2, stride: 2 }, (8, 7, 7), (8, 3, 3), 0, 0);
    check(&Op::MaxPool { kernel: 3, stride: 2 }, (8, 7, 7), (8, 3, 3), 0, 0);
    check(&Op::GlobalAvg, (8, 7, 7), (8, 1, 1), 0, 0);
    check(&Op::Linear { outputs: 10, bias: true }, (64, 1, 1), (10, 1, 1), 650, 640);
    check(&Op::Linear { outputs: 10, bias: false }, (2, 3, 4), (10, 1, 1), 240, 240);
    assert_eq!(Op::Concat.output(&[Shape::new(3, 4, 4), Shape::new(5, 4, 4)]), Ok(Shape::new(8, 4, 4)));
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
fn misfits_say_what_they_found() {
    let error = |op: &Op, inputs: &[Shape]| op.output(inputs).expect_err("does not fit").to_string();
    let shape = Shape::new(6, 4, 4);
    insta::assert_snapshot!(error(&conv(3, 1, 4, 8), &[shape]), @"conv3 groups 4 8 can't split 6 input and 8 output channels evenly");
    insta::assert_snapshot!(error(&Op::MaxPool { kernel: 5, stride: 5 }, &[shape]), @"maxpool5 does not fit an image of 6x4x4: its window of 5 is larger");
    insta::assert_snapshot!(error(&Op::Sum, &[shape, Shape::new(6, 4, 2)]), @"sum needs inputs of one shape, found 6x4x4 and 6x4x2");
    insta::assert_snapshot!(error(&Op::Concat, &[shape, Shape::new(6, 4, 2)]), @"concat needs inputs of one height and width, found 6x4x4 and 6x4x2");
    insta::assert_snapshot!(error(&Op::Relu, &[shape, shape]), @"relu takes one input, found 2");
    insta::assert_snapshot!(error(&Op::Relu, &[]), @"relu needs an input");
}
