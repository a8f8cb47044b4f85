//! Local response normalisation: each value times (bias + alpha/size · Σ x²) to the power −beta, the sum over channels around it.
//!
//! The squares of a pixel are laid out in a row of their own with zeros on both sides, so that sums over neighbours are vectors of that row
//! at any place, whatever block a channel is in.

use super::activation::Bits;
use super::emit::{Emitter, QUADS, VECTOR};
use super::kernel::Arguments;
use super::view::View;
use cranelift_codegen::ir::Value;

/// Sums of up to so many are written out.
const UNROLLED: u64 = 16;

/// What the code depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lrn {
    pub input: View,
    /// May be the input's buffer.
    pub output: View,
    pub size: u32,
    pub alpha: Bits,
    pub beta: Bits,
    pub bias: Bits,
}

impl Lrn {
    /// Channels of a sum before its own and behind it, as far as there can be any.
    fn sides(&self) -> (u64, u64) {
        let others = u64::from(self.output.shape.channels) - 1;
        (u64::from((self.size - 1) / 2).min(others), u64::from(self.size / 2).min(others))
    }

    /// Floats before the squares in their row, whole vectors.
    fn before(&self) -> u64 {
        self.sides().0.next_multiple_of(VECTOR)
    }

    fn squares(&self) -> u64 {
        self.output.blocks() * View::PIXEL
    }

    /// Floats of memory beside the tensors, whole vectors.
    pub fn scratch(&self) -> u64 {
        self.before() + self.squares() + self.sides().1.next_multiple_of(VECTOR)
    }

    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        let row = arguments.scratch;
        let squares = emit.offset(row, self.before());
        let behind = emit.offset(squares, self.squares());
        let zeros = [(row, self.before()), (behind, self.scratch() - self.before() - self.squares())];
        for (start, floats) in zeros {
            emit.each(floats / VECTOR, &[(start, VECTOR)], |emit, at| {
                let zero = emit.splat(0.0);
                emit.store(zero, at[0], 0);
            });
        }
        let first = emit.offset(row, self.before() - self.sides().0);
        let input = emit.offset(arguments.inputs[0], self.input.origin());
        let output = emit.offset(arguments.output, self.output.origin());
        let rows = [(input, self.input.row_pitch()), (output, self.output.row_pitch())];
        emit.each(self.output.height(), &rows, |emit, row| {
            let pixels = [(row[0], View::PIXEL), (row[1], View::PIXEL)];
            emit.each(self.output.width(), &pixels, |emit, pixel| {
                self.square(emit, pixel[0], squares);
                self.normalise(emit, pixel[0], pixel[1], first);
            });
        });
    }

    fn square(&self, emit: &mut Emitter<'_>, input: Value, squares: Value) {
        let blocks = [(input, self.input.block_pitch()), (squares, View::PIXEL)];
        emit.each(self.input.blocks(), &blocks, |emit, block| {
            for quad in 0..QUADS {
                let value = emit.load(block[0], quad * VECTOR);
                let square = emit.multiply(value, value);
                emit.store(square, block[1], quad * VECTOR);
            }
        });
    }

    /// `first` is where the sum of the first channel begins.
    fn normalise(&self, emit: &mut Emitter<'_>, input: Value, output: Value, first: Value) {
        let blocks = [(input, self.input.block_pitch()), (output, self.output.block_pitch()), (first, View::PIXEL)];
        emit.each(self.input.blocks(), &blocks, |emit, block| {
            let quads = [0, 1, 2].map(|index| (block[index], VECTOR));
            emit.each(QUADS, &quads, |emit, quad| {
                let sum = self.sum(emit, quad[2]);
                let factor = emit.splat(self.alpha.number() / self.size as f32);
                let bias = emit.splat(self.bias.number());
                let base = emit.multiply_add(sum, factor, bias);
                let logarithm = emit.logarithm(base);
                let minus = emit.splat(-self.beta.number());
                let exponent = emit.multiply(logarithm, minus);
                let power = emit.exponential(exponent);
                let value = emit.load(quad[0], 0);
                let value = emit.multiply(value, power);
                emit.store(value, quad[1], 0);
            });
        });
    }

    fn sum(&self, emit: &mut Emitter<'_>, first: Value) -> Value {
        let count = self.sides().0 + 1 + self.sides().1;
        let zero = emit.splat(0.0);
        if count > UNROLLED {
            return emit.repeat(count, &[(first, 1)], &[zero], |emit, at, sum| {
                let value = emit.load_anywhere(at[0], 0);
                vec![emit.add(sum[0], value)]
            })[0];
        }
        (0..count).fold(zero, |sum, place| {
            let value = emit.load_anywhere(first, place);
            emit.add(sum, value)
        })
    }
}
