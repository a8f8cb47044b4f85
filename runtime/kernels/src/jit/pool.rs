//! Greatest value or mean of windows; the mean of the whole image is one window.

use super::emit::{Emitter, QUADS, VECTOR};
use super::kernel::Arguments;
use super::view::View;
use cranelift_codegen::ir::Value;

/// Windows of up to so many pixels are unrolled.
const UNROLLED: u64 = 9;

/// How a window becomes one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reduce {
    Max,
    Mean,
}

/// What the code depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pool {
    pub input: View,
    pub output: View,
    /// Rows and columns of the window, which never reaches over the edge.
    pub window: (u32, u32),
    pub stride: u32,
    pub reduce: Reduce,
}

impl Pool {
    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        let input = emit.offset(arguments.inputs[0], self.input.origin(0));
        let output = emit.offset(arguments.output, self.output.origin(0));
        let stride = u64::from(self.stride);
        let rows = [(input, stride * self.input.row_pitch()), (output, self.output.row_pitch())];
        emit.each(self.output.height(), &rows, |emit, row| {
            let blocks = [(row[0], self.input.block_pitch()), (row[1], self.output.block_pitch())];
            emit.each(self.output.blocks(), &blocks, |emit, block| {
                let pixels = [(block[0], stride * View::PIXEL), (block[1], View::PIXEL)];
                emit.each(self.output.width(), &pixels, |emit, pixel| self.pixel(emit, pixel[0], pixel[1]));
            });
        });
    }

    fn pixel(&self, emit: &mut Emitter<'_>, input: Value, output: Value) {
        let (rows, columns) = (u64::from(self.window.0), u64::from(self.window.1));
        // A mean starts from nothing, a maximum from the first pixel, which is then seen twice.
        let mut values: Vec<Value> = (0..QUADS)
            .map(|quad| match self.reduce {
                Reduce::Max => emit.load(input, quad * VECTOR),
                Reduce::Mean => emit.splat(0.0),
            })
            .collect();
        if rows * columns <= UNROLLED {
            for tap in 0..rows * columns {
                let start = tap / columns * self.input.row_pitch() + tap % columns * View::PIXEL;
                values = self.tap(emit, input, start, &values);
            }
        } else {
            values = emit.repeat(rows, &[(input, self.input.row_pitch())], &values, |emit, row, values| {
                emit.repeat(columns, &[(row[0], View::PIXEL)], values, |emit, tap, values| {
                    self.tap(emit, tap[0], 0, values)
                })
            });
        }
        for (quad, mut value) in (0..QUADS).zip(values) {
            if self.reduce == Reduce::Mean {
                let factor = emit.splat(1.0 / (rows * columns) as f32);
                value = emit.multiply(value, factor);
            }
            emit.store(value, output, quad * VECTOR);
        }
    }

    fn tap(&self, emit: &mut Emitter<'_>, input: Value, start: u64, values: &[Value]) -> Vec<Value> {
        let taken = (0..QUADS).zip(values).map(|(quad, &value)| {
            let found = emit.load(input, start + quad * VECTOR);
            match self.reduce {
                Reduce::Max => emit.maximum(found, value),
                Reduce::Mean => emit.add(value, found),
            }
        });
        taken.collect()
    }
}
