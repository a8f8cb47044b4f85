//! Convolutions as an outer product in registers: tiles of `PX` pixels × `N` vectors of output channels.
//!
//! A tile starts from the biases (and, where asked, from what is added), and for each input lane loads that lane of every pixel into all
//! lanes of a register, loads `N` vectors of weights, and multiplies and adds all with all. Where the lanes and pixels lie is in the
//! table behind [`Gemm`], so that one kernel serves windows of every kind.

use super::activation::Activation;
use super::vector::{Vector, each};
use std::cell::Cell;

/// Input lanes of one full chunk: the channels of a block.
pub const CHUNK: usize = 16;

/// The head of the table. Behind it: offsets of `full` chunks, then of `tails` chunks; for each panel its vectors and its place in the
/// output; for each pixel its place in the input and in the output. All places are in floats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Gemm {
    /// Chunks of [`CHUNK`] lanes.
    pub full: u32,
    /// Shorter chunks behind them.
    pub tails: u32,
    /// Lanes of each of these.
    pub tail_lanes: u32,
    /// Groups of output channels.
    pub panels: u32,
    /// Output pixels.
    pub pixels: u32,
    /// Pixels that go through all panels before the next ones do.
    pub pass: u32,
    /// What is done to the sums.
    pub activation: Activation,
    /// Whether sums start from what `other` holds at the places of the output.
    pub adds: u32,
    /// From a block of the output to the next. A panel starts at a block, or ends within the one that it starts in.
    pub block_pitch: u32,
    /// Place in the output of a vector that is zeroed for each pixel, and how many floats follow; none where the count is 0.
    pub clear: u32,
    /// Floats to zero there.
    pub clear_lanes: u32,
}

/// What does not change within a panel.
struct Context {
    gemm: Gemm,
    chunks: *const u32,
    input: *const f32,
    output: *mut f32,
    other: *const f32,
    ahead: Ahead,
}

/// The next panel's weights, asked for while the tiles of this one are computed: there are more of them than a second-level cache holds,
/// and no CPU foresees where the next page of them lies.
struct Ahead {
    next: Cell<*const f32>,
    /// Cache lines a chunk, so that the tiles of a panel reach the end of the next one.
    lines: usize,
}

impl Ahead {
    /// Behind a panel of so many vectors whose pixels are `count`.
    fn new<V: Vector>(next: *const f32, vectors: usize, count: usize) -> Self {
        let tiles = count.div_ceil(most_pixels(V::LANES, vectors));
        // Few pixels wait for their own weights, which come in the order in which they lie.
        let lines = if count < FEW_PIXELS { 0 } else { (CHUNK * vectors * V::LANES / LINE).div_ceil(tiles) };
        Self { next: Cell::new(next), lines }
    }

    #[inline(always)]
    unsafe fn ask<V: Vector>(&self) {
        let next = self.next.get();
        for line in 0..self.lines {
            // SAFETY: the CPU has the feature.
            unsafe { V::prefetch(next.wrapping_add(line * LINE)) };
        }
        self.next.set(next.wrapping_add(self.lines * LINE));
    }
}

/// Floats of a cache line.
const LINE: usize = 16;

/// Below so many pixels a panel takes less time than its weights take to come.
const FEW_PIXELS: usize = 8;

/// Computes all pixels of all panels.
///
/// # Safety
/// The CPU has the feature of `V`. `table` points to a [`Gemm`] with what follows it, `weights` to the panels' weights: biases of a
/// panel, then its weights lane by lane. All places reached through the table lie in the tensors at `input`, `output` and, where sums start from it, `other`;
/// `output` may be `other`, and overlaps nothing else.
#[inline(always)]
pub unsafe fn gemm<V: Vector>(
    table: *const u32,
    input: *const f32,
    output: *mut f32,
    weights: *const f32,
    other: *const f32,
) {
    // SAFETY: the caller vouches for the table and everything that it reaches.
    unsafe {
        let gemm = table.cast::<Gemm>().read();
        let chunks = table.add(size_of::<Gemm>() / 4);
        let panels = chunks.add((gemm.full + gemm.tails) as usize);
        let pixels = panels.add(2 * gemm.panels as usize);
        let lanes = (gemm.full * CHUNK as u32 + gemm.tails * gemm.tail_lanes) as usize;
        let mut start = 0;
        while start < gemm.pixels {
            let count = gemm.pass.min(gemm.pixels - start) as usize;
            let here = pixels.add(2 * start as usize);
            let mut weights = weights;
            for panel in 0..gemm.panels as usize {
                let (vectors, place) = (*panels.add(2 * panel) as usize, *panels.add(2 * panel + 1) as usize);
                let output = output.wrapping_add(place);
                let next = weights.add((lanes + 1) * vectors * V::LANES);
                let ahead = Ahead::new::<V>(next, vectors, count);
                let context = Context { gemm, chunks, input, output, other: other.wrapping_add(place), ahead };
                panel_of::<V>(vectors, &context, weights, here, count);
                if gemm.activation.is_late() {
                    activate::<V>(vectors, &context, here, count);
                }
                weights = next;
            }
            if gemm.clear_lanes > 0 {
                for pixel in 0..count {
                    let to = output.add((*here.add(2 * pixel + 1) + gemm.clear) as usize);
                    to.write_bytes(0, gemm.clear_lanes as usize);
                }
            }
            start += gemm.pass;
        }
    }
}

/// The most pixels of a tile with so many vectors of channels, for registers of so many lanes: sums, weights and a broadcast must fit.
#[must_use]
pub const fn most_pixels(lanes: usize, vectors: usize) -> usize {
    match (lanes, vectors) {
        (8, 1 | 2) => 6,
        (8, 3) => 4,
        (16, 1 | 2) => 14,
        (16, 3) | (4, 1 | 2) => 8,
        (16 | 4, 4) | (4, 3) => 6,
        (_, 4) => 3,
        _ => 1,
    }
}

/// Numbers of vectors that panels may have.
pub const WIDTHS: [usize; 5] = [8, 4, 3, 2, 1];

#[inline(always)]
unsafe fn panel_of<V: Vector>(
    vectors: usize,
    context: &Context,
    weights: *const f32,
    pixels: *const u32,
    count: usize,
) {
    // As even as can be: `large` tiles of `size`, the others of one less.
    let tiles = count.div_ceil(most_pixels(V::LANES, vectors));
    let size = count.div_ceil(tiles);
    let large = count - tiles * (size - 1);
    // SAFETY: the caller's; the tiles cover `count` pixels.
    unsafe {
        run::<V>(vectors, size, context, weights, pixels, large);
        if large < tiles {
            run::<V>(vectors, size - 1, context, weights, pixels.add(2 * size * large), tiles - large);
        }
    }
}

#[inline(always)]
unsafe fn run<V: Vector>(
    vectors: usize,
    pixels: usize,
    context: &Context,
    weights: *const f32,
    table: *const u32,
    count: usize,
) {
    /// One arm for each tile that some register width allows.
    macro_rules! arms {
        ($([$n:literal: $($p:literal),*]),*) => {
            match (vectors, pixels) {
                $($(($n, $p) if const { $p <= most_pixels(V::LANES, $n) } => {
                    // SAFETY: the caller's.
                    unsafe { tiles::<V, $p, $n>(context, weights, table, count) }
                })*)*
                _ => {}
            }
        };
    }
    arms!(
        [1: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
        [2: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
        [3: 1, 2, 3, 4, 5, 6, 7, 8],
        [4: 1, 2, 3, 4, 5, 6],
        [8: 1]
    );
}

#[inline(always)]
unsafe fn tiles<V: Vector, const PX: usize, const N: usize>(
    context: &Context,
    weights: *const f32,
    pixels: *const u32,
    count: usize,
) {
    for tile in 0..count {
        // SAFETY: the caller's.
        unsafe {
            let pixels = pixels.add(2 * PX * tile);
            let (first, last) = (*pixels as usize, *pixels.add(2 * (PX - 1)) as usize);
            let second = *pixels.add(if PX > 1 { 2 } else { 0 }) as usize;
            // Places grow by one distance within a row and by another from row to row: where the first and all together are so many pixels,
            // each is one.
            if last - first == (PX - 1) * 16 && (PX == 1 || second - first == 16) {
                one_tile::<V, PX, N, _>(context, weights, pixels, Beside(context.input.add(first)));
            } else {
                let mut from = [context.input; PX];
                for (pixel, from) in from.iter_mut().enumerate() {
                    *from = from.add(*pixels.add(2 * pixel) as usize);
                }
                one_tile::<V, PX, N, _>(context, weights, pixels, Apart(from));
            }
        }
    }
}

/// Where the pixels of a tile start.
trait Pixels: Copy {
    /// # Safety
    /// What the result points to is inside the input.
    unsafe fn pixel(&self, index: usize) -> *const f32;
}

/// One beside the other in a block: a single register holds the place of all.
#[derive(Clone, Copy)]
struct Beside(*const f32);

impl Pixels for Beside {
    #[inline(always)]
    unsafe fn pixel(&self, index: usize) -> *const f32 {
        // SAFETY: the caller's.
        unsafe { self.0.add(index * 16) }
    }
}

/// Anywhere.
#[derive(Clone, Copy)]
struct Apart<const PX: usize>([*const f32; PX]);

impl<const PX: usize> Pixels for Apart<PX> {
    #[inline(always)]
    unsafe fn pixel(&self, index: usize) -> *const f32 {
        self.0[index]
    }
}

#[inline(always)]
unsafe fn one_tile<V: Vector, const PX: usize, const N: usize, P: Pixels>(
    context: &Context,
    mut weights: *const f32,
    pixels: *const u32,
    from: P,
) {
    // SAFETY: the caller's; each offset of the table leads to lanes inside the input.
    unsafe {
        let mut sums = [[V::zero(); N]; PX];
        each!(VECTOR < N => {
            let bias = V::load(weights.add(VECTOR * V::LANES));
            each!(PIXEL < PX => { sums[PIXEL][VECTOR] = bias; });
        });
        weights = weights.add(N * V::LANES);
        let full = context.gemm.full as usize;
        for chunk in 0..full + context.gemm.tails as usize {
            let count = if chunk < full { CHUNK } else { context.gemm.tail_lanes as usize };
            let offset = *context.chunks.add(chunk) as usize;
            context.ahead.ask::<V>();
            weights = lanes::<V, PX, N, P>(&from, offset, count, weights, &mut sums);
        }
        finish(context, pixels, &mut sums);
    }
}

/// Adds the products of the input lanes of a chunk, at least one; returns where the next chunk's weights are.
///
/// Pixels and vectors are written out: in a loop, sums of many pixels would be kept in memory.
#[inline(always)]
unsafe fn lanes<V: Vector, const PX: usize, const N: usize, P: Pixels>(
    from: &P,
    offset: usize,
    count: usize,
    mut weights: *const f32,
    sums: &mut [[V; N]; PX],
) -> *const f32 {
    // SAFETY: the caller's.
    unsafe {
        let end = weights.add(count * N * V::LANES);
        let mut lane = offset;
        loop {
            let mut row = [V::zero(); N];
            each!(VECTOR < N => {
                let place = weights.add(VECTOR * V::LANES);
                row[VECTOR] = V::load(place);
                if const { V::LANES == LINE } {
                    V::prefetch_near(place.wrapping_add(CHUNK * N * V::LANES));
                }
            });
            each!(PIXEL < PX => {
                let value = V::broadcast(from.pixel(PIXEL).add(lane));
                each!(VECTOR < N => {
                    sums[PIXEL][VECTOR] = value.multiply_add(row[VECTOR], sums[PIXEL][VECTOR]);
                });
            });
            weights = weights.add(N * V::LANES);
            if weights >= end {
                return weights;
            }
            lane = lane.wrapping_add(1);
        }
    }
}

#[inline(always)]
unsafe fn finish<V: Vector, const PX: usize, const N: usize>(
    context: &Context,
    pixels: *const u32,
    sums: &mut [[V; N]; PX],
) {
    // SAFETY: the caller's.
    unsafe {
        let pitch = context.gemm.block_pitch as usize;
        each!(PIXEL < PX => {
            let place = *pixels.add(2 * PIXEL + 1) as usize;
            each!(VECTOR < N => {
                let place = place.wrapping_add(behind::<V>(VECTOR, pitch));
                let mut sum = sums[PIXEL][VECTOR];
                if context.gemm.adds != 0 {
                    sum = sum.add(V::load(context.other.add(place)));
                }
                if context.gemm.activation.is_relu() {
                    sum = sum.relu();
                }
                sum.store(context.output.add(place));
            });
        });
    }
}

/// From the place of a pixel to that of its vector number `vector`.
#[inline(always)]
fn behind<V: Vector>(vector: usize, pitch: usize) -> usize {
    (vector * V::LANES / 16).wrapping_mul(pitch).wrapping_add(vector * V::LANES % 16)
}

/// Applies the activation to the stored sums of a panel.
#[inline(always)]
unsafe fn activate<V: Vector>(vectors: usize, context: &Context, pixels: *const u32, count: usize) {
    let pitch = context.gemm.block_pitch as usize;
    for pixel in 0..count {
        // SAFETY: the caller's: the panel's sums were stored at these places.
        unsafe {
            let place = *pixels.add(2 * pixel + 1) as usize;
            for vector in 0..vectors {
                let place = place.wrapping_add(behind::<V>(vector, pitch));
                context.gemm.activation.apply::<V>(context.output.add(place));
            }
        }
    }
}
