//! One module a command: arguments in, results printed, exit status out.

pub mod audit;
pub mod bench;
pub mod build;
pub mod check;
pub mod completions;
pub mod diff;
pub mod expand;
pub mod explain;
pub mod fmt;
pub mod import;
pub mod partition;
pub mod plan;
pub mod profile;
pub mod run;
pub mod score;
pub mod search;
pub mod test;

use crate::failure::{Failure, codes};
use cnasc_base::Diagnostic;

/// The failure of what belongs to the contract and is not there yet: `cnasc train`, `--emit onnx`.
pub fn later(what: &str) -> Failure {
    Failure::usage(Diagnostic::error(codes::LATER, format!("`{what}` is not there yet")))
}
