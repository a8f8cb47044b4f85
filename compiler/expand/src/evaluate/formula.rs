//! Expression × arguments → a flat list of typed steps on slots, for what is evaluated once a pair of nodes.
//!
//! Arguments and the number of nodes are substituted and constants folded when the formula is made; kinds are known then, so a
//! slot is 64 plain bits. What the formula reads is recorded: one that knows its two nodes only by their distance on the ring
//! has one result a distance. Whatever does not fit this form (a text, an unknown variable) gives no formula, and a step without
//! a result gives no result: the caller then takes the tree walk, which also says what is wrong.

use super::{MAX_DEPTH, arithmetic};
use crate::value::Value;
use cnasc_ir::program::{BinaryOp, Expr, ExprKind, Function, Variable};

/// An expression ready to be evaluated many times.
#[derive(Debug, Clone)]
pub(crate) struct Formula {
    steps: Vec<Step>,
    slots: Vec<u64>,
    result: Slot,
    /// What of its surroundings it reads.
    pub(crate) reads: Reads,
}

/// What of its surroundings a formula reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    /// A variable, other than through `distance`.
    pub(crate) variables: bool,
    /// The distance of i and j on the ring.
    pub(crate) distance: bool,
}

/// The result of a formula.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Outcome {
    /// A whole number.
    Int(i64),
    /// A finite real number.
    Real(f64),
    /// A truth value.
    Bool(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Real,
    Bool,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    index: u32,
    kind: Kind,
    /// Known when the formula is made.
    constant: bool,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    act: Act,
    to: u32,
    left: u32,
    right: u32,
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Whole(BinaryOp),
    Real(BinaryOp),
    CompareWhole(BinaryOp),
    CompareReal(BinaryOp),
    ToReal,
    NegateWhole,
    NegateReal,
    Not,
    AbsWhole,
    AbsReal,
    LeastWhole,
    LeastReal,
    MostWhole,
    MostReal,
    Analytic(Function),
    Rounded(Function),
    /// Of two places on the ring of all nodes.
    Ring,
    Copy,
    /// Goes on at step `right` where slot `left` is false.
    SkipUnless,
    /// Goes on at step `right` where slot `left` is true.
    SkipIf,
}

/// Slots of the context's variables; constants and results follow.
const I: u32 = 0;
const J: u32 = 1;
const DEPTH: u32 = 2;
const CHANNELS: u32 = 3;
const SIZE: u32 = 4;
const DISTANCE: u32 = 5;
const DEGREE_I: u32 = 6;
const DEGREE_J: u32 = 7;
const LINK_COST: u32 = 8;
const FIRST_FREE: usize = 9;

impl Formula {
    /// The formula of `expr` with these arguments, in a graph of `nodes` where there is one, where `variables` will be set.
    pub(crate) fn new(expr: &Expr, params: &[Value], nodes: Option<i64>, variables: &[Variable]) -> Option<Self> {
        let formula = Self {
            steps: Vec::new(),
            slots: vec![0; FIRST_FREE],
            result: Slot { index: 0, kind: Kind::Int, constant: true },
            reads: Reads::default(),
        };
        let mut builder = Builder { formula, params, nodes, variables };
        builder.formula.result = builder.emit(expr, 0)?;
        Some(builder.formula)
    }

    /// Sets the two nodes and their distance on the ring.
    #[inline]
    pub(crate) fn set_pair(&mut self, i: i64, j: i64, distance: i64) {
        self.slots[I as usize] = i.cast_unsigned();
        self.slots[J as usize] = j.cast_unsigned();
        self.slots[DISTANCE as usize] = distance.cast_unsigned();
    }

    /// Sets the degrees of the two nodes so far, and what a message between their devices costs; not a number where there is
    /// no way, which the tree walk then says.
    #[inline]
    pub(crate) fn set_ends(&mut self, degrees: (i64, i64), cost: f64) {
        self.slots[DEGREE_I as usize] = degrees.0.cast_unsigned();
        self.slots[DEGREE_J as usize] = degrees.1.cast_unsigned();
        self.slots[LINK_COST as usize] = cost.to_bits();
    }

    /// Sets what a staging rule is about.
    pub(crate) fn set_node(&mut self, depth: i64, channels: i64, size: i64) {
        self.slots[DEPTH as usize] = depth.cast_unsigned();
        self.slots[CHANNELS as usize] = channels.cast_unsigned();
        self.slots[SIZE as usize] = size.cast_unsigned();
    }

    /// The value for the variables set; nothing where a step has no result.
    #[inline]
    pub(crate) fn run(&mut self) -> Option<Outcome> {
        let mut at = 0;
        while let Some(step) = self.steps.get(at) {
            at += 1;
            let (left, right) = (self.slots[step.left as usize], step.right);
            match step.act {
                Act::SkipUnless if left == 0 => at = right as usize,
                Act::SkipIf if left != 0 => at = right as usize,
                Act::SkipUnless | Act::SkipIf => {}
                act => self.slots[step.to as usize] = perform(act, left, self.slots[right as usize])?,
            }
        }
        let bits = self.slots[self.result.index as usize];
        Some(match self.result.kind {
            Kind::Int => Outcome::Int(bits.cast_signed()),
            Kind::Real => Outcome::Real(f64::from_bits(bits)),
            Kind::Bool => Outcome::Bool(bits != 0),
        })
    }
}

/// One step on the bits of its operands. For [`Act::Ring`] the number of nodes comes as the right operand, and the left one is
/// the difference of the places.
#[inline]
fn perform(act: Act, left: u64, right: u64) -> Option<u64> {
    let int = |bits: u64| bits.cast_signed();
    let real = f64::from_bits;
    Some(match act {
        Act::Whole(op) => arithmetic::whole(op, int(left), int(right)).ok()?.cast_unsigned(),
        Act::Real(op) => arithmetic::real(op, real(left), real(right)).ok()?.to_bits(),
        Act::CompareWhole(op) => u64::from(arithmetic::compare(op, &int(left), &int(right))),
        Act::CompareReal(op) => u64::from(arithmetic::compare(op, &real(left), &real(right))),
        Act::ToReal => (int(left) as f64).to_bits(),
        Act::NegateWhole => int(left).checked_neg()?.cast_unsigned(),
        Act::NegateReal => (-real(left)).to_bits(),
        Act::Not => u64::from(left == 0),
        Act::AbsWhole => int(left).checked_abs()?.cast_unsigned(),
        Act::AbsReal => real(left).abs().to_bits(),
        Act::LeastWhole => int(left).min(int(right)).cast_unsigned(),
        Act::LeastReal => real(left).min(real(right)).to_bits(),
        Act::MostWhole => int(left).max(int(right)).cast_unsigned(),
        Act::MostReal => real(left).max(real(right)).to_bits(),
        Act::Analytic(function) => arithmetic::analytic(function, real(left)).ok()?.to_bits(),
        Act::Rounded(function) => arithmetic::rounded(function, real(left)).ok()?.cast_unsigned(),
        Act::Ring => arithmetic::ring(int(left), 0, int(right)).ok()?.cast_unsigned(),
        Act::Copy | Act::SkipUnless | Act::SkipIf => left,
    })
}

struct Builder<'a> {
    formula: Formula,
    params: &'a [Value],
    nodes: Option<i64>,
    variables: &'a [Variable],
}

impl Builder<'_> {
    fn emit(&mut self, expr: &Expr, depth: usize) -> Option<Slot> {
        if depth > MAX_DEPTH {
            return None;
        }
        match &expr.kind {
            ExprKind::Int(value) => Some(self.int(*value)),
            ExprKind::Real(value) => self.real(*value),
            ExprKind::Bool(value) => Some(self.constant(u64::from(*value), Kind::Bool)),
            ExprKind::Param(index) => match self.params.get(*index)? {
                Value::Int(value) => Some(self.int(*value)),
                Value::Real(value) => self.real(*value),
                Value::Bool(value) => Some(self.constant(u64::from(*value), Kind::Bool)),
                Value::Text(_) | Value::List(_) | Value::Made(_) => None,
            },
            ExprKind::Variable(variable) => self.variable(*variable),
            ExprKind::Negate(operand) => {
                let operand = self.emit(operand, depth + 1)?;
                match operand.kind {
                    Kind::Int => self.step(Act::NegateWhole, operand, operand, Kind::Int),
                    Kind::Real => self.step(Act::NegateReal, operand, operand, Kind::Real),
                    Kind::Bool => None,
                }
            }
            ExprKind::Not(operand) => {
                let operand = self.truth(operand, depth)?;
                self.step(Act::Not, operand, operand, Kind::Bool)
            }
            ExprKind::Binary(op @ (BinaryOp::And | BinaryOp::Or), left, right) => self.logic(*op, left, right, depth),
            ExprKind::Binary(op, left, right) => {
                let (left, right) = (self.emit(left, depth + 1)?, self.emit(right, depth + 1)?);
                self.binary(*op, left, right)
            }
            ExprKind::Call(function, args) => self.call(*function, args, depth),
            ExprKind::Text(_) | ExprKind::List(_) | ExprKind::Make(_) | ExprKind::Domain(_) => None,
        }
    }

    fn variable(&mut self, variable: Variable) -> Option<Slot> {
        if variable == Variable::Nodes {
            return self.nodes.map(|nodes| self.int(nodes));
        }
        if !self.variables.contains(&variable) {
            return None;
        }
        self.formula.reads.variables = true;
        let index = match variable {
            Variable::I => I,
            Variable::J => J,
            Variable::Depth => DEPTH,
            Variable::Channels => CHANNELS,
            Variable::Size => SIZE,
            Variable::DegreeI => DEGREE_I,
            Variable::DegreeJ => DEGREE_J,
            Variable::LinkCost => return Some(Slot { index: LINK_COST, kind: Kind::Real, constant: false }),
            Variable::Nodes => return None,
        };
        Some(Slot { index, kind: Kind::Int, constant: false })
    }

    /// The right side is stepped over where the left one decides, as in the tree walk.
    fn logic(&mut self, op: BinaryOp, left: &Expr, right: &Expr, depth: usize) -> Option<Slot> {
        let left = self.truth(left, depth)?;
        let decides = op == BinaryOp::Or;
        if left.constant {
            let decided = (self.formula.slots[left.index as usize] != 0) == decides;
            return if decided { Some(left) } else { self.truth(right, depth) };
        }
        let to = self.fresh(0, Kind::Bool, false);
        self.push(Act::Copy, to, left.index, 0);
        let skip = self.formula.steps.len();
        self.push(if decides { Act::SkipIf } else { Act::SkipUnless }, to, left.index, 0);
        let right = self.truth(right, depth)?;
        self.push(Act::Copy, to, right.index, 0);
        self.formula.steps[skip].right = u32::try_from(self.formula.steps.len()).ok()?;
        Some(to)
    }

    fn truth(&mut self, expr: &Expr, depth: usize) -> Option<Slot> {
        self.emit(expr, depth + 1).filter(|slot| slot.kind == Kind::Bool)
    }

    fn binary(&mut self, op: BinaryOp, left: Slot, right: Slot) -> Option<Slot> {
        let both = |kind| left.kind == kind && right.kind == kind;
        if arithmetic::compares(op) {
            let equality = matches!(op, BinaryOp::Equal | BinaryOp::NotEqual);
            if both(Kind::Int) || (both(Kind::Bool) && equality) {
                return self.step(Act::CompareWhole(op), left, right, Kind::Bool);
            }
            let (left, right) = (self.widen(left)?, self.widen(right)?);
            return self.step(Act::CompareReal(op), left, right, Kind::Bool);
        }
        if both(Kind::Int) && arithmetic::keeps_whole(op) {
            return self.step(Act::Whole(op), left, right, Kind::Int);
        }
        let (left, right) = (self.widen(left)?, self.widen(right)?);
        self.step(Act::Real(op), left, right, Kind::Real)
    }

    fn call(&mut self, function: Function, args: &[Expr], depth: usize) -> Option<Slot> {
        match args {
            [x] => {
                let x = self.emit(x, depth + 1)?;
                self.unary(function, x)
            }
            [x, y] if function == Function::Ring => self.ring(x, y, depth),
            [x, y] => {
                let (x, y) = (self.emit(x, depth + 1)?, self.emit(y, depth + 1)?);
                let (whole, real) = match function {
                    Function::Min => (Act::LeastWhole, Act::LeastReal),
                    Function::Max => (Act::MostWhole, Act::MostReal),
                    _ => return None,
                };
                if x.kind == Kind::Int && y.kind == Kind::Int {
                    return self.step(whole, x, y, Kind::Int);
                }
                let (x, y) = (self.widen(x)?, self.widen(y)?);
                self.step(real, x, y, Kind::Real)
            }
            _ => None,
        }
    }

    fn unary(&mut self, function: Function, x: Slot) -> Option<Slot> {
        match (function, x.kind) {
            (Function::Exp | Function::Ln | Function::Sqrt, _) => {
                let x = self.widen(x)?;
                self.step(Act::Analytic(function), x, x, Kind::Real)
            }
            (Function::Abs, Kind::Int) => self.step(Act::AbsWhole, x, x, Kind::Int),
            (Function::Abs, Kind::Real) => self.step(Act::AbsReal, x, x, Kind::Real),
            (Function::Floor | Function::Ceil, Kind::Int) => Some(x),
            (Function::Floor | Function::Ceil, Kind::Real) => self.step(Act::Rounded(function), x, x, Kind::Int),
            _ => None,
        }
    }

    fn ring(&mut self, x: &Expr, y: &Expr, depth: usize) -> Option<Slot> {
        let nodes = self.nodes?;
        let names = (&x.kind, &y.kind);
        let ends = matches!(
            names,
            (ExprKind::Variable(Variable::I), ExprKind::Variable(Variable::J))
                | (ExprKind::Variable(Variable::J), ExprKind::Variable(Variable::I))
        );
        if ends && self.variables.contains(&Variable::I) && self.variables.contains(&Variable::J) {
            self.formula.reads.distance = true;
            return Some(Slot { index: DISTANCE, kind: Kind::Int, constant: false });
        }
        let (x, y) = (self.emit(x, depth + 1)?, self.emit(y, depth + 1)?);
        if x.kind != Kind::Int || y.kind != Kind::Int {
            return None;
        }
        let steps = self.step(Act::Whole(BinaryOp::Subtract), x, y, Kind::Int)?;
        let nodes = self.int(nodes);
        self.step(Act::Ring, steps, nodes, Kind::Int)
    }

    fn widen(&mut self, slot: Slot) -> Option<Slot> {
        match slot.kind {
            Kind::Int => self.step(Act::ToReal, slot, slot, Kind::Real),
            Kind::Real => Some(slot),
            Kind::Bool => None,
        }
    }

    /// A step, or its result where that is known now. A step on constants that has no result stays a step: it may be
    /// stepped over.
    fn step(&mut self, act: Act, left: Slot, right: Slot, kind: Kind) -> Option<Slot> {
        if left.constant && right.constant {
            let bits = |slot: Slot| self.formula.slots[slot.index as usize];
            if let Some(result) = perform(act, bits(left), bits(right)) {
                return Some(self.constant(result, kind));
            }
        }
        let to = self.fresh(0, kind, false);
        self.push(act, to, left.index, right.index);
        Some(to)
    }

    fn push(&mut self, act: Act, to: Slot, left: u32, right: u32) {
        self.formula.steps.push(Step { act, to: to.index, left, right });
    }

    fn int(&mut self, value: i64) -> Slot {
        self.constant(value.cast_unsigned(), Kind::Int)
    }

    fn real(&mut self, value: f64) -> Option<Slot> {
        value.is_finite().then(|| self.constant(value.to_bits(), Kind::Real))
    }

    fn constant(&mut self, bits: u64, kind: Kind) -> Slot {
        self.fresh(bits, kind, true)
    }

    fn fresh(&mut self, bits: u64, kind: Kind, constant: bool) -> Slot {
        let index = u32::try_from(self.formula.slots.len()).expect("a program's text is far below 2^32 bytes");
        self.formula.slots.push(bits);
        Slot { index, kind, constant }
    }
}
