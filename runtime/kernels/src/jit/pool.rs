//! Greatest value or mean of windows; the mean of the whole image is one window.
//!
//! Windows that lie on the image, all of them where nothing is padded, are one fixed pattern of taps. Those at the edges look up in a
//! table, for their row and for their column, the first tap that is on the image, how many are, and what the mean divides by.

use super::emit::{Emitter, QUADS, VECTOR};
use super::kernel::Arguments;
use super::view::View;
use cnasc_ir::op::{Slide, Window};
use cranelift_codegen::ir::Value;
use std::ops::Range;

/// Windows of up to so many pixels are unrolled.
const UNROLLED: u64 = 9;
/// Words of the table for each row and column: distance of the first tap in floats, number of taps, factor of the mean.
const ENTRY: u64 = 3;

/// How a window becomes one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reduce {
    Max,
    Sum,
    /// With so much padding (top, left, bottom, right) taken for zeros.
    Mean {
        counted: [u32; 4],
    },
}

/// What the code depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pool {
    pub input: View,
    pub output: View,
    /// Each place of it holds a pixel.
    pub window: Window,
    pub reduce: Reduce,
    /// Output rows, from the first to before the second.
    pub part: (u32, u32),
}

impl Pool {
    pub fn new(input: View, output: View, window: Window, reduce: Reduce) -> Self {
        Self { input, output, window, reduce, part: (0, output.shape.height) }
    }

    /// An entry for each output row, then one for each output column; nothing where all windows are on the image.
    pub fn table(&self) -> Vec<u32> {
        if self.window.padding() == [0; 4] {
            return Vec::new();
        }
        let [top, left, bottom, right] = match self.reduce {
            Reduce::Max | Reduce::Sum => [0; 4],
            Reduce::Mean { counted } => counted,
        };
        let entries = |slide: Slide, places: u32, extent: u32, pitch: u64, counted: (u32, u32)| {
            (0..places).flat_map(move |place| {
                let taps = slide.inside(place, extent, (0, 0));
                let first = slide.start(place) + i64::from(taps.start) * i64::from(slide.dilation);
                let distance = u64::try_from(first).expect("the first tap on the image is on the image") * pitch;
                let divisor = slide.inside(place, extent, counted).len() as f32;
                let distance = u32::try_from(distance).expect("an arena holds fewer than 2^32 floats");
                [distance, taps.end - taps.start, (1.0 / divisor).to_bits()]
            })
        };
        let (from, to) = (self.input.shape, self.output.shape);
        let rows = entries(self.window.rows, to.height, from.height, self.input.row_pitch(), (top, bottom));
        rows.chain(entries(self.window.columns, to.width, from.width, View::PIXEL, (left, right))).collect()
    }

    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        let (height, width) = (self.output.height(), self.output.width());
        let rows = inner(&self.window.rows, self.input.shape.height, height);
        let columns = inner(&self.window.columns, self.input.shape.width, width);
        let part = u64::from(self.part.0)..u64::from(self.part.1);
        let of_part = |rows: Range<u64>| {
            let start = rows.start.max(part.start);
            start..rows.end.min(part.end).max(start)
        };
        let (above, below) = (of_part(0..rows.start), of_part(rows.end..height));
        let rows = of_part(rows);
        self.edges(emit, arguments, above, 0..width);
        self.edges(emit, arguments, rows.clone(), 0..columns.start);
        self.inside(emit, arguments, &rows, &columns);
        self.edges(emit, arguments, rows.clone(), columns.end..width);
        self.edges(emit, arguments, below, 0..width);
    }

    /// Output places whose windows lie on the image.
    fn inside(&self, emit: &mut Emitter<'_>, arguments: &Arguments, rows: &Range<u64>, columns: &Range<u64>) {
        if rows.is_empty() || columns.is_empty() {
            return;
        }
        let place = |slide: &Slide, place: u64| {
            let start = place * u64::from(slide.stride) - u64::from(slide.before);
            (start, u64::from(slide.stride))
        };
        let ((row, down), (column, right)) =
            (place(&self.window.rows, rows.start), place(&self.window.columns, columns.start));
        let start = self.input.origin() + row * self.input.row_pitch() + column * View::PIXEL;
        let input = emit.offset(arguments.inputs[0], start);
        let output = self.output_at(emit, arguments, rows.start, columns.start);
        let moving = [(input, down * self.input.row_pitch()), (output, self.output.row_pitch())];
        emit.each(rows.end - rows.start, &moving, |emit, row| {
            let blocks = [(row[0], self.input.block_pitch()), (row[1], self.output.block_pitch())];
            emit.each(self.output.blocks(), &blocks, |emit, block| {
                let pixels = [(block[0], right * View::PIXEL), (block[1], View::PIXEL)];
                emit.each(columns.end - columns.start, &pixels, |emit, pixel| self.pixel(emit, pixel[0], pixel[1]));
            });
        });
    }

    /// Output places whose windows may reach into the padding.
    fn edges(&self, emit: &mut Emitter<'_>, arguments: &Arguments, rows: Range<u64>, columns: Range<u64>) {
        if rows.is_empty() || columns.is_empty() {
            return;
        }
        let input = emit.offset(arguments.inputs[0], self.input.origin());
        let output = self.output_at(emit, arguments, rows.start, columns.start);
        let row_entries = emit.offset(arguments.table, rows.start * ENTRY);
        let column_entries = emit.offset(arguments.table, (self.output.height() + columns.start) * ENTRY);
        let moving = [(output, self.output.row_pitch()), (row_entries, ENTRY)];
        emit.each(rows.end - rows.start, &moving, |emit, row| {
            let distance = emit.load_index(row[1], 0);
            let start = emit.index(input, distance);
            let blocks = [(start, self.input.block_pitch()), (row[0], self.output.block_pitch())];
            emit.each(self.output.blocks(), &blocks, |emit, block| {
                let pixels = [(block[1], View::PIXEL), (column_entries, ENTRY)];
                emit.each(columns.end - columns.start, &pixels, |emit, pixel| {
                    self.edge_pixel(emit, block[0], pixel[0], (row[1], pixel[1]));
                });
            });
        });
    }

    fn output_at(&self, emit: &mut Emitter<'_>, arguments: &Arguments, row: u64, column: u64) -> Value {
        let start = self.output.origin() + row * self.output.row_pitch() + column * View::PIXEL;
        emit.offset(arguments.output, start)
    }

    fn edge_pixel(&self, emit: &mut Emitter<'_>, input: Value, output: Value, (row, column): (Value, Value)) {
        let distance = emit.load_index(column, 0);
        let first = emit.index(input, distance);
        let (rows, columns) = (emit.load_index(row, 1), emit.load_index(column, 1));
        let (down, right) = self.tap_pitches();
        let values = self.initial(emit, first);
        let values = emit.repeat_value(rows, &[(first, down)], &values, |emit, row, values| {
            emit.repeat_value(columns, &[(row[0], right)], values, |emit, tap, values| {
                self.tap(emit, tap[0], 0, values)
            })
        });
        let factor = self.divides().then(|| {
            let (down, right) = (emit.load_splat(row, 2), emit.load_splat(column, 2));
            emit.multiply(down, right)
        });
        store(emit, values, factor, output);
    }

    fn pixel(&self, emit: &mut Emitter<'_>, input: Value, output: Value) {
        let (rows, columns) = (u64::from(self.window.rows.kernel), u64::from(self.window.columns.kernel));
        let (down, right) = self.tap_pitches();
        let mut values = self.initial(emit, input);
        if rows * columns <= UNROLLED {
            for tap in 0..rows * columns {
                values = self.tap(emit, input, tap / columns * down + tap % columns * right, &values);
            }
        } else {
            values = emit.repeat(rows, &[(input, down)], &values, |emit, row, values| {
                emit.repeat(columns, &[(row[0], right)], values, |emit, tap, values| self.tap(emit, tap[0], 0, values))
            });
        }
        let factor = self.divides().then(|| emit.splat(1.0 / (rows * columns) as f32));
        store(emit, values, factor, output);
    }

    /// A sum and a mean start from nothing, a maximum from the first pixel, which is then seen twice.
    fn initial(&self, emit: &mut Emitter<'_>, first: Value) -> Vec<Value> {
        let quads = (0..QUADS).map(|quad| match self.reduce {
            Reduce::Max => emit.load(first, quad * VECTOR),
            Reduce::Sum | Reduce::Mean { .. } => emit.splat(0.0),
        });
        quads.collect()
    }

    fn tap(&self, emit: &mut Emitter<'_>, input: Value, start: u64, values: &[Value]) -> Vec<Value> {
        let taken = (0..QUADS).zip(values).map(|(quad, &value)| {
            let found = emit.load(input, start + quad * VECTOR);
            match self.reduce {
                Reduce::Max => emit.maximum(found, value),
                Reduce::Sum | Reduce::Mean { .. } => emit.add(value, found),
            }
        });
        taken.collect()
    }

    fn divides(&self) -> bool {
        matches!(self.reduce, Reduce::Mean { .. })
    }

    /// From a tap to the one below it and to the one at its right.
    fn tap_pitches(&self) -> (u64, u64) {
        let (rows, columns) = (u64::from(self.window.rows.dilation), u64::from(self.window.columns.dilation));
        (rows * self.input.row_pitch(), columns * View::PIXEL)
    }
}

fn store(emit: &mut Emitter<'_>, values: Vec<Value>, factor: Option<Value>, output: Value) {
    for (quad, mut value) in (0..QUADS).zip(values) {
        if let Some(factor) = factor {
            value = emit.multiply(value, factor);
        }
        emit.store(value, output, quad * VECTOR);
    }
}

/// The output places along one axis whose windows lie on the image: a range, since windows move on steadily.
fn inner(slide: &Slide, extent: u32, places: u64) -> Range<u64> {
    let (before, stride) = (u64::from(slide.before), u64::from(slide.stride));
    let end = (u64::from(extent) + before).checked_sub(slide.extent()).map_or(0, |last| last / stride + 1).min(places);
    before.div_ceil(stride).min(end)..end
}
