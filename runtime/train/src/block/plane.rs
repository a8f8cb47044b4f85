//! A window on one channel: depthwise convolution of a plane, and its gradients.
//!
//! A plane is copied into a larger one with its padding around it. There each tap of the window lies at a fixed distance from the
//! output's place, so that a convolution is a sum of shifted rows, as long as the whole plane, and what falls between two rows is left out
//! when the result is copied back.

use super::lanes::{LANES, added, total};
use super::vectorised;
use cnasc_ir::op::{Slide, Window};
use pulp::{Arch, Simd, WithSimd};

/// A window on planes of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plane {
    /// Rows and columns of the plane.
    pub from: [usize; 2],
    /// Of the output.
    pub to: [usize; 2],
    /// Rows and columns of zeros before the plane.
    before: [usize; 2],
    /// Columns of the padded plane.
    columns: usize,
    /// Elements of the padded plane.
    padded: usize,
    stride: [usize; 2],
    /// Of each tap, from the output's place in the padded plane.
    distances: Vec<usize>,
    /// The same backwards, from the place of the input in a plane of gradients with room before them.
    back: Vec<usize>,
    /// Output places, and what lies between them, that are computed.
    reach: usize,
}

impl Plane {
    /// The window on planes of `height` × `width`, which fits them.
    pub fn new(window: &Window, height: usize, width: usize) -> Self {
        let figures = |of: fn(&Slide) -> u32| [of(&window.rows) as usize, of(&window.columns) as usize];
        let (before, after) = (figures(|slide| slide.before), figures(|slide| slide.after));
        let (kernel, dilation) = (figures(|slide| slide.kernel), figures(|slide| slide.dilation));
        let stride = figures(|slide| slide.stride);
        let rows = height + before[0] + after[0];
        let columns = width + before[1] + after[1];
        let places = |axis: usize, extent: usize| (extent - (kernel[axis] - 1) * dilation[axis] - 1) / stride[axis] + 1;
        let to = [places(0, rows), places(1, columns)];
        let taps = (0..kernel[0]).flat_map(|row| (0..kernel[1]).map(move |column| [row, column]));
        let distances: Vec<usize> =
            taps.map(|[row, column]| row * dilation[0] * columns + column * dilation[1]).collect();
        let most = distances.iter().max().copied().unwrap_or(0);
        let back = distances.iter().map(|distance| most - distance).collect();
        let reach = (to[0] - 1) * stride[0] * columns + (to[1] - 1) * stride[1] + 1;
        Self { from: [height, width], to, before, columns, padded: rows * columns, stride, distances, back, reach }
    }

    /// Taps of the window.
    pub fn taps(&self) -> usize {
        self.distances.len()
    }

    /// The distance of the last tap.
    fn most(&self) -> usize {
        self.distances.iter().max().copied().unwrap_or(0)
    }

    /// Memory to work in, for this window alone. All is computed in whole vectors, for which there is room behind.
    pub fn scratch(&self) -> Scratch {
        let most = self.most();
        Scratch {
            input: vec![0.0; self.padded + LANES],
            output: vec![0.0; self.padded + most + LANES],
            gradient: vec![0.0; self.padded + 2 * most + LANES],
        }
    }

    /// `output` becomes the plane's convolution with the kernel; where `relu`, of its positive part.
    pub fn forward(&self, input: &[f32], kernel: &[f32], output: &mut [f32], relu: bool, scratch: &mut Scratch) {
        self.pad(input, relu, &mut scratch.input);
        let reach = self.reach.next_multiple_of(LANES);
        correlate(&mut scratch.output[..reach], &scratch.input, &self.distances, kernel);
        let [_, width] = self.to;
        for (row, to) in output.chunks_exact_mut(width).enumerate() {
            let from = &scratch.output[row * self.stride[0] * self.columns..];
            match self.stride[1] {
                1 => to.copy_from_slice(&from[..width]),
                stride => to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, &from)| *to = from),
            }
        }
    }

    /// From the output's gradient: adds the kernel's to `to_kernel`, and writes the plane's into `to_input`.
    pub fn backward(
        &self,
        (input, kernel, gradient): (&[f32], &[f32], &[f32]),
        (to_input, to_kernel): (&mut [f32], &mut [f32]),
        relu: bool,
        scratch: &mut Scratch,
    ) {
        self.pad(input, relu, &mut scratch.input);
        let most = self.most();
        // The gradient at the output's places. The zeros between, before and behind are never written over.
        let spread = &mut scratch.gradient;
        let [_, width] = self.to;
        for (row, from) in gradient.chunks_exact(width).enumerate() {
            let to = &mut spread[most + row * self.stride[0] * self.columns..];
            match self.stride[1] {
                1 => to[..width].copy_from_slice(from),
                stride => to.iter_mut().step_by(stride).zip(from).for_each(|(to, &from)| *to = from),
            }
        }
        let reach = self.reach.next_multiple_of(LANES);
        products(to_kernel, &spread[most..][..reach], &scratch.input, &self.distances);
        let padded = self.padded.next_multiple_of(LANES);
        correlate(&mut scratch.output[..padded], spread, &self.back, kernel);
        let [_, width] = self.from;
        for (row, to) in to_input.chunks_exact_mut(width).enumerate() {
            let start = (row + self.before[0]) * self.columns + self.before[1];
            to.copy_from_slice(&scratch.output[start..][..width]);
        }
    }

    fn pad(&self, input: &[f32], relu: bool, padded: &mut [f32]) {
        let [_, width] = self.from;
        for (row, from) in input.chunks_exact(width).enumerate() {
            let to = &mut padded[(row + self.before[0]) * self.columns + self.before[1]..][..width];
            if relu {
                // By fours, because rows are short: what wider vectors leave over would be most of them.
                let ((to, to_rest), (from, rest)) = (to.as_chunks_mut::<4>(), from.as_chunks::<4>());
                to.iter_mut().zip(from).for_each(|(to, from)| *to = from.map(|from| from.max(0.0)));
                to_rest.iter_mut().zip(rest).for_each(|(to, &from)| *to = from.max(0.0));
            } else {
                to.copy_from_slice(from);
            }
        }
    }
}

/// Memory for one plane at a time. Zeros around the input stay.
#[derive(Debug)]
pub struct Scratch {
    input: Vec<f32>,
    output: Vec<f32>,
    gradient: Vec<f32>,
}

/// to[i] = Σ kernel[t] · from[i + distances[t]]. `to.len()` is a multiple of [`LANES`].
fn correlate(to: &mut [f32], from: &[f32], distances: &[usize], kernel: &[f32]) {
    match (<[usize; 9]>::try_from(distances), <[f32; 9]>::try_from(kernel)) {
        (Ok(distances), Ok(kernel)) => Arch::new().dispatch(Correlate { to, from, distances, kernel }),
        _ => {
            to.fill(0.0);
            for (&distance, &weight) in distances.iter().zip(kernel) {
                vectorised(|| to.iter_mut().zip(&from[distance..]).for_each(|(to, &from)| *to += weight * from));
            }
        }
    }
}

/// The same for as many taps as are known when it is compiled. As a job and not a closure: the compiler does not put long closures into what
/// it compiles for wide vectors, and computes them on narrow ones or none.
struct Correlate<'a, const N: usize> {
    to: &'a mut [f32],
    from: &'a [f32],
    distances: [usize; N],
    kernel: [f32; N],
}

impl<const N: usize> WithSimd for Correlate<'_, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { to, from, distances, kernel } = self;
        let rows: [&[[f32; LANES]]; N] = distances.map(|distance| from[distance..][..to.len()].as_chunks().0);
        for (index, to) in to.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let mut sums = [0.0_f32; LANES];
            for (&weight, row) in kernel.iter().zip(&rows) {
                sums = added::<S>(sums, &[weight; LANES], &row[index]);
            }
            *to = sums;
        }
    }
}

/// to[t] += Σ gradient[i] · from[i + distances[t]]. `gradient.len()` is a multiple of [`LANES`].
fn products(to: &mut [f32], gradient: &[f32], from: &[f32], distances: &[usize]) {
    if let Ok(distances) = <[usize; 9]>::try_from(distances) {
        Arch::new().dispatch(Products { to, gradient, from, distances });
        return;
    }
    for (to, &distance) in to.iter_mut().zip(distances) {
        Arch::new().dispatch(Products { to: std::slice::from_mut(to), gradient, from, distances: [distance] });
    }
}

/// The same for as many taps as are known when it is compiled, each with a sum of its own: fewer would wait for each other.
struct Products<'a, const N: usize> {
    to: &'a mut [f32],
    gradient: &'a [f32],
    from: &'a [f32],
    distances: [usize; N],
}

impl<const N: usize> WithSimd for Products<'_, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { to, gradient, from, distances } = self;
        let rows: [&[[f32; LANES]]; N] = distances.map(|distance| from[distance..][..gradient.len()].as_chunks().0);
        let mut sums = [[0.0_f32; LANES]; N];
        for (index, gradient) in gradient.as_chunks::<LANES>().0.iter().enumerate() {
            for (sums, row) in sums.iter_mut().zip(&rows) {
                *sums = added::<S>(*sums, gradient, &row[index]);
            }
        }
        for (to, sums) in to.iter_mut().zip(sums) {
            *to += total(sums);
        }
    }
}
