//! Program → the generators that it uses, each with the arguments that a search, a network or a test gives it.

use crate::evaluate::{self, Scope};
use crate::space;
use crate::value::{Closure, signature};
use cnasc_base::{Diagnostic, Seed};
use cnasc_ir::Program;
use cnasc_ir::program::{Declared, Domain, Expr, ExprKind, Make, NetworkId, Section};
use std::collections::BTreeSet;

/// How many levels sections and networks may be inside each other.
const MAX_LEVELS: usize = 64;

/// The most bodies of a network that are looked at.
const MAX_BODIES: usize = 256;

/// How often a network is drawn again that has no body.
const ATTEMPTS: u64 = 64;

/// A use of a generator.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// The generator with its arguments where they are fixed; else the body and the declaration that choose them.
    pub title: String,
    /// The names that it goes by: the declaration that uses it, its network, and every generator that it may be.
    pub names: BTreeSet<String>,
    source: Source,
}

#[derive(Debug, Clone, PartialEq)]
enum Source {
    /// The generator itself.
    Alone(Make),
    /// The wiring of a network's body, by the body's place.
    Body(Make, usize),
}

/// Every use of a generator in the searches, the networks that need no arguments, and the tests, in this order; what is used
/// twice with the same arguments is there once.
///
/// # Errors
/// Where an argument has no value.
pub fn subjects(program: &Program) -> Result<Vec<Subject>, Diagnostic> {
    let mut found: Vec<Subject> = Vec::new();
    let add = |found: &mut Vec<Subject>, subject: Subject| {
        if found.iter().all(|other| other.title != subject.title) {
            found.push(subject);
        } else if let Some(other) = found.iter_mut().find(|other| other.title == subject.title) {
            other.names.extend(subject.names);
        }
    };
    for search in &program.searches {
        let origin = (format!("search `{}`", search.name), search.name.as_str());
        let origin = (origin.0.as_str(), origin.1);
        for subject in of_network(program, &search.over, origin)? {
            add(&mut found, subject);
        }
    }
    for (index, network) in program.networks.iter().enumerate() {
        let defaults: Option<Vec<Expr>> = network.params.iter().map(|param| param.default.clone()).collect();
        let Some(args) = defaults else { continue };
        let make = Make { of: Declared::Network(NetworkId::new(index)), args };
        let origin = (format!("network `{}`", network.name), network.name.as_str());
        let origin = (origin.0.as_str(), origin.1);
        for subject in of_network(program, &make, origin)? {
            add(&mut found, subject);
        }
    }
    for test in &program.tests {
        let ExprKind::Make(make) = &test.sample.of.kind else { continue };
        let origin = (format!("test \"{}\"", test.name), test.name.as_str());
        let origin = (origin.0.as_str(), origin.1);
        if matches!(make.of, Declared::Generator(_)) {
            add(&mut found, Subject::alone(program, make, origin)?);
            continue;
        }
        for subject in of_network(program, make, origin)? {
            add(&mut found, subject);
        }
    }
    Ok(found)
}

/// The wirings of the bodies of a network.
fn of_network(program: &Program, over: &Make, origin: (&str, &str)) -> Result<Vec<Subject>, Diagnostic> {
    let sampled = space::sample(program, over, &Seed::new(0))?.network.chosen();
    let wirings = wirings(program, &sampled)?;
    let mut subjects = Vec::new();
    for (place, wiring) in wirings.iter().enumerate() {
        let source = Source::Body(over.clone(), place);
        let mut names = BTreeSet::from([origin.1.to_owned()]);
        names.extend([sampled.of, wiring.of].map(|of| signature(program, of).0.to_owned()));
        over.args.iter().for_each(|expr| generators(program, expr, &mut names));
        let body = if wirings.len() == 1 { "the body".to_owned() } else { format!("body {}", place + 1) };
        let open = format!("{body} of {}", origin.0);
        subjects.push(Subject::new(program, source, open, names)?);
    }
    Ok(subjects)
}

/// The generators of a network's bodies, in their order; a body that is repeated is there once.
fn wirings(program: &Program, network: &Closure) -> Result<Vec<Closure>, Diagnostic> {
    let mut found = Vec::new();
    bodies(program, network.clone(), 0, &mut found)?;
    Ok(found)
}

fn bodies(program: &Program, network: Closure, level: usize, found: &mut Vec<Closure>) -> Result<(), Diagnostic> {
    let network = network.chosen();
    let Declared::Network(id) = network.of else { return Ok(()) };
    let sections = program.networks.get(id.index()).map_or(&[] as &[Section], |network| &network.sections);
    walk(program, sections, &Scope::of(&network.args), level, found)
}

fn walk(
    program: &Program,
    sections: &[Section],
    scope: &Scope<'_>,
    level: usize,
    found: &mut Vec<Closure>,
) -> Result<(), Diagnostic> {
    // Networks inside each other without end are told where they are drawn.
    if level > MAX_LEVELS || found.len() >= MAX_BODIES {
        return Ok(());
    }
    for section in sections {
        match section {
            Section::Pipeline { .. } => {}
            Section::Body { wiring, .. } => {
                found.push(evaluate::made(wiring, scope, "a generator", |of| matches!(of, Declared::Generator(_)))?);
            }
            Section::Repeat { sections, .. } => walk(program, sections, scope, level + 1, found)?,
            Section::Branch { branches, .. } => {
                for branch in branches {
                    walk(program, branch, scope, level + 1, found)?;
                }
            }
            Section::Part { network, .. } => {
                let is_network = |of| matches!(of, Declared::Network(_) | Declared::AnyNetwork);
                bodies(program, evaluate::made(network, scope, "a network", is_network)?, level + 1, found)?;
            }
        }
    }
    Ok(())
}

/// The names of all generators in an expression.
fn generators(program: &Program, expr: &Expr, names: &mut BTreeSet<String>) {
    match &expr.kind {
        ExprKind::Make(make) => {
            if let Declared::Generator(id) = make.of {
                names.extend(program.generators.get(id.index()).map(|generator| generator.name.clone()));
            }
            make.args.iter().for_each(|arg| generators(program, arg, names));
        }
        ExprKind::Domain(Domain::Choice(items)) | ExprKind::List(items) => {
            items.iter().for_each(|item| generators(program, item, names));
        }
        _ => {}
    }
}

impl Subject {
    /// A generator with its arguments, used by `origin`: in words, and its name alone.
    fn alone(program: &Program, make: &Make, origin: (&str, &str)) -> Result<Self, Diagnostic> {
        let mut names = BTreeSet::from([origin.1.to_owned()]);
        if let Declared::Generator(id) = make.of {
            names.extend(program.generators.get(id.index()).map(|generator| generator.name.clone()));
        }
        Self::new(program, Source::Alone(make.clone()), format!("the samples of {}", origin.0), names)
    }

    fn new(program: &Program, source: Source, open: String, names: BTreeSet<String>) -> Result<Self, Diagnostic> {
        let mut subject = Self { title: open, names, source };
        if subject.is_fixed(program) {
            subject.title = subject.draw(program, &Seed::new(0))?.text(program);
        }
        Ok(subject)
    }

    /// Whether all arguments are given, so that every draw is of one family.
    #[must_use]
    pub fn is_fixed(&self, program: &Program) -> bool {
        let (Source::Alone(make) | Source::Body(make, _)) = &self.source;
        space::variables(program, make).is_empty()
    }

    /// The generator with arguments drawn from their domains.
    ///
    /// # Errors
    /// Where an argument has no value.
    pub fn draw(&self, program: &Program, seed: &Seed) -> Result<Closure, Diagnostic> {
        match &self.source {
            Source::Alone(make) => Ok(space::sample(program, make, seed)?.network),
            Source::Body(make, place) => {
                // Where the network itself is chosen, one may have fewer bodies, or none: then another draw is taken.
                for attempt in 0..ATTEMPTS {
                    let seed = if attempt == 0 { seed.clone() } else { seed.nth(attempt) };
                    let mut wirings = wirings(program, &space::sample(program, make, &seed)?.network)?;
                    if !wirings.is_empty() {
                        let place = place % wirings.len();
                        return Ok(wirings.swap_remove(place));
                    }
                }
                Err(evaluate::wrong_declaration("a generator", make.of))
            }
        }
    }
}
