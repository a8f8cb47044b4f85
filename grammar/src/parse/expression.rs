//! Values: pipelines, domains and expressions. The grammar gives an expression as a flat chain of operands and operators;
//! here the chain becomes a tree by the shunting-yard algorithm (Dijkstra 1961), which needs no recursion, and whose depth is
//! counted so that nobody who walks the tree has to fear it.

use super::build::{Builder, end_of, name, path, place, unescaped};
use super::{MAX_DEPTH, Rule, span};
use crate::error::{SyntaxError, SyntaxErrorKind};
use crate::tree::{Arg, BinaryOp, Expr, ExprKind, Path, Span, UnaryOp};
use pest::iterators::Pair;

/// An expression and how many levels it has.
struct Tree {
    expr: Expr,
    depth: usize,
}

/// An operator that waits for its right side.
#[derive(Clone, Copy)]
enum Waiting {
    Unary(UnaryOp, Span),
    Binary(BinaryOp, Span),
}

impl<'a> Builder<'a> {
    /// The value that a `value` pair stands for.
    pub fn value(&mut self, pair: Pair<'a, Rule>) -> Expr {
        self.pipeline(pair).expr
    }

    fn pipeline(&mut self, pair: Pair<'a, Rule>) -> Tree {
        let mut stages: Vec<Tree> = Vec::new();
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::choice => stages.push(self.choice(inner)),
                Rule::range => stages.push(self.range(inner)),
                Rule::expr => stages.push(self.chain(inner)),
                _ => {}
            }
        }
        match (stages.pop(), stages.is_empty()) {
            (Some(only), true) => only,
            (Some(last), false) => {
                stages.push(last);
                let first = stages.first().map_or(Span::default(), |stage| stage.expr.span);
                let last = stages.last().map_or(first, |stage| stage.expr.span);
                let whole = Span { start: first.start, end: last.end };
                self.grown(whole, stages, ExprKind::Pipeline)
            }
            (None, _) => Tree { expr: Expr { kind: ExprKind::Bad, span: Span::default() }, depth: 1 },
        }
    }

    /// One level above `parts`, or what stands in for it where that is too deep.
    fn grown(&mut self, whole: Span, parts: Vec<Tree>, kind: impl FnOnce(Vec<Expr>) -> ExprKind) -> Tree {
        let depth = 1 + parts.iter().map(|part| part.depth).max().unwrap_or(0);
        if depth > MAX_DEPTH {
            return Tree { expr: self.too_deep(whole), depth: 1 };
        }
        let kind = kind(parts.into_iter().map(|part| part.expr).collect());
        Tree { expr: Expr { kind, span: whole }, depth }
    }

    fn choice(&mut self, pair: Pair<'a, Rule>) -> Tree {
        let whole = whole(&pair);
        let values = self.values(pair);
        self.grown(whole, values, ExprKind::Choice)
    }

    fn values(&mut self, pair: Pair<'a, Rule>) -> Vec<Tree> {
        let values = pair.into_inner().filter(|inner| inner.as_rule() == Rule::value);
        values.map(|value| self.pipeline(value)).collect()
    }

    fn range(&mut self, pair: Pair<'a, Rule>) -> Tree {
        let whole = whole(&pair);
        let mut log = false;
        let mut bounds = Vec::new();
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::kw_log => log = true,
                Rule::expr => bounds.push(self.chain(inner)),
                _ => {}
            }
        }
        self.grown(whole, bounds, |bounds| {
            let mut bounds = bounds.into_iter().map(Box::new);
            match (bounds.next(), bounds.next()) {
                (Some(low), Some(high)) => ExprKind::Range { log, low, high, step: bounds.next() },
                _ => ExprKind::Bad,
            }
        })
    }

    /// An expression by the precedences of its operators.
    fn chain(&mut self, pair: Pair<'a, Rule>) -> Tree {
        let mut done: Vec<Tree> = Vec::new();
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut chained = None;
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::prefix => {
                    let op = if inner.as_str() == "-" { UnaryOp::Negate } else { UnaryOp::Not };
                    waiting.push(Waiting::Unary(op, place(&inner)));
                }
                Rule::infix => {
                    let op = binary(inner.as_str());
                    while let Some(top) = waiting.pop_if(|top| top.precedes(op)) {
                        if let Waiting::Binary(first, _) = top
                            && compares(first)
                            && compares(op)
                        {
                            chained.get_or_insert((first, op, place(&inner)));
                        }
                        self.apply(top, &mut done);
                    }
                    waiting.push(Waiting::Binary(op, place(&inner)));
                }
                _ => done.push(self.operand(inner)),
            }
        }
        while let Some(top) = waiting.pop() {
            self.apply(top, &mut done);
        }
        let tree = done.pop().unwrap_or(Tree { expr: Expr { kind: ExprKind::Bad, span: Span::default() }, depth: 1 });
        let Some((first, second, at)) = chained else { return tree };
        let kind = SyntaxErrorKind::ChainedComparison { first: first.symbol(), second: second.symbol() };
        self.errors.push(SyntaxError { span: at, kind });
        Tree { expr: Expr { kind: ExprKind::Bad, span: tree.expr.span }, depth: 1 }
    }

    /// Gives a waiting operator its operands.
    fn apply(&mut self, waiting: Waiting, done: &mut Vec<Tree>) {
        let Some(right) = done.pop() else { return };
        let tree = match waiting {
            Waiting::Unary(op, at) => {
                let whole = Span { start: at.start, end: right.expr.span.end };
                self.grown(whole, vec![right], |parts| match <[Expr; 1]>::try_from(parts) {
                    Ok([operand]) => ExprKind::Unary { op, operand: Box::new(operand) },
                    Err(_) => ExprKind::Bad,
                })
            }
            Waiting::Binary(op, op_span) => {
                let Some(left) = done.pop() else { return };
                let whole = Span { start: left.expr.span.start, end: right.expr.span.end };
                self.grown(whole, vec![left, right], |parts| match <[Expr; 2]>::try_from(parts) {
                    Ok([left, right]) => ExprKind::Binary { op, op_span, left: Box::new(left), right: Box::new(right) },
                    Err(_) => ExprKind::Bad,
                })
            }
        };
        done.push(tree);
    }

    fn operand(&mut self, pair: Pair<'a, Rule>) -> Tree {
        let whole = whole(&pair);
        let kind = match pair.as_rule() {
            Rule::paren => {
                let mut tree = self.values(pair).pop();
                // The span takes in the parentheses, by which the formatter knows of them.
                if let Some(tree) = &mut tree {
                    tree.expr.span = whole;
                }
                return tree.unwrap_or(Tree { expr: Expr { kind: ExprKind::Bad, span: whole }, depth: 1 });
            }
            Rule::list => {
                let values = self.values(pair);
                return self.grown(whole, values, ExprKind::List);
            }
            Rule::call => return self.call(whole, pair),
            _ if self.source.mended.bad_literals.contains(&pair.as_span().start()) => ExprKind::Bad,
            Rule::text => ExprKind::Text(unescaped(pair.as_str())),
            Rule::boolean => ExprKind::Bool(pair.as_str() == "true"),
            Rule::number => number(pair),
            _ => ExprKind::Bad,
        };
        Tree { expr: Expr { kind, span: whole }, depth: 1 }
    }

    fn call(&mut self, whole: Span, pair: Pair<'a, Rule>) -> Tree {
        let mut callee = Path { segments: Vec::new(), span: whole };
        let mut args = None;
        for inner in pair.into_inner() {
            match inner.as_rule() {
                Rule::path => callee = path(&inner),
                Rule::args => args = Some(inner),
                _ => {}
            }
        }
        let Some(args) = args else {
            return Tree { expr: Expr { kind: ExprKind::Path(callee), span: whole }, depth: 1 };
        };
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for arg in args.into_inner().filter(|inner| inner.as_rule() == Rule::arg) {
            let mut label = None;
            for inner in arg.into_inner() {
                match inner.as_rule() {
                    Rule::label => label = inner.into_inner().next().map(|word| name(&word)),
                    Rule::value => values.push(self.pipeline(inner)),
                    _ => {}
                }
            }
            names.push(label);
        }
        self.grown(whole, values, |values| {
            let args = names.into_iter().zip(values).map(|(name, value)| Arg { name, value }).collect();
            ExprKind::Call { callee, args }
        })
    }
}

impl Waiting {
    /// Whether it takes its operands before `next` takes the same ones.
    fn precedes(&self, next: BinaryOp) -> bool {
        let own = match self {
            Self::Unary(UnaryOp::Not, _) => NOT,
            Self::Unary(UnaryOp::Negate, _) => NEGATE,
            Self::Binary(op, _) => level(*op),
        };
        own > level(next) || (own == level(next) && next != BinaryOp::Power)
    }
}

/// Tighter than `and`, looser than comparisons: `not a < b` denies the comparison.
const NOT: u8 = 3;
/// Tighter than `*`, looser than `^`: `-a ^ 2` is the negative of a square.
const NEGATE: u8 = 7;

/// How tightly an operator binds.
fn level(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => 1,
        BinaryOp::And => 2,
        BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Less
        | BinaryOp::LessEqual
        | BinaryOp::Greater
        | BinaryOp::GreaterEqual => 4,
        BinaryOp::Add | BinaryOp::Subtract => 5,
        BinaryOp::Multiply | BinaryOp::Divide => 6,
        BinaryOp::Power => 8,
    }
}

fn compares(op: BinaryOp) -> bool {
    level(op) == level(BinaryOp::Equal)
}

/// The operator the grammar's `infix` took.
fn binary(symbol: &str) -> BinaryOp {
    match symbol {
        "or" => BinaryOp::Or,
        "and" => BinaryOp::And,
        "==" => BinaryOp::Equal,
        "!=" => BinaryOp::NotEqual,
        "<" => BinaryOp::Less,
        "<=" => BinaryOp::LessEqual,
        ">" => BinaryOp::Greater,
        ">=" => BinaryOp::GreaterEqual,
        "+" => BinaryOp::Add,
        "-" => BinaryOp::Subtract,
        "*" => BinaryOp::Multiply,
        "/" => BinaryOp::Divide,
        _ => BinaryOp::Power,
    }
}

fn number(pair: Pair<'_, Rule>) -> ExprKind {
    let (mut text, mut unit) = (String::new(), None);
    for inner in pair.into_inner() {
        match inner.as_rule() {
            Rule::figure => text = inner.as_str().replace('_', ""),
            Rule::unit => unit = Some(name(&inner)),
            _ => {}
        }
    }
    ExprKind::Number { text, unit }
}

/// From the first to the last token.
fn whole(pair: &Pair<'_, Rule>) -> Span {
    span(pair.as_span().start(), end_of(pair))
}
