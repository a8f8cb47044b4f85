//! Domains: the values that a search variable may take.

use super::{Checker, Scope, Typed};
use crate::constant::{self, Known, Value};
use crate::units::PLAIN;
use crate::{codes, types};
use cnasc_base::{Diagnostic, Location};
use cnasc_grammar::tree::{self, ExprKind as Written};
use cnasc_ir::program::{Domain, Expr, ExprKind, Type};

/// An end or a step of a range.
struct End<'w> {
    written: &'w tree::Expr,
    value: Value,
}

/// The parts of a range as written.
#[derive(Clone, Copy)]
struct Range<'w> {
    log: bool,
    low: &'w tree::Expr,
    high: &'w tree::Expr,
    step: Option<&'w tree::Expr>,
}

impl Checker<'_> {
    /// An argument: a value, or a domain where the scope allows one.
    pub(super) fn argument(&mut self, written: &tree::Expr, scope: &Scope, wanted: &Type, role: &str) -> Option<Expr> {
        let location = scope.at(written.span);
        let domain = match &written.kind {
            Written::Choice(items) if scope.domains => self.choice(items, scope, wanted, role, location)?,
            Written::Range { log, low, high, step } if scope.domains => {
                let range = Range { log: *log, low, high, step: step.as_deref() };
                self.range(range, scope, wanted, role, location)?
            }
            _ => return self.of_type(written, scope, wanted, role),
        };
        Some(Expr { kind: ExprKind::Domain(domain), location })
    }

    /// Reports a domain where a value is needed.
    pub(super) fn misplaced_domain(&mut self, scope: &Scope, location: Location) {
        let found =
            Diagnostic::error(codes::DOMAIN_PLACE, "a domain can't stand here").label(location, "expected one value");
        self.push(if scope.domains {
            found.note("a domain is a whole argument: it can't be inside another domain or an operation")
        } else {
            found.note(
                "domains are the arguments of a search's `over`; write one value here, or a parameter that gets the domain there",
            )
        });
    }

    fn choice(
        &mut self,
        items: &[tree::Expr],
        scope: &Scope,
        wanted: &Type,
        role: &str,
        location: Location,
    ) -> Option<Domain> {
        if items.is_empty() {
            self.push(
                Diagnostic::error(codes::EMPTY_DOMAIN, format!("{role} has nothing to choose from"))
                    .label(location, "expected at least one value"),
            );
            return None;
        }
        let values: Vec<Option<Expr>> = items.iter().map(|item| self.of_type(item, scope, wanted, role)).collect();
        values.into_iter().collect::<Option<_>>().map(Domain::Choice)
    }

    fn range(
        &mut self,
        range: Range<'_>,
        scope: &Scope,
        wanted: &Type,
        role: &str,
        location: Location,
    ) -> Option<Domain> {
        if !types::is_number(wanted) {
            let message = format!("{role} must be {}, found a range of numbers", types::describe(wanted));
            self.push(Diagnostic::error(codes::WRONG_TYPE, message).label(location, "this is a range of numbers"));
            return None;
        }
        let (low, high) = (self.end(range.low, scope), self.end(range.high, scope));
        let step = match range.step {
            Some(step) => Some(self.end(step, scope)?),
            None => None,
        };
        let (low, high) = (low?, high?);
        let plain = |ty: &Type| matches!(ty, Type::Int | Type::Real(PLAIN));
        if *wanted == Type::Real(PLAIN) && low.0.ty != high.0.ty && plain(&low.0.ty) && plain(&high.0.ty) {
            self.mixed_range(&low.0, &high.0, scope, range);
            return None;
        }
        // Whole ends of a range of reals stay whole numbers, which widen when they are used.
        let kind = if *wanted == Type::Real(PLAIN) && low.0.ty == Type::Int { &Type::Int } else { wanted };
        let low = self.bound(low, range.low, scope, kind, role)?;
        let high = self.bound(high, range.high, scope, kind, role)?;
        let step = match (step, range.step) {
            (Some(step), Some(written)) => Some(self.bound(step, written, scope, kind, role)?),
            _ => None,
        };
        match (&low.value, &high.value) {
            (Value::Int(least), Value::Int(most)) => {
                if range.log {
                    self.whole_log(&low, &high, wanted, location);
                    return None;
                }
                let step = self.whole_step(step, scope)?;
                self.ordered(least <= most, &low, &high, scope, location)?;
                Some(Domain::Ints { low: *least, high: *most, step })
            }
            _ => self.reals(range, (&low, &high), step, scope, location),
        }
    }

    fn end(&mut self, written: &tree::Expr, scope: &Scope) -> Option<(Typed, Value)> {
        let typed = self.value(written, scope)?;
        match self.constant(&typed.expr)? {
            Some(value) => Some((typed, value)),
            // Nothing in a search is unknown but declarations, which are no numbers.
            None => {
                let (location, is) = (scope.at(written.span), types::describe(&typed.ty));
                let message = format!("the end of a range is a number, found {is}");
                self.push(Diagnostic::error(codes::WRONG_TYPE, message).label(location, format!("this is {is}")));
                None
            }
        }
    }

    fn bound<'w>(
        &mut self,
        (typed, value): (Typed, Value),
        written: &'w tree::Expr,
        scope: &Scope,
        wanted: &Type,
        role: &str,
    ) -> Option<End<'w>> {
        let expr = self.fitted(typed, written, scope, wanted, role)?;
        let value = constant::value(&expr, &Known::default()).unwrap_or(value);
        Some(End { written, value })
    }

    fn mixed_range(&mut self, low: &Typed, high: &Typed, scope: &Scope, range: Range<'_>) {
        let whole = if low.ty == Type::Int { range.low } else { range.high };
        let here = scope.at(whole.span);
        let found = Diagnostic::error(codes::MIXED_RANGE, "one end of this range is whole, the other is not")
            .label(scope.at(range.low.span), format!("this is {}", types::describe(&low.ty)))
            .label(scope.at(range.high.span), format!("this is {}", types::describe(&high.ty)))
            .note("`in 1 .. 9` is the whole numbers from 1 to 9, `in 1.0 .. 9.0` every real number between them");
        self.push(if matches!(&whole.kind, Written::Number { unit: None, .. }) {
            found.suggest(here, format!("{}.0", self.text(here)), "make both ends real")
        } else {
            found
        });
    }

    fn whole_log(&mut self, low: &End<'_>, high: &End<'_>, wanted: &Type, location: Location) {
        let found = Diagnostic::error(codes::LOG_RANGE, "a logarithmic range is of real numbers")
            .label(location, "these are whole numbers")
            .note("for whole numbers list the values, as in `in {1, 2, 4, 8}`");
        let literal = |end: &End<'_>| match &end.written.kind {
            Written::Number { text, unit: None } => Some(format!("{text}.0")),
            _ => None,
        };
        self.push(match (literal(low), literal(high)) {
            (Some(low), Some(high)) if *wanted == Type::Real(PLAIN) => {
                found.suggest(location, format!("in log {low} .. {high}"), "make both ends real")
            }
            _ => found,
        });
    }

    fn whole_step(&mut self, step: Option<End<'_>>, scope: &Scope) -> Option<i64> {
        match step {
            None => Some(1),
            Some(End { value: Value::Int(step), .. }) if step >= 1 => Some(step),
            Some(end) => {
                self.bad_step(&end, scope);
                None
            }
        }
    }

    fn bad_step(&mut self, end: &End<'_>, scope: &Scope) {
        self.push(
            Diagnostic::error(codes::RANGE_STEP, "a step must lead from the lower end to the higher one")
                .label(scope.at(end.written.span), "must be above 0"),
        );
    }

    fn ordered(&mut self, holds: bool, low: &End<'_>, high: &End<'_>, scope: &Scope, location: Location) -> Option<()> {
        if holds {
            return Some(());
        }
        let (from, to) = (scope.at(low.written.span), scope.at(high.written.span));
        let found = Diagnostic::error(codes::EMPTY_DOMAIN, "this range is empty")
            .label(location, "its ends are the wrong way round");
        let both = Location { start: from.start, end: to.end, ..from };
        self.push(found.suggest(
            both,
            format!("{} .. {}", self.text(to), self.text(from)),
            "write the lower end first",
        ));
        None
    }

    fn reals(
        &mut self,
        range: Range<'_>,
        (low, high): (&End<'_>, &End<'_>),
        step: Option<End<'_>>,
        scope: &Scope,
        location: Location,
    ) -> Option<Domain> {
        let (least, most) = (low.value.number()?, high.value.number()?);
        self.ordered(least <= most, low, high, scope, location)?;
        if least == most {
            self.push(
                Diagnostic::error(codes::EMPTY_DOMAIN, "both ends of this range are the same")
                    .label(location, "nothing to choose from")
                    .suggest(location, self.text(scope.at(low.written.span)), "write the value alone"),
            );
            return None;
        }
        if range.log && least <= 0.0 {
            self.push(
                Diagnostic::error(codes::LOG_RANGE, "a logarithmic range must be above 0")
                    .label(scope.at(low.written.span), format!("this is {}", low.value.text()))
                    .note("the logarithm of 0 and of negative numbers does not exist"),
            );
            return None;
        }
        let step = match step {
            None => None,
            Some(end) if range.log => {
                self.push(
                    Diagnostic::error(codes::RANGE_STEP, "a logarithmic range has no step")
                        .label(scope.at(end.written.span), "not possible with `log`"),
                );
                return None;
            }
            Some(end) => match end.value.number() {
                Some(step) if step > 0.0 => Some(step),
                _ => {
                    self.bad_step(&end, scope);
                    return None;
                }
            },
        };
        Some(Domain::Reals { low: least, high: most, step, log: range.log })
    }
}
