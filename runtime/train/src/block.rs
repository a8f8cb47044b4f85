//! The blocks that networks are made of as one operator: ReLU → depthwise convolution → convolution → batch norm → ReLU, each of which
//! may be left out, with kernels of our own for values and gradients.
//!
//! A tensor library computes each part of a block over all images before the next, in a tensor of its own. Here an image goes through
//! the whole block while it is in the cache, and of what lies between only the values before batch norm are kept; backwards the rest is
//! computed again. Images are cut into parts that don't depend on the number of threads, and what the parts come to is added up in their
//! order, so that the bytes don't depend on it either.

mod dense;
mod depthwise;
mod frame;
mod gradient;
mod kernel;
mod norm;

pub use gradient::{Applied, apply};

use cnasc_ir::Shape;
use cnasc_ir::op::Window;
use dense::Dense;
use depthwise::Depthwise;
use std::sync::Arc;

/// Threads that blocks are computed on.
pub type Threads = Arc<rayon::ThreadPool>;

/// What is in a block, on images of one shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Channels of the input.
    channels: usize,
    /// Pixels of a channel of the input.
    pixels: usize,
    /// Whether only the positive part of the input counts.
    relu: bool,
    depthwise: Option<Depthwise>,
    dense: Option<Dense>,
    /// Whether batch norm is at the end; else a bias may be.
    pub norm: bool,
    /// Whether only the positive part of what comes out of batch norm counts.
    relu_behind: bool,
    /// Whether a bias is added to the convolution's output.
    pub bias: bool,
    /// Channels, rows and columns of the output.
    pub output: [usize; 3],
}

impl Block {
    /// Nothing yet, on images of this shape.
    pub fn new(shape: Shape) -> Self {
        let [channels, height, width] = [shape.channels, shape.height, shape.width].map(|extent| extent as usize);
        Self {
            channels,
            pixels: height * width,
            relu: false,
            depthwise: None,
            dense: None,
            norm: false,
            relu_behind: false,
            bias: false,
            output: [channels, height, width],
        }
    }

    /// With the positive part of its input.
    pub fn with_relu(mut self) -> Self {
        self.relu = true;
        self
    }

    /// With a window on each channel behind that.
    pub fn with_depthwise(mut self, window: &Window) -> Self {
        let depthwise = Depthwise::new(window, self.output);
        self.output[1..].copy_from_slice(&depthwise.frame.to);
        self.depthwise = Some(depthwise);
        self
    }

    /// With a convolution of all channels behind that.
    pub fn with_dense(mut self, window: &Window, outputs: usize, bias: bool) -> Self {
        let dense = Dense::new(window, self.output, outputs);
        self.output = [outputs, dense.to()[0], dense.to()[1]];
        self.dense = Some(dense);
        self.bias = bias;
        self
    }

    /// With batch norm behind that.
    pub fn with_norm(mut self) -> Self {
        self.norm = true;
        self
    }

    /// With the positive part of what comes out of it.
    pub fn with_relu_behind(mut self) -> Self {
        self.relu_behind = true;
        self
    }

    /// Elements of an image's input and output.
    fn sizes(&self) -> [usize; 2] {
        [self.channels * self.pixels, self.output.iter().product()]
    }

    /// Elements of an image between the two convolutions.
    fn between(&self) -> usize {
        self.channels * self.depthwise.as_ref().map_or(self.pixels, |window| window.frame.places.len())
    }
}

/// Computes on as wide vectors as this CPU has.
#[inline(always)]
pub fn vectorised<R>(compute: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(compute)
}
