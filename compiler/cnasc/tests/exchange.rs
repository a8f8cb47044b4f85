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

/// Devices that take whole images have the whole network each.
#[test]
fn replicas_become_whole_networks() {
    let folder = tempfile::tempdir().expect("a folder");
    let example = example().display().to_string();
    let args = ["plan", &example, "--fleet", "shelf", "--strategy", "data-parallel", "--emit", "onnx", "-o", "placed"];
    let written = done(&args, folder.path());
    let sizes = written.lines().map(|line| model(&folder.path().join(line)).graph.expect("a graph").node.len());
    let sizes: Vec<usize> = sizes.collect();
    assert_eq!(sizes, [sizes[0]; 5], "the whole and four boards");
}

/// Weights go out under their names, come in again from both kinds of file, and change the answer; strange ones are named.
#[test]
fn weights_go_out_and_come_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let example = example().display().to_string();
    let draw = |args: &[&str]| {
        let words: Vec<&str> = args.iter().copied().chain(["--seed", "7"]).collect();
        done(&words, folder.path())
    };
    let written = draw(&["expand", &example, "--emit", "safetensors", "-o", "."]);
    let values = written.trim();
    let answer = |more: &[&str]| {
        let png = Path::new(&example).with_file_name("data/ankle-boot.png").display().to_string();
        let words =
            ["--format", "json", "-q", "run", &example, "--input", &png].into_iter().chain(more.iter().copied());
        let shown: serde_json::Value = serde_json::from_str(&draw(&words.collect::<Vec<_>>())).expect("one document");
        shown[0]["output"].clone()
    };
    let seeded = answer(&[]);
    assert_eq!(answer(&["--weights", values]), seeded, "the seeded weights were written");

    // Other values of one parameter: in the ONNX file, of which the initialisers are read.
    let onnx = draw(&["expand", &example, "--emit", "onnx", "-o", "."]);
    let path = folder.path().join(onnx.trim());
    assert_eq!(answer(&["--weights", onnx.trim()]), seeded);
    let mut changed = model(&path);
    let initializers = changed.graph.as_mut().map(|graph| &mut graph.initializer).expect("a graph");
    let bias = initializers.iter_mut().find(|one| one.name.ends_with("linear1.bias")).expect("the classifier has one");
    bias.raw_data.fill(0);
    std::fs::write(&path, changed.encode_to_vec()).expect("the file is written");
    assert_ne!(answer(&["--weights", onnx.trim()]), seeded);

    // Another network's do not fit, and it is said which.
    let other = cnasc(&["run", &example, "--seed", "8", "--input", "none.png", "--weights", values], folder.path());
    assert_eq!(other.status.code(), Some(1));
    let complaint = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(complaint.contains("E0641") && complaint.contains("weight"), "{complaint}");
}

/// Without a Python environment the comparison is refused, with the way to make one.
#[test]
fn other_engines_need_their_environment() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_cnasc"));
    command.args(["bench", &example().display().to_string(), "--runs", "1", "--against", "onnxruntime"]);
    let output = command.current_dir(folder.path()).env_remove("CNASC_PEERS").output().expect("the binary starts");
    assert_eq!(output.status.code(), Some(2));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("E0642") && complaint.contains("pip install"), "{complaint}");
}
