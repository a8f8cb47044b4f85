//! What microkernels do to their sums before they store them.

use super::vector::Vector;

/// A function of each value, as three words of a table. All of them make nothing of nothing, so that padded lanes stay zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Activation {
    /// One of the constants below; nothing is done for any other number.
    pub kind: u32,
    /// Bits of a float: the least value of a clip, the slope of a leaky ReLU.
    pub first: u32,
    /// Bits of a float: the greatest value of a clip.
    pub second: u32,
}

/// max(x, 0).
pub const RELU: u32 = 1;
/// min(max(x, `first`), `second`).
pub const CLIP: u32 = 2;
/// x where it is positive, `first`·x elsewhere.
pub const LEAKY_RELU: u32 = 3;
/// x · min(max(x/6 + 1/2, 0), 1).
pub const HARD_SWISH: u32 = 4;

impl Activation {
    /// Whether it is a ReLU, which microkernels do before they store a sum.
    #[inline(always)]
    pub fn is_relu(&self) -> bool {
        self.kind == RELU
    }

    /// Whether it is one for which microkernels come back when the sums are stored: in their unrolled loops it would stand a thousand times.
    #[inline(always)]
    pub fn is_late(&self) -> bool {
        self.kind > RELU
    }

    /// Applies one that [is late](Self::is_late) to a vector in memory.
    ///
    /// # Safety
    /// The CPU has the feature of `V`, and `at` is readable and writable for all lanes.
    #[inline(always)]
    pub unsafe fn apply<V: Vector>(&self, at: *mut f32) {
        let (first, second) = (f32::from_bits(self.first), f32::from_bits(self.second));
        // SAFETY: the caller's; what is broadcast are floats on the stack.
        unsafe {
            let value = V::load(at);
            let value = match self.kind {
                CLIP => value.maximum(V::broadcast(&first)).minimum(V::broadcast(&second)),
                LEAKY_RELU => value.minimum(V::zero()).multiply_add(V::broadcast(&first), value.relu()),
                HARD_SWISH => {
                    let [sixth, half, one] = [1.0 / 6.0, 0.5, 1.0].map(|number: f32| V::broadcast(&number));
                    value.multiply(value.multiply_add(sixth, half).relu().minimum(one))
                }
                _ => value,
            };
            value.store(at);
        }
    }
}
