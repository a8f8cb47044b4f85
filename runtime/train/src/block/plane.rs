//! A window on one channel: depthwise convolution of a plane, and its gradients.
//!
//! A plane is copied into a larger one with its padding around it. There each tap of the window lies at a fixed distance from the
//! output's place, so that a convolution is a sum of shifted rows, as long as the whole plane, and what falls between two rows is left out
//! when the result is copied back.

use super::vectorised;
use cnasc_ir::op::{Slide, Window};

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
    /// Output places, and what lies between them, that are computed.
    reach: usize,
}

/// Lanes of a sum, so that its order does not depend on the machine.
const LANES: usize = 16;

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
        let distances = taps.map(|[row, column]| row * dilation[0] * columns + column * dilation[1]).collect();
        let reach = (to[0] - 1) * stride[0] * columns + (to[1] - 1) * stride[1] + 1;
        Self { from: [height, width], to, before, columns, padded: rows * columns, stride, distances, reach }
    }

    /// Taps of the window.
    pub fn taps(&self) -> usize {
        self.distances.len()
    }

    /// Memory to work in.
    pub fn scratch(&self) -> Scratch {
        let most = self.distances.iter().max().copied().unwrap_or(0);
        Scratch {
            input: vec![0.0; self.padded],
            output: vec![0.0; self.padded + most],
            gradient: vec![0.0; self.padded + 2 * most],
        }
    }

    /// `output` becomes the plane's convolution with the kernel; where `relu`, of its positive part.
    pub fn forward(&self, input: &[f32], kernel: &[f32], output: &mut [f32], relu: bool, scratch: &mut Scratch) {
        self.pad(input, relu, &mut scratch.input);
        correlate(&mut scratch.output[..self.reach], &scratch.input, &self.distances, kernel);
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
        let most = self.distances.iter().max().copied().unwrap_or(0);
        // The gradient at the output's places, with zeros between, before and behind.
        let spread = &mut scratch.gradient;
        spread.fill(0.0);
        let [_, width] = self.to;
        for (row, from) in gradient.chunks_exact(width).enumerate() {
            let to = &mut spread[most + row * self.stride[0] * self.columns..];
            match self.stride[1] {
                1 => to[..width].copy_from_slice(from),
                stride => to.iter_mut().step_by(stride).zip(from).for_each(|(to, &from)| *to = from),
            }
        }
        products(to_kernel, &spread[most..][..self.reach], &scratch.input, &self.distances);
        let distances: Vec<usize> = self.distances.iter().map(|distance| most - distance).collect();
        correlate(&mut scratch.output[..self.padded], spread, &distances, kernel);
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
                to.iter_mut().zip(from).for_each(|(to, &from)| *to = from.max(0.0));
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

/// to[i] = Σ kernel[t] · from[i + distances[t]].
fn correlate(to: &mut [f32], from: &[f32], distances: &[usize], kernel: &[f32]) {
    match (<[usize; 9]>::try_from(distances), <[f32; 9]>::try_from(kernel)) {
        (Ok(distances), Ok(kernel)) => vectorised(|| correlate_all(to, from, &distances, &kernel)),
        _ => {
            to.fill(0.0);
            for (&distance, &weight) in distances.iter().zip(kernel) {
                vectorised(|| to.iter_mut().zip(&from[distance..]).for_each(|(to, &from)| *to += weight * from));
            }
        }
    }
}

#[inline(always)]
fn correlate_all<const N: usize>(to: &mut [f32], from: &[f32], distances: &[usize; N], kernel: &[f32; N]) {
    let len = to.len();
    let rows: [&[f32]; N] = distances.map(|distance| &from[distance..][..len]);
    for (index, to) in to.iter_mut().enumerate() {
        *to = kernel.iter().zip(&rows).fold(0.0, |sum, (weight, row)| sum + weight * row[index]);
    }
}

/// to[t] += Σ gradient[i] · from[i + distances[t]].
fn products(to: &mut [f32], gradient: &[f32], from: &[f32], distances: &[usize]) {
    if let Ok(distances) = <[usize; 9]>::try_from(distances) {
        vectorised(|| products_all(to, gradient, from, &distances));
        return;
    }
    for (to, &distance) in to.iter_mut().zip(distances) {
        vectorised(|| products_all(std::slice::from_mut(to), gradient, from, &[distance]));
    }
}

#[inline(always)]
fn products_all<const N: usize>(to: &mut [f32], gradient: &[f32], from: &[f32], distances: &[usize; N]) {
    let len = gradient.len();
    let rows: [&[f32]; N] = distances.map(|distance| &from[distance..][..len]);
    let mut sums = [[0.0_f32; LANES]; N];
    let (chunks, rest) = gradient.as_chunks::<LANES>();
    for (index, gradient) in chunks.iter().enumerate() {
        for (sums, row) in sums.iter_mut().zip(&rows) {
            let row = &row[index * LANES..][..LANES];
            let lanes = sums.iter_mut().zip(gradient).zip(row);
            lanes.for_each(|((sum, gradient), value)| *sum += gradient * value);
        }
    }
    let done = len - rest.len();
    for ((to, sums), row) in to.iter_mut().zip(&sums).zip(&rows) {
        let rest = rest.iter().zip(&row[done..]).fold(0.0, |sum, (gradient, value)| sum + gradient * value);
        *to += sums.iter().sum::<f32>() + rest;
    }
}
