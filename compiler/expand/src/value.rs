//! What expressions become, and their source text.

use cnasc_ir::Program;
use cnasc_ir::program::{Declared, Param, Type};
use std::fmt::Write as _;
use std::sync::LazyLock;

/// A value; numbers with a unit are held in base units.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// A finite real number.
    Real(f64),
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// A declaration with its arguments.
    Made(Closure),
}

/// A declaration with one value for each of its parameters, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Closure {
    /// Which.
    pub of: Declared,
    /// With what.
    pub args: Vec<Value>,
}

impl Value {
    /// As source text: `local(n: 16, reach: 4.1)`. Reals are written in the fewest digits that read back as the same number.
    #[must_use]
    pub fn text(&self, program: &Program) -> String {
        let mut text = String::new();
        write_value(&mut text, self, program);
        text
    }

    /// What it is, for messages: "a whole number".
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "a whole number",
            Self::Real(_) => "a real number",
            Self::Bool(_) => "a truth value",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Made(closure) => kind_of(closure.of),
        }
    }
}

impl Closure {
    /// The network that a choice of whole networks has become; itself where it is no such choice.
    #[must_use]
    pub(crate) fn chosen(self) -> Self {
        match (self.of, <[Value; 1]>::try_from(self.args)) {
            (Declared::AnyNetwork, Ok([Value::Made(network)])) => network.chosen(),
            (of, Ok(args)) => Self { of, args: args.into() },
            (of, Err(args)) => Self { of, args },
        }
    }

    /// As source text; a declaration without parameters is its name alone.
    #[must_use]
    pub fn text(&self, program: &Program) -> String {
        let mut text = String::new();
        write_closure(&mut text, self, program);
        text
    }
}

/// What a declaration is, for messages.
pub(crate) fn kind_of(declared: Declared) -> &'static str {
    match declared {
        Declared::Generator(_) => "a generator",
        Declared::Block(_) => "a block",
        Declared::Staging(_) => "a staging",
        Declared::Network(_) | Declared::AnyNetwork => "a network",
        Declared::Fleet(_) => "a fleet",
    }
}

/// The one parameter of [`Declared::AnyNetwork`], whose name begins those of its search variables.
static ANY_NETWORK: LazyLock<[Param; 1]> =
    LazyLock::new(|| [Param { name: "network".to_owned(), ty: Type::Network, default: None }]);

/// The name and the parameters of a declaration; empty where the program does not have it.
pub(crate) fn signature(program: &Program, declared: Declared) -> (&str, &[Param]) {
    let found = match declared {
        Declared::Generator(id) => {
            program.generators.get(id.index()).map(|it| (it.name.as_str(), it.params.as_slice()))
        }
        Declared::Block(id) => program.blocks.get(id.index()).map(|it| (it.name.as_str(), it.params.as_slice())),
        Declared::Staging(id) => program.stagings.get(id.index()).map(|it| (it.name.as_str(), it.params.as_slice())),
        Declared::Network(id) => program.networks.get(id.index()).map(|it| (it.name.as_str(), it.params.as_slice())),
        Declared::Fleet(id) => program.fleets.get(id.index()).map(|it| (it.name.as_str(), [].as_slice())),
        Declared::AnyNetwork => Some(("network", ANY_NETWORK.as_slice())),
    };
    found.unwrap_or(("?", &[]))
}

/// A real number as source text.
pub(crate) fn real_text(value: f64) -> String {
    // `Debug` is the shortest text that reads back as the same number, and always shows that it is a real.
    format!("{value:?}")
}

fn write_value(out: &mut String, value: &Value, program: &Program) {
    match value {
        Value::Int(value) => write!(out, "{value}").expect("a string takes everything"),
        Value::Real(value) => out.push_str(&real_text(*value)),
        Value::Bool(value) => write!(out, "{value}").expect("a string takes everything"),
        Value::Text(text) => write_quoted(out, text),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write_value(out, item, program);
            }
            out.push(']');
        }
        Value::Made(closure) => write_closure(out, closure, program),
    }
}

fn write_closure(out: &mut String, closure: &Closure, program: &Program) {
    let (name, params) = signature(program, closure.of);
    out.push_str(name);
    if closure.args.is_empty() {
        return;
    }
    out.push('(');
    for (index, arg) in closure.args.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { ", " });
        if let Some(param) = params.get(index) {
            write!(out, "{}: ", param.name).expect("a string takes everything");
        }
        write_value(out, arg, program);
    }
    out.push(')');
}

fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
    out.push('"');
}
