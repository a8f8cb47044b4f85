//! One output row of a depthwise convolution: vectors of channels on their own, taps held in registers where they fit.

use super::vector::Vector;

/// Where the taps of a row lie. Distances are in floats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Depthwise {
    /// Output pixels of the row.
    pub width: u32,
    /// Blocks of 16 channels.
    pub blocks: u32,
    /// Rows of the window.
    pub rows: u32,
    /// Columns of the window.
    pub columns: u32,
    /// From a pixel's first column to the next pixel's.
    pub stride: u32,
    /// From a row of the window to the next, in rows of the input.
    pub row_step: u32,
    /// From a column of the window to the next.
    pub column_step: u32,
    /// Input rows that there is place for: row r lies in place r mod `ring`.
    pub ring: u32,
    /// From a row of the input to the next.
    pub row_pitch: u32,
    /// From a block of the input to the next.
    pub block_pitch: u32,
    /// From a block of the output to the next.
    pub output_pitch: u32,
    /// Whether negative values become zero.
    pub relu: u32,
}

/// Pixels of a tile beside nine held taps.
const BESIDE_TAPS: usize = 4;
/// Pixels of a tile where taps are loaded.
const PIXELS: usize = 8;
/// The most rows of a window; higher ones have no microkernel.
pub const MOST_ROWS: usize = 16;

/// Computes one row; the window's uppermost row is the input's row `first`.
///
/// # Safety
/// The CPU has the feature of `V`. `table` points to a [`Depthwise`] of at most [`MOST_ROWS`] rows, `weights` to, for each vector of channels, its biases and
/// its weights tap by tap; the places that follow from the table lie in the tensors at `input` and `output`, which don't overlap.
#[inline(always)]
pub unsafe fn depthwise<V: Vector>(
    table: *const u32,
    input: *const f32,
    first: u64,
    output: *mut f32,
    weights: *const f32,
) {
    // SAFETY: the caller's.
    unsafe {
        let row = table.cast::<Depthwise>().read();
        let mut rows = [input; MOST_ROWS];
        for (index, start) in rows.iter_mut().enumerate().take(row.rows as usize) {
            let place = (first + index as u64 * u64::from(row.row_step)) % u64::from(row.ring);
            *start = input.add(place as usize * row.row_pitch as usize);
        }
        let small = (row.rows, row.columns) == (3, 3);
        let mut weights = weights;
        for block in 0..row.blocks as usize {
            for vector in 0..16 / V::LANES {
                let from = block * row.block_pitch as usize + vector * V::LANES;
                let to = output.add(block * row.output_pitch as usize + vector * V::LANES);
                if small {
                    nine_taps::<V>(&row, &rows, from, to, weights);
                } else {
                    many_taps::<V>(&row, &rows, from, to, weights);
                }
                weights = weights.add((1 + row.rows as usize * row.columns as usize) * V::LANES);
            }
        }
    }
}

#[inline(always)]
unsafe fn nine_taps<V: Vector>(
    row: &Depthwise,
    rows: &[*const f32; MOST_ROWS],
    from: usize,
    to: *mut f32,
    weights: *const f32,
) {
    // SAFETY: the caller's.
    unsafe {
        let bias = V::load(weights);
        let taps: [V; 9] = std::array::from_fn(|tap| V::load(weights.add((tap + 1) * V::LANES)));
        let (stride, step) = (row.stride as usize, row.column_step as usize);
        let mut rows = [rows[0].add(from), rows[1].add(from), rows[2].add(from)];
        let mut to = to;
        let mut left = row.width as usize;
        while left > 0 {
            let pixels = if left >= BESIDE_TAPS { BESIDE_TAPS } else { 1 };
            if pixels == BESIDE_TAPS {
                held::<V, BESIDE_TAPS>(&rows, (stride, step), &taps, bias, to, row.relu != 0);
            } else {
                held::<V, 1>(&rows, (stride, step), &taps, bias, to, row.relu != 0);
            }
            rows = rows.map(|row| row.wrapping_add(pixels * stride));
            to = to.wrapping_add(pixels * 16);
            left -= pixels;
        }
    }
}

#[inline(always)]
unsafe fn held<V: Vector, const PX: usize>(
    rows: &[*const f32; 3],
    (stride, step): (usize, usize),
    taps: &[V; 9],
    bias: V,
    to: *mut f32,
    relu: bool,
) {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [bias; PX];
        for tap in 0..9 {
            for (pixel, sum) in sums.iter_mut().enumerate() {
                let value = V::load(rows[tap / 3].add(pixel * stride + tap % 3 * step));
                *sum = value.multiply_add(taps[tap], *sum);
            }
        }
        store(&sums, to, relu);
    }
}

#[inline(always)]
unsafe fn many_taps<V: Vector>(
    row: &Depthwise,
    rows: &[*const f32; MOST_ROWS],
    from: usize,
    to: *mut f32,
    weights: *const f32,
) {
    let mut done = 0;
    while done < row.width as usize {
        let from = from + done * row.stride as usize;
        // SAFETY: the caller's; `done` is below the width.
        unsafe {
            let to = to.add(done * 16);
            if row.width as usize - done >= PIXELS {
                loaded::<V, PIXELS>(row, rows, from, to, weights);
                done += PIXELS;
            } else {
                loaded::<V, 1>(row, rows, from, to, weights);
                done += 1;
            }
        }
    }
}

#[inline(always)]
unsafe fn loaded<V: Vector, const PX: usize>(
    row: &Depthwise,
    rows: &[*const f32; MOST_ROWS],
    from: usize,
    to: *mut f32,
    weights: *const f32,
) {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [V::load(weights); PX];
        let mut weights = weights;
        for &start in rows.iter().take(row.rows as usize) {
            let mut start = start.add(from);
            for _ in 0..row.columns {
                weights = weights.add(V::LANES);
                let weight = V::load(weights);
                for (pixel, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(start.add(pixel * row.stride as usize)).multiply_add(weight, *sum);
                }
                start = start.wrapping_add(row.column_step as usize);
            }
        }
        store(&sums, to, row.relu != 0);
    }
}

#[inline(always)]
unsafe fn store<V: Vector, const PX: usize>(sums: &[V; PX], to: *mut f32, relu: bool) {
    for (pixel, &sum) in sums.iter().enumerate() {
        // SAFETY: the caller's.
        unsafe {
            let value = if relu { sum.relu() } else { sum };
            value.store(to.add(pixel * 16));
        }
    }
}
