//! Convolutions as an outer product in registers, and linear layers as convolutions with a window of the whole image.
//!
//! A tile is a few output pixels times a few vectors of output channels, held in registers while the kernel runs over all inputs
//! of the pixels: for each input lane it loads the lane of every pixel into all lanes of a register, and the weights of
//! the tile's channels, and multiplies and adds all with all. Sixteen registers hold 6 × 2 sums, 2 weights, and broadcasts in turn.
//!
//! Where things lie is in a table made beforehand, in floats: for each chunk of input lanes its distance from the window's
//! corner (one loop serves all taps and blocks), for each group of output channels its first input and output block, and for each
//! output pixel its place in both tensors (tiles run across rows, so a 7 × 7 image is 49 pixels). Padding is the view's border.
//!
//! Groups: the group's input channels are a range of blocks; weights are zero for those of the blocks that are not the group's.

use super::activation::Activation;
use super::emit::{Emitter, VECTOR};
use super::kernel::Arguments;
use super::tiles::Tiles;
use super::view::View;
use cnasc_ir::op::Window;
use cranelift_codegen::ir::Value;
use std::ops::Range;

/// Input lanes that the loop's body is unrolled over. More shortens the loop's share, and lengthens the code.
const CHUNK: u64 = 8;
/// Up to so many input lanes are taken without a loop.
const UNROLLED: u64 = 32;
/// The most pixels of a tile; with two vectors of channels each, what sixteen registers hold.
const PIXELS: u64 = 6;
/// Below so many pixels a tile takes four vectors of channels, to have enough independent sums.
const FEW_PIXELS: u64 = 3;
/// Input bytes that the pixels of one pass over the channels may take: half of a common first-level cache.
const PASS_BYTES: u64 = 16 << 10;

/// What the code depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conv {
    pub input: View,
    pub output: View,
    /// Its padding is at most the input's border.
    pub window: Window,
    pub groups: u32,
    pub activation: Activation,
}

/// A run of input lanes at one tap.
pub struct Lanes {
    pub tap: u64,
    /// First channel, counted from the first block that the output channels read.
    pub channel: u64,
    pub count: u64,
}

impl Conv {
    /// Floats of the packed weights.
    pub fn packed_len(&self) -> u64 {
        self.sections() * self.section_len()
    }

    /// Weights and biases in the order in which the code reads them: for each group of output channels the biases, then for each input lane
    /// the weights of these channels. `weights` are `[out, in / groups, rows, columns]`.
    pub fn pack(&self, weights: &[f32], bias: Option<&[f32]>) -> Vec<u32> {
        let per_group = u64::from(self.input.shape.channels / self.groups);
        let out_per_group = u64::from(self.output.shape.channels / self.groups);
        let taps = self.taps();
        let mut packed = Vec::with_capacity(self.packed_len() as usize);
        for section in 0..self.sections() {
            let channels = section * self.lanes()..(section + 1) * self.lanes();
            let real = |channel: u64| channel < u64::from(self.output.shape.channels);
            let start = self.first_block(section) * View::PIXEL;
            packed.extend(channels.clone().map(|channel| match bias {
                Some(bias) if real(channel) => bias[channel as usize].to_bits(),
                _ => 0,
            }));
            for lanes in self.full_lanes().chain(self.tail_lanes()) {
                for input in start + lanes.channel..start + lanes.channel + lanes.count {
                    for channel in channels.clone() {
                        let group = if self.groups == 1 { 0 } else { channel / out_per_group };
                        let member = input.checked_sub(group * per_group);
                        let member = member.filter(|&member| member < per_group && real(channel));
                        packed.push(member.map_or(0, |member| {
                            weights[((channel * per_group + member) * taps + lanes.tap) as usize].to_bits()
                        }));
                    }
                }
            }
        }
        packed
    }

    /// Chunk offsets, then pairs of block offsets, then pairs of pixel offsets.
    pub fn table(&self) -> Vec<u32> {
        let chunks = self.full_lanes().chain(self.tail_lanes()).map(|lanes| self.lane_offset(&lanes));
        let sections = (0..self.sections()).flat_map(|section| {
            let (block, rest) = (section * self.lanes() / View::PIXEL, section * self.lanes() % View::PIXEL);
            [self.first_block(section) * self.input.block_pitch(), block * self.output.block_pitch() + rest]
        });
        let entries = chunks.chain(sections).chain(self.pixels(0..self.output.height(), None));
        entries.map(word).collect()
    }

    /// For each pixel of these output rows, where its window starts and where it lies; the input's rows may be so many floats apart.
    pub fn pixels(&self, rows: Range<u64>, row_pitch: Option<u64>) -> impl Iterator<Item = u64> + '_ {
        let row_pitch = row_pitch.unwrap_or(self.input.row_pitch());
        rows.flat_map(move |row| {
            (0..self.output.width()).flat_map(move |column| {
                let (down, right) = self.strides();
                let from = row * down * row_pitch + column * right * self.input.pixel();
                [from, row * self.output.row_pitch() + column * View::PIXEL]
            })
        })
    }

    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        let input = emit.offset(arguments.inputs[0], self.input.corner(&self.window));
        let output = emit.offset(arguments.output, self.output.origin());
        let sections = emit.offset(arguments.table, self.chunks());
        let mut pixels = emit.offset(sections, 2 * self.sections());
        for (size, count) in self.tiles().groups() {
            let tile = Tile { conv: self, pixels: size, table: arguments.table };
            let most = self.tiles_of_pass(size).min(count);
            let (step, left) = (emit.count(most), emit.count(count));
            let passes = count.div_ceil(most);
            emit.repeat(passes, &[(pixels, most * size * 2)], &[left], |emit, pixels, left| {
                let tiles = emit.least(left[0], step);
                let moving = [(sections, 2), (arguments.weights, self.section_len())];
                emit.each(self.sections(), &moving, |emit, moving| {
                    let (from, to) = (emit.load_index(moving[0], 0), emit.load_index(moving[0], 1));
                    let (from, to) = (emit.index(input, from), emit.index(output, to));
                    emit.repeat_value(tiles, &[(pixels[0], size * 2)], &[], |emit, pixels, _| {
                        tile.emit(emit, from, to, moving[1], pixels[0]);
                        Vec::new()
                    });
                });
                vec![emit.subtract(left[0], step)]
            });
            pixels = emit.offset(pixels, count * size * 2);
        }
        self.clear_rest(emit, output);
    }

    /// Zeros in those vectors of the last block that no section covers.
    fn clear_rest(&self, emit: &mut Emitter<'_>, output: Value) {
        let done = self.sections() * self.lanes();
        let rest = self.output.blocks() * View::PIXEL - done;
        if rest == 0 {
            return;
        }
        let start = (self.output.blocks() - 1) * self.output.block_pitch() + View::PIXEL - rest;
        let rows = emit.offset(output, start);
        emit.each(self.output.height(), &[(rows, self.output.row_pitch())], |emit, rows| {
            emit.each(self.output.width(), &[(rows[0], View::PIXEL)], |emit, pixel| {
                let zero = emit.splat(0.0);
                for vector in 0..rest / VECTOR {
                    emit.store(zero, pixel[0], vector * VECTOR);
                }
            });
        });
    }

    pub fn taps(&self) -> u64 {
        self.window.taps()
    }

    /// Down and to the right.
    pub fn strides(&self) -> (u64, u64) {
        (u64::from(self.window.rows.stride), u64::from(self.window.columns.stride))
    }

    fn tiles(&self) -> Tiles {
        Tiles::of(self.output.height() * self.output.width(), PIXELS)
    }

    /// Vectors of output channels in one tile.
    fn vectors(&self) -> u64 {
        if self.tiles().size <= FEW_PIXELS { 4 } else { 2 }
    }

    /// Output channels of one tile.
    fn lanes(&self) -> u64 {
        self.vectors() * VECTOR
    }

    /// Groups of so many output channels.
    fn sections(&self) -> u64 {
        u64::from(self.output.shape.channels).div_ceil(self.lanes())
    }

    fn section_len(&self) -> u64 {
        let inputs: u64 = self.full_lanes().chain(self.tail_lanes()).map(|lanes| lanes.count).sum();
        (inputs + 1) * self.lanes()
    }

    /// Input blocks that a section reads, as far as its channels need; of one size for all, and inside the tensor.
    fn needed_blocks(&self, section: u64) -> Range<u64> {
        let per_group = u64::from(self.input.shape.channels / self.groups);
        let out_per_group = u64::from(self.output.shape.channels / self.groups);
        let last = ((section + 1) * self.lanes()).min(u64::from(self.output.shape.channels)) - 1;
        let first_group = section * self.lanes() / out_per_group;
        let end = (last / out_per_group + 1) * per_group;
        first_group * per_group / View::PIXEL..end.div_ceil(View::PIXEL)
    }

    fn blocks_read(&self) -> u64 {
        if self.groups == 1 {
            return self.input.blocks();
        }
        let lengths =
            (0..self.sections()).map(|section| self.needed_blocks(section)).map(|range| range.end - range.start);
        lengths.max().unwrap_or(1)
    }

    fn first_block(&self, section: u64) -> u64 {
        if self.groups == 1 {
            return 0;
        }
        self.needed_blocks(section).start.min(self.input.blocks() - self.blocks_read())
    }

    /// Input channels that every tile runs over at each tap.
    fn depth(&self) -> u64 {
        if self.groups == 1 { u64::from(self.input.shape.channels) } else { self.blocks_read() * View::PIXEL }
    }

    fn full_lanes(&self) -> impl Iterator<Item = Lanes> + use<> {
        let chunks = self.depth() / CHUNK;
        let list = move |tap| (0..chunks).map(move |chunk| Lanes { tap, channel: chunk * CHUNK, count: CHUNK });
        (0..self.taps()).flat_map(list)
    }

    fn tail_lanes(&self) -> impl Iterator<Item = Lanes> + use<> {
        let (channel, count) = (self.depth() / CHUNK * CHUNK, self.depth() % CHUNK);
        let taps = if count == 0 { 0 } else { self.taps() };
        (0..taps).map(move |tap| Lanes { tap, channel, count })
    }

    fn chunks(&self) -> u64 {
        self.taps() * self.depth().div_ceil(CHUNK)
    }

    /// Where these lanes lie, from the window's corner.
    pub fn lane_offset(&self, lanes: &Lanes) -> u64 {
        let columns = u64::from(self.window.columns.kernel);
        let row = lanes.tap / columns * u64::from(self.window.rows.dilation);
        let column = lanes.tap % columns * u64::from(self.window.columns.dilation);
        let block = lanes.channel / View::PIXEL * self.input.block_pitch() + lanes.channel % View::PIXEL;
        row * self.input.row_pitch() + column * self.input.pixel() + block
    }

    fn tiles_of_pass(&self, size: u64) -> u64 {
        let (down, right) = self.strides();
        let bytes = size * 4 * self.depth() * down * right;
        (PASS_BYTES / bytes.max(1)).max(4)
    }
}

/// An entry of a table.
pub fn word(entry: u64) -> u32 {
    u32::try_from(entry).expect("an arena holds fewer than 2^32 floats")
}

/// The innermost part: some pixels of one section.
struct Tile<'a> {
    conv: &'a Conv,
    pixels: u64,
    /// The chunk offsets.
    table: Value,
}

impl Tile<'_> {
    fn emit(&self, emit: &mut Emitter<'_>, input: Value, output: Value, weights: Value, pixels: Value) {
        let vectors = self.conv.vectors();
        let from: Vec<Value> = (0..self.pixels)
            .map(|pixel| {
                let offset = emit.load_index(pixels, 2 * pixel);
                emit.index(input, offset)
            })
            .collect();
        let bias: Vec<Value> = (0..vectors).map(|vector| emit.load(weights, vector * VECTOR)).collect();
        let sums: Vec<Value> = (0..self.pixels).flat_map(|_| bias.iter().copied()).collect();
        let weights = emit.offset(weights, self.conv.lanes());
        let sums = self.products(emit, &from, weights, sums);
        for pixel in 0..self.pixels {
            let offset = emit.load_index(pixels, 2 * pixel + 1);
            let to = emit.index(output, offset);
            for vector in 0..vectors {
                let sum = sums[(pixel * vectors + vector) as usize];
                let value = self.conv.activation.emit(emit, sum);
                emit.store(value, to, vector * VECTOR);
            }
        }
    }

    /// Adds all products: the full chunks, then the rest of each tap.
    fn products(&self, emit: &mut Emitter<'_>, from: &[Value], weights: Value, sums: Vec<Value>) -> Vec<Value> {
        let (full, tail): (Vec<Lanes>, Vec<Lanes>) =
            (self.conv.full_lanes().collect(), self.conv.tail_lanes().collect());
        let sums = self.chunks(emit, from, (self.table, weights), &full, sums);
        let table = emit.offset(self.table, full.len() as u64);
        let weights = emit.offset(weights, full.len() as u64 * CHUNK * self.conv.lanes());
        self.chunks(emit, from, (table, weights), &tail, sums)
    }

    /// Adds the products of chunks of one depth, whose offsets and weights start at the two pointers.
    fn chunks(
        &self,
        emit: &mut Emitter<'_>,
        from: &[Value],
        (table, weights): (Value, Value),
        list: &[Lanes],
        mut sums: Vec<Value>,
    ) -> Vec<Value> {
        let count = list.len() as u64;
        let depth = list.first().map_or(0, |lanes| lanes.count);
        let step = depth * self.conv.lanes();
        // All or nothing: beside a loop, the fixed distances would hold more registers than the tile has left.
        if self.conv.taps() * self.conv.depth() <= UNROLLED {
            for (chunk, lanes) in (0_u64..).zip(list) {
                let offset = self.conv.lane_offset(lanes);
                for lane in 0..depth {
                    let start = chunk * step + lane * self.conv.lanes();
                    self.lane(emit, from, offset + lane, (weights, start), &mut sums);
                }
            }
            return sums;
        }
        emit.repeat(count, &[(table, 1), (weights, step)], &sums, |emit, moving, sums| {
            let offset = emit.load_index(moving[0], 0);
            let from: Vec<Value> = from.iter().map(|&pixel| emit.index(pixel, offset)).collect();
            let mut sums = sums.to_vec();
            for lane in 0..depth {
                self.lane(emit, &from, lane, (moving[1], lane * self.conv.lanes()), &mut sums);
            }
            sums
        })
    }

    /// Adds the products of one input lane, `place` floats behind each pixel, with weights so many floats behind a pointer.
    fn lane(
        &self,
        emit: &mut Emitter<'_>,
        from: &[Value],
        place: u64,
        (weights, start): (Value, u64),
        sums: &mut [Value],
    ) {
        let vectors = self.conv.vectors();
        let weights: Vec<Value> = (0..vectors).map(|vector| emit.load(weights, start + vector * VECTOR)).collect();
        for (&pixel, sums) in from.iter().zip(sums.chunks_mut(vectors as usize)) {
            let mut value = emit.load_splat(pixel, place);
            for (vector, (sum, &weight)) in sums.iter_mut().zip(&weights).enumerate() {
                // A load that is used once goes into the broadcast, whose register then takes the sum.
                if vector > 0 && emit.cpu().broadcasts_at_will {
                    value = emit.load_splat(pixel, place);
                }
                *sum = emit.multiply_add(value, weight, *sum);
            }
        }
    }
}
