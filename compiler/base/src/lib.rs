//! What every station of the compiler stands on: source files and spans, diagnostics and their codes, and seeds split into
//! named streams with value-stable sampling.
//!
//! This crate knows no syntax, no graph and no device. It performs no input or output: texts come in as strings and
//! diagnostics go out as strings or JSON.

pub mod diagnostic;
pub mod id;
pub mod random;
pub mod render;
pub mod source;

pub use diagnostic::{Code, Diagnostic, Diagnostics, Label, Severity, Suggestion};
pub use random::{Rng, Seed};
pub use source::{FileId, Location, Sources};
