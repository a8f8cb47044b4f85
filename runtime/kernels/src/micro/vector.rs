//! Vectors of floats as each instruction set has them, behind one trait, so that every microkernel is written once.

/// The block for each number below a constant, written out. An array that only such constants index can live in registers; whether one indexed in
/// a loop does depends on how the compiler judges the loop.
macro_rules! each {
    ($index:ident < $count:expr => $body:block) => {
        each!($index, $count, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
    };
    ($index:ident, $count:expr, $body:block, $($value:literal)*) => {
        $(if $value < $count {
            const $index: usize = $value;
            $body
        })*
    };
}
pub(super) use each;

/// A vector register. All operations need the CPU feature that the type is for; loads and stores need memory for
/// [`LANES`](Self::LANES) floats, of any alignment.
pub trait Vector: Copy {
    /// Floats in it.
    const LANES: usize;

    /// # Safety
    /// The CPU has the feature, and `from` is readable for all lanes.
    unsafe fn load(from: *const f32) -> Self;

    /// # Safety
    /// The CPU has the feature, and `to` is writable for all lanes.
    unsafe fn store(self, to: *mut f32);

    /// The float at `from` in every lane.
    ///
    /// # Safety
    /// The CPU has the feature, and `from` is readable for one float.
    unsafe fn broadcast(from: *const f32) -> Self;

    /// # Safety
    /// The CPU has the feature.
    unsafe fn zero() -> Self;

    /// `self · factor + sum`, rounded once.
    ///
    /// # Safety
    /// The CPU has the feature.
    unsafe fn multiply_add(self, factor: Self, sum: Self) -> Self;

    /// # Safety
    /// The CPU has the feature.
    unsafe fn add(self, other: Self) -> Self;

    /// # Safety
    /// The CPU has the feature.
    unsafe fn multiply(self, factor: Self) -> Self;

    /// max(self, 0) in each lane.
    ///
    /// # Safety
    /// The CPU has the feature.
    unsafe fn relu(self) -> Self;

    /// Asks for the cache line of a place, which need not be one of a tensor, into the second-level cache.
    ///
    /// # Safety
    /// The CPU has the feature.
    unsafe fn prefetch(place: *const f32);

    /// The same into the first-level cache.
    ///
    /// # Safety
    /// The CPU has the feature.
    unsafe fn prefetch_near(place: *const f32);

    /// The greater in each lane.
    ///
    /// # Safety
    /// The CPU has the feature.
    unsafe fn maximum(self, other: Self) -> Self;

    /// The lesser in each lane.
    ///
    /// # Safety
    /// The CPU has the feature.
    unsafe fn minimum(self, other: Self) -> Self;
}

/// Implements [`Vector`] by intrinsics of one name pattern.
macro_rules! vector {
    ($name:ty, $lanes:literal, $arch:ident, $load:ident, $store:ident, |$from:ident| $broadcast:expr, $zero:expr, |$a:ident, $b:ident, $sum:ident| $fma:expr, $add:ident, $mul:ident, $max:ident, $min:ident, |$place:ident| $prefetch:expr, $prefetch_near:expr) => {
        impl Vector for $name {
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: the caller's.
                unsafe { $arch::$load(from) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: the caller's.
                unsafe { $arch::$store(to, self) }
            }

            #[inline(always)]
            unsafe fn broadcast($from: *const f32) -> Self {
                // SAFETY: the caller's.
                unsafe { $broadcast }
            }

            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the caller's.
                unsafe { $zero }
            }

            #[inline(always)]
            unsafe fn multiply_add(self, $b: Self, $sum: Self) -> Self {
                let $a = self;
                // SAFETY: the caller's.
                unsafe { $fma }
            }

            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: the caller's.
                unsafe { $arch::$add(self, other) }
            }

            #[inline(always)]
            unsafe fn multiply(self, factor: Self) -> Self {
                // SAFETY: the caller's.
                unsafe { $arch::$mul(self, factor) }
            }

            #[inline(always)]
            unsafe fn relu(self) -> Self {
                // The zero comes second: x86 gives the second operand where one is no number, as the other kernels do.
                // SAFETY: the caller's.
                unsafe { $arch::$max(self, Self::zero()) }
            }

            #[inline(always)]
            unsafe fn prefetch($place: *const f32) {
                // SAFETY: the caller's; a prefetch touches no memory that the program could see.
                unsafe { $prefetch }
            }

            #[inline(always)]
            unsafe fn prefetch_near($place: *const f32) {
                // SAFETY: as for `prefetch`.
                unsafe { $prefetch_near }
            }

            #[inline(always)]
            unsafe fn maximum(self, other: Self) -> Self {
                // SAFETY: the caller's.
                unsafe { $arch::$max(self, other) }
            }

            #[inline(always)]
            unsafe fn minimum(self, other: Self) -> Self {
                // SAFETY: the caller's.
                unsafe { $arch::$min(self, other) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Vector;
    use std::arch::x86_64 as arch;

    vector!(
        arch::__m256,
        8,
        arch,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        |from| arch::_mm256_set1_ps(*from),
        arch::_mm256_setzero_ps(),
        |a, b, sum| arch::_mm256_fmadd_ps(a, b, sum),
        _mm256_add_ps,
        _mm256_mul_ps,
        _mm256_max_ps,
        _mm256_min_ps,
        |place| arch::_mm_prefetch::<{ arch::_MM_HINT_T1 }>(place.cast()),
        arch::_mm_prefetch::<{ arch::_MM_HINT_T0 }>(place.cast())
    );
    vector!(
        arch::__m512,
        16,
        arch,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        |from| arch::_mm512_set1_ps(*from),
        arch::_mm512_setzero_ps(),
        |a, b, sum| arch::_mm512_fmadd_ps(a, b, sum),
        _mm512_add_ps,
        _mm512_mul_ps,
        _mm512_max_ps,
        _mm512_min_ps,
        |place| arch::_mm_prefetch::<{ arch::_MM_HINT_T1 }>(place.cast()),
        arch::_mm_prefetch::<{ arch::_MM_HINT_T0 }>(place.cast())
    );
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use super::Vector;
    use std::arch::aarch64 as arch;

    vector!(
        arch::float32x4_t,
        4,
        arch,
        vld1q_f32,
        vst1q_f32,
        |from| arch::vld1q_dup_f32(from),
        arch::vdupq_n_f32(0.0),
        |a, b, sum| arch::vfmaq_f32(sum, a, b),
        vaddq_f32,
        vmulq_f32,
        vmaxnmq_f32,
        vminnmq_f32,
        |place| std::arch::asm!("prfm pldl2keep, [{place}]", place = in(reg) place, options(nostack, readonly, preserves_flags)),
        std::arch::asm!("prfm pldl1keep, [{place}]", place = in(reg) place, options(nostack, readonly, preserves_flags))
    );
}
