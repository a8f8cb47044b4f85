//! Architecture → tensor graph → folded tensor graph with its weights, and pictures of architectures.
//!
//! [`lower`] writes each node as a row of single operators, [`random_weights`] gives every parameter a seeded value, and
//! [`fold`] computes everything that can be computed before an image arrives. What is left after it is what kernels execute.
//! [`split()`] puts several nodes in the place of one, each computing a part of it.
//! This crate never chooses a device: a step keeps the node that it belongs to, so that a placement made on the architecture
//! fits the graph before and after folding.

mod fold;
mod init;
mod lower;
mod split;

pub mod export;

pub use fold::{PASSES, Pass, fold, fold_in_place};
pub use init::random_weights;
pub use lower::lower;
pub use split::{cut_weights, split};
