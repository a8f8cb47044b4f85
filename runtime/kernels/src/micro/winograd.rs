//! Convolutions of 3 × 3 windows with fewer multiplications (Lavin, Gray, "Fast Algorithms for Convolutional Neural Networks", 2016): sixteen for the
//! four outputs of a tile of 2 × 2, where the windows have thirty-six.
//!
//! [`spread`] makes of the 4 × 4 inputs of a tile sixteen numbers; products of each with its weights, over all channels, are matrices' ([`super::gemm`]);
//! [`collect`] makes of a tile's sixteen products its 2 × 2 outputs.

use super::activation::Activation;
use super::vector::Vector;

/// Numbers of a tile.
pub const NUMBERS: u64 = 16;

/// Where tiles lie, in a tensor and as numbers: `[16][blocks][rows][tiles][16]`. Distances are in floats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Winograd {
    /// Tiles of a row.
    pub tiles: u32,
    /// Rows of tiles.
    pub rows: u32,
    /// Blocks of channels.
    pub blocks: u32,
    /// From a row of the tensor to the next.
    pub row_pitch: u32,
    /// From a block of the tensor to the next.
    pub block_pitch: u32,
    /// From a number of a tile to the next.
    pub number_pitch: u32,
    /// Whether outputs start from what `other` holds at their places.
    pub adds: u32,
    /// What is done to the outputs.
    pub activation: Activation,
}

impl Winograd {
    /// For each tile its place in the tensor, from its first output's or the corner of its first window, and among the numbers.
    #[inline(always)]
    fn each(&self, lanes: usize, mut tile: impl FnMut(usize, usize, usize)) {
        let mut number = 0;
        for block in 0..self.blocks as usize {
            for row in 0..self.rows as usize {
                let start = block * self.block_pitch as usize + 2 * row * self.row_pitch as usize;
                for column in 0..self.tiles as usize {
                    for lane in (0..16).step_by(lanes) {
                        tile(start + 32 * column + lane, number + lane, block * 16 + lane);
                    }
                    number += 16;
                }
            }
        }
    }
}

/// `a − b`.
#[inline(always)]
unsafe fn minus<V: Vector>(a: V, b: V) -> V {
    // SAFETY: the caller's: the CPU has the feature.
    unsafe { b.multiply_add(V::broadcast(&-1.0), a) }
}

/// The numbers of all tiles.
///
/// # Safety
/// The CPU has the feature of `V`. `table` points to a [`Winograd`]; the places that follow from it lie in the tensor at `input` and in the memory at
/// `output`, which don't overlap.
#[inline(always)]
pub unsafe fn spread<V: Vector>(table: *const u32, input: *const f32, output: *mut f32) {
    // SAFETY: the caller's.
    unsafe {
        let head = table.cast::<Winograd>().read();
        let (pitch, part) = (head.row_pitch as usize, head.number_pitch as usize);
        head.each(V::LANES, |place, number, _| {
            let (from, to) = (input.add(place), output.add(number));
            let mut columns = [[V::zero(); 4]; 4];
            for (column, sums) in columns.iter_mut().enumerate() {
                let from = from.add(16 * column);
                *sums = combined([0, 1, 2, 3].map(|row| V::load(from.add(row * pitch))));
            }
            for row in 0..4 {
                let numbers = combined(columns.map(|column| column[row]));
                for (column, number) in numbers.into_iter().enumerate() {
                    number.store(to.add((4 * row + column) * part));
                }
            }
        });
    }
}

/// Of four inputs in a line: first less third, second with third, third less second, second less fourth.
#[inline(always)]
unsafe fn combined<V: Vector>([a, b, c, d]: [V; 4]) -> [V; 4] {
    // SAFETY: the caller's: the CPU has the feature.
    unsafe { [minus(a, c), b.add(c), minus(c, b), minus(b, d)] }
}

/// The outputs of all tiles.
///
/// # Safety
/// The CPU has the feature of `V`. `table` points to a [`Winograd`]; the places that follow from it lie in the memory at `input`, in the tensor at `output`
/// and, where outputs start from it, in `other`; `biases` holds one for each channel. `output` may be `other`, and overlaps nothing else.
#[inline(always)]
pub unsafe fn collect<V: Vector>(
    table: *const u32,
    input: *const f32,
    output: *mut f32,
    biases: *const f32,
    other: *const f32,
) {
    // SAFETY: the caller's.
    unsafe {
        let head = table.cast::<Winograd>().read();
        let (pitch, part) = (head.row_pitch as usize, head.number_pitch as usize);
        head.each(V::LANES, |place, number, channel| {
            let from = input.add(number);
            let mut columns = [[V::zero(); 2]; 4];
            for (column, sums) in columns.iter_mut().enumerate() {
                *sums = reduced([0, 1, 2, 3].map(|row| V::load(from.add((4 * row + column) * part))));
            }
            let bias = V::load(biases.add(channel));
            for row in 0..2 {
                for (column, sum) in reduced(columns.map(|column| column[row])).into_iter().enumerate() {
                    let place = place + row * pitch + 16 * column;
                    let mut sum = sum.add(bias);
                    if head.adds != 0 {
                        sum = sum.add(V::load(other.add(place)));
                    }
                    if head.activation.is_relu() {
                        sum = sum.relu();
                    }
                    sum.store(output.add(place));
                    if head.activation.is_late() {
                        head.activation.apply::<V>(output.add(place));
                    }
                }
            }
        });
    }
}

/// Of four products in a line: the first three together, the second less the others.
#[inline(always)]
unsafe fn reduced<V: Vector>([a, b, c, d]: [V; 4]) -> [V; 2] {
    // SAFETY: the caller's: the CPU has the feature.
    unsafe { [a.add(b).add(c), minus(minus(b, c), d)] }
}
