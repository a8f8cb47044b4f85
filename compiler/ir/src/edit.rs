//! Changes of drawn graphs, edge by edge.
//!
//! An edit says what is done, and a number from which it is drawn where: so it can be applied to any graph, and does the same to the
//! same one. Its text, `move.4711`, is what files and the command line have.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One change of the graphs of a network's bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Edit {
    /// What is done.
    pub kind: EditKind,
    /// What the body and the edge are drawn from.
    pub number: u64,
}

/// What is done to an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditKind {
    /// One end of it goes to another node.
    Move,
    /// It is new.
    Add,
    /// It is left out.
    Drop,
}

impl EditKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Move, Self::Add, Self::Drop];

    fn word(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Add => "add",
            Self::Drop => "drop",
        }
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind.word(), self.number)
    }
}

impl FromStr for Edit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (word, number) = text.split_once('.')?;
            let kind = EditKind::ALL.into_iter().find(|kind| kind.word() == word)?;
            let number = number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())??;
            Some(Self { kind, number })
        };
        // Shown escaped and cut: what is refused may hold anything.
        let shown = || text.escape_debug().take(40).collect::<String>();
        read().ok_or_else(|| {
            format!("`{}` is no edit: `move`, `add` or `drop`, a point and a number, as `move.4711`", shown())
        })
    }
}

impl TryFrom<String> for Edit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Edit> for String {
    fn from(edit: Edit) -> Self {
        edit.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_read_back() {
        for kind in EditKind::ALL {
            for number in [0, 4711, u64::MAX] {
                let edit = Edit { kind, number };
                assert_eq!(edit.to_string().parse(), Ok(edit));
            }
        }
        for wrong in ["", "move", "move.", "move.-1", "move.+1", "cut.3", "add.18446744073709551616", "add.1.2"] {
            assert!(wrong.parse::<Edit>().is_err(), "{wrong}");
        }
    }
}
