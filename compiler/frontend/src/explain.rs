//! Code → its page: a title, what the rule is and why, a program that breaks it and the same program mended.

use crate::codes::CODES;

/// The page of a code of the front end, as Markdown; its first line is the title behind `# `.
#[must_use]
pub fn explain(code: &str) -> Option<&'static str> {
    CODES.iter().find(|(known, _)| known.0 == code).map(|(_, page)| *page)
}
