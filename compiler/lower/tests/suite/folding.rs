//! Folding keeps the meaning of every node, keeps the invariants after every pass, and leaves only what kernels execute.

use crate::interpret::evaluate;
use crate::lowering::listing;
use crate::networks::{Builder, conv, random, small};
use cnasc_base::Seed;
use cnasc_ir::architecture::Role;
use cnasc_ir::op::{Axis, Gate, ParamRole};
use cnasc_ir::{Architecture, Op, Shape, TensorGraph, Weights};
use cnasc_lower::{PASSES, fold, lower, random_weights};
use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};

/// Seeded weights, and gates that differ from each other.
fn weights(graph: &TensorGraph, seed: u64) -> Weights {
    let mut weights = random_weights(graph, &Seed::new(seed));
    let mut rng = Seed::new(seed).child("gates").rng();
    for (spec, values) in graph.params.iter().zip(&mut weights.tensors) {
        if spec.role == ParamRole::Gate {
            values.iter_mut().for_each(|value| *value = (4.0 * rng.unit() - 2.0) as f32);
        }
    }
    weights
}

fn image(shape: Shape, seed: u64) -> Vec<f64> {
    let mut rng = Seed::new(seed).child("image").rng();
    (0..shape.elements()).map(|_| 2.0 * rng.unit() - 1.0).collect()
}

/// Runs pass after pass and compares every node's output with that before all of them.
fn check(architecture: &Architecture, seed: u64) -> Result<TensorGraph, String> {
    let graph = lower(architecture);
    let weights = weights(&graph, seed);
    let image = image(architecture.input(), seed);
    let expected = evaluate(&graph, &weights, &image);
    let (mut folded, mut values) = (graph.clone(), weights.clone());
    for pass in PASSES {
        (pass.run)(&mut folded, &mut values);
        folded.verify().map_err(|error| format!("after {}: {error}", pass.name))?;
        if !values.fits(&folded) {
            return Err(format!("after {}: the weights do not fit", pass.name));
        }
        let found = evaluate(&folded, &values, &image);
        for (node, (was, is)) in graph.node_outputs().iter().zip(folded.node_outputs()).enumerate() {
            let difference = difference(&expected[was.index()], &found[is.index()]);
            if difference.is_nan() || difference > 1e-4 {
                return Err(format!("after {}: node {node} differs by {difference}\n{}", pass.name, listing(&graph)));
            }
        }
    }
    if (folded.clone(), values) != fold(&graph, &weights) {
        return Err("fold is not its passes".to_owned());
    }
    Ok(folded)
}

/// The greatest difference relative to the largest expected value.
fn difference(expected: &[f64], found: &[f64]) -> f64 {
    assert_eq!(expected.len(), found.len());
    let largest = expected.iter().fold(1e-6_f64, |largest, value| largest.max(value.abs()));
    // A sum, because a maximum would lose what is not a number.
    expected.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0_f64, |worst, d| if d <= worst { worst } else { d })
        / largest
}

#[test]
fn small_network() {
    let folded = check(&small(), 1).expect("folding keeps the meaning");
    insta::assert_snapshot!(listing(&folded), @r"
     0 node 0: input () 2x4x4
     1 node 1: conv3 4 +bias (0) 4x4x4 stem.conv1.weight stem.conv1.bias
     2 node 1: relu (1) 4x4x4
     3 node 2: depthwise3 (2) 4x4x4 body.0.conv1.weight
     4 node 2: pointwise 4 +bias (3) 4x4x4 body.0.conv2.weight body.0.conv2.bias
     5 node 3: maxpool2 (2) 4x2x2
     6 node 3: pointwise 6 (5) 6x2x2 body.1.conv1.weight
     7 node 4: maxpool2 (4) 4x2x2
     8 node 4: pointwise 6 (7) 6x2x2 body.out.scale.body.0.conv1.weight
     9 node 4: weighted(plain) (8 6) 6x2x2 body.out.weighted_sum1.gate
    10 node 5: sum (9) 6x2x2
    11 node 6: global_avg (10) 6x1x1
    12 node 6: linear 3 (11) 3x1x1 head.linear1.weight head.linear1.bias
    ");
}

#[test]
fn a_batch_norm_with_nothing_to_go_into_is_depthwise() {
    let mut net = Builder::new(Shape::new(2, 4, 4));
    net.add("a", Role::Block, &[(0, vec![])], vec![Op::BatchNorm, Op::Relu, Op::BatchNorm, Op::BatchNorm]);
    // The convolution of `b` is the node's output, so that the batch norm of `c` can't go into it.
    net.add("b", Role::Block, &[(1, vec![])], vec![conv(3, 3)]);
    net.add("c", Role::Block, &[(2, vec![])], vec![Op::BatchNorm]);
    let folded = check(&net.finish("lone"), 2).expect("folding keeps the meaning");
    insta::assert_snapshot!(listing(&folded), @r"
    0 node 0: input () 2x4x4
    1 node 1: depthwise1 +bias (0) 2x4x4 a.bn1.weight a.bn1.bias
    2 node 1: relu (1) 2x4x4
    3 node 1: depthwise1 +bias (2) 2x4x4 a.bn2.weight a.bn2.bias
    4 node 1: depthwise1 +bias (3) 2x4x4 a.bn3.weight a.bn3.bias
    5 node 2: conv3 3 (4) 3x4x4 b.conv1.weight
    6 node 3: depthwise1 +bias (5) 3x4x4 c.bn1.weight c.bn1.bias
    ");
}

#[test]
fn steps_that_change_nothing_go_and_keep_the_output_of_their_node() {
    let mut net = Builder::new(Shape::new(2, 4, 4));
    net.add("first", Role::Block, &[(0, vec![])], vec![Op::Mean, conv(3, 2), Op::Sum, Op::BatchNorm]);
    net.add("last", Role::Block, &[(1, vec![])], vec![Op::Relu, Op::Mean, Op::Concat { axis: Axis::Channels }]);
    net.add("only", Role::Block, &[(2, vec![])], vec![Op::Mean, Op::Sum]);
    let folded = check(&net.finish("identities"), 3).expect("folding keeps the meaning");
    insta::assert_snapshot!(listing(&folded), @r"
    0 node 0: input () 2x4x4
    1 node 1: conv3 2 +bias (0) 2x4x4 first.conv1.weight first.conv1.bias
    2 node 2: relu (1) 2x4x4
    3 node 3: sum (2) 2x4x4
    ");
}

#[test]
fn the_list_of_passes() {
    let list: String = PASSES.iter().map(|pass| format!("{}: {}\n", pass.name, pass.about)).collect();
    insta::assert_snapshot!(list, @r"
    gates: computes the sigmoid of the gates of weighted sums
    identities: takes out steps that hand their only input on
    batch-norm: moves batch norm into the convolution or linear layer before it in the node
    lone-batch-norm: turns the batch norms that are left into depthwise convolutions
    unused: drops parameters that no step reads
    ");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn folding_keeps_the_meaning(seed in any::<u64>(), blocks in 1_usize..10) {
        let folded = check(&random(seed, blocks), seed).map_err(proptest::test_runner::TestCaseError::fail)?;
        let left = |op: &Op| *op == Op::BatchNorm || *op == (Op::WeightedSum { gate: Gate::SigmoidWeights });
        prop_assert!(!folded.steps.iter().any(|step| left(&step.op)));
        let kept = |role: ParamRole| matches!(role, ParamRole::Weight | ParamRole::Bias | ParamRole::Gate);
        prop_assert!(folded.params.iter().all(|param| kept(param.role)));
    }
}

#[test]
fn deep_and_dense_networks_stay_finite() {
    let mut net = Builder::new(Shape::new(2, 4, 4));
    for index in 0..60 {
        let all: Vec<usize> = (0..=index).collect();
        let mut ops = vec![Op::WeightedSum { gate: Gate::SigmoidWeights }, Op::Relu, conv(3, 2), Op::BatchNorm];
        if index == 0 {
            ops.remove(0);
        }
        net.add(&format!("n{index}"), Role::Block, &net.meet(&all, None), ops);
    }
    let graph = lower(&net.finish("complete"));
    let weights = random_weights(&graph, &Seed::new(4));
    let answer = evaluate(&graph, &weights, &image(Shape::new(2, 4, 4), 4)).pop().expect("it has an answer");
    let largest = answer.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    assert!((1e-2..1e2).contains(&largest), "{largest}");
}
