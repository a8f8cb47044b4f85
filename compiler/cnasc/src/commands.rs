//! One module a command: arguments in, results printed, exit status out.

pub mod bench;
pub mod build;
pub mod check;
pub mod completions;
pub mod expand;
pub mod explain;
pub mod fmt;
pub mod plan;
pub mod run;
pub mod score;
pub mod search;

use crate::failure::{Failure, codes};
use cnasc_base::Diagnostic;

/// The failure of a command that belongs to the contract and is not there yet.
pub fn later(command: &str) -> Failure {
    Failure::usage(Diagnostic::error(codes::LATER, format!("`cnasc {command}` is not there yet")))
}
