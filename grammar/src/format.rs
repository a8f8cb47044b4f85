//! The canonical text of a program: text in, text out, or the errors that stop it from being read.
//!
//! Formatting keeps the meaning, the comments and the author's parentheses, and is its own fixed point. Its rules:
//!
//! - four spaces of indentation, one entry a line, one blank line between items (none is added between `use` lines), and
//!   between entries at most one where the author had some;
//! - in `staging`, `network` and `search`, the words of entries without a blank line between them are padded to one column;
//! - a comment on its own line stays before what follows it; one after an entry stays behind four spaces; one inside an entry
//!   moves before that entry;
//! - where a line would be longer than [`WIDTH`], calls, lists and choices get one element a line, pipelines one stage.

mod lines;
mod values;

use crate::lexis::{self, Token, TokenKind};
use crate::parse::{SyntaxError, parse};
use crate::tree::{Declaration, Entry, EntryKind, File, Item, ItemKind, Param};
use lines::Line;

/// The longest line that is not broken, in characters.
pub const WIDTH: usize = 120;

/// The canonical text of the program in `text`.
///
/// # Errors
/// All the syntax errors of a text that has some; such a text is not formatted.
pub fn format(text: &str) -> Result<String, Vec<SyntaxError>> {
    let (file, errors) = parse(text);
    if !errors.is_empty() {
        return Err(errors);
    }
    let tokens = lexis::tokens(text);
    let mut writer = Writer { text, tokens: &tokens, next: 0, last_end: 0, out: String::with_capacity(text.len()) };
    writer.file(&file);
    Ok(writer.out)
}

/// Writes items while walking over the comments between them.
struct Writer<'a> {
    text: &'a str,
    tokens: &'a [Token],
    /// The first token that is not yet passed.
    next: usize,
    /// One past the last byte of what was written last.
    last_end: usize,
    out: String,
}

impl<'a> Writer<'a> {
    fn file(&mut self, file: &File) {
        for line in &file.docs {
            self.out.push_str(doc("//!", line).trim_end());
            self.out.push('\n');
        }
        let mut before: Option<&ItemKind> = None;
        for item in &file.items {
            let both_use = matches!((before, &item.kind), (Some(ItemKind::Use { .. }), ItemKind::Use { .. }));
            self.item(item, both_use);
            before = Some(&item.kind);
        }
        let mut rest = Vec::new();
        self.comments_until(self.text.len(), &mut rest);
        let apart = !self.out.is_empty() && !matches!(rest.first(), Some(Line::Blank) | None);
        if apart && file.items.is_empty() {
            self.out.push('\n');
        }
        for line in rest.iter().skip(usize::from(self.out.is_empty() && matches!(rest.first(), Some(Line::Blank)))) {
            self.plain(line, 0);
        }
    }

    fn item(&mut self, item: &Item, after_use: bool) {
        let (start, end) = (item.span.start as usize, item.span.end as usize);
        let head_end = match &item.kind {
            ItemKind::Declaration(declaration) => self.brace(declaration),
            _ => end,
        };
        let mut lines = Vec::new();
        self.before(start, head_end, &item.docs, &mut lines);
        let kept = matches!(lines.first(), Some(Line::Blank));
        if !self.out.is_empty() && (kept || !after_use) {
            self.out.push('\n');
        }
        for line in lines.iter().skip(usize::from(kept)) {
            self.plain(line, 0);
        }
        self.last_end = head_end;
        let head = self.head(item);
        self.out.push_str(&head);
        match &item.kind {
            ItemKind::Declaration(declaration) => self.body(declaration, end),
            _ => self.end_line(),
        }
    }

    /// What stands on an item's first line.
    fn head(&self, item: &Item) -> String {
        match &item.kind {
            ItemKind::Use { file: None, path } => format!("use {}", values::path(path)),
            ItemKind::Use { file: Some(file), path } => {
                format!("use {}::{}", self.source(file.span.start, file.span.end), values::path(path))
            }
            ItemKind::Link { name, figures } => {
                let values = self.values();
                let figures: Vec<String> = figures.iter().map(|figure| values.fitted(figure, 0, 0, 0)).collect();
                format!("link {} = {}", name.text, figures.join(", "))
            }
            ItemKind::Block { name, params, pipeline } => {
                let head = format!("block {}{} = ", name.text, self.params(params, name.text.len() + 10));
                let values = self.values();
                let column = head.lines().last().map_or(0, |line| line.chars().count());
                let value = values.fitted(pipeline, 0, column, 0);
                head + &value
            }
            ItemKind::Declaration(declaration) => {
                let word = declaration.keyword.word();
                let name = match declaration.keyword {
                    crate::tree::Keyword::Test => self.source(declaration.name.span.start, declaration.name.span.end),
                    _ => &declaration.name.text,
                };
                format!("{word} {name}{} {{", self.params(&declaration.params, word.len() + name.len() + 4))
            }
            // A file with errors is not formatted, and without errors nothing is bad.
            ItemKind::Bad => self.source(item.span.start, item.span.end).to_owned(),
        }
    }

    fn source(&self, start: u32, end: u32) -> &'a str {
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }

    fn values(&self) -> values::Values<'a> {
        values::Values { text: self.text, tokens: self.tokens }
    }

    /// Parameters in their parentheses, one a line where they and `others` characters are too long for one.
    fn params(&self, params: &[Param], others: usize) -> String {
        if params.is_empty() {
            return String::new();
        }
        let values = self.values();
        let one = |param: &Param, column: usize| {
            let head = format!("{}: {}", param.name.text, param.ty.text);
            match &param.default {
                Some(default) => {
                    let column = column + head.chars().count() + 3;
                    format!("{head} = {}", values.fitted(default, values::INDENT, column, 1))
                }
                None => head,
            }
        };
        let flat: Vec<String> = params.iter().map(|param| one(param, 0)).collect();
        let flat = format!("({})", flat.join(", "));
        if others + flat.chars().count() <= WIDTH && !flat.contains('\n') {
            return flat;
        }
        let indent = " ".repeat(values::INDENT);
        let lines: Vec<String> =
            params.iter().map(|param| format!("{indent}{},\n", one(param, values::INDENT))).collect();
        format!("(\n{})", lines.concat())
    }

    /// The entries of a declaration whose opening brace is written, and the closing one.
    fn body(&mut self, declaration: &Declaration, end: usize) {
        let comment = self.trailing();
        let mut lines = Vec::new();
        self.gather(&declaration.entries, end, values::INDENT, &mut lines);
        self.last_end = end;
        if let Some(comment) = comment {
            self.out.push_str("    ");
            self.out.push_str(comment);
        }
        let lines = lines.get(usize::from(matches!(lines.first(), Some(Line::Blank)))..).unwrap_or_default();
        if !lines.is_empty() || comment.is_some() {
            self.out.push('\n');
            self.entries(lines, lines::aligned(declaration.keyword), values::INDENT);
        }
        self.out.push('}');
        self.end_line();
    }

    /// The lines of the entries inside braces, the closing one of which is at `end` or before it.
    fn gather<'b>(&mut self, entries: &'b [Entry], end: usize, indent: usize, lines: &mut Vec<Line<'a, 'b>>) {
        for entry in entries {
            match &entry.kind {
                EntryKind::Repeat { entries, .. }
                | EntryKind::Residual { entries }
                | EntryKind::Fidelity { entries } => {
                    self.groups(entry, &[entries], indent, lines);
                }
                EntryKind::Branch { branches, .. } => {
                    let groups: Vec<&'b Vec<Entry>> = branches.iter().collect();
                    self.groups(entry, &groups, indent, lines);
                }
                _ => {
                    let (start, end) = (entry.span.start as usize, entry.span.end as usize);
                    self.before(start, end, &entry.docs, lines);
                    self.last_end = end;
                    let comment = self.trailing();
                    lines.push(Line::Entry { entry, comment });
                }
            }
        }
        self.comments_until(end, lines);
    }

    /// The lines of an entry with sections inside its braces.
    fn groups<'b>(
        &mut self,
        entry: &'b Entry,
        groups: &[&'b Vec<Entry>],
        indent: usize,
        lines: &mut Vec<Line<'a, 'b>>,
    ) {
        let (mut head, mut from, tail) = match &entry.kind {
            EntryKind::Repeat { count, .. } => {
                let written = self.values().fitted(count, indent, indent + "repeat ".len(), 2);
                (format!("repeat {written} {{"), count.span.end, "}".to_owned())
            }
            EntryKind::Branch { joined, .. } => {
                ("branch {".to_owned(), entry.span.start, format!("}} joined by {}", joined.text))
            }
            kind => (format!("{} {{", lines::word(kind)), entry.span.start, "}".to_owned()),
        };
        for (place, group) in groups.iter().enumerate() {
            let (open, close) = self.braces(from as usize);
            if place == 0 {
                self.before(entry.span.start as usize, open, &entry.docs, lines);
            }
            self.last_end = open;
            let comment = self.trailing();
            lines.push(Line::Brace { text: std::mem::replace(&mut head, "} {".to_owned()), comment });
            let end = match groups.get(place + 1) {
                Some(_) => self.braces(close).0,
                None => entry.span.end as usize,
            };
            let mut inner = Vec::new();
            self.gather(group, end, indent + values::INDENT, &mut inner);
            if matches!(inner.first(), Some(Line::Blank)) {
                inner.remove(0);
            }
            lines.push(Line::Inner(inner));
            from = u32::try_from(close).unwrap_or(u32::MAX);
        }
        self.last_end = entry.span.end as usize;
        let comment = self.trailing();
        lines.push(Line::Brace { text: tail, comment });
    }

    /// One past the first opening brace from `from` on, and where its closing one ends.
    fn braces(&self, from: usize) -> (usize, usize) {
        let first = self.tokens.partition_point(|token| token.start < from);
        let (mut depth, mut open) = (0_usize, from);
        for token in &self.tokens[first..] {
            match token.kind {
                TokenKind::Open('{') => {
                    if depth == 0 {
                        open = token.end;
                    }
                    depth += 1;
                }
                TokenKind::Close('}') => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return (open, token.end);
                    }
                }
                _ => {}
            }
        }
        (open, self.text.len())
    }

    /// The comments and documentation before something at `start` whose own text goes on to `end`, blank lines among them.
    fn before(&mut self, start: usize, end: usize, docs: &[String], lines: &mut Vec<Line<'a, '_>>) {
        let first_doc =
            self.tokens[self.next..].iter().find(|token| !token.is_comment() || token.kind == TokenKind::Doc);
        let begins = first_doc.map_or(start, |token| token.start).min(start);
        self.comments_until(end, lines);
        if self.blank(begins) {
            lines.push(Line::Blank);
        }
        lines.extend(docs.iter().map(|line| Line::Doc(doc("///", line))));
    }

    /// The comments that begin before `end`, with blank lines where there were some.
    fn comments_until(&mut self, end: usize, lines: &mut Vec<Line<'a, '_>>) {
        while let Some(token) = self.tokens.get(self.next).filter(|token| token.start < end) {
            self.next += 1;
            if token.kind == TokenKind::Comment {
                if self.blank(token.start) {
                    lines.push(Line::Blank);
                }
                lines.push(Line::Comment(&self.text[token.start..token.end]));
                self.last_end = token.end;
            }
        }
    }

    /// Whether nothing but a blank line or more stands between what was written last and `start`.
    fn blank(&self, start: usize) -> bool {
        let gap = self.text.get(self.last_end..start);
        gap.is_some_and(|gap| gap.trim().is_empty() && gap.matches('\n').count() > 1)
    }

    /// The comment behind what was written last, on the same line.
    fn trailing(&mut self) -> Option<&'a str> {
        let token = self.tokens.get(self.next)?;
        if token.kind != TokenKind::Comment || token.first_on_line {
            return None;
        }
        self.next += 1;
        self.last_end = token.end;
        self.text.get(token.start..token.end)
    }

    fn end_line(&mut self) {
        // The brace of a declaration is the one token that nothing has passed.
        self.next = self.tokens.partition_point(|token| token.start < self.last_end);
        if let Some(comment) = self.trailing() {
            self.out.push_str("    ");
            self.out.push_str(comment);
        }
        self.out.push('\n');
    }

    /// One past the brace that opens a declaration's body.
    fn brace(&self, declaration: &Declaration) -> usize {
        let after = match declaration.params.last() {
            Some(Param { default: Some(default), .. }) => default.span.end,
            Some(param) => param.ty.span.end,
            None => declaration.name.span.end,
        } as usize;
        let tokens = &self.tokens[self.tokens.partition_point(|token| token.start < after)..];
        let brace = tokens.iter().find(|token| token.kind == TokenKind::Open('{'));
        brace.map_or(after, |token| token.end)
    }
}

/// A line of documentation.
fn doc(marker: &str, line: &str) -> String {
    format!("{marker} {line}").trim_end().to_owned()
}
