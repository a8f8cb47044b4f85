//! One module a command: arguments in, results printed, exit status out.

pub mod audit;
pub mod bench;
pub mod build;
pub mod check;
pub mod completions;
pub mod diff;
pub mod expand;
pub mod explain;
#[cfg(feature = "fleet")]
pub mod fleet;
pub mod fmt;
pub mod import;
#[cfg(feature = "fleet")]
pub mod node;
pub mod partition;
pub mod plan;
pub mod profile;
#[cfg(feature = "fleet")]
pub mod remote;
pub mod run;
pub mod score;
pub mod search;
pub mod sources;
pub mod test;
#[cfg(feature = "fleet")]
pub mod testbed;
pub mod train;
pub mod tune;

use crate::failure::{Failure, codes};
use cnasc_base::Diagnostic;

/// The failure of what belongs to the contract and is not there yet: `cnasc lsp`.
pub fn later(what: &str) -> Failure {
    Failure::usage(Diagnostic::error(codes::LATER, format!("`{what}` is not there yet")))
}

/// The failure of what a program without the cargo feature `fleet` does not have.
#[cfg(not(feature = "fleet"))]
pub fn without_fleets() -> Failure {
    let message = "this program was built without fleets of several machines".to_owned();
    let note = "build it with the cargo feature `fleet`: `cargo build --release --features fleet`";
    Failure::usage(Diagnostic::error(codes::ABSENT, message).note(note))
}
