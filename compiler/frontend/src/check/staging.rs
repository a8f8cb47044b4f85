//! `staging` declarations: which nodes downsample, how their channels grow, and what makes their image smaller.

use super::entries::{Body, Slot};
use super::pipeline::Place;
use super::{Checker, Scope};
use crate::constant::{self, Known, Value};
use crate::units::PLAIN;
use crate::{codes, limits};
use cnasc_base::{Diagnostic, Location};
use cnasc_grammar::tree::{self, Arg, EntryKind, ExprKind as Written, Growth};
use cnasc_ir::program::{BinaryOp, Expr, ExprKind, Operator, Policy, Stage, Staging, Type, Variable};

const POLICIES: [&str; 5] = ["uniform", "greedy", "probabilistic(p)", "at(depth, …)", "rule(condition)"];

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
            ("at", Some(depths), _) if !listed(depths).is_empty() => self.at_depths(depths, scope),
            (word @ ("uniform" | "greedy"), Some(_), _) => {
                let here = scope.at(value.span);
                self.push(
                    Diagnostic::error(codes::TOO_MANY_ARGUMENTS, format!("the policy `{word}` takes no argument"))
                        .label(here, "one too many")
                        .suggest(here, word, "write the word alone"),
                );
                None
            }
            (word @ ("probabilistic" | "rule" | "at"), _, _) => {
                let (needs, example) = match word {
                    "rule" => ("a condition over `depth`, `channels` and `size`", "rule(depth == 3)"),
                    "at" => ("the depths of the nodes that downsample", "at(3, 6)"),
                    _ => ("a probability", "probabilistic(0.5)"),
                };
                let here = scope.at(value.span);
                self.push(
                    Diagnostic::error(codes::MISSING_ARGUMENT, format!("the policy `{word}` takes {needs}"))
                        .label(here, format!("expected as in `{example}`"))
                        .suggest(here, example, "give it, for example"),
                );
                None
            }
            (word, _, _) => {
                let known = ["uniform", "greedy", "probabilistic", "at", "rule"];
                self.unknown_word(word, scope.at(name.span), "policy", &known);
                None
            }
        }
    }

    /// A rule that is true at the depths listed.
    fn at_depths(&mut self, depths: &[Arg], scope: &Scope) -> Option<Policy> {
        let mut any: Option<Expr> = None;
        let mut whole = true;
        for name in depths.iter().filter_map(|depth| depth.name.as_ref()) {
            let found = Diagnostic::error(codes::UNKNOWN_PARAMETER, "the policy `at` takes depths without names");
            self.push(found.label(scope.at(name.span), "not a parameter"));
            whole = false;
        }
        let depths = listed(depths);
        for value in &depths {
            let depth = self.of_type(value, scope, &Type::Int, "a depth");
            let Some(depth) = depth.filter(|depth| self.within(depth, limits::DEPTH).is_some()) else {
                whole = false;
                continue;
            };
            let location = depth.location;
            let expr = |kind| Expr { kind, location };
            let own = Box::new(expr(ExprKind::Variable(Variable::Depth)));
            let here = expr(ExprKind::Binary(BinaryOp::Equal, own, Box::new(depth)));
            any = Some(match any {
                None => here,
                Some(before) => expr(ExprKind::Binary(BinaryOp::Or, Box::new(before), Box::new(here))),
            });
        }
        if depths.len() > limits::DEPTHS {
            let here = scope.at(depths[limits::DEPTHS].span);
            let found = Diagnostic::error(codes::LIMIT, format!("a policy lists at most {} depths", limits::DEPTHS));
            self.push(found.label(here, "one too many").note("write many depths as a `rule`"));
            return None;
        }
        any.filter(|_| whole).map(Policy::Rule)
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
        if let [_, _, ..] = stages
            && let Some(stage) = stages.iter().find(|stage| stage.operator == Operator::Stride)
        {
            let found = Diagnostic::error(codes::OPERATOR_PLACE, "`stride` stands alone in its `shrink`");
            self.push(found.label(stage.location, "beside other operators").note(
                "it gives the stride to the first convolution or pool of the node's own block, so nothing is added",
            ));
            return None;
        }
        let may = stages.iter().any(|stage| {
            let stride = match stage.operator {
                Operator::Conv => stage.args.get(2),
                Operator::Depthwise | Operator::Pointwise | Operator::MaxPool | Operator::AvgPool => stage.args.get(1),
                Operator::Stride => stage.args.first(),
                _ => None,
            };
            let stride = stride.and_then(Option::as_ref);
            // What a block does is known where it is drawn.
            stage.operator == Operator::Block
                || stride.is_some_and(|stride| constant::value(stride, &Known::default()) != Some(Value::Int(1)))
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

/// The depths behind `at`: those of a list are listed as if they stood alone.
fn listed(depths: &[Arg]) -> Vec<&tree::Expr> {
    let mut all = Vec::with_capacity(depths.len());
    for depth in depths {
        match &depth.value.kind {
            Written::List(items) => all.extend(items),
            _ => all.push(&depth.value),
        }
    }
    all
}
