//! The operator cases of the Python package `onnx`, for the operators that are taken in, run by compiled kernels.
//!
//! Needs the Python environment of `.ci/run`: `cargo test --release -p cnasc-tests --test onnx_operators -- --nocapture` prints how many pass
//! and why each of the others does not. A case is a function of all its inputs; those that must be known before an image comes (weights,
//! extents, axes) become constants of the model, with the values of the case.

#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use cnasc_ir::fleet::Backend;
use cnasc_onnx::import::{ImportError, Imported, Options, import};
use cnasc_onnx::proto::{Model, Tensor};
use cnasc_tests::{peers, placed};
use prost::Message;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The operators whose cases must pass.
const OPERATORS: &str = "Conv ConvTranspose BatchNormalization Relu LeakyRelu Clip Sigmoid HardSwish HardSigmoid Softmax MaxPool AveragePool \
    GlobalAveragePool Gemm MatMul Add Sub Mul Div Concat Split Slice Pad Reshape Flatten Transpose Squeeze Unsqueeze Dropout LRN Identity \
    Constant ConstantOfShape Shape Gather ReduceMean Resize";

/// What is not taken in, by parts of the message, and why that is so.
const REASONS: &[(&str, &str)] = &[
    ("takes no image", "no input of real numbers"),
    ("does not depend on any image", "the answer is known while importing"),
    ("means version", "an operator set older than 7"),
    ("is in training mode", "only inference"),
    ("is asked for its output", "a second output that no inference needs"),
    ("empty", "tensors have at least one element"),
    ("[3, 4, 0]", "tensors have at least one element"),
    ("parts of [0, 0, 0]", "tensors have at least one element"),
    ("leaves nothing", "tensors have at least one element"),
    ("moves along 3 axes", "images have two axes of space"),
    ("cubic", "Resize is nearest or linear"),
    ("tf_crop_and_resize", "Resize is of whole images"),
    ("antialias", "Resize is nearest or linear"),
];

/// Cases whose own answers are not held against, and why.
const DISPUTED: &[(&str, &str)] = &[(
    "test_resize_downsample_scales_linear_align_corners",
    "it aligns corners with an extent of 2.4 pixels; ONNX Runtime counts whole ones too, and leaves this case out",
)];

/// How far an answer may be off, of the largest value of the case: some cases print their answers with four digits.
const TOLERANCE: f32 = 2e-4;

/// Real numbers of any kind, and whole ones as real ones.
fn values(tensor: &Tensor) -> Vec<f32> {
    fn each<const N: usize>(bytes: &[u8], from: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        bytes.as_chunks::<N>().0.iter().map(|&chunk| from(chunk)).collect()
    }
    match tensor.data_type {
        1 if tensor.raw_data.is_empty() => tensor.float_data.clone(),
        1 => each(&tensor.raw_data, f32::from_le_bytes),
        11 => each(&tensor.raw_data, |bytes| f64::from_le_bytes(bytes) as f32),
        // Whatever else there is does not reach a comparison.
        _ => Vec::new(),
    }
}

fn read(path: &Path) -> Tensor {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()));
    Tensor::decode(bytes.as_slice()).unwrap_or_else(|error| panic!("`{}`: {error}", path.display()))
}

struct Case {
    model: Model,
    /// Those of the graph that no initialiser gives, in their order.
    inputs: Vec<Tensor>,
    outputs: Vec<Tensor>,
}

impl Case {
    fn read(folder: &Path) -> Self {
        let bytes = std::fs::read(folder.join("model.onnx")).expect("a case has a model");
        let model = Model::decode(bytes.as_slice()).expect("it is one");
        let graph = model.graph.as_ref().expect("it has a graph");
        let file = |kind: &str, index: usize| read(&folder.join(format!("test_data_set_0/{kind}_{index}.pb")));
        let is_given = |name: &str| graph.initializer.iter().all(|tensor| tensor.name != name);
        let given = graph.input.iter().map(|input| &input.name).filter(|name| is_given(name)).enumerate();
        let inputs = given.map(|(index, name)| Tensor { name: name.clone(), ..file("input", index) }).collect();
        let outputs = (0..graph.output.len()).map(|index| file("output", index)).collect();
        Self { model, inputs, outputs }
    }

    /// The model with all its inputs but the first `computed` real ones as constants, and the values of those.
    fn with(&self, computed: usize) -> (Model, Vec<f32>) {
        let mut model = self.model.clone();
        let graph = model.graph.as_mut().expect("it has a graph");
        let mut image = Vec::new();
        let mut count = 0;
        for tensor in &self.inputs {
            if [1, 10, 11, 16].contains(&tensor.data_type) && count < computed {
                image.extend(values(tensor));
                count += 1;
            } else {
                graph.initializer.push(tensor.clone());
            }
        }
        (model, image)
    }

    fn take(&self, computed: usize) -> (Result<Imported, ImportError>, Vec<f32>) {
        let (model, image) = self.with(computed);
        let options = Options { name: "case".to_owned(), shapes: BTreeMap::new(), max_elements: 1 << 24 };
        (import(&model.encode_to_vec(), &options, &mut |_| Err("there is none".to_owned())), image)
    }

    /// Why it can't be run; nothing where it passes.
    fn run(&self) -> Option<String> {
        let mut problem = String::new();
        // As many as possible are computed; what is said with one alone says most.
        for computed in (1..=self.inputs.len().max(1)).rev() {
            let (taken, image) = self.take(computed);
            match taken {
                Ok(taken) => {
                    let bundle = placed::bundle(&taken.architecture, &taken.weights, 1, Backend::Jit);
                    let wanted: Vec<f32> = self.outputs.iter().flat_map(values).collect();
                    let off = placed::difference(&placed::answer(&bundle, &image), &wanted);
                    assert!(off <= TOLERANCE, "off by {off:e}");
                    return None;
                }
                Err(error) => problem = error.to_string(),
            }
        }
        Some(problem)
    }
}

/// The folders of cases, sorted by name.
fn cases(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("`{}`: {error}", folder.display()));
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.join("model.onnx").exists()).collect();
    found.sort();
    found
}

/// Whether all its operators are among those of which cases must pass.
fn is_ours(case: &Path) -> bool {
    let bytes = std::fs::read(case.join("model.onnx")).expect("a case has a model");
    let Ok(model) = Model::decode(bytes.as_slice()) else { return false };
    let known: Vec<&str> = OPERATORS.split_whitespace().collect();
    model.graph.is_some_and(|graph| graph.node.iter().all(|node| known.contains(&node.op_type.as_str())))
}

#[test]
fn operator_cases_pass() {
    let (Some(python), Some(package)) = (peers::folder(), peers::package("onnx")) else { return };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("node_cases");
    let _ = std::fs::remove_dir_all(&folder);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/node_cases.py");
    let status = Command::new(python.join("bin/python"))
        .args(["-W", "ignore"])
        .arg(script)
        .arg(&folder)
        .args(OPERATORS.split_whitespace())
        .status()
        .expect("Python starts");
    assert!(status.success(), "the cases can't be written");
    let mut all = cases(&folder);
    for kind in ["pytorch-converted", "pytorch-operator", "simple"] {
        all.extend(cases(&package.join("backend/test/data").join(kind)).into_iter().filter(|case| is_ours(case)));
    }
    let (mut passed, mut skipped, mut failed) = (0, Vec::new(), Vec::new());
    for case in &all {
        let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some((_, reason)) = DISPUTED.iter().find(|(disputed, _)| *disputed == name) {
            skipped.push(format!("{name}: {reason}"));
            continue;
        }
        match std::panic::catch_unwind(|| Case::read(case).run()) {
            Ok(None) => passed += 1,
            Ok(Some(problem)) => match REASONS.iter().find(|(part, _)| problem.contains(part)) {
                Some((_, reason)) => skipped.push(format!("{name}: {reason}")),
                None => failed.push(format!("{name}: {problem}")),
            },
            Err(_) => failed.push(format!("{name}: a wrong answer, or a panic, printed above")),
        }
    }
    skipped.iter().for_each(|line| println!("skipped {line}"));
    println!("{passed} operator cases passed, {} skipped, {} failed", skipped.len(), failed.len());
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}
