//! Convolutions as an outer product in registers: tiles of `PX` pixels × `N` vectors of output channels.
//!
//! A tile starts from the biases (and, where asked, from what is added), and for each input lane loads that lane of every pixel into all
//! lanes of a register, loads `N` vectors of weights, and multiplies and adds all with all. Where the lanes and pixels lie is in the
//! table behind [`Gemm`], so that one kernel serves windows of every kind.

use super::vector::Vector;

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
    /// Whether negative sums become zero.
    pub relu: u32,
    /// Whether sums start from what `other` holds at the places of the output.
    pub adds: u32,
    /// From a block of the output to the next. A panel starts at a block, or ends within the one that it starts in.
    pub block_pitch: u32,
    /// Place in the output of a vector that is zeroed for each pixel, and how many floats follow; none where the count is 0.
    pub clear: u32,
    /// Floats to zero there.
    pub clear_lanes: u32,
}

/// What does not change within a call.
struct Context {
    gemm: Gemm,
    chunks: *const u32,
    input: *const f32,
    output: *mut f32,
    other: *const f32,
}

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
                let context = Context { gemm, chunks, input, output, other: other.wrapping_add(place) };
                panel_of::<V>(vectors, &context, weights, here, count);
                weights = weights.add((lanes + 1) * vectors * V::LANES);
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
        ($(($n:literal, $p:literal)),*) => {
            match (vectors, pixels) {
                $(($n, $p) if $p <= most_pixels(V::LANES, $n) => {
                    // SAFETY: the caller's.
                    unsafe { tiles::<V, $p, $n>(context, weights, table, count) }
                })*
                _ => unreachable!("tiles are cut to sizes that there are"),
            }
        };
    }
    arms!(
        (2, 6),
        (2, 5),
        (2, 4),
        (2, 3),
        (2, 2),
        (2, 1),
        (2, 7),
        (2, 8),
        (2, 9),
        (2, 10),
        (2, 11),
        (2, 12),
        (2, 13),
        (2, 14),
        (1, 6),
        (1, 5),
        (1, 4),
        (1, 3),
        (1, 2),
        (1, 1),
        (1, 7),
        (1, 8),
        (1, 9),
        (1, 10),
        (1, 11),
        (1, 12),
        (1, 13),
        (1, 14),
        (3, 8),
        (3, 7),
        (3, 6),
        (3, 5),
        (3, 4),
        (3, 3),
        (3, 2),
        (3, 1),
        (4, 6),
        (4, 5),
        (4, 4),
        (4, 3),
        (4, 2),
        (4, 1),
        (8, 1)
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
        unsafe { one_tile::<V, PX, N>(context, weights, pixels.add(2 * PX * tile)) };
    }
}

#[inline(always)]
unsafe fn one_tile<V: Vector, const PX: usize, const N: usize>(
    context: &Context,
    mut weights: *const f32,
    pixels: *const u32,
) {
    // SAFETY: the caller's; each offset of the table leads to lanes inside the input.
    unsafe {
        let from: [*const f32; PX] = std::array::from_fn(|pixel| context.input.add(*pixels.add(2 * pixel) as usize));
        let bias: [V; N] = std::array::from_fn(|vector| V::load(weights.add(vector * V::LANES)));
        let mut sums = [bias; PX];
        weights = weights.add(N * V::LANES);
        let mut chunk = context.chunks;
        let end = chunk.add(context.gemm.full as usize);
        while chunk < end {
            let offset = *chunk as usize;
            for lane in 0..CHUNK {
                step(&from, offset + lane, weights.add(lane * N * V::LANES), &mut sums);
            }
            weights = weights.add(CHUNK * N * V::LANES);
            chunk = chunk.add(1);
        }
        let end = chunk.add(context.gemm.tails as usize);
        while chunk < end {
            let offset = *chunk as usize;
            for lane in 0..context.gemm.tail_lanes as usize {
                step(&from, offset + lane, weights, &mut sums);
                weights = weights.add(N * V::LANES);
            }
            chunk = chunk.add(1);
        }
        finish(context, pixels, &mut sums);
    }
}

/// Adds the products of one input lane.
#[inline(always)]
unsafe fn step<V: Vector, const PX: usize, const N: usize>(
    from: &[*const f32; PX],
    lane: usize,
    weights: *const f32,
    sums: &mut [[V; N]; PX],
) {
    // SAFETY: the caller's.
    unsafe {
        let weights: [V; N] = std::array::from_fn(|vector| V::load(weights.add(vector * V::LANES)));
        for pixel in 0..PX {
            let value = V::broadcast(from[pixel].add(lane));
            for vector in 0..N {
                sums[pixel][vector] = value.multiply_add(weights[vector], sums[pixel][vector]);
            }
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
        for (pixel, sums) in sums.iter_mut().enumerate() {
            let place = *pixels.add(2 * pixel + 1) as usize;
            let pitch = context.gemm.block_pitch as usize;
            let place = |vector: usize| place + vector * V::LANES / 16 * pitch + vector * V::LANES % 16;
            if context.gemm.adds != 0 {
                for (vector, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.add(V::load(context.other.add(place(vector))));
                }
            }
            if context.gemm.relu != 0 {
                for sum in sums.iter_mut() {
                    *sum = sum.relu();
                }
            }
            for (vector, sum) in sums.iter().enumerate() {
                sum.store(context.output.add(place(vector)));
            }
        }
    }
}
