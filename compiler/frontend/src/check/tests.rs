//! `test` declarations: what is sampled, and what is expected of the samples.

use super::entries::{Body, Slot, alternatives};
use super::operators::binary_op;
use super::{Checker, Scope};
use crate::resolve::listed;
use crate::units::PLAIN;
use crate::{codes, limits, nearest};
use cnasc_base::Diagnostic;
use cnasc_grammar::tree::{self, EntryKind, ExprKind as Written};
use cnasc_ir::program::{BinaryOp, Test, Type};

/// What becomes of a figure of all samples.
const STATISTICS: [&str; 3] = ["mean", "max", "min"];
/// The figures of a sample.
const FIGURES: [&str; 7] = ["ring_length", "depth", "width", "edges", "degree", "components", "nodes"];

impl<'a> Checker<'a> {
    pub(super) fn test(&mut self, body: &mut Body<'a>) -> Option<Test> {
        let mut sample: Slot<Option<()>> = None;
        let mut expected: Vec<Option<()>> = Vec::new();
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
        sample?.0?;
        expected.into_iter().collect::<Option<Vec<()>>>()?;
        Some(Test { name: declaration.name.text.clone(), location: body.name_location() })
    }

    fn sample(&mut self, count: &tree::Expr, of: &tree::Expr, seed: Option<&tree::Expr>, scope: &Scope) -> Option<()> {
        let count = self.count(count, scope, limits::SAMPLES, "the number of samples");
        let seed = seed.is_none_or(|seed| self.count(seed, scope, limits::SEED, "a seed").is_some());
        let typed = self.value(of, scope)?;
        let here = scope.at(of.span);
        match typed.ty {
            Type::Generator | Type::Network => (count.is_some() && seed).then_some(()),
            Type::Staging | Type::Block => {
                self.push(
                    Diagnostic::error(codes::LATER_TESTS, "only generators and networks can be sampled yet")
                        .label(here, format!("this is {}", crate::types::describe(&typed.ty)))
                        .note("sample a network that uses it"),
                );
                None
            }
            other => {
                let is = crate::types::describe(&other);
                self.push(
                    Diagnostic::error(
                        codes::WRONG_TYPE,
                        format!("`sample` takes a generator or a network, found {is}"),
                    )
                    .label(here, format!("this is {is}")),
                );
                None
            }
        }
    }

    /// `snapshot`, or a statistic compared with a number.
    fn expectation(&mut self, value: &tree::Expr, scope: &Scope) -> Option<()> {
        let location = scope.at(value.span);
        let sides = match &value.kind {
            Written::Bad => return None,
            Written::Path(path) if matches!(path.segments.as_slice(), [word] if word.text == "snapshot") => {
                return Some(());
            }
            Written::Binary { op, left, right, .. } => {
                let compares = !matches!(
                    binary_op(*op),
                    BinaryOp::Or
                        | BinaryOp::And
                        | BinaryOp::Add
                        | BinaryOp::Subtract
                        | BinaryOp::Multiply
                        | BinaryOp::Divide
                        | BinaryOp::Power
                );
                compares.then_some((left, right))
            }
            _ => None,
        };
        let statistic = |side: &tree::Expr| match &side.kind {
            Written::Call { callee, .. } => {
                let known = callee.segments.last().is_some_and(|name| !Self::is_function(&name.text));
                known || matches!(callee.segments.as_slice(), [name] if STATISTICS.contains(&name.text.as_str()))
            }
            _ => false,
        };
        match sides {
            Some((left, right)) if statistic(left) != statistic(right) => {
                let (figure, number) = if statistic(left) { (left, right) } else { (right, left) };
                let figure = self.statistic(figure, scope);
                let number = self.of_type(number, scope, &Type::Real(PLAIN), "the other side of `expect`");
                figure.and(number.map(|_| ()))
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

    fn statistic(&mut self, written: &tree::Expr, scope: &Scope) -> Option<()> {
        let Written::Call { callee, args } = &written.kind else { return None };
        let name = self.simple(callee, scope)?;
        self.known(name, &STATISTICS, "statistic", scope)?;
        let [tree::Arg { name: None, value }] = args.as_slice() else {
            self.push(
                Diagnostic::error(codes::MISSING_ARGUMENT, format!("`{}` takes one figure of the samples", name.text))
                    .label(scope.at(written.span), format!("expected {}", alternatives(&FIGURES))),
            );
            return None;
        };
        match &value.kind {
            Written::Path(path) => {
                let figure = self.simple(path, scope)?;
                self.known(figure, &FIGURES, "figure", scope)
            }
            Written::Bad => None,
            _ => {
                self.push(
                    Diagnostic::error(codes::UNKNOWN_MEASURE, "expected a figure of the samples")
                        .label(scope.at(value.span), "not a figure")
                        .note(format!("figures are {}", listed(FIGURES))),
                );
                None
            }
        }
    }

    fn known(&mut self, name: &tree::Name, known: &[&str], what: &str, scope: &Scope) -> Option<()> {
        if known.contains(&name.text.as_str()) {
            return Some(());
        }
        let here = scope.at(name.span);
        let found = Diagnostic::error(codes::UNKNOWN_MEASURE, format!("there is no {what} `{}`", name.text))
            .label(here, format!("not a {what}"))
            .note(format!("{what}s are {}", listed(known.iter().copied())));
        self.push(match nearest::nearest(&name.text, known.iter().copied()) {
            Some(meant) => found.suggest(here, meant, "did you mean this"),
            None => found,
        });
        None
    }
}
