//! `staging` declarations: which nodes downsample, how their channels grow, and what makes their image smaller.

use super::entries::{Body, Slot};
use super::pipeline::Place;
use super::{Checker, Scope};
use crate::constant::{self, Known, Value};
use crate::units::PLAIN;
use crate::{codes, limits};
use cnasc_base::{Diagnostic, Location};
use cnasc_grammar::tree::{self, EntryKind, ExprKind as Written, Growth};
use cnasc_ir::program::{Expr, ExprKind, Operator, Policy, Stage, Staging, Type, Variable};

const POLICIES: [&str; 4] = ["uniform", "greedy", "probabilistic(p)", "rule(condition)"];

impl<'a> Checker<'a> {
    pub(super) fn staging(&mut self, body: &mut Body<'a>) -> Option<Staging> {
        let mut policy: Slot<Option<Policy>> = None;
        let mut channels: Slot<Option<(Expr, Option<Expr>)>> = None;
        let mut shrink: Slot<Option<Vec<Stage>>> = None;
        let declaration = body.declaration;
        for entry in &declaration.entries {
            let location = body.scope.at(entry.span);
            match &entry.kind {
                EntryKind::Property { name, value } if name.text == "policy" => {
                    let checked = self.policy(value, &body.scope);
                    self.once(&mut policy, checked, "policy", location);
                }
                EntryKind::Property { name, value } if name.text == "shrink" => {
                    let checked = self.pipeline(value, &body.scope, Place::Shrink);
                    let checked = checked.filter(|stages| self.shrinks(stages, body.scope.at(value.span)).is_some());
                    self.once(&mut shrink, checked, "shrink", location);
                }
                EntryKind::Channels { growth, limit } => {
                    let checked = self.channels(growth, limit.as_ref(), &body.scope, location);
                    self.once(&mut channels, checked, "channels", location);
                }
                EntryKind::Bad => {}
                _ => self.stranger(body, entry),
            }
        }
        let policy = self.required(policy, body, "policy", "policy greedy");
        let uniform = matches!(policy, None | Some((None | Some(Policy::Uniform), _)));
        if shrink.is_none() && !uniform {
            self.missing(body, "shrink", "shrink maxpool(2)");
            return None;
        }
        let keep = || {
            let location = body.name_location();
            Some((Expr { kind: ExprKind::Real(1.0), location }, None))
        };
        let (growth, limit) = channels.map_or_else(keep, |channels| channels.0)?;
        let params = self.params(body.id);
        Some(Staging {
            name: declaration.name.text.clone(),
            params: params?,
            policy: policy?.0?,
            growth,
            limit,
            shrink: shrink.map_or(Some(Vec::new()), |shrink| shrink.0)?,
            location: body.name_location(),
        })
    }

    fn policy(&mut self, value: &tree::Expr, scope: &Scope) -> Option<Policy> {
        let (path, args) = match &value.kind {
            Written::Path(path) => (path, None),
            Written::Call { callee, args } => (callee, Some(args.as_slice())),
            Written::Bad => return None,
            _ => {
                self.unknown_word("", scope.at(value.span), "policy", &POLICIES);
                return None;
            }
        };
        let name = self.simple(path, scope)?;
        let argument = match args {
            Some([arg]) if arg.name.is_none() => Some(&arg.value),
            _ => None,
        };
        match (name.text.as_str(), args, argument) {
            ("uniform", None, _) => Some(Policy::Uniform),
            ("greedy", None, _) => Some(Policy::Greedy),
            ("probabilistic", _, Some(p)) => self.probability(p, scope, "a probability").map(Policy::Probabilistic),
            ("rule", _, Some(condition)) => {
                let mut scope = scope.clone();
                for (name, variable) in
                    [("depth", Variable::Depth), ("channels", Variable::Channels), ("size", Variable::Size)]
                {
                    if scope.params.iter().all(|(param, _)| param != name) {
                        scope.variables.push((name.to_owned(), variable));
                    }
                }
                self.of_type(condition, &scope, &Type::Bool, "a rule").map(Policy::Rule)
            }
            ("at", _, _) => {
                self.push(
                    Diagnostic::error(codes::LATER_DEPTHS, "staging at listed depths is not there yet")
                        .label(scope.at(value.span), "not there in this release")
                        .suggest(scope.at(value.span), "rule(depth == 3)", "write a rule over `depth`, for example"),
                );
                None
            }
            (word @ ("uniform" | "greedy"), Some(_), _) => {
                let here = scope.at(value.span);
                self.push(
                    Diagnostic::error(codes::TOO_MANY_ARGUMENTS, format!("the policy `{word}` takes no argument"))
                        .label(here, "one too many")
                        .suggest(here, word, "write the word alone"),
                );
                None
            }
            (word @ ("probabilistic" | "rule"), _, None) => {
                let (needs, example) = if word == "rule" {
                    ("a condition over `depth`, `channels` and `size`", "rule(depth == 3)")
                } else {
                    ("a probability", "probabilistic(0.5)")
                };
                let here = scope.at(value.span);
                self.push(
                    Diagnostic::error(codes::MISSING_ARGUMENT, format!("the policy `{word}` takes {needs}"))
                        .label(here, format!("expected one argument, as in `{example}`"))
                        .suggest(here, example, "give it, for example"),
                );
                None
            }
            (word, _, _) => {
                let known = ["uniform", "greedy", "probabilistic", "rule"];
                self.unknown_word(word, scope.at(name.span), "policy", &known);
                None
            }
        }
    }

    fn channels(
        &mut self,
        growth: &Growth,
        limit: Option<&tree::Expr>,
        scope: &Scope,
        location: Location,
    ) -> Option<(Expr, Option<Expr>)> {
        let growth = match growth {
            Growth::Double => Some(Expr { kind: ExprKind::Real(2.0), location }),
            Growth::Keep => Some(Expr { kind: ExprKind::Real(1.0), location }),
            Growth::Times(factor) => {
                let expr = self.of_type(factor, scope, &Type::Real(PLAIN), "the growth of channels");
                expr.filter(|expr| self.growth(expr).is_some())
            }
        };
        let limit = match limit {
            None => Some(None),
            Some(limit) => {
                let expr = self.of_type(limit, scope, &Type::Int, "the limit of channels");
                expr.filter(|expr| self.within(expr, limits::CHANNELS).is_some()).map(Some)
            }
        };
        growth.zip(limit)
    }

    fn growth(&mut self, expr: &Expr) -> Option<()> {
        let value = self.constant(expr)?.and_then(|value| value.number());
        match value {
            Some(value) if !(1.0..=limits::GROWTH).contains(&value) => {
                let message = format!("the growth of channels is 1 to {}, this one is {value}", limits::GROWTH);
                self.push(
                    Diagnostic::error(codes::LIMIT, message)
                        .label(expr.location, if value < 1.0 { "too small" } else { "too large" })
                        .note("a node that downsamples multiplies its channels by it"),
                );
                None
            }
            _ => Some(()),
        }
    }

    /// Whether a `shrink` may make an image smaller; reports one that never does.
    fn shrinks(&mut self, stages: &[Stage], location: Location) -> Option<()> {
        let may = stages.iter().any(|stage| {
            let stride = match stage.operator {
                Operator::Conv => stage.args.get(2),
                Operator::Depthwise | Operator::MaxPool | Operator::AvgPool => stage.args.get(1),
                _ => None,
            };
            let stride = stride.and_then(Option::as_ref);
            stride.is_some_and(|stride| constant::value(stride, &Known::default()) != Some(Value::Int(1)))
        });
        if may {
            return Some(());
        }
        self.push(
            Diagnostic::error(codes::NO_SHRINK, "this `shrink` leaves the image as large as it is")
                .label(location, "expected an operator with a stride of at least 2")
                .note("`maxpool(2)`, `avgpool(2)` and `depthwise(3, stride: 2)` halve an image"),
        );
        None
    }
}
