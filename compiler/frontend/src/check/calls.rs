//! Declarations with arguments: which argument is which parameter's, and the defaults of those left out.

use super::{Checker, Scope, Typed};
use crate::resolve::{Binding, ItemId, Kind};
use crate::{codes, limits, nearest};
use cnasc_base::{Diagnostic, Location};
use cnasc_grammar::tree::{self, Arg, ExprKind as Written, Path};
use cnasc_ir::program::{BlockId, Declared, Expr, ExprKind, FleetId, GeneratorId, Make, NetworkId, StagingId, Type};
use std::rc::Rc;

impl Checker<'_> {
    /// A call of a function or a declaration.
    pub(super) fn call(&mut self, callee: &Path, args: &[Arg], scope: &Scope, location: Location) -> Option<Typed> {
        let name = self.simple(callee, scope)?;
        let local = scope.params.iter().any(|(known, _)| *known == name.text)
            || scope.variables.iter().any(|(known, _)| *known == name.text);
        if local && !Self::is_function(&name.text) {
            let here = scope.at(name.span);
            self.push(
                Diagnostic::error(codes::WRONG_KIND, format!("`{}` is a value and takes no arguments", name.text))
                    .label(here, "not a function or a declaration")
                    .suggest(location, name.text.clone(), "write the name alone"),
            );
            return None;
        }
        if Self::is_function(&name.text) {
            return self.function(name, args, scope, location);
        }
        if !self.declared(&name.text, scope) {
            self.unknown_function(name, scope);
            // The arguments have mistakes of their own.
            for arg in args {
                self.argument_alone(&arg.value, scope);
            }
            return None;
        }
        let Some(Binding::Item(id)) = self.names.modules[scope.module].scope.get(&name.text).copied() else {
            return None;
        };
        self.used.insert((scope.module, name.text.clone()));
        self.made(id, Some(args), scope, location)
    }

    /// Finds the mistakes of an argument that no parameter takes.
    fn argument_alone(&mut self, value: &tree::Expr, scope: &Scope) {
        if !matches!(value.kind, Written::Choice(_) | Written::Range { .. }) {
            let _ = self.value(value, scope);
        }
    }

    /// A declaration with arguments, as a value. A name alone is a call without arguments.
    pub(super) fn made(
        &mut self,
        id: ItemId,
        args: Option<&[Arg]>,
        scope: &Scope,
        location: Location,
    ) -> Option<Typed> {
        let item = self.names.item(id);
        let number = item.number;
        let (of, ty) = match item.kind {
            Kind::Generator => (Declared::Generator(GeneratorId::new(number)), Type::Generator),
            Kind::Block => (Declared::Block(BlockId::new(number)), Type::Block),
            Kind::Staging => (Declared::Staging(StagingId::new(number)), Type::Staging),
            Kind::Network => (Declared::Network(NetworkId::new(number)), Type::Network),
            Kind::Fleet => (Declared::Fleet(FleetId::new(number)), Type::Fleet),
            kind => {
                self.push(
                    Diagnostic::error(
                        codes::WRONG_KIND,
                        format!("`{}` is {}, which is no value", item.name.text, kind.words()),
                    )
                    .label(location, "expected a value")
                    .label(self.names.location(id), "declared here"),
                );
                return None;
            }
        };
        let args = self.arguments(id, args.unwrap_or_default(), scope, location)?;
        let make = Make { of, args };
        self.makes.push((make.clone(), location));
        Some(Typed { ty, expr: Expr { kind: ExprKind::Make(make), location } })
    }

    /// One value a parameter, in their order.
    fn arguments(&mut self, id: ItemId, args: &[Arg], scope: &Scope, location: Location) -> Option<Vec<Expr>> {
        let signature = Rc::clone(&self.signatures[id.0]);
        let owner = self.names.item(id).name.text.clone();
        let mut given: Vec<Option<Location>> = vec![None; signature.params.len()];
        let mut values: Vec<Option<Expr>> = vec![None; signature.params.len()];
        // Once an argument is no parameter's, nothing can be said to be missing.
        let mut whole = true;
        let mut next = 0;
        for arg in args {
            let here = scope.at(arg.value.span);
            let place = match &arg.name {
                Some(name) => signature.params.iter().position(|param| param.name == name.text),
                None => Some(next).filter(|next| *next < signature.params.len()),
            };
            let Some(place) = place else {
                whole = false;
                self.stray_argument(id, arg, scope, &given);
                self.argument_alone(&arg.value, scope);
                continue;
            };
            next = place + 1;
            let param = &signature.params[place];
            if let Some(first) = given[place] {
                whole = false;
                self.push(
                    Diagnostic::error(
                        codes::DUPLICATE_ARGUMENT,
                        format!("`{}` of `{owner}` is given twice", param.name),
                    )
                    .label(here, "the second one")
                    .label(first, "the first one"),
                );
                continue;
            }
            given[place] = Some(here);
            let role = format!("`{}` of `{owner}`", param.name);
            match &param.ty {
                Some(ty) => values[place] = self.argument(&arg.value, scope, ty, &role),
                None => self.argument_alone(&arg.value, scope),
            }
        }
        self.fill(id, &given, &mut values, whole, location)?;
        if whole { values.into_iter().collect() } else { None }
    }

    /// Puts defaults where nothing was given, and reports what has none.
    fn fill(
        &mut self,
        id: ItemId,
        given: &[Option<Location>],
        values: &mut [Option<Expr>],
        whole: bool,
        location: Location,
    ) -> Option<()> {
        let signature = Rc::clone(&self.signatures[id.0]);
        let mut missing = Vec::new();
        for (index, param) in signature.params.iter().enumerate() {
            if given[index].is_some() {
                continue;
            }
            if !param.has_default {
                // A parameter whose type is wrong is the declaration's mistake.
                missing.extend(param.ty.is_some().then_some(param));
                continue;
            }
            let Some((value, size)) = self.default(id, index) else { continue };
            self.filled += size;
            if self.filled > limits::DEFAULT_VALUES {
                if self.filled - size <= limits::DEFAULT_VALUES {
                    let message = format!("defaults stand for more than {} values", limits::DEFAULT_VALUES);
                    self.push(Diagnostic::error(codes::LIMIT, message).label(location, "too many from here on"));
                }
                return None;
            }
            values[index] = Some(value);
        }
        if missing.is_empty() || !whole {
            return Some(());
        }
        let names: Vec<String> = missing.iter().map(|param| format!("`{}`", param.name)).collect();
        let owner = &self.names.item(id).name.text;
        let found = Diagnostic::error(codes::MISSING_ARGUMENT, format!("`{owner}` needs {}", names.join(", ")))
            .label(location, "not given here");
        self.push(missing.iter().fold(found, |found, param| found.label(param.location, "has no default")));
        None
    }

    /// Reports an argument that no parameter takes.
    fn stray_argument(&mut self, id: ItemId, arg: &Arg, scope: &Scope, given: &[Option<Location>]) {
        let signature = Rc::clone(&self.signatures[id.0]);
        let owner = &self.names.item(id).name.text;
        let names: Vec<&str> = signature.params.iter().map(|param| param.name.as_str()).collect();
        let takes = if names.is_empty() {
            format!("`{owner}` takes no arguments")
        } else {
            format!("`{owner}` takes {}", crate::resolve::listed(names.iter().copied()))
        };
        let Some(name) = &arg.name else {
            self.push(
                Diagnostic::error(codes::TOO_MANY_ARGUMENTS, format!("`{owner}` is given too many arguments"))
                    .label(scope.at(arg.value.span), "one too many")
                    .note(takes),
            );
            return;
        };
        let here = scope.at(name.span);
        let found = Diagnostic::error(codes::UNKNOWN_PARAMETER, format!("`{owner}` has no parameter `{}`", name.text))
            .label(here, "not a parameter")
            .note(takes);
        let open = names.iter().zip(given).filter(|(_, given)| given.is_none()).map(|(name, _)| *name);
        self.push(match nearest::nearest(&name.text, open) {
            Some(meant) => found.suggest(here, meant, "did you mean this"),
            None => found,
        });
    }
}
