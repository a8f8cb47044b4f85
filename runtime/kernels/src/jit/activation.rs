//! What happens to each value behind a sum or a convolution, in the same pass.

use super::emit::Emitter;
use crate::micro::activation as micro;
use cnasc_ir::Op;
use cranelift_codegen::ir::Value;

/// A number as its bits, so that kernels can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bits(u32);

impl Bits {
    pub fn new(number: f32) -> Self {
        Self(number.to_bits())
    }

    pub fn number(self) -> f32 {
        f32::from_bits(self.0)
    }
}

/// A function of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Activation {
    None,
    Relu,
    Clip { min: Bits, max: Bits },
    LeakyRelu { slope: Bits },
    Sigmoid,
    HardSwish,
    HardSigmoid { alpha: Bits, beta: Bits },
}

impl Activation {
    /// The one that an operator is.
    pub fn of(op: &Op) -> Option<Self> {
        Some(match *op {
            Op::Relu => Self::Relu,
            Op::Clip { min, max } => Self::Clip { min: Bits::new(min), max: Bits::new(max) },
            Op::LeakyRelu { slope } => Self::LeakyRelu { slope: Bits::new(slope) },
            Op::Sigmoid => Self::Sigmoid,
            Op::HardSwish => Self::HardSwish,
            Op::HardSigmoid { alpha, beta } => Self::HardSigmoid { alpha: Bits::new(alpha), beta: Bits::new(beta) },
            _ => return None,
        })
    }

    /// Whether there is one.
    pub fn is_some(self) -> bool {
        self != Self::None
    }

    /// Whether nothing comes of nothing, so that padded lanes stay zero.
    pub fn keeps_zero(self) -> bool {
        match self {
            Self::None | Self::Relu | Self::LeakyRelu { .. } | Self::HardSwish => true,
            Self::Clip { min, max } => (min.number()..=max.number()).contains(&0.0),
            Self::Sigmoid | Self::HardSigmoid { .. } => false,
        }
    }

    /// The words of a [`micro::Activation`], which has all those that keep zero.
    pub fn words(self) -> [u64; 3] {
        let [kind, first, second] = match self {
            Self::Relu => [micro::RELU, 0, 0],
            Self::Clip { min, max } => [micro::CLIP, min.0, max.0],
            Self::LeakyRelu { slope } => [micro::LEAKY_RELU, slope.0, 0],
            Self::HardSwish => [micro::HARD_SWISH, 0, 0],
            Self::None | Self::Sigmoid | Self::HardSigmoid { .. } => [0; 3],
        };
        [kind, first, second].map(u64::from)
    }

    pub fn emit(self, emit: &mut Emitter<'_>, value: Value) -> Value {
        match self {
            Self::None => value,
            Self::Relu => emit.relu(value),
            Self::Clip { min, max } => emit.bounded(value, min.number(), max.number()),
            Self::LeakyRelu { slope } => {
                let factor = emit.splat(slope.number());
                let scaled = emit.multiply(value, factor);
                emit.where_negative(value, scaled, value)
            }
            Self::Sigmoid => emit.sigmoid(value),
            Self::HardSwish => {
                let gate = hard_sigmoid(emit, value, (1.0 / 6.0, 0.5));
                emit.multiply(value, gate)
            }
            Self::HardSigmoid { alpha, beta } => hard_sigmoid(emit, value, (alpha.number(), beta.number())),
        }
    }
}

fn hard_sigmoid(emit: &mut Emitter<'_>, value: Value, (alpha, beta): (f32, f32)) -> Value {
    let (alpha, beta) = (emit.splat(alpha), emit.splat(beta));
    let line = emit.multiply_add(value, alpha, beta);
    emit.bounded(line, 0.0, 1.0)
}
