//! Types in words, by name, and how one fits another.

use crate::units::{self, PLAIN};
use cnasc_ir::program::Type;

/// The type of this name in the language.
pub(crate) fn named(name: &str) -> Option<Type> {
    Some(match name {
        "int" => Type::Int,
        "real" => Type::Real(PLAIN),
        "bool" => Type::Bool,
        "text" => Type::Text,
        "generator" => Type::Generator,
        "block" => Type::Block,
        "staging" => Type::Staging,
        "network" => Type::Network,
        "fleet" => Type::Fleet,
        _ => Type::Real(units::QUANTITIES.iter().find(|quantity| quantity.0 == name)?.1),
    })
}

/// The names of the types that parameters may have.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let plain = ["int", "real", "bool", "text", "generator", "block", "staging", "network", "fleet"];
    plain.into_iter().chain(units::QUANTITIES.iter().map(|quantity| quantity.0))
}

/// A type in words: "a whole number".
pub(crate) fn describe(ty: &Type) -> String {
    match ty {
        Type::Int => "a whole number".to_owned(),
        Type::Real(dimension) if *dimension == PLAIN => "a real number".to_owned(),
        Type::Real(dimension) => units::describe(*dimension),
        Type::Bool => "a truth value".to_owned(),
        Type::Text => "a text".to_owned(),
        Type::Generator => "a generator".to_owned(),
        Type::Block => "a block".to_owned(),
        Type::Staging => "a staging".to_owned(),
        Type::Network => "a network".to_owned(),
        Type::Fleet => "a fleet".to_owned(),
        Type::List(element) => format!("a list, each element {}", describe(element)),
    }
}

/// Whether it is a number of any dimension.
pub(crate) fn is_number(ty: &Type) -> bool {
    matches!(ty, Type::Int | Type::Real(_))
}

/// Whether a value of `found` may stand where `wanted` is needed: whole numbers widen to real ones.
pub(crate) fn fits(found: &Type, wanted: &Type) -> bool {
    found == wanted || (*found == Type::Int && *wanted == Type::Real(PLAIN))
}
