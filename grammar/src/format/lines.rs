//! The lines of a declaration's body: entries with their comments, padded to a common column where that is the rule.

use super::Writer;
use super::values::{INDENT, Values, width};
use crate::tree::{EdgeRule, Entry, EntryKind, Expr, Growth, Keyword};

/// What may stand on a line of its own.
pub enum Line<'a, 'b> {
    /// Nothing.
    Blank,
    /// An ordinary comment.
    Comment(&'a str),
    /// Documentation, its marker included.
    Doc(String),
    /// An entry, and the comment behind it.
    Entry {
        /// The entry.
        entry: &'b Entry,
        /// The comment.
        comment: Option<&'a str>,
    },
    /// A line that ends or begins with a brace of an entry with sections inside it.
    Brace {
        /// All of it.
        text: String,
        /// The comment behind it.
        comment: Option<&'a str>,
    },
    /// The lines between two such braces.
    Inner(Vec<Line<'a, 'b>>),
}

/// A part of an entry behind its word.
enum Part<'b> {
    Text(String),
    Value(&'b Expr),
}

/// Whether the words of such a declaration's entries are padded to a common column.
pub fn aligned(keyword: Keyword) -> bool {
    matches!(keyword, Keyword::Staging | Keyword::Network | Keyword::Search | Keyword::Training)
}

impl<'a> Writer<'a> {
    /// Writes the lines of a body, `indent` deep.
    pub fn entries(&mut self, lines: &[Line<'a, '_>], aligned: bool, indent: usize) {
        for run in lines.split_inclusive(|line| matches!(line, Line::Blank | Line::Inner(_))) {
            let words = run.iter().filter_map(|line| match line {
                Line::Entry { entry, .. } => Some(width(word(&entry.kind))),
                _ => None,
            });
            let column = if aligned { words.max().unwrap_or(0) } else { 0 };
            for line in run {
                match line {
                    Line::Inner(inner) => self.entries(inner, aligned, indent + INDENT),
                    _ => self.line(line, column, indent),
                }
            }
        }
    }

    /// Writes a line that is no entry.
    pub fn plain(&mut self, line: &Line<'a, '_>, indent: usize) {
        match line {
            Line::Blank | Line::Entry { .. } | Line::Brace { .. } | Line::Inner(_) => {}
            Line::Comment(comment) => self.indented(indent, comment),
            Line::Doc(doc) => self.indented(indent, doc),
        }
        self.out.push('\n');
    }

    fn line(&mut self, line: &Line<'a, '_>, column: usize, indent: usize) {
        let (written, comment) = match line {
            Line::Entry { entry, comment } => (self.entry(entry, column, indent), comment),
            Line::Brace { text, comment } => (text.clone(), comment),
            _ => return self.plain(line, indent),
        };
        self.indented(indent, &written);
        if let Some(comment) = comment {
            self.out.push_str("    ");
            self.out.push_str(comment);
        }
        self.out.push('\n');
    }

    fn indented(&mut self, indent: usize, text: &str) {
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.out.push_str(text);
    }

    /// An entry whose word takes up `column` characters, in a body `indent` deep.
    fn entry(&self, entry: &Entry, column: usize, indent: usize) -> String {
        let values = self.values();
        let parts = parts(&entry.kind);
        let mut written = word(&entry.kind).to_owned();
        if !matches!(entry.kind, EntryKind::Edge { .. }) {
            written.push_str(&" ".repeat(column.saturating_sub(width(&written)) + 1));
        }
        let flat: Vec<usize> = parts.iter().map(|part| part.flat(values)).collect();
        for (place, part) in parts.iter().enumerate() {
            match part {
                Part::Text(text) => written.push_str(text),
                Part::Value(value) => {
                    let last = written.rfind('\n').map_or(indent + width(&written), |at| width(&written[at + 1..]));
                    let after = flat.iter().skip(place + 1).sum();
                    written.push_str(&values.fitted(value, indent, last, after));
                }
            }
        }
        written
    }
}

impl Part<'_> {
    fn flat(&self, values: Values<'_>) -> usize {
        match self {
            Self::Text(text) => width(text),
            Self::Value(value) => width(&values.flat(value)),
        }
    }
}

/// The word an entry begins with.
pub fn word(kind: &EntryKind) -> &str {
    match kind {
        EntryKind::Property { name, .. } => &name.text,
        EntryKind::Node { .. } => "node",
        EntryKind::Link { .. } => "link",
        EntryKind::Edge { .. } => "edge",
        EntryKind::Attach { .. } => "attach",
        EntryKind::Lattice { .. } => "lattice",
        EntryKind::Channels { .. } => "channels",
        EntryKind::Body { .. } => "body",
        EntryKind::Sample { .. } => "sample",
        EntryKind::Repeat { .. } => "repeat",
        EntryKind::Residual { .. } => "residual",
        EntryKind::Branch { .. } => "branch",
        EntryKind::Fidelity { .. } => "fidelity",
        EntryKind::Bad => "",
    }
}

/// What follows an entry's word and the space after it.
fn parts(kind: &EntryKind) -> Vec<Part<'_>> {
    let text = |text: &str| Part::Text(text.to_owned());
    match kind {
        EntryKind::Property { value, .. } => vec![Part::Value(value)],
        EntryKind::Node { name, count: None, device } => {
            vec![Part::Text(format!("{}: ", name.text)), Part::Value(device)]
        }
        EntryKind::Node { name, count: Some(count), device } => {
            vec![Part::Text(format!("{}[", name.text)), Part::Value(count), text("]: "), Part::Value(device)]
        }
        EntryKind::Link { from, to, figures } => {
            let mut parts = vec![Part::Text(format!("{} <-> {}: ", from.text, to.text))];
            for (place, figure) in figures.iter().enumerate() {
                if place > 0 {
                    parts.push(text(", "));
                }
                parts.push(Part::Value(figure));
            }
            parts
        }
        EntryKind::Edge { ends: (from, to), rule } => {
            let (joining, value) = match rule {
                EdgeRule::Probability(value) => ("with probability", value),
                EdgeRule::Condition(value) => ("if", value),
            };
            vec![Part::Text(format!("({}, {}) {joining} ", from.text, to.text)), Part::Value(value)]
        }
        EntryKind::Attach { edges } => vec![Part::Value(edges), text(" by degree")],
        EntryKind::Lattice { neighbours, rewired } => {
            vec![Part::Value(neighbours), text(" rewired with probability "), Part::Value(rewired)]
        }
        EntryKind::Channels { growth, limit } => {
            let mut parts = match growth {
                Growth::Keep => vec![text("keep")],
                Growth::Double => vec![text("double")],
                Growth::Times(factor) => vec![text("times "), Part::Value(factor)],
            };
            parts.extend(limit.iter().flat_map(|limit| [text(" up to "), Part::Value(limit)]));
            parts
        }
        EntryKind::Body { wiring: first, block: second, staging: third } => {
            of(first, second, " staged ", third.as_ref())
        }
        EntryKind::Sample { count: first, of: second, seed: third } => of(first, second, " seed ", third.as_ref()),
        // Written as lines of their own.
        EntryKind::Repeat { .. }
        | EntryKind::Residual { .. }
        | EntryKind::Branch { .. }
        | EntryKind::Fidelity { .. }
        | EntryKind::Bad => Vec::new(),
    }
}

/// `first of second`, and `third` behind `joining`.
fn of<'b>(first: &'b Expr, second: &'b Expr, joining: &str, third: Option<&'b Expr>) -> Vec<Part<'b>> {
    let mut parts = vec![Part::Value(first), Part::Text(" of ".to_owned()), Part::Value(second)];
    parts.extend(third.into_iter().flat_map(|third| [Part::Text(joining.to_owned()), Part::Value(third)]));
    parts
}
