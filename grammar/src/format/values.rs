//! Values as text: on one line, or broken over several where one is too long.

use super::WIDTH;
use crate::lexis::{Token, TokenKind};
use crate::tree::{Arg, Expr, ExprKind, Path, UnaryOp};

/// Spaces for one level of indentation.
pub const INDENT: usize = 4;

/// Writes values with the digits, quotation marks and parentheses of the source.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    /// The source.
    pub text: &'a str,
    /// Its tokens.
    pub tokens: &'a [Token],
}

impl Values<'_> {
    /// The value, broken over lines if it does not fit between `column` and the line's end with `after` characters behind it.
    /// Lines after the first are indented by `indent` at least.
    pub fn fitted(&self, expr: &Expr, indent: usize, column: usize, after: usize) -> String {
        let flat = self.flat(expr);
        if column + width(&flat) + after <= WIDTH {
            return flat;
        }
        if self.in_parentheses(expr) {
            return format!("({})", self.broken(expr, indent, column + 1, after + 1));
        }
        self.broken(expr, indent, column, after)
    }

    /// The value on one line.
    pub fn flat(&self, expr: &Expr) -> String {
        if self.in_parentheses(expr) { format!("({})", self.bare(expr)) } else { self.bare(expr) }
    }

    fn bare(&self, expr: &Expr) -> String {
        let list = |values: &[Expr]| values.iter().map(|value| self.flat(value)).collect::<Vec<_>>().join(", ");
        match &expr.kind {
            ExprKind::Number { unit, .. } => {
                let figure = self.literal(expr, TokenKind::Number);
                unit.as_ref().map_or_else(|| figure.to_owned(), |unit| format!("{figure} {}", unit.text))
            }
            ExprKind::Text(_) => self.literal(expr, TokenKind::Text).to_owned(),
            ExprKind::Bool(value) => value.to_string(),
            ExprKind::Path(name) => path(name),
            ExprKind::Call { callee, args } => {
                let args: Vec<String> = args.iter().map(|arg| label(arg) + &self.flat(&arg.value)).collect();
                format!("{}({})", path(callee), args.join(", "))
            }
            ExprKind::List(values) => format!("[{}]", list(values)),
            ExprKind::Choice(values) => format!("in {{{}}}", list(values)),
            ExprKind::Unary { op, operand } => format!("{}{}", sign(*op), self.flat(operand)),
            ExprKind::Binary { op, left, right, .. } => {
                format!("{} {} {}", self.flat(left), op.symbol(), self.flat(right))
            }
            ExprKind::Pipeline(stages) => stages.iter().map(|stage| self.flat(stage)).collect::<Vec<_>>().join(" -> "),
            ExprKind::Range { log, low, high, step } => {
                let log = if *log { "log " } else { "" };
                let step = step.as_ref().map_or_else(String::new, |step| format!(" step {}", self.flat(step)));
                format!("in {log}{} .. {}{step}", self.flat(low), self.flat(high))
            }
            ExprKind::Bad => self.text.get(expr.span.start as usize..expr.span.end as usize).unwrap_or("").to_owned(),
        }
    }

    fn broken(&self, expr: &Expr, indent: usize, column: usize, after: usize) -> String {
        match &expr.kind {
            ExprKind::Call { callee, args } if !args.is_empty() => {
                let args = args.iter().map(|arg| (label(arg), &arg.value));
                self.one_a_line(&format!("{}(", path(callee)), args, ")", indent)
            }
            ExprKind::List(values) if !values.is_empty() => {
                self.one_a_line("[", values.iter().map(|value| (String::new(), value)), "]", indent)
            }
            ExprKind::Choice(values) if !values.is_empty() => {
                self.one_a_line("in {", values.iter().map(|value| (String::new(), value)), "}", indent)
            }
            ExprKind::Pipeline(stages) => {
                let inner = indent + INDENT;
                let mut written = String::new();
                for (place, stage) in stages.iter().enumerate() {
                    let column = if place == 0 { column } else { inner + 3 };
                    if place > 0 {
                        written.push_str(&format!("\n{}-> ", " ".repeat(inner)));
                    }
                    let after = if place + 1 == stages.len() { after } else { 0 };
                    written.push_str(&self.fitted(stage, inner, column, after));
                }
                written
            }
            ExprKind::Unary { op, operand } => {
                let sign = sign(*op);
                format!("{sign}{}", self.fitted(operand, indent, column + sign.len(), after))
            }
            ExprKind::Binary { op, left, right, .. } => {
                let joint = format!(" {} ", op.symbol());
                let left = self.fitted(left, indent, column, joint.len() + width(&self.flat(right)) + after);
                let column = match left.rfind('\n') {
                    Some(line_end) => width(&left[line_end + 1..]),
                    None => column + width(&left),
                };
                let right = self.fitted(right, indent, column + joint.len(), after);
                format!("{left}{joint}{right}")
            }
            _ => self.bare(expr),
        }
    }

    fn one_a_line<'b>(
        &self,
        open: &str,
        values: impl Iterator<Item = (String, &'b Expr)>,
        close: &str,
        indent: usize,
    ) -> String {
        let inner = indent + INDENT;
        let mut written = format!("{open}\n");
        for (label, value) in values {
            let value = self.fitted(value, inner, inner + width(&label), 1);
            written.push_str(&format!("{}{label}{value},\n", " ".repeat(inner)));
        }
        written + &" ".repeat(indent) + close
    }

    /// Whether the author put the value itself, not only its first part, in parentheses; spans take these in.
    fn in_parentheses(&self, expr: &Expr) -> bool {
        let first = match &expr.kind {
            ExprKind::Binary { left, .. } => Some(left.span.start),
            ExprKind::Pipeline(stages) => stages.first().map(|stage| stage.span.start),
            _ => None,
        };
        self.text.as_bytes().get(expr.span.start as usize) == Some(&b'(') && first != Some(expr.span.start)
    }

    /// The source of a literal, whose span may take in parentheses.
    fn literal(&self, expr: &Expr, kind: TokenKind) -> &str {
        let first = self.tokens.partition_point(|token| token.start < expr.span.start as usize);
        let token = self.tokens[first..].iter().find(|token| token.kind == kind);
        token.and_then(|token| self.text.get(token.start..token.end)).unwrap_or_default()
    }
}

/// A path as written.
pub fn path(path: &Path) -> String {
    let names: Vec<&str> = path.segments.iter().map(|segment| segment.text.as_str()).collect();
    names.join("::")
}

/// The characters of a text, each taken as one column.
pub fn width(text: &str) -> usize {
    text.chars().count()
}

fn label(arg: &Arg) -> String {
    arg.name.as_ref().map_or_else(String::new, |name| format!("{}: ", name.text))
}

fn sign(op: UnaryOp) -> &'static str {
    match op {
        UnaryOp::Negate => "-",
        UnaryOp::Not => "not ",
    }
}
