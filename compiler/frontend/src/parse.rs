//! Station 1, text → syntax tree: calls the parser and makes its errors diagnostics `E01xx`.
//!
//! The parser says what is wrong in one line; here each mistake gets its code, a label for its place, the rule behind it, and
//! a suggestion where there is a replacement that mends it.

use crate::codes;
use cnasc_base::{Code, Diagnostic, Diagnostics, FileId, Location, Sources};
use cnasc_grammar::tree::{File, Span};
use cnasc_grammar::{SyntaxError, SyntaxErrorKind};

/// The tree of a file, unreadable pieces kept as `Bad`, and a diagnostic for each mistake.
pub(crate) fn parse(sources: &Sources, file: FileId) -> (File, Diagnostics) {
    let text = sources.text(file);
    let (tree, errors) = cnasc_grammar::parse(text);
    let mut diagnostics = Diagnostics::default();
    for error in &errors {
        diagnostics.push(diagnostic(text, file, error));
    }
    (tree, diagnostics)
}

fn diagnostic(text: &str, file: FileId, error: &SyntaxError) -> Diagnostic {
    let at = |span: Span| Location::new(file, span.start, span.end);
    let here = at(error.span);
    let (code, label, note) = words(&error.kind);
    let mut found = Diagnostic::error(code, error.to_string()).label(here, label);
    match &error.kind {
        SyntaxErrorKind::Unclosed { noticed, .. } => found = found.label(at(*noticed), "missed before this"),
        SyntaxErrorKind::WrongClosing { open, opening, .. } => {
            found = found.label(at(*opening), format!("the `{open}` that is open"));
        }
        _ => {}
    }
    if let Some(note) = note {
        found = found.note(note);
    }
    suggestion(text, file, error)
        .into_iter()
        .fold(found, |found, (place, replacement, message)| found.suggest(place, replacement, message))
}

/// The code of a kind, what its label says, and the rule behind it.
fn words(kind: &SyntaxErrorKind) -> (Code, String, Option<&'static str>) {
    use SyntaxErrorKind as Kind;
    let (code, label, note): (Code, &str, Option<&'static str>) = match kind {
        Kind::Unexpected { found, .. } => return (codes::UNEXPECTED, format!("found {found}"), None),
        Kind::Foreign { instead: "", .. } => (codes::FOREIGN, "not needed", None),
        Kind::Foreign { instead, .. } => return (codes::FOREIGN, format!("write `{instead}`"), None),
        Kind::Unclosed { .. } => (codes::UNCLOSED, "opened here", None),
        Kind::Stray { .. } => (codes::STRAY, "nothing is open here", None),
        Kind::WrongClosing { close, .. } => return (codes::WRONG_CLOSING, format!("expected `{close}`"), None),
        Kind::ForeignLetter { .. } => (codes::FOREIGN_LETTER, "not a letter of names", None),
        Kind::UnterminatedText => (codes::UNTERMINATED_TEXT, "begins here", Some("text ends on the line it begins on")),
        Kind::BadEscape { .. } => (codes::BAD_ESCAPE, "no escape", None),
        Kind::MissingName { .. } => (
            codes::MISSING_NAME,
            "a name must follow",
            Some("a test's name is in quotation marks, all others are words"),
        ),
        Kind::UnknownDeclaration { .. } => (
            codes::UNKNOWN_DECLARATION,
            "expected a declaration",
            Some(
                "declarations begin with `use`, `device`, `link`, `fleet`, `generator`, `block`, `staging`, `network`, `search`, `training` or `test`",
            ),
        ),
        Kind::ReservedName { .. } => (
            codes::RESERVED_NAME,
            "needs another name",
            Some("such words join the parts of entries, so that an entry can end without a mark"),
        ),
        Kind::DeclarationInside { .. } => (
            codes::DECLARATION_INSIDE,
            "expected an entry",
            Some("declarations stand side by side, never inside each other"),
        ),
        Kind::BadNumber { .. } => {
            (codes::BAD_NUMBER, "not a number", Some("a number is written like `7`, `0.9`, `1e-3` or `20 ms`"))
        }
        Kind::NumberTooLong { .. } => (codes::NUMBER_TOO_LONG, "too many characters", None),
        Kind::ChainedComparison { .. } => (codes::CHAINED_COMPARISON, "a second comparison", None),
        Kind::MisplacedDocs { .. } => {
            (codes::MISPLACED_DOCS, "documents nothing", Some("an ordinary comment begins with `//`"))
        }
        Kind::TooDeep { .. } => (codes::TOO_DEEP, "too deep", None),
        Kind::TooLarge { .. } => (codes::TOO_LARGE, "", None),
    };
    (code, label.to_owned(), note)
}

/// Where to put what to mend the error, and what that does.
fn suggestion(text: &str, file: FileId, error: &SyntaxError) -> Option<(Location, String, &'static str)> {
    let here = Location::new(file, error.span.start, error.span.end);
    let written = text.get(here.range()).unwrap_or_default();
    match &error.kind {
        SyntaxErrorKind::Unclosed { close, noticed, .. } => {
            let place = match (insertion(text, *noticed)?, text.get(error.span.end as usize..)) {
                // Arguments hold no pipeline, so the parenthesis of one was to be closed before the arrow.
                (place, Some(rest)) if *close == ')' => match rest.find("->").map(|at| at + error.span.end as usize) {
                    Some(arrow) if arrow < place => text[..arrow].trim_end_matches(' ').len(),
                    _ => place,
                },
                (place, _) => place,
            };
            let replacement =
                if *close == '}' && text[..place].contains('\n') { "\n}".to_owned() } else { close.to_string() };
            let place = u32::try_from(place).ok()?;
            Some((Location::new(file, place, place), replacement, "close it"))
        }
        SyntaxErrorKind::Stray { .. } => Some((here, String::new(), "leave it out")),
        SyntaxErrorKind::BadEscape { escape } => Some((here, format!("\\{escape}"), "write a backslash as `\\\\`")),
        SyntaxErrorKind::MisplacedDocs { marker } => {
            Some((here, written.replacen(marker, "//", 1), "make it an ordinary comment"))
        }
        SyntaxErrorKind::Foreign { instead: "", .. } => Some((here, String::new(), "leave it out")),
        _ => error.suggestion().map(|replacement| (here, replacement, "write it so")),
    }
}

/// The end of the text before `noticed`; none where that is in a comment.
fn insertion(text: &str, noticed: Span) -> Option<usize> {
    let place = text.get(..noticed.start as usize)?.trim_end().len();
    let line = text[..place].rsplit('\n').next().unwrap_or_default();
    (!line.contains("//")).then_some(place)
}
