//! What can be wrong with a text before anything is known of its meaning: errors as data, and their words.
//!
//! An error is a place and a kind; [`SyntaxErrorKind`]'s `Display` is the message, one line in lower case without a final
//! period. Expected things are in words for people ("an expression", "`}`"), never names of grammar rules.

use crate::tree::Span;
use std::fmt;

/// One mistake in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// The place to point at.
    pub span: Span,
    /// What is wrong there.
    pub kind: SyntaxErrorKind,
}

/// The kinds of mistakes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyntaxErrorKind {
    /// Something stands where something else must.
    Unexpected {
        /// What was found, in words or in backquotes.
        found: String,
        /// What could have stood there, in words or in backquotes.
        expected: Vec<&'static str>,
    },
    /// A form of other languages that is written differently here.
    Foreign {
        /// As found.
        found: String,
        /// What to write; empty where it is to be left out.
        instead: &'static str,
    },
    /// An opening bracket without its closing one; the error's span is the opening bracket.
    Unclosed {
        /// `(`, `[` or `{`.
        open: char,
        /// The bracket that is missing.
        close: char,
        /// What stands where it was missed: the next text, or nothing at the end.
        noticed: Span,
    },
    /// A closing bracket that closes nothing.
    Stray {
        /// `)`, `]` or `}`.
        close: char,
    },
    /// A bracket of another kind where one had to be closed.
    WrongClosing {
        /// The opening bracket.
        open: char,
        /// Where it stands.
        opening: Span,
        /// What was found, where the error points.
        found: char,
        /// What should be there.
        close: char,
    },
    /// A letter that no name may hold.
    ForeignLetter {
        /// The letter.
        letter: char,
    },
    /// Text without its closing quotation mark on the same line.
    UnterminatedText,
    /// A backslash before something other than `"`, `\` or `n`.
    BadEscape {
        /// The backslash and what follows it.
        escape: String,
    },
    /// A declaration without a name.
    MissingName {
        /// The word it begins with.
        keyword: &'static str,
    },
    /// A word where a declaration should begin.
    UnknownDeclaration {
        /// The word.
        found: String,
        /// The word that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A word of the language where a name must stand.
    ReservedName {
        /// The word.
        word: String,
    },
    /// A word that begins declarations, at the beginning of an entry.
    DeclarationInside {
        /// The word.
        word: String,
    },
    /// Digits that make no number.
    BadNumber {
        /// As written.
        text: String,
        /// What was probably meant.
        instead: Option<String>,
    },
    /// More digits than any value needs.
    NumberTooLong {
        /// How many characters there are.
        length: usize,
        /// How many there may be.
        limit: usize,
    },
    /// `a < b < c`.
    ChainedComparison {
        /// The first comparison.
        first: &'static str,
        /// The second, where the error points.
        second: &'static str,
    },
    /// A documentation comment that stands before no item or entry, or `//!` after the beginning of a file.
    MisplacedDocs {
        /// `///` or `//!`.
        marker: &'static str,
    },
    /// Brackets or operators inside each other beyond what is read.
    TooDeep {
        /// How many levels are read.
        limit: usize,
    },
    /// A text larger than what is read.
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// How many there may be.
        limit: usize,
    },
}

impl SyntaxError {
    /// What to put in place of the error's span to mend it, where that is known.
    #[must_use]
    pub fn suggestion(&self) -> Option<String> {
        match &self.kind {
            SyntaxErrorKind::Foreign { instead, .. } => Some((*instead).to_owned()),
            SyntaxErrorKind::UnknownDeclaration { nearest, .. } => nearest.map(str::to_owned),
            SyntaxErrorKind::BadNumber { instead, .. } => instead.clone(),
            SyntaxErrorKind::WrongClosing { close, .. } => Some(close.to_string()),
            _ => None,
        }
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for SyntaxError {}

impl fmt::Display for SyntaxErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected { found, expected } if expected.is_empty() => write!(f, "unexpected {found}"),
            Self::Unexpected { found, expected } => write!(f, "expected {}, found {found}", either(expected)),
            Self::Foreign { found, instead: "" } => write!(f, "`{found}` is not needed here"),
            Self::Foreign { found, instead } => write!(f, "`{found}` is written `{instead}` here"),
            Self::Unclosed { open, close, .. } => write!(f, "`{open}` is never closed by `{close}`"),
            Self::Stray { close } => write!(f, "`{close}` closes nothing"),
            Self::WrongClosing { open, found, close, .. } => {
                write!(f, "`{open}` is closed by `{found}` instead of `{close}`")
            }
            Self::ForeignLetter { letter } => {
                write!(f, "names are of the letters `a` to `z`, digits and `_`; `{letter}` is none of them")
            }
            Self::UnterminatedText => write!(f, "text without a closing `\"` on its line"),
            Self::BadEscape { escape } => write!(f, "`{escape}` is no escape: there are `\\\"`, `\\\\` and `\\n`"),
            Self::MissingName { keyword } => write!(f, "this `{keyword}` has no name"),
            Self::UnknownDeclaration { found, nearest: None } => write!(f, "no declaration begins with `{found}`"),
            Self::UnknownDeclaration { found, nearest: Some(nearest) } => {
                write!(f, "no declaration begins with `{found}`; did you mean `{nearest}`?")
            }
            Self::ReservedName { word } => write!(f, "`{word}` is a word of the language and cannot be a name"),
            Self::DeclarationInside { word } => {
                write!(f, "`{word}` begins a declaration and cannot begin an entry of another one")
            }
            Self::BadNumber { text, instead: None } => write!(f, "`{text}` is not a number"),
            Self::BadNumber { text, instead: Some(instead) } => {
                write!(f, "`{text}` is not a number; did you mean `{instead}`?")
            }
            Self::NumberTooLong { length, limit } => {
                write!(f, "a number of {length} characters, where {limit} are the most")
            }
            Self::ChainedComparison { first, second } => {
                write!(f, "`{first}` and `{second}` in a row: join two comparisons with `and`")
            }
            Self::MisplacedDocs { marker: "//!" } => {
                write!(f, "`//!` documents a file and must stand at its top")
            }
            Self::MisplacedDocs { marker } => write!(f, "`{marker}` stands before nothing that it could document"),
            Self::TooDeep { limit } => write!(f, "more than {limit} levels inside each other"),
            Self::TooLarge { bytes, limit } => write!(f, "a file of {bytes} bytes, where {limit} are the most"),
        }
    }
}

/// `a`, `a or b`, `a, b or c`.
fn either(words: &[&'static str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
