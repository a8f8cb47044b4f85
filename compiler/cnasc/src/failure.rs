//! Why a command did not do what was asked, and the exit status that says so.

use cnasc_base::{Code, Diagnostic, Diagnostics};
use std::path::Path;

/// Findings and the exit status that they lead to.
#[derive(Debug)]
pub struct Failure {
    /// What is wrong, each with its code.
    pub diagnostics: Diagnostics,
    /// The process's exit status.
    pub exit: Exit,
}

/// The exit statuses of the command line's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for was done.
    Done = 0,
    /// The input is wrong.
    Input = 1,
    /// The command line is wrong, or asks for what is not there yet.
    Usage = 2,
    /// It failed while running.
    Running = 3,
}

impl Failure {
    /// Wrong input, found by the compiler or by reading a file.
    #[must_use]
    pub fn input(diagnostics: impl Into<Diagnostics>) -> Self {
        Self { diagnostics: diagnostics.into(), exit: Exit::Input }
    }

    /// Wrong options.
    #[must_use]
    pub fn usage(diagnostic: Diagnostic) -> Self {
        Self { diagnostics: diagnostic.into(), exit: Exit::Usage }
    }

    /// Something went wrong on the way, with input that is right.
    #[must_use]
    pub fn running(code: Code, message: impl Into<String>) -> Self {
        Self { diagnostics: Diagnostic::error(code, message).into(), exit: Exit::Running }
    }

    /// The first finding.
    #[must_use]
    pub fn first(self) -> Diagnostic {
        let first = self.diagnostics.iter().next().cloned();
        first.unwrap_or_else(|| Diagnostic::error(codes::RUN, "it failed without a word"))
    }

    /// A file could not be read.
    #[must_use]
    pub fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self::input(Diagnostic::error(codes::UNREADABLE, format!("can't read `{}`: {error}", path.display())))
    }

    /// A file could not be written.
    #[must_use]
    pub fn unwritable(path: &Path, error: &std::io::Error) -> Self {
        Self::running(codes::UNWRITABLE, format!("can't write `{}`: {error}", path.display()))
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::input(diagnostic)
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::input(diagnostics)
    }
}

/// The codes of files, options and running. `cnasc explain` has a page for each.
pub mod codes {
    use cnasc_base::Code;

    /// A file can't be read.
    pub const UNREADABLE: Code = Code("E0601");
    /// A file is not what its name or place says.
    pub const FORM: Code = Code("E0602");
    /// The file declares no, or several, or no such item.
    pub const ITEM: Code = Code("E0603");
    /// `--set` names no argument, or a value that does not fit.
    pub const SET: Code = Code("E0604");
    /// No such fleet.
    pub const FLEET: Code = Code("E0605");
    /// No such strategy, backend or code.
    pub const OPTION: Code = Code("E0606");
    /// An image does not fit the network.
    pub const IMAGE: Code = Code("E0607");
    /// A file can't be written.
    pub const UNWRITABLE: Code = Code("E0701");
    /// The network does not fit the fleet.
    pub const PLACE: Code = Code("E0608");
    /// The fleet failed while running.
    pub const RUN: Code = Code("E0703");
    /// A program of the user's told no accuracy.
    pub const COMMAND: Code = Code("E0618");
    /// Two computations of the same answer disagree.
    pub const DISAGREE: Code = Code("E0704");
    /// No candidate keeps the constraints.
    pub const NO_CANDIDATE: Code = Code("E0609");
    /// A test's expectation does not hold.
    pub const EXPECTATION: Code = Code("E0610");
    /// The samples of a test are not those that were accepted.
    pub const SNAPSHOT: Code = Code("E0611");
    /// No samples of a test were accepted yet.
    pub const NO_SNAPSHOT: Code = Code("E0612");
    /// Graphs are not what their family is said to draw.
    pub const DOUBT: Code = Code("E0613");
    /// A device's backend is not in this program.
    pub const ABSENT: Code = Code("E0614");
    /// A file is no model that can be read, or contradicts itself.
    pub const MODEL: Code = Code("E0620");
    /// A model asks for operators that are not there.
    pub const LACKS: Code = Code("E0621");
    /// A file beside a model can't be read, or must not be.
    pub const BESIDE: Code = Code("E0622");
    /// A study can't be kept, or is another one.
    pub const STORAGE: Code = Code("E0643");
    /// A trial that others enqueued can't be a candidate.
    pub const GUEST: Code = Code("E0644");
    /// A network can't be written in the form that is asked for.
    pub const EXPORT: Code = Code("E0640");
    /// A file has not the weights of the network.
    pub const WEIGHTS: Code = Code("E0641");
    /// Another engine to compare with is not there.
    pub const RIVAL: Code = Code("E0642");
    /// The keys of a fleet are missing or wrong.
    pub const KEYS: Code = Code("E0615");
    /// A node is not there, or went away.
    pub const NODE: Code = Code("E0705");
    /// A node refused what it was told.
    pub const REFUSED: Code = Code("E0706");
    /// Images to learn from are missing or damaged.
    pub const DATA: Code = Code("E0650");
    /// A network can't be trained.
    pub const UNTRAINABLE: Code = Code("E0651");
    /// A checkpoint is damaged, or of another run.
    pub const CHECKPOINT: Code = Code("E0652");
    /// Training has diverged.
    pub const DIVERGED: Code = Code("E0707");
    /// A command that is not there yet.
    pub const LATER: Code = Code("E0920");

    /// All of the above.
    pub const ALL: &[Code] = &[
        UNREADABLE,
        FORM,
        ITEM,
        SET,
        FLEET,
        OPTION,
        IMAGE,
        UNWRITABLE,
        PLACE,
        RUN,
        COMMAND,
        DISAGREE,
        NO_CANDIDATE,
        EXPECTATION,
        SNAPSHOT,
        NO_SNAPSHOT,
        DOUBT,
        ABSENT,
        MODEL,
        LACKS,
        BESIDE,
        STORAGE,
        GUEST,
        EXPORT,
        WEIGHTS,
        RIVAL,
        KEYS,
        NODE,
        REFUSED,
        DATA,
        UNTRAINABLE,
        CHECKPOINT,
        DIVERGED,
        LATER,
    ];
}
