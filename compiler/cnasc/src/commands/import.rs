//! `cnasc import MODEL.onnx`: a network of another program as an architecture and its weights.

use crate::Session;
use crate::cli::ImportArgs;
use crate::failure::{Exit, Failure, codes};
use crate::output::write_file;
use crate::{imported, pipeline};
use cnasc_onnx::import::Named;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, Serialize)]
struct Report<'a> {
    architecture: String,
    weights: String,
    network: &'a str,
    hash: &'a str,
    nodes: usize,
    params: u64,
    macs: u64,
    inputs: Vec<Tensor<'a>>,
    outputs: Vec<Tensor<'a>>,
}

/// What the model takes or gives.
#[derive(Debug, Serialize)]
struct Tensor<'a> {
    name: &'a str,
    shape: &'a [u64],
}

/// Reads, writes both files, and says what is in them.
pub fn run(session: &mut Session, args: &ImportArgs) -> Result<Exit, Failure> {
    let shapes = args.shapes.iter().cloned().collect();
    let imported = imported::read(&args.file, args.name.as_deref(), shapes)?;
    let architecture = &imported.architecture;
    let (graph, _) = pipeline::analyse(architecture)?;
    let path = args.output.clone().unwrap_or_else(|| usual(&args.file));
    let weights = args.weights.clone().unwrap_or_else(|| beside(&path));
    let bytes = cnasc_onnx::weights::write(&graph, &imported.weights)
        .map_err(|error| Failure::running(codes::EXPORT, error.to_string()))?;
    write_file(&weights, &bytes)?;
    write_file(&path, architecture.to_json().as_bytes())?;
    let report = Report {
        architecture: path.display().to_string(),
        weights: weights.display().to_string(),
        network: &architecture.name,
        hash: architecture.hash(),
        nodes: architecture.nodes.len(),
        params: graph.total_params(),
        macs: graph.total_macs(),
        inputs: named(&imported.inputs),
        outputs: named(&imported.outputs),
    };
    if session.output.is_json() {
        session.output.json(&report);
    } else {
        session.output.text(&for_people(&report));
    }
    Ok(Exit::Done)
}

/// The architecture's file where none is said: in this folder.
fn usual(model: &Path) -> PathBuf {
    Path::new(model.file_name().unwrap_or(model.as_os_str())).with_extension("arch.json")
}

/// The weights' file where none is said.
fn beside(architecture: &Path) -> PathBuf {
    let name = architecture.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = name.strip_suffix(".arch.json").or_else(|| name.strip_suffix(".json")).unwrap_or(&name);
    architecture.with_file_name(format!("{stem}.safetensors"))
}

fn named(tensors: &[Named]) -> Vec<Tensor<'_>> {
    tensors.iter().map(|(name, shape)| Tensor { name, shape }).collect()
}

fn for_people(report: &Report<'_>) -> String {
    let Report { architecture, weights, network, hash, nodes, params, macs, .. } = report;
    let tensors = |tensors: &[Tensor<'_>]| {
        let one = |tensor: &Tensor<'_>| {
            let extents: Vec<String> = tensor.shape.iter().map(u64::to_string).collect();
            let extents = if extents.is_empty() { "one number".to_owned() } else { extents.join("x") };
            format!("`{}` {extents}", tensor.name.escape_debug())
        };
        tensors.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    format!(
        "{architecture}: {network} ({}), {nodes} nodes, {:.3} million multiply-adds\n{weights}: {params} parameters\ntakes {}\ngives {}\n",
        &hash[..12],
        *macs as f64 / 1e6,
        tensors(&report.inputs),
        tensors(&report.outputs),
    )
}
