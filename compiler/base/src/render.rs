//! Diagnostics as people read them (through codespan-reporting) and as programs read them (JSON).

mod json;

pub use json::{Json, json};

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::source::Sources;
use codespan_reporting::diagnostic as codespan;
use codespan_reporting::term::{self, Config};

/// All findings as text, one after the other; `color` writes ANSI escapes.
#[must_use]
pub fn human(sources: &Sources, diagnostics: &Diagnostics, color: bool) -> String {
    let config = Config::default();
    let mut text = String::new();
    for diagnostic in diagnostics.iter() {
        let shown = to_codespan(sources, diagnostic);
        let emitted = if color {
            let mut ansi = term::termcolor::Ansi::new(Vec::new());
            let result = term::emit_to_write_style(&mut ansi, &config, sources, &shown);
            text.push_str(&String::from_utf8_lossy(&ansi.into_inner()));
            result
        } else {
            term::emit_to_string(&mut text, &config, sources, &shown)
        };
        if emitted.is_err() {
            // A label outside its file would be a bug of ours; the message must reach the user all the same.
            text.push_str(&format!("{}[{}]: {}\n", diagnostic.severity.word(), diagnostic.code, diagnostic.message));
        }
    }
    text
}

/// Control characters other than line breaks and tabs replaced by `\u{fffd}`: names and messages may come from files, and such
/// characters could command the terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    let safe = |letter: char| if letter.is_control() && letter != '\n' && letter != '\t' { '\u{fffd}' } else { letter };
    text.chars().map(safe).collect()
}

fn to_codespan(sources: &Sources, diagnostic: &Diagnostic) -> codespan::Diagnostic<crate::FileId> {
    let severity = match diagnostic.severity {
        Severity::Error => codespan::Severity::Error,
        Severity::Warning => codespan::Severity::Warning,
    };
    let labels = diagnostic.labels.iter().enumerate().map(|(place, label)| {
        let range = label.location.range();
        let made = if place == 0 {
            codespan::Label::primary(label.location.file, range)
        } else {
            codespan::Label::secondary(label.location.file, range)
        };
        made.with_message(printable(&label.message))
    });
    let mut notes = diagnostic.notes.clone();
    if let Some(suggestion) = &diagnostic.suggestion {
        let shown = shown_replacement(sources, suggestion).map(|line| format!(": `{line}`")).unwrap_or_default();
        notes.push(format!("help: {}{shown}", suggestion.message));
    }
    codespan::Diagnostic::new(severity)
        .with_code(diagnostic.code.0)
        .with_message(printable(&diagnostic.message))
        .with_labels(labels.collect())
        .with_notes(notes.iter().map(|note| printable(note)).collect())
}

/// The replaced line as it will read, so that the reader sees the mended text and not only the fragment; of added lines those
/// alone, and nothing where nothing remains.
fn shown_replacement(sources: &Sources, suggestion: &crate::diagnostic::Suggestion) -> Option<String> {
    if suggestion.replacement.trim().contains('\n') || suggestion.replacement.starts_with('\n') {
        return Some(suggestion.replacement.trim().to_owned());
    }
    if let Some(line) = suggestion.replacement.strip_suffix('\n') {
        return Some(line.trim().to_owned());
    }
    let text = sources.text(suggestion.location.file);
    let range = suggestion.location.range();
    let from = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let to = text[range.end..].find('\n').map_or(text.len(), |at| range.end + at);
    let line = format!("{}{}{}", &text[from..range.start], suggestion.replacement, &text[range.end..to]);
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}
