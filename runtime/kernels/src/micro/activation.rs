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
    /// Applies it to one vector; the usual ones without a look at the others.
    ///
    /// # Safety
    /// The CPU has the feature of `V`.
    #[inline(always)]
    pub unsafe fn of<V: Vector>(&self, value: V) -> V {
        // SAFETY: the caller's.
        unsafe {
            match self.kind {
                0 => value,
                RELU => value.relu(),
                _ => {
                    let mut values = [value];
                    self.apply(&mut values);
                    values[0]
                }
            }
        }
    }

    /// Applies it to some sums.
    ///
    /// # Safety
    /// The CPU has the feature of `V`.
    #[inline(always)]
    pub unsafe fn apply<V: Vector, const N: usize>(&self, values: &mut [V; N]) {
        let (first, second) = (f32::from_bits(self.first), f32::from_bits(self.second));
        // SAFETY: the caller's; what is broadcast are floats on the stack.
        unsafe {
            match self.kind {
                RELU => values.iter_mut().for_each(|value| *value = value.relu()),
                CLIP => {
                    let (low, high) = (V::broadcast(&first), V::broadcast(&second));
                    values.iter_mut().for_each(|value| *value = value.maximum(low).minimum(high));
                }
                LEAKY_RELU => {
                    let slope = V::broadcast(&first);
                    for value in values {
                        *value = value.minimum(V::zero()).multiply_add(slope, value.relu());
                    }
                }
                HARD_SWISH => {
                    let [sixth, half, one] = [1.0 / 6.0, 0.5, 1.0].map(|number: f32| V::broadcast(&number));
                    for value in values {
                        let gate = value.multiply_add(sixth, half).relu().minimum(one);
                        *value = value.multiply(gate);
                    }
                }
                _ => {}
            }
        }
    }
}
