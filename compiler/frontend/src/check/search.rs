//! `search` declarations: space, fleet, constraints, objectives, strategy, budget and seed.

use super::entries::{Body, Slot};
use super::operators::binary_op;
use super::{Checker, Scope, Typed};
use crate::constant::Value;
use crate::limits;
use crate::resolve::{Kind, listed};
use crate::units::{self, DATA, ENERGY, PLAIN, TIME, WORK};
use crate::{codes, nearest, types};
use cnasc_base::{Diagnostic, Location};
use cnasc_grammar::tree::{self, EntryKind, ExprKind as Written};
use cnasc_ir::program::{
    Accuracy, BinaryOp, Budget, Constraint, Declared, Dimension, ExprKind, Fidelity, FleetId, Make, Measure, Objective,
    Search, Strategy, Type,
};
use cnasc_ir::score::Scoring;

/// Words, measures and their dimensions.
const MEASURES: [(&str, Measure, Dimension); 14] = [
    ("params", Measure::Params, PLAIN),
    ("flops", Measure::Flops, WORK),
    ("macs", Measure::Macs, PLAIN),
    ("latency", Measure::Latency, TIME),
    ("measured_latency", Measure::MeasuredLatency, TIME),
    ("memory", Measure::Memory, DATA),
    ("concurrency_score", Measure::ConcurrencyScore, PLAIN),
    ("parallelization_score", Measure::ConcurrencyScore, PLAIN),
    ("depth", Measure::Depth, PLAIN),
    ("width", Measure::Width, PLAIN),
    ("nodes", Measure::Nodes, PLAIN),
    ("communication", Measure::Communication, DATA),
    ("accuracy", Measure::Accuracy, PLAIN),
    ("energy", Measure::Energy, ENERGY),
];

/// Strategies and their settings, all whole numbers of at least 1.
const STRATEGIES: [(&str, &[&str]); 7] = [
    ("random", &[]),
    ("evolution", &["population", "sample", "edits"]),
    ("nsga2", &["population", "edits"]),
    ("tpe", &["startup", "candidates"]),
    ("grid", &["points", "draws"]),
    ("successive_halving", &["reduction"]),
    ("hyperband", &["reduction"]),
];

/// The word for a measure.
pub(super) fn measure_word(measure: Measure) -> &'static str {
    MEASURES.iter().find(|(_, known, _)| *known == measure).map_or("", |(word, ..)| *word)
}

fn measure_names() -> impl Iterator<Item = &'static str> + Clone {
    MEASURES.iter().map(|(name, ..)| *name)
}

/// The entries of a search as far as they are read.
#[derive(Default)]
struct Read {
    over: Slot<Option<Make>>,
    on: Slot<Option<FleetId>>,
    accuracy: Slot<Option<Accuracy>>,
    score: Slot<Option<Scoring>>,
    strategy: Slot<Option<Strategy>>,
    budget: Slot<Option<Budget>>,
    seed: Slot<Option<i64>>,
    constraints: Vec<Option<Constraint>>,
    objectives: Vec<Option<Objective>>,
    fidelities: Vec<Option<Fidelity>>,
}

impl<'a> Checker<'a> {
    pub(super) fn search(&mut self, body: &mut Body<'a>) -> Option<Search> {
        let mut read = Read::default();
        let declaration = body.declaration;
        for entry in &declaration.entries {
            match &entry.kind {
                EntryKind::Property { name, value } => self.search_entry(name, value, entry, body, &mut read),
                EntryKind::Fidelity { entries } => {
                    let fidelity = self.fidelity(entries, &body.scope, body.scope.at(entry.span));
                    read.fidelities.push(fidelity);
                }
                _ => self.stranger(body, entry),
            }
        }
        let Read { over, on, accuracy, score, strategy, budget, seed, constraints, objectives, fidelities } = read;
        let over = self.required(over, body, "over", &self.over_example(body));
        let on = self.required(on, body, "on", &format!("on {}", self.some(body, Kind::Fleet).unwrap_or("shelf")));
        let budget = self.required(budget, body, "budget", "budget 200 candidates");
        if objectives.is_empty() {
            self.missing(body, "maximize` or `minimize", "minimize latency");
        }
        let seed = seed.map_or(Some(0), |seed| seed.0)?;
        let search = Search {
            name: declaration.name.text.clone(),
            over: over?.0?,
            on: on?.0?,
            constraints: constraints.into_iter().collect::<Option<_>>()?,
            objectives: objectives.into_iter().collect::<Option<_>>()?,
            accuracy: accuracy.map_or(Some(None), |accuracy| accuracy.0.map(Some))?,
            score: score.map_or(Some(Scoring::default()), |score| score.0)?,
            fidelities: fidelities.into_iter().collect::<Option<_>>()?,
            strategy: strategy.map_or(Some(Strategy::Random), |strategy| strategy.0)?,
            budget: budget?.0?,
            seed: u64::try_from(seed).ok()?,
            location: body.name_location(),
        };
        self.kept(&search);
        self.cheaper(&search);
        Some(search)
    }

    fn search_entry(
        &mut self,
        name: &tree::Name,
        value: &tree::Expr,
        entry: &tree::Entry,
        body: &mut Body<'a>,
        read: &mut Read,
    ) {
        let location = body.scope.at(entry.span);
        let word = name.text.as_str();
        match word {
            "over" => {
                let space = self.space(value, &body.scope);
                self.once(&mut read.over, space, word, location);
            }
            "on" => {
                let id = self.item_of(value, &body.scope, Kind::Fleet, "on");
                let fleet = id.map(|id| FleetId::new(self.names.item(id).number));
                self.once(&mut read.on, fleet, word, location);
            }
            "where" => read.constraints.push(self.constraint(value, &body.scope)),
            "maximize" | "minimize" => {
                let objective = self.objective(word == "maximize", value, &body.scope, location, &read.objectives);
                read.objectives.push(objective);
            }
            "accuracy" => {
                let way = self.accuracy(value, &body.scope);
                self.once(&mut read.accuracy, way, word, location);
            }
            "score" => {
                let scoring = self.scoring(value, &body.scope);
                self.once(&mut read.score, scoring, word, location);
            }
            "strategy" => {
                let checked = self.strategy(value, &body.scope, location);
                self.once(&mut read.strategy, checked, word, location);
            }
            "budget" => {
                let checked = self.budget(value, &body.scope);
                self.once(&mut read.budget, checked, word, location);
            }
            "seed" => {
                let checked = self.count(value, &body.scope, limits::SEED, "a seed");
                self.once(&mut read.seed, checked, word, location);
            }
            _ => self.stranger(body, entry),
        }
    }

    /// A declaration of a kind that is visible, for an example.
    fn some(&self, body: &Body<'_>, kind: Kind) -> Option<&'a str> {
        let names = self.names;
        let first = names.items.iter().find(|item| item.module == body.scope.module && item.kind == kind);
        first.map(|item| item.name.text.as_str())
    }

    fn over_example(&self, body: &Body<'_>) -> String {
        format!("over {}", self.some(body, Kind::Network).unwrap_or("fashion"))
    }

    /// The family that is searched: a network with domains among its arguments, or a choice of such.
    fn space(&mut self, value: &tree::Expr, scope: &Scope) -> Option<Make> {
        let scope = Scope { domains: true, ..scope.clone() };
        let expr = self.argument(value, &scope, &Type::Network, "what a search is over")?;
        match expr.kind {
            ExprKind::Make(make) => Some(make),
            ExprKind::Domain(_) => Some(Make { of: Declared::AnyNetwork, args: vec![expr] }),
            _ => None,
        }
    }

    /// `measure <= limit`, or the other way round.
    pub(super) fn constraint(&mut self, value: &tree::Expr, scope: &Scope) -> Option<Constraint> {
        let location = scope.at(value.span);
        let form = |checker: &mut Self, label: &str| {
            checker.push(
                Diagnostic::error(codes::CONDITION_FORM, "`where` compares one measure with one number")
                    .label(location, label)
                    .note("as in `where params <= 1.5 M`; for several conditions write `where` several times"),
            );
            None
        };
        let (op, left, right) = match &value.kind {
            Written::Bad => return None,
            Written::Binary { op: tree::BinaryOp::And, left, right, .. } => {
                self.joined(scope.at(left.span), scope.at(right.span), location);
                return None;
            }
            Written::Binary { op, left, right, .. } => (binary_op(*op), left, right),
            _ => return form(self, "expected a comparison"),
        };
        if !matches!(op, BinaryOp::Less | BinaryOp::LessEqual | BinaryOp::Greater | BinaryOp::GreaterEqual) {
            return form(self, "expected `<=`, `<`, `>=` or `>`");
        }
        let is_word = |side: &tree::Expr| matches!(side.kind, Written::Path(_));
        let (word, number, op) = match (is_word(left), is_word(right)) {
            (true, false) => (left, right, op),
            (false, true) => (right, left, reversed(op)),
            (true, true) => return form(self, "expected a number on one side"),
            (false, false) => return form(self, "expected a measure on one side"),
        };
        let (measure, dimension) = self.measure(word, scope)?;
        let limit = self.limit(number, scope, measure, dimension)?;
        Some(Constraint { measure, op, limit, location })
    }

    /// Reports conditions that `and` joins.
    fn joined(&mut self, first: Location, second: Location, all: Location) {
        let entry = format!("\n    where {}", self.text(second));
        let behind = Location { start: first.end, ..all };
        self.push(
            Diagnostic::error(codes::CONDITION_FORM, "one `where` holds one condition")
                .label(all, "more than one condition")
                .note("all conditions of a search must hold, as if `and` stood between them")
                .suggest(behind, entry, "write the last one behind a `where` of its own"),
        );
    }

    /// A number to compare a measure with, in the units of measures.
    fn limit(&mut self, number: &tree::Expr, scope: &Scope, measure: Measure, dimension: Dimension) -> Option<f64> {
        let Typed { ty, expr } = self.value(number, scope)?;
        self.constant(&expr)?;
        // Work may be counted with or without its unit: `300 MFLOP` and `300 M` are the same.
        let plain = types::fits(&ty, &Type::Real(PLAIN)) && dimension == WORK;
        let wanted = if plain { PLAIN } else { dimension };
        let name = measure_word(measure);
        let role = format!("the limit of `{name}`");
        let expr = self.fitted(Typed { ty, expr }, number, scope, &Type::Real(wanted), &role)?;
        let value = self.constant(&expr)?.and_then(|value| value.number())?;
        if measure == Measure::Accuracy && !(0.0..=1.0).contains(&value) {
            let found = Diagnostic::error(codes::LIMIT, format!("an accuracy is within 0..1, this limit is {value}"))
                .label(expr.location, "expected a share");
            let percent = (1.0..=100.0).contains(&value);
            self.push(if percent {
                found.suggest(expr.location, format!("{:?}", value / 100.0), "if this is in percent, write the share")
            } else {
                found
            });
            return None;
        }
        Some(if dimension == DATA { value / super::devices::BITS } else { value })
    }

    fn measure(&mut self, written: &tree::Expr, scope: &Scope) -> Option<(Measure, Dimension)> {
        let here = scope.at(written.span);
        let word = match &written.kind {
            Written::Bad => return None,
            Written::Path(path) => self.simple(path, scope)?.text.as_str(),
            _ => {
                self.push(
                    Diagnostic::error(codes::UNKNOWN_MEASURE, "expected a measure, found something else")
                        .label(here, "not a measure")
                        .note(format!("measures are {}", listed(measure_names()))),
                );
                return None;
            }
        };
        if let Some((_, measure, dimension)) = MEASURES.iter().find(|(name, ..)| *name == word) {
            return Some((*measure, *dimension));
        }
        let found = Diagnostic::error(codes::UNKNOWN_MEASURE, format!("there is no measure `{word}`"))
            .label(here, "not a measure")
            .note(format!("measures are {}", listed(measure_names())));
        let meant = match word {
            "cs" => Some("concurrency_score"),
            "parameters" => Some("params"),
            "time" => Some("latency"),
            "measured" => Some("measured_latency"),
            _ => nearest::nearest(word, measure_names()),
        };
        self.push(match meant {
            Some(meant) => found.suggest(here, meant, "did you mean this"),
            None => found,
        });
        None
    }

    pub(super) fn objective(
        &mut self,
        maximize: bool,
        value: &tree::Expr,
        scope: &Scope,
        location: Location,
        earlier: &[Option<Objective>],
    ) -> Option<Objective> {
        let (measure, _) = self.measure(value, scope)?;
        if let Some(first) = earlier.iter().flatten().find(|objective| objective.measure == measure) {
            self.push(
                Diagnostic::error(codes::DUPLICATE_OBJECTIVE, "one measure is an objective twice")
                    .label(location, "the second one")
                    .label(first.location, "the first one")
                    .suggest(location, "", "leave one out"),
            );
            return None;
        }
        Some(Objective { measure, maximize, location })
    }

    fn strategy(&mut self, value: &tree::Expr, scope: &Scope, location: Location) -> Option<Strategy> {
        let (path, args) = match &value.kind {
            Written::Path(path) => (path, [].as_slice()),
            Written::Call { callee, args } => (callee, args.as_slice()),
            Written::Bad => return None,
            _ => {
                let names = STRATEGIES.map(|(name, _)| name);
                self.unknown_word("", scope.at(value.span), "strategy", &names);
                return None;
            }
        };
        let name = self.simple(path, scope)?;
        let Some((word, known)) = STRATEGIES.iter().find(|(word, _)| *word == name.text) else {
            let names = STRATEGIES.map(|(name, _)| name);
            self.unknown_word(&name.text, scope.at(name.span), "strategy", &names);
            return None;
        };
        let mut settings: Vec<(String, i64)> = Vec::new();
        let mut whole = true;
        for arg in args {
            match self.setting(word, known, arg, scope, &settings) {
                Some(setting) => settings.push(setting),
                None => whole = false,
            }
        }
        if !whole {
            return None;
        }
        let setting = |name: &str, default: u64| {
            let given = settings.iter().find(|(known, _)| known == name);
            given.and_then(|(_, value)| u64::try_from(*value).ok()).unwrap_or(default)
        };
        Some(match *word {
            "random" => Strategy::Random,
            "grid" => Strategy::Grid { points: setting("points", 5), draws: setting("draws", 1) },
            "evolution" => Strategy::Evolution {
                population: setting("population", 64),
                sample: setting("sample", 16),
                edits: setting("edits", 0),
            },
            "nsga2" => Strategy::Nsga2 { population: setting("population", 48), edits: setting("edits", 0) },
            "tpe" => Strategy::Tpe { startup: setting("startup", 16), candidates: setting("candidates", 24) },
            _ => {
                let reduction = setting("reduction", 3);
                if reduction < 2 {
                    let message =
                        format!("`reduction` of `{word}` must be at least 2: of so many candidates one passes");
                    self.push(Diagnostic::error(codes::LIMIT, message).label(location, "spares none"));
                    return None;
                }
                if *word == "hyperband" {
                    Strategy::Hyperband { reduction }
                } else {
                    Strategy::SuccessiveHalving { reduction }
                }
            }
        })
    }

    fn setting(
        &mut self,
        strategy: &str,
        known: &[&str],
        arg: &tree::Arg,
        scope: &Scope,
        earlier: &[(String, i64)],
    ) -> Option<(String, i64)> {
        let earlier: Vec<&str> = earlier.iter().map(|(name, _)| name.as_str()).collect();
        let name = self.setting_name(strategy, known, arg, scope, &earlier)?;
        let role = format!("`{name}` of `{strategy}`");
        let value = self.count(&arg.value, scope, limits::SETTING, &role)?;
        Some((name.to_owned(), value))
    }

    /// The name of a setting that `strategy`, or another word with settings, knows, and that is not among the `earlier` ones.
    pub(super) fn setting_name<'t>(
        &mut self,
        strategy: &str,
        known: &[&str],
        arg: &'t tree::Arg,
        scope: &Scope,
        earlier: &[&str],
    ) -> Option<&'t str> {
        let takes = if known.is_empty() {
            format!("`{strategy}` has no settings")
        } else {
            format!("`{strategy}` has {}", listed(known.iter().copied()))
        };
        let Some(name) = &arg.name else {
            let here = scope.at(arg.value.span);
            let found = Diagnostic::error(codes::UNKNOWN_WORD, "a setting is given with its name")
                .label(here, "of which setting?")
                .note(takes);
            // Each list begins with what is set most often.
            self.push(match known.iter().find(|name| !earlier.contains(*name)) {
                Some(next) => found.suggest(here, format!("{next}: {}", self.text(here)), "write its name"),
                None => found,
            });
            return None;
        };
        let here = scope.at(name.span);
        if !known.contains(&name.text.as_str()) {
            let found = Diagnostic::error(codes::UNKNOWN_WORD, format!("`{strategy}` has no setting `{}`", name.text))
                .label(here, "not a setting")
                .note(takes);
            self.push(match nearest::nearest(&name.text, known.iter().copied()) {
                Some(meant) => found.suggest(here, meant, "did you mean this"),
                None => found,
            });
            return None;
        }
        if earlier.contains(&name.text.as_str()) {
            let message = format!("`{}` of `{strategy}` is given twice", name.text);
            self.push(Diagnostic::error(codes::DUPLICATE_ARGUMENT, message).label(here, "the second one"));
            return None;
        }
        Some(&name.text)
    }

    fn budget(&mut self, value: &tree::Expr, scope: &Scope) -> Option<Budget> {
        let here = scope.at(value.span);
        if let Written::Number { text, unit: Some(unit) } = &value.kind
            && unit.text == units::CANDIDATES
        {
            return match text.parse::<i64>() {
                Ok(count) if limits::BUDGET.allows(count) => u64::try_from(count).ok().map(Budget::Candidates),
                _ => {
                    let limits::Limit { least, most, .. } = limits::BUDGET;
                    self.push(
                        Diagnostic::error(codes::LIMIT, format!("a budget is {least} to {most} candidates"))
                            .label(here, "expected a whole number within these"),
                    );
                    None
                }
            };
        }
        let Typed { ty, expr } = self.value(value, scope)?;
        let number = self.constant(&expr)?;
        if let (Type::Int, Some(Value::Int(count))) = (&ty, &number) {
            self.push(
                Diagnostic::error(codes::MISSING_UNIT, "a budget is counted in candidates or in time")
                    .label(here, "a number without a unit")
                    .suggest(here, format!("{count} candidates"), "write the unit, for example"),
            );
            return None;
        }
        let expr = self.fitted(Typed { ty, expr }, value, scope, &Type::Real(TIME), "a budget")?;
        match number.and_then(|number| number.number()) {
            Some(seconds) if seconds > 0.0 && seconds <= limits::BUDGET_SECONDS => Some(Budget::Seconds(seconds)),
            _ => {
                self.push(
                    Diagnostic::error(codes::LIMIT, "a budget of time is above 0 and at most ten years")
                        .label(expr.location, "outside these bounds"),
                );
                None
            }
        }
    }
}

/// The comparison seen from its other side.
pub(super) fn reversed(op: BinaryOp) -> BinaryOp {
    match op {
        BinaryOp::Less => BinaryOp::Greater,
        BinaryOp::LessEqual => BinaryOp::GreaterEqual,
        BinaryOp::Greater => BinaryOp::Less,
        BinaryOp::GreaterEqual => BinaryOp::LessEqual,
        other => other,
    }
}
