//! `training` declarations: how a network is to learn. All that they say is known before anything is drawn.

use super::entries::{Body, Slot};
use super::{Checker, Scope};
use crate::codes;
use crate::constant::Value;
use crate::limits::{self, Limit};
use crate::units::PLAIN;
use cnasc_base::Diagnostic;
use cnasc_grammar::tree::{self, EntryKind, ExprKind as Written};
use cnasc_ir::program::{Decline, Descent, ExprKind, Learning, Precision, Training, Type};
use std::collections::BTreeMap;

/// The words that its entries begin with.
pub(super) const WORDS: [&str; 23] = [
    "data",
    "optimizer",
    "rate",
    "schedule",
    "precision",
    "epochs",
    "batch",
    "warmup",
    "decay",
    "smoothing",
    "shift",
    "flip",
    "cutout",
    "mixup",
    "edge_drop",
    "path_drop",
    "dropout",
    "clip",
    "average",
    "patience",
    "hold_out",
    "limit",
    "seed",
];

/// Entries that are whole numbers.
const COUNTS: [(&str, Limit); 8] = [
    ("epochs", limits::EPOCHS),
    ("batch", limits::BATCH),
    ("shift", limits::SHIFT),
    ("cutout", limits::CUTOUT),
    ("patience", limits::EPOCHS),
    ("hold_out", limits::IMAGES),
    ("limit", limits::IMAGES),
    ("seed", limits::SEED),
];

/// What a real number must be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Bounds {
    /// Above 0.
    Positive,
    /// At least 0.
    NotNegative,
    /// From 0 to 1.
    Share,
    /// From 0 to below 1.
    ShareBelowOne,
    /// Between 0 and 1.
    Between,
}

/// Entries that are real numbers.
const REALS: [(&str, Bounds); 10] = [
    ("rate", Bounds::Positive),
    ("warmup", Bounds::NotNegative),
    ("decay", Bounds::NotNegative),
    ("smoothing", Bounds::ShareBelowOne),
    ("mixup", Bounds::Share),
    ("edge_drop", Bounds::Share),
    ("path_drop", Bounds::Share),
    ("dropout", Bounds::ShareBelowOne),
    ("clip", Bounds::Positive),
    ("average", Bounds::ShareBelowOne),
];

/// Optimizers and their settings.
const OPTIMIZERS: [(&str, &[&str]); 2] = [("sgd", &["momentum"]), ("adamw", &[])];
/// Schedules and their settings.
const SCHEDULES: [(&str, &[&str]); 3] = [("constant", &[]), ("cosine", &[]), ("steps", &["every", "factor"])];

/// Precisions.
const PRECISIONS: [(&str, &[&str]); 2] = [("single", &[]), ("mixed", &[])];

/// A word with the values of its settings.
type Chosen<'t> = (&'static str, Vec<(&'t str, &'t tree::Expr)>);

/// The entries as far as they are read; a value that was reported is none.
#[derive(Default)]
struct Read {
    data: Slot<Option<String>>,
    optimizer: Slot<Option<Descent>>,
    schedule: Slot<Option<Decline>>,
    precision: Slot<Option<Precision>>,
    flip: Slot<Option<bool>>,
    counts: BTreeMap<&'static str, Slot<Option<u64>>>,
    reals: BTreeMap<&'static str, Slot<Option<f64>>>,
}

impl<'a> Checker<'a> {
    pub(super) fn training(&mut self, body: &mut Body<'a>) -> Option<Training> {
        let mut read = Read::default();
        let declaration = body.declaration;
        for entry in &declaration.entries {
            match &entry.kind {
                EntryKind::Property { name, value } => self.training_entry(&name.text, value, entry, body, &mut read),
                _ => self.stranger(body, entry),
            }
        }
        let Read { data, optimizer, schedule, precision, flip, counts, reals } = read;
        let count = |word: &str| given(counts.get(word).copied().flatten());
        let real = |word: &str| given(reals.get(word).copied().flatten());
        let says = Learning {
            data: given(data)?,
            optimizer: given(optimizer)?,
            rate: real("rate")?,
            schedule: given(schedule)?,
            precision: given(precision)?,
            epochs: count("epochs")?,
            batch: count("batch")?,
            warmup: real("warmup")?,
            decay: real("decay")?,
            smoothing: real("smoothing")?,
            shift: count("shift")?,
            flip: given(flip)?,
            cutout: count("cutout")?,
            mixup: real("mixup")?,
            edge_drop: real("edge_drop")?,
            path_drop: real("path_drop")?,
            dropout: real("dropout")?,
            clip: real("clip")?,
            average: real("average")?,
            patience: count("patience")?,
            hold_out: count("hold_out")?,
            limit: count("limit")?,
            seed: count("seed")?,
        };
        Some(Training { name: declaration.name.text.clone(), says, location: body.name_location() })
    }

    fn training_entry(
        &mut self,
        word: &str,
        value: &'a tree::Expr,
        entry: &tree::Entry,
        body: &mut Body<'a>,
        read: &mut Read,
    ) {
        let location = body.scope.at(entry.span);
        let scope = &body.scope;
        if let Some((word, limit)) = COUNTS.into_iter().find(|(known, _)| *known == word) {
            let count = self.count(value, scope, limit, &format!("`{word}`"));
            let count = count.and_then(|count| u64::try_from(count).ok());
            return self.once(read.counts.entry(word).or_default(), count, word, location);
        }
        if let Some((word, bounds)) = REALS.into_iter().find(|(known, _)| *known == word) {
            let real = self.bounded(value, scope, bounds, &format!("`{word}`"));
            return self.once(read.reals.entry(word).or_default(), real, word, location);
        }
        match word {
            "data" => {
                let folder = self.of_type(value, scope, &Type::Text, "`data`").and_then(|expr| match expr.kind {
                    ExprKind::Text(text) => Some(text),
                    _ => None,
                });
                self.once(&mut read.data, folder, word, location);
            }
            "optimizer" => {
                let optimizer = self.optimizer(value, scope);
                self.once(&mut read.optimizer, optimizer, word, location);
            }
            "schedule" => {
                let schedule = self.schedule(value, scope);
                self.once(&mut read.schedule, schedule, word, location);
            }
            "precision" => {
                let precision = self.chosen("precision", &PRECISIONS, value, scope);
                let precision =
                    precision.map(|(word, _)| if word == "mixed" { Precision::Mixed } else { Precision::Single });
                self.once(&mut read.precision, precision, word, location);
            }
            "flip" => {
                let flip = self.of_type(value, scope, &Type::Bool, "`flip`");
                let flip = flip.and_then(|expr| self.constant(&expr).flatten()).and_then(|value| match value {
                    Value::Bool(flip) => Some(flip),
                    _ => None,
                });
                self.once(&mut read.flip, flip, word, location);
            }
            _ => self.stranger(body, entry),
        }
    }

    fn optimizer(&mut self, value: &'a tree::Expr, scope: &Scope) -> Option<Descent> {
        let (word, settings) = self.chosen("optimizer", &OPTIMIZERS, value, scope)?;
        if word == "adamw" {
            return Some(Descent::AdamW);
        }
        let momentum = match settings.first() {
            Some((_, value)) => Some(self.bounded(value, scope, Bounds::ShareBelowOne, "`momentum`")?),
            None => None,
        };
        Some(Descent::Sgd { momentum })
    }

    fn schedule(&mut self, value: &'a tree::Expr, scope: &Scope) -> Option<Decline> {
        let (word, settings) = self.chosen("schedule", &SCHEDULES, value, scope)?;
        let of = |name: &str| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        match word {
            "constant" => Some(Decline::Constant),
            "cosine" => Some(Decline::Cosine),
            _ => {
                let (Some(every), Some(factor)) = (of("every"), of("factor")) else {
                    let here = scope.at(value.span);
                    self.push(
                        Diagnostic::error(codes::MISSING_ARGUMENT, "`steps` needs `every` and `factor`")
                            .label(here, "after how many epochs, and times what?")
                            .suggest(here, "steps(every: 30, factor: 0.1)", "write both, for example so"),
                    );
                    return None;
                };
                let every = self.count(every, scope, limits::EPOCHS, "`every`");
                let factor = self.bounded(factor, scope, Bounds::Between, "`factor`");
                Some(Decline::Steps { every: u64::try_from(every?).ok()?, factor: factor? })
            }
        }
    }

    /// One of some words, with its settings by name.
    fn chosen(
        &mut self,
        entry: &str,
        known: &[(&'static str, &'static [&'static str])],
        value: &'a tree::Expr,
        scope: &Scope,
    ) -> Option<Chosen<'a>> {
        let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        let (path, args) = match &value.kind {
            Written::Path(path) => (path, [].as_slice()),
            Written::Call { callee, args } => (callee, args.as_slice()),
            Written::Bad => return None,
            _ => {
                self.unknown_word("", scope.at(value.span), entry, &words);
                return None;
            }
        };
        let name = self.simple(path, scope)?;
        let Some((word, names)) = known.iter().find(|(word, _)| *word == name.text) else {
            self.unknown_word(&name.text, scope.at(name.span), entry, &words);
            return None;
        };
        let mut settings: Vec<(&str, &tree::Expr)> = Vec::new();
        let mut whole = true;
        for arg in args {
            let earlier: Vec<&str> = settings.iter().map(|(name, _)| *name).collect();
            match self.setting_name(word, names, arg, scope, &earlier) {
                Some(name) => settings.push((name, &arg.value)),
                None => whole = false,
            }
        }
        whole.then_some((*word, settings))
    }

    /// A real number within bounds.
    fn bounded(&mut self, written: &tree::Expr, scope: &Scope, bounds: Bounds, role: &str) -> Option<f64> {
        let expr = self.of_type(written, scope, &Type::Real(PLAIN), role)?;
        let value = self.constant(&expr)?.and_then(|value| value.number())?;
        if bounds.allow(value) {
            return Some(value);
        }
        let found = Diagnostic::error(codes::LIMIT, format!("{role} must be {}, this one is {value}", bounds.words()))
            .label(expr.location, "outside these bounds");
        let is_share = !matches!(bounds, Bounds::Positive | Bounds::NotNegative);
        let share = value / 100.0;
        self.push(if is_share && value > 1.0 && bounds.allow(share) {
            found.suggest(expr.location, format!("{share:?}"), "if this is in percent, write the share")
        } else {
            found
        });
        None
    }
}

impl Bounds {
    fn allow(self, value: f64) -> bool {
        match self {
            Self::Positive => value > 0.0,
            Self::NotNegative => value >= 0.0,
            Self::Share => (0.0..=1.0).contains(&value),
            Self::ShareBelowOne => (0.0..1.0).contains(&value),
            Self::Between => value > 0.0 && value < 1.0,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Positive => "above 0",
            Self::NotNegative => "at least 0",
            Self::Share => "from 0 to 1",
            Self::ShareBelowOne => "from 0 to below 1",
            Self::Between => "between 0 and 1",
        }
    }
}

/// What an entry says, if it is there; none where it is there and was reported.
fn given<T>(slot: Slot<Option<T>>) -> Option<Option<T>> {
    match slot {
        Some((value, _)) => value.map(Some),
        None => Some(None),
    }
}
