//! Values: a tree's expression and its scope → a typed expression; numbers, names and lists. Operators and functions are in
//! [`super::operators`], calls of declarations in [`super::calls`], domains in [`super::domain`].

use super::{Checker, Scope, Typed};
use crate::resolve::{Binding, ItemId, Kind};
use crate::units::{self, PLAIN};
use crate::{codes, limits, nearest, stdlib, types};
use cnasc_base::{Diagnostic, Location};
use cnasc_grammar::tree::{self, ExprKind as Written, Name, Path};
use cnasc_ir::program::{Expr, ExprKind, Type};

impl Checker<'_> {
    /// A value of the type `wanted`. `role` says what it is for: "`reach` of `local`".
    pub(super) fn of_type(&mut self, written: &tree::Expr, scope: &Scope, wanted: &Type, role: &str) -> Option<Expr> {
        let typed = self.value(written, scope)?;
        self.constant(&typed.expr)?;
        self.fitted(typed, written, scope, wanted, role)
    }

    /// `typed` as a value of the type `wanted`; reports where it is of another type.
    pub(super) fn fitted(
        &mut self,
        typed: Typed,
        written: &tree::Expr,
        scope: &Scope,
        wanted: &Type,
        role: &str,
    ) -> Option<Expr> {
        if !types::fits(&typed.ty, wanted) {
            self.unfit(&typed.ty, written, scope, wanted, role);
            return None;
        }
        match typed.expr.kind {
            // A whole number written for a real one is that real number.
            ExprKind::Int(value) if *wanted == Type::Real(PLAIN) => {
                Some(Expr { kind: ExprKind::Real(value as f64), ..typed.expr })
            }
            _ => Some(typed.expr),
        }
    }

    fn unfit(&mut self, found: &Type, written: &tree::Expr, scope: &Scope, wanted: &Type, role: &str) {
        let here = scope.at(written.span);
        let plain = |ty: &Type, other: &Type| match (ty, other) {
            // Against a quantity it is the missing unit that counts.
            (Type::Int | Type::Real(PLAIN), Type::Real(dimension)) if *dimension != PLAIN => {
                "a plain number".to_owned()
            }
            _ => types::describe(ty),
        };
        let (is, needed) = (plain(found, wanted), plain(wanted, found));
        let message = format!("{role} must be {needed}, found {is}");
        let label = format!("this is {is}");
        let literal = match &written.kind {
            Written::Number { text, unit } => Some((text.as_str(), unit.as_ref())),
            _ => None,
        };
        let finding = |code| Diagnostic::error(code, message.clone()).label(here, label.clone());
        let diagnostic = match (found, wanted) {
            (Type::Real(PLAIN), Type::Int) => {
                let found = finding(codes::NOT_WHOLE);
                match literal {
                    Some((text, _)) => match text.split_once('.') {
                        Some((whole, zeros)) if zeros.bytes().all(|byte| byte == b'0') => {
                            found.suggest(here, whole, "write a whole number")
                        }
                        _ => found,
                    },
                    None => found.suggest(here, format!("floor({})", self.text(here)), "round it down"),
                }
            }
            (Type::Int | Type::Real(PLAIN), Type::Real(dimension)) => {
                let found = finding(codes::MISSING_UNIT).note("a quantity is written with its unit, which is checked");
                let unit = units::example(*dimension).and_then(|example| example.split_once(' ')).map(|parts| parts.1);
                match (literal, unit) {
                    (Some((text, None)), Some(unit)) => {
                        found.suggest(here, format!("{text} {unit}"), "write the unit, for example")
                    }
                    _ => found,
                }
            }
            (Type::Real(_), Type::Real(_) | Type::Int) => {
                let found = finding(codes::WRONG_UNIT);
                match wanted {
                    Type::Real(dimension) if *dimension != PLAIN => match units::example(*dimension) {
                        Some(example) => found.note(format!("{needed} is written like `{example}`")),
                        None => found,
                    },
                    _ => match literal {
                        Some((text, Some(unit))) => self.without_unit(found, here, text, &unit.text, wanted),
                        _ => found,
                    },
                }
            }
            _ => finding(codes::WRONG_TYPE),
        };
        self.push(diagnostic);
    }

    /// Suggests a plain number in the place of a quantity: `1.5 MB` was probably to be `1.5 M`.
    fn without_unit(&self, found: Diagnostic, here: Location, text: &str, unit: &str, wanted: &Type) -> Diagnostic {
        let count = unit.get(..1).filter(|first| unit.len() > 1 && ["K", "M", "G"].contains(first));
        let whole = !text.contains(['.', 'e', 'E']);
        match count {
            Some(count) if whole || *wanted != Type::Int => {
                found.suggest(here, format!("{text} {count}"), "if this is a count, write")
            }
            None if whole || *wanted != Type::Int => found.suggest(here, text, "leave the unit out"),
            _ => found,
        }
    }

    /// A value of whatever type; none where an error was reported.
    pub(super) fn value(&mut self, written: &tree::Expr, scope: &Scope) -> Option<Typed> {
        if self.levels >= limits::LEVELS {
            let message = format!("values stand more than {} levels inside each other", limits::LEVELS);
            let found = Diagnostic::error(codes::LIMIT, message).label(scope.at(written.span), "too deep");
            self.push(found.note("the defaults that are filled in on the way count too"));
            return None;
        }
        self.levels += 1;
        let typed = self.shallow(written, scope);
        self.levels -= 1;
        typed
    }

    fn shallow(&mut self, written: &tree::Expr, scope: &Scope) -> Option<Typed> {
        let location = scope.at(written.span);
        let typed = |ty, kind| Some(Typed { ty, expr: Expr { kind, location } });
        match &written.kind {
            Written::Number { text, unit } => {
                let (ty, kind) = self.number(text, unit.as_ref(), scope, location)?;
                typed(ty, kind)
            }
            Written::Text(text) => typed(Type::Text, ExprKind::Text(text.clone())),
            Written::Bool(value) => typed(Type::Bool, ExprKind::Bool(*value)),
            Written::Path(path) => self.named(path, scope, location),
            Written::Call { callee, args } => self.call(callee, args, scope, location),
            Written::List(items) => self.list(items, scope, location),
            Written::Unary { op, operand } => self.unary(*op, operand, scope, location),
            Written::Binary { op, op_span, left, right } => self.binary(*op, *op_span, (left, right), scope, location),
            Written::Pipeline(_) => {
                self.push(
                    Diagnostic::error(codes::PIPELINE_PLACE, "a pipeline is no value")
                        .label(location, "expected a value")
                        .note("pipelines stand behind `block … =`, `stem`, `head` and `shrink`; name a block to pass it on"),
                );
                None
            }
            Written::Choice(_) | Written::Range { .. } => {
                self.misplaced_domain(scope, location);
                None
            }
            Written::Bad => None,
        }
    }

    fn number(&mut self, text: &str, unit: Option<&Name>, scope: &Scope, here: Location) -> Option<(Type, ExprKind)> {
        let meaning = match unit {
            Some(unit) => Some(self.unit(unit, text, scope)?),
            None => None,
        };
        let real = units::scaled(text, meaning);
        let dimension = meaning.map_or(PLAIN, |unit| unit.dimension);
        let whole = text.bytes().all(|byte| byte.is_ascii_digit());
        // A count such as `1.5 M` is a whole number where it comes out as one that reals hold exactly.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if dimension == PLAIN && (whole || (unit.is_some() && real.fract() == 0.0 && real < EXACT)) {
            let value = match meaning {
                None => text.parse::<i64>().ok(),
                Some(_) if real < EXACT => Some(real as i64),
                Some(_) => None,
            };
            if let Some(value) = value {
                return Some((Type::Int, ExprKind::Int(value)));
            }
        } else if real.is_finite() {
            return Some((Type::Real(dimension), ExprKind::Real(real)));
        }
        let found = Diagnostic::error(codes::NUMBER_RANGE, "this number is too large");
        self.push(
            found
                .label(here, "does not fit")
                .note(format!("whole numbers go up to {}, real ones to about 1.8e308", i64::MAX)),
        );
        None
    }

    fn unit(&mut self, unit: &Name, text: &str, scope: &Scope) -> Option<units::Unit> {
        let here = scope.at(unit.span);
        if let Some(found) = units::find(&unit.text) {
            return Some(found);
        }
        if unit.text == units::CANDIDATES {
            let whole = Location { start: here.end - u32::try_from(unit.text.len()).unwrap_or(0), ..here };
            self.push(
                Diagnostic::error(codes::CANDIDATES, "`candidates` is no unit of values")
                    .label(whole, "not possible here")
                    .note("only a search's `budget` is counted in candidates"),
            );
            return None;
        }
        let found = Diagnostic::error(codes::UNKNOWN_UNIT, format!("there is no unit `{}`", unit.text))
            .label(here, format!("not a unit, after the number {text}"))
            .note("units are K, M, G; B, KB, MB, GB, KiB, MiB, GiB; bit, kbit, Mbit, Gbit; ns, us, ms, s, min, h; FLOP to TFLOP; J, mJ; W, mW; data and work also with `/s`");
        self.push(match units::nearest(&unit.text) {
            Some(meant) => found.suggest(here, meant, "did you mean this"),
            None => found,
        });
        None
    }

    /// A name: a parameter, a variable of the place, or a declaration.
    fn named(&mut self, path: &Path, scope: &Scope, location: Location) -> Option<Typed> {
        let name = self.simple(path, scope)?;
        if let Some((_, variable)) = scope.variables.iter().find(|(known, _)| *known == name.text) {
            return Some(Typed { ty: Type::Int, expr: Expr { kind: ExprKind::Variable(*variable), location } });
        }
        if let Some(index) = scope.params.iter().position(|(known, _)| *known == name.text) {
            if scope.default {
                self.push(
                    Diagnostic::error(
                        codes::PARAMETER_IN_DEFAULT,
                        format!("a default can't use the parameter `{}`", name.text),
                    )
                    .label(location, "not known where the default is filled in")
                    .note("a default is one value for all callers"),
                );
                return None;
            }
            let ty = scope.params[index].1.clone()?;
            return Some(Typed { ty, expr: Expr { kind: ExprKind::Param(index), location } });
        }
        let id = self.lookup(name, scope)?;
        self.made(id, None, scope, location)
    }

    /// The one word of a path in an expression.
    pub(super) fn simple<'p>(&mut self, path: &'p Path, scope: &Scope) -> Option<&'p Name> {
        match path.segments.as_slice() {
            [name] => Some(name),
            segments => {
                let last = segments.last()?;
                let found = Diagnostic::error(codes::QUALIFIED_NAME, "a path is only possible behind `use`")
                    .label(scope.at(path.span), "expected a name")
                    .note("bring the name in at the top of the file, and write its last part here");
                let visible = self.declared(&last.text, scope);
                self.push(if visible {
                    found.suggest(scope.at(path.span), last.text.clone(), "write the name alone")
                } else {
                    found
                });
                None
            }
        }
    }

    /// The declaration of a name; reports where there is none.
    pub(super) fn lookup(&mut self, name: &Name, scope: &Scope) -> Option<ItemId> {
        self.used.insert((scope.module, name.text.clone()));
        match self.names.modules[scope.module].scope.get(&name.text) {
            Some(Binding::Item(id)) => Some(*id),
            Some(Binding::Poisoned) => None,
            None => {
                self.unknown(name, scope, &[]);
                None
            }
        }
    }

    /// Whether a name has a declaration or might have one.
    pub(super) fn declared(&self, name: &str, scope: &Scope) -> bool {
        self.names.modules[scope.module].scope.contains_key(name)
    }

    /// Reports a name that nothing has. `further` are names that would do at this place too.
    pub(super) fn unknown(&mut self, name: &Name, scope: &Scope, further: &[&str]) {
        let here = scope.at(name.span);
        let found = Diagnostic::error(codes::UNKNOWN_NAME, format!("nothing is called `{}`", name.text))
            .label(here, "not found in this file");
        self.unknown += 1;
        if self.unknown > limits::LIKENESSES {
            self.push(found);
            return;
        }
        let library = stdlib::items();
        if let Some((module, _)) = library.iter().find(|(_, item)| *item == name.text) {
            let line = format!("use std::{module}::{}\n", name.text);
            let place = self.top(scope);
            self.push(found.suggest(place, line, "bring it in"));
            return;
        }
        let names = self.names;
        let visible = names.modules[scope.module].scope.keys().map(String::as_str);
        let local = scope.params.iter().map(|(name, _)| name.as_str()).filter(|_| !scope.default);
        let variables = scope.variables.iter().map(|(name, _)| name.as_str());
        let meant = nearest::nearest(&name.text, variables.chain(local).chain(visible).chain(further.iter().copied()));
        let found = match meant {
            Some(meant) => found.suggest(here, meant, "did you mean this"),
            None => match nearest::nearest(&name.text, library.iter().map(|(_, item)| item.as_str())) {
                Some(meant) => match library.iter().find(|(_, item)| item == meant) {
                    Some((module, _)) => found.note(format!("there is `std::{module}::{meant}`")),
                    None => found,
                },
                None => found,
            },
        };
        self.push(found);
    }

    /// Where a further `use` goes: before the first one, or behind the file's documentation.
    fn top(&self, scope: &Scope) -> Location {
        let module = &self.names.modules[scope.module];
        let first = module.tree.items.iter().find(|item| matches!(item.kind, tree::ItemKind::Use { .. }));
        let place = match first {
            Some(item) if item.docs.is_empty() => item.span.start as usize,
            _ => {
                let text = self.sources.text(scope.file);
                let docs = text.split_inclusive('\n').take_while(|line| {
                    let line = line.trim_start();
                    line.starts_with("//!") || line.is_empty()
                });
                docs.map(str::len).sum()
            }
        };
        let place = u32::try_from(place).unwrap_or(0);
        Location::new(scope.file, place, place)
    }

    fn list(&mut self, items: &[tree::Expr], scope: &Scope, location: Location) -> Option<Typed> {
        let checked: Vec<Option<Typed>> = items.iter().map(|item| self.value(item, scope)).collect();
        let checked: Vec<Typed> = checked.into_iter().collect::<Option<_>>()?;
        let Some(first) = checked.first() else {
            self.push(
                Diagnostic::error(codes::WRONG_TYPE, "an empty list has no type")
                    .label(location, "expected an element"),
            );
            return None;
        };
        let widest = checked.iter().find(|typed| typed.ty == Type::Real(PLAIN)).unwrap_or(first).ty.clone();
        let mut values = Vec::new();
        for (typed, written) in checked.into_iter().zip(items) {
            values.push(self.fitted(typed, written, scope, &widest, "every element of this list"));
        }
        let values = values.into_iter().collect::<Option<Vec<Expr>>>()?;
        Some(Typed { ty: Type::List(Box::new(widest)), expr: Expr { kind: ExprKind::List(values), location } })
    }

    /// The declaration that a value must name: a device or a fleet.
    pub(super) fn item_of(&mut self, written: &tree::Expr, scope: &Scope, kind: Kind, entry: &str) -> Option<ItemId> {
        let here = scope.at(written.span);
        let path = match &written.kind {
            Written::Path(path) => path,
            Written::Bad => return None,
            _ => {
                let message = format!("`{entry}` takes the name of {}", kind.words());
                self.push(Diagnostic::error(codes::WRONG_KIND, message).label(here, "expected a name"));
                return None;
            }
        };
        let name = self.simple(path, scope)?;
        let id = self.lookup(name, scope)?;
        let found = self.names.item(id).kind;
        if found == kind {
            return Some(id);
        }
        let names = self.names;
        let visible = &names.modules[scope.module].scope;
        let others: Vec<&str> = visible
            .iter()
            .filter(|(_, binding)| matches!(binding, Binding::Item(id) if names.item(*id).kind == kind))
            .map(|(name, _)| name.as_str())
            .collect();
        let message = format!("`{entry}` takes {}, but `{}` is {}", kind.words(), name.text, found.words());
        let diagnostic = Diagnostic::error(codes::WRONG_KIND, message)
            .label(here, format!("expected {}", kind.words()))
            .label(names.location(id), "declared here");
        self.push(match others.as_slice() {
            [only] => diagnostic.suggest(here, *only, format!("name {}", kind.words())),
            _ => diagnostic,
        });
        None
    }
}
