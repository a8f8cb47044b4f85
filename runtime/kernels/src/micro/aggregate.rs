//! One row of a sum of tensors, each times its factor, with the activation that follows: what a node of a random network does with its inputs.

use super::activation::Activation;
use super::vector::Vector;

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
/// The most inputs of one pass: their pointers stay in registers.
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
        for block in 0..sum.blocks as usize {
            let to = output.add(block * sum.block_pitch as usize);
            if row < 0 || row >= i64::from(sum.height) {
                to.write_bytes(0, sum.run as usize);
                continue;
            }
            let from = |input: usize| {
                let places = places.add(input * WORDS_OF_INPUT);
                let start = *places as usize + row as usize * *places.add(1) as usize;
                (*inputs.add(input)).add(start + block * *places.add(2) as usize)
            };
            let mut done = 0;
            while done < sum.inputs as usize {
                let count = (sum.inputs as usize - done).min(TOGETHER);
                let starts = std::array::from_fn(|index| from(done + index.min(count - 1)));
                let factors = factors.wrapping_add(done);
                let relu = sum.activation.is_relu() && done + count == sum.inputs as usize;
                let way = (done > 0, relu);
                match count {
                    1 => terms::<V, 1>(&sum, &starts, factors, to, way),
                    2 => terms::<V, 2>(&sum, &starts, factors, to, way),
                    3 => terms::<V, 3>(&sum, &starts, factors, to, way),
                    4 => terms::<V, 4>(&sum, &starts, factors, to, way),
                    5 => terms::<V, 5>(&sum, &starts, factors, to, way),
                    6 => terms::<V, 6>(&sum, &starts, factors, to, way),
                    7 => terms::<V, 7>(&sum, &starts, factors, to, way),
                    _ => terms::<V, TOGETHER>(&sum, &starts, factors, to, way),
                }
                done += count;
            }
            if sum.activation.is_late() {
                for at in (0..sum.run as usize).step_by(V::LANES) {
                    sum.activation.apply::<V>(to.add(at));
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn terms<V: Vector, const N: usize>(
    sum: &Aggregate,
    from: &[*const f32; TOGETHER],
    factors: *const f32,
    to: *mut f32,
    (adds, relu): (bool, bool),
) {
    // SAFETY: the caller's.
    unsafe {
        let factors: Option<[V; N]> =
            (sum.weighted != 0).then(|| std::array::from_fn(|index| V::broadcast(factors.add(index))));
        let mut at = 0;
        while at < sum.run as usize {
            let values: [V; N] = std::array::from_fn(|index| V::load(from[index].add(at)));
            let mut total = if adds { V::load(to.add(at)) } else { V::zero() };
            for (index, value) in values.into_iter().enumerate() {
                total = match &factors {
                    Some(factors) => value.multiply_add(factors[index], total),
                    None => total.add(value),
                };
            }
            if relu {
                total = total.relu();
            }
            total.store(to.add(at));
            at += V::LANES;
        }
    }
}
