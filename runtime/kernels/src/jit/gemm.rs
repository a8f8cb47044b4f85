//! Convolutions by the [`gemm`](crate::micro::gemm) microkernel: its table and weights, made of a [`Conv`].
//!
//! Output channels are cut into panels of a few vectors, so that channels that are not multiples of a block cost at most the rest of a
//! vector. A call may cover some of the output's rows only, or some of the panels, so that two threads share one convolution.

use super::conv::{Conv, Lanes, word};
use super::emit::Emitter;
use super::form::Passes;
use super::kernel::Arguments;
use super::view::View;
use crate::micro::gemm::{CHUNK, Gemm as Head, WIDTHS, most_pixels};
use crate::micro::{Isa, Micro};
use cranelift_codegen::ir::Value;
use std::ops::Range;

/// Input bytes that the pixels of one pass over the panels may take: a part of a second-level cache, so that a panel's weights are what the
/// first level holds.
const PASS_BYTES: u64 = 192 << 10;
/// So many parts can be shared out evenly enough.
const FINE: usize = 8;
/// The fewest pixels of a pass: a panel's weights are loaded anew for each.
pub const PASS_PIXELS: u64 = 96;

/// What the code depends on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gemm {
    /// Of one group.
    pub conv: Conv,
    pub isa: Isa,
    /// Output rows, from the first to before the second.
    pub rows: (u32, u32),
    /// Panels, from the first to before the second; all where there is nothing.
    pub panels: Option<(u32, u32)>,
    /// Whether sums start from a second input, held as the output is.
    pub adds: bool,
    /// From a row of the input to the next, where it isn't held as `conv` says.
    pub row_pitch: Option<u64>,
    /// Vectors of a panel, where they are not those that suit the number of pixels: whole blocks, or a part that blocks are cut into.
    pub vectors: Option<usize>,
    pub passes: Passes,
}

impl Gemm {
    pub fn new(conv: Conv, isa: Isa) -> Self {
        let rows = (0, conv.output.shape.height);
        let passes = Passes::Usual;
        Self { conv, isa, rows, panels: None, adds: false, row_pitch: None, vectors: None, passes }
    }

    /// Floats of the packed weights.
    pub fn packed_len(&self) -> usize {
        self.packed_len_of(&self.panels())
    }

    /// Floats of the packed weights of these panels.
    fn packed_len_of(&self, panels: &[usize]) -> usize {
        let inputs = self.conv.input.shape.channels as usize * self.conv.taps() as usize;
        panels.iter().sum::<usize>() * self.isa.lanes() * (inputs + 1)
    }

    /// How many parts threads may take of it at most: panels where there are more weights than inputs, which each thread then reads a part of only;
    /// else rows.
    pub fn parts(&self) -> u32 {
        if self.is_cut_by_panels() { self.panels().len() as u32 } else { self.conv.output.shape.height }
    }

    /// These parts of it.
    pub fn part(self, parts: (u32, u32)) -> Self {
        if self.is_cut_by_panels() { Self { panels: Some(parts), ..self } } else { Self { rows: parts, ..self } }
    }

    fn is_cut_by_panels(&self) -> bool {
        let (panels, rows) = (self.panels().len(), self.conv.output.shape.height as usize);
        let input = self.conv.input.height() * self.conv.input.width() * u64::from(self.conv.input.shape.channels);
        // Rows of a few pixels, where a thread has few of them, fill tiles badly as well.
        panels >= rows.min(FINE) && self.packed_len() as u64 > input
    }

    /// Of all panels, those that it covers.
    fn own(&self) -> Range<usize> {
        let all = self.panels().len();
        self.panels.map_or(0..all, |(first, end)| first as usize..end as usize)
    }

    /// For each panel its biases, then for each input lane the weights of its channels. `weights` are `[out, in, rows, columns]`, `to` is
    /// [`packed_len`](Self::packed_len) zeros.
    pub fn pack(&self, weights: &[f32], bias: Option<&[f32]>, to: &mut [f32]) {
        let channels = self.conv.output.shape.channels as usize;
        let (inputs, taps) = (self.conv.input.shape.channels as usize, self.conv.taps() as usize);
        let (mut rows, mut rest) = (weights.chunks_exact(inputs * taps), to);
        let mut first = 0;
        for vectors in self.panels() {
            let width = vectors * self.isa.lanes();
            let (here, behind) = std::mem::take(&mut rest).split_at_mut((inputs * taps + 1) * width);
            rest = behind;
            let real = width.min(channels - first);
            let (biases, lanes) = here.split_at_mut(width);
            if let Some(bias) = bias {
                biases[..real].copy_from_slice(&bias[first..first + real]);
            }
            let rows: Vec<&[f32]> = rows.by_ref().take(real).collect();
            self.pack_panel(&rows, lanes, width);
            first += real;
        }
    }

    /// A block of input channels at a time, so that what is written stays in the nearest cache while all rows write to it.
    fn pack_panel(&self, rows: &[&[f32]], to: &mut [f32], width: usize) {
        let (inputs, taps) = (self.conv.input.shape.channels as usize, self.conv.taps() as usize);
        let full = inputs / CHUNK;
        for block in 0..inputs.div_ceil(CHUNK) {
            let count = CHUNK.min(inputs - block * CHUNK);
            for tap in 0..taps {
                // Full chunks of all taps come before the shorter ones.
                let start = if block < full { (tap * full + block) * CHUNK } else { taps * full * CHUNK + tap * count };
                let to = &mut to[start * width..][..count * width];
                for (channel, row) in rows.iter().enumerate() {
                    let from = row[block * CHUNK * taps..].iter().skip(tap).step_by(taps);
                    for (lane, &weight) in to.chunks_exact_mut(width).zip(from) {
                        lane[channel] = weight;
                    }
                }
            }
        }
    }

    pub fn table(&self) -> Vec<u32> {
        let (rows, output) = (u64::from(self.rows.0)..u64::from(self.rows.1), self.conv.output);
        let (covered, own) = (self.covered(), self.own());
        let place = |channel: u64| channel / View::PIXEL * output.block_pitch() + channel % View::PIXEL;
        let last = own.end == self.panels().len();
        let rest = if last { output.blocks() * View::PIXEL - covered } else { 0 };
        let pixels = (rows.end - rows.start) * output.width();
        let [kind, first, second] = self.conv.activation.words();
        let head = [
            self.full().count() as u64,
            self.tails().count() as u64,
            self.tail_lanes(),
            own.len() as u64,
            pixels,
            self.pass().min(pixels.max(1)),
            kind,
            first,
            second,
            u64::from(self.adds),
            output.block_pitch(),
            if rest > 0 { place(covered) } else { 0 },
            rest,
        ];
        assert_eq!(head.len() * 4, size_of::<Head>(), "the head has these words");
        let chunks = self.full().chain(self.tails()).map(|lanes| self.conv.lane_offset(&lanes));
        let mut first = 0;
        let panels = self.panels().into_iter().flat_map(|vectors| {
            let entry = [vectors as u64, place(first)];
            first += (vectors * self.isa.lanes()) as u64;
            entry
        });
        let panels: Vec<u64> = panels.skip(2 * own.start).take(2 * own.len()).collect();
        head.into_iter().chain(chunks).chain(panels).chain(self.conv.pixels(rows, self.row_pitch)).map(word).collect()
    }

    pub fn emit(&self, emit: &mut Emitter<'_>, arguments: &Arguments) {
        let places = [arguments.inputs[0], arguments.output, arguments.inputs[arguments.inputs.len() - 1]];
        self.call(emit, arguments.table, places, arguments.weights);
    }

    /// Calls the microkernel on the starts of the input's, the output's and the added buffer.
    pub fn call(&self, emit: &mut Emitter<'_>, table: Value, [input, output, other]: [Value; 3], weights: Value) {
        let input = emit.offset(input, self.conv.input.corner(&self.conv.window));
        let weights = emit.offset(weights, self.packed_len_of(&self.panels()[..self.own().start]) as u64);
        let [output, other] = [output, other].map(|pointer| emit.offset(pointer, self.conv.output.origin()));
        emit.call(Micro::Gemm, &[table, input, output, weights, other]);
    }

    /// Vectors of each group of output channels.
    fn panels(&self) -> Vec<usize> {
        let lanes = self.isa.lanes();
        let mut left = (self.conv.output.shape.channels as usize).div_ceil(lanes);
        let pixels = self.conv.output.height() * self.conv.output.width();
        // Few pixels need many vectors, to have enough independent sums; otherwise tiles of two vectors keep both loads and sums in registers.
        let usual = if pixels == 1 {
            8
        } else if pixels <= 3 || lanes == 4 {
            4
        } else {
            2
        };
        let main = self.vectors.unwrap_or(usual);
        let mut panels = Vec::new();
        while left > 0 {
            let start = panels.iter().sum::<usize>() * lanes;
            let width = match left {
                // One vector alone has too few sums.
                3 if most_pixels(lanes, 3) > 1 && pixels > 3 && start.is_multiple_of(View::PIXEL as usize) => 3,
                _ => {
                    WIDTHS.into_iter().find(|&width| width <= left.min(main) && (width != 3 || main == 3)).unwrap_or(1)
                }
            };
            panels.push(width);
            left -= width;
        }
        panels
    }

    /// Output channels of all panels.
    fn covered(&self) -> u64 {
        (self.panels().iter().sum::<usize>() * self.isa.lanes()) as u64
    }

    fn pass(&self) -> u64 {
        let (down, right) = self.conv.strides();
        let bytes = 4 * down * right * u64::from(self.conv.input.shape.channels);
        // A multiple of the sizes of tiles, so that passes cut none.
        (self.passes.of(PASS_BYTES) / bytes.max(1)).max(PASS_PIXELS).next_multiple_of(84)
    }

    fn tail_lanes(&self) -> u64 {
        u64::from(self.conv.input.shape.channels) % CHUNK as u64
    }

    fn full(&self) -> impl Iterator<Item = Lanes> + use<> {
        let (count, chunks) = (CHUNK as u64, u64::from(self.conv.input.shape.channels) / CHUNK as u64);
        (0..self.conv.taps())
            .flat_map(move |tap| (0..chunks).map(move |chunk| Lanes { tap, channel: chunk * count, count }))
    }

    fn tails(&self) -> impl Iterator<Item = Lanes> + use<> {
        let count = self.tail_lanes();
        let channel = u64::from(self.conv.input.shape.channels) - count;
        let taps = if count == 0 { 0 } else { self.conv.taps() };
        (0..taps).map(move |tap| Lanes { tap, channel, count })
    }
}
