//! A kernel: what is fixed when code is generated (operator, views, window), apart from addresses and weights.
//!
//! Calls with equal kernels share one function. Each function takes its inputs, its output, its weights and its table,
//! all as pointers; [`Kernel::emit`] writes the body, [`Kernel::table`] the 32-bit numbers that the body walks along.

use super::arithmetic::Binary;
use super::constants::Piece;
use super::conv::Conv;
use super::copy::{Clear, Copy};
use super::depthwise::Depthwise;
use super::emit::Emitter;
use super::gather::{Fill, Gather, Reshape};
use super::gemm::Gemm;
use super::interpolate::Interpolate;
use super::lrn::Lrn;
use super::node::Node;
use super::pool::Pool;
use super::product::Product;
use super::rows::{DepthwiseRows, SumRows};
use super::softmax::Softmax;
use super::sum::Sum;
use super::view::View;
use super::winograd::Winograd;
use crate::micro::Isa;
use cnasc_ir::op::Arithmetic;
use cranelift_codegen::ir::Value;
use std::borrow::Cow;

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
    /// Two tensors element by element.
    Binary(Binary),
    /// Exponentials that sum to one.
    Softmax(Softmax),
    /// Local response normalisation.
    Lrn(Lrn),
    /// A stored tensor, copied from the weights.
    Constant(Copy),
    /// Concatenation, and giving a tensor a border.
    Copy(Copy),
    /// Zeros in a border.
    Clear(Clear),
    /// As `Conv`, by a microkernel.
    Gemm(Gemm),
    /// The same with fewer multiplications, of 3 × 3 windows.
    Winograd(Box<Winograd>),
    /// As `Depthwise`, by a microkernel.
    DepthwiseRows(DepthwiseRows),
    /// As `Sum`, by a microkernel.
    SumRows(SumRows),
    /// Sum, depthwise and pointwise convolution in one.
    Node(Box<Node>),
    /// Elements moved along the axes.
    Gather(Gather),
    /// One number everywhere.
    Fill(Fill),
    /// Other extents.
    Reshape(Reshape),
    /// Values between pixels.
    Interpolate(Interpolate),
    /// Matrices of two tensors.
    Product(Product),
}

/// The pointers that a kernel's function is called with.
pub struct Arguments {
    pub inputs: Vec<Value>,
    pub output: Value,
    pub weights: Value,
    pub table: Value,
    /// Memory of the thread that runs it.
    pub scratch: Value,
}

impl Kernel {
    /// A convolution with its packed weights, by a microkernel where there is one.
    pub fn conv<'a>(
        conv: Conv,
        isa: Option<Isa>,
        weights: Cow<'a, [f32]>,
        bias: Option<&'a [f32]>,
    ) -> (Self, Piece<'a>) {
        match isa.filter(|_| conv.groups == 1) {
            Some(isa) => {
                let gemm = Gemm::new(conv, isa);
                (Self::Gemm(gemm.clone()), Piece::Gemm { gemm, weights, bias })
            }
            None => {
                let packed = conv.pack(&weights, bias);
                (Self::Conv(conv), Piece::Words(packed))
            }
        }
    }

    /// The same with one filter a channel.
    pub fn depthwise(
        depthwise: Depthwise,
        isa: Option<Isa>,
        weights: &[f32],
        bias: Option<&[f32]>,
    ) -> (Self, Piece<'static>) {
        match isa.filter(|_| DepthwiseRows::serves(&depthwise)) {
            Some(isa) => {
                let rows = DepthwiseRows::new(depthwise, isa);
                let packed = rows.pack(weights, bias);
                (Self::DepthwiseRows(rows), Piece::Words(packed))
            }
            None => {
                let packed = depthwise.pack(weights, bias);
                (Self::Depthwise(depthwise), Piece::Words(packed))
            }
        }
    }

    /// A sum, by a microkernel where there is one.
    pub fn sum(sum: Sum, isa: Option<Isa>) -> Self {
        match isa.filter(|_| SumRows::serves(&sum)) {
            Some(isa) => Self::SumRows(SumRows::new(sum, isa)),
            None => Self::Sum(sum),
        }
    }

    /// Parts of its output, rows as a rule, where some of them can be computed alone.
    pub fn parts(&self) -> Option<u32> {
        match self {
            Self::Gemm(gemm) => Some(gemm.parts()),
            Self::Winograd(winograd) => Some(winograd.gemm.conv.output.shape.height / 2),
            Self::Copy(copy) => Some(copy.input.shape.height),
            Self::Pool(pool) => Some(pool.output.shape.height),
            Self::DepthwiseRows(rows) => Some(rows.depthwise.output.shape.height),
            Self::SumRows(rows) => Some(rows.sum.output.shape.height),
            Self::Node(node) => Some(node.pointwise.conv.output.shape.height),
            _ => None,
        }
    }

    /// Where it writes, if that may be a part of a longer tensor.
    pub fn written(&self) -> Option<&View> {
        match self {
            Self::Gemm(gemm) => Some(&gemm.conv.output),
            Self::Winograd(winograd) => Some(&winograd.gemm.conv.output),
            Self::Node(node) => Some(&node.pointwise.conv.output),
            _ => None,
        }
    }

    /// The same for these parts only, from the first to before the second; the whole where they can't be computed alone.
    pub fn part(&self, rows: (u32, u32)) -> Self {
        match self.clone() {
            Self::Gemm(gemm) => Self::Gemm(gemm.part(rows)),
            Self::Winograd(winograd) => Self::Winograd(Box::new(Winograd { rows, ..*winograd })),
            Self::Copy(copy) => Self::Copy(Copy { rows, ..copy }),
            Self::Pool(pool) => Self::Pool(Pool { part: rows, ..pool }),
            Self::DepthwiseRows(depthwise) => Self::DepthwiseRows(DepthwiseRows { rows, ..depthwise }),
            Self::SumRows(sum) => Self::SumRows(SumRows { rows, ..sum }),
            Self::Node(node) => Self::Node(Box::new(Node { rows, ..*node })),
            whole => whole,
        }
    }

    /// Floats of memory that it needs beside its tensors.
    pub fn scratch(&self) -> u64 {
        match self {
            Self::Node(node) => node.scratch(),
            Self::Winograd(winograd) => winograd.scratch(),
            Self::Lrn(lrn) => lrn.scratch(),
            _ => 0,
        }
    }

    /// Number of tensors that it reads.
    pub fn inputs(&self) -> usize {
        match self {
            Self::Sum(sum) => sum.inputs.len(),
            Self::SumRows(rows) => rows.sum.inputs.len(),
            Self::Gemm(gemm) => 1 + usize::from(gemm.adds),
            Self::Winograd(winograd) => 1 + usize::from(winograd.gemm.adds),
            Self::Node(node) => node.inputs(),
            Self::Binary(_) | Self::Product(_) => 2,
            Self::Clear(_) | Self::Fill(_) | Self::Constant(_) => 0,
            _ => 1,
        }
    }

    /// The table that its function walks along; empty where it needs none.
    pub fn table(&self) -> Vec<u32> {
        match self {
            Self::Conv(conv) => conv.table(),
            Self::Gemm(gemm) => gemm.table(),
            Self::Winograd(winograd) => winograd.table(),
            Self::DepthwiseRows(rows) => rows.table(),
            Self::SumRows(rows) => rows.table(),
            Self::Node(node) => node.table(),
            Self::Pool(pool) => pool.table(),
            Self::Gather(gather) => gather.table(),
            Self::Interpolate(interpolate) => interpolate.table(),
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
            Self::Binary(binary) => binary.emit(emit, arguments),
            Self::Softmax(softmax) => softmax.emit(emit, arguments),
            Self::Lrn(lrn) => lrn.emit(emit, arguments),
            Self::Constant(copy) => copy.emit_from(emit, arguments.weights, arguments.output),
            Self::Copy(copy) => copy.emit(emit, arguments),
            Self::Clear(clear) => clear.emit(emit, arguments),
            Self::Gemm(gemm) => gemm.emit(emit, arguments),
            Self::Winograd(winograd) => winograd.emit(emit, arguments),
            Self::DepthwiseRows(rows) => rows.emit(emit, arguments),
            Self::SumRows(rows) => rows.emit(emit, arguments),
            Self::Node(node) => node.emit(emit, arguments),
            Self::Gather(gather) => gather.emit(emit, arguments),
            Self::Fill(fill) => fill.emit(emit, arguments),
            Self::Reshape(reshape) => reshape.emit(emit, arguments),
            Self::Interpolate(interpolate) => interpolate.emit(emit, arguments),
            Self::Product(product) => product.emit(emit, arguments),
        }
    }

    /// For the name of the function in a profile.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Conv(_) => "conv",
            Self::Depthwise(_) => "depthwise",
            Self::Pool(_) => "pool",
            Self::Sum(_) => "sum",
            Self::Binary(binary) => match binary.function {
                Arithmetic::Add => "add",
                Arithmetic::Sub => "subtract",
                Arithmetic::Mul => "multiply",
                Arithmetic::Div => "divide",
            },
            Self::Softmax(_) => "softmax",
            Self::Lrn(_) => "lrn",
            Self::Constant(_) => "constant",
            Self::Copy(_) => "copy",
            Self::Clear(_) => "clear",
            Self::Gemm(_) => "gemm",
            Self::Winograd(_) => "winograd",
            Self::DepthwiseRows(_) => "depthwise_rows",
            Self::SumRows(_) => "sum_rows",
            Self::Node(_) => "node",
            Self::Gather(_) => "gather",
            Self::Fill(_) => "fill",
            Self::Reshape(_) => "reshape",
            Self::Interpolate(_) => "interpolate",
            Self::Product(_) => "product",
        }
    }
}
