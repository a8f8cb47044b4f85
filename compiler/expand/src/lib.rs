//! Typed program × seed → architecture: search variables take values, graphs are drawn, nodes are staged, shapes are met.
//!
//! Reading order: [`value`] (what an expression becomes), [`mod@evaluate`], [`space`] (which arguments are still open, and
//! drawing them), [`generate`] (random graphs and their direction), then [`expand()`] with its parts: operators, staging and joins.
//! Beside the way of the data lie [`testing`], which runs `test` declarations, and [`audit`], which holds graphs against the theory
//! of their family.
//!
//! Pure: the result depends on the program, the closure and the seed alone, never on the order or the ids of declarations. This
//! crate reads no file and no clock, starts no thread, and never panics on a program, however wrong: every finding is a
//! [`cnasc_base::Diagnostic`] with a code of [`codes`].

#![allow(clippy::result_large_err, reason = "findings are rare and end the work; the fast paths carry none")]

pub mod codes;

pub mod evaluate;
pub mod value;

pub mod space;

pub mod generate;

mod bodies;
mod expand;
mod join;
mod pipeline;
mod staging;

pub mod audit;
pub mod testing;

pub use evaluate::{Context, Scope, evaluate};
pub use expand::{expand, expand_edited};
pub use generate::{Dag, Measures, draw};
pub use space::{Condition, Sampled, SearchVariable, Setting, bind, sample, variables};
pub use value::{Closure, Value};
