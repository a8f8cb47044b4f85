//! Operators that work element by element: their bounds, how two shapes are broadcast, and their cost.

use super::{Arithmetic, MAX_WINDOW, Op};
use crate::shape::Shape;

/// The largest magnitude of a number in an operator: beyond any in use, and far enough from overflow for what kernels compute from it.
pub const MAX_NUMBER: f32 = 1e30;

impl Op {
    /// What the operator computes of two tensors, where it is one of the four.
    #[must_use]
    pub fn arithmetic(&self) -> Option<Arithmetic> {
        match self {
            Self::Add => Some(Arithmetic::Add),
            Self::Sub => Some(Arithmetic::Sub),
            Self::Mul => Some(Arithmetic::Mul),
            Self::Div => Some(Arithmetic::Div),
            _ => None,
        }
    }

    /// Whether the numbers in it can be computed with.
    pub(super) fn check_numbers(&self) -> Result<(), String> {
        let bounded = |number: f32| number.abs() <= MAX_NUMBER;
        let fits = match *self {
            Self::Clip { min, max } => {
                if min > max {
                    return Err(format!("has a least value of {min}, which is above its greatest, {max}"));
                }
                bounded(min) && bounded(max)
            }
            Self::LeakyRelu { slope } => bounded(slope),
            Self::HardSigmoid { alpha, beta } => bounded(alpha) && bounded(beta),
            Self::Lrn { size, alpha, beta, bias } => {
                if size == 0 || size > MAX_WINDOW {
                    return Err(format!("needs a size of 1 to {MAX_WINDOW}, found {size}"));
                }
                if alpha < 0.0 || bias < 1.0 / MAX_NUMBER {
                    // No power of a negative number is asked for.
                    return Err("needs an alpha of at least 0 and a bias above 0".to_owned());
                }
                // A power of at most this is what a kernel's logarithm and exponential are exact enough for.
                if beta.abs() > 16.0 {
                    return Err(format!("needs a beta of -16 to 16, found {beta}"));
                }
                bounded(alpha) && bounded(beta) && bounded(bias)
            }
            _ => true,
        };
        // A number that is none is not within bounds either.
        if fits { Ok(()) } else { Err(format!("needs numbers of at most {MAX_NUMBER:e} either way")) }
    }

    /// Floating-point operations an element of the output, of operators that work on each alike: one for each addition, product,
    /// comparison, division, exponential or power.
    pub(super) fn flops_an_element(&self) -> u64 {
        match *self {
            Self::Relu | Self::Add | Self::Sub | Self::Mul | Self::Div => 1,
            Self::Clip { .. } | Self::LeakyRelu { .. } => 2,
            Self::Sigmoid | Self::HardSigmoid { .. } => 4,
            // With the maximum that is taken off first.
            Self::HardSwish | Self::Softmax { .. } => 5,
            // A square and `size` − 1 additions; factor, summand, power, product.
            Self::Lrn { size, .. } => u64::from(size) + 4,
            _ => 0,
        }
    }
}

/// The shape of what is computed of two tensors element by element; along an axis where one has the extent 1, it counts for all places.
///
/// # Errors
/// Where extents differ otherwise.
pub fn broadcast(left: Shape, right: Shape) -> Result<Shape, String> {
    let along = |a: u32, b: u32| match (a, b) {
        _ if a == b => Ok(a),
        (1, _) => Ok(b),
        (_, 1) => Ok(a),
        _ => Err(format!("needs extents that are equal or 1, found {left} and {right}")),
    };
    Ok(Shape::new(
        along(left.channels, right.channels)?,
        along(left.height, right.height)?,
        along(left.width, right.width)?,
    ))
}
