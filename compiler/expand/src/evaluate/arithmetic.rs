//! The arithmetic of the language on plain numbers. Both ways of evaluating stand on it, so that they can't differ.
//!
//! Transcendental functions come from `libm`, because the platform's differ in the last bit between machines; √ and the four
//! basic operations are exact in IEEE 754 everywhere.

use cnasc_ir::program::{BinaryOp, Function};

/// Why numbers have no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Overflow,
    DivisionByZero,
    NotFinite,
}

/// Whether an operator keeps whole operands whole.
pub(crate) fn keeps_whole(op: BinaryOp) -> bool {
    matches!(op, BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply)
}

/// Whether an operator compares.
pub(crate) fn compares(op: BinaryOp) -> bool {
    use BinaryOp::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
    matches!(op, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual)
}

/// +, − and × of whole numbers.
#[inline]
pub(crate) fn whole(op: BinaryOp, left: i64, right: i64) -> Result<i64, Fault> {
    match op {
        BinaryOp::Add => left.checked_add(right),
        BinaryOp::Subtract => left.checked_sub(right),
        _ => left.checked_mul(right),
    }
    .ok_or(Fault::Overflow)
}

/// +, −, ×, ÷ and power of real numbers.
#[inline]
pub(crate) fn real(op: BinaryOp, left: f64, right: f64) -> Result<f64, Fault> {
    finite(match op {
        BinaryOp::Add => left + right,
        BinaryOp::Subtract => left - right,
        BinaryOp::Multiply => left * right,
        BinaryOp::Divide if right == 0.0 => return Err(Fault::DivisionByZero),
        BinaryOp::Divide => left / right,
        _ => libm::pow(left, right),
    })
}

/// A comparison; numbers here are never NaN.
#[inline]
pub(crate) fn compare<T: PartialOrd>(op: BinaryOp, left: &T, right: &T) -> bool {
    match op {
        BinaryOp::Equal => left == right,
        BinaryOp::NotEqual => left != right,
        BinaryOp::Less => left < right,
        BinaryOp::LessEqual => left <= right,
        BinaryOp::Greater => left > right,
        _ => left >= right,
    }
}

/// eˣ, ln x and √x.
#[inline]
pub(crate) fn analytic(function: Function, x: f64) -> Result<f64, Fault> {
    finite(match function {
        Function::Exp => libm::exp(x),
        Function::Ln => libm::log(x),
        _ => x.sqrt(),
    })
}

/// The greatest whole number not above, or the least not below.
#[inline]
pub(crate) fn rounded(function: Function, x: f64) -> Result<i64, Fault> {
    let rounded = if function == Function::Floor { x.floor() } else { x.ceil() };
    // 2⁶³ itself is representable as a real and is the first number that does not fit.
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded) {
        Ok(rounded as i64)
    } else {
        Err(Fault::Overflow)
    }
}

/// The smaller number of steps between two places on a ring of `nodes`, which is at least 1.
#[inline]
pub(crate) fn ring(left: i64, right: i64, nodes: i64) -> Result<i64, Fault> {
    let steps = left.checked_sub(right).ok_or(Fault::Overflow)?.rem_euclid(nodes.max(1));
    Ok(steps.min(nodes - steps))
}

#[inline]
pub(crate) fn finite(x: f64) -> Result<f64, Fault> {
    if x.is_finite() { Ok(x) } else { Err(Fault::NotFinite) }
}
