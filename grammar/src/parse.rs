//! Text in, tree and errors out, always both.
//!
//! The stages: `lexis` cuts the text into tokens; `mend` reports what is wrong with brackets and literals and
//! gives a text of the same length in which they are in order; the grammar reads that, its `bad_…` rules taking what nothing
//! else accepts; `build` makes the tree, with the words of the original text, and has `diagnose` explain each bad piece.
//! All stages are linear in the text.

mod build;
mod diagnose;
mod expression;

pub use crate::error::{SyntaxError, SyntaxErrorKind};

use crate::lexis;
use crate::mend;
use crate::tree::{File, Span};
use pest::Parser;

/// The largest text that is read, in bytes. The grammar's record of a text takes up to a few hundred times its size.
pub const MAX_TEXT: usize = 4 << 20;

/// The most brackets inside each other; the grammar recurses for each.
pub const MAX_NESTING: usize = 64;

/// The most levels of an expression's tree, operators included; whoever walks the tree recurses for each.
pub const MAX_DEPTH: usize = 256;

/// The longest number, in characters.
pub const MAX_NUMBER: usize = 64;

/// What pest makes of `cnas.pest`.
mod grammar {
    #![allow(missing_docs, reason = "generated from the grammar, whose own comments document it")]

    #[derive(pest_derive::Parser)]
    #[grammar = "cnas.pest"]
    pub struct Grammar;
}

use grammar::{Grammar, Rule};

/// Reads a file. What cannot be read is `Bad` in the tree and has an error; without errors nothing is `Bad`.
///
/// Errors are in the order of their places.
#[must_use]
pub fn parse(text: &str) -> (File, Vec<SyntaxError>) {
    if text.len() > MAX_TEXT {
        let kind = SyntaxErrorKind::TooLarge { bytes: text.len(), limit: MAX_TEXT };
        return (File::default(), vec![SyntaxError { span: Span::default(), kind }]);
    }
    let tokens = lexis::tokens(text);
    let mut mended = mend::mend(text, &tokens);
    let mut reading = read(text, &tokens, &mended);
    if !reading.overruns.is_empty() {
        // Read once more with these entries cut off where they stop, so that the next entries are not lost.
        mended.cut(reading.overruns);
        reading = read(text, &tokens, &mended);
    }
    let mut errors = reading.errors;
    errors.extend(reading.overruns.into_iter().map(|(_, error)| error));
    errors.append(&mut mended.errors);
    errors.sort_by_key(|error| error.span);
    (reading.file, errors)
}

fn read(text: &str, tokens: &[lexis::Token], mended: &mend::Mended) -> build::Reading {
    let source = build::Source { text, tokens, mended };
    match Grammar::parse(Rule::file, &mended.text) {
        Ok(pairs) => build::file(source, pairs),
        // The rules for bad pieces take any text, so this is not expected; it is an error all the same, not a panic.
        Err(error) => {
            let errors = vec![diagnose::unread(&source, &error)];
            build::Reading { file: File::default(), errors, overruns: Vec::new() }
        }
    }
}

/// A span from byte offsets, which fit because texts above [`MAX_TEXT`] are not read.
pub fn span(start: usize, end: usize) -> Span {
    Span { start: u32::try_from(start).unwrap_or(u32::MAX), end: u32::try_from(end).unwrap_or(u32::MAX) }
}
