//! Vectors of numbers, as wide as the machine has them, of which the last in a row may be a part.

#![allow(
    unsafe_code,
    reason = "innermost loops that check every place take several times as long; their callers check once"
)]

use pulp::Simd;
use pulp::bytemuck::{bytes_of, cast_slice, cast_slice_mut, pod_read_unaligned};
use std::ops::{Deref, DerefMut, Range};

/// Numbers of the widest vectors: rows of which whole ones are read have as many, or a multiple.
pub const LANES: usize = 16;

/// Numbers that begin where a line of the caches does, so that a whole vector is in one of them.
#[derive(Debug)]
pub struct Aligned {
    numbers: Vec<f32>,
    range: Range<usize>,
}

impl Aligned {
    /// So many zeros.
    pub fn zeros(count: usize) -> Self {
        let numbers = vec![0.0_f32; if count == 0 { 0 } else { count + LANES }];
        // Where it can't be told where lines begin, anywhere is right.
        let first = numbers.as_ptr().align_offset(LANES * size_of::<f32>()).min(numbers.len() - count);
        Self { numbers, range: first..first + count }
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.numbers[self.range.clone()]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.numbers[self.range.clone()]
    }
}

/// The first numbers of a slice, as many as a vector has; zeros behind them where the slice has fewer.
#[inline(always)]
pub fn load<S: Simd>(simd: S, from: &[f32]) -> S::f32s {
    match from.get(..S::F32_LANES) {
        Some(whole) => pod_read_unaligned(cast_slice(whole)),
        None => simd.partial_load_f32s(from),
    }
}

/// The numbers from a place on, as many as a vector has.
///
/// # Safety
/// As many must lie there.
#[inline(always)]
pub unsafe fn load_at<S: Simd>(from: &[f32], at: usize) -> S::f32s {
    debug_assert!(at + S::F32_LANES <= from.len());
    // SAFETY: the caller's; any bits are numbers.
    unsafe { from.as_ptr().add(at).cast::<S::f32s>().read_unaligned() }
}

/// Writes a vector to a place.
///
/// # Safety
/// As many numbers must lie there.
#[inline(always)]
pub unsafe fn store_at<S: Simd>(to: &mut [f32], at: usize, vector: S::f32s) {
    debug_assert!(at + S::F32_LANES <= to.len());
    // SAFETY: the caller's.
    unsafe { to.as_mut_ptr().add(at).cast::<S::f32s>().write_unaligned(vector) };
}

/// As many numbers from a place on as `count` says, which is no more than a vector has; zeros behind them.
///
/// # Safety
/// As many must lie there.
#[inline(always)]
pub unsafe fn load_some<S: Simd>(simd: S, from: &[f32], at: usize, count: usize) -> S::f32s {
    if count == S::F32_LANES {
        // SAFETY: the caller's.
        unsafe { load_at::<S>(from, at) }
    } else {
        simd.partial_load_f32s(&from[at..][..count])
    }
}

/// Writes the first `count` numbers of a vector to a place.
///
/// # Safety
/// As many must lie there.
#[inline(always)]
pub unsafe fn store_some<S: Simd>(simd: S, to: &mut [f32], at: usize, count: usize, vector: S::f32s) {
    if count == S::F32_LANES {
        // SAFETY: the caller's.
        unsafe { store_at::<S>(to, at, vector) };
    } else {
        simd.partial_store_f32s(&mut to[at..][..count], vector);
    }
}

/// The number at a place.
///
/// # Safety
/// It must lie there.
#[inline(always)]
pub unsafe fn number_at(from: &[f32], at: usize) -> f32 {
    debug_assert!(at < from.len());
    // SAFETY: the caller's.
    unsafe { *from.get_unchecked(at) }
}

/// Writes a vector, of which only so many numbers as there is room for.
#[inline(always)]
pub fn store<S: Simd>(simd: S, to: &mut [f32], vector: S::f32s) {
    match to.get_mut(..S::F32_LANES) {
        Some(whole) => cast_slice_mut(whole).copy_from_slice(bytes_of(&vector)),
        None => simd.partial_store_f32s(to, vector),
    }
}

/// Has numbers brought near that are read soon, while something else is computed; none where the range has not all of them.
pub fn prefetch(numbers: &[f32], range: Range<usize>) {
    let numbers = numbers.get(range).unwrap_or_default();
    #[cfg(target_arch = "x86_64")]
    for line in numbers.chunks(LANES) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: every such machine can, and nothing is read that a program could see.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = numbers;
}

/// Where the vectors of a row of so many numbers begin and end.
#[inline(always)]
pub fn vectors<S: Simd>(count: usize) -> impl Iterator<Item = [usize; 2]> {
    (0..count).step_by(S::F32_LANES).map(move |first| [first, count.min(first + S::F32_LANES)])
}
