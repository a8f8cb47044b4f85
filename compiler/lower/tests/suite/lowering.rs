//! Shapes, parameters and costs by hand; names; and that every architecture gives a graph that verifies.

use crate::networks::{Builder, conv, random, small};
use cnasc_base::Seed;
use cnasc_ir::architecture::Role;
use cnasc_ir::op::BATCH_NORM_EPSILON;
use cnasc_ir::{Op, Shape, TensorGraph};
use cnasc_lower::{lower, random_weights};
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use std::collections::BTreeSet;

/// One line a step: node, operator, inputs, parameters, shape.
pub fn listing(graph: &TensorGraph) -> String {
    let line = |(index, step): (usize, &cnasc_ir::tensor::Step)| {
        let inputs: Vec<String> = step.inputs.iter().map(|input| input.0.to_string()).collect();
        let params: Vec<&str> = step.params.iter().map(|id| graph.params[id.index()].name.as_str()).collect();
        let (node, inputs, params) = (step.node.0, inputs.join(" "), params.join(" "));
        format!("{index:2} node {node}: {} ({inputs}) {} {params}", step.op, step.shape).trim_end().to_owned() + "\n"
    };
    graph.steps.iter().enumerate().map(line).collect()
}

#[test]
fn steps_and_names() {
    insta::assert_snapshot!(listing(&lower(&small())), @r"
     0 node 0: input () 2x4x4
     1 node 1: conv3 4 (0) 4x4x4 stem.conv1.weight
     2 node 1: bn (1) 4x4x4 stem.bn1.weight stem.bn1.bias stem.bn1.running_mean stem.bn1.running_var
     3 node 1: relu (2) 4x4x4
     4 node 2: depthwise3 (3) 4x4x4 body.0.conv1.weight
     5 node 2: pointwise 4 (4) 4x4x4 body.0.conv2.weight
     6 node 2: bn (5) 4x4x4 body.0.bn1.weight body.0.bn1.bias body.0.bn1.running_mean body.0.bn1.running_var
     7 node 3: maxpool2 (3) 4x2x2
     8 node 3: pointwise 6 (7) 6x2x2 body.1.conv1.weight
     9 node 4: maxpool2 (6) 4x2x2
    10 node 4: pointwise 6 (9) 6x2x2 body.out.scale.body.0.conv1.weight
    11 node 4: weighted (10 8) 6x2x2 body.out.weighted_sum1.gate
    12 node 5: sum (11) 6x2x2
    13 node 6: global_avg (12) 6x1x1
    14 node 6: linear 3 (13) 3x1x1 head.linear1.weight head.linear1.bias
    ");
}

#[test]
fn figures_by_hand() {
    let graph = lower(&small());
    graph.verify().expect("the result is a tensor graph");
    // stem: 4·2·9 weights, 2·4 of batch norm; body.0: 4·9 depthwise, 4·4 pointwise, 2·4 of batch norm; body.1: 6·4;
    // body.out: 6·4 to scale body.0 to six channels, 2 gates; head: 3·6 weights, 3 biases.
    let params = (72 + 8) + (36 + 16 + 8) + 24 + (24 + 2) + (18 + 3);
    assert_eq!(graph.total_params(), params);
    // Outputs times taps: stem 64·18; body.0 64·9 and 64·4; body.1 24·4; scaling 24·4; head 3·6.
    let macs = 64 * 18 + 64 * 9 + 64 * 4 + 24 * 4 + 24 * 4 + 18;
    assert_eq!(graph.total_macs(), macs);
    // Besides two for each of those: ReLU 64; pooling 16·4 in body.1 and again in scaling body.0; the weighted sum of two 24·3;
    // the sum of one nothing; the global average 24; the bias 3.
    assert_eq!(graph.total_flops(), 2 * macs + 64 + 64 + 64 + 72 + 24 + 3);
    let shapes: Vec<String> = graph.node_outputs().iter().map(|&id| graph.step(id).shape.to_string()).collect();
    assert_eq!(shapes, ["2x4x4", "4x4x4", "4x4x4", "6x2x2", "6x2x2", "6x2x2", "3x1x1"]);
}

#[test]
fn names_that_look_like_scaling_blocks_stay_unique() {
    let mut net = Builder::new(Shape::new(2, 2, 2));
    net.add("b", Role::Block, &[(0, vec![])], vec![conv(1, 2)]);
    net.add("a.scale.b", Role::Block, &[(1, vec![])], vec![conv(1, 2)]);
    net.add("a", Role::Block, &[(1, vec![conv(1, 2)]), (2, vec![])], vec![Op::Sum]);
    let graph = lower(&net.finish("names"));
    let names: BTreeSet<&str> = graph.params.iter().map(|param| param.name.as_str()).collect();
    let expected = ["a.scale.b.conv1.weight", "a.scale.b~.conv1.weight", "b.conv1.weight"];
    assert_eq!(names.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_scale_becomes_its_operators_and_a_product() {
    let mut architecture = small();
    let index = architecture.nodes.iter().position(|node| node.name == "stem").expect("it has a stem");
    let squeeze = |channels| Op::Conv { window: cnasc_ir::op::Window::same(1, 1), groups: 1, channels, bias: true };
    let by = vec![Op::GlobalAvg, squeeze(2), Op::Relu, squeeze(4), Op::Sigmoid];
    architecture.nodes[index].ops.push(Op::Scale { by });
    architecture.verify().expect("a factor for each channel");
    let graph = lower(&architecture);
    graph.verify().expect("the result is a tensor graph");
    let own: Vec<String> = listing(&graph).lines().skip(3).take(7).map(str::to_owned).collect();
    insta::assert_snapshot!(own.join("\n"), @r"
    3 node 1: relu (2) 4x4x4
    4 node 1: global_avg (3) 4x1x1
    5 node 1: pointwise 2 +bias (4) 2x1x1 stem.scale1.conv1.weight stem.scale1.conv1.bias
    6 node 1: relu (5) 2x1x1
    7 node 1: pointwise 4 +bias (6) 4x1x1 stem.scale1.conv2.weight stem.scale1.conv2.bias
    8 node 1: sigmoid (7) 4x1x1
    9 node 1: mul (3 8) 4x4x4
    ");
    // 4·2 + 2 and 2·4 + 4 more than without; 8 multiply-adds each.
    let plain = lower(&small());
    assert_eq!(graph.total_params() - plain.total_params(), 10 + 12);
    assert_eq!(graph.total_macs() - plain.total_macs(), 8 + 8);
}

#[test]
fn weights_follow_their_names_and_bounds() {
    let graph = lower(&small());
    let weights = random_weights(&graph, &Seed::new(3));
    assert!(weights.fits(&graph));
    for (spec, values) in graph.params.iter().zip(&weights.tensors) {
        let bound = match spec.name.as_str() {
            // √(6 / fan-in)
            "stem.conv1.weight" => libm::sqrt(6.0 / 18.0) as f32,
            "head.linear1.weight" => 1.0,
            "body.out.weighted_sum1.gate" => 0.0,
            _ => continue,
        };
        let greatest = values.iter().fold(0.0_f32, |greatest, value| greatest.max(value.abs()));
        assert!(greatest <= bound && greatest >= 0.8 * bound, "{}: {greatest}, {bound}", spec.name);
    }
    let variance = graph.params.iter().position(|spec| spec.name == "stem.bn1.running_var").expect("the stem has one");
    // The image counts as having a mean square of 1, and He's weights double it.
    assert!(weights.tensors[variance].iter().all(|value| (1.0..3.0).contains(value) && *value > BATCH_NORM_EPSILON));
}

#[test]
fn a_parameter_keeps_its_values_when_others_change() {
    let all = lower(&small());
    let mut fewer = Builder::new(Shape::new(2, 4, 4));
    fewer.add("stem", Role::Pipeline, &[(0, vec![])], vec![conv(3, 4)]);
    let fewer = lower(&fewer.finish("fewer"));
    let (a, b) = (random_weights(&all, &Seed::new(5)), random_weights(&fewer, &Seed::new(5)));
    assert_eq!((&fewer.params[0].name, &a.tensors[0]), (&all.params[0].name, &b.tensors[0]));
    assert_ne!(a.tensors[0], random_weights(&all, &Seed::new(6)).tensors[0]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_architecture_lowers(seed in any::<u64>(), blocks in 1_usize..12) {
        let architecture = random(seed, blocks);
        let graph = lower(&architecture);
        prop_assert_eq!(graph.verify(), Ok(()));
        let outputs = graph.node_outputs();
        for (node, output) in architecture.nodes.iter().zip(outputs) {
            prop_assert_eq!(graph.step(output).shape, node.shape);
        }
        let names: BTreeSet<&str> = graph.params.iter().map(|param| param.name.as_str()).collect();
        prop_assert_eq!(names.len(), graph.params.len());
        prop_assert!(random_weights(&graph, &Seed::new(seed)).fits(&graph));
    }
}
