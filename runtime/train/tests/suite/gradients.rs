//! Every operator's gradient against central differences of the loss, along random directions in each parameter.

#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use crate::graphs::{IMAGE, conv, graph, linear, separable};
use cnasc_base::Seed;
use cnasc_ir::op::{Axis, Gate, ParamRole, Reshape, Slide, Transpose, Window};
use cnasc_ir::{Op, Shape, TensorGraph, Weights};
use cnasc_train::{Network, Noise, TrainError};

const IMAGES: usize = 3;

/// Values that keep away from the kinks of most operators, and exercise every term.
fn weights(graph: &TensorGraph, seed: &Seed) -> Weights {
    let tensors = graph.params.iter().map(|spec| {
        let mut rng = seed.child(&spec.name).rng();
        let least = if spec.role == ParamRole::Variance { 0.1 } else { -0.5 };
        (0..spec.elements()).map(|_| (rng.unit() * 1.2 + least) as f32).collect()
    });
    Weights { tensors: tensors.collect() }
}

#[track_caller]
fn check(graph: &TensorGraph) {
    let network = Network::new(graph, 2).expect("it can be trained");
    let seed = Seed::new(3);
    let mut rng = seed.child("images").rng();
    let count = IMAGES * network.input().elements() as usize;
    let images: Vec<f32> = (0..count).map(|_| (rng.unit() * 2.0 - 1.0) as f32).collect();
    let mut targets = vec![0.0; IMAGES * network.classes()];
    (0..IMAGES).for_each(|image| targets[image * network.classes() + image % network.classes()] = 1.0);
    let weights = weights(graph, &seed);
    let found = network.learn(&weights, images.clone(), targets.clone());
    let loss = |weights: &Weights| f64::from(network.learn(weights, images.clone(), targets.clone()).loss);
    for (index, spec) in graph.params.iter().enumerate().filter(|(_, spec)| spec.role.is_trained()) {
        let gradient = &found.gradients[index];
        let length = gradient.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        for direction in 0..3 {
            let mut rng = seed.child(&spec.name).nth(direction).rng();
            let mut way: Vec<f64> = (0..gradient.len()).map(|_| rng.unit() * 2.0 - 1.0).collect();
            let norm = way.iter().map(|value| value * value).sum::<f64>().sqrt();
            way.iter_mut().for_each(|value| *value /= norm);
            let step = 4e-3;
            let moved = |sign: f64| {
                let mut moved = weights.clone();
                let values = moved.tensors[index].iter_mut().zip(&way);
                values.for_each(|(value, way)| *value += (sign * step * way) as f32);
                moved
            };
            let difference = (loss(&moved(1.0)) - loss(&moved(-1.0))) / (2.0 * step);
            let told: f64 = gradient.iter().zip(&way).map(|(&gradient, way)| f64::from(gradient) * way).sum();
            let tolerance = 0.02 * length + 5e-4;
            assert!(
                (difference - told).abs() <= tolerance,
                "`{}`: the gradient says {told:.5}, the loss changes by {difference:.5} (length {length:.5})",
                spec.name
            );
        }
        assert!(length.is_finite() && length > 0.0, "`{}` has no gradient", spec.name);
    }
}

/// A convolution with parameters, the operator behind it, and a classifier: gradients of the first go through the operator.
#[track_caller]
fn behind(op: Op) {
    let input = Shape::new(2, 5, 6);
    check(&graph(input, &[(conv(3, 1, 1, 4, true), &[0]), (op, &[1]), (linear(3), &[2])]));
}

/// The same for an operator of two inputs.
#[track_caller]
fn joining(op: Op) {
    let input = Shape::new(2, 5, 5);
    check(&graph(
        input,
        &[(conv(3, 1, 1, 4, true), &[0]), (conv(1, 1, 1, 4, true), &[0]), (op, &[1, 2]), (linear(3), &[3])],
    ));
}

#[test]
fn functions_of_each_element() {
    for op in [
        Op::Relu,
        Op::Sigmoid,
        Op::Clip { min: -0.6, max: 0.7 },
        Op::LeakyRelu { slope: 0.2 },
        Op::HardSwish,
        Op::HardSigmoid { alpha: 0.2, beta: 0.5 },
    ] {
        behind(op);
    }
}

#[test]
fn softmax_and_response_normalisation() {
    Axis::ALL.into_iter().for_each(|axis| behind(Op::Softmax { axis }));
    behind(Op::Lrn { size: 3, alpha: 0.5, beta: 0.75, bias: 1.0 });
    behind(Op::Lrn { size: 2, alpha: 0.5, beta: 0.75, bias: 1.0 });
}

#[test]
fn convolutions() {
    for op in [
        conv(3, 1, 1, 3, true),
        conv(3, 2, 1, 6, false),
        conv(5, 1, 1, 2, false),
        conv(1, 1, 1, 7, true),
        conv(1, 2, 1, 3, false),
        conv(3, 1, 4, 4, false),
        conv(3, 2, 4, 4, true),
        conv(5, 1, 4, 8, false),
        conv(3, 1, 2, 6, true),
    ] {
        behind(op);
    }
    let slide = Slide { kernel: 2, stride: 2, dilation: 2, before: 0, after: 1 };
    let window = Window { rows: slide, columns: Slide::new(3, 1, 1) };
    behind(Op::Conv { window, groups: 2, channels: 4, bias: true });
}

#[test]
fn norms() {
    behind(Op::BatchNorm);
}

#[test]
fn pools() {
    behind(Op::max_pool(2, 2));
    behind(Op::MaxPool { window: Window::square(3, 2, 1) });
    behind(Op::avg_pool(2, 2));
    behind(Op::AvgPool { window: Window::square(3, 2, 1), counted: [0; 4] });
    behind(Op::AvgPool { window: Window::square(3, 1, 1), counted: [1; 4] });
    behind(Op::GlobalAvg);
}

#[test]
fn joins() {
    for op in [
        Op::WeightedSum { gate: Gate::SigmoidWeights },
        Op::WeightedSum { gate: Gate::SigmoidInputs },
        Op::WeightedSum { gate: Gate::Plain },
        Op::Sum,
        Op::Mean,
        Op::Concat { axis: Axis::Channels },
        Op::Concat { axis: Axis::Rows },
        Op::Add,
        Op::Sub,
        Op::Mul,
        Op::MatMul,
    ] {
        joining(op);
    }
}

#[test]
fn quotients_and_extents_of_one() {
    let input = Shape::new(2, 4, 5);
    let squeezed: &[(Op, &[usize])] = &[
        (conv(3, 1, 1, 4, true), &[0]),
        (Op::GlobalAvg, &[1]),
        (conv(1, 1, 1, 4, true), &[2]),
        (Op::HardSigmoid { alpha: 0.1, beta: 0.6 }, &[3]),
        (Op::Div, &[1, 4]),
        (linear(3), &[5]),
    ];
    check(&graph(input, squeezed));
}

#[test]
fn moves() {
    behind(Op::Transpose(Transpose { axes: [Axis::Rows, Axis::Channels, Axis::Columns] }));
    behind(Op::Reshape(Reshape { shape: Shape::new(10, 4, 3) }));
}

#[test]
fn separable_blocks() {
    check(&separable(5));
}

#[test]
fn a_softmax_at_the_end_is_in_the_loss() {
    let input = Shape::new(1, 2, 2);
    let plain = graph(input, &[(linear(3), &[0])]);
    let ended = graph(input, &[(linear(3), &[0]), (Op::Softmax { axis: Axis::Channels }, &[1])]);
    let learn = |graph: &TensorGraph| {
        let weights = weights(graph, &Seed::new(1));
        Network::new(graph, 2).expect("it can be trained").learn(
            &weights,
            vec![0.1, 0.2, 0.3, 0.4],
            vec![1.0, 0.0, 0.0],
        )
    };
    assert_eq!(learn(&plain), learn(&ended));
}

#[test]
fn what_is_lacking_is_named_with_its_node() {
    let pad = Op::Reduce(cnasc_ir::op::Reduce {
        to: cnasc_ir::op::Reduction::Max,
        axes: [Axis::Rows, Axis::Columns].into_iter().collect(),
    });
    let graph = graph(Shape::new(1, 4, 4), &[(conv(3, 1, 1, 2, true), &[0]), (pad, &[1]), (linear(2), &[2])]);
    let Err(TrainError::Lacks { node, operator }) = Network::new(&graph, 2) else { panic!("it lacks one") };
    assert_eq!(node.0, 2);
    assert!(operator.contains("max"), "{operator}");
}

/// Kernels of our own and burn's operators come to the same values, gradients and statistics, and threads change not a bit.
#[test]
fn our_kernels_agree_with_burn() {
    let pools = graph(
        IMAGE,
        &[
            (conv(5, 2, 1, 6, true), &[0]),
            (Op::Relu, &[1]),
            (conv(5, 2, 6, 6, false), &[2]),
            (Op::BatchNorm, &[3]),
            (Op::Sum, &[4, 4, 4]),
            (Op::MaxPool { window: Window::square(3, 1, 1) }, &[5]),
            (Op::MaxPool { window: Window { rows: Slide::new(2, 1, 0), columns: Slide::new(1, 1, 0) } }, &[4]),
            (Op::WeightedSum { gate: Gate::Plain }, &[5, 4, 6, 5, 4, 4, 5, 5, 6, 4]),
            (Op::Concat { axis: Axis::Rows }, &[7, 8]),
            // The same as step 6.
            (Op::MaxPool { window: Window::square(3, 1, 1) }, &[5]),
            (Op::Concat { axis: Axis::Columns }, &[6, 10]),
            (conv(1, 2, 1, 3, true), &[11]),
            (Op::GlobalAvg, &[12]),
            (Op::Concat { axis: Axis::Channels }, &[13, 13]),
            (Op::GlobalAvg, &[9]),
            (Op::Concat { axis: Axis::Channels }, &[14, 15]),
            (linear(3), &[16]),
        ],
    );
    // More channels than a vector has, and not a multiple of that.
    let many = graph(
        IMAGE,
        &[
            (conv(3, 1, 1, 20, false), &[0]),
            (Op::BatchNorm, &[1]),
            (Op::Relu, &[2]),
            (Op::max_pool(2, 2), &[3]),
            (Op::Relu, &[4]),
            (conv(3, 2, 20, 20, false), &[5]),
            (conv(1, 1, 1, 33, false), &[6]),
            (Op::BatchNorm, &[7]),
            (Op::Relu, &[8]),
            (conv(3, 2, 1, 17, true), &[9]),
            (linear(21), &[10]),
            (linear(3), &[11]),
        ],
    );
    // Rows that no window's edge reaches, and others.
    let wide = graph(
        Shape::new(1, 4, 16),
        &[
            (conv(5, 1, 1, 6, true), &[0]),
            (Op::Relu, &[1]),
            (conv(3, 1, 1, 18, false), &[2]),
            (Op::BatchNorm, &[3]),
            (conv(3, 1, 1, 5, true), &[4]),
            (linear(3), &[5]),
        ],
    );
    for graph in [separable(7), pools, many, wide] {
        let ours = Network::new(&graph, 2).expect("it can be trained");
        let burns = Network::new(&graph, 1).expect("it can be trained").by_burn();
        let weights = weights(&graph, &Seed::new(5));
        let mut rng = Seed::new(6).rng();
        let images: Vec<f32> = (0..20 * 64).map(|_| (rng.unit() * 2.0 - 1.0) as f32).collect();
        let targets = vec![1.0 / ours.classes() as f32; 20 * ours.classes()];
        let [found, wanted] = [&ours, &burns].map(|network| network.learn(&weights, images.clone(), targets.clone()));
        let close = |a: &[f32], b: &[f32]| {
            let most = b.iter().fold(1e-3_f32, |most, value| most.max(value.abs()));
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 2e-4 * most)
        };
        assert!(close(&[found.loss], &[wanted.loss]) && close(&found.logits, &wanted.logits));
        for ((found, wanted), spec) in found.gradients.iter().zip(&wanted.gradients).zip(&graph.params) {
            assert!(close(found, wanted), "`{}`: {found:?} {wanted:?}", spec.name);
        }
        let answers = [&ours, &burns].map(|network| network.classify(&weights, images.clone()));
        assert!(close(&answers[0], &answers[1]));
        for threads in [1, 3] {
            let other = Network::new(&graph, threads).expect("it can be trained");
            assert_eq!(other.learn(&weights, images.clone(), targets.clone()), found);
        }
    }
}

/// A node that does without an input computes what it would if it had never had it.
#[test]
fn edges_are_left_out() {
    let input = Shape::new(1, 3, 3);
    let gate = Gate::SigmoidWeights;
    let branches = |op: Op, inputs: &'static [usize]| {
        graph(input, &[(conv(3, 1, 1, 2, true), &[0]), (conv(1, 1, 1, 2, true), &[0]), (op, inputs), (linear(2), &[3])])
    };
    for (op, single) in [(Op::WeightedSum { gate }, Op::WeightedSum { gate }), (Op::Sum, Op::Sum), (Op::Mean, Op::Mean)]
    {
        let both = branches(op, &[1, 2]);
        let mut weights = weights(&both, &Seed::new(1));
        let seeds = (0..50).map(|seed| Noise { edge: 1.0, ..Noise::default() }.drawn(&Seed::new(seed)));
        let learn = |graph: &TensorGraph, weights: &Weights, lots| {
            let network = Network::new(graph, 1).expect("it can be trained");
            network.learn_with(weights, vec![0.5; 9], vec![1.0, 0.0], lots)
        };
        let found: Vec<Vec<f32>> = seeds.map(|lots| learn(&both, &weights, lots).logits).collect();
        let nothing = || Noise::default().drawn(&Seed::new(0));
        assert!(!found.contains(&learn(&both, &weights, nothing()).logits), "an edge is left out each time");
        let kept = [branches(single.clone(), &[1]), branches(single, &[2])].map(|alone| {
            if let Some(index) = alone.params.iter().position(|spec| spec.name.ends_with("gate")) {
                // The only gate must be the same, whichever was kept.
                weights.tensors[index] = vec![0.25, 0.25];
                let mut one = weights.clone();
                one.tensors[index] = vec![0.25];
                return learn(&alone, &one, nothing()).logits;
            }
            learn(&alone, &weights, nothing()).logits
        });
        let again: Vec<Vec<f32>> = (0..50)
            .map(|seed| learn(&both, &weights, Noise { edge: 1.0, ..Noise::default() }.drawn(&Seed::new(seed))).logits)
            .collect();
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(again.iter().all(|logits| kept.iter().any(|kept| near(kept, logits))), "{again:?} {kept:?}");
        assert!(kept.iter().all(|kept| again.iter().any(|logits| near(kept, logits))), "each is kept at times");
    }
}

/// Of an image that all inputs but one are taken from, only that one learns, and twice as much passes it.
#[test]
fn paths_are_left_out() {
    let input = Shape::new(1, 3, 3);
    for op in [Op::WeightedSum { gate: Gate::Plain }, Op::Sum, Op::Mean] {
        let steps: &[(Op, &[usize])] =
            &[(conv(3, 1, 1, 2, false), &[0]), (conv(1, 1, 1, 2, false), &[0]), (op, &[1, 2]), (linear(2), &[3])];
        let both = graph(input, steps);
        let network = Network::new(&both, 1).expect("it can be trained");
        let mut weights = weights(&both, &Seed::new(1));
        let learn = |weights: &Weights, path: f32, seed: u64| {
            let lots = Noise { path, ..Noise::default() }.drawn(&Seed::new(seed));
            network.learn_with(weights, vec![0.5; 9], vec![1.0, 0.0], lots)
        };
        let mut learnt = [0, 0];
        for seed in 0..30 {
            let found = learn(&weights, 1.0, seed);
            let learns = [0, 1].map(|branch: usize| found.gradients[branch].iter().any(|gradient| *gradient != 0.0));
            assert_ne!(learns[0], learns[1], "one of two paths stays");
            learnt[usize::from(learns[1])] += 1;
            // The other branch without weights and this one doubled compute the same.
            let kept = weights.clone();
            weights.tensors[usize::from(learns[0])].fill(0.0);
            weights.tensors[usize::from(learns[1])].iter_mut().for_each(|weight| *weight *= 2.0);
            let plain = learn(&weights, 0.0, seed);
            assert!(found.logits.iter().zip(&plain.logits).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?} {plain:?}");
            weights = kept;
        }
        assert!(learnt.iter().all(|&times| times > 5), "{learnt:?}");
    }
}

/// Products in bfloat16 have eight bits, so that losses and gradients come near those in single precision, and are not these.
#[test]
fn mixed_precision_comes_near() {
    let graph = separable(7);
    let single = Network::new(&graph, 1).expect("it can be trained").by_burn();
    let mixed = Network::new(&graph, 1).expect("it can be trained").by_burn().mixed().expect("burn has bfloat16");
    let weights = weights(&graph, &Seed::new(5));
    let mut rng = Seed::new(6).rng();
    let images: Vec<f32> = (0..20 * 64).map(|_| (rng.unit() * 2.0 - 1.0) as f32).collect();
    let targets = vec![1.0 / single.classes() as f32; 20 * single.classes()];
    let [exact, near] = [&single, &mixed].map(|network| network.learn(&weights, images.clone(), targets.clone()));
    assert_ne!(exact.loss, near.loss);
    assert!((exact.loss - near.loss).abs() < 0.02 * exact.loss, "{} {}", exact.loss, near.loss);
    let (mut dot, mut lengths) = (0.0, [0.0, 0.0]);
    for (exact, near) in exact.gradients.iter().flatten().zip(near.gradients.iter().flatten()) {
        dot += exact * near;
        lengths = [lengths[0] + exact * exact, lengths[1] + near * near];
    }
    let cosine = dot / (lengths[0] * lengths[1]).sqrt();
    assert!(cosine > 0.99, "the gradients point the same way: {cosine}");
    let refused = Network::new(&graph, 1).expect("it can be trained").mixed();
    assert!(matches!(refused, Err(TrainError::Absent(_))), "kernels of our own compute in single precision");
}
