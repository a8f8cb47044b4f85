//! Two tensors element by element, where one of them may have the extent 1 along an axis and then counts for all places there.

use super::activation::Activation;
use super::emit::{Emitter, QUADS, VECTOR};
use super::kernel::Arguments;
use super::view::View;
use cnasc_ir::op::Arithmetic;
use cranelift_codegen::ir::Value;

/// What the code depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binary {
    pub function: Arithmetic,
    /// Left and right.
    pub inputs: [View; 2],
    pub output: View,
    /// What is done to the results; keeps zero.
    pub activation: Activation,
}

impl Binary {
    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        let starts: Vec<Value> = [arguments.inputs[0], arguments.inputs[1], arguments.output]
            .into_iter()
            .zip(self.views())
            .map(|(pointer, view)| emit.offset(pointer, view.origin()))
            .collect();
        let lanes = View::PIXEL - self.output.spare_lanes();
        // The last block by itself where some of its lanes are to stay zero.
        let plain = self.output.blocks() - u64::from(lanes < View::PIXEL);
        let rows = self.moving(&starts, View::row_pitch, |view| view.shape.height);
        emit.each(self.output.height(), &rows, |emit, row| {
            let blocks = self.moving(row, View::block_pitch, |view| view.shape.channels);
            emit.each(plain, &blocks, |emit, block| self.block(emit, block, View::PIXEL));
            if lanes < View::PIXEL {
                let last: Vec<Value> =
                    blocks.iter().map(|&(pointer, pitch)| emit.offset(pointer, plain * pitch)).collect();
                self.block(emit, &last, lanes);
            }
        });
    }

    fn views(&self) -> [&View; 3] {
        [&self.inputs[0], &self.inputs[1], &self.output]
    }

    /// The pointers with what they move by along an axis: a tensor of one place stays where it is.
    fn moving(&self, starts: &[Value], pitch: fn(&View) -> u64, extent: fn(&View) -> u32) -> Vec<(Value, u64)> {
        let step = |view: &View| if extent(view) == extent(&self.output) { pitch(view) } else { 0 };
        starts.iter().copied().zip(self.views().map(step)).collect()
    }

    /// A row of one block, of which so many lanes are channels.
    fn block(&self, emit: &mut Emitter<'_>, starts: &[Value], lanes: u64) {
        let pixels = self.moving(starts, |_| View::PIXEL, |view| view.shape.width);
        emit.each(self.output.width(), &pixels, |emit, pixel| {
            for quad in 0..QUADS {
                let [left, right] = [0, 1].map(|index| self.load(emit, index, pixel[index], quad * VECTOR));
                let value = match self.function {
                    Arithmetic::Add => emit.add(left, right),
                    Arithmetic::Sub => emit.take(left, right),
                    Arithmetic::Mul => emit.multiply(left, right),
                    Arithmetic::Div => emit.divide(left, right),
                };
                let value = self.activation.emit(emit, value);
                let value = emit.keep_lanes(value, lanes.saturating_sub(quad * VECTOR));
                emit.store(value, pixel[2], quad * VECTOR);
            }
        });
    }

    fn load(&self, emit: &mut Emitter<'_>, input: usize, pixel: Value, start: u64) -> Value {
        if self.inputs[input].shape.channels == self.output.shape.channels {
            emit.load(pixel, start)
        } else {
            emit.load_splat(pixel, 0)
        }
    }
}
