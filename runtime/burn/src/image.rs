//! Reductions, resizing and transposed convolutions, as burn calls.

use crate::movement::dimension;
use crate::operator::{Loader, both, extents};
use burn_tensor::ops::ConvTransposeOptions;
use burn_tensor::{Int, Tensor, module};
use cnasc_ir::op::{Axis, Between, Interpolation, Reduce, Reduction, Resize};
use cnasc_ir::tensor::Step;
use cnasc_ir::{Op, Shape};
use std::ops::Range;

/// One of them, ready to be applied.
pub enum Image {
    /// Along these dimensions.
    Reduce { to: Reduction, dimensions: Vec<usize> },
    /// Along each of these dimensions, a mixture of the places below and above.
    Mix(Vec<Mix>),
    /// The whole output, of which a part is kept.
    ConvTranspose(Box<Spread>),
}

/// A transposed convolution without padding.
pub struct Spread {
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    options: ConvTransposeOptions<2>,
    kept: [Range<usize>; 4],
}

/// Places along a dimension and the parts that they have.
pub struct Mix {
    dimension: usize,
    low: (Tensor<1, Int>, Tensor<4>),
    high: (Tensor<1, Int>, Tensor<4>),
}

impl Image {
    pub fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Reduce { to: Reduction::Mean, dimensions } => x.mean_dims(dimensions),
            Self::Reduce { to: Reduction::Sum, dimensions } => x.sum_dims(dimensions),
            Self::Reduce { to: Reduction::Max, dimensions } => x.max_dims(dimensions),
            Self::Mix(axes) => axes.iter().fold(x, |x, mix| {
                let taken = |(places, parts): &(Tensor<1, Int>, Tensor<4>)| {
                    x.clone().select(mix.dimension, places.clone()) * parts.clone()
                };
                taken(&mix.low) + taken(&mix.high)
            }),
            Self::ConvTranspose(spread) => {
                let Spread { weight, bias, options, kept } = spread.as_ref();
                module::conv_transpose2d(x, weight.clone(), bias.clone(), options.clone()).slice(kept.clone())
            }
        }
    }
}

impl Loader<'_> {
    /// A step that is one of them; none where it does something else.
    pub fn image(&mut self, step: &Step, from: Shape) -> Option<Image> {
        Some(match step.op {
            Op::Reduce(Reduce { to, axes }) => Image::Reduce { to, dimensions: axes.iter().map(dimension).collect() },
            Op::Resize(resize) if resize.interpolation == Interpolation::Linear => {
                Image::Mix(vec![self.mix(Axis::Rows, &resize, from), self.mix(Axis::Columns, &resize, from)])
            }
            Op::ConvTranspose { .. } => self.conv_transpose(step, from),
            _ => return None,
        })
    }

    fn mix(&mut self, axis: Axis, resize: &Resize, from: Shape) -> Mix {
        let places = match axis {
            Axis::Rows => resize.height,
            _ => resize.width,
        };
        let between = |place| resize.between(axis, place, from.extent(axis));
        let mixed: Vec<Between> = (0..places).map(between).collect();
        let mut extents = [1; 4];
        extents[dimension(axis)] = mixed.len();
        let mut end = |place: fn(&Between) -> u32, part: fn(&Between) -> f32| {
            let places = self.places(mixed.iter().map(place).collect());
            (places, self.load(mixed.iter().map(part).collect(), extents))
        };
        let low = end(|between| between.low, |between| 1.0 - between.part);
        let high = end(|between| between.high, |between| between.part);
        Mix { dimension: dimension(axis), low, high }
    }

    fn conv_transpose(&mut self, step: &Step, from: Shape) -> Image {
        let Op::ConvTranspose { ref window, more, groups, bias, .. } = step.op else {
            return Image::Mix(Vec::new());
        };
        let (rows, columns) = window.kernel();
        let per_group = step.shape.channels / groups;
        let weight = [from.channels, per_group, rows, columns].map(|extent| extent as usize);
        let more = more.map(|more| more as usize);
        let strides = both(window, |slide| slide.stride as usize);
        let dilations = both(window, |slide| slide.dilation as usize);
        // burn takes the same padding off both ends: here none, and what is not kept is cut off.
        let options = ConvTransposeOptions::new(strides, [0; 2], more, dilations, groups as usize);
        let [top, left] = both(window, |slide| slide.before as usize);
        let [_, channels, height, width] = extents(step.shape);
        Image::ConvTranspose(Box::new(Spread {
            weight: self.param(step, 0, weight),
            bias: bias.then(|| self.param(step, 1, [channels])),
            options,
            kept: [0..1, 0..channels, top..top + height, left..left + width],
        }))
    }
}
