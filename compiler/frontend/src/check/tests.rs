//! `test` declarations: what is sampled, and what is expected of the samples.

use super::entries::{Body, Slot, alternatives};
use super::operators::binary_op;
use super::search::reversed;
use super::{Checker, Scope};
use crate::resolve::listed;
use crate::units::PLAIN;
use crate::{codes, limits, nearest};
use cnasc_base::Diagnostic;
use cnasc_grammar::tree::{self, EntryKind, ExprKind as Written};
use cnasc_ir::program::{BinaryOp, Expectation, Expected, Figure, Sample, Statistic, Test, Type};

/// The words of a table, in its order.
fn words<T: Copy, const N: usize>(table: [(&'static str, T); N]) -> [&'static str; N] {
    table.map(|(word, _)| word)
}

/// What is sampled, and whether it is a graph alone, which has figures that a network does not have.
type Sampled = Option<(Sample, bool)>;

impl<'a> Checker<'a> {
    pub(super) fn test(&mut self, body: &mut Body<'a>) -> Option<Test> {
        let mut sample: Slot<Sampled> = None;
        let mut expected: Vec<Option<Expectation>> = Vec::new();
        let declaration = body.declaration;
        for entry in &declaration.entries {
            match &entry.kind {
                EntryKind::Sample { count, of, seed } => {
                    let checked = self.sample(count, of, seed.as_ref(), &body.scope);
                    self.once(&mut sample, checked, "sample", body.scope.at(entry.span));
                }
                EntryKind::Property { name, value } if name.text == "expect" => {
                    expected.push(self.expectation(value, &body.scope));
                }
                EntryKind::Bad => {}
                _ => self.stranger(body, entry),
            }
        }
        let sample = self.required(sample, body, "sample", "sample 100 of local(n: 16, reach: 2.0) seed 1");
        if expected.is_empty() {
            self.missing(body, "expect", "expect snapshot");
        }
        let (sample, is_graph) = sample?.0?;
        let expectations = expected.into_iter().collect::<Option<Vec<Expectation>>>()?;
        self.figures_fit(&expectations, is_graph)?;
        let name = declaration.name.text.clone();
        Some(Test { name, sample, expectations, location: body.name_location() })
    }

    fn sample(&mut self, count: &tree::Expr, of: &tree::Expr, seed: Option<&tree::Expr>, scope: &Scope) -> Sampled {
        let count = self.count(count, scope, limits::SAMPLES, "the number of samples");
        let seed = seed.map_or(Some(0), |seed| self.count(seed, scope, limits::SEED, "a seed"));
        let typed = self.value(of, scope)?;
        let here = scope.at(of.span);
        match typed.ty {
            Type::Generator | Type::Block | Type::Staging | Type::Network => {
                let is_graph = typed.ty == Type::Generator;
                let (count, seed) = (u64::try_from(count?).ok()?, u64::try_from(seed?).ok()?);
                Some((Sample { count, of: typed.expr, seed }, is_graph))
            }
            other => {
                let is = crate::types::describe(&other);
                self.push(
                    Diagnostic::error(
                        codes::WRONG_TYPE,
                        format!("`sample` takes a generator, a block, a staging or a network, found {is}"),
                    )
                    .label(here, format!("this is {is}")),
                );
                None
            }
        }
    }

    /// Reports a figure that what is sampled does not have; the outcome is none where there is one.
    fn figures_fit(&mut self, expectations: &[Expectation], is_graph: bool) -> Option<()> {
        let strange = |figure: Figure| match figure {
            Figure::RingLength => !is_graph,
            Figure::Channels | Figure::Size => is_graph,
            _ => false,
        };
        let found = expectations.iter().find_map(|expectation| match expectation.kind {
            Expected::Statistic { figure, .. } if strange(figure) => Some((expectation.location, figure)),
            _ => None,
        });
        let Some((wrong, figure)) = found else { return Some(()) };
        let word = Figure::ALL.iter().find(|(_, known)| *known == figure).map_or("figure", |(word, _)| word);
        let (what, only, why) = if is_graph {
            (
                "a generator",
                "networks, blocks and stagings",
                "a graph alone has no image: sample a network with such a body",
            )
        } else {
            ("a network", "generators", "the nodes of a network stand on no ring: sample its generator instead")
        };
        self.push(
            Diagnostic::error(codes::UNKNOWN_MEASURE, format!("{what} has no `{word}`"))
                .label(wrong, format!("a figure of {only} alone"))
                .note(why),
        );
        None
    }

    /// `snapshot`, or a statistic compared with a number.
    fn expectation(&mut self, value: &tree::Expr, scope: &Scope) -> Option<Expectation> {
        let location = scope.at(value.span);
        let sides = match &value.kind {
            Written::Bad => return None,
            Written::Path(path) if matches!(path.segments.as_slice(), [word] if word.text == "snapshot") => {
                return Some(Expectation { kind: Expected::Snapshot, location });
            }
            Written::Binary { op, left, right, .. } => {
                let op = binary_op(*op);
                let compares = !matches!(
                    op,
                    BinaryOp::Or
                        | BinaryOp::And
                        | BinaryOp::Add
                        | BinaryOp::Subtract
                        | BinaryOp::Multiply
                        | BinaryOp::Divide
                        | BinaryOp::Power
                );
                compares.then_some((op, left, right))
            }
            _ => None,
        };
        let statistic = |side: &tree::Expr| match &side.kind {
            Written::Call { callee, .. } => {
                let known = callee.segments.last().is_some_and(|name| !Self::is_function(&name.text));
                known
                    || matches!(callee.segments.as_slice(), [name] if words(Statistic::ALL).contains(&name.text.as_str()))
            }
            _ => false,
        };
        match sides {
            Some((op, left, right)) if statistic(left) != statistic(right) => {
                let (figure, number, op) =
                    if statistic(left) { (left, right, op) } else { (right, left, reversed(op)) };
                let known = self.statistic(figure, scope);
                let number = self.of_type(number, scope, &Type::Real(PLAIN), "the other side of `expect`");
                let (statistic, figure) = known?;
                let limit = self.constant(&number?)??.number()?;
                Some(Expectation { kind: Expected::Statistic { statistic, figure, op, limit }, location })
            }
            _ => {
                let found = Diagnostic::error(codes::CONDITION_FORM, "`expect` compares one statistic with one number")
                    .label(location, "expected a comparison such as `mean(depth) <= 12`, or `snapshot`")
                    .note("for several expectations write `expect` several times");
                self.push(match nearest::nearest(self.text(location), ["snapshot"]) {
                    Some(meant) => found.suggest(location, meant, "did you mean this"),
                    None => found,
                });
                None
            }
        }
    }

    fn statistic(&mut self, written: &tree::Expr, scope: &Scope) -> Option<(Statistic, Figure)> {
        let Written::Call { callee, args } = &written.kind else { return None };
        let name = self.simple(callee, scope)?;
        let statistic = self.known(name, Statistic::ALL, "statistic", scope)?;
        let [tree::Arg { name: None, value }] = args.as_slice() else {
            self.push(
                Diagnostic::error(codes::MISSING_ARGUMENT, format!("`{}` takes one figure of the samples", name.text))
                    .label(scope.at(written.span), format!("expected {}", alternatives(&words(Figure::ALL)))),
            );
            return None;
        };
        match &value.kind {
            Written::Path(path) => {
                let figure = self.simple(path, scope)?;
                Some((statistic, self.known(figure, Figure::ALL, "figure", scope)?))
            }
            Written::Bad => None,
            _ => {
                self.push(
                    Diagnostic::error(codes::UNKNOWN_MEASURE, "expected a figure of the samples")
                        .label(scope.at(value.span), "not a figure")
                        .note(format!("figures are {}", listed(words(Figure::ALL)))),
                );
                None
            }
        }
    }

    fn known<T: Copy, const N: usize>(
        &mut self,
        name: &tree::Name,
        table: [(&'static str, T); N],
        what: &str,
        scope: &Scope,
    ) -> Option<T> {
        if let Some((_, known)) = table.iter().find(|(word, _)| *word == name.text) {
            return Some(*known);
        }
        let here = scope.at(name.span);
        let found = Diagnostic::error(codes::UNKNOWN_MEASURE, format!("there is no {what} `{}`", name.text))
            .label(here, format!("not a {what}"))
            .note(format!("{what}s are {}", listed(words(table))));
        self.push(match nearest::nearest(&name.text, words(table)) {
            Some(meant) => found.suggest(here, meant, "did you mean this"),
            None => found,
        });
        None
    }
}
