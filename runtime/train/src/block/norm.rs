//! Batch norm on images with the channels of a pixel side by side: statistics of images that are put together in one order, and its gradient.
//! A ReLU may be behind it.

use crate::lanes::{LANES, load, store, vectors};
use cnasc_ir::op::BATCH_NORM_EPSILON;
use pulp::{Arch, Simd, WithSimd};

/// How many values there are, their mean, and the sum of their squared distances from it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Of both, Chan, Golub and LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979.
    pub fn with(self, other: Self) -> Self {
        if self.count == 0.0 {
            return other;
        }
        let count = self.count + other.count;
        let distance = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + distance * other.count / count,
            squares: self.squares + other.squares + distance * distance * self.count * other.count / count,
        }
    }

    /// The mean, and the squares divided by the number of values.
    pub fn mean_and_variance(self) -> (f32, f32) {
        (self.mean as f32, (self.squares / self.count.max(1.0)) as f32)
    }
}

/// Adds the values of an image to the moments of its channels.
pub fn add_moments(to: &mut [Moments], image: &[f32]) {
    let count = (image.len() / to.len()) as f64;
    let mut sums = vec![[0.0; 2]; to.len()];
    Arch::new().dispatch(Spread { image, count: count as f32, to: &mut sums });
    for (moments, [sum, squares]) in to.iter_mut().zip(sums) {
        *moments = moments.with(Moments { count, mean: f64::from(sum) / count, squares: f64::from(squares) });
    }
}

/// Of each channel Σ value, and Σ (value − mean)².
struct Spread<'a> {
    image: &'a [f32],
    /// Values of a channel.
    count: f32,
    to: &'a mut [[f32; 2]],
}

impl WithSimd for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { image, count, to } = self;
        let channels = to.len();
        for [first, end] in vectors::<S>(channels) {
            let values = || image.chunks_exact(channels).map(|pixel| load(simd, &pixel[first..end]));
            let sum = values().fold(simd.splat_f32s(0.0), |sum, value| simd.add_f32s(sum, value));
            let mean = simd.div_f32s(sum, simd.splat_f32s(count));
            let squares = values().fold(simd.splat_f32s(0.0), |sum, value| {
                let distance = simd.sub_f32s(value, mean);
                simd.mul_add_e_f32s(distance, distance, sum)
            });
            put(simd, &mut to[first..end], [sum, squares]);
        }
    }
}

/// Two vectors as pairs.
#[inline(always)]
fn put<S: Simd>(simd: S, to: &mut [[f32; 2]], pair: [S::f32s; 2]) {
    for (index, vector) in pair.into_iter().enumerate() {
        let mut numbers = [0.0; LANES];
        store(simd, &mut numbers, vector);
        to.iter_mut().zip(numbers).for_each(|(to, number)| to[index] = number);
    }
}

/// What batch norm does to each channel, and the ReLU behind it if there is one.
#[derive(Debug)]
pub struct Scaling {
    factors: Vec<f32>,
    shifts: Vec<f32>,
    /// The least output.
    least: f32,
}

impl Scaling {
    /// By factors and summands of batch norm, means and variances.
    pub fn new([scale, shift]: [&[f32]; 2], [mean, variance]: [&[f32]; 2], is_relu_behind: bool) -> Self {
        let pairs = scale.iter().zip(variance);
        let factors: Vec<f32> = pairs.map(|(scale, variance)| scale / (variance + BATCH_NORM_EPSILON).sqrt()).collect();
        let shifts =
            shift.iter().zip(mean).zip(&factors).map(|((shift, mean), factor)| shift - mean * factor).collect();
        Self { factors, shifts, least: if is_relu_behind { 0.0 } else { f32::NEG_INFINITY } }
    }

    /// `to` becomes the output for these values.
    pub fn apply(&self, values: &[f32], to: &mut [f32]) {
        Arch::new().dispatch(Scale { scaling: self, values, to });
    }

    /// Adds an image's sums for each channel: Σ gradient, and Σ gradient · (value − mean).
    pub fn add_sums(&self, (values, gradient): (&[f32], &[f32]), mean: &[f32], to: &mut [[f64; 2]]) {
        let mut sums = vec![[0.0; 2]; mean.len()];
        Arch::new().dispatch(Sums { scaling: self, pair: (values, gradient), mean, to: &mut sums });
        to.iter_mut().zip(sums).for_each(|(to, sums)| *to = [0, 1].map(|index| to[index] + f64::from(sums[index])));
    }

    /// `to` becomes a·gradient + b·value + c by three rows of figures of the channels, which the gradient before batch norm is.
    pub fn blend(&self, pair: (&[f32], &[f32]), rows: &[Vec<f32>; 3], to: &mut [f32]) {
        Arch::new().dispatch(Blend { scaling: self, pair, rows, to });
    }

    /// Vectors of factors and summands.
    #[inline(always)]
    fn vectors<S: Simd>(&self, simd: S, [first, end]: [usize; 2]) -> [S::f32s; 2] {
        [load(simd, &self.factors[first..end]), load(simd, &self.shifts[first..end])]
    }

    /// A gradient before the ReLU.
    #[inline(always)]
    fn behind<S: Simd>(&self, simd: S, [factor, shift]: [S::f32s; 2], [value, gradient]: [S::f32s; 2]) -> S::f32s {
        let output = simd.mul_add_e_f32s(value, factor, shift);
        let is_passed = simd.less_than_f32s(simd.splat_f32s(self.least), output);
        simd.select_f32s(is_passed, gradient, simd.splat_f32s(0.0))
    }
}

struct Scale<'a> {
    scaling: &'a Scaling,
    values: &'a [f32],
    to: &'a mut [f32],
}

impl WithSimd for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { scaling, values, to } = self;
        let channels = scaling.factors.len();
        let least = simd.splat_f32s(scaling.least);
        for (value, to) in values.chunks_exact(channels).zip(to.chunks_exact_mut(channels)) {
            for [first, end] in vectors::<S>(channels) {
                let [factor, shift] = scaling.vectors(simd, [first, end]);
                let output = simd.mul_add_e_f32s(load(simd, &value[first..end]), factor, shift);
                // What is no number stays one, so that a run that diverges is noticed.
                let is_less = simd.less_than_f32s(output, least);
                store(simd, &mut to[first..end], simd.select_f32s(is_less, least, output));
            }
        }
    }
}

struct Sums<'a> {
    scaling: &'a Scaling,
    pair: (&'a [f32], &'a [f32]),
    mean: &'a [f32],
    to: &'a mut [[f32; 2]],
}

impl WithSimd for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { scaling, pair: (values, gradients), mean, to } = self;
        let channels = mean.len();
        for [first, end] in vectors::<S>(channels) {
            let figures = scaling.vectors(simd, [first, end]);
            let mean = load(simd, &mean[first..end]);
            let mut sums = [simd.splat_f32s(0.0); 2];
            for (value, gradient) in values.chunks_exact(channels).zip(gradients.chunks_exact(channels)) {
                let (value, gradient) = (load(simd, &value[first..end]), load(simd, &gradient[first..end]));
                let gradient = scaling.behind(simd, figures, [value, gradient]);
                sums[0] = simd.add_f32s(sums[0], gradient);
                sums[1] = simd.mul_add_e_f32s(gradient, simd.sub_f32s(value, mean), sums[1]);
            }
            put(simd, &mut to[first..end], sums);
        }
    }
}

struct Blend<'a> {
    scaling: &'a Scaling,
    pair: (&'a [f32], &'a [f32]),
    rows: &'a [Vec<f32>; 3],
    to: &'a mut [f32],
}

impl WithSimd for Blend<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { scaling, pair: (values, gradients), rows, to } = self;
        let channels = scaling.factors.len();
        let pixels = values.chunks_exact(channels).zip(gradients.chunks_exact(channels));
        for ((value, gradient), to) in pixels.zip(to.chunks_exact_mut(channels)) {
            for [first, end] in vectors::<S>(channels) {
                let figures = scaling.vectors(simd, [first, end]);
                let (value, gradient) = (load(simd, &value[first..end]), load(simd, &gradient[first..end]));
                let gradient = scaling.behind(simd, figures, [value, gradient]);
                let [a, b, c] = rows;
                let (a, b, c) = (load(simd, &a[first..end]), load(simd, &b[first..end]), load(simd, &c[first..end]));
                let blended = simd.mul_add_e_f32s(a, gradient, simd.mul_add_e_f32s(b, value, c));
                store(simd, &mut to[first..end], blended);
            }
        }
    }
}

/// Adds the sum of each channel's values: the gradient of a bias.
pub fn add_values(to: &mut [[f64; 2]], image: &[f32]) {
    let mut sums = vec![[0.0; 2]; to.len()];
    Arch::new().dispatch(Spread { image, count: 1.0, to: &mut sums });
    to.iter_mut().zip(sums).for_each(|(to, [sum, _])| to[0] += f64::from(sum));
}
