//! The front end: source text → typed [`Program`], with everything that can be wrong found before a single graph is drawn.
//!
//! Three stations, one a module, each giving its output and its findings: `parse` (text → tree), `resolve` (tree → names) and
//! `check` (names → program). Names that were reported stay quiet afterwards, so that one mistake is one error. Below them lie
//! what they share: types, units, constant evaluation and the standard library's text.
//!
//! [`explain()`] has a page for each code that is given here. Crates with codes of their own keep a table of the same shape as
//! [`CODES`], and the command line looks through all of them.

mod check;
pub mod codes;
mod constant;
mod explain;
mod files;
mod graph_file;
mod limits;
mod nearest;
mod parse;
mod resolve;
mod stdlib;
mod types;
mod units;

pub use codes::CODES;
pub use explain::explain;
pub use files::Loader;
pub use stdlib::{Library, library};

use cnasc_base::{Diagnostics, FileId, Sources};
use cnasc_ir::Program;

/// Reads and checks a file that uses no other one but those of the standard library, which are added to `sources`.
///
/// There is a program exactly where no finding is an error. Findings are in the order of their places.
pub fn compile(sources: &mut Sources, file: FileId) -> (Option<Program>, Diagnostics) {
    compiled(sources, file, None)
}

/// Reads and checks a file and those that it uses, of which `loader` gives the texts; they are added to `sources`.
///
/// The program has the searches and tests of `file` alone, and all other declarations, those of `file` first.
pub fn compile_with(sources: &mut Sources, file: FileId, loader: Loader<'_>) -> (Option<Program>, Diagnostics) {
    compiled(sources, file, Some(loader))
}

fn compiled(sources: &mut Sources, file: FileId, loader: Option<Loader<'_>>) -> (Option<Program>, Diagnostics) {
    let (names, mut diagnostics) = resolve::resolve(sources, file, loader);
    let (program, found) = check::check(sources, &names, !diagnostics.has_errors());
    diagnostics.extend(found);
    diagnostics.sort();
    let program = program.filter(|_| !diagnostics.has_errors());
    (program, diagnostics)
}
