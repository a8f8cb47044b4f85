//! Values between the pixels of an image, on the lines between four of them.
//!
//! A table has, for each output row and then for each output column, the distances of the two input places around it and the part of
//! either. Rows are mixed first: both products of a column are used by it alone.

use super::emit::{Emitter, QUADS, VECTOR};
use super::kernel::Arguments;
use super::view::View;
use cranelift_codegen::ir::Value;
use std::sync::Arc;

/// Words of the table for each row and column: the distances in floats, the parts.
const ENTRY: u64 = 4;

/// Two input places and, as bits, the part of the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mixed {
    pub low: u32,
    pub high: u32,
    pub part: u32,
}

/// What the code depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interpolate {
    pub input: View,
    pub output: View,
    /// For each output row, and for each output column.
    pub places: [Arc<[Mixed]>; 2],
}

impl Interpolate {
    pub fn table(&self) -> Vec<u32> {
        let entries = |places: &[Mixed], pitch: u64| {
            let distance =
                |place: u32| u32::try_from(u64::from(place) * pitch).expect("an arena holds fewer than 2^32 floats");
            let entry = |mixed: &Mixed| {
                let rest = 1.0 - f32::from_bits(mixed.part);
                [distance(mixed.low), distance(mixed.high), rest.to_bits(), mixed.part]
            };
            places.iter().flat_map(entry).collect::<Vec<u32>>()
        };
        let mut words = entries(&self.places[0], self.input.row_pitch());
        words.extend(entries(&self.places[1], View::PIXEL));
        words
    }

    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        let input = emit.offset(arguments.inputs[0], self.input.origin());
        let output = emit.offset(arguments.output, self.output.origin());
        let columns = emit.offset(arguments.table, self.output.height() * ENTRY);
        let rows = [(arguments.table, ENTRY), (output, self.output.row_pitch())];
        emit.each(self.output.height(), &rows, |emit, row| {
            let ends = places(emit, input, row[0]);
            let pitch = self.input.block_pitch();
            let blocks = [(ends[0], pitch), (ends[1], pitch), (row[1], self.output.block_pitch())];
            emit.each(self.output.blocks(), &blocks, |emit, block| {
                let pixels = [(columns, ENTRY), (block[2], View::PIXEL)];
                emit.each(self.output.width(), &pixels, |emit, pixel| {
                    pixel_of(emit, [block[0], block[1]], row[0], pixel);
                });
            });
        });
    }
}

/// The two places of an entry behind a pointer.
fn places(emit: &mut Emitter<'_>, from: Value, entry: Value) -> [Value; 2] {
    [0, 1].map(|end| {
        let distance = emit.load_index(entry, end);
        emit.index(from, distance)
    })
}

/// One pixel of a block, from the upper and the lower row; `pixel` is the column's entry and where it goes.
fn pixel_of(emit: &mut Emitter<'_>, rows: [Value; 2], row: Value, pixel: &[Value]) {
    let corners = rows.map(|start| places(emit, start, pixel[0]));
    let [above, below] = [2, 3].map(|end| emit.load_splat(row, end));
    let [left, right] = [2, 3].map(|end| emit.load_splat(pixel[0], end));
    for quad in 0..QUADS {
        let [upper, lower] = corners.map(|corner| {
            let [first, second] = corner.map(|place| emit.load(place, quad * VECTOR));
            mix(emit, [first, second], [left, right])
        });
        let value = mix(emit, [upper, lower], [above, below]);
        emit.store(value, pixel[1], quad * VECTOR);
    }
}

fn mix(emit: &mut Emitter<'_>, values: [Value; 2], parts: [Value; 2]) -> Value {
    let low = emit.multiply(values[0], parts[0]);
    let high = emit.multiply(values[1], parts[1]);
    emit.add(low, high)
}
