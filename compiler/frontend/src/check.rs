//! Station 3, names and trees → typed program: types, units, entries, domains, figures and shapes.
//!
//! Signatures come first, so that declarations may refer to each other in any order; then the declarations by kind, those that
//! others are made of before those others; last the numbers that each use of a declaration gives it. A value that was reported
//! is `None` from there on, and whoever needs it stays quiet.

mod accuracy;
mod bounds;
mod calls;
mod devices;
mod domain;
mod entries;
mod expression;
mod fidelity;
mod fleet;
mod generator;
mod network;
mod operators;
mod pipeline;
mod recursion;
mod score;
mod search;
mod shapes;
mod signature;
mod staging;
mod tests;
mod training;

use crate::codes;
use crate::constant::{self, Fault, Known, Value};
use crate::resolve::{ItemId, Kind, Names};
use cnasc_base::{Diagnostic, Diagnostics, FileId, Location, Sources};
use cnasc_grammar::tree::{self, Span};
use cnasc_ir::Program;
use cnasc_ir::fleet::{Device, Fleet, Link};
use cnasc_ir::program::{Block, Expr, Generator, Make, Network, Search, Staging, Test, Training, Type, Variable};
use signature::{DefaultState, Signature};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Checks all declarations. `whole` says that the earlier stations found no error, so that what is unused is known.
pub(crate) fn check(sources: &Sources, names: &Names, whole: bool) -> (Option<Program>, Diagnostics) {
    let mut checker = Checker::new(sources, names);
    checker.signatures();
    for kind in [
        Kind::Generator,
        Kind::Block,
        Kind::Staging,
        Kind::Network,
        Kind::Device,
        Kind::Link,
        Kind::Fleet,
        Kind::Search,
        Kind::Training,
        Kind::Test,
    ] {
        for id in (0..names.items.len()).map(ItemId).filter(|id| names.item(*id).kind == kind) {
            checker.declaration(id);
        }
    }
    checker.recursion();
    checker.numbers();
    if whole && !checker.found.has_errors() {
        checker.unused();
    }
    checker.finish()
}

/// A checked value.
#[derive(Debug, Clone)]
struct Typed {
    ty: Type,
    expr: Expr,
}

/// What names may stand for at a place, beside declarations.
#[derive(Debug, Clone)]
struct Scope {
    module: usize,
    file: FileId,
    params: Vec<(String, Option<Type>)>,
    variables: Vec<(String, Variable)>,
    /// Whether arguments may be domains.
    domains: bool,
    /// Whether this is a parameter's default, which knows no parameters.
    default: bool,
}

impl Scope {
    fn at(&self, span: Span) -> Location {
        Location::new(self.file, span.start, span.end)
    }
}

/// Everything known so far.
struct Checker<'a> {
    sources: &'a Sources,
    names: &'a Names,
    signatures: Vec<Rc<Signature>>,
    defaults: BTreeMap<(ItemId, usize), DefaultState>,
    /// How many values are being checked inside each other.
    levels: usize,
    /// How many defaults are being checked inside each other.
    default_depth: usize,
    /// How many values all defaults stand for that were filled in.
    filled: usize,
    /// How many names were found unknown.
    unknown: usize,
    /// The names that each module referred to.
    used: BTreeSet<(usize, String)>,
    /// Uses of declarations, whose numbers are looked at when all declarations are known.
    makes: Vec<(Make, Location)>,
    generators: Vec<Option<Generator>>,
    blocks: Vec<Option<Block>>,
    stagings: Vec<Option<Staging>>,
    networks: Vec<Option<Network>>,
    devices: Vec<Option<Device>>,
    links: Vec<Option<Link>>,
    fleets: Vec<Option<Fleet>>,
    searches: Vec<Option<Search>>,
    trainings: Vec<Option<Training>>,
    tests: Vec<Option<Test>>,
    found: Diagnostics,
}

impl<'a> Checker<'a> {
    fn new(sources: &'a Sources, names: &'a Names) -> Self {
        Self {
            sources,
            names,
            signatures: Vec::new(),
            defaults: BTreeMap::new(),
            levels: 0,
            default_depth: 0,
            filled: 0,
            unknown: 0,
            used: BTreeSet::new(),
            makes: Vec::new(),
            generators: Vec::new(),
            blocks: Vec::new(),
            stagings: Vec::new(),
            networks: Vec::new(),
            devices: Vec::new(),
            links: Vec::new(),
            fleets: Vec::new(),
            searches: Vec::new(),
            trainings: Vec::new(),
            tests: Vec::new(),
            found: Diagnostics::default(),
        }
    }

    /// Checks a declaration; its place in its list is its number among those of its kind.
    fn declaration(&mut self, id: ItemId) {
        let names = self.names;
        let kind = names.item(id).kind;
        match &names.tree(id).kind {
            tree::ItemKind::Block { pipeline, .. } => {
                let block = self.block(id, pipeline);
                self.blocks.push(block);
            }
            tree::ItemKind::Link { figures, .. } => {
                let entry = self.scope(id).at(names.tree(id).span);
                let link = self.figures(figures, &self.scope(id), entry);
                self.links.push(link);
            }
            tree::ItemKind::Declaration(declaration) => {
                let mut body = self.body(id, declaration);
                match kind {
                    Kind::Device => push(&mut body, Self::device, self, |checker| &mut checker.devices),
                    Kind::Fleet => push(&mut body, Self::fleet, self, |checker| &mut checker.fleets),
                    Kind::Generator => push(&mut body, Self::generator, self, |checker| &mut checker.generators),
                    Kind::Staging => push(&mut body, Self::staging, self, |checker| &mut checker.stagings),
                    Kind::Network => push(&mut body, Self::network, self, |checker| &mut checker.networks),
                    Kind::Search => push(&mut body, Self::search, self, |checker| &mut checker.searches),
                    Kind::Training => push(&mut body, Self::training, self, |checker| &mut checker.trainings),
                    Kind::Test | Kind::Block | Kind::Link => {
                        push(&mut body, Self::test, self, |checker| &mut checker.tests);
                    }
                }
            }
            // The resolver gives ids to declarations alone.
            tree::ItemKind::Use { .. } | tree::ItemKind::Bad => {}
        }
    }

    fn push(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// The source text of a place.
    fn text(&self, location: Location) -> &'a str {
        self.sources.text(location.file).get(location.range()).unwrap_or_default()
    }

    /// The value of an expression that depends on no unknowns. A computation without a result is reported, and is then no
    /// value for anyone: the outer `None`.
    fn constant(&mut self, expr: &Expr) -> Option<Option<Value>> {
        match constant::evaluate(expr, &Known::default()) {
            Ok(value) => Some(value),
            Err((location, fault)) => {
                let (message, label) = match fault {
                    Fault::DivisionByZero => ("this divides by zero", "the right side is 0"),
                    Fault::Overflow => ("this whole number does not fit 64 bits", "too large"),
                    Fault::NotFinite => ("this has no finite result", "infinite, or no number at all"),
                };
                self.push(
                    Diagnostic::error(codes::NO_RESULT, message).label(location, label).note(
                        "every number of a program is finite; what has no result is found before anything is drawn",
                    ),
                );
                None
            }
        }
    }

    /// Warns of names that were brought in for nothing.
    fn unused(&mut self) {
        let names = self.names;
        for (index, module) in names.modules.iter().enumerate() {
            for (name, span) in &module.imports {
                if self.used.contains(&(index, name.clone())) {
                    continue;
                }
                let here = Location::new(module.file, span.start, span.end);
                self.push(
                    Diagnostic::warning(codes::UNUSED_USE, format!("nothing here uses `{name}`"))
                        .label(here, "brought in for nothing")
                        .suggest(here, "", "leave it out"),
                );
            }
        }
    }

    /// The program, where every declaration is whole.
    fn finish(self) -> (Option<Program>, Diagnostics) {
        if self.found.has_errors() {
            return (None, self.found);
        }
        let program = (|| {
            Some(Program {
                generators: self.generators.into_iter().collect::<Option<_>>()?,
                blocks: self.blocks.into_iter().collect::<Option<_>>()?,
                stagings: self.stagings.into_iter().collect::<Option<_>>()?,
                networks: self.networks.into_iter().collect::<Option<_>>()?,
                fleets: self.fleets.into_iter().collect::<Option<_>>()?,
                searches: of_root(self.names, Kind::Search, self.searches)?,
                trainings: of_root(self.names, Kind::Training, self.trainings)?,
                tests: of_root(self.names, Kind::Test, self.tests)?,
            })
        })();
        (program, self.found)
    }
}

/// The declarations of a kind that the compiled file itself has: what other files search for and test is theirs.
fn of_root<T>(names: &Names, kind: Kind, all: Vec<Option<T>>) -> Option<Vec<T>> {
    let own = names.items.iter().filter(|item| item.kind == kind).map(|item| item.module == 0);
    all.into_iter().zip(own).filter(|(_, own)| *own).map(|(declared, _)| declared).collect()
}

/// Checks a declaration by `check` and appends the outcome to the list that `list` gives.
fn push<'a, T>(
    body: &mut entries::Body<'a>,
    check: fn(&mut Checker<'a>, &mut entries::Body<'a>) -> Option<T>,
    checker: &mut Checker<'a>,
    list: for<'c> fn(&'c mut Checker<'a>) -> &'c mut Vec<Option<T>>,
) {
    let outcome = check(checker, body);
    list(checker).push(outcome);
}
