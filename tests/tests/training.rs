//! What training computes of an image is what every backend computes: drawn networks against plain loops, known ones against compiled
//! kernels, before and after a few steps of learning.

#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use cnasc_base::Seed;
use cnasc_bundle::{Bundle, layout};
use cnasc_fleet::Local;
use cnasc_ir::fleet::Backend;
use cnasc_ir::{Architecture, TensorGraph, Weights};
use cnasc_lower::{fold, lower, random_weights};
use cnasc_place::{Strategy, Workload, plan};
use cnasc_tests::placed::boards;
use cnasc_tests::program::{compiled, drawn, searching};
use cnasc_train::{Network, Optimizer};

/// What a backend says of an image, on one device.
fn answer(
    architecture: &Architecture,
    graph: &TensorGraph,
    weights: &Weights,
    backend: Backend,
    image: &[f32],
) -> Vec<f32> {
    let fleet = boards(1, backend);
    let workload = Workload::new(architecture, graph).expect("the graph was lowered from the architecture");
    let placed = plan(&workload, &fleet, Strategy::Single, &Seed::new(0)).expect("the board has memory enough");
    let (graph, weights) = fold(graph, weights);
    let bundle = Bundle::new(architecture, graph, weights, placed, fleet).expect("the parts fit together");
    let mut blocked = vec![0.0; layout::len(bundle.input())];
    layout::to_blocked(bundle.input(), image, &mut blocked);
    Local::start(&bundle).expect("the fleet starts").infer(&blocked).expect("the fleet answers").output
}

/// Holds training's answers to a batch against the backend's to each image of it; says whether the network can be trained.
#[track_caller]
fn check(architecture: &Architecture, backend: Backend, steps: u64) -> bool {
    let graph = lower(architecture);
    let Ok(network) = Network::new(&graph, 2) else { return false };
    let seed = Seed::new(architecture.provenance.seed);
    let mut weights = random_weights(&graph, &seed);
    let (images, size) = (2, network.input().elements() as usize);
    let mut rng = seed.child("images").rng();
    let batch: Vec<f32> = (0..images * size).map(|_| rng.unit() as f32).collect();
    let optimizer = Optimizer::Sgd { momentum: 0.9 };
    let mut memory = optimizer.memory(&graph);
    for step in 0..steps {
        let mut targets = vec![0.0; images * network.classes()];
        (0..images).for_each(|image| targets[image * network.classes()] = 1.0);
        let learnt = network.learn(&weights, batch.clone(), targets);
        assert!(learnt.loss.is_finite(), "{}", architecture.name);
        optimizer.apply(&graph, &mut weights, &mut memory, &learnt.gradients, (1e-4, 0.0, step));
    }
    let found = network.classify(&weights, batch.clone());
    let ends_in_softmax = matches!(graph.step(graph.output()).op, cnasc_ir::Op::Softmax { .. });
    if ends_in_softmax {
        return true;
    }
    for (image, found) in batch.chunks(size).zip(found.chunks(network.classes())) {
        let wanted = answer(architecture, &graph, &weights, backend, image);
        let largest = wanted.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
        let difference = wanted.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / largest;
        assert!(difference <= 1e-4, "{} of seed {}: {difference:.1e}", architecture.name, architecture.provenance.seed);
    }
    true
}

#[test]
fn drawn_networks_answer_as_plain_loops_do() {
    let program = compiled(include_str!("space.cnas").to_owned());
    let trained = (0..40).filter(|&seed| check(&drawn(&program, seed), Backend::Reference, 1));
    assert!(trained.count() >= 35, "nearly all can be trained");
}

#[test]
fn known_networks_answer_as_compiled_kernels_do() {
    for (path, name) in [("cifarnet", "cifarnet"), ("resnet", "resnet18"), ("mobilenet", "mobilenet_v2")] {
        let program = searching(&format!("use std::networks::{path}::{name}"), &format!("{name}()"), 1);
        assert!(check(&drawn(&program, 0), Backend::Jit, 1), "{name} can be trained");
    }
}
