//! The one order in which domains are met among arguments: outer before inner, first before later, alternatives in turn whether
//! chosen or not. Listing and substitution both follow it, so that a variable is known by its place.

use super::{Condition, SearchVariable, Setting};
use crate::evaluate::{Scope, evaluate};
use crate::space::domain::pick;
use crate::value::signature;
use cnasc_ir::Program;
use cnasc_ir::program::{Domain, Expr, ExprKind, Make};
use std::collections::BTreeSet;

pub(super) fn variables(program: &Program, over: &Make) -> Vec<SearchVariable> {
    let mut listing = Listing { program, names: BTreeSet::new(), found: Vec::new() };
    listing.make(over, "", None);
    listing.found
}

struct Listing<'a> {
    program: &'a Program,
    names: BTreeSet<String>,
    found: Vec<SearchVariable>,
}

impl Listing<'_> {
    fn make(&mut self, make: &Make, path: &str, condition: Option<Condition>) {
        let (_, params) = signature(self.program, make.of);
        for (index, arg) in make.args.iter().enumerate() {
            let name = params.get(index).map_or("?", |param| param.name.as_str());
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            self.expr(arg, &path, condition);
        }
    }

    fn expr(&mut self, expr: &Expr, path: &str, condition: Option<Condition>) {
        match &expr.kind {
            ExprKind::Domain(domain) => self.domain(expr, domain, path, condition),
            ExprKind::Make(make) => self.make(make, path, condition),
            ExprKind::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.expr(item, &format!("{path}[{index}]"), condition);
                }
            }
            other => {
                for operand in operands(other) {
                    self.expr(operand, path, condition);
                }
            }
        }
    }

    fn domain(&mut self, expr: &Expr, domain: &Domain, path: &str, condition: Option<Condition>) {
        let variable = self.found.len();
        let name = unique(&mut self.names, path);
        let choices = self.choices(domain);
        let location = expr.location;
        self.found.push(SearchVariable { name: name.clone(), domain: domain.clone(), choices, condition, location });
        let Domain::Choice(alternatives) = domain else { return };
        for (choice, alternative) in alternatives.iter().enumerate() {
            let condition = Some(Condition { variable, choice });
            match &alternative.kind {
                ExprKind::Make(make) => {
                    let path = format!("{name}.{}", signature(self.program, make.of).0);
                    self.make(make, &path, condition);
                }
                _ => self.expr(alternative, &name, condition),
            }
        }
    }

    /// The alternatives of a choice as texts that differ.
    fn choices(&self, domain: &Domain) -> Vec<String> {
        let Domain::Choice(alternatives) = domain else { return Vec::new() };
        let mut texts = BTreeSet::new();
        let text = |(index, alternative): (usize, &Expr)| {
            let text = match (evaluate(alternative, &Scope::default()), &alternative.kind) {
                (Ok(value), _) => value.text(self.program),
                (Err(_), ExprKind::Make(make)) => signature(self.program, make.of).0.to_owned(),
                (Err(_), _) => index.to_string(),
            };
            unique(&mut texts, &text)
        };
        alternatives.iter().enumerate().map(text).collect()
    }
}

/// `name`, or `name#2`, `name#3`, … where that is taken.
fn unique(taken: &mut BTreeSet<String>, name: &str) -> String {
    let mut candidate = name.to_owned();
    let mut count = 1;
    while !taken.insert(candidate.clone()) {
        count += 1;
        candidate = format!("{name}#{count}");
    }
    candidate
}

/// The parts of an expression that is neither a domain nor a declaration.
fn operands(kind: &ExprKind) -> Vec<&Expr> {
    match kind {
        ExprKind::Negate(operand) | ExprKind::Not(operand) => vec![operand],
        ExprKind::Binary(_, left, right) => vec![left, right],
        ExprKind::Call(_, args) | ExprKind::List(args) => args.iter().collect(),
        _ => Vec::new(),
    }
}

/// How many variables there are in an expression.
fn count(expr: &Expr) -> usize {
    let all = |exprs: &[Expr]| exprs.iter().map(count).sum();
    match &expr.kind {
        ExprKind::Domain(Domain::Choice(alternatives)) => 1 + all(alternatives),
        ExprKind::Domain(_) => 1,
        ExprKind::Make(make) => all(&make.args),
        other => operands(other).into_iter().map(count).sum(),
    }
}

/// `over` with a value in place of each domain, and for each variable whether it exists under `chosen`.
pub(super) fn substitute(over: &Make, chosen: &[Setting]) -> (Make, Vec<bool>) {
    let mut substitution = Substitution { chosen, next: 0, exists: vec![false; chosen.len()] };
    let made = substitution.make(over);
    (made, substitution.exists)
}

struct Substitution<'a> {
    chosen: &'a [Setting],
    /// The place of the next domain that is met.
    next: usize,
    exists: Vec<bool>,
}

impl Substitution<'_> {
    fn make(&mut self, make: &Make) -> Make {
        Make { of: make.of, args: self.all(&make.args) }
    }

    fn all(&mut self, exprs: &[Expr]) -> Vec<Expr> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn expr(&mut self, expr: &Expr) -> Expr {
        let kind = match &expr.kind {
            ExprKind::Domain(domain) => return self.domain(domain, expr),
            ExprKind::Make(make) => ExprKind::Make(self.make(make)),
            ExprKind::List(items) => ExprKind::List(self.all(items)),
            ExprKind::Negate(operand) => ExprKind::Negate(Box::new(self.expr(operand))),
            ExprKind::Not(operand) => ExprKind::Not(Box::new(self.expr(operand))),
            ExprKind::Binary(op, left, right) => {
                let left = self.expr(left);
                ExprKind::Binary(*op, Box::new(left), Box::new(self.expr(right)))
            }
            ExprKind::Call(function, args) => ExprKind::Call(*function, self.all(args)),
            other => other.clone(),
        };
        Expr { kind, location: expr.location }
    }

    fn domain(&mut self, domain: &Domain, expr: &Expr) -> Expr {
        let setting = self.chosen[self.next];
        self.exists[self.next] = true;
        self.next += 1;
        match (domain, setting) {
            (Domain::Choice(alternatives), _) => {
                let choice = pick(setting);
                let mut chosen = expr.clone();
                for (index, alternative) in alternatives.iter().enumerate() {
                    if index == choice {
                        chosen = self.expr(alternative);
                    } else {
                        self.next += count(alternative);
                    }
                }
                chosen
            }
            (_, Setting::Int(value)) => Expr { kind: ExprKind::Int(value), location: expr.location },
            (_, Setting::Real(value)) => Expr { kind: ExprKind::Real(value), location: expr.location },
            // Settings are checked against their domains before: what stays a domain is found by the evaluation.
            (_, Setting::Choice(_)) => expr.clone(),
        }
    }
}
