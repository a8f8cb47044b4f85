//! Checked declarations × the arguments they are given → numbers out of bounds, before anything is drawn.
//!
//! A declaration is looked at once with its parameters unknown, and once for each use with what that use gives: constants as
//! they are, of a choice every value, of a range its ends. What is reported is therefore always met by some value; what depends
//! on drawn numbers is left to expansion.

use super::pipeline::limit_of;
use super::{Checker, shapes};
use crate::codes;
use crate::constant::{Fault, Known, Value, evaluate, value};
use crate::limits::{self, Limit};
use cnasc_base::{Code, Diagnostic, Location};
use cnasc_ir::program::{
    BlockId, Declared, Domain, Expr, ExprKind, Generator, GeneratorId, Make, NetworkId, Param, Policy, Section, Stage,
    Staging, StagingId, Wiring,
};
use std::collections::BTreeSet;

/// A number that can't be.
pub(super) struct Violation {
    pub(super) code: Code,
    pub(super) message: String,
    /// In the declaration.
    pub(super) location: Location,
    pub(super) label: String,
    pub(super) note: Option<&'static str>,
    /// Whether the number is an argument itself and nothing computed from it: then each use has a mistake of its own.
    pub(super) argument: bool,
}

/// As many sets of arguments of one use are looked at.
const MOST_CASES: usize = 256;

/// Whether a number is within 0..1, rounding aside.
pub(super) fn is_probability(value: f64) -> bool {
    const ROUNDING: f64 = 1e-9;
    (-ROUNDING..=1.0 + ROUNDING).contains(&value)
}

impl Checker<'_> {
    /// Looks at the numbers of all declarations and all their uses.
    pub(super) fn numbers(&mut self) {
        let mut wrong: BTreeSet<Declared> = BTreeSet::new();
        let all = (0..self.generators.len())
            .map(|index| Declared::Generator(GeneratorId::new(index)))
            .chain((0..self.blocks.len()).map(|index| Declared::Block(BlockId::new(index))))
            .chain((0..self.stagings.len()).map(|index| Declared::Staging(StagingId::new(index))))
            .chain((0..self.networks.len()).map(|index| Declared::Network(NetworkId::new(index))));
        for of in all.collect::<Vec<_>>() {
            if let Some(violation) = self.violation(of, &[]) {
                wrong.insert(of);
                // Whatever the arguments: there is no "then".
                let label = violation.label.trim_end_matches(" then");
                let found = Diagnostic::error(violation.code, violation.message).label(violation.location, label);
                self.push(violation.note.into_iter().fold(found, Diagnostic::note));
            }
        }
        let mut seen: BTreeSet<Location> = BTreeSet::new();
        for (make, location) in std::mem::take(&mut self.makes) {
            if !wrong.contains(&make.of) && seen.insert(location) && self.used_with(&make, location) {
                wrong.insert(make.of);
            }
        }
    }

    /// Reports the first set of a use's arguments that its declaration can't take, and says whether the declaration computes
    /// that number, so that its other uses may have no mistake.
    fn used_with(&mut self, make: &Make, location: Location) -> bool {
        let Some((name, params)) = self.declared_params(make.of) else { return false };
        let names: Vec<String> = params.iter().map(|param| param.name.clone()).collect();
        let name = name.to_owned();
        for case in cases(&make.args) {
            let Some(violation) = self.violation(make.of, &case) else { continue };
            let with: Vec<String> = names
                .iter()
                .zip(&case)
                .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}: {}", value.text())))
                .collect();
            let with = if with.is_empty() { "these arguments".to_owned() } else { format!("`{}`", with.join(", ")) };
            let found = Diagnostic::error(violation.code, format!("in `{name}`: {}", violation.message))
                .label(location, format!("not possible with {with}"))
                .label(violation.location, violation.label);
            self.push(violation.note.into_iter().fold(found, Diagnostic::note));
            return !violation.argument;
        }
        false
    }

    fn declared_params(&self, of: Declared) -> Option<(&str, &[Param])> {
        match of {
            Declared::Generator(id) => self.generators.get(id.index())?.as_ref().map(|of| (&*of.name, &*of.params)),
            Declared::Block(id) => self.blocks.get(id.index())?.as_ref().map(|of| (&*of.name, &*of.params)),
            Declared::Staging(id) => self.stagings.get(id.index())?.as_ref().map(|of| (&*of.name, &*of.params)),
            Declared::Network(id) => self.networks.get(id.index())?.as_ref().map(|of| (&*of.name, &*of.params)),
            Declared::Fleet(_) | Declared::AnyNetwork => None,
        }
    }

    /// What can't be in a declaration with these arguments.
    fn violation(&self, of: Declared, params: &[Option<Value>]) -> Option<Violation> {
        let known = Known { params, edge: None };
        match of {
            Declared::Generator(id) => generator(self.generators.get(id.index())?.as_ref()?, &known),
            Declared::Block(id) => operators(&self.blocks.get(id.index())?.as_ref()?.pipeline, &known),
            Declared::Staging(id) => staging(self.stagings.get(id.index())?.as_ref()?, &known),
            Declared::Network(id) => {
                let network = self.networks.get(id.index())?.as_ref()?;
                let image = network.input.iter().find_map(|extent| within(extent, limits::EXTENT, &known));
                let all = shapes::Declarations { networks: &self.networks, blocks: &self.blocks };
                image.or_else(|| sections(&network.sections, &known)).or_else(|| shapes::misfit(network, &known, all))
            }
            Declared::Fleet(_) | Declared::AnyNetwork => None,
        }
    }
}

/// The sets of arguments to look at.
fn cases(args: &[Expr]) -> Vec<Vec<Option<Value>>> {
    let samples: Vec<Vec<Option<Value>>> = args.iter().map(samples).collect();
    let count = samples.iter().try_fold(1_usize, |count, values| count.checked_mul(values.len()));
    if count.is_some_and(|count| count <= MOST_CASES) {
        let mut cases: Vec<Vec<Option<Value>>> = vec![Vec::new()];
        for values in &samples {
            cases = cases
                .iter()
                .flat_map(|case| values.iter().map(|value| case.iter().cloned().chain([value.clone()]).collect()))
                .collect();
        }
        return cases;
    }
    // Too many together: each alone, beside the constants.
    let constants: Vec<Option<Value>> =
        samples.iter().map(|values| if let [only] = values.as_slice() { only.clone() } else { None }).collect();
    let mut cases = Vec::new();
    for (index, values) in samples.iter().enumerate().filter(|(_, values)| values.len() > 1) {
        for value in values.iter().take(MOST_CASES) {
            let mut case = constants.clone();
            case[index] = value.clone();
            cases.push(case);
        }
    }
    cases
}

/// The values of an argument to look at; at least one, unknown where it is no constant.
fn samples(arg: &Expr) -> Vec<Option<Value>> {
    match &arg.kind {
        ExprKind::Domain(Domain::Choice(items)) => items.iter().map(|item| value(item, &Known::default())).collect(),
        ExprKind::Domain(Domain::Ints { low, high, step }) => {
            let last = (i128::from(*high) - i128::from(*low)) / i128::from((*step).max(1));
            let at = |index: i128| i64::try_from(i128::from(*low) + index * i128::from(*step)).ok().map(Value::Int);
            let mut places = vec![0, 1.min(last), last];
            places.dedup();
            places.into_iter().map(at).collect()
        }
        ExprKind::Domain(Domain::Reals { low, high, .. }) => vec![Some(Value::Real(*low)), Some(Value::Real(*high))],
        _ => vec![value(arg, &Known::default())],
    }
}

/// A computation that has no result with these arguments.
fn faulty(expr: &Expr, known: &Known<'_>) -> Option<Violation> {
    let (location, fault) = evaluate(expr, known).err()?;
    let message = match fault {
        Fault::DivisionByZero => "a division by zero",
        Fault::Overflow => "a whole number that does not fit 64 bits",
        Fault::NotFinite => "a number without a finite result",
    };
    let label = "has no result then".to_owned();
    Some(Violation {
        code: codes::NO_RESULT,
        message: message.to_owned(),
        location,
        label,
        note: None,
        argument: false,
    })
}

fn within(expr: &Expr, limit: Limit, known: &Known<'_>) -> Option<Violation> {
    if let Some(violation) = faulty(expr, known) {
        return Some(violation);
    }
    let Some(Value::Int(found)) = value(expr, known) else { return None };
    (!limit.allows(found)).then(|| Violation {
        code: codes::LIMIT,
        message: format!("{} is {} to {}, this one is {found}", limit.what, limit.least, limit.most),
        location: expr.location,
        label: format!("this is {found} then"),
        note: None,
        argument: matches!(expr.kind, ExprKind::Param(_)),
    })
}

fn probability(expr: &Expr, known: &Known<'_>) -> Option<Violation> {
    if let Some(violation) = faulty(expr, known) {
        return Some(violation);
    }
    let found = value(expr, known)?.number()?;
    (!is_probability(found)).then(|| Violation {
        code: codes::PROBABILITY,
        message: format!("a probability must be within 0..1, this one is {}", rounded(found)),
        location: expr.location,
        label: format!("this is {} then", rounded(found)),
        note: None,
        argument: matches!(expr.kind, ExprKind::Param(_)),
    })
}

/// A number with as many digits as a reader needs.
fn rounded(number: f64) -> f64 {
    const DIGITS: f64 = 10_000.0;
    let rounded = (number * DIGITS).round() / DIGITS;
    // Close to a bound or very large, rounding would hide what is wrong.
    if is_probability(rounded) || !rounded.is_finite() { number } else { rounded }
}

fn generator(generator: &Generator, known: &Known<'_>) -> Option<Violation> {
    if let Some(violation) = within(&generator.nodes, limits::NODES, known) {
        return Some(violation);
    }
    let nodes = match value(&generator.nodes, known) {
        Some(Value::Int(nodes)) => Some(nodes),
        _ => None,
    };
    match &generator.wiring {
        Wiring::Edges(odds) => match nodes {
            // The nearest, the farthest and the outermost pairs.
            Some(nodes) if nodes >= 2 => [(0, 1), (0, nodes / 2), (nodes - 2, nodes - 1), (0, nodes - 1)]
                .into_iter()
                .find_map(|(i, j)| probability(odds, &Known { edge: Some((i, j, nodes)), ..*known })),
            Some(_) => None,
            None => probability(odds, known),
        },
        Wiring::Attach { edges } => {
            let known = Known { edge: nodes.map(|nodes| (0, 0, nodes)), ..*known };
            let most = nodes.map_or(limits::NODES.most, |nodes| nodes - 1).max(1);
            let limit = Limit { what: "the number of edges that a node attaches", least: 1, most };
            within(edges, limit, &known).map(|found| Violation {
                note: Some("the first m nodes start without edges, and every further one attaches m: m is below the number of nodes"),
                ..found
            })
        }
        Wiring::Lattice { neighbours, rewired } => {
            let known = Known { edge: nodes.map(|nodes| (0, 0, nodes)), ..*known };
            lattice(neighbours, nodes, &known).or_else(|| probability(rewired, &known))
        }
        Wiring::Given(_) => None,
    }
}

fn lattice(neighbours: &Expr, nodes: Option<i64>, known: &Known<'_>) -> Option<Violation> {
    let most = nodes.map_or(limits::NODES.most, |nodes| nodes - 1).max(2);
    let limit = Limit { what: "the number of a node's neighbours", least: 2, most };
    let note = Some("a lattice of k joins each node to the k/2 nearest on either side of a ring");
    if let Some(found) = within(neighbours, limit, known) {
        return Some(Violation { note, ..found });
    }
    let Some(Value::Int(found)) = value(neighbours, known) else { return None };
    (found % 2 != 0).then(|| Violation {
        code: codes::LIMIT,
        message: format!("the number of a node's neighbours is even, this one is {found}"),
        location: neighbours.location,
        label: format!("this is {found} then"),
        note,
        argument: matches!(neighbours.kind, ExprKind::Param(_)),
    })
}

fn staging(staging: &Staging, known: &Known<'_>) -> Option<Violation> {
    let policy = match &staging.policy {
        Policy::Probabilistic(odds) => probability(odds, known),
        Policy::Rule(rule) => faulty(rule, known),
        Policy::Uniform | Policy::Greedy => None,
    };
    let growth = || {
        let found = value(&staging.growth, known)?.number()?;
        (!(1.0..=limits::GROWTH).contains(&found)).then(|| Violation {
            code: codes::LIMIT,
            message: format!("the growth of channels is 1 to {}, this one is {found}", limits::GROWTH),
            location: staging.growth.location,
            label: format!("this is {found} then"),
            note: None,
            argument: matches!(staging.growth.kind, ExprKind::Param(_)),
        })
    };
    let limit = || within(staging.limit.as_ref()?, limits::CHANNELS, known);
    policy.or_else(growth).or_else(limit).or_else(|| operators(&staging.shrink, known))
}

fn sections(all: &[Section], known: &Known<'_>) -> Option<Violation> {
    all.iter().find_map(|section| match section {
        Section::Pipeline { stages, .. } => operators(stages, known),
        Section::Body { .. } | Section::Part { .. } => None,
        Section::Repeat { count, sections: inner, .. } => {
            within(count, limits::REPEATS, known).or_else(|| sections(inner, known))
        }
        Section::Branch { branches, .. } => branches.iter().find_map(|inner| sections(inner, known)),
    })
}

fn operators(stages: &[Stage], known: &Known<'_>) -> Option<Violation> {
    stages.iter().find_map(|stage| {
        let params = stage.operator.params().iter().zip(&stage.args).filter(|((_, default), _)| !default.is_real());
        let mut given = params.filter_map(|((name, _), arg)| arg.as_ref().map(|arg| (name, arg)));
        given.find_map(|(name, arg)| within(arg, limit_of(name), known)).or_else(|| operators(&stage.inner, known))
    })
}
