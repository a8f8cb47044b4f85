//! From a device's share to something that runs: tensor graph × weights × [`Share`] → [`Executable`].
//!
//! [`compile`] checks the three against each other ([`check`]) and hands them to the backend that the share names:
//! [`jit`] generates kernels for the CPU it runs on, [`reference`](mod@reference) is plain loops and the oracle of every other backend.
//! Tensors at the border of a share (the image, what is received or sent, the answer) have the bytes of
//! [`cnasc_bundle::layout`]; what lies between is the backend's own affair.

pub mod check;
pub mod jit;
pub mod memory;
pub mod micro;
pub mod reference;
pub mod tuning;

#[cfg(test)]
mod tests;

use cnasc_bundle::Share;
use cnasc_ir::fleet::Backend;
use cnasc_ir::tensor::TensorGraphError;
use cnasc_ir::{TensorGraph, TensorId, Weights};

/// A compiled share with the memory that it works in.
///
/// One inference is: write the image (where the share takes it), then go through the share's actions in order, writing a tensor at
/// its receive, calling [`run`](Self::run) at a compute, reading a tensor at its send; at the end read the answer.
/// Memory is reused within an inference, so the image and received tensors must be written anew for each one, with zeros
/// in the padded lanes.
pub trait Executable: Send {
    /// Executes the compute action at index `action` of the share's actions; receives and sends are nothing to do.
    ///
    /// # Panics
    /// Where the share has no such action.
    fn run(&mut self, action: usize);

    /// The blocked values of a tensor at the border of the share, good from when it is made until its last use.
    ///
    /// # Panics
    /// Where the tensor is neither the image that the share takes, nor received, nor sent, nor the answer that it gives.
    fn tensor(&self, id: TensorId) -> &[f32];

    /// The same, to write the image or what was received.
    ///
    /// # Panics
    /// As [`tensor`](Self::tensor).
    fn tensor_mut(&mut self, id: TensorId) -> &mut [f32];

    /// What it takes up.
    fn memory(&self) -> Memory;

    /// Executes the action on this thread alone and says what each call of a kernel took; empty where the backend makes no such calls.
    ///
    /// # Panics
    /// Where the share has no such action.
    fn profile(&mut self, action: usize) -> Vec<Spent> {
        self.run(action);
        Vec::new()
    }
}

/// What one call of a kernel took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spent {
    /// The step whose result it made.
    pub step: TensorId,
    /// Its kind.
    pub kernel: &'static str,
    /// How long.
    pub seconds: f64,
}

/// Bytes that an [`Executable`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Tensors.
    pub arena: u64,
    /// Weights as the kernels read them, tables included.
    pub weights: u64,
    /// Machine code.
    pub code: u64,
}

/// Why a share can't be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The graph breaks its own rules.
    #[error("the tensor graph is wrong: {0}")]
    Graph(#[from] TensorGraphError),
    /// The weights are of another graph.
    #[error("the weights do not fit the tensor graph: {0}")]
    Weights(String),
    /// The share asks for what the graph or the share itself doesn't give.
    #[error("the share is wrong at action {action}: {problem}")]
    Share {
        /// Index of the action; the number of actions for a fault of the whole.
        action: usize,
        /// What is wrong.
        problem: String,
    },
    /// The backend has no kernel for this.
    #[error("step {step}: {problem}")]
    Unsupported {
        /// The step's index.
        step: usize,
        /// What is missing, and what to do.
        problem: String,
    },
    /// The tensors or weights don't fit in memory.
    #[error("{what} would take {bytes} bytes, which can't be had")]
    Memory {
        /// What for.
        what: &'static str,
        /// How much.
        bytes: u64,
    },
    /// The backend is a cargo feature that this program was built without.
    #[error("this program was built without the cargo feature `{feature}`")]
    Absent {
        /// The feature.
        feature: &'static str,
    },
    /// The code generator can't serve this machine, or refused its input.
    #[error("code generation failed: {0}")]
    Code(String),
}

/// Compiles what `share` computes of `graph`, for the backend that the share names, which is one of this crate's.
///
/// # Errors
/// Where the backend is another crate's, the parts don't fit each other, or the backend can't do it; nothing that they contain makes this panic.
pub fn compile(graph: &TensorGraph, weights: &Weights, share: &Share) -> Result<Box<dyn Executable>, CompileError> {
    Ok(match share.backend {
        Backend::Jit => Box::new(jit::compile(graph, weights, share)?),
        Backend::Reference => Box::new(reference::compile(graph, weights, share)?),
        Backend::Burn => return Err(CompileError::Absent { feature: "burn" }),
    })
}
