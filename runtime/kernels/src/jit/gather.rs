//! Moving elements: each axis of the output, or some even places of it, takes listed places of an axis of the input.
//!
//! In the blocked layout an element's distance is the sum of one for its channel, one for its row and one for its column, so that three
//! tables tell where anything comes from, whichever way the axes are turned. Where channels stay channels and their blocks stay whole,
//! a pixel is moved as vectors; else element by element. [`Fill`] sets what nothing is moved to; [`Reshape`] is no sum of distances and
//! walks through the input in its plain order.

use super::conv::word;
use super::emit::{Emitter, QUADS, VECTOR};
use super::kernel::Arguments;
use super::view::View;
use cnasc_ir::op::Axis;
use cranelift_codegen::ir::Value;
use std::sync::Arc;

/// What one axis of the output takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Walk {
    /// Axis of the input.
    pub axis: Axis,
    /// Its places, in the order in which they are taken.
    pub places: Arc<[u32]>,
    /// Where the first one goes.
    pub start: u32,
    /// From one of them to the next, in the output.
    pub step: u32,
}

impl Walk {
    /// These places of the same axis, one behind the other from the output's first.
    pub fn of(axis: Axis, places: impl Iterator<Item = u32>) -> Self {
        Self { axis, places: places.collect(), start: 0, step: 1 }
    }

    /// The whole of an axis of so many places.
    pub fn whole(axis: Axis, extent: u32) -> Self {
        Self::of(axis, 0..extent)
    }

    fn len(&self) -> u64 {
        self.places.len() as u64
    }
}

/// What the code depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gather {
    pub input: View,
    pub output: View,
    /// For the output's channels, rows and columns; each axis of the input is walked along once. Channels go to places at a step of one.
    pub walks: [Walk; 3],
}

impl Gather {
    /// Distances in the input of the rows, then of the columns; then, unless blocks stay whole, pairs for the channels: in the
    /// input and in the output.
    pub fn table(&self) -> Vec<u32> {
        let [channels, rows, columns] = &self.walks;
        let from = |walk: &Walk| {
            let (view, axis) = (self.input, walk.axis);
            walk.places.iter().map(move |&place| distance(&view, axis, place)).collect::<Vec<u64>>()
        };
        let mut words = from(rows);
        words.extend(from(columns));
        if !self.by_blocks() {
            let to = (channels.start..).map(|channel| distance(&self.output, Axis::Channels, channel));
            words.extend(from(channels).into_iter().zip(to).flat_map(|(from, to)| [from, to]));
        }
        words.into_iter().map(word).collect()
    }

    /// How many it moves.
    pub fn floats(&self) -> u64 {
        self.walks.iter().map(Walk::len).product()
    }

    /// Whether each block of the output is a block of the input, the lanes behind the channels included.
    fn by_blocks(&self) -> bool {
        let walk = &self.walks[0];
        let block = View::PIXEL as u32;
        let Some(&first) = walk.places.first() else { return false };
        let steady = walk.places.iter().zip(first..).all(|(&place, expected)| place == expected);
        let end = first + walk.places.len() as u32;
        let whole = end.is_multiple_of(block) || end == self.input.shape.channels && self.ends();
        walk.axis == Axis::Channels
            && steady
            && first.is_multiple_of(block)
            && walk.start.is_multiple_of(block)
            && whole
    }

    /// Whether it reaches the output's last channel.
    fn ends(&self) -> bool {
        u64::from(self.walks[0].start) + self.walks[0].len() == u64::from(self.output.shape.channels)
    }

    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        let [channels, rows, columns] = &self.walks;
        let input = emit.offset(arguments.inputs[0], self.input.origin());
        let (row_pitch, pixel_pitch) = (self.output.row_pitch(), View::PIXEL);
        let corner = u64::from(rows.start) * row_pitch + u64::from(columns.start) * pixel_pitch;
        let output = emit.offset(arguments.output, self.output.origin() + corner);
        let column_table = emit.offset(arguments.table, rows.len());
        let channel_table = emit.offset(column_table, columns.len());
        let down = u64::from(rows.step) * row_pitch;
        emit.each(rows.len(), &[(arguments.table, 1), (output, down)], |emit, row| {
            let distance = emit.load_index(row[0], 0);
            let from = emit.index(input, distance);
            if self.by_blocks() {
                self.row_of_blocks(emit, from, row[1], column_table);
                return;
            }
            emit.each(channels.len(), &[(channel_table, 2)], |emit, channel| {
                let (there, here) = (emit.load_index(channel[0], 0), emit.load_index(channel[0], 1));
                let (from, to) = (emit.index(from, there), emit.index(row[1], here));
                self.each_column(emit, from, to, column_table, |emit, from, to| {
                    let value = emit.load_scalar(from, 0);
                    emit.store(value, to, 0);
                });
            });
            if self.ends() {
                self.clear_spare(emit, row[1]);
            }
        });
    }

    fn row_of_blocks(&self, emit: &mut Emitter<'_>, from: Value, to: Value, columns: Value) {
        let walk = &self.walks[0];
        let block = |channel: u32| u64::from(channel) / View::PIXEL;
        let first = walk.places.first().map_or(0, |&place| block(place));
        let from = emit.offset(from, first * self.input.block_pitch());
        let to = emit.offset(to, block(walk.start) * self.output.block_pitch());
        let blocks = [(from, self.input.block_pitch()), (to, self.output.block_pitch())];
        emit.each(walk.len().div_ceil(View::PIXEL), &blocks, |emit, block| {
            self.each_column(emit, block[0], block[1], columns, |emit, from, to| {
                for quad in 0..QUADS {
                    let value = emit.load(from, quad * VECTOR);
                    emit.store(value, to, quad * VECTOR);
                }
            });
        });
    }

    /// Calls `body` with where a column comes from and where it goes.
    fn each_column(
        &self,
        emit: &mut Emitter<'_>,
        from: Value,
        to: Value,
        columns: Value,
        mut body: impl FnMut(&mut Emitter<'_>, Value, Value),
    ) {
        let walk = &self.walks[2];
        emit.each(walk.len(), &[(columns, 1), (to, u64::from(walk.step) * View::PIXEL)], |emit, column| {
            let distance = emit.load_index(column[0], 0);
            let from = emit.index(from, distance);
            body(emit, from, column[1]);
        });
    }

    /// Zeros behind the last channel of the columns that are written.
    fn clear_spare(&self, emit: &mut Emitter<'_>, row: Value) {
        let used = View::PIXEL - self.output.spare_lanes();
        if used == View::PIXEL {
            return;
        }
        let columns = &self.walks[2];
        let last = emit.offset(row, (self.output.blocks() - 1) * self.output.block_pitch());
        emit.each(columns.len(), &[(last, u64::from(columns.step) * View::PIXEL)], |emit, pixel| {
            let zero = emit.scalar(0.0);
            for lane in used..View::PIXEL {
                emit.store(zero, pixel[0], lane);
            }
        });
    }
}

/// From a view's first element to the one at a place of an axis and at the first of the others.
fn distance(view: &View, axis: Axis, place: u32) -> u64 {
    let place = u64::from(place);
    match axis {
        Axis::Channels => place / View::PIXEL * view.block_pitch() + place % View::PIXEL,
        Axis::Rows => place * view.row_pitch(),
        Axis::Columns => place * View::PIXEL,
    }
}

/// One number in all elements of a tensor, zeros in the lanes behind its channels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fill {
    pub view: View,
    /// The number's bits.
    pub value: u32,
}

impl Fill {
    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        let view = &self.view;
        let output = emit.offset(arguments.output, view.origin());
        let partly = u64::from(view.spare_lanes() > 0);
        emit.each(view.height(), &[(output, view.row_pitch())], |emit, row| {
            emit.each(view.blocks() - partly, &[(row[0], view.block_pitch())], |emit, block| {
                self.block(emit, block[0], View::PIXEL);
            });
            let last = emit.offset(row[0], (view.blocks() - 1) * view.block_pitch());
            if partly > 0 {
                self.block(emit, last, View::PIXEL - view.spare_lanes());
            }
        });
    }

    /// One row of a block of which so many lanes are channels.
    fn block(&self, emit: &mut Emitter<'_>, start: Value, lanes: u64) {
        emit.each(self.view.width(), &[(start, View::PIXEL)], |emit, pixel| {
            let value = emit.splat(f32::from_bits(self.value));
            for quad in 0..QUADS {
                let value = emit.keep_lanes(value, lanes.saturating_sub(quad * VECTOR));
                emit.store(value, pixel[0], quad * VECTOR);
            }
        });
    }
}

/// The same elements in plain order with other extents.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reshape {
    pub input: View,
    /// Of as many elements.
    pub output: View,
}

impl Reshape {
    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        let input = emit.offset(arguments.inputs[0], self.input.origin());
        let output = emit.offset(arguments.output, self.output.origin());
        let (channels, blocks) = (u64::from(self.output.shape.channels), self.output.blocks());
        let zero = emit.count(0);
        // The input's channel, row and column at hand.
        let start = [zero; 3];
        let full = channels / View::PIXEL;
        let pitch = self.output.block_pitch();
        let place = emit.repeat(full, &[(output, pitch)], &start, |emit, block, place| {
            self.channels(emit, input, block[0], View::PIXEL, place)
        });
        let last = emit.offset(output, full * pitch);
        self.channels(emit, input, last, channels % View::PIXEL, &place);
        if self.output.spare_lanes() > 0 {
            let last = emit.offset(output, (blocks - 1) * pitch);
            emit.each(self.output.height(), &[(last, self.output.row_pitch())], |emit, row| {
                emit.each(self.output.width(), &[(row[0], View::PIXEL)], |emit, pixel| {
                    let zero = emit.scalar(0.0);
                    for lane in View::PIXEL - self.output.spare_lanes()..View::PIXEL {
                        emit.store(zero, pixel[0], lane);
                    }
                });
            });
        }
    }

    /// So many channels of a block; takes and gives the input's place.
    fn channels(&self, emit: &mut Emitter<'_>, input: Value, block: Value, lanes: u64, place: &[Value]) -> Vec<Value> {
        emit.repeat(lanes, &[(block, 1)], place, |emit, lane, place| {
            emit.repeat(self.output.height(), &[(lane[0], self.output.row_pitch())], place, |emit, row, place| {
                emit.repeat(self.output.width(), &[(row[0], View::PIXEL)], place, |emit, to, place| {
                    let &[channel, row, column] = place else { return place.to_vec() };
                    let block = emit.quotient(channel, View::PIXEL.trailing_zeros());
                    let lane = emit.remainder(channel, View::PIXEL.trailing_zeros());
                    let terms = [
                        (block, self.input.block_pitch()),
                        (lane, 1),
                        (row, self.input.row_pitch()),
                        (column, View::PIXEL),
                    ];
                    let from = terms.into_iter().fold(input, |from, (count, pitch)| {
                        let floats = emit.multiply_count(count, pitch);
                        emit.index(from, floats)
                    });
                    let value = emit.load_scalar(from, 0);
                    emit.store(value, to[0], 0);
                    let (column, row_ends) = emit.advance(column, None, self.input.width());
                    let (row, channel_ends) = emit.advance(row, Some(row_ends), self.input.height());
                    vec![emit.add_counts(channel, channel_ends), row, column]
                })
            })
        })
    }
}
