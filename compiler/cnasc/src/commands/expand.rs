//! `cnasc expand FILE`: draws networks and shows them as text, canonical file, Graphviz or a picture.

use crate::Session;
use crate::cli::{Emit, ExpandArgs};
use crate::failure::{Exit, Failure};
use crate::model;
use crate::output::write_file;
use cnasc_ir::Architecture;
use serde::Serialize;

/// Draws and prints, or writes one file a network.
pub fn run(session: &mut Session, args: &ExpandArgs) -> Result<Exit, Failure> {
    let loaded = model::load(session, &args.file, &args.draw, args.count)?;
    if let Some(folder) = &args.output_dir {
        let mut written = Vec::new();
        for architecture in &loaded.architectures {
            let name = format!("{}-{}.{}", architecture.name, architecture.provenance.seed, ending(args.emit));
            let path = folder.join(name);
            write_file(&path, show(architecture, args.emit).as_bytes())?;
            written.push(path.display().to_string());
        }
        print_written(session, &written);
    } else if session.output.is_json() {
        let documents: Vec<_> = loaded.architectures.iter().map(|one| Drawn::new(one, args.emit)).collect();
        session.output.json(&documents);
    } else {
        for architecture in &loaded.architectures {
            session.output.text(&show(architecture, args.emit));
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
    fn new(architecture: &'a Architecture, emit: Emit) -> Self {
        let shown = match emit {
            Emit::Json => Shown::Architecture(architecture),
            _ => Shown::Text(show(architecture, emit)),
        };
        Self { seed: architecture.provenance.seed, hash: &architecture.hash, shown }
    }
}

fn print_written(session: &Session, written: &[String]) {
    if session.output.is_json() {
        session.output.json(&written);
    } else {
        written.iter().for_each(|path| session.output.text(&format!("{path}\n")));
    }
}

fn show(architecture: &Architecture, emit: Emit) -> String {
    match emit {
        Emit::Ir => {
            let Architecture { provenance, .. } = architecture;
            let arguments: Vec<String> =
                provenance.arguments.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            let drawn = format!("// seed {}: {}\n", provenance.seed, arguments.join(", "));
            drawn + &cnasc_ir::text::short(architecture, true)
        }
        Emit::Json => architecture.to_json(),
        Emit::Dot => cnasc_lower::export::dot(architecture),
        Emit::Svg => cnasc_lower::export::svg(architecture, None),
    }
}

fn ending(emit: Emit) -> &'static str {
    match emit {
        Emit::Ir => "ir",
        Emit::Json => "arch.json",
        Emit::Dot => "dot",
        Emit::Svg => "svg",
    }
}
