//! Operators that move elements: each element of the output names the one that it takes.

use super::ops::Operands;
use cnasc_ir::op::{Axis, Fill, Pad, Slice, Transpose};

impl Operands<'_> {
    pub fn slice(&self, slice: &Slice, output: &mut [f32]) {
        self.take(output, |mut place| {
            let along = &mut place[slice.axis.index()];
            *along = slice.source(*along as u32) as usize;
            Some(place)
        });
    }

    pub fn pad(&self, pad: &Pad, output: &mut [f32]) {
        if let Fill::Constant(value) = pad.fill {
            output.fill(value);
        }
        let shape = self.input_shape();
        self.take(output, |place| {
            let mut from = place;
            for axis in Axis::ALL {
                from[axis.index()] = pad.source(axis, place[axis.index()] as u32, shape.extent(axis))? as usize;
            }
            Some(from)
        });
    }

    pub fn transpose(&self, transpose: &Transpose, output: &mut [f32]) {
        self.take(output, |place| {
            let mut from = place;
            for (axis, place) in transpose.axes.into_iter().zip(place) {
                from[axis.index()] = place;
            }
            Some(from)
        });
    }

    /// Sets each element to the input's at `from(channel, row, column)`; leaves it where there is none.
    fn take(&self, output: &mut [f32], from: impl Fn([usize; 3]) -> Option<[usize; 3]>) {
        let (input, shape) = (self.input(0), self.input_shape());
        let (height, width) = (self.shape.height as usize, self.shape.width as usize);
        for (index, to) in output.iter_mut().enumerate() {
            let place = [index / width / height, index / width % height, index % width];
            if let Some([channel, row, column]) = from(place) {
                *to = input[(channel * shape.height as usize + row) * shape.width as usize + column];
            }
        }
    }
}
