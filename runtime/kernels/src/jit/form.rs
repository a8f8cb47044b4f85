//! The forms in which one kernel can be computed, where there are several: the one that its shape suggests, and others that [`tune`](super::tune)
//! measures beside it.
//!
//! Fused program + forms → the same program, weights to be packed as the forms read them. Results differ by the rounding of sums in another order at most.

use super::gemm::Gemm;
use super::kernel::Kernel;
use super::lower::{Call, Program};
use super::winograd::Winograd;
use crate::micro::gemm::CHUNK;
use crate::tuning::Tuning;
use serde::{Deserialize, Serialize};

/// How a kernel is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// As its shape suggests.
    #[default]
    Usual,
    /// With all the products of a window, where fewer would do by Winograd.
    Taps,
    /// With fewer products, where that seems not to be worth its additions.
    Winograd,
    /// Tiles of two vectors of output channels.
    TwoVectors,
    /// Of three, of fewer pixels.
    ThreeVectors,
    /// Of four.
    FourVectors,
    /// A quarter of the pixels between two readings of the weights.
    ShortPasses,
    /// Four times as many.
    LongPasses,
}

impl Form {
    /// All but the usual one.
    pub const OTHERS: [Self; 7] = [
        Self::Taps,
        Self::Winograd,
        Self::TwoVectors,
        Self::ThreeVectors,
        Self::FourVectors,
        Self::ShortPasses,
        Self::LongPasses,
    ];

    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::Taps => "taps",
            Self::Winograd => "winograd",
            Self::TwoVectors => "two vectors",
            Self::ThreeVectors => "three vectors",
            Self::FourVectors => "four vectors",
            Self::ShortPasses => "short passes",
            Self::LongPasses => "long passes",
        }
    }

    /// The kernel in this form; the usual one where it has no such form. `kernel` is as it was fused, in no form yet.
    pub(super) fn of(self, kernel: &Kernel) -> Kernel {
        match kernel {
            Kernel::Gemm(gemm) => self.of_gemm(gemm),
            Kernel::Node(node) => {
                let mut node = node.clone();
                node.pointwise = self.tiled(&node.pointwise);
                Kernel::Node(node)
            }
            other => other.clone(),
        }
    }

    fn of_gemm(self, gemm: &Gemm) -> Kernel {
        let tiled = self.tiled(gemm);
        let gains = match self {
            // Wide tiles are for all taps: a slice of Winograd's products has two vectors.
            Self::Taps | Self::TwoVectors | Self::ThreeVectors | Self::FourVectors => None,
            Self::Winograd => Winograd::able(&tiled),
            Self::Usual | Self::ShortPasses | Self::LongPasses => Winograd::of(&tiled),
        };
        gains.map_or(Kernel::Gemm(tiled), |winograd| Kernel::Winograd(Box::new(winograd)))
    }

    fn tiled(self, gemm: &Gemm) -> Gemm {
        let mut gemm = gemm.clone();
        match self {
            Self::TwoVectors => gemm.vectors = Some(2),
            // A panel may not begin in one block and end in the next, so that three are for vectors of a whole one.
            Self::ThreeVectors if gemm.isa.lanes() == CHUNK => gemm.vectors = Some(3),
            Self::FourVectors => gemm.vectors = Some(4),
            Self::ShortPasses => gemm.passes = Passes::Short,
            Self::LongPasses => gemm.passes = Passes::Long,
            Self::Usual | Self::Taps | Self::Winograd | Self::ThreeVectors => {}
        }
        gemm
    }
}

/// How many pixels pass between two readings of the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Passes {
    #[default]
    Usual,
    Short,
    Long,
}

impl Passes {
    /// Of a usual size in bytes or tiles.
    pub fn of(self, usual: u64) -> u64 {
        match self {
            Self::Usual => usual,
            Self::Short => (usual / 4).max(1),
            Self::Long => usual * 4,
        }
    }
}

/// Which form each kernel gets.
#[derive(Debug, Clone, Copy)]
pub enum Forms<'a> {
    /// The best that were measured.
    Tuned(&'a Tuning),
    /// One for all that have it.
    All(Form),
}

impl Forms<'_> {
    fn of(self, kernel: &Kernel) -> Form {
        match self {
            Self::Tuned(tuning) => tuning.form(kernel),
            Self::All(form) => form,
        }
    }

    /// By action and call, what was measured, if everything was: a schedule of some times that are measured and others that are guessed would
    /// compare what is of two CPUs.
    pub fn nanoseconds(self, program: &Program<'_>) -> Option<Vec<Vec<f64>>> {
        let Self::Tuned(tuning) = self else { return None };
        let of = |calls: &Vec<Call>| calls.iter().map(|call| tuning.nanoseconds(&call.kernel)).collect();
        program.actions.iter().map(of).collect()
    }
}

/// Gives every call its form.
pub fn apply(program: &mut Program<'_>, forms: Forms<'_>) {
    for call in program.actions.iter_mut().flatten() {
        call.kernel = forms.of(&call.kernel).of(&call.kernel);
        if let Some(section) = call.weights {
            program.sections[section].repack(&call.kernel);
        }
    }
}
