//! Networks with their weights in the forms of other programs.

use crate::Session;
use crate::cli::WeightsArgs;
use crate::failure::{Failure, codes};
use crate::output::{make_folder, write_file};
use crate::pipeline;
use cnasc_base::Diagnostic;
use cnasc_ir::{Architecture, Fleet, Plan, TensorGraph, Weights};
use cnasc_lower::fold;
use cnasc_onnx::export::{self, ExportError, Gates, Network};
use cnasc_onnx::weights::{self, WeightsError};
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
    /// `architecture` with the weights of a file or else seeded ones, every parameter under its name, or folded as kernels run it.
    ///
    /// # Errors
    /// Where its figures are beyond what can be counted or held, or the file has not its weights.
    pub fn of(architecture: &Architecture, file: Option<&Path>, folded: bool) -> Result<Self, Failure> {
        let (graph, _) = pipeline::analyse(architecture)?;
        let weights = pipeline::weights(architecture, &graph, file)?;
        Ok(Self::new(architecture, graph, weights, folded))
    }

    /// The same with the graph that was lowered from it and a value for each parameter.
    #[must_use]
    pub fn new(architecture: &Architecture, graph: TensorGraph, weights: Weights, folded: bool) -> Self {
        let (graph, weights) = if folded { fold(&graph, &weights) } else { (graph, weights) };
        let nodes = architecture.nodes.iter().map(|node| node.name.clone()).collect();
        let gates = if folded { Gates::Apart } else { Gates::Together };
        Self { name: architecture.name.clone(), nodes, graph, weights, gates }
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

    /// The bytes of a safetensors file.
    ///
    /// # Errors
    /// Where the format has no room for it.
    pub fn safetensors(&self) -> Result<Vec<u8>, Failure> {
        let too_many = |error: WeightsError| Failure::input(Diagnostic::error(codes::EXPORT, error.to_string()));
        weights::write(&self.graph, &self.weights).map_err(too_many)
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

/// The greatest file of weights, in bytes: 2 GiB of values and room for names.
const MAX_WEIGHTS: u64 = (2 << 30) + (64 << 20);

/// The values of a graph's parameters from a safetensors file, or from the initialisers of an ONNX file.
///
/// # Errors
/// Where it can't be read, or has not the weights of this graph: all that is missing, strange or of other extents is named.
pub fn read_weights(path: &Path, graph: &TensorGraph) -> Result<Weights, Failure> {
    let unreadable = |error: std::io::Error| Failure::unreadable(path, &error);
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_WEIGHTS {
        let message = format!("`{}` has {size} bytes; a file of weights may have {MAX_WEIGHTS}", path.display());
        return Err(Diagnostic::error(codes::WEIGHTS, message).into());
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let is_model = path.extension().is_some_and(|ending| ending == "onnx");
    let read = if is_model { weights::read_initializers(&bytes, graph) } else { weights::read(&bytes, graph) };
    let misfit = |error: WeightsError| {
        let note =
            "`cnasc expand FILE --emit safetensors -o DIR` writes a file with the names and extents that belong there";
        Diagnostic::error(codes::WEIGHTS, format!("`{}`: {error}", path.display())).note(note).into()
    };
    read.map_err(misfit)
}

impl WeightsArgs {
    /// The file, where one is given.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.weights.as_deref()
    }

    /// Says that answers mean nothing, where no weights were given.
    pub fn remark(&self, session: &Session) {
        if self.weights.is_none() {
            session.output.remark(pipeline::UNTRAINED);
        }
    }
}

/// The folder for files that are no text.
///
/// # Errors
/// Where none is given.
pub fn folder(given: Option<&Path>) -> Result<&Path, Failure> {
    let missing = || {
        let note = "name a folder by `-o DIR`: these files are no text for a terminal";
        Failure::usage(
            Diagnostic::error(codes::OPTION, "where to? `--emit onnx` and `--emit safetensors` write files").note(note),
        )
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
