//! Network with domains among its arguments → its search variables, and a network with values for each of them.
//!
//! A variable is named by the path of parameters that leads to it: `width`, `wiring.reach`. Inside a choice between
//! declarations the chosen declaration's name is a part of the path (`wiring.local.n`), and the variable is there only under
//! that choice. A choice between whole networks is the variable `network`, and theirs are `network.fashion.width`. Where two variables would have one name, the later one is called `name#2`.
//!
//! Each variable is drawn from its own stream `space/name` of the seed, so that adding or fixing one leaves the others alone.

mod domain;
mod walk;

pub use domain::Setting;

use crate::codes;
use crate::evaluate::{Scope, evaluate};
use crate::value::{Closure, Value};
use cnasc_base::{Diagnostic, Location, Seed};
use cnasc_ir::Program;
use cnasc_ir::program::{Domain, Expr, ExprKind, Make};
use std::collections::BTreeMap;

/// An argument that is still open.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchVariable {
    /// Unique in its network.
    pub name: String,
    /// What it may be.
    pub domain: Domain,
    /// The alternatives as text, all different, where the domain is a choice: the value, or the name of the declaration where
    /// that has variables of its own.
    pub choices: Vec<String>,
    /// Under which it exists; always where absent.
    pub condition: Option<Condition>,
    /// Where its domain was written.
    pub location: Location,
}

/// A variable exists only where an earlier one exists and takes a certain alternative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// The earlier variable's place in the list of variables.
    pub variable: usize,
    /// Its alternative.
    pub choice: usize,
}

/// A network of a space.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// The network with all arguments known.
    pub network: Closure,
    /// What each variable that exists under these settings was set to.
    pub settings: BTreeMap<String, Setting>,
    /// The same as source text.
    pub arguments: BTreeMap<String, String>,
}

/// The search variables of `over`, a variable that others depend on before them.
#[must_use]
pub fn variables(program: &Program, over: &Make) -> Vec<SearchVariable> {
    walk::variables(program, over)
}

/// Draws every variable.
///
/// # Errors
/// Where a domain is empty, or an argument has no value.
pub fn sample(program: &Program, over: &Make, seed: &Seed) -> Result<Sampled, Diagnostic> {
    bind(program, over, &BTreeMap::new(), seed)
}

/// Takes the given settings, and draws the variables that they leave open as [`sample`] does. A setting of a variable that does
/// not exist under the others has no effect.
///
/// # Errors
/// Where a setting names no variable or is outside its domain, a domain is empty, or an argument has no value.
pub fn bind(
    program: &Program,
    over: &Make,
    settings: &BTreeMap<String, Setting>,
    seed: &Seed,
) -> Result<Sampled, Diagnostic> {
    let variables = variables(program, over);
    if let Some(unknown) = settings.keys().find(|name| variables.iter().all(|variable| variable.name != **name)) {
        return Err(no_variable(unknown, &variables));
    }
    let seed = seed.child("space");
    let mut chosen = Vec::with_capacity(variables.len());
    for variable in &variables {
        chosen.push(match settings.get(&variable.name) {
            Some(setting) => variable.check(*setting)?,
            None => variable.draw(&mut seed.child(&variable.name).rng())?,
        });
    }
    let (made, exists) = walk::substitute(over, &chosen);
    let expr = Expr { kind: ExprKind::Make(made), location: place(over, &variables) };
    let Value::Made(network) = evaluate(&expr, &Scope::default())? else {
        return Err(Diagnostic::error(codes::KIND, "a search is over a network").label(expr.location, "this is none"));
    };
    let network = network.chosen();
    let mut sampled = Sampled { network, settings: BTreeMap::new(), arguments: BTreeMap::new() };
    for ((variable, setting), _) in variables.iter().zip(chosen).zip(exists).filter(|(_, exists)| *exists) {
        sampled.arguments.insert(variable.name.clone(), variable.text(setting));
        sampled.settings.insert(variable.name.clone(), setting);
    }
    Ok(sampled)
}

/// A place to point at for the whole; a make has none of its own.
fn place(over: &Make, variables: &[SearchVariable]) -> Location {
    let first = variables.first().map(|variable| variable.location);
    let arg = over.args.first().map(|arg| arg.location);
    arg.or(first).unwrap_or(Location::new(cnasc_base::FileId(0), 0, 0))
}

fn no_variable(name: &str, variables: &[SearchVariable]) -> Diagnostic {
    let message = format!("there is no search variable `{name}`");
    let names: Vec<String> = variables.iter().map(|variable| format!("`{}`", variable.name)).collect();
    Diagnostic::error(codes::NO_VARIABLE, message).note(if names.is_empty() {
        "this network has no search variables".to_owned()
    } else {
        format!("the search variables are {}", names.join(", "))
    })
}
