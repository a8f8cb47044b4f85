//! A kernel: what is fixed when code is generated (operator, views, window), apart from addresses and weights.
//!
//! Calls with equal kernels share one function. Each function takes its inputs, its output, its weights and its table,
//! all as pointers; [`Kernel::emit`] writes the body, [`Kernel::table`] the 32-bit numbers that the body walks along.

use super::conv::Conv;
use super::copy::{Clear, Copy};
use super::depthwise::Depthwise;
use super::emit::Emitter;
use super::pool::Pool;
use super::sum::Sum;
use cranelift_codegen::ir::Value;

/// One function to generate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kernel {
    /// Dense and grouped convolutions, pointwise ones, linear layers.
    Conv(Conv),
    /// One filter a channel.
    Depthwise(Depthwise),
    /// Greatest value or mean of windows, or of the whole image.
    Pool(Pool),
    /// Sums, means, activations alone.
    Sum(Sum),
    /// Concatenation, and giving a tensor a border.
    Copy(Copy),
    /// Zeros in a border.
    Clear(Clear),
}

/// The pointers that a kernel's function is called with.
pub struct Arguments {
    pub inputs: Vec<Value>,
    pub output: Value,
    pub weights: Value,
    pub table: Value,
}

impl Kernel {
    /// Number of tensors that it reads.
    pub fn inputs(&self) -> usize {
        match self {
            Self::Sum(sum) => sum.inputs.len(),
            Self::Clear(_) => 0,
            _ => 1,
        }
    }

    /// The table that its function walks along; empty where it needs none.
    pub fn table(&self) -> Vec<u32> {
        match self {
            Self::Conv(conv) => conv.table(),
            Self::Pool(pool) => pool.table(),
            _ => Vec::new(),
        }
    }

    /// Writes the body.
    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        match self {
            Self::Conv(conv) => conv.emit(emit, arguments),
            Self::Depthwise(depthwise) => depthwise.emit(emit, arguments),
            Self::Pool(pool) => pool.emit(emit, arguments),
            Self::Sum(sum) => sum.emit(emit, arguments),
            Self::Copy(copy) => copy.emit(emit, arguments),
            Self::Clear(clear) => clear.emit(emit, arguments),
        }
    }

    /// For the name of the function in a profile.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conv(_) => "conv",
            Self::Depthwise(_) => "depthwise",
            Self::Pool(_) => "pool",
            Self::Sum(_) => "sum",
            Self::Copy(_) => "copy",
            Self::Clear(_) => "clear",
        }
    }
}
