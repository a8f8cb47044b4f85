//! Diagnostics as data: a code, a message, labelled places, notes and a suggestion that compiles.
//!
//! Stations build these; [`crate::render`] is the only place that turns them into text.

use crate::source::Location;
use std::fmt;

/// A stable code such as `E0201`. The first two digits name the station: 01 syntax, 02 names, 03 types and units, 04 meaning
/// (domains, shapes, fleets, searches), 05 expansion, 06 files and options, 07 running, 09 not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub &'static str);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; the program is used as it is.
    Warning,
    /// The program can't be used.
    Error,
}

impl Severity {
    /// The lower-case word that people and JSON see.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A place and what is to be said of it. The first label of a diagnostic is its primary one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub location: Location,
    /// What was found there, lower case, no final period; may be empty.
    pub message: String,
}

/// A replacement of one place that mends the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// What to replace; an empty range inserts.
    pub location: Location,
    /// The text to put there.
    pub replacement: String,
    /// What the replacement does, as an imperative: "write the unit".
    pub message: String,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its code, which `cnasc explain` tells the rest about.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// One line, lower case, no final period.
    pub message: String,
    /// Places, the primary one first. Empty only for findings about no source text.
    pub labels: Vec<Label>,
    /// Where the rule comes from, or more about the finding.
    pub notes: Vec<String>,
    /// How to mend it, where that is known.
    pub suggestion: Option<Suggestion>,
}

impl Diagnostic {
    /// An error without places.
    #[must_use]
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: Vec::new(),
            notes: Vec::new(),
            suggestion: None,
        }
    }

    /// A warning without places.
    #[must_use]
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Adds a place; the first one added is the primary one.
    #[must_use]
    pub fn label(mut self, location: Location, message: impl Into<String>) -> Self {
        self.labels.push(Label { location, message: message.into() });
        self
    }

    /// Adds a note.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Says how to mend it.
    #[must_use]
    pub fn suggest(mut self, location: Location, replacement: impl Into<String>, message: impl Into<String>) -> Self {
        self.suggestion = Some(Suggestion { location, replacement: replacement.into(), message: message.into() });
        self
    }
}

/// Findings of one or more stations, in the order found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Diagnostics) {
        self.0.extend(other.0);
    }

    /// Whether any finding forbids using the program.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The first `count` of them.
    #[must_use]
    pub fn first(&self, count: usize) -> Self {
        Self(self.0.iter().take(count).cloned().collect())
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The findings.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// Puts findings in the order of their places, so that output does not depend on the order of the passes.
    pub fn sort(&mut self) {
        self.0.sort_by_key(|diagnostic| diagnostic.labels.first().map(|label| label.location));
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}
