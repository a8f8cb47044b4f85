//! What a trained network answers is the same wherever it runs: all test images of Fashion-MNIST by training itself, by burn's own
//! operators, by compiled kernels on one device and on four, and by ONNX Runtime.

#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use cnasc::sets::{self, Sets};
use cnasc_bundle::{Bundle, layout};
use cnasc_fleet::Local;
use cnasc_ir::architecture::Preprocess;
use cnasc_ir::fleet::{Backend, DeviceId};
use cnasc_ir::{Architecture, TensorGraph, Weights};
use cnasc_lower::{fold, lower};
use cnasc_place::{Pin, Workload, plan_pinned};
use cnasc_tests::program::{drawn, searching};
use cnasc_train::data::Images;
use cnasc_train::{
    Augment, Network, Noise, Optimizer, Schedule, Settings, Trainer, evaluate, initial_weights, prepared,
};
use std::collections::BTreeSet;
use std::path::Path;

const FOLDER: &str = "/usr/share/datasets/fashion-mnist";

fn network() -> Architecture {
    let text = include_str!("../../examples/training/fashion.cnas");
    drawn(&searching(text, "concurrent(wiring: distance(n: 12), width: 8)", 1), 1)
}

fn train(network: &Network, train: &Images, preprocess: &Preprocess) -> Weights {
    let settings = Settings {
        epochs: 1,
        batch: 64,
        optimizer: Optimizer::Sgd { momentum: 0.9 },
        rate: 0.05,
        schedule: Schedule::Cosine,
        warmup: 0.1,
        decay: 5e-4,
        smoothing: 0.0,
        mixup: 0.0,
        augment: Augment { shift: 0, flip: true, cutout: 0 },
        noise: Noise::default(),
        clip: Some(5.0),
        average: None,
        patience: None,
        seed: 1,
    };
    let trainer = Trainer::new(network, &settings, preprocess, train).expect("they fit");
    let mut state = trainer.begin(initial_weights(network.graph(), 1));
    trainer.epoch(&mut state, &mut |_| ()).expect("it does not diverge");
    state.weights
}

fn largest(values: &[f32]) -> usize {
    let better = |best: usize, (place, value): (usize, &f32)| if *value > values[best] { place } else { best };
    values.iter().enumerate().fold(0, better)
}

/// The class of every image by compiled kernels on so many boards.
fn compiled(
    architecture: &Architecture,
    graph: &TensorGraph,
    weights: &Weights,
    boards: usize,
    all: &[f32],
) -> Vec<usize> {
    let fleet = cnasc_tests::placed::boards(boards, Backend::Jit);
    let workload = Workload::new(architecture, graph).expect("the graph was lowered from the architecture");
    // Every so many nodes on the next board, so that all have a part and every message is sent somewhere.
    let pin = |node: usize| Pin::On(DeviceId::new(node % boards));
    let pins: Vec<Pin> = (0..architecture.nodes.len()).map(pin).collect();
    let placed = plan_pinned(&workload, &fleet, "by turns", &pins).expect("the boards have memory enough");
    let used: BTreeSet<usize> = placed.device_of.iter().map(|device| device.index()).collect();
    assert_eq!(used.len(), boards, "every board has a part");
    let (graph, weights) = fold(graph, weights);
    let bundle = Bundle::new(architecture, graph, weights, placed, fleet).expect("the parts fit together");
    let mut local = Local::start(&bundle).expect("the fleet starts");
    let size = bundle.input().elements() as usize;
    let answer = |image: &[f32]| {
        let mut blocked = vec![0.0; layout::len(bundle.input())];
        layout::to_blocked(bundle.input(), image, &mut blocked);
        largest(&local.infer(&blocked).expect("the fleet answers").output[..10])
    };
    all.chunks(size).map(answer).collect()
}

/// The same by ONNX Runtime, from a file of the network; nothing where it is not installed.
fn by_onnx_runtime(
    architecture: &Architecture,
    graph: &TensorGraph,
    weights: &Weights,
    all: &[f32],
) -> Option<Vec<usize>> {
    let python = cnasc_tests::peers::folder()?.join("bin/python");
    let folder = tempfile::tempdir().expect("a folder");
    let nodes: Vec<String> = architecture.nodes.iter().map(|node| node.name.clone()).collect();
    let network = cnasc_onnx::export::Network { name: &architecture.name, nodes: &nodes, graph, weights };
    let model = cnasc_onnx::export::export(network, cnasc_onnx::export::Gates::Together).expect("it is small");
    let [path, images, answer] = ["model.onnx", "images", "answer"].map(|name| folder.path().join(name));
    std::fs::write(&path, cnasc_onnx::export::encode(&model)).expect("the folder takes files");
    let bytes: Vec<u8> = all.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(&images, bytes).expect("the folder takes files");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/classes.py");
    let status = std::process::Command::new(python).arg(script).args([&path, &images, &answer]).status();
    assert!(status.expect("Python starts").success(), "ONNX Runtime takes the file");
    Some(std::fs::read(answer).expect("it was written").into_iter().map(usize::from).collect())
}

/// Holds the classes of all test images by everything that can run the network against those by training; gives the accuracy.
fn same_everywhere(
    architecture: &Architecture,
    (network, weights): (&Network, &Weights),
    preprocess: &Preprocess,
    test: &Images,
) -> f32 {
    let graph = network.graph();
    let found = evaluate(network, weights, preprocess, test, 100);
    println!("{}: accuracy {:.2} %", architecture.name, 100.0 * found.accuracy);
    let all = prepared(preprocess, test);
    let by_burn = Network::new(graph, 1).expect("it was trained").by_burn();
    let mut answers = vec![
        ("burn alone", evaluate(&by_burn, weights, preprocess, test, 100).classes),
        ("one device", compiled(architecture, graph, weights, 1, &all)),
        ("four devices", compiled(architecture, graph, weights, 4, &all)),
    ];
    answers.extend(by_onnx_runtime(architecture, graph, weights, &all).map(|classes| ("ONNX Runtime", classes)));
    for (name, classes) in &answers {
        let other = classes.iter().zip(&found.classes).filter(|(a, b)| a != b).count();
        println!("{name}: {other} of {} images otherwise", classes.len());
    }
    for (name, classes) in answers {
        assert!(classes == found.classes, "{name} answers otherwise");
    }
    found.accuracy
}

#[test]
#[ignore = "a minute, and needs dataset-fashion-mnist: cargo test --release -p cnasc-tests --test predictions -- --ignored --nocapture"]
fn a_trained_network_predicts_the_same_everywhere() {
    let Sets { train: images, test } =
        sets::read(Path::new(FOLDER), sets::GLANCE).unwrap_or_else(|failure| panic!("{failure:?}"));
    let architecture = network();
    let network = Network::new(&lower(&architecture), 2).expect("it can be trained");
    let images = images.first(6_000);
    let preprocess = images.statistics();
    let weights = train(&network, &images, &preprocess);
    let accuracy = same_everywhere(&architecture, (&network, &weights), &preprocess, &test);
    assert!(accuracy > 0.3, "it has learnt: {accuracy}");
}

/// The networks that `cnasc train` wrote into the folders of `CNASC_TRAINED`, which are separated as in `PATH`.
#[test]
#[ignore = "needs dataset-fashion-mnist and trained networks: CNASC_TRAINED=FOLDER:FOLDER"]
fn well_trained_networks_predict_the_same_everywhere() {
    let folders =
        std::env::var_os("CNASC_TRAINED").expect("CNASC_TRAINED names folders that `cnasc train` has written");
    let test = sets::read(Path::new(FOLDER), sets::GLANCE).unwrap_or_else(|failure| panic!("{failure:?}")).test;
    for folder in std::env::split_paths(&folders) {
        let files = std::fs::read_dir(&folder).expect("the folder is there").flatten().map(|file| file.path());
        let architecture = files.into_iter().find(|path| path.to_string_lossy().ends_with(".arch.json"));
        let text = std::fs::read_to_string(architecture.expect("it has an architecture")).expect("it can be read");
        let architecture = Architecture::from_json(&text).expect("it is an architecture");
        let graph = lower(&architecture);
        let weights = std::fs::read(folder.join(format!("{}.safetensors", architecture.name))).expect("it has weights");
        let weights = cnasc_onnx::weights::read(&weights, &graph).expect("they are the network's");
        let network = Network::new(&graph, 2).expect("it was trained");
        let accuracy = same_everywhere(&architecture, (&network, &weights), &architecture.preprocess, &test);
        assert!(accuracy >= 0.91, "{} reaches {accuracy}", architecture.name);
    }
}
