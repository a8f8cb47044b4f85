//! The text of `.cnas`: the pest grammar, the tree it is read into, and the formatter.
//!
//! Text comes in as a string; [`parse()`] gives a [`tree::File`] and the errors found on the way, always both, because the
//! parser recovers after a mistake; [`format()`] gives the canonical text. This crate knows no meaning: whether a name exists or
//! a unit fits is for the front end. It depends on no other crate of the project, and is the only one that knows pest.

mod error;
pub mod format;
mod lexis;
mod mend;
pub mod parse;
pub mod tree;

pub use format::format;
pub use parse::{SyntaxError, SyntaxErrorKind, parse};
