//! `cnasc import` through the real binary: what lands in files, what is said of models that are not taken in, and which files are read.

#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use cnasc_onnx::proto::{
    Attribute, AttributeKind, Dimension, ElementKind, Entry, Extent, Graph, Model, Node, OperatorSet, Tensor,
    TensorShape, TensorType, Type, ValueInfo,
};
use prost::Message;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// A convolution of 3 to 2 channels with its weights in another file.
fn model(location: &str) -> Vec<u8> {
    let entry = |key: &str, value: &str| Entry { key: key.to_owned(), value: value.to_owned() };
    let weight = Tensor {
        name: "w".to_owned(),
        dims: vec![2, 3, 1, 1],
        data_type: ElementKind::Float as i32,
        data_location: 1,
        external_data: vec![entry("location", location), entry("offset", "4"), entry("length", "24")],
        ..Tensor::default()
    };
    let dim = [1, 3, 4, 4].map(|extent| Dimension { value: Some(Extent::Value(extent)) }).to_vec();
    let tensor_type = TensorType { elem_type: ElementKind::Float as i32, shape: Some(TensorShape { dim }) };
    let image = Type { tensor_type: Some(tensor_type) };
    let strides = Attribute {
        name: "strides".to_owned(),
        r#type: AttributeKind::Ints as i32,
        ints: vec![2, 2],
        ..Attribute::default()
    };
    let node = |op: &str, inputs: &[&str], output: &str, attribute: Vec<Attribute>| Node {
        op_type: op.to_owned(),
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: vec![output.to_owned()],
        attribute,
        ..Node::default()
    };
    let graph = Graph {
        node: vec![node("Conv", &["x", "w"], "a", vec![strides]), node("Relu", &["a"], "y", Vec::new())],
        initializer: vec![weight],
        input: vec![ValueInfo { name: "x".to_owned(), r#type: Some(image), ..ValueInfo::default() }],
        output: vec![ValueInfo { name: "y".to_owned(), ..ValueInfo::default() }],
        ..Graph::default()
    };
    let opset_import = vec![OperatorSet { domain: String::new(), version: 17 }];
    Model { ir_version: 8, graph: Some(graph), opset_import, ..Model::default() }.encode_to_vec()
}

fn weights() -> Vec<u8> {
    (0..7).flat_map(|at| (at as f32).to_le_bytes()).collect()
}

fn import(folder: &Path, args: &[&str]) -> (Option<i32>, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_cnasc"))
        .current_dir(folder)
        .args(["--format", "json", "-q", "import"])
        .args(args)
        .output()
        .expect("the binary starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("bug:"), "{stderr}");
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    (output.status.code(), document)
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).expect("a file");
}

#[test]
fn an_architecture_and_its_weights_are_written() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "small.onnx", &model("w.bin"));
    write(folder.path(), "w.bin", &weights());
    let (status, report) = import(folder.path(), &["small.onnx", "--name", "tiny"]);
    assert_eq!(status, Some(0), "{report}");
    assert_eq!(report["network"], "tiny");
    assert_eq!(report["params"], 6);
    assert_eq!(report["macs"], 24);
    assert_eq!(report["inputs"], serde_json::json!([{"name": "x", "shape": [1, 3, 4, 4]}]));
    assert_eq!(report["outputs"], serde_json::json!([{"name": "y", "shape": [1, 2, 2, 2]}]));
    let text = std::fs::read_to_string(folder.path().join("small.arch.json")).expect("the architecture");
    let architecture = cnasc_ir::Architecture::from_json(&text).expect("it is one");
    assert_eq!(report["hash"], architecture.hash());
    let graph = cnasc_lower::lower(&architecture);
    let bytes = std::fs::read(folder.path().join("small.safetensors")).expect("the weights");
    let read = cnasc_onnx::weights::read(&bytes, &graph).expect("they fit");
    assert_eq!(read.tensors, [vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]);
}

#[test]
fn nothing_outside_the_models_folder_is_read() {
    let outside = tempfile::tempdir().expect("a folder");
    write(outside.path(), "w.bin", &weights());
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).expect("a folder");
    write(folder.path(), "w.bin", &weights());
    let absolute = outside.path().join("w.bin").display().to_string();
    let mut locations = vec!["../w.bin", &absolute, "", ".", "inner/../../w.bin", "missing.bin", "short.bin"];
    write(&inner, "short.bin", &weights()[..27]);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&absolute, inner.join("link.bin")).expect("a link");
        std::os::unix::fs::symlink(outside.path(), inner.join("away")).expect("a link");
        locations.extend(["link.bin", "away/w.bin"]);
    }
    for location in locations {
        write(&inner, "m.onnx", &model(location));
        let (status, found) = import(&inner, &["m.onnx"]);
        assert_eq!((status, found[0]["code"].as_str()), (Some(1), Some("E0622")), "`{location}`: {found}");
        assert!(!inner.join("m.arch.json").exists(), "`{location}`");
    }
    // A link that stays inside is a file like any other.
    #[cfg(unix)]
    {
        write(&inner, "w.bin", &weights());
        std::os::unix::fs::symlink("w.bin", inner.join("here.bin")).expect("a link");
        write(&inner, "m.onnx", &model("./here.bin"));
        assert_eq!(import(&inner, &["m.onnx"]).0, Some(0));
    }
}

#[test]
fn what_is_not_taken_in_is_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut lacking = Model::decode(model("w.bin").as_slice()).expect("it is one");
    let graph = lacking.graph.as_mut().expect("it has one");
    graph.node[1].op_type = "Erf".to_owned();
    graph.node.push(Node {
        name: "last".to_owned(),
        op_type: "If".to_owned(),
        input: vec!["y".to_owned()],
        output: vec!["z".to_owned()],
        ..Node::default()
    });
    graph.output[0].name = "z".to_owned();
    write(folder.path(), "m.onnx", &lacking.encode_to_vec());
    write(folder.path(), "w.bin", &weights());
    let (status, found) = import(folder.path(), &["m.onnx"]);
    assert_eq!(status, Some(1));
    let messages: Vec<&str> =
        found.as_array().into_iter().flatten().filter_map(|one| one["message"].as_str()).collect();
    assert_eq!(messages, ["`m.onnx`: node `y`: `Erf` is not taken in", "`m.onnx`: node `last`: `If` is not taken in"]);
    assert!(found.as_array().into_iter().flatten().all(|one| one["code"] == "E0621"));
    write(folder.path(), "m.onnx", b"no model");
    assert_eq!(import(folder.path(), &["m.onnx"]).1[0]["code"], "E0620");
    assert_eq!(import(folder.path(), &["missing.onnx"]).1[0]["code"], "E0601");
}
