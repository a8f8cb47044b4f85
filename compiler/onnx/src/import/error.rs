//! Why a model is not taken in.

use std::fmt;

/// Why a model is not taken in. Each kind has a diagnostic code of its own on the command line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The file is no model, or contradicts itself or what ONNX says.
    #[error("{0}")]
    Malformed(String),
    /// It asks for what is not there, all of it listed.
    #[error("{}", list(.0))]
    Lacking(Vec<Lack>),
    /// A file beside it that it needs can't be had.
    #[error("{0}")]
    External(String),
    /// It needs more memory than is given to it.
    #[error("{0}")]
    TooLarge(String),
}

/// An operator, or a way of using one, that is not taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// The node, by its name or, where it has none, by what it makes.
    pub node: String,
    /// The operator; empty where the lack is of the model as a whole.
    pub op: String,
    /// What is not there.
    pub what: String,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, op, what } = self;
        if op.is_empty() { write!(f, "{node} {what}") } else { write!(f, "node `{node}`: `{op}` {what}") }
    }
}

fn list(lacks: &[Lack]) -> String {
    lacks.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What may go wrong with one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// It asks for what is not there; others are looked for.
    Lack(String),
    /// Nothing sensible can be said of the rest.
    Stop(ImportError),
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        Self::Stop(error)
    }
}

/// A failure for what contradicts ONNX.
pub(super) fn wrong<T>(problem: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::Stop(ImportError::Malformed(problem.into())))
}

/// A failure for what is not there, as the end of a sentence about the node.
pub(super) fn lack<T>(what: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::Lack(what.into()))
}

/// A text of the file, escaped and cut so that it can be shown.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.escape_debug().take(80).collect();
    if text.chars().nth(80).is_some() {
        shown.push('…');
    }
    shown
}
