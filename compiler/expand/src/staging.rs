//! Staging with arguments × seed → which nodes make the image smaller and their channels more.
//!
//! Nodes are asked in topological order. A node may be staged where the shrink operators, or the stride that its own block takes
//! instead, make its image smaller and leave at least one pixel, and where its channels times the growth, rounded down, stay within the limit (without one, within what an
//! operator may have); the policy then decides. One draw a node is always taken from the stream, so that neither a limit nor
//! a policy's other numbers move the draws of other nodes.

use crate::codes;
use crate::evaluate::formula::{Formula, Outcome};
use crate::evaluate::{self, Scope, evaluate, wrong_kind};
use crate::pipeline::{self, MAX_CHANNELS, Pipeline, Place, projection};
use crate::value::{Closure, Value};
use cnasc_base::{Diagnostic, Rng, Seed};
use cnasc_ir::op::Op;
use cnasc_ir::program::{Declared, Expr, Operator, Policy, Staging, Variable};
use cnasc_ir::{Program, Shape};

/// A staging at work on one body.
pub(crate) struct Stager<'a> {
    policy: Choice<'a>,
    growth: f64,
    limit: Option<i64>,
    shrink: Shrink,
    rng: Rng,
}

enum Shrink {
    /// Operators behind the node's own.
    Operators(Pipeline),
    /// The node's own first convolution or pool takes this stride.
    Stride(u32),
}

enum Choice<'a> {
    Never,
    Always,
    Chance(f64),
    Rule { expr: &'a Expr, args: &'a [Value], formula: Option<Formula> },
}

impl<'a> Stager<'a> {
    /// The staging of a body; uniform where it has none.
    pub(crate) fn new(program: &'a Program, staging: Option<&'a Closure>, seed: &Seed) -> Result<Self, Diagnostic> {
        let rng = seed.rng();
        let Some(closure) = staging else {
            let shrink = Shrink::Operators(Pipeline::default());
            return Ok(Self { policy: Choice::Never, growth: 1.0, limit: None, shrink, rng });
        };
        let declaration = match closure.of {
            Declared::Staging(id) => program.stagings.get(id.index()),
            _ => None,
        }
        .ok_or_else(|| evaluate::wrong_declaration("a staging", closure.of))?;
        let scope = Scope::of(&closure.args);
        let (growth, limit) = bounds(declaration, &scope)?;
        let shrink = match declaration.shrink.as_slice() {
            [only] if only.operator == Operator::Stride => Shrink::Stride(pipeline::stride(only, &scope)?),
            stages => Shrink::Operators(Pipeline::resolve(program, stages, &scope, Place::Node)?),
        };
        let policy = match &declaration.policy {
            Policy::Uniform => Choice::Never,
            Policy::Greedy => Choice::Always,
            Policy::Probabilistic(probability) => Choice::Chance(evaluate::probability(probability, &scope)?),
            Policy::Rule(expr) => {
                let variables = [Variable::Depth, Variable::Channels, Variable::Size];
                let formula = Formula::new(expr, &closure.args, None, &variables);
                Choice::Rule { expr, args: &closure.args, formula }
            }
        };
        Ok(Self { policy, growth, limit, shrink, rng })
    }

    /// Stages the next node where it is to be: changes its operators `ops` and gives the shape behind them. The node is at
    /// `depth` and would give `plain`, which `block` makes of `inputs`.
    pub(crate) fn stage(
        &mut self,
        (depth, plain): (u32, Shape),
        (block, inputs): (&Pipeline, &[Shape]),
        ops: &mut Vec<Op>,
    ) -> Result<Shape, Diagnostic> {
        let draw = self.rng.unit();
        let unwanted = match self.policy {
            Choice::Never => true,
            Choice::Chance(probability) => draw >= probability,
            Choice::Always | Choice::Rule { .. } => false,
        };
        if unwanted {
            return Ok(plain);
        }
        let before = ops.len();
        match self.staged(plain, (block, inputs), ops) {
            Some((shape, from)) if self.wants(depth, plain)? => {
                ops.drain(..from);
                Ok(shape)
            }
            _ => {
                ops.truncate(before);
                Ok(plain)
            }
        }
    }

    /// The node staged, where it may be: the shape, and from where on the appended operators are its own.
    fn staged(
        &self,
        plain: Shape,
        (block, inputs): (&Pipeline, &[Shape]),
        ops: &mut Vec<Op>,
    ) -> Option<(Shape, usize)> {
        let grown = (f64::from(plain.channels) * self.growth).floor();
        if grown > self.limit.unwrap_or(MAX_CHANNELS) as f64 {
            return None;
        }
        // The growth is at least 1 and the limit at most MAX_CHANNELS.
        let grown = grown as u32;
        // Operators that can't take the image leave no pixel: the node stays as it is.
        let (mut shape, from, shrinks) = match &self.shrink {
            Shrink::Operators(shrink) => (shrink.apply(&[plain], plain.channels, ops).ok()?, 0, !shrink.is_empty()),
            Shrink::Stride(stride) => {
                let from = ops.len();
                (block.apply_strided(inputs, grown, *stride, ops).ok()?, from, true)
            }
        };
        if shrinks && shape.plane() >= plain.plane() {
            return None;
        }
        if shape.channels != grown {
            let op = projection(grown);
            shape = op.output(&[shape]).ok()?;
            ops.push(op);
        }
        Some((shape, from))
    }

    /// Whether its policy wants the node staged, where that was not settled by the draw.
    fn wants(&mut self, depth: u32, plain: Shape) -> Result<bool, Diagnostic> {
        match &mut self.policy {
            Choice::Never => Ok(false),
            Choice::Always | Choice::Chance(_) => Ok(true),
            Choice::Rule { expr, args, formula } => {
                let (channels, size) = (i64::from(plain.channels), i64::from(plain.height.min(plain.width)));
                if let Some(formula) = formula {
                    formula.set_node(i64::from(depth), channels, size);
                    if let Some(Outcome::Bool(wanted)) = formula.run() {
                        return Ok(wanted);
                    }
                }
                let mut scope = Scope::of(args);
                scope.context.depth = Some(i64::from(depth));
                scope.context.channels = Some(channels);
                scope.context.size = Some(size);
                match evaluate(expr, &scope)? {
                    Value::Bool(wanted) => Ok(wanted),
                    other => Err(wrong_kind(expr.location, "a truth value", &other)),
                }
            }
        }
    }
}

/// Growth and limit of a staging, within bounds.
fn bounds(declaration: &Staging, scope: &Scope<'_>) -> Result<(f64, Option<i64>), Diagnostic> {
    let refuse = |expr: &Expr, what: &str, bound: String, found: String| {
        let message = format!("the {what} of staging `{}` is {found}; it may be {bound}", declaration.name);
        Err(Diagnostic::error(codes::GROWTH, message).label(expr.location, format!("this is {found}")))
    };
    let growth = evaluate::number(&declaration.growth, scope)?;
    if !(1.0..=MAX_CHANNELS as f64).contains(&growth) {
        return refuse(&declaration.growth, "growth", format!("1 to {MAX_CHANNELS}"), growth.to_string());
    }
    let Some(expr) = &declaration.limit else { return Ok((growth, None)) };
    let limit = evaluate::whole(expr, scope)?;
    if !(1..=MAX_CHANNELS).contains(&limit) {
        return refuse(expr, "channel limit", format!("1 to {MAX_CHANNELS}"), limit.to_string());
    }
    Ok((growth, Some(limit)))
}
