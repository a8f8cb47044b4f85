//! What the entries of declarations have in common: which belong where, which are given twice, and which are missing.

use super::{Checker, Scope};
use crate::resolve::{ItemId, Kind, listed};
use crate::{codes, nearest};
use cnasc_base::{Diagnostic, Location};
use cnasc_grammar::tree::{Declaration, Entry, EntryKind, Expr, ExprKind};

/// A declaration whose entries are being read.
pub(super) struct Body<'a> {
    pub(super) id: ItemId,
    pub(super) kind: Kind,
    pub(super) declaration: &'a Declaration,
    pub(super) scope: Scope,
    /// Whether an entry could not be read or was not known, so that nothing can be said to be missing.
    pub(super) broken: bool,
}

impl Body<'_> {
    /// Where the declaration's name was written.
    pub(super) fn name_location(&self) -> Location {
        self.scope.at(self.declaration.name.span)
    }

    /// With its article and name: "the fleet `shelf`".
    pub(super) fn title(&self) -> String {
        let kind = self.kind.words();
        let kind = kind.strip_prefix("a ").unwrap_or(kind);
        match self.kind {
            Kind::Test => format!("the test \"{}\"", self.declaration.name.text),
            _ => format!("the {kind} `{}`", self.declaration.name.text),
        }
    }
}

/// An entry that may be given once, and where it was.
pub(super) type Slot<T> = Option<(T, Location)>;

/// The words that the entries of a kind of declaration begin with.
fn words_of(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Device => &["compute", "memory", "cores", "power", "backend"],
        Kind::Fleet => &["node", "link", "transfer"],
        Kind::Generator => &["nodes", "edge", "attach", "lattice", "graph", "each", "order"],
        Kind::Staging => &["policy", "channels", "shrink"],
        Kind::Network => &["input", "stem", "layer", "body", "repeat", "residual", "branch", "part", "head"],
        Kind::Search => &[
            "over", "on", "where", "maximize", "minimize", "accuracy", "score", "fidelity", "strategy", "budget",
            "seed",
        ],
        Kind::Training => &super::training::WORDS,
        Kind::Test => &["sample", "expect"],
        Kind::Block | Kind::Link => &[],
    }
}

const KINDS: [Kind; 8] = [
    Kind::Device,
    Kind::Fleet,
    Kind::Generator,
    Kind::Staging,
    Kind::Network,
    Kind::Search,
    Kind::Training,
    Kind::Test,
];

impl<'a> Checker<'a> {
    pub(super) fn body(&self, id: ItemId, declaration: &'a Declaration) -> Body<'a> {
        let broken = declaration.entries.iter().any(|entry| entry.kind == EntryKind::Bad);
        Body { id, kind: self.names.item(id).kind, declaration, scope: self.scope(id), broken }
    }

    /// Keeps an entry that may be given once; reports a second one.
    pub(super) fn once<T>(&mut self, slot: &mut Slot<T>, value: T, word: &str, location: Location) {
        let Some((_, first)) = slot else {
            *slot = Some((value, location));
            return;
        };
        self.push(
            Diagnostic::error(codes::DUPLICATE_ENTRY, format!("`{word}` is given twice"))
                .label(location, "the second one")
                .label(*first, "the first one")
                .suggest(location, "", "leave one out"),
        );
    }

    /// What a required entry says; reports where there is none, unless an unreadable one may be it.
    pub(super) fn required<T>(&mut self, slot: Slot<T>, body: &Body<'_>, word: &str, example: &str) -> Slot<T> {
        if slot.is_none() {
            self.missing(body, word, example);
        }
        slot
    }

    /// Reports an entry that must be there.
    pub(super) fn missing(&mut self, body: &Body<'_>, word: &str, example: &str) {
        if body.broken {
            return;
        }
        let found = Diagnostic::error(codes::MISSING_ENTRY, format!("{} has no `{word}`", body.title()))
            .label(body.name_location(), format!("expected an entry such as `{example}`"));
        self.push(match self.room(body) {
            Some(place) => found.suggest(place, format!("\n    {example}"), "add it, for example so"),
            None => found,
        });
    }

    /// Behind a declaration's opening brace.
    fn room(&self, body: &Body<'_>) -> Option<Location> {
        let first = body.declaration.entries.first().map(|entry| entry.span.start);
        let item = self.names.tree(body.id).span;
        let before =
            self.text(body.scope.at(cnasc_grammar::tree::Span { start: item.start, end: first.unwrap_or(item.end) }));
        let brace = match first {
            // Documentation of the entry may hold braces too: the declaration's is on its first line.
            Some(_) | None => before.find('{')?,
        };
        let place = item.start + u32::try_from(brace).ok()? + 1;
        Some(Location::new(body.scope.file, place, place))
    }

    /// Reports an entry that this kind of declaration does not have.
    pub(super) fn stranger(&mut self, body: &mut Body<'_>, entry: &Entry) {
        body.broken = true;
        let (word, span) = match &entry.kind {
            EntryKind::Property { name, .. } => (name.text.as_str(), name.span),
            EntryKind::Node { .. } => ("node", entry.span),
            EntryKind::Link { .. } => ("link", entry.span),
            EntryKind::Edge { .. } => ("edge", entry.span),
            EntryKind::Attach { .. } => ("attach", entry.span),
            EntryKind::Lattice { .. } => ("lattice", entry.span),
            EntryKind::Channels { .. } => ("channels", entry.span),
            EntryKind::Body { .. } => ("body", entry.span),
            EntryKind::Sample { .. } => ("sample", entry.span),
            EntryKind::Repeat { .. } => ("repeat", entry.span),
            EntryKind::Residual { .. } => ("residual", entry.span),
            EntryKind::Branch { .. } => ("branch", entry.span),
            EntryKind::Fidelity { .. } => ("fidelity", entry.span),
            EntryKind::Bad => return,
        };
        let here = body.scope.at(span);
        let known = words_of(body.kind);
        let note = format!("{} has the entries {}", body.kind.words(), listed(known.iter().copied()));
        let owner = KINDS.into_iter().find(|kind| words_of(kind.to_owned()).contains(&word));
        let meant = nearest::nearest(word, known.iter().copied());
        let found = match (owner, meant) {
            (Some(owner), None) => {
                Diagnostic::error(codes::MISPLACED_ENTRY, format!("`{word}` is no entry of {}", body.kind.words()))
                    .label(here, format!("belongs in {}", owner.words()))
                    .note(note)
            }
            (_, meant) => {
                let message = format!("{} has no entry `{word}`", body.kind.words());
                let found = Diagnostic::error(codes::UNKNOWN_ENTRY, message).label(here, "not known").note(note);
                match meant {
                    Some(meant) => found.suggest(here, meant, "did you mean this"),
                    None => found,
                }
            }
        };
        self.push(found);
    }

    /// A value that must be one word, such as `dfs`; reports anything else.
    pub(super) fn word<'w>(&mut self, value: &'w Expr, scope: &Scope, entry: &str, known: &[&str]) -> Option<&'w str> {
        let here = scope.at(value.span);
        let word = match &value.kind {
            ExprKind::Bad => return None,
            ExprKind::Path(path) => match path.segments.as_slice() {
                [word] => word.text.as_str(),
                _ => "",
            },
            _ => "",
        };
        if known.contains(&word) {
            return Some(word);
        }
        self.unknown_word(word, here, entry, known);
        None
    }

    /// Reports a word that an entry does not know; an empty one stands for something that is no word.
    pub(super) fn unknown_word(&mut self, word: &str, here: Location, entry: &str, known: &[&str]) {
        let message = if word.is_empty() {
            format!("`{entry}` takes a word")
        } else {
            format!("`{entry}` does not know `{word}`")
        };
        let found =
            Diagnostic::error(codes::UNKNOWN_WORD, message).label(here, format!("expected {}", alternatives(known)));
        self.push(match nearest::nearest(word, known.iter().copied()) {
            Some(meant) => found.suggest(here, meant, "did you mean this"),
            None => found,
        });
    }
}

/// Words in backquotes: "`a`, `b` or `c`".
pub(super) fn alternatives(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [only] => format!("`{only}`"),
        [first @ .., last] => format!("{} or `{last}`", listed(first.iter().copied())),
    }
}
