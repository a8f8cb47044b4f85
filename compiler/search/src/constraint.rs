//! Whether a figure keeps a constraint, and by how much it does not.

use cnasc_ir::program::{BinaryOp, Constraint};

/// By how much `value` misses the limit, as a share of it (of 1 where the limit is 0); zero where the constraint is kept.
#[must_use]
pub fn violation(constraint: &Constraint, value: f64) -> f64 {
    let limit = constraint.limit;
    let kept = match constraint.op {
        BinaryOp::Less => value < limit,
        BinaryOp::LessEqual => value <= limit,
        BinaryOp::Greater => value > limit,
        BinaryOp::GreaterEqual => value >= limit,
        // The checker admits the four inequalities only; anything else can't be kept.
        _ => false,
    };
    if kept {
        return 0.0;
    }
    let scale = if limit == 0.0 { 1.0 } else { limit.abs() };
    // A strict inequality missed by nothing is still missed.
    ((value - limit).abs() / scale).max(f64::EPSILON)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnasc_base::{FileId, Location};
    use cnasc_ir::program::Measure;

    #[test]
    fn violations_are_relative() {
        let constraint =
            |op, limit| Constraint { measure: Measure::Params, op, limit, location: Location::new(FileId(0), 0, 0) };
        assert_eq!(violation(&constraint(BinaryOp::LessEqual, 10.0), 10.0), 0.0);
        assert_eq!(violation(&constraint(BinaryOp::LessEqual, 10.0), 15.0), 0.5);
        assert_eq!(violation(&constraint(BinaryOp::GreaterEqual, 10.0), 5.0), 0.5);
        assert_eq!(violation(&constraint(BinaryOp::Greater, 0.0), -2.0), 2.0);
        assert!(violation(&constraint(BinaryOp::Less, 10.0), 10.0) > 0.0);
    }
}
