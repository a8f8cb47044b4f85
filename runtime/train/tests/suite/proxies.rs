//! Proxies of networks so small that the figures are closed forms.

use crate::graphs::{conv, graph, linear, patterns, separable};
use cnasc_ir::op::ParamRole;
use cnasc_ir::{Op, Shape, TensorGraph, Weights};
use cnasc_train::proxy::{Batch, Proxy};
use cnasc_train::{TrainError, initial_weights};

const TWO: Shape = Shape { channels: 2, height: 1, width: 1 };

#[track_caller]
fn check(proxy: Proxy, graph: &TensorGraph, weights: &Weights, images: &[f32], expected: f64) {
    let classes: Vec<usize> =
        (0..images.len() / graph.steps[0].shape.elements() as usize).map(|image| image % 2).collect();
    let found = proxy.measure(graph, weights, Batch { images, classes: &classes, seed: 1 }).expect("it fits");
    assert!((found - expected).abs() < 1e-4 * expected.abs().max(1.0), "{found}, expected {expected}");
}

/// Two numbers → two classes, with these weights and no bias.
fn one_layer(weights: [f32; 4]) -> (TensorGraph, Weights) {
    (graph(TWO, &[(linear(2), &[0])]), Weights { tensors: vec![weights.to_vec(), vec![0.0; 2]] })
}

#[test]
fn the_length_of_one_layers_gradient() {
    // Both classes are as likely, so that the gradient of each image's output is ±1/2; over two images of one kind each it is half that.
    let (graph, weights) = one_layer([0.0; 4]);
    let images = [3.0, 0.0, 0.0, 4.0];
    // Of the weights ±1/4 · (3, 4) in both rows, of the bias nothing, as the images pull it both ways.
    check(Proxy::GradNorm, &graph, &weights, &images, (2.0_f64).sqrt() * 5.0 / 4.0);
}

#[test]
fn the_flow_through_one_layer_and_two() {
    let (one, weights) = one_layer([1.0, -2.0, 3.0, -4.0]);
    check(Proxy::Synflow, &one, &weights, &[0.0; 4], libm::log(10.0));
    // Each parameter has a share in what its layer passes, all of which is 10 · 3 here, as the second layer's columns sum to 3.
    let two = graph(TWO, &[(linear(2), &[0]), (linear(2), &[1])]);
    let second = vec![1.0, -1.0, -2.0, 2.0];
    let tensors = vec![weights.tensors[0].clone(), vec![0.0; 2], second, vec![0.0; 2]];
    check(Proxy::Synflow, &two, &Weights { tensors }, &[0.0; 4], libm::log(2.0 * 30.0));
}

#[test]
fn flow_knows_neither_batch_norms_nor_images() {
    let graph = separable(4);
    let mut weights = initial_weights(&graph, 3);
    let images = vec![0.5; 2 * 64];
    let batch = |images| Batch { images, classes: &[0, 1], seed: 1 };
    let first = Proxy::Synflow.measure(&graph, &weights, batch(&images)).expect("it fits");
    for (values, spec) in weights.tensors.iter_mut().zip(&graph.params) {
        match spec.role {
            ParamRole::Scale | ParamRole::Shift | ParamRole::Mean | ParamRole::Variance => values.fill(7.0),
            ParamRole::Weight => values.iter_mut().for_each(|value| *value = -*value),
            _ => {}
        }
    }
    let second = Proxy::Synflow.measure(&graph, &weights, batch(&vec![-9.0; 2 * 64])).expect("it fits");
    assert!(first.is_finite() && (first - second).abs() < 1e-9, "{first} {second}");
}

#[test]
fn images_are_told_apart_by_their_relus() {
    let ops: &[(Op, &[usize])] = &[(Op::Relu, &[0]), (linear(2), &[1])];
    let (graph, weights) = (graph(TWO, ops), one_layer([1.0; 4]).1);
    // Codes 10 and 11 agree in one of two: [2 1; 1 2].
    check(Proxy::Naswot, &graph, &weights, &[1.0, -1.0, 1.0, 1.0], libm::log(3.0));
    // Codes 10 and 01 agree in none: [2 0; 0 2].
    check(Proxy::Naswot, &graph, &weights, &[1.0, -1.0, -1.0, 1.0], libm::log(4.0));
    let alike = Batch { images: &[1.0, -1.0, 2.0, -2.0], classes: &[0, 1], seed: 1 };
    assert_eq!(Proxy::Naswot.measure(&graph, &weights, alike), Ok(f64::NEG_INFINITY));
}

#[test]
fn gradients_of_a_linear_network_are_all_alike() {
    let (graph, weights) = one_layer([1.0, -2.0, 3.0, -5.0]);
    // Correlations are 1, so that the eigenvalues are 2 and 0.
    let floor = 1e-5_f64;
    let of = |value: f64| libm::log(value + floor) + 1.0 / (value + floor);
    let (found, expected) = (&[0.3, 0.1, 0.9, -0.4], -of(2.0) - of(0.0));
    check(Proxy::JacobCov, &graph, &weights, found, expected);
}

#[test]
fn noise_moves_a_scaled_network_as_much_further() {
    let make = |norm: bool| {
        let mut ops: Vec<(Op, &[usize])> = vec![(conv(1, 1, 1, 3, false), &[0])];
        if norm {
            ops.push((Op::BatchNorm, &[1]));
        }
        let last: &[usize] = if norm { &[2] } else { &[1] };
        let pooled: &[usize] = if norm { &[3] } else { &[2] };
        ops.extend([(Op::GlobalAvg, last), (linear(2), pooled)]);
        graph(Shape { channels: 2, height: 4, width: 4 }, &ops)
    };
    // Batch norms divide by the deviation, which is put back: the same growth with one and without.
    for norm in [false, true] {
        let graph = make(norm);
        let mut weights = initial_weights(&graph, 5);
        let images = vec![0.0; 4 * 32];
        let batch = Batch { images: &images, classes: &[0, 1, 0, 1], seed: 1 };
        let before = Proxy::Zen.measure(&graph, &weights, batch).expect("it fits");
        weights.tensors[0].iter_mut().for_each(|value| *value *= 8.0);
        let after = Proxy::Zen.measure(&graph, &weights, batch).expect("it fits");
        assert!((after - before - libm::log(8.0)).abs() < 1e-3, "{norm}: {before} {after}");
    }
}

#[test]
fn every_proxy_has_a_figure_of_a_network_of_blocks() {
    let (graph, images) = (separable(4), patterns(8, 2));
    let pixels: Vec<f32> = images.pixels.iter().map(|&pixel| f32::from(pixel) / 255.0 - 0.5).collect();
    let classes: Vec<usize> = images.labels.iter().map(|&label| label.into()).collect();
    let weights = initial_weights(&graph, 1);
    let batch = Batch { images: &pixels, classes: &classes, seed: 1 };
    for proxy in Proxy::ALL {
        let found = proxy.measure(&graph, &weights, batch).expect("it fits");
        assert!(found.is_finite(), "{proxy:?}: {found}");
        assert_eq!(proxy.measure(&graph, &weights, batch), Ok(found), "{proxy:?} repeats");
    }
    let short = Batch { images: &pixels[1..], ..batch };
    assert!(matches!(Proxy::Zen.measure(&graph, &weights, short), Err(TrainError::Unfit(_))));
}
