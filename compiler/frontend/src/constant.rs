//! Constant evaluation: a checked expression, with what is known of its surroundings → its value, where that can be known now.
//!
//! Needed for figures, domains and budgets, and to find numbers out of bounds before anything is drawn. The arithmetic is that
//! of expansion: whole numbers stay whole under +, − and ×, everything else is real, transcendental functions are `libm`'s.

use cnasc_base::Location;
use cnasc_ir::program::{BinaryOp, Expr, ExprKind, Function, Variable};

/// A value known at compile time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Int(i64),
    /// Finite.
    Real(f64),
    Bool(bool),
    Text(String),
}

impl Value {
    /// A number as a real.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Real(value) => Some(*value),
            Self::Bool(_) | Self::Text(_) => None,
        }
    }

    /// As people write it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Int(value) => value.to_string(),
            Self::Real(value) => format!("{value:?}"),
            Self::Bool(value) => value.to_string(),
            Self::Text(value) => format!("\"{value}\""),
        }
    }
}

/// What is known of an expression's surroundings.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known<'a> {
    /// The arguments of the enclosing declaration; those beyond its end are unknown.
    pub(crate) params: &'a [Option<Value>],
    /// The ends of an edge and the number of nodes.
    pub(crate) edge: Option<(i64, i64, i64)>,
}

/// Why a computation has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    DivisionByZero,
    /// A whole number beyond 64 bits.
    Overflow,
    /// Infinite, or no number at all.
    NotFinite,
}

/// The value of an expression; nothing where it depends on what is not known.
///
/// # Errors
/// The innermost computation that has no result, whatever the unknown values are.
pub(crate) fn evaluate(expr: &Expr, known: &Known<'_>) -> Result<Option<Value>, (Location, Fault)> {
    let fault = |fault: Fault| (expr.location, fault);
    match &expr.kind {
        ExprKind::Int(value) => Ok(Some(Value::Int(*value))),
        ExprKind::Real(value) => Ok(Some(Value::Real(*value))),
        ExprKind::Bool(value) => Ok(Some(Value::Bool(*value))),
        ExprKind::Text(value) => Ok(Some(Value::Text(value.clone()))),
        ExprKind::Param(index) => Ok(known.params.get(*index).cloned().flatten()),
        ExprKind::Variable(variable) => Ok(variable_value(*variable, known)),
        ExprKind::Negate(operand) => match evaluate(operand, known)? {
            Some(Value::Int(value)) => value.checked_neg().map(Value::Int).ok_or(fault(Fault::Overflow)).map(Some),
            Some(Value::Real(value)) => Ok(Some(Value::Real(-value))),
            _ => Ok(None),
        },
        ExprKind::Not(operand) => match evaluate(operand, known)? {
            Some(Value::Bool(value)) => Ok(Some(Value::Bool(!value))),
            _ => Ok(None),
        },
        ExprKind::Binary(op @ (BinaryOp::And | BinaryOp::Or), left, right) => {
            let decides = *op == BinaryOp::Or;
            let left = evaluate(left, known)?;
            if left == Some(Value::Bool(decides)) {
                return Ok(left);
            }
            // A fault on the right may never be met where the left side is unknown.
            match (left, evaluate(right, known)) {
                (Some(_), right) => right,
                (None, _) => Ok(None),
            }
        }
        ExprKind::Binary(op, left, right) => {
            binary(*op, evaluate(left, known)?, evaluate(right, known)?).map_err(fault)
        }
        ExprKind::Call(function, args) => {
            let values = args.iter().map(|arg| evaluate(arg, known)).collect::<Result<Vec<_>, _>>()?;
            let values: Option<Vec<Value>> = values.into_iter().collect();
            values.map_or(Ok(None), |values| call(*function, &values, known).map_err(fault))
        }
        ExprKind::List(_) | ExprKind::Make(_) | ExprKind::Domain(_) => Ok(None),
    }
}

/// The value where it is known and the computation has a result.
pub(crate) fn value(expr: &Expr, known: &Known<'_>) -> Option<Value> {
    evaluate(expr, known).ok().flatten()
}

fn variable_value(variable: Variable, known: &Known<'_>) -> Option<Value> {
    let (i, j, nodes) = known.edge?;
    match variable {
        Variable::I => Some(Value::Int(i)),
        Variable::J => Some(Value::Int(j)),
        Variable::Nodes => Some(Value::Int(nodes)),
        Variable::DegreeI
        | Variable::DegreeJ
        | Variable::LinkCost
        | Variable::Depth
        | Variable::Channels
        | Variable::Size => None,
    }
}

fn binary(op: BinaryOp, left: Option<Value>, right: Option<Value>) -> Result<Option<Value>, Fault> {
    // Whatever is divided: there is no result.
    if op == BinaryOp::Divide && right.as_ref().and_then(Value::number) == Some(0.0) {
        return Err(Fault::DivisionByZero);
    }
    let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
    if let Some(truth) = comparison(op, &left, &right) {
        return Ok(Some(Value::Bool(truth)));
    }
    if let (Value::Int(left), Value::Int(right)) = (&left, &right) {
        let whole = match op {
            BinaryOp::Add => Some(left.checked_add(*right)),
            BinaryOp::Subtract => Some(left.checked_sub(*right)),
            BinaryOp::Multiply => Some(left.checked_mul(*right)),
            _ => None,
        };
        if let Some(whole) = whole {
            return whole.map(|value| Some(Value::Int(value))).ok_or(Fault::Overflow);
        }
    }
    let (Some(left), Some(right)) = (left.number(), right.number()) else { return Ok(None) };
    finite(match op {
        BinaryOp::Add => left + right,
        BinaryOp::Subtract => left - right,
        BinaryOp::Multiply => left * right,
        BinaryOp::Divide => left / right,
        BinaryOp::Power => libm::pow(left, right),
        _ => return Ok(None),
    })
}

fn comparison(op: BinaryOp, left: &Value, right: &Value) -> Option<bool> {
    use std::cmp::Ordering;
    let order = match (left, right) {
        (Value::Int(left), Value::Int(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        _ => left.number()?.partial_cmp(&right.number()?)?,
    };
    Some(match op {
        BinaryOp::Equal => order == Ordering::Equal,
        BinaryOp::NotEqual => order != Ordering::Equal,
        BinaryOp::Less => order == Ordering::Less,
        BinaryOp::LessEqual => order != Ordering::Greater,
        BinaryOp::Greater => order == Ordering::Greater,
        BinaryOp::GreaterEqual => order != Ordering::Less,
        _ => return None,
    })
}

fn call(function: Function, values: &[Value], known: &Known<'_>) -> Result<Option<Value>, Fault> {
    match (function, values) {
        (Function::Abs, [Value::Int(x)]) => x.checked_abs().map(|x| Some(Value::Int(x))).ok_or(Fault::Overflow),
        (Function::Min, [Value::Int(x), Value::Int(y)]) => Ok(Some(Value::Int(*x.min(y)))),
        (Function::Max, [Value::Int(x), Value::Int(y)]) => Ok(Some(Value::Int(*x.max(y)))),
        (Function::Ring, [Value::Int(x), Value::Int(y)]) => {
            let Some((_, _, nodes)) = known.edge else { return Ok(None) };
            let steps = x.checked_sub(*y).ok_or(Fault::Overflow)?.rem_euclid(nodes.max(1));
            Ok(Some(Value::Int(steps.min(nodes - steps))))
        }
        (function, [x]) => x.number().map_or(Ok(None), |x| unary(function, x)),
        (function, [x, y]) => match (function, x.number(), y.number()) {
            (Function::Min, Some(x), Some(y)) => finite(x.min(y)),
            (Function::Max, Some(x), Some(y)) => finite(x.max(y)),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

fn unary(function: Function, x: f64) -> Result<Option<Value>, Fault> {
    match function {
        Function::Exp => finite(libm::exp(x)),
        Function::Ln => finite(libm::log(x)),
        Function::Sqrt => finite(x.sqrt()),
        Function::Abs => finite(x.abs()),
        Function::Floor => whole(x.floor()),
        Function::Ceil => whole(x.ceil()),
        Function::Min | Function::Max | Function::Ring => Ok(None),
    }
}

fn whole(x: f64) -> Result<Option<Value>, Fault> {
    // 2⁶³ itself is a real number and the first that does not fit.
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&x);
    if fits { Ok(Some(Value::Int(x as i64))) } else { Err(Fault::Overflow) }
}

fn finite(x: f64) -> Result<Option<Value>, Fault> {
    if x.is_finite() { Ok(Some(Value::Real(x))) } else { Err(Fault::NotFinite) }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Known, Value, evaluate};
    use cnasc_base::{FileId, Location};
    use cnasc_ir::program::{BinaryOp, Expr, ExprKind, Function, Variable};

    fn expr(kind: ExprKind) -> Expr {
        Expr { kind, location: Location::new(FileId(0), 0, 0) }
    }

    fn int(value: i64) -> Expr {
        expr(ExprKind::Int(value))
    }

    fn binary(op: BinaryOp, left: Expr, right: Expr) -> Expr {
        expr(ExprKind::Binary(op, Box::new(left), Box::new(right)))
    }

    fn call(function: Function, args: Vec<Expr>) -> Expr {
        expr(ExprKind::Call(function, args))
    }

    fn at(expr: &Expr, known: &Known<'_>) -> Result<Option<Value>, Fault> {
        evaluate(expr, known).map_err(|(_, fault)| fault)
    }

    #[test]
    fn arithmetic_is_that_of_the_language() {
        use BinaryOp::{Add, Divide, Less, Multiply, Power};
        let cases = [
            (binary(Add, int(2), int(3)), Ok(Some(Value::Int(5)))),
            (binary(Divide, int(6), int(3)), Ok(Some(Value::Real(2.0)))),
            (binary(Power, int(2), int(10)), Ok(Some(Value::Real(1024.0)))),
            (binary(Add, int(2), expr(ExprKind::Real(0.5))), Ok(Some(Value::Real(2.5)))),
            (binary(Multiply, int(i64::MAX), int(2)), Err(Fault::Overflow)),
            (binary(Divide, expr(ExprKind::Param(0)), int(0)), Err(Fault::DivisionByZero)),
            (binary(Less, int(2), expr(ExprKind::Real(2.5))), Ok(Some(Value::Bool(true)))),
            (call(Function::Ln, vec![int(0)]), Err(Fault::NotFinite)),
            (call(Function::Floor, vec![expr(ExprKind::Real(-1.5))]), Ok(Some(Value::Int(-2)))),
            (call(Function::Ceil, vec![expr(ExprKind::Real(1e300))]), Err(Fault::Overflow)),
            (call(Function::Max, vec![int(3), int(4)]), Ok(Some(Value::Int(4)))),
            (expr(ExprKind::Param(0)), Ok(None)),
        ];
        for (expr, expected) in cases {
            assert_eq!(at(&expr, &Known::default()), expected, "{expr:?}");
        }
    }

    #[test]
    fn a_side_that_decides_hides_faults() {
        let fault = binary(BinaryOp::Equal, binary(BinaryOp::Divide, int(1), int(0)), int(1));
        let yes = expr(ExprKind::Bool(true));
        let either = binary(BinaryOp::Or, yes.clone(), fault.clone());
        assert_eq!(at(&either, &Known::default()), Ok(Some(Value::Bool(true))));
        let unknown = binary(BinaryOp::And, expr(ExprKind::Param(0)), fault.clone());
        assert_eq!(at(&unknown, &Known::default()), Ok(None));
        assert_eq!(at(&binary(BinaryOp::And, yes, fault), &Known::default()), Err(Fault::DivisionByZero));
    }

    #[test]
    fn the_ring_is_walked_the_shorter_way() {
        let ring =
            call(Function::Ring, vec![expr(ExprKind::Variable(Variable::I)), expr(ExprKind::Variable(Variable::J))]);
        for (i, j, nodes, steps) in [(0, 1, 8, 1), (0, 7, 8, 1), (1, 5, 8, 4), (0, 4, 9, 4)] {
            let known = Known { edge: Some((i, j, nodes)), ..Known::default() };
            assert_eq!(at(&ring, &known), Ok(Some(Value::Int(steps))));
        }
        assert_eq!(at(&ring, &Known::default()), Ok(None));
    }
}
