//! What goes to the terminal: one result on standard output, diagnostics and remarks on standard error.

use crate::Session;
use crate::cli::{Color, Format, OutputArgs};
use crate::failure::Failure;
use cnasc_base::render::{self, printable};
use cnasc_base::{Diagnostics, Sources};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::path::Path;

/// How this run prints.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
    color: bool,
    quiet: bool,
    verbose: bool,
}

impl Output {
    /// As the options say; colours follow standard error, where diagnostics go.
    #[must_use]
    pub fn new(args: &OutputArgs) -> Self {
        let color = match args.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        };
        Self { format: args.format, color, quiet: args.quiet, verbose: args.verbose > 0 }
    }

    /// One JSON document and nothing else.
    #[must_use]
    pub fn for_programs() -> Self {
        Self { format: Format::Json, color: false, quiet: true, verbose: false }
    }

    /// Whether a program reads standard output.
    #[must_use]
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Whether progress may be shown.
    #[must_use]
    pub fn shows_progress(self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    /// Text for people on standard output; control characters, which names in files may hold, are shown as `\u{fffd}`.
    pub fn text(self, text: &str) {
        self.raw(&printable(text));
    }

    /// A document or script on standard output as it is.
    pub fn raw(self, text: &str) {
        // A closed pipe (`cnasc … | head`) is the reader's wish to stop, not an error.
        let _ = std::io::stdout().write_all(text.as_bytes());
    }

    /// The one JSON document of this run.
    pub fn json<T: Serialize>(self, value: &T) {
        let text = serde_json::to_string_pretty(value).expect("the command's own records always serialise");
        self.raw(&(text + "\n"));
    }

    /// Findings as text for people, to stand within a report.
    #[must_use]
    pub fn shown(self, sources: &Sources, diagnostics: &Diagnostics) -> String {
        render::human(sources, diagnostics, self.color)
    }

    /// What took how long, where `-v` asks for it.
    pub fn detail(self, text: &str) {
        if self.verbose {
            self.remark(text);
        }
    }

    /// A remark for people on standard error.
    pub fn remark(self, text: &str) {
        if !self.quiet {
            eprintln!("{}", printable(text));
        }
    }

    /// Findings as the command's result: a list on standard output for programs, text on standard error for people.
    pub fn findings(self, sources: &Sources, diagnostics: &Diagnostics) {
        if self.is_json() {
            self.json(&render::json(sources, diagnostics));
        } else {
            eprint!("{}", render::human(sources, &diagnostics.first(MAX_SHOWN), self.color));
            if diagnostics.len() > MAX_SHOWN {
                eprintln!("… and {} more", diagnostics.len() - MAX_SHOWN);
            }
        }
    }
}

/// The most findings shown to people at once.
const MAX_SHOWN: usize = 100;

/// A table for people: headings, then rows; every column but those named is aligned to the right.
#[must_use]
pub fn table(headings: &[&str], left: &[usize], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(headings).add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        let alignment = if left.contains(&index) { CellAlignment::Left } else { CellAlignment::Right };
        column.set_cell_alignment(alignment);
        column.set_padding(if index == 0 { (0, 1) } else { (1, 1) });
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n") + "\n"
}

/// The files that a command wrote: a line each, or a list for programs.
pub fn print_written(session: &Session, written: &[String]) {
    if session.output.is_json() {
        session.output.json(&written);
    } else {
        written.iter().for_each(|path| session.output.text(&format!("{path}\n")));
    }
}

/// Makes a folder for results, and those above it.
///
/// # Errors
/// Where it can't be made.
pub fn make_folder(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path).map_err(|error| Failure::unwritable(path, &error))
}

/// Writes a whole file beside its place and renames it, so that no reader ever sees half of it.
///
/// # Errors
/// Where the file can't be written; its folder must exist.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let unwritable = |error: std::io::Error| Failure::unwritable(path, &error);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let beside = path.with_file_name(name);
    std::fs::write(&beside, bytes).map_err(unwritable)?;
    std::fs::rename(&beside, path).map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        Failure::unwritable(path, &error)
    })
}

/// `1.50 M`, `28.2 K`, `312`: a count for people, in the suffixes of the language.
#[must_use]
pub fn count(value: u64) -> String {
    let value = value as f64;
    match value {
        _ if value >= 1e9 => format!("{:.2} G", value / 1e9),
        _ if value >= 1e6 => format!("{:.2} M", value / 1e6),
        _ if value >= 1e3 => format!("{:.1} K", value / 1e3),
        _ => format!("{value:.0}"),
    }
}

/// `1.50 MB`, `28.2 KB`, `312 B`: a size for people.
#[must_use]
pub fn bytes(value: u64) -> String {
    if value < 1000 { format!("{value} B") } else { count(value) + "B" }
}

/// Milliseconds of a number of seconds, with three digits that matter.
#[must_use]
pub fn milliseconds(seconds: f64) -> String {
    let value = seconds * 1e3;
    match value {
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
