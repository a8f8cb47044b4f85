//! One output row of a depthwise convolution: vectors of channels on their own, taps held in registers where they fit.

use super::activation::Activation;
use super::vector::{Vector, each};

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
    /// What is done to the sums.
    pub activation: Activation,
}

/// The most pixels of a tile: as many sums, and beside them the taps of one row of a window and a column.
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
        let small = (row.rows, row.columns, row.column_step) == (3, 3, 16);
        let mut weights = weights;
        for block in 0..row.blocks as usize {
            for vector in 0..16 / V::LANES {
                let from = block * row.block_pitch as usize + vector * V::LANES;
                let to = output.add(block * row.output_pitch as usize + vector * V::LANES);
                match row.stride {
                    16 if small => nine_taps::<V, 1>(&row, &rows, from, to, weights),
                    32 if small => nine_taps::<V, 2>(&row, &rows, from, to, weights),
                    _ => many_taps::<V>(&row, &rows, from, to, weights),
                }
                if row.activation.is_late() {
                    (0..row.width as usize).for_each(|pixel| row.activation.apply::<V>(to.add(pixel * 16)));
                }
                weights = weights.add((1 + row.rows as usize * row.columns as usize) * V::LANES);
            }
        }
    }
}

/// Three rows of three columns without gaps: each column of the input is loaded once for all the pixels of a tile that see it.
#[inline(always)]
unsafe fn nine_taps<V: Vector, const STRIDE: usize>(
    row: &Depthwise,
    rows: &[*const f32; MOST_ROWS],
    from: usize,
    to: *mut f32,
    weights: *const f32,
) {
    /// One arm for each size of a tile.
    macro_rules! arms {
        ($size:expr, $rows:expr, $to:expr; $($p:literal)*) => {
            match $size {
                $($p => nine_taps_of::<V, STRIDE, $p>(row, $rows, $to, weights),)*
                _ => {}
            }
        };
    }
    // As even as can be: `large` tiles of `size`, the others of one less.
    let width = row.width as usize;
    let tiles = width.div_ceil(PIXELS);
    let size = width.div_ceil(tiles.max(1));
    let large = width - tiles * size.saturating_sub(1);
    let mut done = 0;
    for tile in 0..tiles {
        let size = if tile < large { size } else { size - 1 };
        // SAFETY: the caller's; tiles cover the width.
        unsafe {
            let place = from + done * STRIDE * 16;
            let rows = [rows[0].add(place), rows[1].add(place), rows[2].add(place)];
            let to = to.add(done * 16);
            arms!(size, rows, to; 1 2 3 4 5 6 7 8);
        }
        done += size;
    }
}

/// The pixel whose window has this column under this tap, if there is one.
const fn pixel_under(column: usize, tap: usize, stride: usize) -> Option<usize> {
    if column < tap || !(column - tap).is_multiple_of(stride) {
        return None;
    }
    Some((column - tap) / stride)
}

#[allow(clippy::out_of_bounds_indexing, reason = "unrolled steps beyond the bound are compiled, not run")]
#[inline(always)]
unsafe fn nine_taps_of<V: Vector, const STRIDE: usize, const PX: usize>(
    row: &Depthwise,
    rows: [*const f32; 3],
    to: *mut f32,
    weights: *const f32,
) {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [V::load(weights); PX];
        let mut weights = weights.add(V::LANES);
        for row in rows {
            let mut taps = [V::zero(); 3];
            each!(TAP < 3 => { taps[TAP] = V::load(weights.add(TAP * V::LANES)); });
            each!(COLUMN < (PX - 1) * STRIDE + 3 => {
                let value = V::load(row.add(COLUMN * 16));
                each!(TAP < 3 => {
                    // Of the pixel that has this column under this tap.
                    if let Some(pixel) = const { pixel_under(COLUMN, TAP, STRIDE) }
                        && pixel < PX
                    {
                        sums[pixel] = value.multiply_add(taps[TAP], sums[pixel]);
                    }
                });
            });
            weights = weights.add(3 * V::LANES);
        }
        each!(PIXEL < PX => {
            let sum = if row.activation.is_relu() { sums[PIXEL].relu() } else { sums[PIXEL] };
            sum.store(to.add(PIXEL * 16));
        });
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
        store(&sums, to, row.activation.is_relu());
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
