//! `cnasc expand FILE`: draws networks and shows them as text, canonical file, Graphviz or a picture.

use crate::Session;
use crate::cli::{Emit, ExpandArgs};
use crate::commands::later;
use crate::exchange::{self, Valued};
use crate::failure::{Exit, Failure};
use crate::model;
use crate::output::{make_folder, print_written, write_file};
use cnasc_ir::Architecture;
use serde::Serialize;

/// Draws and prints, or writes one file a network.
pub fn run(session: &mut Session, args: &ExpandArgs) -> Result<Exit, Failure> {
    let form = Form::of(args.emit)?;
    if matches!(form, Form::Onnx | Form::Safetensors) {
        exchange::folder(args.output_dir.as_deref())?;
    }
    let loaded = model::load(session, &args.file, &args.draw, args.count)?;
    if let Some(folder) = &args.output_dir {
        make_folder(folder)?;
        let mut written = Vec::new();
        for architecture in &loaded.architectures {
            let name = format!("{}-{}.{}", architecture.name, architecture.provenance.seed, form.ending());
            let path = folder.join(name);
            write_file(&path, &form.bytes(architecture, args)?)?;
            written.push(path.display().to_string());
        }
        print_written(session, &written);
    } else if session.output.is_json() {
        let documents: Vec<_> = loaded.architectures.iter().map(|one| Drawn::new(one, form)).collect();
        session.output.json(&documents);
    } else {
        for architecture in &loaded.architectures {
            let shown = form.show(architecture);
            if form == Form::Ir { session.output.text(&shown) } else { session.output.raw(&shown) }
        }
    }
    Ok(Exit::Done)
}

/// One network in the list that `--format json` prints.
#[derive(Debug, Serialize)]
struct Drawn<'a> {
    seed: u64,
    hash: &'a str,
    /// The architecture itself with `--emit json`, else its text.
    #[serde(flatten)]
    shown: Shown<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Shown<'a> {
    Architecture(&'a Architecture),
    Text(String),
}

impl<'a> Drawn<'a> {
    fn new(architecture: &'a Architecture, form: Form) -> Self {
        let shown = match form {
            Form::Json => Shown::Architecture(architecture),
            _ => Shown::Text(form.show(architecture)),
        };
        Self { seed: architecture.provenance.seed, hash: architecture.hash(), shown }
    }
}

/// The forms that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Ir,
    Json,
    Dot,
    Svg,
    Onnx,
    Safetensors,
}

impl Form {
    fn of(emit: Emit) -> Result<Self, Failure> {
        match emit {
            Emit::Ir => Ok(Self::Ir),
            Emit::Json => Ok(Self::Json),
            Emit::Dot => Ok(Self::Dot),
            Emit::Svg => Ok(Self::Svg),
            Emit::Onnx => Ok(Self::Onnx),
            Emit::Safetensors => Ok(Self::Safetensors),
            Emit::Graphml => Err(later("--emit graphml")),
            Emit::Clif => Err(later("--emit clif")),
        }
    }

    /// The contents of a file.
    fn bytes(self, architecture: &Architecture, args: &ExpandArgs) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Onnx => Valued::of(architecture, args.weights.file(), args.fold.fold)?.onnx(),
            Self::Safetensors => Valued::of(architecture, args.weights.file(), false)?.safetensors(),
            _ => Ok(self.show(architecture).into_bytes()),
        }
    }

    /// The text of a form that has one.
    fn show(self, architecture: &Architecture) -> String {
        match self {
            Self::Ir => {
                let provenance = &architecture.provenance;
                let arguments: Vec<String> =
                    provenance.arguments.iter().map(|(name, value)| format!("{name} = {value}")).collect();
                let arguments =
                    if arguments.is_empty() { String::new() } else { format!(": {}", arguments.join(", ")) };
                let edits: String = provenance.edits.iter().map(|edit| format!(", {edit}")).collect();
                format!("// seed {}{arguments}{edits}\n", provenance.seed) + &cnasc_ir::text::short(architecture, true)
            }
            Self::Json => architecture.to_json(),
            Self::Dot => cnasc_lower::export::dot(architecture),
            Self::Svg => cnasc_lower::export::svg(architecture, None),
            // They go into files only.
            Self::Onnx | Self::Safetensors => String::new(),
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Self::Ir => "ir",
            Self::Json => "arch.json",
            Self::Dot => "dot",
            Self::Svg => "svg",
            Self::Onnx => "onnx",
            Self::Safetensors => "safetensors",
        }
    }
}
