//! Operators and functions of numbers: their types and dimensions.

use super::{Checker, Scope, Typed};
use crate::types::{describe, is_number};
use crate::units::{self, PLAIN};
use crate::{codes, nearest};
use cnasc_base::{Diagnostic, Location};
use cnasc_grammar::tree::{self, Arg, Name, Span, UnaryOp};
use cnasc_ir::program::{BinaryOp, Dimension, Expr, ExprKind, Function, Type, Variable};

/// The types that a function's operands give its result.
#[derive(Clone, Copy)]
enum Gives {
    /// A real number of a plain one.
    Real,
    /// A whole number of a plain one.
    Whole,
    /// The operands' common type.
    Same,
    /// A whole number of whole ones.
    Ring,
}

/// The function of this name, how many operands it has, and what it gives.
fn function(name: &str) -> Option<(Function, usize, Gives)> {
    Some(match name {
        "exp" => (Function::Exp, 1, Gives::Real),
        "ln" => (Function::Ln, 1, Gives::Real),
        "sqrt" => (Function::Sqrt, 1, Gives::Real),
        "abs" => (Function::Abs, 1, Gives::Same),
        "min" => (Function::Min, 2, Gives::Same),
        "max" => (Function::Max, 2, Gives::Same),
        "floor" => (Function::Floor, 1, Gives::Whole),
        "ceil" => (Function::Ceil, 1, Gives::Whole),
        "ring" => (Function::Ring, 2, Gives::Ring),
        _ => return None,
    })
}

/// Functions of the ends of a possible edge.
const EDGE_FUNCTIONS: [&str; 2] = ["degree", "link_cost"];

/// Functions of other places and what they are called here.
const FOREIGN: [(&str, &str); 4] = [("log", "ln"), ("round", "floor"), ("distance", "ring"), ("root", "sqrt")];

/// What an operator works on, where it is no number.
fn symbol(op: tree::BinaryOp) -> (BinaryOp, &'static str) {
    let op_of = match op {
        tree::BinaryOp::Or => BinaryOp::Or,
        tree::BinaryOp::And => BinaryOp::And,
        tree::BinaryOp::Equal => BinaryOp::Equal,
        tree::BinaryOp::NotEqual => BinaryOp::NotEqual,
        tree::BinaryOp::Less => BinaryOp::Less,
        tree::BinaryOp::LessEqual => BinaryOp::LessEqual,
        tree::BinaryOp::Greater => BinaryOp::Greater,
        tree::BinaryOp::GreaterEqual => BinaryOp::GreaterEqual,
        tree::BinaryOp::Add => BinaryOp::Add,
        tree::BinaryOp::Subtract => BinaryOp::Subtract,
        tree::BinaryOp::Multiply => BinaryOp::Multiply,
        tree::BinaryOp::Divide => BinaryOp::Divide,
        tree::BinaryOp::Power => BinaryOp::Power,
    };
    (op_of, op.symbol())
}

/// The operator of the program for one of the tree.
pub(super) fn binary_op(op: tree::BinaryOp) -> BinaryOp {
    symbol(op).0
}

fn dimension(ty: &Type) -> Dimension {
    match ty {
        Type::Real(dimension) => *dimension,
        _ => PLAIN,
    }
}

impl Checker<'_> {
    pub(super) fn unary(
        &mut self,
        op: UnaryOp,
        operand: &tree::Expr,
        scope: &Scope,
        location: Location,
    ) -> Option<Typed> {
        let typed = self.value(operand, scope)?;
        let (fits, word, needed) = match op {
            UnaryOp::Negate => (is_number(&typed.ty), "-", "a number"),
            UnaryOp::Not => (typed.ty == Type::Bool, "not", "a truth value"),
        };
        if !fits {
            self.operand(word, needed, &typed.ty, scope.at(operand.span));
            return None;
        }
        let inner = Box::new(typed.expr);
        let kind = match op {
            UnaryOp::Negate => ExprKind::Negate(inner),
            UnaryOp::Not => ExprKind::Not(inner),
        };
        Some(Typed { ty: typed.ty, expr: Expr { kind, location } })
    }

    /// Reports an operand of a type that an operator or a function does not take.
    fn operand(&mut self, of: &str, needed: &str, found: &Type, here: Location) {
        let is = describe(found);
        self.push(
            Diagnostic::error(codes::WRONG_OPERAND, format!("`{of}` takes {needed}, found {is}"))
                .label(here, format!("this is {is}")),
        );
    }

    pub(super) fn binary(
        &mut self,
        op: tree::BinaryOp,
        op_span: Span,
        (left, right): (&tree::Expr, &tree::Expr),
        scope: &Scope,
        location: Location,
    ) -> Option<Typed> {
        // What stands beside an unreadable operand may be a piece of it, such as the `/s` of a mistyped unit.
        if matches!((&left.kind, &right.kind), (tree::ExprKind::Bad, _) | (_, tree::ExprKind::Bad)) {
            return None;
        }
        let (first, second) = (self.value(left, scope), self.value(right, scope));
        let (first, second) = (first?, second?);
        let (op, word) = symbol(op);
        let places = [scope.at(op_span), scope.at(left.span), scope.at(right.span)];
        let ty = self.binary_type(op, word, (&first.ty, &second.ty), places)?;
        let kind = ExprKind::Binary(op, Box::new(first.expr), Box::new(second.expr));
        Some(Typed { ty, expr: Expr { kind, location } })
    }

    /// The type of a result; `places` are those of the operator and its operands.
    fn binary_type(
        &mut self,
        op: BinaryOp,
        word: &str,
        (left, right): (&Type, &Type),
        places: [Location; 3],
    ) -> Option<Type> {
        let logic = matches!(op, BinaryOp::Or | BinaryOp::And);
        let equality = matches!(op, BinaryOp::Equal | BinaryOp::NotEqual);
        if equality && left == right && matches!(left, Type::Bool | Type::Text) {
            return Some(Type::Bool);
        }
        let fits = |ty: &Type| if logic { *ty == Type::Bool } else { is_number(ty) };
        for (ty, other, place) in [(left, right, places[1]), (right, left, places[2])] {
            if !fits(ty) {
                if equality && matches!(ty, Type::Bool | Type::Text) && !matches!(other, Type::Bool | Type::Text) {
                    self.mixed(word, (left, right), places);
                } else {
                    self.operand(word, if logic { "truth values" } else { "numbers" }, ty, place);
                }
                return None;
            }
        }
        let (of_left, of_right) = (dimension(left), dimension(right));
        let whole = *left == Type::Int && *right == Type::Int;
        match op {
            BinaryOp::Or | BinaryOp::And => Some(Type::Bool),
            BinaryOp::Multiply | BinaryOp::Divide => {
                let combined = if op == BinaryOp::Multiply {
                    units::product(of_left, of_right)
                } else {
                    units::quotient(of_left, of_right)
                };
                match combined {
                    Some(_) if whole && op == BinaryOp::Multiply => Some(Type::Int),
                    Some(dimension) => Some(Type::Real(dimension)),
                    None => {
                        let message = "the unit of this result has a power beyond what is counted";
                        self.push(Diagnostic::error(codes::NUMBER_RANGE, message).label(places[0], "too high a power"));
                        None
                    }
                }
            }
            BinaryOp::Power => {
                for (ty, place) in [(left, places[1]), (right, places[2])] {
                    if dimension(ty) != PLAIN {
                        self.operand(word, "plain numbers", ty, place);
                        return None;
                    }
                }
                Some(Type::Real(PLAIN))
            }
            _ if of_left != of_right => {
                self.mixed(word, (left, right), places);
                None
            }
            BinaryOp::Add | BinaryOp::Subtract => Some(if whole { Type::Int } else { Type::Real(of_left) }),
            _ => Some(Type::Bool),
        }
    }

    /// Reports operands that do not fit each other, and names both.
    fn mixed(&mut self, word: &str, (left, right): (&Type, &Type), places: [Location; 3]) {
        let (is_left, is_right) = (describe(left), describe(right));
        let act = match word {
            "+" => format!("{is_left} and {is_right} can't be added"),
            "-" => format!("{is_right} can't be subtracted from {is_left}"),
            _ => format!("{is_left} and {is_right} can't be compared"),
        };
        self.push(
            Diagnostic::error(codes::MIXED_OPERANDS, act)
                .label(places[0], format!("both sides of `{word}` must be of one kind"))
                .label(places[1], format!("this is {is_left}"))
                .label(places[2], format!("this is {is_right}")),
        );
    }

    /// Whether a name is that of a function.
    pub(super) fn is_function(name: &str) -> bool {
        function(name).is_some() || EDGE_FUNCTIONS.contains(&name)
    }

    /// `degree(i)` or `link_cost(i, j)` of an edge rule; the name is one of the two.
    fn edge_function(&mut self, name: &Name, args: &[Arg], scope: &Scope, location: Location) -> Option<Typed> {
        let place = |wanted: Variable| scope.variables.iter().find(|(_, known)| *known == wanted);
        let (Some((first, _)), Some((second, _))) = (place(Variable::I), place(Variable::J)) else {
            let found = format!("`{}` is only known where two nodes may be joined", name.text);
            self.push(
                Diagnostic::error(codes::WRONG_OPERAND, found)
                    .label(location, "no nodes here")
                    .note("`degree(i)` and `link_cost(i, j)` are about the ends of an `edge(i, j)`"),
            );
            return None;
        };
        let end = |arg: &Arg| match (&arg.name, &arg.value.kind) {
            (None, tree::ExprKind::Path(path)) => match path.segments.as_slice() {
                [word] if word.text == *first => Some(Variable::I),
                [word] if word.text == *second => Some(Variable::J),
                _ => None,
            },
            _ => None,
        };
        let ends: Vec<Option<Variable>> = args.iter().map(end).collect();
        let (ty, variable) = match (name.text.as_str(), ends.as_slice()) {
            ("degree", [Some(Variable::I)]) => (Type::Int, Variable::DegreeI),
            ("degree", [Some(Variable::J)]) => (Type::Int, Variable::DegreeJ),
            ("link_cost", [Some(Variable::I), Some(Variable::J)] | [Some(Variable::J), Some(Variable::I)]) => {
                self.dealt(scope, location)?;
                (Type::Real(units::TIME), Variable::LinkCost)
            }
            (word, _) => {
                let form =
                    if word == "degree" { format!("degree({first})") } else { format!("link_cost({first}, {second})") };
                let message = format!(
                    "`{word}` takes {}",
                    if word == "degree" { "one end of the edge" } else { "both ends of the edge" }
                );
                let found = Diagnostic::error(codes::WRONG_OPERAND, message);
                self.push(found.label(location, format!("expected `{form}`")).suggest(location, form, "write it so"));
                return None;
            }
        };
        Some(Typed { ty, expr: Expr { kind: ExprKind::Variable(variable), location } })
    }

    /// Whether there is exactly one fleet among the parameters, which is the one that nodes are dealt to; reports otherwise.
    fn dealt(&mut self, scope: &Scope, location: Location) -> Option<()> {
        let fleets = scope.params.iter().filter(|(_, ty)| *ty == Some(Type::Fleet)).count();
        if fleets == 1 {
            return Some(());
        }
        let message = format!("`link_cost` needs one parameter of the type `fleet`, there are {fleets}");
        self.push(
            Diagnostic::error(codes::WRONG_OPERAND, message)
                .label(location, "of which fleet is not known")
                .note("node i is dealt to device i of that fleet, counted round and round"),
        );
        None
    }

    /// A call of a function of numbers; the name is one.
    pub(super) fn function(&mut self, name: &Name, args: &[Arg], scope: &Scope, location: Location) -> Option<Typed> {
        if EDGE_FUNCTIONS.contains(&name.text.as_str()) {
            return self.edge_function(name, args, scope, location);
        }
        let (function, count, gives) = function(&name.text)?;
        let values: Vec<Option<Typed>> = args.iter().map(|arg| self.value(&arg.value, scope)).collect();
        if let Some(label) = args.iter().find_map(|arg| arg.name.as_ref()) {
            self.push(
                Diagnostic::error(
                    codes::UNKNOWN_PARAMETER,
                    format!("`{}` takes its operands without names", name.text),
                )
                .label(scope.at(label.span), "not a parameter"),
            );
            return None;
        }
        if args.len() != count {
            let plural = if count == 1 { "" } else { "s" };
            let message = format!("`{}` takes {count} operand{plural}, found {}", name.text, args.len());
            let code = if args.len() < count { codes::MISSING_ARGUMENT } else { codes::TOO_MANY_ARGUMENTS };
            let surplus = args.get(count).map_or(location, |arg| scope.at(arg.value.span));
            let label = if args.len() < count { "too few operands" } else { "one operand too many" };
            self.push(Diagnostic::error(code, message).label(surplus, label));
            return None;
        }
        let values: Vec<Typed> = values.into_iter().collect::<Option<_>>()?;
        if function == Function::Ring && !scope.variables.iter().any(|(_, known)| *known == Variable::I) {
            self.push(
                Diagnostic::error(codes::WRONG_OPERAND, "`ring` is only known where two nodes may be joined")
                    .label(location, "no nodes here")
                    .note("`ring(i, j)` is the distance of two nodes on a ring of all nodes, for an `edge(i, j)`"),
            );
            return None;
        }
        let ty = self.function_type(&name.text, gives, &values, location)?;
        let kind = ExprKind::Call(function, values.into_iter().map(|typed| typed.expr).collect());
        Some(Typed { ty, expr: Expr { kind, location } })
    }

    fn function_type(&mut self, name: &str, gives: Gives, values: &[Typed], location: Location) -> Option<Type> {
        for typed in values {
            let (fits, needed) = match gives {
                Gives::Real | Gives::Whole => (is_number(&typed.ty) && dimension(&typed.ty) == PLAIN, "a plain number"),
                Gives::Same => (is_number(&typed.ty), "numbers"),
                Gives::Ring => (typed.ty == Type::Int, "whole numbers"),
            };
            if !fits {
                self.operand(name, needed, &typed.ty, typed.expr.location);
                return None;
            }
        }
        match (gives, values) {
            (Gives::Real, _) => Some(Type::Real(PLAIN)),
            (Gives::Whole | Gives::Ring, _) => Some(Type::Int),
            (Gives::Same, [first, second]) if dimension(&first.ty) != dimension(&second.ty) => {
                let places = [location, first.expr.location, second.expr.location];
                self.mixed(name, (&first.ty, &second.ty), places);
                None
            }
            (Gives::Same, _) if values.iter().all(|typed| typed.ty == Type::Int) => Some(Type::Int),
            (Gives::Same, _) => Some(Type::Real(values.first().map_or(PLAIN, |typed| dimension(&typed.ty)))),
        }
    }

    /// Reports a call of something that is neither a function nor a declaration.
    pub(super) fn unknown_function(&mut self, name: &Name, scope: &Scope) {
        let here = scope.at(name.span);
        let names = super::signature::FUNCTIONS;
        let foreign = FOREIGN.iter().find(|(foreign, _)| *foreign == name.text).map(|(_, meant)| *meant);
        let meant = foreign.or_else(|| nearest::nearest(&name.text, names));
        match meant {
            Some(meant) => self.push(
                Diagnostic::error(codes::UNKNOWN_FUNCTION, format!("there is no function `{}`", name.text))
                    .label(here, "not a function")
                    .note(format!("functions are {}", crate::resolve::listed(names)))
                    .suggest(here, meant, "did you mean this"),
            ),
            None => self.unknown(name, scope, &names),
        }
    }
}
