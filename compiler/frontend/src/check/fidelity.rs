//! `fidelity { … }` in a search: a cheap look at all candidates, which only the best of them pass.

use super::entries::Slot;
use super::search::measure_word;
use super::{Checker, Scope};
use crate::resolve::listed;
use crate::{codes, limits, nearest};
use cnasc_base::{Diagnostic, Location};
use cnasc_grammar::tree::{Entry, EntryKind, Name};
use cnasc_ir::program::{Accuracy, Budget, Constraint, Cost, Fidelity, Measure, Objective, Search};

/// The words that its entries begin with.
const WORDS: [&str; 5] = ["where", "maximize", "minimize", "accuracy", "keep"];
/// Words of a search that are said once for all its fidelities.
const OUTSIDE: [&str; 6] = ["over", "on", "strategy", "budget", "seed", "fidelity"];

impl Checker<'_> {
    pub(super) fn fidelity(&mut self, entries: &[Entry], scope: &Scope, location: Location) -> Option<Fidelity> {
        let mut constraints: Vec<Option<Constraint>> = Vec::new();
        let mut objectives: Vec<Option<Objective>> = Vec::new();
        let mut keep: Slot<Option<i64>> = None;
        let mut accuracy: Slot<Option<Accuracy>> = None;
        let mut broken = false;
        for entry in entries {
            let here = scope.at(entry.span);
            let EntryKind::Property { name, value } = &entry.kind else {
                broken = true;
                self.not_in_fidelity(entry, scope);
                continue;
            };
            match name.text.as_str() {
                "where" => constraints.push(self.constraint(value, scope)),
                word @ ("maximize" | "minimize") => {
                    let objective = self.objective(word == "maximize", value, scope, here, &objectives);
                    objectives.push(objective);
                }
                "accuracy" => {
                    let way = self.accuracy(value, scope);
                    self.once(&mut accuracy, way, "accuracy", here);
                }
                "keep" => {
                    let count = self.count(value, scope, limits::KEEP, "how many candidates a fidelity keeps");
                    self.once(&mut keep, count, "keep", here);
                }
                _ => {
                    broken = true;
                    self.unknown_in_fidelity(name, scope);
                }
            }
        }
        if !broken && objectives.is_empty() {
            self.lacking("maximize` or `minimize", "minimize params", location);
        }
        if broken {
            return None;
        }
        Some(Fidelity {
            constraints: constraints.into_iter().collect::<Option<_>>()?,
            objectives: objectives
                .into_iter()
                .collect::<Option<Vec<_>>>()
                .filter(|objectives| !objectives.is_empty())?,
            accuracy: accuracy.map_or(Some(None), |accuracy| accuracy.0.map(Some))?,
            keep: match keep {
                Some((count, _)) => Some(u64::try_from(count?).ok()?),
                None => None,
            },
            location,
        })
    }

    /// Reports an entry that must be there.
    fn lacking(&mut self, word: &str, example: &str, location: Location) {
        let brace = self.text(location).find('{').and_then(|at| u32::try_from(at + 1).ok());
        let place = location.start + brace.unwrap_or(0);
        self.push(
            Diagnostic::error(codes::MISSING_ENTRY, format!("this fidelity has no `{word}`"))
                .label(location, format!("expected an entry such as `{example}`"))
                .note("a fidelity judges all candidates by its own measures, and keeps the best of them for the next look")
                .suggest(
                    Location { start: place, end: place, ..location },
                    format!("\n        {example}"),
                    "add it, for example so",
                ),
        );
    }

    /// Reports an entry of another form than a word and a value.
    fn not_in_fidelity(&mut self, entry: &Entry, scope: &Scope) {
        if entry.kind == EntryKind::Bad {
            return;
        }
        let here = scope.at(entry.span);
        let word = self.text(here).split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned();
        let label = if word == "fidelity" { "belongs behind the first one" } else { "not known" };
        self.push(
            Diagnostic::error(codes::MISPLACED_ENTRY, format!("`{word}` is no entry of a fidelity"))
                .label(here, label)
                .note(format!("a fidelity has the entries {}", listed(WORDS))),
        );
    }

    fn unknown_in_fidelity(&mut self, name: &Name, scope: &Scope) {
        let here = scope.at(name.span);
        let word = name.text.as_str();
        let note = format!("a fidelity has the entries {}", listed(WORDS));
        if OUTSIDE.contains(&word) {
            self.push(
                Diagnostic::error(codes::MISPLACED_ENTRY, format!("`{word}` is no entry of a fidelity"))
                    .label(here, "belongs in the search, outside these braces")
                    .note(note),
            );
            return;
        }
        let found = Diagnostic::error(codes::UNKNOWN_ENTRY, format!("a fidelity has no entry `{word}`"))
            .label(here, "not known")
            .note(note);
        self.push(match nearest::nearest(word, WORDS) {
            Some(meant) => found.suggest(here, meant, "did you mean this"),
            None => found,
        });
    }

    /// Reports fidelities that say, or do not say, how many pass where the strategy does not, or does.
    pub(super) fn kept(&mut self, search: &Search) {
        let halves = search.strategy.reduction().is_some();
        if halves && search.fidelities.is_empty() {
            let found = Diagnostic::error(
                codes::FIDELITY,
                "the strategy passes candidates from look to look, and there is one look",
            );
            self.push(
                found
                    .label(search.location, "has no `fidelity`")
                    .note("a `fidelity` is a cheaper look, of which the best pass on"),
            );
        }
        for fidelity in &search.fidelities {
            if halves && fidelity.keep.is_some() {
                let found = Diagnostic::error(
                    codes::FIDELITY,
                    "this fidelity keeps a number of candidates, and the strategy another",
                );
                let found = found.label(fidelity.location, "leave `keep` out");
                self.push(
                    found.note("under `successive_halving` and `hyperband` one of `reduction` candidates passes"),
                );
            } else if !halves && fidelity.keep.is_none() {
                self.lacking("keep", "keep 32", fidelity.location);
            }
        }
    }

    /// Reports fidelities that spare nothing.
    pub(super) fn cheaper(&mut self, search: &Search) {
        let mut before: Option<(u64, String)> = match search.budget {
            Budget::Candidates(count) => Some((count, format!("the budget is {count} candidates"))),
            Budget::Seconds(_) => None,
        };
        let mut cheapest = Cost::Count;
        for fidelity in &search.fidelities {
            if let Some(keep) = fidelity.keep {
                if let Some((most, why)) = before.filter(|(most, _)| keep >= *most) {
                    self.push(
                        Diagnostic::error(
                            codes::FIDELITY,
                            format!("this fidelity keeps {keep} of {most}, which spares none"),
                        )
                        .label(fidelity.location, format!("{why}: keep fewer")),
                    );
                }
                before = Some((keep, format!("the fidelity before it keeps {keep}")));
            }
            // Of two ways to know accuracy the user knows which is dearer.
            let other = fidelity.accuracy.is_some() && fidelity.accuracy != search.accuracy;
            if fidelity.cost() >= search.cost() && !(other && fidelity.cost() == Cost::Training) {
                self.push(no_cheaper(fidelity, search));
            } else if fidelity.cost() < cheapest {
                self.push(
                    Diagnostic::error(codes::FIDELITY, "this fidelity is cheaper than the one before it")
                        .label(fidelity.location, "belongs before the dearer one")
                        .note("fidelities are looks at fewer and fewer candidates, each dearer than the one before"),
                );
            }
            cheapest = cheapest.max(fidelity.cost());
        }
    }
}

fn no_cheaper(fidelity: &Fidelity, search: &Search) -> Diagnostic {
    let dear = |measure: &Measure| measure.cost() == fidelity.cost();
    let measures = fidelity.objectives.iter().map(|of| (of.measure, of.location));
    let constraints = fidelity.constraints.iter().map(|of| (of.measure, of.location));
    let found = measures.chain(constraints).find(|(measure, _)| dear(measure));
    let (measure, location) = found.map_or((Measure::Nodes, fidelity.location), |found| found);
    Diagnostic::error(codes::FIDELITY, "this fidelity is no cheaper than the search itself")
        .label(location, format!("`{}` {}", measure_word(measure), needs(measure.cost())))
        .label(search.location, "measures nothing dearer")
        .note("cheap are params, flops, macs, depth, width and nodes; dearer is concurrency_score; then latency, memory, communication and energy; then measured_latency; then accuracy, unless it is told another way")
}

fn needs(cost: Cost) -> &'static str {
    match cost {
        Cost::Count => "is counted in the drawn network",
        Cost::Score => "needs a partition",
        Cost::Plan => "needs a placement",
        Cost::Run => "needs the network compiled and run",
        Cost::Training => "is told the same way",
    }
}
