//! What a name of the model stands for while it is imported, and the three extents that stand for any number of them.

use super::constant::{Constant, elements};
use super::error::{Problem, lack};
use super::steps::StepId;
use cnasc_ir::Shape;
use cnasc_ir::op::Axis;

/// What a name stands for.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Known already.
    Constant(Constant),
    /// Computed from the image.
    Tensor(Tensor),
    /// Made by something that is not there, or by something that reads such a thing.
    Missing,
}

/// A tensor that is computed.
#[derive(Debug, Clone)]
pub(super) struct Tensor {
    /// What makes its elements.
    pub step: StepId,
    /// The model's extents of it; their product is that of the step's three.
    pub dims: Vec<u64>,
}

impl Value {
    /// The model's extents.
    pub(super) fn dims(&self) -> &[u64] {
        match self {
            Self::Constant(constant) => &constant.dims,
            Self::Tensor(tensor) => &tensor.dims,
            Self::Missing => &[],
        }
    }

    /// The same elements under other extents of the same product.
    pub(super) fn with_dims(self, dims: Vec<u64>) -> Self {
        match self {
            Self::Constant(constant) => Self::Constant(constant.with_dims(dims)),
            Self::Tensor(tensor) => Self::Tensor(Tensor { dims, ..tensor }),
            Self::Missing => Self::Missing,
        }
    }
}

/// A number of the model as an extent.
pub(super) fn extent(number: u64) -> Result<u32, Problem> {
    match u32::try_from(number) {
        Ok(extent) if extent <= Shape::MAX_EXTENT => Ok(extent),
        _ => lack(format!("has an extent of {number}; up to {} are taken in", Shape::MAX_EXTENT)),
    }
}

/// The three extents that extents of the model are where nothing else is asked for: the batch of one image left out, a vector as
/// channels, a sequence as channels and columns, an image as it is; of more, the outermost as one.
pub(super) fn natural(dims: &[u64]) -> Result<Shape, Problem> {
    elements(dims)?;
    let inner = match dims {
        [1, inner @ ..] => inner,
        all => all,
    };
    Ok(match inner {
        [] => Shape::new(1, 1, 1),
        [channels] => Shape::new(extent(*channels)?, 1, 1),
        [channels, columns] => Shape::new(extent(*channels)?, 1, extent(*columns)?),
        [channels @ .., rows, columns] => {
            Shape::new(extent(channels.iter().product())?, extent(*rows)?, extent(*columns)?)
        }
    })
}

/// The three extents before, along and behind axis `axis` of `dims`.
pub(super) fn around(dims: &[u64], axis: usize) -> Result<[u64; 3], Problem> {
    elements(dims)?;
    let product = |dims: &[u64]| dims.iter().product();
    Ok([product(&dims[..axis]), dims[axis], product(&dims[axis + 1..])])
}

/// The axis of `shape` before which lie `before` elements and along which `along`, if one is so.
pub(super) fn axis_of(shape: Shape, [before, along, _]: [u64; 3]) -> Option<Axis> {
    let mut outer = 1;
    Axis::ALL.into_iter().find(|&axis| {
        let extent = u64::from(shape.extent(axis));
        let found = outer == before && extent == along;
        outer *= extent;
        found
    })
}
