//! `cnasc fmt FILE…`: the canonical form, in place, or only compared with `--check`.

use crate::Session;
use crate::cli::FmtArgs;
use crate::failure::{Exit, Failure};
use crate::output::write_file;
use crate::pipeline;
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Formatted {
    file: String,
    changed: bool,
}

/// Formats every file that can be parsed; a file with syntax errors is reported and left as it is.
pub fn run(session: &mut Session, args: &FmtArgs) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    for path in &args.files {
        let file = pipeline::read_source(&mut session.sources, path)?;
        let text = session.sources.text(file);
        let Ok(formatted) = cnasc_grammar::format(text) else {
            let (_, diagnostics) = pipeline::compile_source(&mut session.sources, file);
            return Err(Failure::input(diagnostics));
        };
        let changed = formatted != text;
        if changed && !args.check {
            write_file(path, formatted.as_bytes())?;
        }
        rows.push(Formatted { file: path.display().to_string(), changed });
    }
    let changed = rows.iter().any(|row| row.changed);
    if session.output.is_json() {
        session.output.json(&rows);
    } else {
        let word = if args.check { "not in canonical form; run `cnasc fmt` on it" } else { "formatted" };
        for row in rows.iter().filter(|row| row.changed) {
            session.output.text(&format!("{}: {word}\n", row.file));
        }
    }
    Ok(if changed && args.check { Exit::Input } else { Exit::Done })
}
