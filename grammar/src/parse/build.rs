//! The tree from the grammar's pairs: files, declarations and entries. [`super::expression`] makes the values.
//!
//! Spans are taken from the first and last token of each construct, since pest's own spans of optional tails take in the white
//! space before what did not follow.

use super::{Rule, diagnose, span};
use crate::error::{SyntaxError, SyntaxErrorKind};
use crate::lexis::Token;
use crate::mend::Mended;
use crate::tree::{
    Comment, Declaration, EdgeRule, Entry, EntryKind, Expr, ExprKind, File, Growth, Item, ItemKind, Keyword, Name,
    Param, Path, Span,
};
use pest::iterators::{Pair, Pairs};

/// A text with what the stages before the grammar found out.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// As the user wrote it.
    pub text: &'a str,
    /// Its tokens.
    pub tokens: &'a [Token],
    /// What the grammar reads.
    pub mended: &'a Mended,
}

/// What one reading gives.
pub struct Reading {
    /// The tree.
    pub file: File,
    /// The errors of its bad pieces.
    pub errors: Vec<SyntaxError>,
    /// Entries that stopped too early and took the next one's line for their own: their last tokens, and their errors.
    pub overruns: Vec<(Token, SyntaxError)>,
}

/// The file that `pairs` stand for.
pub fn file<'a>(source: Source<'a>, pairs: Pairs<'a, Rule>) -> Reading {
    let mut builder = Builder { source, errors: Vec::new(), overruns: Vec::new(), deep: false };
    let mut file = File { comments: comments(source), ..File::default() };
    for pair in pairs.flat_map(Pair::into_inner) {
        match pair.as_rule() {
            Rule::file_doc => file.docs.push(doc_line(pair.as_str(), "//!")),
            Rule::item => builder.item(pair, &mut file.items),
            _ => {}
        }
    }
    Reading { file, errors: builder.errors, overruns: builder.overruns }
}

/// Makes the tree and gathers errors.
pub struct Builder<'a> {
    /// What is read.
    pub source: Source<'a>,
    /// Found so far.
    pub errors: Vec<SyntaxError>,
    overruns: Vec<(Token, SyntaxError)>,
    /// Whether the current entry was already found to be too deep.
    pub deep: bool,
}

impl<'a> Builder<'a> {
    fn item(&mut self, pair: Pair<'a, Rule>, items: &mut Vec<Item>) {
        let mut docs = Vec::new();
        for inner in pair.into_inner() {
            self.deep = false;
            let (start, end) = (inner.as_span().start(), end_of(&inner));
            let kind = match inner.as_rule() {
                Rule::doc => {
                    docs.push(doc_line(inner.as_str(), "///"));
                    continue;
                }
                Rule::use_item => self.use_item(inner),
                Rule::block_item => self.block_item(inner),
                Rule::link_item => self.link_item(inner),
                Rule::declaration => ItemKind::Declaration(self.declaration(inner)),
                Rule::bad_declaration => {
                    self.bad_declaration(inner);
                    ItemKind::Bad
                }
                _ => {
                    self.bad_item(start, end, items);
                    continue;
                }
            };
            items.push(Item { docs: std::mem::take(&mut docs), kind, span: span(start, end) });
        }
    }

    fn use_item(&mut self, pair: Pair<'a, Rule>) -> ItemKind {
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::path => return ItemKind::Use { file: None, path: path(&inner) },
                Rule::file_path => return file_path(inner),
                _ => {}
            }
        }
        ItemKind::Bad
    }

    fn link_item(&mut self, pair: Pair<'a, Rule>) -> ItemKind {
        let parts = self.parts(pair);
        match parts.names.into_iter().next() {
            Some(name) => ItemKind::Link { name, figures: parts.values },
            None => ItemKind::Bad,
        }
    }

    fn block_item(&mut self, pair: Pair<'a, Rule>) -> ItemKind {
        let mut found = (Name { text: String::new(), span: Span::default() }, Vec::new(), None);
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::name => found.0 = name(&inner),
                Rule::params => found.1 = self.params(inner),
                Rule::value => found.2 = Some(self.value(inner)),
                _ => {}
            }
        }
        match found {
            (name, params, Some(pipeline)) => ItemKind::Block { name, params, pipeline },
            _ => ItemKind::Bad,
        }
    }

    fn declaration(&mut self, pair: Pair<'a, Rule>) -> Declaration {
        let nameless = Name { text: String::new(), span: Span::default() };
        let mut declaration = Declaration {
            keyword: Keyword::Test,
            keyword_span: Span::default(),
            name: nameless,
            params: Vec::new(),
            entries: Vec::new(),
        };
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::keyword | Rule::kw_test => {
                    declaration.keyword = keyword(inner.as_str());
                    declaration.keyword_span = place(&inner);
                }
                Rule::name => declaration.name = name(&inner),
                Rule::text => {
                    declaration.name = Name { text: unescaped(inner.as_str()), span: place(&inner) };
                }
                Rule::params => declaration.params = self.params(inner),
                Rule::entry => self.entry(inner, &mut declaration.entries),
                _ => {}
            }
        }
        declaration
    }

    fn params(&mut self, pair: Pair<'a, Rule>) -> Vec<Param> {
        let mut params = Vec::new();
        for param in pair.into_inner().filter(|inner| inner.as_rule() == Rule::param) {
            let (mut names, mut default) = (Vec::new(), None);
            for inner in param.into_inner() {
                match inner.as_rule() {
                    Rule::name | Rule::type_name => names.push(name(&inner)),
                    Rule::value => default = Some(self.value(inner)),
                    _ => {}
                }
            }
            if let Ok([name, ty]) = <[Name; 2]>::try_from(names) {
                params.push(Param { name, ty, default });
            }
        }
        params
    }

    fn entry(&mut self, pair: Pair<'a, Rule>, entries: &mut Vec<Entry>) {
        let mut docs = Vec::new();
        for inner in pair.into_inner() {
            self.deep = false;
            match inner.as_rule() {
                Rule::doc => docs.push(doc_line(inner.as_str(), "///")),
                Rule::bad_entry => self.bad_entry(inner.as_span().start(), end_of(&inner), entries),
                _ => {
                    let span = span(inner.as_span().start(), end_of(&inner));
                    let kind = self.entry_kind(inner).unwrap_or(EntryKind::Bad);
                    entries.push(Entry { docs: std::mem::take(&mut docs), kind, span });
                }
            }
        }
    }

    /// The entry, from its names and values in the order written. `None` cannot come of what the grammar accepts.
    fn entry_kind(&mut self, pair: Pair<'a, Rule>) -> Option<EntryKind> {
        let rule = pair.as_rule();
        let parts = self.parts(pair);
        let mut names = parts.names.into_iter();
        let mut values = parts.values.into_iter();
        let mut groups = parts.groups.into_iter();
        Some(match rule {
            Rule::property => EntryKind::Property { name: names.next()?, value: values.next()? },
            Rule::node => EntryKind::Node { name: names.next()?, count: parts.count, device: values.next()? },
            Rule::link => EntryKind::Link { from: names.next()?, to: names.next()?, figures: values.collect() },
            Rule::edge => EntryKind::Edge {
                ends: (names.next()?, names.next()?),
                rule: if parts.word == Some(Rule::condition) {
                    EdgeRule::Condition(values.next()?)
                } else {
                    EdgeRule::Probability(values.next()?)
                },
            },
            Rule::attach => EntryKind::Attach { edges: values.next()? },
            Rule::lattice => EntryKind::Lattice { neighbours: values.next()?, rewired: values.next()? },
            Rule::channels => {
                let growth = match parts.word {
                    Some(Rule::kw_keep) => Growth::Keep,
                    Some(Rule::kw_double) => Growth::Double,
                    _ => Growth::Times(values.next()?),
                };
                EntryKind::Channels { growth, limit: values.next() }
            }
            Rule::body => EntryKind::Body { wiring: values.next()?, block: values.next()?, staging: values.next() },
            Rule::repeat => EntryKind::Repeat { count: values.next()?, entries: groups.next()? },
            Rule::residual => EntryKind::Residual { entries: groups.next()? },
            Rule::branch => EntryKind::Branch { branches: groups.collect(), joined: names.next()? },
            Rule::fidelity => EntryKind::Fidelity { entries: groups.next()? },
            Rule::sample => EntryKind::Sample { count: values.next()?, of: values.next()?, seed: values.next() },
            _ => return None,
        })
    }

    fn parts(&mut self, pair: Pair<'a, Rule>) -> Parts {
        let mut parts = Parts::default();
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::name | Rule::property_word => parts.names.push(name(&inner)),
                Rule::value => parts.values.push(self.value(inner)),
                Rule::group_of => {
                    let mut entries = Vec::new();
                    for entry in inner.into_inner().filter(|inner| inner.as_rule() == Rule::entry) {
                        self.entry(entry, &mut entries);
                    }
                    parts.groups.push(entries);
                }
                Rule::count => {
                    parts.count = self.parts(inner).values.pop();
                }
                rule @ (Rule::probability | Rule::condition) => {
                    parts.word = Some(rule);
                    parts.values.append(&mut self.parts(inner).values);
                }
                rule @ (Rule::kw_keep | Rule::kw_double) => parts.word = Some(rule),
                _ => {}
            }
        }
        parts
    }

    fn bad_entry(&mut self, start: usize, end: usize, entries: &mut Vec<Entry>) {
        let start = match entries.last() {
            // The entry before it ended on the same line: it is that one which goes on wrongly.
            Some(last) if self.same_line(last.span, start) => {
                let start = last.span.start as usize;
                entries.pop();
                start
            }
            _ => start,
        };
        entries.push(Entry { docs: Vec::new(), kind: EntryKind::Bad, span: span(start, end) });
        if !self.source.mended.covers(start, end) {
            match diagnose::entry(&self.source, start, end) {
                (error, Some(dangling)) => self.overruns.push((*dangling, error)),
                (error, None) => self.errors.push(error),
            }
        }
    }

    fn bad_item(&mut self, start: usize, end: usize, items: &mut Vec<Item>) {
        let start = match items.last() {
            Some(last) if self.same_line(last.span, start) => {
                let start = last.span.start as usize;
                items.pop();
                start
            }
            _ => start,
        };
        items.push(Item { docs: Vec::new(), kind: ItemKind::Bad, span: span(start, end) });
        if !self.source.mended.covers(start, end) {
            self.errors.push(diagnose::item(&self.source, start, end));
        }
    }

    /// Reports the head and reads the entries for their errors.
    fn bad_declaration(&mut self, pair: Pair<'a, Rule>) {
        let start = pair.as_span().start();
        let mut entries = Vec::new();
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::open_brace => {
                    let end = inner.as_span().end();
                    if !self.source.mended.covers(start, end) {
                        self.errors.push(diagnose::item(&self.source, start, end));
                    }
                }
                Rule::entry => self.entry(inner, &mut entries),
                _ => {}
            }
        }
    }

    fn same_line(&self, before: Span, start: usize) -> bool {
        self.source.text.get(before.end as usize..start).is_some_and(|gap| !gap.contains('\n'))
    }

    /// Reports that an expression has too many levels, once an entry, and gives what stands in for it.
    pub fn too_deep(&mut self, at: Span) -> Expr {
        if !self.deep {
            self.deep = true;
            self.errors.push(SyntaxError { span: at, kind: SyntaxErrorKind::TooDeep { limit: super::MAX_DEPTH } });
        }
        Expr { kind: ExprKind::Bad, span: at }
    }
}

/// What an entry is made of.
#[derive(Default)]
struct Parts {
    names: Vec<Name>,
    values: Vec<Expr>,
    /// The entries between each pair of braces.
    groups: Vec<Vec<Entry>>,
    count: Option<Expr>,
    /// The word or rule that tells forms of one entry apart.
    word: Option<Rule>,
}

/// One past the last byte of the last token in `pair`, which nothing but white space may follow in it: comments are blanked.
pub fn end_of(pair: &Pair<'_, Rule>) -> usize {
    pair.as_span().start() + pair.as_str().trim_end().len()
}

/// Where a pair without inner white space stands.
pub fn place(pair: &Pair<'_, Rule>) -> Span {
    span(pair.as_span().start(), pair.as_span().end())
}

/// The word of a pair.
pub fn name(pair: &Pair<'_, Rule>) -> Name {
    Name { text: pair.as_str().to_owned(), span: place(pair) }
}

/// The names of a path, which holds no white space.
pub fn path(pair: &Pair<'_, Rule>) -> Path {
    let mut start = pair.as_span().start();
    let mut segments = Vec::new();
    for segment in pair.as_str().split("::") {
        segments.push(Name { text: segment.to_owned(), span: span(start, start + segment.len()) });
        start += segment.len() + "::".len();
    }
    Path { segments, span: place(pair) }
}

/// A name of the user's own file.
fn file_path(pair: Pair<'_, Rule>) -> ItemKind {
    let (mut file, mut segments, mut whole) = (None, Vec::new(), place(&pair));
    for inner in pair.into_inner() {
        match inner.as_rule() {
            Rule::text => file = Some(Name { text: unescaped(inner.as_str()), span: place(&inner) }),
            Rule::ident => {
                whole = place(&inner);
                segments.push(name(&inner));
            }
            _ => {}
        }
    }
    ItemKind::Use { file, path: Path { segments, span: whole } }
}

/// Text between its quotation marks with its escapes resolved; an escape that is none stays as it is.
pub fn unescaped(quoted: &str) -> String {
    let inner = quoted.strip_prefix('"').unwrap_or(quoted);
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some(escaped @ ('"' | '\\' | 'n'))) => {
                text.push(if escaped == 'n' { '\n' } else { escaped });
                chars.next();
            }
            _ => text.push(c),
        }
    }
    text
}

fn keyword(word: &str) -> Keyword {
    [
        Keyword::Device,
        Keyword::Fleet,
        Keyword::Generator,
        Keyword::Staging,
        Keyword::Network,
        Keyword::Search,
        Keyword::Training,
    ]
    .into_iter()
    .find(|keyword| keyword.word() == word)
    .unwrap_or(Keyword::Test)
}

/// A line of documentation without its marker and one space.
fn doc_line(line: &str, marker: &str) -> String {
    let line = line.strip_prefix(marker).unwrap_or(line);
    line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned()
}

fn comments(source: Source<'_>) -> Vec<Comment> {
    let ordinary = source.tokens.iter().filter(|token| token.kind == crate::lexis::TokenKind::Comment);
    ordinary.map(|token| Comment { span: span(token.start, token.end), own_line: token.first_on_line }).collect()
}
