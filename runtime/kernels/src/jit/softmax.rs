//! eˣ / Σ eˣ along an axis. The greatest value is taken off first, so that no exponential overflows.
//!
//! Three passes over each line of values: the greatest; exponentials and their sum, written to the output; each divided by the sum.
//! Along rows or columns four lines go side by side in a vector. Along channels a vector is a part of one line, and lanes are put
//! together at the end of a pass.

use super::emit::{Emitter, QUADS, VECTOR};
use super::kernel::Arguments;
use super::view::View;
use cnasc_ir::op::Axis;
use cranelift_codegen::ir::Value;

/// What the code depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Softmax {
    pub axis: Axis,
    pub input: View,
    /// May be the input's buffer.
    pub output: View,
}

impl Softmax {
    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        let input = emit.offset(arguments.inputs[0], self.input.origin());
        let output = emit.offset(arguments.output, self.output.origin());
        let [rows, columns] = [View::row_pitch as fn(&View) -> u64, |_: &View| View::PIXEL]
            .map(|pitch| (pitch(&self.input), pitch(&self.output)));
        let (height, width) = (self.output.height(), self.output.width());
        match self.axis {
            Axis::Channels => each_of_two(emit, height, [input, output], rows, |emit, row| {
                each_of_two(emit, width, row, columns, |emit, pixel| self.pixel(emit, pixel));
            }),
            Axis::Rows => each_of_two(emit, width, [input, output], columns, |emit, column| {
                self.lines(emit, column, height, rows);
            }),
            Axis::Columns => each_of_two(emit, height, [input, output], rows, |emit, row| {
                self.lines(emit, row, width, columns);
            }),
        }
    }

    /// All channels of lines that begin at this pixel.
    fn lines(&self, emit: &mut Emitter<'_>, start: [Value; 2], count: u64, pitches: (u64, u64)) {
        let blocks = (self.input.block_pitch(), self.output.block_pitch());
        let full = u64::from(self.output.shape.channels) / View::PIXEL;
        each_of_two(emit, full, start, blocks, |emit, block| {
            each_of_two(emit, QUADS, block, (VECTOR, VECTOR), |emit, quad| line(emit, quad, (count, pitches), VECTOR));
        });
        if full < self.output.blocks() {
            let last = [emit.offset(start[0], full * blocks.0), emit.offset(start[1], full * blocks.1)];
            for quad in 0..QUADS {
                let start = last.map(|pointer| emit.offset(pointer, quad * VECTOR));
                let lanes = (View::PIXEL - self.output.spare_lanes()).saturating_sub(quad * VECTOR);
                line(emit, start, (count, pitches), lanes.min(VECTOR));
            }
        }
    }

    /// One pixel along its channels.
    fn pixel(&self, emit: &mut Emitter<'_>, [input, output]: [Value; 2]) {
        let first = emit.load(input, 0);
        let first = emit.repeat_lanes(first, u64::from(self.output.shape.channels));
        let greatest = self.channels(emit, [input, output], first, |emit, from, _, lanes, most| {
            let value = emit.load(from, 0);
            let value = emit.repeat_lanes(value, lanes);
            emit.maximum(value, most)
        });
        let greatest = emit.across(greatest, Emitter::maximum);
        let zero = emit.splat(0.0);
        let sum = self.channels(emit, [input, output], zero, |emit, from, to, lanes, sum| {
            let value = shifted_exponential(emit, from, greatest);
            let value = emit.keep_lanes(value, lanes);
            emit.store(value, to, 0);
            emit.add(sum, value)
        });
        let sum = emit.across(sum, Emitter::add);
        let one = emit.splat(1.0);
        let factor = emit.divide(one, sum);
        self.channels(emit, [input, output], factor, |emit, _, to, _, factor| {
            scale(emit, to, factor);
            factor
        });
        let vectors = u64::from(self.output.shape.channels).div_ceil(VECTOR);
        let last = emit.offset(output, (self.output.blocks() - 1) * self.output.block_pitch());
        for vector in vectors..self.output.blocks() * QUADS {
            emit.store(zero, last, vector % QUADS * VECTOR);
        }
    }

    /// Goes through the vectors of a pixel that hold channels. `body` gets both places, the number of lanes and what it returned before.
    fn channels(
        &self,
        emit: &mut Emitter<'_>,
        [input, output]: [Value; 2],
        start: Value,
        body: impl Fn(&mut Emitter<'_>, Value, Value, u64, Value) -> Value,
    ) -> Value {
        let channels = u64::from(self.output.shape.channels);
        let full = channels / View::PIXEL;
        let blocks = [(input, self.input.block_pitch()), (output, self.output.block_pitch())];
        let carried = emit.repeat(full, &blocks, &[start], |emit, block, carried| {
            let quads = [(block[0], VECTOR), (block[1], VECTOR)];
            emit.repeat(QUADS, &quads, carried, |emit, quad, carried| {
                vec![body(emit, quad[0], quad[1], VECTOR, carried[0])]
            })
        });
        let mut carried = carried[0];
        let last = blocks.map(|(pointer, pitch)| emit.offset(pointer, full * pitch));
        for start in (0..channels % View::PIXEL).step_by(VECTOR as usize) {
            let [from, to] = last.map(|pointer| emit.offset(pointer, start));
            carried = body(emit, from, to, (channels % View::PIXEL - start).min(VECTOR), carried);
        }
        carried
    }
}

/// Goes along both tensors.
fn each_of_two(
    emit: &mut Emitter<'_>,
    count: u64,
    [input, output]: [Value; 2],
    pitches: (u64, u64),
    mut body: impl FnMut(&mut Emitter<'_>, [Value; 2]),
) {
    emit.each(count, &[(input, pitches.0), (output, pitches.1)], |emit, at| body(emit, [at[0], at[1]]));
}

/// A line of vectors whose lanes are on their own; so many lanes are channels.
fn line(emit: &mut Emitter<'_>, [input, output]: [Value; 2], (count, pitches): (u64, (u64, u64)), lanes: u64) {
    let first = emit.load(input, 0);
    let moving = [(input, pitches.0), (output, pitches.1)];
    let greatest = emit.repeat(count, &moving, &[first], |emit, at, most| {
        let value = emit.load(at[0], 0);
        vec![emit.maximum(value, most[0])]
    })[0];
    let zero = emit.splat(0.0);
    let sum = emit.repeat(count, &moving, &[zero], |emit, at, sum| {
        let value = shifted_exponential(emit, at[0], greatest);
        emit.store(value, at[1], 0);
        vec![emit.add(sum[0], value)]
    })[0];
    let one = emit.splat(1.0);
    let factor = emit.divide(one, sum);
    // Nothing is left of lanes that are no channels.
    let factor = emit.keep_lanes(factor, lanes);
    emit.each(count, &moving[1..], |emit, at| scale(emit, at[0], factor));
}

fn shifted_exponential(emit: &mut Emitter<'_>, from: Value, greatest: Value) -> Value {
    let value = emit.load(from, 0);
    let value = emit.take(value, greatest);
    emit.exponential(value)
}

fn scale(emit: &mut Emitter<'_>, at: Value, factor: Value) {
    let value = emit.load(at, 0);
    let value = emit.multiply(value, factor);
    emit.store(value, at, 0);
}
