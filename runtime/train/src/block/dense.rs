//! A block's convolution of all channels, on one image at a time: directly where that is faster, else as a product of matrices.

use super::direct::{Direct, Kernels, turned};
use super::lanes::LANES;
use super::matrix::{Transposed, multiply};
use super::patches::Patches;
use cnasc_ir::op::Window;

/// A convolution of all channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Dense {
    channels: usize,
    outputs: usize,
    patches: Patches,
    /// Without a matrix, where that is faster.
    direct: Option<Direct>,
    /// The same for the gradient of the image.
    back: Option<Direct>,
}

/// Weights in the orders that they are read in.
#[derive(Debug)]
pub struct Ordered<'a> {
    /// A row an output.
    rows: &'a [f32],
    forth: Kernels,
    back: Kernels,
}

/// Memory for one image at a time, and for the sum of the weights' gradients.
#[derive(Debug)]
pub struct Work {
    matrix: Vec<f32>,
    planes: Vec<f32>,
    back: Vec<f32>,
    turned: Vec<f32>,
    /// For each channel and tap a row of outputs.
    sums: Vec<f32>,
}

impl Dense {
    /// The window on images of `height` × `width`, which fits them.
    pub fn new(window: &Window, [channels, height, width]: [usize; 3], outputs: usize) -> Self {
        let [direct, back] = [Direct::new, Direct::back].map(|way| way(window, height, width));
        Self { channels, outputs, patches: Patches::new(window, height, width), direct, back }
    }

    /// Rows and columns of the output.
    pub fn to(&self) -> [usize; 2] {
        self.patches.to
    }

    /// Rows and columns of the matrix.
    fn extents(&self) -> [usize; 2] {
        [self.channels * self.patches.taps(), self.patches.to[0] * self.patches.to[1]]
    }

    /// Memory for gradients, or for values alone.
    pub fn work(&self, are_gradients_wanted: bool) -> Work {
        let [rows, places] = self.extents();
        let is_matrix =
            !self.patches.is_image() && (self.direct.is_none() || are_gradients_wanted && self.back.is_none());
        let is_summed = are_gradients_wanted && self.is_summed_directly();
        let outputs = if is_summed { self.outputs.next_multiple_of(LANES) } else { 0 };
        Work {
            matrix: vec![0.0; if is_matrix { rows * places } else { 0 }],
            planes: Vec::new(),
            back: Vec::new(),
            turned: vec![0.0; places * outputs],
            sums: vec![0.0; rows * outputs],
        }
    }

    /// Of one pixel's windows the matrix is the image, so that nothing is gathered for it.
    fn is_summed_directly(&self) -> bool {
        self.direct.is_some() && !self.patches.is_image()
    }

    /// Weights that have a row an output.
    pub fn ordered<'a>(&self, rows: &'a [f32], are_gradients_wanted: bool) -> Ordered<'a> {
        let extents = [self.outputs, self.channels, self.patches.taps()];
        let wanted = |way: &Option<Direct>, of: fn(&[f32], [usize; 3]) -> Kernels| {
            way.as_ref().map(|_| of(rows, extents)).unwrap_or_default()
        };
        if are_gradients_wanted {
            Ordered { rows, forth: Kernels::default(), back: wanted(&self.back, Kernels::back) }
        } else {
            Ordered { rows, forth: wanted(&self.direct, Kernels::forth), back: Kernels::default() }
        }
    }

    /// Values of an image, behind which there may be more in `from`.
    pub fn forward(&self, from: &[f32], weights: &Ordered<'_>, to: &mut [f32], work: &mut Work) {
        if let Some(direct) = &self.direct {
            direct.apply(direct.planes(self.channels, from, &mut work.planes), &weights.forth, to);
            return;
        }
        let [rows, places] = self.extents();
        let matrix = self.gathered(from, &mut work.matrix);
        multiply(to, weights.rows, matrix, [self.outputs, rows, places], Transposed::Neither, false);
    }

    /// The matrix of an image.
    fn gathered<'a>(&self, from: &'a [f32], matrix: &'a mut [f32]) -> &'a [f32] {
        if self.patches.is_image() {
            let [rows, places] = self.extents();
            return &from[..rows * places];
        }
        self.patches.gather(from, matrix);
        matrix
    }

    /// Adds an image's gradients of the weights to `to`, or to `work`'s sums, of which [`finish`](Self::finish) makes them.
    pub fn add_weights(&self, from: &[f32], gradient: &[f32], to: &mut [f32], work: &mut Work) {
        let [rows, places] = self.extents();
        let gradient = &gradient[..self.outputs * places];
        if let Some(direct) = self.direct.as_ref().filter(|_| self.is_summed_directly()) {
            turned(gradient, self.outputs, &mut work.turned);
            let planes = direct.planes(self.channels, from, &mut work.planes);
            direct.add_kernels(planes, &work.turned, &mut work.sums);
            return;
        }
        let matrix = self.gathered(from, &mut work.matrix);
        multiply(to, gradient, matrix, [self.outputs, places, rows], Transposed::Right, true);
    }

    /// Adds what `work` has summed.
    pub fn finish(&self, to: &mut [f32], work: &Work) {
        let ([rows, _], width) = (self.extents(), self.outputs.next_multiple_of(LANES));
        for (row, sums) in work.sums.chunks_exact(width).enumerate() {
            to[row..].iter_mut().step_by(rows).zip(sums).for_each(|(to, sum)| *to += sum);
        }
    }

    /// The gradient of an image from that of its output, behind which there may be more.
    pub fn backward(&self, gradient: &[f32], weights: &Ordered<'_>, to: &mut [f32], work: &mut Work) {
        if let Some(back) = &self.back {
            back.apply(back.planes(self.outputs, gradient, &mut work.back), &weights.back, to);
            return;
        }
        let [rows, places] = self.extents();
        let (gradient, shape) = (&gradient[..self.outputs * places], [rows, self.outputs, places]);
        if self.patches.is_image() {
            multiply(to, weights.rows, gradient, shape, Transposed::Left, false);
            return;
        }
        multiply(&mut work.matrix, weights.rows, gradient, shape, Transposed::Left, false);
        to.fill(0.0);
        self.patches.scatter(&work.matrix, to);
    }
}
