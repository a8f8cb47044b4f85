//! Operators that move elements, as burn calls.

use crate::operator::{Loader, extents};
use burn_tensor::{Int, Tensor, TensorData};
use cnasc_ir::op::{Axis, Fill, Interpolation, Pad, Resize, Slice, Transpose};
use cnasc_ir::tensor::Step;
use cnasc_ir::{Op, Shape};
use std::ops::Range;

/// How elements move.
pub enum Move {
    /// Along each of these dimensions, the places to take.
    Take(Vec<(usize, Tensor<1, Int>)>),
    /// Into these places of a tensor that is filled with a number.
    Into { filled: Box<Tensor<4>>, places: [Range<usize>; 4] },
    /// Dimensions in another order.
    Permute([usize; 4]),
    /// Other extents.
    Reshape([usize; 4]),
}

impl Move {
    pub fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Take(places) => places.iter().fold(x, |x, (dimension, places)| x.select(*dimension, places.clone())),
            Self::Into { filled, places } => filled.as_ref().clone().slice_assign(places.clone(), x),
            Self::Permute(dimensions) => x.permute(*dimensions),
            Self::Reshape(extents) => x.reshape(*extents),
        }
    }
}

/// The dimension of burn's tensors that holds an axis.
pub fn dimension(axis: Axis) -> usize {
    axis.index() + 1
}

impl Loader<'_> {
    /// A step that moves elements; none where it does something else.
    pub fn movement(&mut self, step: &Step, from: Shape) -> Option<Move> {
        Some(match &step.op {
            Op::Slice(slice) => self.slice(slice),
            Op::Resize(resize) if resize.interpolation != Interpolation::Linear => self.nearest(resize, from),
            Op::Pad(pad) => self.pad(pad, from, step.shape),
            Op::Transpose(Transpose { axes: [channels, rows, columns] }) => {
                Move::Permute([0, dimension(*channels), dimension(*rows), dimension(*columns)])
            }
            Op::Reshape(_) => Move::Reshape(extents(step.shape)),
            _ => return None,
        })
    }

    fn slice(&mut self, slice: &Slice) -> Move {
        let places = (0..slice.count).map(|place| slice.source(place)).collect();
        Move::Take(vec![(dimension(slice.axis), self.places(places))])
    }

    fn nearest(&mut self, resize: &Resize, from: Shape) -> Move {
        let axes = [(Axis::Rows, resize.height), (Axis::Columns, resize.width)];
        let places = axes.map(|(axis, places)| {
            let low = |place| resize.between(axis, place, from.extent(axis)).low;
            (dimension(axis), self.places((0..places).map(low).collect()))
        });
        Move::Take(places.into())
    }

    fn pad(&mut self, pad: &Pad, from: Shape, to: Shape) -> Move {
        if let Fill::Constant(value) = pad.fill {
            self.bytes += 4 * to.elements();
            let filled = Box::new(Tensor::full(extents(to), value, &self.device));
            let places = Axis::ALL.map(|axis| {
                let start = pad.before[axis.index()] as usize;
                start..start + from.extent(axis) as usize
            });
            let [channels, rows, columns] = places;
            return Move::Into { filled, places: [0..1, channels, rows, columns] };
        }
        let padded = Axis::ALL.into_iter().filter(|&axis| to.extent(axis) != from.extent(axis));
        let places = padded.map(|axis| {
            let places = (0..to.extent(axis)).filter_map(|place| pad.source(axis, place, from.extent(axis)));
            (dimension(axis), self.places(places.collect()))
        });
        Move::Take(places.collect())
    }

    /// Places along a dimension, on the device.
    pub fn places(&mut self, places: Vec<u32>) -> Tensor<1, Int> {
        self.bytes += 4 * places.len() as u64;
        let places: Vec<i32> = places.into_iter().map(u32::cast_signed).collect();
        let extents = [places.len()];
        Tensor::from_data(TensorData::new(places, extents), &self.device)
    }
}
