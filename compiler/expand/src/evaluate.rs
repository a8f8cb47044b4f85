//! Expression × arguments and surroundings → value.
//!
//! Whole numbers stay whole under +, − and ×; division and power are always real; mixed operands are real. `and` and `or`
//! look at their right side only where it matters. What has no result (overflow, division by zero, a result that is not finite, an
//! operand of the wrong kind) is a finding at the place of the expression.
//!
//! [`evaluate()`] walks the tree and gives the findings. `formula` is the same on a flat form for expressions that are evaluated
//! for every pair of nodes; where it has no result, the tree walk says why.

pub(crate) mod arithmetic;
pub(crate) mod formula;
#[cfg(test)]
mod tests;

use crate::codes;
use crate::value::{Closure, Value, kind_of};
use arithmetic::Fault;
use cnasc_base::{Code, Diagnostic, Location};
use cnasc_ir::program::{BinaryOp, Declared, Expr, ExprKind, Function, Variable};

/// The deepest nesting that is evaluated; keeps the walk within any thread's stack.
pub const MAX_DEPTH: usize = 256;

/// What an expression may refer to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scope<'a> {
    /// The arguments of the enclosing declaration.
    pub params: &'a [Value],
    /// What the place gives.
    pub context: Context,
}

/// Values of the context's variables where the place has them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context {
    /// [`Variable::I`]
    pub i: Option<i64>,
    /// [`Variable::J`]
    pub j: Option<i64>,
    /// [`Variable::Nodes`]
    pub nodes: Option<i64>,
    /// [`Variable::Depth`]
    pub depth: Option<i64>,
    /// [`Variable::Channels`]
    pub channels: Option<i64>,
    /// [`Variable::Size`]
    pub size: Option<i64>,
    /// [`Variable::DegreeI`]
    pub degree_i: Option<i64>,
    /// [`Variable::DegreeJ`]
    pub degree_j: Option<i64>,
    /// [`Variable::LinkCost`]
    pub link_cost: Option<f64>,
}

impl Context {
    fn get(&self, variable: Variable) -> Option<Value> {
        let whole = match variable {
            Variable::I => self.i,
            Variable::J => self.j,
            Variable::Nodes => self.nodes,
            Variable::Depth => self.depth,
            Variable::Channels => self.channels,
            Variable::Size => self.size,
            Variable::DegreeI => self.degree_i,
            Variable::DegreeJ => self.degree_j,
            Variable::LinkCost => return self.link_cost.map(Value::Real),
        };
        whole.map(Value::Int)
    }
}

impl<'a> Scope<'a> {
    /// The arguments of a declaration, and no context.
    #[must_use]
    pub fn of(params: &'a [Value]) -> Self {
        Self { params, context: Context::default() }
    }
}

/// The value of `expr`.
///
/// # Errors
/// Where it has none: see the module.
pub fn evaluate(expr: &Expr, scope: &Scope<'_>) -> Result<Value, Diagnostic> {
    nested(expr, scope, 0).map_err(|finding| *finding)
}

/// A whole number.
pub(crate) fn whole(expr: &Expr, scope: &Scope<'_>) -> Result<i64, Diagnostic> {
    match evaluate(expr, scope)? {
        Value::Int(value) => Ok(value),
        other => Err(wrong_kind(expr.location, "a whole number", &other)),
    }
}

/// A truth value.
pub(crate) fn truth(expr: &Expr, scope: &Scope<'_>) -> Result<bool, Diagnostic> {
    match evaluate(expr, scope)? {
        Value::Bool(value) => Ok(value),
        other => Err(wrong_kind(expr.location, "a truth value", &other)),
    }
}

/// A number, as a real.
pub(crate) fn number(expr: &Expr, scope: &Scope<'_>) -> Result<f64, Diagnostic> {
    as_real(&evaluate(expr, scope)?, expr.location).map_err(|finding| *finding)
}

/// A number of 0..1.
pub(crate) fn probability(expr: &Expr, scope: &Scope<'_>) -> Result<f64, Diagnostic> {
    let value = number(expr, scope)?;
    clamp_probability(value).ok_or_else(|| {
        let message = format!("a probability is within 0..1, this one is {value}");
        Diagnostic::error(codes::PROBABILITY, message).label(expr.location, format!("this is {value}"))
    })
}

/// `value` brought into 0..1 where rounding alone took it out; nothing where it is further out.
pub(crate) fn clamp_probability(value: f64) -> Option<f64> {
    const ROUNDING: f64 = 1e-9;
    (-ROUNDING..=1.0 + ROUNDING).contains(&value).then(|| value.clamp(0.0, 1.0))
}

/// A declaration with its arguments, of the kind that `like` accepts.
pub(crate) fn made(
    expr: &Expr,
    scope: &Scope<'_>,
    needed: &'static str,
    like: fn(Declared) -> bool,
) -> Result<Closure, Diagnostic> {
    match evaluate(expr, scope)? {
        Value::Made(closure) if like(closure.of) => Ok(closure),
        other => Err(wrong_kind(expr.location, needed, &other)),
    }
}

/// A result of the walk; the finding is boxed, so that the frames of deep nesting stay small.
type Found<T> = Result<T, Box<Diagnostic>>;

fn nested(expr: &Expr, scope: &Scope<'_>, depth: usize) -> Found<Value> {
    let here = expr.location;
    if depth > MAX_DEPTH {
        return Err(too_deep(here));
    }
    let inner = |expr: &Expr| nested(expr, scope, depth + 1);
    let all = |exprs: &[Expr]| exprs.iter().map(inner).collect::<Found<Vec<Value>>>();
    match &expr.kind {
        ExprKind::Int(value) => Ok(Value::Int(*value)),
        ExprKind::Real(value) => arithmetic::finite(*value).map(Value::Real).map_err(|fault| finding(fault, here)),
        ExprKind::Bool(value) => Ok(Value::Bool(*value)),
        ExprKind::Text(text) => Ok(Value::Text(text.clone())),
        ExprKind::List(items) => Ok(Value::List(all(items)?)),
        ExprKind::Param(index) => scope.params.get(*index).cloned().ok_or_else(|| not_here(here, "this parameter")),
        ExprKind::Variable(variable) => scope.context.get(*variable).ok_or_else(|| not_here(here, "this variable")),
        ExprKind::Negate(operand) => negate(&inner(operand)?, here),
        ExprKind::Not(operand) => Ok(Value::Bool(!as_bool(&inner(operand)?, operand.location)?)),
        ExprKind::Binary(op @ (BinaryOp::And | BinaryOp::Or), left, right) => {
            let first = as_bool(&inner(left)?, left.location)?;
            let decided = first == (*op == BinaryOp::Or);
            if decided { Ok(Value::Bool(first)) } else { Ok(Value::Bool(as_bool(&inner(right)?, right.location)?)) }
        }
        ExprKind::Binary(op, left, right) => {
            let operands = (inner(left)?, inner(right)?);
            binary(*op, &operands.0, &operands.1, (here, left.location, right.location))
        }
        ExprKind::Call(function, args) => call(*function, &all(args)?, args, scope, here),
        ExprKind::Make(make) => Ok(Value::Made(Closure { of: make.of, args: all(&make.args)? })),
        ExprKind::Domain(_) => Err(not_chosen(here)),
    }
}

fn negate(value: &Value, here: Location) -> Found<Value> {
    match value {
        Value::Int(value) => value.checked_neg().map(Value::Int).ok_or_else(|| finding(Fault::Overflow, here)),
        Value::Real(value) => Ok(Value::Real(-value)),
        other => Err(wrong_kind(here, "a number", other).into()),
    }
}

fn binary(
    op: BinaryOp,
    left: &Value,
    right: &Value,
    (here, at_left, at_right): (Location, Location, Location),
) -> Found<Value> {
    if arithmetic::compares(op) {
        return match (left, right) {
            (Value::Int(left), Value::Int(right)) => Ok(Value::Bool(arithmetic::compare(op, left, right))),
            (Value::Int(_) | Value::Real(_), _) | (_, Value::Int(_) | Value::Real(_)) => {
                let (left, right) = (as_real(left, at_left)?, as_real(right, at_right)?);
                Ok(Value::Bool(arithmetic::compare(op, &left, &right)))
            }
            _ if !matches!(op, BinaryOp::Equal | BinaryOp::NotEqual) => {
                Err(wrong_kind(at_left, "a number", left).into())
            }
            _ if left.kind() != right.kind() => Err(wrong_kind(at_right, left.kind(), right).into()),
            _ => Ok(Value::Bool((left == right) == (op == BinaryOp::Equal))),
        };
    }
    if let (Value::Int(left), Value::Int(right)) = (left, right)
        && arithmetic::keeps_whole(op)
    {
        return arithmetic::whole(op, *left, *right).map(Value::Int).map_err(|fault| finding(fault, here));
    }
    let (left, right) = (as_real(left, at_left)?, as_real(right, at_right)?);
    arithmetic::real(op, left, right).map(Value::Real).map_err(|fault| finding(fault, here))
}

fn call(function: Function, values: &[Value], args: &[Expr], scope: &Scope<'_>, here: Location) -> Found<Value> {
    let place = |index: usize| args.get(index).map_or(here, |arg| arg.location);
    match (function, values) {
        (Function::Exp | Function::Ln | Function::Sqrt, [x]) => {
            arithmetic::analytic(function, as_real(x, place(0))?).map(Value::Real)
        }
        (Function::Abs, [Value::Int(x)]) => x.checked_abs().map(Value::Int).ok_or(Fault::Overflow),
        (Function::Abs, [x]) => Ok(Value::Real(as_real(x, place(0))?.abs())),
        (Function::Floor | Function::Ceil, [Value::Int(x)]) => Ok(Value::Int(*x)),
        (Function::Floor | Function::Ceil, [x]) => arithmetic::rounded(function, as_real(x, place(0))?).map(Value::Int),
        (Function::Min, [Value::Int(x), Value::Int(y)]) => Ok(Value::Int(*x.min(y))),
        (Function::Max, [Value::Int(x), Value::Int(y)]) => Ok(Value::Int(*x.max(y))),
        (Function::Min, [x, y]) => Ok(Value::Real(as_real(x, place(0))?.min(as_real(y, place(1))?))),
        (Function::Max, [x, y]) => Ok(Value::Real(as_real(x, place(0))?.max(as_real(y, place(1))?))),
        (Function::Ring, [Value::Int(x), Value::Int(y)]) => match scope.context.nodes {
            Some(nodes) => arithmetic::ring(*x, *y, nodes).map(Value::Int),
            None => return Err(not_here(here, "the ring's number of nodes")),
        },
        (Function::Ring, [Value::Int(_), wrong] | [wrong, _]) => {
            return Err(wrong_kind(here, "whole numbers", wrong).into());
        }
        _ => {
            let message = format!("a function does not take {} arguments", values.len());
            return Err(Diagnostic::error(codes::KIND, message).label(here, "called here").into());
        }
    }
    .map_err(|fault| finding(fault, here))
}

fn as_real(value: &Value, here: Location) -> Found<f64> {
    match value {
        Value::Int(value) => Ok(*value as f64),
        Value::Real(value) => arithmetic::finite(*value).map_err(|fault| finding(fault, here)),
        other => Err(wrong_kind(here, "a number", other).into()),
    }
}

fn as_bool(value: &Value, here: Location) -> Found<bool> {
    match value {
        Value::Bool(value) => Ok(*value),
        other => Err(wrong_kind(here, "a truth value", other).into()),
    }
}

/// What a fault is called at its place.
fn finding(fault: Fault, here: Location) -> Box<Diagnostic> {
    let (code, message): (Code, &str) = match fault {
        Fault::Overflow => (codes::OVERFLOW, "a whole number does not fit 64 bits"),
        Fault::DivisionByZero => (codes::DIVISION_BY_ZERO, "a division by zero"),
        Fault::NotFinite => (codes::NOT_FINITE, "a result is infinite or no number"),
    };
    Box::new(Diagnostic::error(code, message).label(here, "the result of this"))
}

/// One kind of value where another is needed.
pub(crate) fn wrong_kind(here: Location, needed: &str, found: &Value) -> Diagnostic {
    let message = format!("expected {needed}, found {}", found.kind());
    Diagnostic::error(codes::KIND, message).label(here, format!("this is {}", found.kind()))
}

fn too_deep(here: Location) -> Box<Diagnostic> {
    let message = format!("an expression is nested more than {MAX_DEPTH} deep");
    Box::new(Diagnostic::error(codes::TOO_DEEP, message).label(here, "this part is too deep"))
}

fn not_chosen(here: Location) -> Box<Diagnostic> {
    let finding = Diagnostic::error(codes::NOT_CHOSEN, "a choice has not been made")
        .label(here, "needed as one value, found a domain")
        .note("domains are chosen from where a network is given its arguments, by a seed or a search");
    Box::new(finding)
}

fn not_here(here: Location, what: &str) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(codes::NOT_HERE, format!("{what} is not known here")).label(here, "used here"))
}

/// A declaration that the program does not have, or one of the wrong kind; the checker lets neither through.
pub(crate) fn wrong_declaration(needed: &str, found: Declared) -> Diagnostic {
    let kind = kind_of(found);
    let message = if kind == needed {
        format!("the program has no such {}", kind.trim_start_matches("a "))
    } else {
        format!("expected {needed}, found {kind}")
    };
    Diagnostic::error(codes::KIND, message)
}
