//! Copies into a range of channels of another tensor, for concatenation and for giving a tensor a border; and clearing borders.

use super::emit::{Emitter, QUADS, VECTOR};
use super::kernel::Arguments;
use super::view::View;
use cranelift_codegen::ir::Value;

/// What the code depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Copy {
    pub input: View,
    pub output: View,
    /// The output channel that the first input channel becomes. Lanes behind the last one are zeroed to the end of its block, so
    /// that pieces are copied in the order of their channels; a narrow output takes all from the first channel on.
    pub channel: u32,
    /// Rows that are copied, from the first to before the second.
    pub rows: (u32, u32),
}

impl Copy {
    pub fn new(input: View, output: View, channel: u32) -> Self {
        Self { input, output, channel, rows: (0, input.shape.height) }
    }

    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        self.emit_from(emit, arguments.inputs[0], arguments.output);
    }

    /// The same from and to these places.
    pub fn emit_from(&self, emit: &mut Emitter<'_>, input: Value, output: Value) {
        let (block, shift) = (u64::from(self.channel) / View::PIXEL, u64::from(self.channel) % View::PIXEL);
        let (first, count) = (u64::from(self.rows.0), u64::from(self.rows.1 - self.rows.0));
        let input = emit.offset(input, self.input.origin() + first * self.input.row_pitch());
        let start = self.output.origin() + first * self.output.row_pitch();
        let output = emit.offset(output, start + block * self.output.block_pitch());
        let rows = [(input, self.input.row_pitch()), (output, self.output.row_pitch())];
        let full = u64::from(self.input.shape.channels) / View::PIXEL;
        let rest = u64::from(self.input.shape.channels) % View::PIXEL;
        emit.each(count, &rows, |emit, row| {
            let blocks = [(row[0], self.input.block_pitch()), (row[1], self.output.block_pitch())];
            emit.each(full, &blocks, |emit, block| self.block(emit, block[0], block[1], shift, View::PIXEL));
            if rest > 0 {
                let from = emit.offset(row[0], full * self.input.block_pitch());
                let to = emit.offset(row[1], full * self.output.block_pitch());
                self.block(emit, from, to, shift, rest);
            }
        });
    }

    /// All pixels of a row of one input block, of which so many lanes are channels.
    fn block(&self, emit: &mut Emitter<'_>, input: Value, output: Value, shift: u64, lanes: u64) {
        let pitch = self.output.block_pitch();
        let place = move |lane: u64| (shift + lane) / View::PIXEL * pitch + (shift + lane) % View::PIXEL;
        emit.each(self.input.width(), &[(input, View::PIXEL), (output, self.output.pixel())], |emit, pixel| {
            let vectors = shift.is_multiple_of(VECTOR);
            // The last vector of a tensor takes its zeros along; single lanes leave them out.
            let (step, end) = if vectors { (VECTOR, lanes.next_multiple_of(VECTOR)) } else { (1, lanes) };
            for lane in (0..end).step_by(step as usize) {
                let value = if vectors { emit.load(pixel[0], lane) } else { emit.load_scalar(pixel[0], lane) };
                emit.store(value, pixel[1], place(lane));
            }
            let zero = if vectors { emit.splat(0.0) } else { emit.scalar(0.0) };
            let used = (shift + end) % View::PIXEL;
            if used > 0 && !self.output.narrow {
                for lane in (end..end + View::PIXEL - used).step_by(step as usize) {
                    emit.store(zero, pixel[1], place(lane));
                }
            }
        });
    }
}

/// Zeros in the border of a view.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Clear {
    /// Has a border.
    pub view: View,
}

impl Clear {
    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        let view = &self.view;
        let border = u64::from(view.border);
        let (side, outer) = (border * view.pixel(), border * view.row_pitch());
        clear(emit, arguments.output, outer);
        let rows = emit.offset(arguments.output, outer);
        emit.each(view.height(), &[(rows, view.row_pitch())], |emit, row| {
            emit.each(view.blocks(), &[(row[0], view.block_pitch())], |emit, block| {
                clear(emit, block[0], side);
                let right = emit.offset(block[0], side + view.width() * view.pixel());
                clear(emit, right, side);
            });
        });
        let bottom = emit.offset(rows, view.height() * view.row_pitch());
        clear(emit, bottom, outer);
    }
}

/// Zeros so many floats, whole pixels.
fn clear(emit: &mut Emitter<'_>, start: Value, floats: u64) {
    if !floats.is_multiple_of(View::PIXEL) {
        let vectors = floats / VECTOR;
        return emit.each(vectors, &[(start, VECTOR)], |emit, vector| {
            let zero = emit.splat(0.0);
            emit.store(zero, vector[0], 0);
        });
    }
    emit.each(floats / View::PIXEL, &[(start, View::PIXEL)], |emit, pixel| {
        let zero = emit.splat(0.0);
        for quad in 0..QUADS {
            emit.store(zero, pixel[0], quad * VECTOR);
        }
    });
}
