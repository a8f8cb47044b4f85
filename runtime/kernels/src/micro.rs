//! Hot loops in the machine's widest vectors, compiled ahead of time: what generated code calls where the code generator stops at four floats.
//!
//! An [`Isa`] is an instruction set that this CPU has; [`Isa::best`] picks it when kernels are compiled, and [`Isa::address`] gives
//! the entry points. Each loop is written once over `vector::Vector` and built for AVX2 with FMA, AVX-512 and NEON. What it works on is described by
//! tables of 32-bit numbers (`gemm::Gemm`, `depthwise::Depthwise`, `aggregate::Aggregate`, `winograd::Winograd`) that the kernels of [`crate::jit`] make.

#![allow(
    unsafe_code,
    reason = "intrinsics work on raw pointers; what makes each access sound is said at each function"
)]

pub mod activation;
pub mod aggregate;
pub mod depthwise;
pub mod gemm;
pub mod peak;
mod vector;
pub mod winograd;

/// An instruction set with microkernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// 8 floats, 16 registers.
    Avx2,
    /// 16 floats, 32 registers.
    Avx512,
    /// 4 floats, 32 registers.
    Neon,
}

/// A microkernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Micro {
    /// [`gemm::gemm`].
    Gemm,
    /// [`depthwise::depthwise`].
    Depthwise,
    /// [`aggregate::aggregate`].
    Aggregate,
    /// [`winograd::spread`].
    Spread,
    /// [`winograd::collect`].
    Collect,
}

impl Micro {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Gemm, Self::Depthwise, Self::Aggregate, Self::Spread, Self::Collect];

    /// The name of the symbol.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Gemm => "cnasc_gemm",
            Self::Depthwise => "cnasc_depthwise",
            Self::Aggregate => "cnasc_aggregate",
            Self::Spread => "cnasc_spread",
            Self::Collect => "cnasc_collect",
        }
    }

    /// Number of its parameters, each of eight bytes.
    #[must_use]
    pub fn words(self) -> usize {
        if self == Self::Spread { 3 } else { 5 }
    }
}

impl Isa {
    /// All that this CPU has, the fastest first.
    #[must_use]
    pub fn found() -> Vec<Self> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                found.push(Self::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                found.push(Self::Avx2);
            }
        }
        if cfg!(target_arch = "aarch64") {
            found.push(Self::Neon);
        }
        found
    }

    /// The fastest that this CPU has.
    #[must_use]
    pub fn best() -> Option<Self> {
        Self::found().first().copied()
    }

    /// Floats of one vector.
    #[must_use]
    pub fn lanes(self) -> usize {
        match self {
            Self::Avx2 => 8,
            Self::Avx512 => 16,
            Self::Neon => 4,
        }
    }

    /// Where the microkernel's code starts; nothing where this program was built for another architecture.
    ///
    /// Its parameters are [so many](Micro::words) words: those of the function of that name, in their order.
    #[must_use]
    pub fn address(self, micro: Micro) -> Option<*const u8> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Some(avx2::address(micro)),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Some(avx512::address(micro)),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => Some(neon::address(micro)),
            #[allow(
                unreachable_patterns,
                reason = "some instruction set is always missing, which depends on the target"
            )]
            _ => None,
        }
    }
}

/// The entry points for one instruction set: everything is inlined into them, so that it is compiled with its features.
macro_rules! entries {
    ($module:ident, $arch:literal, $vector:ty, $feature:literal) => {
        #[cfg(target_arch = $arch)]
        mod $module {
            use super::Micro;

            pub fn address(micro: Micro) -> *const u8 {
                match micro {
                    Micro::Gemm => gemm as *const u8,
                    Micro::Depthwise => depthwise as *const u8,
                    Micro::Aggregate => aggregate as *const u8,
                    Micro::Spread => spread as *const u8,
                    Micro::Collect => collect as *const u8,
                }
            }

            #[target_feature(enable = $feature)]
            unsafe extern "C" fn gemm(
                table: *const u32,
                input: *const f32,
                output: *mut f32,
                weights: *const f32,
                other: *const f32,
            ) {
                // SAFETY: the caller's.
                unsafe { super::gemm::gemm::<$vector>(table, input, output, weights, other) }
            }

            #[target_feature(enable = $feature)]
            unsafe extern "C" fn depthwise(
                table: *const u32,
                input: *const f32,
                first: u64,
                output: *mut f32,
                weights: *const f32,
            ) {
                // SAFETY: the caller's.
                unsafe { super::depthwise::depthwise::<$vector>(table, input, first, output, weights) }
            }

            #[target_feature(enable = $feature)]
            unsafe extern "C" fn aggregate(
                table: *const u32,
                inputs: *const *const f32,
                row: u64,
                output: *mut f32,
                factors: *const f32,
            ) {
                // SAFETY: the caller's.
                unsafe { super::aggregate::aggregate::<$vector>(table, inputs, row, output, factors) }
            }

            #[target_feature(enable = $feature)]
            unsafe extern "C" fn spread(table: *const u32, input: *const f32, output: *mut f32) {
                // SAFETY: the caller's.
                unsafe { super::winograd::spread::<$vector>(table, input, output) }
            }

            #[target_feature(enable = $feature)]
            unsafe extern "C" fn collect(
                table: *const u32,
                input: *const f32,
                output: *mut f32,
                biases: *const f32,
                other: *const f32,
            ) {
                // SAFETY: the caller's.
                unsafe { super::winograd::collect::<$vector>(table, input, output, biases, other) }
            }
        }
    };
}

entries!(avx2, "x86_64", std::arch::x86_64::__m256, "avx2,fma");
entries!(avx512, "x86_64", std::arch::x86_64::__m512, "avx512f");
entries!(neon, "aarch64", std::arch::aarch64::float32x4_t, "neon");
