//! Networks in the forms of other programs, through the real binary.

use cnasc_onnx::proto::{Model, ValueInfo};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn example() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the workspace is above");
    root.join("examples/quickstart.cnas")
}

fn cnasc(args: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cnasc"));
    command.args(args).current_dir(folder).output().expect("the binary starts")
}

/// Standard output of a run that does what it is asked.
#[track_caller]
fn done(args: &[&str], folder: &Path) -> String {
    let output = cnasc(args, folder);
    assert_eq!(output.status.code(), Some(0), "cnasc {args:?}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

#[track_caller]
fn model(path: &Path) -> Model {
    Model::decode(&std::fs::read(path).expect("the file is there")[..]).expect("it is a model")
}

fn names(infos: &[ValueInfo]) -> BTreeSet<String> {
    infos.iter().map(|info| info.name.clone()).collect()
}

#[test]
fn a_network_becomes_one_file_with_its_weights() {
    let folder = tempfile::tempdir().expect("a folder");
    let example = example().display().to_string();
    let written = done(&["expand", &example, "--seed", "7", "--emit", "onnx", "-o", "plain"], folder.path());
    let plain = model(&folder.path().join(written.trim())).graph.expect("a graph");
    assert_eq!(names(&plain.input).len(), 1, "weights are no inputs");
    assert!(plain.initializer.iter().any(|one| one.name.ends_with(".bn1.running_mean")), "each parameter has its name");
    let folded = ["expand", &example, "--seed", "7", "--fold", "--emit", "onnx", "-o", "folded"];
    let folded = model(&folder.path().join(done(&folded, folder.path()).trim())).graph.expect("a graph");
    assert!(folded.node.iter().all(|node| node.op_type != "BatchNormalization"), "batch norm is in the layers");
    assert_eq!((names(&plain.input), names(&plain.output)), (names(&folded.input), names(&folded.output)));
    let no_folder = cnasc(&["expand", &example, "--emit", "onnx"], folder.path());
    assert_eq!(no_folder.status.code(), Some(2), "a terminal shows no model");
}

/// The devices' files are the whole, cut where tensors travel.
#[test]
fn a_placed_network_becomes_a_file_a_device_and_the_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let example = example().display().to_string();
    let args = ["plan", &example, "--fleet", "shelf", "--strategy", "hypergraph", "--emit", "onnx", "-o", "placed"];
    let written = done(&args, folder.path());
    let mut models = written.lines().map(|line| model(&folder.path().join(line)));
    let whole = models.next().expect("the whole is the first");
    let devices: Vec<Model> = models.collect();
    assert_eq!(whole.ir_version, 11);
    assert_eq!(whole.configuration[0].device.len(), whole.configuration[0].num_devices as usize);
    let graph = whole.graph.expect("a graph");

    // The placement in the whole says of each node what the files of the devices hold.
    let mut held: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut sent, mut received) = (BTreeSet::new(), BTreeSet::new());
    for device in &devices {
        let share = device.graph.as_ref().expect("a graph");
        for node in &share.node {
            held.entry(node.name.clone()).or_default().insert(device.metadata_props[0].value.clone());
        }
        sent.extend(names(&share.output));
        received.extend(names(&share.input));
    }
    let mut said: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in &graph.node {
        let specs = node.device_configurations.iter().flat_map(|one| &one.sharding_spec);
        let devices = specs.flat_map(|spec| &spec.device).map(|&at| whole.configuration[0].device[at as usize].clone());
        said.insert(node.name.clone(), devices.collect());
    }
    assert_eq!(held, said);
    assert!(devices.len() > 1, "the strategy spreads this network");
    let image = names(&graph.input);
    let answer = names(&graph.output);
    assert_eq!(received.difference(&image).cloned().collect::<BTreeSet<_>>(), &sent - &answer);
    assert!(received.is_superset(&image) && sent.is_superset(&answer));
}
