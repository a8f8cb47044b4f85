//! One row of a sum of tensors, each times its factor, with the activation that follows: what a node of a random network does with its inputs.

use super::activation::Activation;
use super::vector::{Vector, each};

/// The head of the table; behind it, for each input: the place of its first row, its row pitch, its block pitch. In floats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Aggregate {
    /// Tensors that are summed, at least one.
    pub inputs: u32,
    /// Rows that they have.
    pub height: u32,
    /// Which row of the inputs the row numbered 0 is.
    pub start: i32,
    /// Rows that the output has place for: row r is written to place r mod `ring`.
    pub ring: u32,
    /// From a row of the output to the next.
    pub row_pitch: u32,
    /// From a block of the output to the next.
    pub block_pitch: u32,
    /// Floats of one row of one block, a multiple of 16.
    pub run: u32,
    /// Blocks.
    pub blocks: u32,
    /// Whether there are factors.
    pub weighted: u32,
    /// What is done to the sums.
    pub activation: Activation,
}

/// Words of the table for each input.
pub const WORDS_OF_INPUT: usize = 3;
/// The most terms of one pass: their pointers stay in registers.
pub const TOGETHER: usize = 8;

/// Writes row number `row` of the sum, zeros where the inputs have no such row.
///
/// # Safety
/// The CPU has the feature of `V`. `table` points to an [`Aggregate`] with what follows it, `inputs` to as many tensors, `factors` to as many floats where
/// there are factors; the places that follow from the table lie in the inputs and the output. Up to [`TOGETHER`] inputs the output may be one
/// of them, held alike; otherwise they don't overlap.
#[inline(always)]
pub unsafe fn aggregate<V: Vector>(
    table: *const u32,
    inputs: *const *const f32,
    row: u64,
    output: *mut f32,
    factors: *const f32,
) {
    // SAFETY: the caller's.
    unsafe {
        let sum = table.cast::<Aggregate>().read();
        let places = table.add(size_of::<Aggregate>() / 4);
        let output = output.add((row % u64::from(sum.ring)) as usize * sum.row_pitch as usize);
        let row = i64::from(sum.start) + row as i64;
        if row < 0 || row >= i64::from(sum.height) {
            for block in 0..sum.blocks as usize {
                output.add(block * sum.block_pitch as usize).write_bytes(0, sum.run as usize);
            }
            return;
        }
        let term = |input: usize| {
            let places = places.add(input * WORDS_OF_INPUT);
            let start = *places as usize + row as usize * *places.add(1) as usize;
            let factor = if sum.weighted == 0 { 1.0 } else { *factors.add(input) };
            Term { start: (*inputs.add(input)).add(start), pitch: *places.add(2) as usize, factor }
        };
        // What earlier passes have summed is a term of the next one.
        let summed = Term { start: output, pitch: sum.block_pitch as usize, factor: 1.0 };
        let (mut terms, mut count, mut done) = ([summed; TOGETHER], 0, 0);
        while done < sum.inputs as usize {
            while count < TOGETHER && done < sum.inputs as usize {
                terms[count] = term(done);
                (count, done) = (count + 1, done + 1);
            }
            let relu = sum.activation.is_relu() && done == sum.inputs as usize;
            match count {
                1 => pass::<V, 1>(&sum, &terms, output, relu),
                2 => pass::<V, 2>(&sum, &terms, output, relu),
                3 => pass::<V, 3>(&sum, &terms, output, relu),
                4 => pass::<V, 4>(&sum, &terms, output, relu),
                5 => pass::<V, 5>(&sum, &terms, output, relu),
                6 => pass::<V, 6>(&sum, &terms, output, relu),
                7 => pass::<V, 7>(&sum, &terms, output, relu),
                _ => pass::<V, TOGETHER>(&sum, &terms, output, relu),
            }
            (terms[0], count) = (summed, 1);
        }
        if sum.activation.is_late() {
            for block in 0..sum.blocks as usize {
                let to = output.add(block * sum.block_pitch as usize);
                (0..sum.run as usize).step_by(V::LANES).for_each(|at| sum.activation.apply::<V>(to.add(at)));
            }
        }
    }
}

/// One of the tensors that are summed: where the row starts, from a block to the next, and what it is multiplied by.
#[derive(Clone, Copy)]
struct Term {
    start: *const f32,
    pitch: usize,
    factor: f32,
}

#[inline(always)]
unsafe fn pass<V: Vector, const N: usize>(sum: &Aggregate, terms: &[Term; TOGETHER], to: *mut f32, relu: bool) {
    // SAFETY: the caller's.
    unsafe { if relu { blocks::<V, N, true>(sum, terms, to) } else { blocks::<V, N, false>(sum, terms, to) } }
}

/// The first `N` terms of a row. Pointers and factors stay in registers from block to block.
#[inline(always)]
unsafe fn blocks<V: Vector, const N: usize, const RELU: bool>(
    sum: &Aggregate,
    terms: &[Term; TOGETHER],
    mut to: *mut f32,
) {
    // SAFETY: the caller's. Behind the last block nothing is read through the pointers.
    unsafe {
        let factors: [V; N] = std::array::from_fn(|term| V::broadcast(&raw const terms[term].factor));
        let mut from: [*const f32; N] = std::array::from_fn(|term| terms[term].start);
        let pitches: [usize; N] = std::array::from_fn(|term| terms[term].pitch);
        let run = sum.run as usize;
        for _ in 0..sum.blocks {
            let mut at = 0;
            while at < run {
                let mut total = V::zero();
                each!(TERM < N => {
                    total = V::load(from[TERM].add(at)).multiply_add(factors[TERM], total);
                });
                let total = if RELU { total.relu() } else { total };
                total.store(to.add(at));
                at = at.wrapping_add(V::LANES);
            }
            each!(TERM < N => { from[TERM] = from[TERM].wrapping_add(pitches[TERM]); });
            to = to.wrapping_add(sum.block_pitch as usize);
        }
    }
}
