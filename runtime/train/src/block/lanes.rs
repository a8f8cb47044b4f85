//! Vectors of numbers that are computed on side by side, as many on every machine, so that the order of sums is the same.

use pulp::Simd;

/// How many numbers.
pub const LANES: usize = 16;

/// sum + a·b, rounded once where the machine has vectors, all of which can.
#[inline(always)]
pub fn added<S: Simd>(mut sums: [f32; LANES], a: &[f32; LANES], b: &[f32; LANES]) -> [f32; LANES] {
    for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
        *sum = if S::IS_SCALAR { *sum + a * b } else { a.mul_add(*b, *sum) };
    }
    sums
}

/// The sum of all: halves are added to each other.
#[inline(always)]
pub fn total(mut sums: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        let (front, back) = sums.split_at_mut(half);
        front.iter_mut().zip(back).for_each(|(sum, other)| *sum += *other);
        half /= 2;
    }
    sums[0]
}
