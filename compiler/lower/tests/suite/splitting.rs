//! Networks in parts give the answers of the whole; the work of a layer's parts adds up to its own, but for rows at the seams.

use crate::interpret::evaluate;
use crate::networks::{Builder, conv, depthwise, random, small};
use cnasc_base::Seed;
use cnasc_ir::architecture::{NodeId, Role};
use cnasc_ir::op::{Axis, ParamRole, Window};
use cnasc_ir::split::{Cut, PieceKind};
use cnasc_ir::text::short;
use cnasc_ir::{Architecture, Op, Shape, Split, TensorGraph, Weights};
use cnasc_lower::{cut_weights, lower, random_weights, split};
use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};

/// Every node cut so, as far as it can be.
fn everywhere(architecture: &Architecture, axis: Axis, shares: &[f64]) -> Split {
    let cut = Some(Cut { axis, shares: shares.to_vec() });
    split(architecture, &vec![cut; architecture.nodes.len()]).expect("names are short")
}

/// Seeded weights; gates differ from each other.
fn weights(graph: &TensorGraph, seed: u64) -> Weights {
    let mut weights = random_weights(graph, &Seed::new(seed));
    for (spec, values) in graph.params.iter().zip(&mut weights.tensors) {
        if spec.role == ParamRole::Gate {
            values.iter_mut().enumerate().for_each(|(index, value)| *value = 0.3 * index as f32 - 0.4);
        }
    }
    weights
}

/// The greatest difference of the answers, relative to the largest output.
fn difference(architecture: &Architecture, split: &Split, seed: u64) -> f64 {
    split.architecture.verify().expect("a split network is a network");
    let graph = lower(architecture);
    let weights = weights(&graph, seed);
    let parts = lower(&split.architecture);
    parts.verify().expect("lowered from a network");
    let cut = cut_weights(&graph, &weights, split, &parts);
    let mut rng = Seed::new(seed).child("image").rng();
    let image: Vec<f64> = (0..architecture.input().elements()).map(|_| 2.0 * rng.unit() - 1.0).collect();
    let answer = |graph: &TensorGraph, weights: &Weights| evaluate(graph, weights, &image).pop().expect("an answer");
    let (wanted, found) = (answer(&graph, &weights), answer(&parts, &cut));
    let largest = wanted.iter().fold(1e-6_f64, |largest, value| largest.max(value.abs()));
    assert_eq!(wanted.len(), found.len());
    wanted.iter().zip(&found).map(|(a, b)| (a - b).abs() / largest).fold(0.0, f64::max)
}

fn names(split: &Split) -> String {
    split.architecture.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(" ")
}

/// FLOPs and parameters of the parts of each node that was cut, and how many there are.
fn of_parts(split: &Split, node: NodeId) -> (u64, u64, usize) {
    let graph = lower(&split.architecture);
    let (mut flops, mut params, mut count) = (0, 0, 0);
    for (index, piece) in split.pieces.iter().enumerate() {
        let of_it = piece.origins.iter().flatten().any(|origin| origin.node == node);
        if matches!(piece.kind, PieceKind::Part(_)) && of_it {
            count += 1;
            for step in graph.steps.iter().filter(|step| step.node.index() == index) {
                flops += graph.flops(step);
                params += step.params.iter().map(|id| graph.params[id.index()].elements()).sum::<u64>();
            }
        }
    }
    (flops, params, count)
}

/// conv → depthwise → pointwise → linear, a node each.
fn chain() -> Architecture {
    let mut net = Builder::new(Shape::new(3, 12, 10));
    let first = net.add("first", Role::Block, &[(0, vec![])], vec![conv(3, 8), Op::Relu]);
    let second = net.add("second", Role::Block, &[(first, vec![])], vec![depthwise(8), Op::BatchNorm]);
    let third = net.add("third", Role::Block, &[(second, vec![])], vec![conv(1, 6)]);
    net.add("head", Role::Pipeline, &[(third, vec![])], vec![Op::Linear { outputs: 5, bias: true }]);
    net.finish("chain")
}

/// A layer's work is that of its parts, whichever way it is cut; so are its weights by channels, while by rows each part has all.
#[test]
fn work_and_weights_add_up() {
    let network = chain();
    let graph = lower(&network);
    for (axis, parts) in [(Axis::Channels, 2), (Axis::Channels, 4), (Axis::Rows, 2), (Axis::Rows, 3)] {
        let cut = everywhere(&network, axis, &vec![1.0; parts]);
        for name in ["first", "second", "third", "head"] {
            let id = network.ids().find(|&id| network.node(id).name == name).expect("it is there");
            let steps = graph.steps.iter().filter(|step| step.node == id);
            let flops: u64 = steps.clone().map(|step| graph.flops(step)).sum();
            let params: u64 =
                steps.flat_map(|step| &step.params).map(|param| graph.params[param.index()].elements()).sum();
            let found = of_parts(&cut, id);
            let wanted = match (axis, name) {
                (Axis::Rows, "head") => (0, 0, 0),
                (Axis::Rows, _) => (flops, params * parts as u64, parts),
                _ => (flops, params, parts),
            };
            assert_eq!(found, wanted, "{name} by {axis} in {parts}");
        }
    }
}

/// Parts cut alike exchange the rows at their seams and no more: a 3×3 convolution needs one row of its neighbour.
#[test]
fn rows_at_the_seams_alone_are_exchanged() {
    let mut net = Builder::new(Shape::new(2, 8, 8));
    let first = net.add("first", Role::Block, &[(0, vec![])], vec![conv(3, 4)]);
    net.add("last", Role::Block, &[(first, vec![])], vec![conv(3, 4)]);
    let cut = everywhere(&net.finish("two"), Axis::Rows, &[1.0, 1.0]);
    let wanted = "image image.rows.0-5 first#1 image.rows.3-8 first#2 first#2.rows.0-1 first.rows.0-5 last#1 \
                  first#1.rows.3-4 first.rows.3-8 last#2 last";
    assert_eq!(names(&cut), wanted, "{}", short(&cut.architecture, false));
}

/// Channels of a depthwise convolution need the same channels alone, so that nothing is gathered before it.
#[test]
fn channels_stay_where_they_are_as_long_as_they_can() {
    let cut = everywhere(&chain(), Axis::Channels, &[1.0, 1.0]);
    let wanted = "image first#1 first#2 second#1 second#2 second third#1 third#2 third head#1 head#2 head";
    assert_eq!(names(&cut), wanted, "{}", short(&cut.architecture, false));
    assert_eq!(cut.in_parts().len(), 4);
}

#[test]
fn a_network_by_hand_gives_the_same_in_parts() {
    for axis in [Axis::Channels, Axis::Rows] {
        for shares in [&[1.0, 1.0][..], &[1.0, 2.0, 1.0], &[0.0, 1.0, 0.0, 3.0]] {
            for network in [small(), chain()] {
                let cut = everywhere(&network, axis, shares);
                assert!(!cut.in_parts().is_empty(), "{} by {axis}", network.name);
                let off = difference(&network, &cut, 3);
                assert!(off < 1e-12, "{} by {axis} in {shares:?}: {off}", network.name);
            }
        }
    }
}

/// Padding stays at the edges of the image, with windows of every kind; a stride leaves rows out.
#[test]
fn windows_over_the_seams() {
    let slides = [Window::square(3, 1, 1), Window::square(5, 2, 2), Window::square(2, 2, 0), Window::square(3, 3, 1)];
    for window in slides {
        let ops = [
            Op::Conv { window, groups: 1, channels: 4, bias: true },
            Op::MaxPool { window },
            Op::AvgPool { window, counted: [0; 4] },
        ];
        for op in ops {
            let mut net = Builder::new(Shape::new(4, 13, 9));
            let first = net.add("first", Role::Block, &[(0, vec![])], vec![op.clone()]);
            net.add("last", Role::Block, &[(first, vec![])], vec![conv(3, 4)]);
            let network = net.finish("windows");
            let off = difference(&network, &everywhere(&network, Axis::Rows, &[1.0, 1.0, 1.0]), 1);
            assert!(off < 1e-12, "{op}: {off}");
        }
    }
}

/// A scale is several steps of a tensor graph: it stays whole, and what follows it finds its weights.
#[test]
fn scales_stay_whole() {
    let by = vec![Op::GlobalAvg, conv(1, 4), Op::Relu, conv(1, 8), Op::Sigmoid];
    let mut net = Builder::new(Shape::new(3, 8, 8));
    let ops = vec![conv(3, 8), Op::Scale { by }, conv(3, 6), Op::BatchNorm];
    let first = net.add("first", Role::Block, &[(0, vec![])], ops);
    net.add("head", Role::Pipeline, &[(first, vec![])], vec![Op::Linear { outputs: 5, bias: true }]);
    let network = net.finish("scaled");
    for axis in [Axis::Channels, Axis::Rows] {
        let off = difference(&network, &everywhere(&network, axis, &[1.0, 1.0]), 5);
        assert!(off < 1e-12, "by {axis}: {off}");
    }
}

#[test]
fn what_is_not_cut_stays() {
    let network = small();
    let whole = split(&network, &[]).expect("names are short");
    assert_eq!(whole.architecture, network);
    assert!(whole.in_parts().is_empty());
    assert_eq!(everywhere(&network, Axis::Columns, &[1.0, 1.0]).architecture, network);
    assert_eq!(everywhere(&network, Axis::Rows, &[1.0]).architecture, network);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Any operators, any joins, each node cut in a way of its own.
    #[test]
    fn random_networks_give_the_same_in_parts(seed in any::<u32>(), blocks in 1_usize..8, way in any::<u64>()) {
        let network = random(u64::from(seed), blocks);
        let mut rng = Seed::new(way).rng();
        let cuts: Vec<Option<Cut>> = (0..network.nodes.len())
            .map(|_| {
                let axis = [Axis::Channels, Axis::Rows, Axis::Columns][rng.below(3)];
                let shares = (0..1 + rng.below(4)).map(|_| rng.below(3) as f64).collect();
                Some(Cut { axis, shares }).filter(|_| rng.chance(0.8))
            })
            .collect();
        let cut = split(&network, &cuts).expect("names are short");
        let off = difference(&network, &cut, way);
        prop_assert!(off < 1e-10, "{off}");
    }
}
