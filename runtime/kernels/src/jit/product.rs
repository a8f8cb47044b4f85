//! Products of two tensors' matrices, one a channel: lanes are channels, so that a vector does four products at once.

use super::emit::{Emitter, QUADS, VECTOR};
use super::kernel::Arguments;
use super::view::View;

/// What the code depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Product {
    /// Of as many channels; as many columns of the first as rows of the second.
    pub inputs: [View; 2],
    pub output: View,
}

impl Product {
    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        let [left, right] = self.inputs;
        let [a, b] = [0, 1].map(|index| emit.offset(arguments.inputs[index], self.inputs[index].origin()));
        let output = emit.offset(arguments.output, self.output.origin());
        let rows = [(a, left.row_pitch()), (output, self.output.row_pitch())];
        emit.each(self.output.height(), &rows, |emit, row| {
            let blocks = [(row[0], left.block_pitch()), (b, right.block_pitch()), (row[1], self.output.block_pitch())];
            emit.each(self.output.blocks(), &blocks, |emit, block| {
                let columns = [(block[1], View::PIXEL), (block[2], View::PIXEL)];
                emit.each(self.output.width(), &columns, |emit, column| {
                    let zeros: Vec<_> = (0..QUADS).map(|_| emit.splat(0.0)).collect();
                    let terms = [(block[0], View::PIXEL), (column[0], right.row_pitch())];
                    let sums = emit.repeat(left.width(), &terms, &zeros, |emit, term, sums| {
                        let added = (0..QUADS).zip(sums).map(|(quad, &sum)| {
                            let [x, y] = [0, 1].map(|index| emit.load(term[index], quad * VECTOR));
                            let product = emit.multiply(x, y);
                            emit.add(sum, product)
                        });
                        added.collect()
                    });
                    for (quad, sum) in (0..QUADS).zip(sums) {
                        emit.store(sum, column[1], quad * VECTOR);
                    }
                });
            });
        });
    }

    /// Floating-point operations.
    pub fn flops(&self) -> f64 {
        let places = self.output.height() * self.output.width() * self.output.blocks() * View::PIXEL;
        2.0 * places as f64 * self.inputs[0].width() as f64
    }
}
