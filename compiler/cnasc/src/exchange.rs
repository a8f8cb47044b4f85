//! Networks with their weights in the forms of other programs.

use crate::failure::{Failure, codes};
use crate::output::{make_folder, write_file};
use crate::pipeline;
use cnasc_base::Diagnostic;
use cnasc_ir::{Architecture, Fleet, Plan, TensorGraph, Weights};
use cnasc_lower::fold;
use cnasc_onnx::export::{self, ExportError, Gates, Network};
use std::path::Path;

/// A network and a value for each of its parameters.
#[derive(Debug)]
pub struct Valued {
    name: String,
    nodes: Vec<String>,
    graph: TensorGraph,
    weights: Weights,
    gates: Gates,
}

impl Valued {
    /// `architecture` with its weights, every parameter under its name, or folded as kernels run it.
    ///
    /// # Errors
    /// Where its figures are beyond what can be counted or held.
    pub fn of(architecture: &Architecture, folded: bool) -> Result<Self, Failure> {
        let (graph, _) = pipeline::analyse(architecture)?;
        let weights = pipeline::weights(architecture, &graph)?;
        let (graph, weights) = if folded { fold(&graph, &weights) } else { (graph, weights) };
        let nodes = architecture.nodes.iter().map(|node| node.name.clone()).collect();
        let gates = if folded { Gates::Apart } else { Gates::Together };
        Ok(Self { name: architecture.name.clone(), nodes, graph, weights, gates })
    }

    fn network(&self) -> Network<'_> {
        let Self { name, nodes, graph, weights, .. } = self;
        Network { name, nodes, graph, weights }
    }

    /// The bytes of an ONNX file.
    ///
    /// # Errors
    /// Where the format has no room for it.
    pub fn onnx(&self) -> Result<Vec<u8>, Failure> {
        Ok(export::encode(&export::export(self.network(), self.gates).map_err(failure)?))
    }

    /// Writes one ONNX file a device and one of the whole into `folder`, and gives their paths, the whole's first.
    ///
    /// # Errors
    /// Where the format has no room for the network, or a file can't be written.
    pub fn write_placed(
        &self,
        folder: &Path,
        architecture: &Architecture,
        plan: &Plan,
        fleet: &Fleet,
    ) -> Result<Vec<String>, Failure> {
        let placed = export::placed(self.network(), self.gates, plan, fleet).map_err(failure)?;
        make_folder(folder)?;
        let stem = format!("{}-{}", architecture.name, architecture.provenance.seed);
        let devices = placed.devices.iter().map(|(device, model)| {
            (format!("{stem}.{}-{}.onnx", device.0, in_file_name(&fleet.device(*device).name)), model)
        });
        let mut written = Vec::new();
        for (name, model) in std::iter::once((format!("{stem}.onnx"), &placed.whole)).chain(devices) {
            let path = folder.join(name);
            write_file(&path, &export::encode(model))?;
            written.push(path.display().to_string());
        }
        Ok(written)
    }
}

/// A device's name, which may be any text, without what file names can't hold.
fn in_file_name(name: &str) -> String {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '-' };
    name.chars().map(letter).take(60).collect::<String>().trim_matches('-').to_owned()
}

/// The folder for files that are no text.
///
/// # Errors
/// Where none is given.
pub fn folder(given: Option<&Path>) -> Result<&Path, Failure> {
    let missing = || {
        let note = "name a folder by `-o DIR`: these files are no text for a terminal";
        Failure::usage(Diagnostic::error(codes::OPTION, "where to? `--emit onnx` writes files").note(note))
    };
    given.ok_or_else(missing)
}

fn failure(error: ExportError) -> Failure {
    match error {
        ExportError::TooLarge { .. } => Failure::input(Diagnostic::error(codes::EXPORT, error.to_string())),
        // Both were made from one architecture.
        ExportError::Unfit(problem) => Failure::running(codes::EXPORT, problem),
    }
}
