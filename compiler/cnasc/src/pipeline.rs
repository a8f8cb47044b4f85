//! The stations in order: the one place that chains them.

use crate::exchange;
use crate::failure::{Failure, codes};
use crate::images::Input;
use crate::machine;
use crate::parts::{self, Way};
use cnasc_base::{Diagnostic, Diagnostics, FileId, Seed, Sources};
use cnasc_bundle::Bundle;
use cnasc_bundle::file::MAGIC;
use cnasc_fleet::Local;
use cnasc_ir::fleet::Backend;
use cnasc_ir::{Architecture, Fleet, Program, TensorGraph, Weights};
use cnasc_lower::{fold_in_place, lower, random_weights};
use cnasc_place::{Strategy, Workload};
use std::path::{Component, Path, PathBuf};

/// The greatest source file, in bytes.
const MAX_SOURCE: u64 = 16 << 20;

/// Reads a source file into `sources`; a path such as `std::networks::resnet::resnet50` is that module of the standard library.
///
/// # Errors
/// Where it can't be read, is no plain UTF-8 text, or is larger than 16 MiB.
pub fn read_source(sources: &mut Sources, path: &Path) -> Result<FileId, Failure> {
    if let Some(library) = path.to_str().and_then(cnasc_frontend::library) {
        return Ok(sources.add(library.file, library.text));
    }
    if path.to_str().is_some_and(|path| path.starts_with("std::")) {
        let message = format!("the standard library has no module that `{}` is of", path.display());
        let note = "name a declaration by its module, as in `std::networks::resnet::resnet50`";
        return Err(Diagnostic::error(codes::FORM, message).note(note).into());
    }
    let text = read_text(path).map_err(|unread| match unread {
        Unread::Io(error) => Failure::unreadable(path, &error),
        Unread::Form(problem) => Diagnostic::error(codes::FORM, format!("`{}` {problem}", path.display())).into(),
    })?;
    Ok(sources.add(path.display().to_string(), text))
}

/// Why a source file has no text.
enum Unread {
    Io(std::io::Error),
    /// As the end of a sentence.
    Form(String),
}

fn read_text(path: &Path) -> Result<String, Unread> {
    let size = std::fs::metadata(path).map_err(Unread::Io)?.len();
    if size > MAX_SOURCE {
        return Err(Unread::Form(format!("has {size} bytes; a source file may have {MAX_SOURCE}")));
    }
    let text = String::from_utf8(std::fs::read(path).map_err(Unread::Io)?);
    let text = text.map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Unread::Form(format!("is no UTF-8 text: byte {at} belongs to no letter"))
    })?;
    // They would command the terminal of whoever is shown the line.
    match text.char_indices().find(|(_, letter)| letter.is_control() && !"\n\r\t".contains(*letter)) {
        Some((at, letter)) => Err(Unread::Form(format!(
            "is no plain text: byte {at} is the control character U+{:04X}",
            u32::from(letter)
        ))),
        None => Ok(text),
    }
}

/// Source text to typed program with every finding; the files that it uses are read from the folders that they name.
pub fn compile_source(sources: &mut Sources, file: FileId) -> (Option<Program>, Diagnostics) {
    let mut loader = |written: &str, from: &str| {
        let path = beside(Path::new(from), written);
        let text = read_text(&path).map_err(|unread| match unread {
            Unread::Io(error) => format!("`{}` can't be read: {error}", path.display()),
            Unread::Form(problem) => format!("`{}` {problem}", path.display()),
        })?;
        Ok((path.display().to_string(), text))
    };
    cnasc_frontend::compile_with(sources, file, &mut loader)
}

/// `written` from the folder of the file `from`, with `.` and `..` resolved by name, so that one file has one name.
fn beside(from: &Path, written: &str) -> PathBuf {
    let mut path = from.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(written).components() {
        match part {
            Component::ParentDir if path.file_name().is_some() => {
                path.pop();
            }
            Component::CurDir => {}
            other => path.push(other),
        }
    }
    path
}

/// Whether networks are drawn from it: a source file, or a path of the standard library.
#[must_use]
pub fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "cnas")
        || path.to_str().is_some_and(|path| path.starts_with("std::"))
}

/// A source file to its typed program; warnings are for `cnasc check`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(sources: &mut Sources, path: &Path) -> Result<(Program, FileId), Failure> {
    let file = read_source(sources, path)?;
    let (program, diagnostics) = compile_source(sources, file);
    program.map(|program| (program, file)).ok_or_else(|| Failure::input(diagnostics))
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

/// Architecture and fleet to a bundle that runs: lowered, placed, given weights, and folded. The weights are those of the file, or
/// else seeded random ones.
///
/// # Errors
/// Where no placement fits the fleet, or the network has more parameters than memory is asked for.
pub fn compile(
    architecture: &Architecture,
    fleet: &Fleet,
    way: impl Into<Way>,
    file: Option<&Path>,
) -> Result<Bundle, Failure> {
    let (graph, workload) = analyse(architecture)?;
    // Before placing, because a network that can't be run need not be placed.
    let weights = weights(architecture, &graph, file)?;
    let placed = parts::place(architecture, &workload, fleet, way.into())?;
    let (mut graph, mut weights) = placed.valued(graph, weights);
    fold_in_place(&mut graph, &mut weights);
    let bundle = Bundle::new(placed.architecture(architecture), graph, weights, placed.plan.clone(), fleet.clone());
    let mut bundle = bundle.map_err(|error| Failure::running(codes::RUN, error.to_string()))?;
    // In parts it is the same network still.
    architecture.hash().clone_into(&mut bundle.hash);
    Ok(bundle)
}

/// The values of the parameters of an architecture's graph: those of the file, or else seeded random ones.
///
/// # Errors
/// Where there are more than memory is asked for, or the file is not there or not of this graph.
pub fn weights(architecture: &Architecture, graph: &TensorGraph, file: Option<&Path>) -> Result<Weights, Failure> {
    let params = graph.total_params();
    if params > MAX_PARAMS {
        let message = format!("`{}` has {params} parameters; this release runs up to {MAX_PARAMS}", architecture.name);
        return Err(Failure::input(Diagnostic::error(codes::FORM, message)));
    }
    match file {
        Some(path) => exchange::read_weights(path, graph),
        None => Ok(random_weights(graph, &Seed::new(architecture.provenance.seed))),
    }
}

/// The network of a bundle on another fleet; the same fleet gives the same plan.
///
/// # Errors
/// Where it does not fit.
pub fn place_again(bundle: &Bundle, fleet: Fleet) -> Result<Bundle, String> {
    let workload = Workload::of_graph(&bundle.graph).map_err(|error| error.to_string())?;
    let placed = cnasc_place::plan(&workload, &fleet, Strategy::Best, &Seed::new(0).child("place again"));
    let again = Bundle { plan: placed.map_err(|error| error.to_string())?, fleet, ..bundle.clone() };
    again.verify().map_err(|error| error.to_string())?;
    Ok(again)
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
    Local::start_within(&alone, machine::cores()).map_err(|error| failed(error.to_string()))
}

/// Whether this program can run every device of a fleet.
///
/// # Errors
/// Where it was built without the backend of one.
pub fn has_backends(fleet: &Fleet) -> Result<(), Failure> {
    let Some(device) = fleet.devices.iter().find(|device| !cnasc_fleet::has(device.backend)) else { return Ok(()) };
    let message = format!("device `{}` runs on `burn`, which this program was built without", device.name);
    let note = "build it with the cargo feature `burn`: `cargo build --release --features burn`";
    Err(Failure::usage(Diagnostic::error(codes::ABSENT, message).note(note)))
}

/// Whether `path` names a bundle rather than an architecture or a source file: by its ending, or else by how it begins.
#[must_use]
pub fn is_bundle(path: &Path) -> bool {
    use std::io::Read;
    let mut head = [0; MAGIC.len()];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    path.extension().is_some_and(|ending| ending == "bundle") || (read.is_ok() && head == MAGIC)
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
