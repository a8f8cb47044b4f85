//! The stations in order: the one place that chains them.

use crate::failure::{Failure, codes};
use crate::images::Input;
use crate::output::Output;
use cnasc_base::{Diagnostic, FileId, Seed, Sources};
use cnasc_bundle::Bundle;
use cnasc_fleet::Local;
use cnasc_ir::fleet::Backend;
use cnasc_ir::{Architecture, Fleet, Program, TensorGraph};
use cnasc_lower::{fold, lower, random_weights};
use cnasc_place::{Strategy, Workload, plan};
use std::path::Path;

/// The greatest source file, in bytes.
const MAX_SOURCE: u64 = 16 << 20;

/// Reads a source file into `sources`.
///
/// # Errors
/// Where it can't be read, is not UTF-8, or is larger than 16 MiB.
pub fn read_source(sources: &mut Sources, path: &Path) -> Result<FileId, Failure> {
    let unreadable = |error: std::io::Error| Failure::unreadable(path, &error);
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_SOURCE {
        let message = format!("`{}` has {size} bytes; a source file may have {MAX_SOURCE}", path.display());
        return Err(Failure::input(Diagnostic::error(codes::FORM, message)));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    Ok(sources.add(path.display().to_string(), text))
}

/// Source text to typed program; warnings are printed.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(sources: &mut Sources, output: Output, path: &Path) -> Result<Program, Failure> {
    let file = read_source(sources, path)?;
    let (program, diagnostics) = cnasc_frontend::compile(sources, file);
    match program {
        Some(program) if !diagnostics.has_errors() => {
            output.warnings(sources, &diagnostics);
            Ok(program)
        }
        _ => Err(Failure::input(diagnostics)),
    }
}

/// The most parameters that weights are made for: 2 GiB of them.
const MAX_PARAMS: u64 = 1 << 29;

/// An architecture's tensor graph and what each node costs.
///
/// # Errors
/// Where its figures are beyond what can be counted, as a file may claim.
pub fn analyse(architecture: &Architecture) -> Result<(TensorGraph, Workload), Failure> {
    let graph = lower(architecture);
    let workload = Workload::new(architecture, &graph);
    let workload =
        workload.map_err(|error| Diagnostic::error(codes::FORM, format!("`{}`: {error}", architecture.name)))?;
    Ok((graph, workload))
}

/// Architecture and fleet to a bundle that runs: lowered, placed, given seeded random weights, and folded.
///
/// # Errors
/// Where no placement fits the fleet, or the network has more parameters than memory is asked for.
pub fn compile(architecture: &Architecture, fleet: &Fleet, strategy: Strategy) -> Result<Bundle, Failure> {
    let (graph, workload) = analyse(architecture)?;
    let params = graph.total_params();
    if params > MAX_PARAMS {
        let message = format!("`{}` has {params} parameters; this release runs up to {MAX_PARAMS}", architecture.name);
        return Err(Failure::input(Diagnostic::error(codes::FORM, message)));
    }
    let seed = Seed::new(architecture.provenance.seed);
    let placed = plan(&workload, fleet, strategy, &seed.child("place"))
        .map_err(|error| Failure::running(codes::PLACE, error.to_string()))?;
    let weights = random_weights(&graph, &seed);
    let (folded, weights) = fold(&graph, &weights);
    Bundle::new(architecture, folded, weights, placed, fleet.clone())
        .map_err(|error| Failure::running(codes::RUN, error.to_string()))
}

/// Said wherever answers are shown, until there is training.
pub const UNTRAINED: &str =
    "note: the weights are seeded random, not trained: answers show that the network runs, not what it knows";

/// The whole network of a bundle on one device of this machine.
///
/// # Errors
/// Where it can't be compiled.
pub fn whole(bundle: &Bundle, backend: Backend) -> Result<Local, Failure> {
    let failed = |error: String| Failure::running(codes::RUN, error);
    let alone = bundle.alone(backend).map_err(|error| failed(error.to_string()))?;
    Local::start(&alone).map_err(|error| failed(error.to_string()))
}

/// Whether `path` names a bundle rather than an architecture or a source file.
#[must_use]
pub fn is_bundle(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "bundle")
}

/// Reads a bundle, as hostile input.
///
/// # Errors
/// Where it can't be read or is not whole.
pub fn read_bundle(path: &Path) -> Result<Bundle, Failure> {
    let bytes = std::fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
    Bundle::read(&bytes)
        .map_err(|error| Failure::input(Diagnostic::error(codes::FORM, format!("`{}`: {error}", path.display()))))
}

/// An input in the form that a fleet takes: preprocessed where it is an image, and blocked.
///
/// # Errors
/// Where it does not have the size of the network's input.
pub fn prepare(bundle: &Bundle, input: &Input) -> Result<Vec<f32>, Failure> {
    let prepared = if input.is_image {
        bundle.prepare(&input.values)
    } else {
        cnasc_bundle::image::block(bundle.input(), &input.values)
    };
    prepared.map_err(|error| Failure::input(Diagnostic::error(codes::IMAGE, format!("`{}`: {error}", input.name))))
}
