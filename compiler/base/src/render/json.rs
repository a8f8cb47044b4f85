//! Diagnostics as programs read them: findings → JSON, for readers of two kinds.
//!
//! Each finding has the fields of `rustc --error-format=json` under its names (`message`, `level`, `spans`, `children`,
//! `rendered`), so that tools made for that read ours; and beside them the short ones of our own (`severity`, `file`, `notes`,
//! `suggestion`, and in a span `start`, `end`, `line`, `column`). In one place they differ: `code` is the code itself, such as
//! `"E0201"`, of which `cnasc explain` tells the rest. Lines and columns are counted from 1, columns in characters, and the
//! last of a span is one past it.

use super::human;
use crate::diagnostic::{Diagnostic, Diagnostics, Suggestion};
use crate::source::{Location, Sources};
use serde::Serialize;

/// One finding.
#[derive(Debug, Serialize)]
pub struct Json {
    #[serde(rename = "$message_type")]
    message_type: &'static str,
    code: &'static str,
    severity: &'static str,
    level: &'static str,
    message: String,
    file: String,
    spans: Vec<Span>,
    notes: Vec<String>,
    suggestion: Option<Replacement>,
    children: Vec<Child>,
    rendered: String,
}

/// A note, or the help that a suggestion gives.
#[derive(Debug, Serialize)]
struct Child {
    message: String,
    code: Option<&'static str>,
    level: &'static str,
    spans: Vec<Span>,
    children: Vec<Child>,
    rendered: Option<String>,
}

#[derive(Debug, Serialize)]
struct Span {
    file: String,
    start: u32,
    end: u32,
    line: usize,
    column: usize,
    label: String,
    primary: bool,
    file_name: String,
    byte_start: u32,
    byte_end: u32,
    line_start: usize,
    line_end: usize,
    column_start: usize,
    column_end: usize,
    is_primary: bool,
    text: Vec<Line>,
    suggested_replacement: Option<String>,
    suggestion_applicability: Option<&'static str>,
    /// Where macros put it, of which the language has none.
    expansion: Option<()>,
}

/// A line that a span touches, without its end, and the columns of the span in it.
#[derive(Debug, Serialize)]
struct Line {
    text: String,
    highlight_start: usize,
    highlight_end: usize,
}

#[derive(Debug, Serialize)]
struct Replacement {
    file: String,
    start: u32,
    end: u32,
    replacement: String,
    message: String,
}

/// The most lines of a span that are repeated.
const MAX_LINES: usize = 6;

/// All findings in the shape that `--format json` prints.
#[must_use]
pub fn json(sources: &Sources, diagnostics: &Diagnostics) -> Vec<Json> {
    diagnostics.iter().map(|diagnostic| one(sources, diagnostic)).collect()
}

fn one(sources: &Sources, diagnostic: &Diagnostic) -> Json {
    let name = |location: Location| sources.name(location.file).to_owned();
    let labels = diagnostic.labels.iter().enumerate();
    let child = |level, message: &String, spans| {
        let message = message.clone();
        Child { message, code: None, level, spans, children: Vec::new(), rendered: None }
    };
    let notes = diagnostic.notes.iter().map(|note| child("note", note, Vec::new()));
    let help = diagnostic.suggestion.iter().map(|found| child("help", &found.message, vec![replaced(sources, found)]));
    Json {
        message_type: "diagnostic",
        code: diagnostic.code.0,
        severity: diagnostic.severity.word(),
        level: diagnostic.severity.word(),
        message: diagnostic.message.clone(),
        file: diagnostic.labels.first().map(|label| name(label.location)).unwrap_or_default(),
        spans: labels.map(|(place, label)| span(sources, label.location, &label.message, place == 0)).collect(),
        children: notes.chain(help).collect(),
        notes: diagnostic.notes.clone(),
        suggestion: diagnostic.suggestion.as_ref().map(|suggestion| Replacement {
            file: name(suggestion.location),
            start: suggestion.location.start,
            end: suggestion.location.end,
            replacement: suggestion.replacement.clone(),
            message: suggestion.message.clone(),
        }),
        rendered: human(sources, &Diagnostics::from(diagnostic.clone()), false),
    }
}

/// The place that a suggestion replaces, with what it puts there.
fn replaced(sources: &Sources, suggestion: &Suggestion) -> Span {
    Span {
        suggested_replacement: Some(suggestion.replacement.clone()),
        suggestion_applicability: Some("MaybeIncorrect"),
        ..span(sources, suggestion.location, "", true)
    }
}

fn span(sources: &Sources, location: Location, label: &str, primary: bool) -> Span {
    let (line, column) = sources.line_column(location.file, location.start);
    let (line_end, column_end) = sources.line_column(location.file, location.end);
    let file = sources.name(location.file).to_owned();
    Span {
        file: file.clone(),
        start: location.start,
        end: location.end,
        line,
        column,
        label: label.to_owned(),
        primary,
        file_name: file,
        byte_start: location.start,
        byte_end: location.end,
        line_start: line,
        line_end,
        column_start: column,
        column_end,
        is_primary: primary,
        text: lines(sources.text(location.file), location, (column, column_end)),
        suggested_replacement: None,
        suggestion_applicability: None,
        expansion: None,
    }
}

/// The first lines that a place touches.
fn lines(text: &str, location: Location, (first, last): (usize, usize)) -> Vec<Line> {
    let range = location.range();
    let begin = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[range.end..].find('\n').map_or(text.len(), |at| range.end + at);
    let touched = text[begin..end].split('\n');
    let count = touched.clone().count();
    let line = |(index, text): (usize, &str)| Line {
        text: text.trim_end_matches('\r').to_owned(),
        highlight_start: if index == 0 { first } else { 1 },
        highlight_end: if index + 1 == count { last } else { text.chars().count() + 1 },
    };
    touched.take(MAX_LINES).enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::json;
    use crate::diagnostic::{Code, Diagnostic, Diagnostics};
    use crate::source::{Location, Sources};
    use serde_json::{Value, json as value};

    fn found(text: &str, make: impl Fn(&dyn Fn(u32, u32) -> Location) -> Diagnostic) -> Value {
        let mut sources = Sources::default();
        let file = sources.add("a.cnas", text);
        let diagnostic = make(&|start, end| Location::new(file, start, end));
        serde_json::to_value(json(&sources, &Diagnostics::from(diagnostic))).expect("it serialises")[0].clone()
    }

    #[test]
    fn fields_have_the_types_of_both_shapes() {
        let found = found("über x\n  seed shef\n", |at| {
            Diagnostic::error(Code("E0201"), "nothing is called `shef`")
                .label(at(15, 19), "not found")
                .label(at(0, 5), "here")
                .note("a note")
                .suggest(at(15, 19), "shelf", "did you mean this")
        });
        let span = &found["spans"][0];
        assert_eq!(
            (&found["code"], &found["severity"], &found["level"]),
            (&"E0201".into(), &"error".into(), &"error".into())
        );
        assert_eq!((&span["start"], &span["line"], &span["column"]), (&15.into(), &2.into(), &8.into()));
        assert_eq!((&span["byte_start"], &span["byte_end"]), (&15.into(), &19.into()));
        assert_eq!((&span["line_start"], &span["line_end"]), (&2.into(), &2.into()));
        assert_eq!(
            (&span["column_start"], &span["column_end"], &span["is_primary"]),
            (&8.into(), &12.into(), &true.into())
        );
        assert_eq!(span["text"], value!([{ "text": "  seed shef", "highlight_start": 8, "highlight_end": 12 }]));
        assert_eq!((&span["suggested_replacement"], &span["file_name"]), (&Value::Null, &"a.cnas".into()));
        assert_eq!((&found["spans"][1]["is_primary"], &found["spans"][1]["column_end"]), (&false.into(), &5.into()));
        assert_eq!(found["children"][0]["level"], "note");
        let help = &found["children"][1];
        assert_eq!((&help["level"], &help["message"]), (&"help".into(), &"did you mean this".into()));
        assert_eq!(help["spans"][0]["suggested_replacement"], found["suggestion"]["replacement"]);
        assert_eq!(help["spans"][0]["byte_end"], found["suggestion"]["end"]);
        assert!(found["rendered"].as_str().expect("a text").contains("a.cnas:2:8"));
    }

    #[test]
    fn a_span_over_lines_has_them_all_but_no_more_than_a_few() {
        let text = "a\nbcd\n\nef\n".to_owned() + &"g\n".repeat(100);
        let of = |start, end| found(&text, |at| Diagnostic::error(Code("E0101"), "wrong").label(at(start, end), ""));
        let span = &of(3, 8)["spans"][0];
        assert_eq!((&span["line_start"], &span["line_end"], &span["column_end"]), (&2.into(), &4.into(), &2.into()));
        let line =
            |text: &str, start: u32, end: u32| value!({ "text": text, "highlight_start": start, "highlight_end": end });
        assert_eq!(span["text"], Value::from(vec![line("bcd", 2, 4), line("", 1, 1), line("ef", 1, 2)]));
        let end = u32::try_from(text.len()).expect("a short text");
        assert_eq!(of(0, end)["spans"][0]["text"].as_array().map(Vec::len), Some(super::MAX_LINES));
        assert_eq!(of(end, end)["spans"][0]["text"].as_array().map(Vec::len), Some(1));
    }
}
