//! The models that the Python package `onnx` ships with what they answer: imported, on every backend, on one device and on four.
//!
//! Needs the Python environment of `.ci/run`: `cargo test --release -p cnasc-tests --test onnx_models -- --include-ignored --nocapture`. The
//! name of a model in the variable `CNASC_MODEL` runs it alone.

#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use cnasc_ir::fleet::Backend;
use cnasc_onnx::import::{Imported, Options, import};
use cnasc_onnx::proto;
use cnasc_tests::{peers, placed};
use prost::Message;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

const ALL: [&str; 9] = [
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
];

fn read(path: &Path) -> Imported {
    let bytes = std::fs::read(path).expect("the package has it");
    let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let options = Options { name, shapes: BTreeMap::new(), max_elements: 1 << 29 };
    import(&bytes, &options, &mut |_| Err("there is none".to_owned()))
        .unwrap_or_else(|error| panic!("`{}`: {error}", path.display()))
}

/// What the package's own runner gives to a model: `n` numbers that count up from 0 to nearly 1.
fn image(count: u64) -> Vec<f32> {
    (0..count).map(|at| (at as f64 / count as f64) as f32).collect()
}

fn wanted(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).expect("the package has it");
    let tensor = proto::Tensor::decode(bytes.as_slice()).expect("it is a tensor");
    let (words, _) = tensor.raw_data.as_chunks::<4>();
    words.iter().map(|&word| f32::from_le_bytes(word)).chain(tensor.float_data).collect()
}

/// Runs a model on a backend and so many devices.
fn check(names: &[&str], runs: &[(Backend, usize)]) {
    let Some(package) = peers::package("onnx") else { return };
    let folder = package.join("backend/test/data/light");
    let only = std::env::var("CNASC_MODEL").ok();
    for name in names.iter().filter(|name| only.as_deref().is_none_or(|only| only == **name)) {
        let started = Instant::now();
        let imported = read(&folder.join(format!("light_{name}.onnx")));
        let wanted = wanted(&folder.join(format!("light_{name}_output_0.pb")));
        let image = image(imported.architecture.input().elements());
        println!("{name}: {} nodes, read in {:.1?}", imported.architecture.nodes.len(), started.elapsed());
        for &(backend, devices) in runs.iter().filter(|(backend, _)| cnasc_fleet::has(*backend)) {
            let started = Instant::now();
            let bundle = placed::bundle(&imported.architecture, &imported.weights, devices, backend);
            let used = bundle.plan.order.iter().filter(|nodes| !nodes.is_empty()).count();
            let off = placed::difference(&placed::answer(&bundle, &image), &wanted);
            println!("    {backend:?} on {used} of {devices}: off by {off:.1e}, {:.1?}", started.elapsed());
            assert!(off <= 1e-4, "{name} with {backend:?} on {devices} devices is off by {off:e}");
            assert!(devices == 1 || used > 1, "{name} was to be spread over {devices} devices");
        }
    }
}

#[test]
fn small_models_answer_as_they_should() {
    check(&["squeezenet", "shufflenet"], &[(Backend::Jit, 1), (Backend::Jit, 4), (Backend::Burn, 4)]);
}

#[test]
#[ignore = "takes minutes; .ci/run does it"]
fn all_models_answer_as_they_should() {
    let on_one_and_four = |backends: &[Backend]| -> Vec<(Backend, usize)> {
        backends.iter().flat_map(|&backend| [(backend, 1), (backend, 4)]).collect()
    };
    check(&ALL, &on_one_and_four(&[Backend::Jit, Backend::Burn]));
    check(&["bvlc_alexnet", "shufflenet", "squeezenet", "zfnet512"], &on_one_and_four(&[Backend::Reference]));
}

/// Plain loops over networks of up to 20 GFLOP.
#[test]
#[ignore = "takes a quarter of an hour on two cores: run it after changes to the reference or the importer"]
fn all_models_answer_on_plain_loops() {
    check(&ALL, &[(Backend::Reference, 1), (Backend::Reference, 4)]);
}
