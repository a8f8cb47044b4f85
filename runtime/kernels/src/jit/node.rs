//! A node of a random network in one pass over its rows: weighted sum, ReLU, depthwise convolution, pointwise convolution.
//!
//! The sum goes row by row into a ring of as many rows as the window is high, the depthwise convolution from there into a strip of a few rows,
//! and the pointwise one from the strip to the output. Neither the sum nor the depthwise result ever exists as a tensor; ring
//! and strip stay in the caches nearest to the core.

use super::conv::Conv;
use super::emit::Emitter;
use super::gemm::{Gemm, PASS_PIXELS};
use super::kernel::Arguments;
use super::rows::{DepthwiseRows, NO_RING, SumRows};
use super::view::View;
use crate::micro::Micro;
use cnasc_ir::Shape;
use cranelift_codegen::ir::Value;

/// What a strip may take of the cache nearest to the core.
const STRIP_BYTES: u64 = 64 << 10;

/// What the code depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// What comes first; without it the depthwise convolution reads its input as it is.
    pub sum: Option<SumRows>,
    pub depthwise: DepthwiseRows,
    /// Window and stride 1, no padding.
    pub pointwise: Gemm,
    /// Output rows, from the first to before the second.
    pub rows: (u32, u32),
    /// Floats of the packed factors and of the depthwise weights; those of the pointwise convolution follow.
    pub weights: (u64, u64),
}

/// The tables of the three parts, and where each starts.
struct Tables {
    words: Vec<u32>,
    depthwise: u64,
    strip: u64,
    rest: u64,
}

impl Node {
    /// Number of tensors that it reads.
    pub fn inputs(&self) -> usize {
        self.summed() + usize::from(self.pointwise.adds)
    }

    fn summed(&self) -> usize {
        self.sum.as_ref().map_or(1, |sum| sum.sum.inputs.len())
    }

    /// Floats of memory beside the tensors.
    pub fn scratch(&self) -> u64 {
        self.ring_len() + self.strip_view().len()
    }

    /// How the ring holds its rows: with the columns of zeros that the window reaches into.
    fn ring_view(&self) -> View {
        let Shape { channels, width, .. } = self.depthwise.depthwise.input.shape;
        View::plain(Shape::new(channels, 1, width + 2 * self.depthwise.depthwise.padding()))
    }

    fn ring_rows(&self) -> u64 {
        u64::from(self.depthwise.depthwise.kernel())
    }

    fn ring_len(&self) -> u64 {
        if self.sum.is_some() { self.ring_rows() * self.ring_view().row_pitch() } else { 0 }
    }

    /// How the strip holds its rows: in each block one behind the other, so that tiles run across them.
    fn strip_view(&self) -> View {
        let Shape { channels, width, .. } = self.depthwise.depthwise.output.shape;
        View::plain(Shape::new(channels, 1, self.strip_rows() * width))
    }

    /// From a row of the strip to the next.
    fn strip_pitch(&self) -> u64 {
        self.depthwise.depthwise.output.width() * View::PIXEL
    }

    fn strip_rows(&self) -> u32 {
        let rows = self.rows.1 - self.rows.0;
        let output = &self.depthwise.depthwise.output;
        // Of many channels a few rows fill that part of the cache, but weights of as many channels are larger still, and are read for each strip.
        let least = PASS_PIXELS.div_ceil(output.width().max(1));
        let most = (self.pointwise.passes.of(STRIP_BYTES) / (4 * output.row_pitch()).max(1))
            .max(least)
            .clamp(1, u64::from(rows));
        // Even strips: a last one of a single row would be a poor tile.
        rows.div_ceil(rows.div_ceil(most as u32))
    }

    /// The pointwise convolution of the first so many rows of the strip.
    fn pointwise_of(&self, rows: u32) -> Gemm {
        let conv = Conv { input: self.strip_view(), ..self.pointwise.conv.clone() };
        Gemm { conv, rows: (0, rows), row_pitch: Some(self.strip_pitch()), ..self.pointwise.clone() }
    }

    pub fn table(&self) -> Vec<u32> {
        self.tables().words
    }

    fn tables(&self) -> Tables {
        let depthwise = &self.depthwise.depthwise;
        let mut words = Vec::new();
        let (ring, input) = match &self.sum {
            Some(sum) => {
                let start = i64::from(self.rows.0 * depthwise.stride()) - i64::from(depthwise.padding());
                let start = i32::try_from(start).expect("rows are far below 2^31");
                words = sum.table_of(start, self.ring_rows(), &self.ring_view(), depthwise.input.shape.width);
                (self.ring_rows(), self.ring_view())
            }
            None => (NO_RING, depthwise.input),
        };
        let start = words.len() as u64;
        words.extend(self.depthwise.table_of(ring, &input, self.strip_view().block_pitch()));
        let strip = words.len() as u64;
        words.extend(self.pointwise_of(self.strip_rows()).table());
        let rest = words.len() as u64;
        words.extend(self.pointwise_of((self.rows.1 - self.rows.0) % self.strip_rows()).table());
        Tables { words, depthwise: start, strip, rest }
    }

    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        let tables = self.tables();
        let depthwise = &self.depthwise.depthwise;
        let strip = emit.offset(arguments.scratch, self.ring_len());
        let inputs = emit.array(&arguments.inputs[..self.summed()]);
        if self.sum.is_some() {
            self.clear_sides(emit, arguments.scratch);
        }
        let mut walk = Walk {
            node: self,
            arguments,
            inputs,
            input: emit.offset(arguments.inputs[0], depthwise.input.corner(&depthwise.window)),
            depthwise: emit.offset(arguments.table, tables.depthwise),
            strip,
            pointwise: emit.offset(arguments.table, tables.strip),
        };
        // Rows of the sum that the first window shares with no later one come ahead of the loop.
        let (ahead, stride) = (u64::from(depthwise.kernel() - depthwise.stride()), u64::from(depthwise.stride()));
        let zero = emit.count(0);
        emit.repeat(if self.sum.is_some() { ahead } else { 0 }, &[], &[zero], |emit, _, row| {
            walk.sum(emit, row[0]);
            vec![emit.add_count(row[0], 1)]
        });
        let rows = u64::from(self.rows.1 - self.rows.0);
        let of_strip = u64::from(self.strip_rows());
        // The sum's rows are numbered from the part's first window on; a whole input's from the image's.
        let first = emit.count(if self.sum.is_some() { 0 } else { u64::from(self.rows.0) * stride });
        let pitch = self.pointwise.conv.output.row_pitch();
        let start = u64::from(self.rows.0) * pitch;
        let output = emit.offset(arguments.output, start);
        let other = emit.offset(arguments.inputs[arguments.inputs.len() - 1], start);
        let moving = [(output, of_strip * pitch), (other, of_strip * pitch)];
        let first = emit.repeat(rows / of_strip, &moving, &[first], |emit, to, first| {
            vec![walk.strip(emit, first[0], of_strip, [to[0], to[1]])]
        });
        if !rows.is_multiple_of(of_strip) {
            let done = rows / of_strip * of_strip * pitch;
            let to = [output, other].map(|pointer| emit.offset(pointer, done));
            walk.pointwise = emit.offset(arguments.table, tables.rest);
            walk.strip(emit, first[0], rows % of_strip, to);
        }
    }

    /// Zeros in the ring's first and last columns, which the sum leaves alone.
    fn clear_sides(&self, emit: &mut Emitter<'_>, ring: Value) {
        let view = self.ring_view();
        let side = u64::from(self.depthwise.depthwise.padding());
        emit.each(self.ring_rows() * view.blocks(), &[(ring, view.block_pitch())], |emit, block| {
            let right = emit.offset(block[0], view.block_pitch() - side * View::PIXEL);
            for pixel in 0..side {
                for start in [block[0], right] {
                    emit.clear_pixel(start, pixel * View::PIXEL);
                }
            }
        });
    }
}

/// The values that the loops share.
struct Walk<'a> {
    node: &'a Node,
    arguments: &'a Arguments,
    /// The array of the summed inputs.
    inputs: Value,
    /// The input where there is no sum.
    input: Value,
    /// Tables.
    depthwise: Value,
    pointwise: Value,
    strip: Value,
}

impl Walk<'_> {
    fn sum(&self, emit: &mut Emitter<'_>, row: Value) {
        let side = u64::from(self.node.depthwise.depthwise.padding()) * View::PIXEL;
        let ring = emit.offset(self.arguments.scratch, side);
        if let Some(sum) = &self.node.sum {
            sum.row(emit, self.arguments.table, (self.inputs, ring), row, self.arguments.weights);
        }
    }

    /// A strip of `rows` rows whose first window starts at row `first`. Returns where the next one's does.
    fn strip(&self, emit: &mut Emitter<'_>, first: Value, rows: u64, [output, other]: [Value; 2]) -> Value {
        let depthwise = &self.node.depthwise.depthwise;
        let (kernel, stride) = (u64::from(depthwise.kernel()), u64::from(depthwise.stride()));
        let (input, weights) = match self.node.sum {
            Some(_) => (self.arguments.scratch, emit.offset(self.arguments.weights, self.node.weights.0)),
            None => (self.input, self.arguments.weights),
        };
        let moving = [(self.strip, self.node.strip_pitch())];
        let next = emit.repeat(rows, &moving, &[first], |emit, to, first| {
            for new in kernel - stride..kernel {
                let row = emit.add_count(first[0], new);
                self.sum(emit, row);
            }
            emit.call(Micro::Depthwise, &[self.depthwise, input, first[0], to[0], weights]);
            vec![emit.add_count(first[0], stride)]
        });
        let weights = emit.offset(self.arguments.weights, self.node.weights.0 + self.node.weights.1);
        let count = u32::try_from(rows).expect("a strip has few rows");
        self.node.pointwise_of(count).call(emit, self.pointwise, [self.strip, output, other], weights);
        next[0]
    }
}
