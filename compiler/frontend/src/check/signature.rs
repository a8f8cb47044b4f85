//! The parameters of declarations: names, types and defaults.

use super::{Checker, Scope};
use crate::resolve::{ItemId, Kind};
use crate::{codes, limits, nearest, types};
use cnasc_base::{Diagnostic, Location};
use cnasc_grammar::tree::{self, ItemKind};
use cnasc_ir::program::{Expr, ExprKind, Param, Type};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What a caller must know of a declaration.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) params: Vec<Parameter>,
}

/// A parameter.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) location: Location,
    /// None where the type is unknown, which was reported.
    pub(super) ty: Option<Type>,
    pub(super) has_default: bool,
}

/// How far a default is.
#[derive(Debug, Clone)]
pub(super) enum DefaultState {
    /// Being checked; meeting it again means that it needs itself.
    Checking,
    /// Checked, with how many values it stands for; none where an error was reported.
    Ready(Option<(Expr, usize)>),
}

/// Names of functions, which no declaration may take.
pub(super) const FUNCTIONS: [&str; 11] =
    ["exp", "ln", "sqrt", "abs", "min", "max", "floor", "ceil", "ring", "degree", "link_cost"];

impl Checker<'_> {
    /// Reads the parameters of all declarations.
    pub(super) fn signatures(&mut self) {
        for id in (0..self.names.items.len()).map(ItemId) {
            let signature = self.signature(id);
            self.signatures.push(Rc::new(signature));
        }
        for id in (0..self.names.items.len()).map(ItemId) {
            for index in 0..self.signatures[id.0].params.len() {
                self.default(id, index);
            }
        }
    }

    fn signature(&mut self, id: ItemId) -> Signature {
        let names = self.names;
        let (item, module) = (names.item(id), names.item(id).module);
        let file = names.modules[module].file;
        if item.kind != Kind::Test && FUNCTIONS.contains(&item.name.text.as_str()) {
            self.push(
                Diagnostic::error(codes::FUNCTION_NAME, format!("`{}` is a function of the language", item.name.text))
                    .label(names.location(id), "needs another name")
                    .note("a call could otherwise mean either"),
            );
        }
        let written = parameters(&names.tree(id).kind);
        if let (Kind::Device | Kind::Fleet | Kind::Search | Kind::Training | Kind::Test, [first, ..]) =
            (item.kind, written)
        {
            self.push(
                Diagnostic::error(codes::NO_PARAMETERS, format!("{} takes no parameters", item.kind.words()))
                    .label(Location::new(file, first.name.span.start, first.name.span.end), "not possible here")
                    .note("generators, blocks, stagings and networks take parameters"),
            );
        }
        if let Some(surplus) = written.get(limits::PARAMETERS) {
            let message = format!("a declaration has at most {} parameters", limits::PARAMETERS);
            let here = Location::new(file, surplus.name.span.start, surplus.name.span.end);
            self.push(Diagnostic::error(codes::LIMIT, message).label(here, "one too many"));
        }
        let mut params: Vec<Parameter> = Vec::new();
        let mut seen: BTreeMap<&str, Location> = BTreeMap::new();
        for param in written.iter().take(limits::PARAMETERS) {
            let location = Location::new(file, param.name.span.start, param.name.span.end);
            if let Some(first) = seen.get(param.name.text.as_str()) {
                self.push(
                    Diagnostic::error(
                        codes::DUPLICATE_NAME,
                        format!("two parameters are called `{}`", param.name.text),
                    )
                    .label(location, "the second one")
                    .label(*first, "the first one"),
                );
                continue;
            }
            seen.insert(&param.name.text, location);
            let ty = self.parameter_type(&param.ty, Location::new(file, param.ty.span.start, param.ty.span.end));
            let has_default = param.default.is_some();
            params.push(Parameter { name: param.name.text.clone(), location, ty, has_default });
        }
        Signature { params }
    }

    fn parameter_type(&mut self, name: &tree::Name, here: Location) -> Option<Type> {
        match types::named(&name.text) {
            Some(ty) => Some(ty),
            None => {
                let found = Diagnostic::error(codes::UNKNOWN_TYPE, format!("there is no type `{}`", name.text))
                    .label(here, "not a type")
                    .note(format!("types are {}", crate::resolve::listed(types::names())));
                let meant = match name.text.as_str() {
                    "float" | "f32" | "f64" | "double" | "number" => Some("real"),
                    "integer" | "i64" | "u32" | "usize" => Some("int"),
                    "boolean" => Some("bool"),
                    "string" | "str" => Some("text"),
                    "bytes" => Some("data"),
                    other => nearest::nearest(other, types::names()),
                };
                self.push(match meant {
                    Some(meant) => found.suggest(here, meant, "did you mean this"),
                    None => found,
                });
                None
            }
        }
    }

    /// What names a declaration's entries may use.
    pub(super) fn scope(&self, id: ItemId) -> Scope {
        let module = self.names.item(id).module;
        let params = self.signatures[id.0].params.iter().map(|param| (param.name.clone(), param.ty.clone())).collect();
        let file = self.names.modules[module].file;
        Scope { module, file, params, variables: Vec::new(), domains: false, default: false }
    }

    /// The parameters with their defaults, for the program; none where one has an error.
    pub(super) fn params(&mut self, id: ItemId) -> Option<Vec<Param>> {
        let signature = Rc::clone(&self.signatures[id.0]);
        let mut params = Vec::new();
        for (index, param) in signature.params.iter().enumerate() {
            let default = if param.has_default { Some(self.default(id, index)?.0) } else { None };
            params.push(Param { name: param.name.clone(), ty: param.ty.clone()?, default });
        }
        Some(params)
    }

    /// The default of a parameter and how many values it stands for; none where there is none or an error was reported.
    pub(super) fn default(&mut self, id: ItemId, index: usize) -> Option<(Expr, usize)> {
        let signature = Rc::clone(&self.signatures[id.0]);
        let param = &signature.params[index];
        let names = self.names;
        let written = parameters(&names.tree(id).kind).iter().find(|written| written.name.text == param.name)?;
        let default = written.default.as_ref()?;
        match self.defaults.get(&(id, index)) {
            Some(DefaultState::Ready(ready)) => return ready.clone(),
            Some(DefaultState::Checking) => {
                self.push(
                    Diagnostic::error(codes::CYCLIC_DEFAULT, format!("the default of `{}` needs itself", param.name))
                        .label(param.location, "its value would never end")
                        .note("a default may leave out arguments only where their own defaults do not lead back to it"),
                );
                self.defaults.insert((id, index), DefaultState::Ready(None));
                return None;
            }
            None => {}
        }
        if self.default_depth >= limits::DEFAULT_DEPTH {
            let message = format!("more than {} defaults stand inside each other", limits::DEFAULT_DEPTH);
            self.push(Diagnostic::error(codes::LIMIT, message).label(param.location, "this one is too deep"));
            self.defaults.insert((id, index), DefaultState::Ready(None));
            return None;
        }
        self.defaults.insert((id, index), DefaultState::Checking);
        self.default_depth += 1;
        let scope = Scope { default: true, ..self.scope(id) };
        let role = format!("`{}` of `{}`", param.name, names.item(id).name.text);
        let expr = match &param.ty {
            Some(ty) => self.of_type(default, &scope, ty, &role),
            None => self.value(default, &scope).map(|typed| typed.expr),
        };
        self.default_depth -= 1;
        // A cycle found on the way is the default's own error.
        let failed = matches!(self.defaults.get(&(id, index)), Some(DefaultState::Ready(None)));
        let ready = expr.filter(|_| !failed).and_then(|expr| {
            let (size, levels) = size(&expr);
            if levels > limits::DEFAULT_LEVELS {
                let message = format!("a default stands for more than {} levels of values", limits::DEFAULT_LEVELS);
                self.push(Diagnostic::error(codes::LIMIT, message).label(param.location, "this one is too deep"));
                return None;
            }
            Some((expr, size))
        });
        self.defaults.insert((id, index), DefaultState::Ready(ready.clone()));
        ready
    }
}

/// The parameters of a declaration as written.
fn parameters(kind: &ItemKind) -> &[tree::Param] {
    match kind {
        ItemKind::Block { params, .. } => params,
        ItemKind::Declaration(declaration) => &declaration.params,
        ItemKind::Link { .. } | ItemKind::Use { .. } | ItemKind::Bad => &[],
    }
}

/// How many values an expression is made of, and on how many levels.
fn size(expr: &Expr) -> (usize, usize) {
    let both = |a: (usize, usize), b: (usize, usize)| (a.0 + b.0, a.1.max(b.1));
    let all = |exprs: &[Expr]| exprs.iter().map(size).fold((0, 0), both);
    let inner = match &expr.kind {
        ExprKind::List(items) => all(items),
        ExprKind::Negate(operand) | ExprKind::Not(operand) => size(operand),
        ExprKind::Binary(_, left, right) => both(size(left), size(right)),
        ExprKind::Call(_, args) => all(args),
        ExprKind::Make(make) => all(&make.args),
        _ => (0, 0),
    };
    (inner.0 + 1, inner.1 + 1)
}
