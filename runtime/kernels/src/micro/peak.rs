//! The most that one core can do: multiply-adds on registers alone, with enough of them independent to fill every pipe.

use super::vector::Vector;
use std::time::Instant;

/// Independent sums; two pipes of a latency of four or five need ten.
const CHAINS: usize = 12;
/// Multiply-adds of each chain before the clock is read.
const ROUNDS: u64 = 20_000;

/// GFLOP/s of one core, the best of `tries`; zero where the CPU has no instruction set with microkernels.
#[must_use]
pub fn gflops(tries: usize) -> f64 {
    let Some(isa) = super::Isa::best() else { return 0.0 };
    let once = || {
        let start = Instant::now();
        // SAFETY: the CPU has what `best` found.
        let lanes = unsafe {
            match isa {
                #[cfg(target_arch = "x86_64")]
                super::Isa::Avx2 => avx2(1.0),
                #[cfg(target_arch = "x86_64")]
                super::Isa::Avx512 => avx512(1.0),
                #[cfg(target_arch = "aarch64")]
                super::Isa::Neon => neon(1.0),
                #[allow(
                    unreachable_patterns,
                    reason = "some instruction set is always missing, which depends on the target"
                )]
                _ => 0,
            }
        };
        (2 * lanes * CHAINS) as f64 * ROUNDS as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    (0..tries).map(|_| once()).fold(0.0, f64::max)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(value: f32) -> usize {
    // SAFETY: the caller's.
    unsafe { chains::<std::arch::x86_64::__m256>(value) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(value: f32) -> usize {
    // SAFETY: the caller's.
    unsafe { chains::<std::arch::x86_64::__m512>(value) }
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
unsafe fn neon(value: f32) -> usize {
    // SAFETY: the caller's.
    unsafe { chains::<std::arch::aarch64::float32x4_t>(value) }
}

/// Returns the floats of one vector.
#[inline(always)]
unsafe fn chains<V: Vector>(value: f32) -> usize {
    let value = std::hint::black_box(value);
    // SAFETY: the caller's, and `value` lives through the loads.
    unsafe {
        let factor = V::broadcast(&raw const value);
        let mut sums = [factor; CHAINS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = factor.multiply_add(factor, *sum);
            }
        }
        let mut out = [0.0_f32; 16];
        for sum in sums {
            sum.store(out.as_mut_ptr());
            std::hint::black_box(&out);
        }
    }
    V::LANES
}
