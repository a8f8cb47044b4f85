//! A block's convolution of all channels, on one image at a time, without a matrix of what its windows see: rows of a window are read where
//! they lie in the image's frame.

use super::frame::Frame;
use crate::lanes::{Aligned, LANES};
use crate::product::{Begin, Rows, Target, add_products, multiply};
use cnasc_ir::op::{Slide, Window};
use std::ops::Range;

/// A convolution of all channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dense {
    channels: usize,
    outputs: usize,
    frame: Frame,
    /// Where runs of numbers begin that lie together for a window: its rows, or taps where it is dilated.
    parts: Vec<usize>,
    /// Numbers of each.
    length: usize,
    /// Where the pixels of an output begin.
    places: Vec<usize>,
    /// Places whose windows see the image by the same parts, and these.
    groups: Vec<[Range<usize>; 2]>,
    /// For each part the places whose windows see the image by it; others see zeros.
    spans: Vec<Range<usize>>,
}

/// Weights in the order that they are read in, with zeros that fill vectors: one for values, one for gradients.
#[derive(Debug)]
pub struct Ordered {
    /// For each tap and channel a row of outputs.
    forth: Vec<f32>,
    /// For each tap and output a row of channels.
    back: Vec<f32>,
    /// What sums begin with; none without a bias.
    bias: Vec<f32>,
}

/// Memory for one image at a time. Zeros around the first stay.
#[derive(Debug)]
pub struct Work {
    frame: Aligned,
    back: Aligned,
}

impl Dense {
    /// The window on images of these channels, rows and columns, which it fits.
    pub fn new(window: &Window, extents: [usize; 3], outputs: usize) -> Self {
        let channels = extents[0];
        let frame = Frame::new(window, extents, channels);
        let together = if window.columns.dilation == 1 { frame.kernel[1] } else { 1 };
        let parts = frame.taps.iter().step_by(together).copied().collect();
        let places = (0..frame.places.len()).map(|place| place * outputs).collect();
        let mut dense = Self {
            channels,
            outputs,
            parts,
            length: together * channels,
            places,
            groups: Vec::new(),
            spans: Vec::new(),
            frame,
        };
        dense.find_seen(&window.rows, extents[1]);
        dense
    }

    /// Finds by which of the window's rows each row of the output sees the image.
    fn find_seen(&mut self, rows: &Slide, height: usize) {
        let ([_, width], each) = (self.frame.to, self.parts.len() / self.frame.kernel[0]);
        self.spans = vec![0..0; self.parts.len()];
        for (row, place) in (0..).zip((0..self.places.len()).step_by(width)) {
            let taps = rows.inside(row, height as u32, (0, 0));
            let parts = taps.start as usize * each..taps.end as usize * each;
            for span in &mut self.spans[parts.clone()] {
                *span = if span.end == 0 { place..place + width } else { span.start..place + width };
            }
            match self.groups.last_mut() {
                Some([places, others]) if *others == parts => places.end += width,
                _ => self.groups.push([place..place + width, parts]),
            }
        }
    }

    /// Rows and columns of the output.
    pub fn to(&self) -> [usize; 2] {
        self.frame.to
    }

    /// Memory for gradients, or for values alone.
    pub fn work(&self, are_gradients_wanted: bool) -> Work {
        let size = if self.frame.is_image() { 0 } else { self.frame.size() };
        Work { frame: Aligned::zeros(size), back: Aligned::zeros(if are_gradients_wanted { size } else { 0 }) }
    }

    /// Elements of the weights' sums: for each tap and channel a row of outputs, and zeros.
    pub fn sums(&self) -> usize {
        self.frame.taps.len() * self.channels * self.outputs.next_multiple_of(LANES)
    }

    /// Weights that have for each output a row of channels and taps, and what is added to each output; or for gradients.
    pub fn ordered(&self, weights: &[f32], bias: &[f32], are_gradients_wanted: bool) -> Ordered {
        let taps = self.frame.taps.len();
        let rows = if are_gradients_wanted { self.outputs } else { self.channels };
        let width = if are_gradients_wanted { self.channels } else { self.outputs }.next_multiple_of(LANES);
        let mut ordered = vec![0.0; taps * rows * width];
        for (output, row) in weights.chunks_exact(self.channels * taps).enumerate() {
            for (channel, kernel) in row.chunks_exact(taps).enumerate() {
                let (row, column) = if are_gradients_wanted { (output, channel) } else { (channel, output) };
                let to = ordered[row * width + column..].iter_mut().step_by(rows * width);
                to.zip(kernel).for_each(|(to, &weight)| *to = weight);
            }
        }
        let mut row = bias.to_vec();
        row.resize(if bias.is_empty() { 0 } else { bias.len().next_multiple_of(LANES) }, 0.0);
        let (forth, back) = if are_gradients_wanted { (Vec::new(), ordered) } else { (ordered, Vec::new()) };
        Ordered { forth, back, bias: row }
    }

    /// Sums in the order of the weights.
    pub fn unordered(&self, sums: &[f32]) -> Vec<f32> {
        let (taps, width) = (self.frame.taps.len(), self.outputs.next_multiple_of(LANES));
        let mut weights = vec![0.0; self.outputs * self.channels * taps];
        for (output, row) in weights.chunks_exact_mut(self.channels * taps).enumerate() {
            for (channel, kernel) in row.chunks_exact_mut(taps).enumerate() {
                for (tap, weight) in kernel.iter_mut().enumerate() {
                    *weight = sums[(tap * self.channels + channel) * width + output];
                }
            }
        }
        weights
    }

    /// What the windows see of an image.
    fn seen<'a>(&'a self, image: &'a [f32], frame: &'a mut [f32]) -> Rows<'a> {
        let numbers = if self.frame.is_image() {
            image
        } else {
            self.frame.fill(image, false, frame);
            frame
        };
        Rows { numbers, places: &self.frame.places, parts: &self.parts, length: self.length }
    }

    /// Values of an image.
    pub fn forward(&self, image: &[f32], weights: &Ordered, to: &mut [f32], work: &mut Work) {
        let width = self.outputs.next_multiple_of(LANES);
        let begin = if weights.bias.is_empty() { Begin::Zero } else { Begin::Row(&weights.bias) };
        let all = self.seen(image, &mut work.frame);
        for [places, parts] in &self.groups {
            let rows = Rows { places: &all.places[places.clone()], parts: &all.parts[parts.clone()], ..all };
            let matrix = &weights.forth[parts.start * self.length * width..];
            let places = &self.places[places.clone()];
            multiply(rows, (matrix, width), Target { numbers: to, places, distance: 0, count: self.outputs }, begin);
        }
    }

    /// Adds an image's gradients of the weights to `sums`.
    pub fn add_weights(&self, image: &[f32], gradient: &[f32], sums: &mut [f32], work: &mut Work) {
        let width = self.outputs.next_multiple_of(LANES);
        let all = self.seen(image, &mut work.frame);
        let sums = sums.chunks_exact_mut(self.length * width);
        for ((part, span), sums) in all.parts.iter().zip(&self.spans).zip(sums) {
            let rows = Rows { places: &all.places[span.clone()], parts: std::slice::from_ref(part), ..all };
            add_products(rows, (&gradient[span.start * self.outputs..], self.outputs), (sums, width));
        }
    }

    /// The gradient of an image from that of its output.
    pub fn backward(&self, gradient: &[f32], weights: &Ordered, to: &mut [f32], work: &mut Work) {
        let width = self.channels.next_multiple_of(LANES);
        to.fill(0.0);
        let is_image = self.frame.is_image();
        let frame = if is_image { &mut *to } else { &mut *work.back };
        if !is_image {
            frame.fill(0.0);
        }
        let matrices = weights.back.chunks_exact(self.outputs * width);
        let each = self.frame.taps.len() / self.parts.len();
        for ((tap, &distance), matrix) in self.frame.taps.iter().enumerate().zip(matrices) {
            let span = &self.spans[tap / each];
            let rows =
                Rows { numbers: gradient, places: &self.places[span.clone()], parts: &[0], length: self.outputs };
            let places = &self.frame.places[span.clone()];
            let target = Target { numbers: &mut *frame, places, distance, count: self.channels };
            multiply(rows, (matrix, width), target, Begin::There);
        }
        if !is_image {
            self.frame.take(&work.back, None, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers, of which sums are exact in any order.
    fn some(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|index| ((index * 7 + seed) % 11) as f32 - 5.0).collect()
    }

    /// Each product of a convolution: places in the image, the weights and the output.
    fn products(window: &Window, [channels, outputs]: [usize; 2], [height, width]: [usize; 2]) -> Vec<[usize; 3]> {
        let mut found = Vec::new();
        let at = |slide: &Slide, place: u32, tap: u32, extent: usize| {
            usize::try_from(slide.start(place) + i64::from(tap * slide.dilation)).ok().filter(|&at| at < extent)
        };
        let [rows, columns] = [(&window.rows, height), (&window.columns, width)]
            .map(|(slide, extent)| slide.places(extent as u32).expect("it fits"));
        let taps = window.rows.kernel * window.columns.kernel;
        for place in 0..rows * columns {
            for tap in 0..taps {
                let row = at(&window.rows, place / columns, tap / window.columns.kernel, height);
                let column = at(&window.columns, place % columns, tap % window.columns.kernel, width);
                let (Some(row), Some(column)) = (row, column) else { continue };
                for (output, channel) in
                    (0..outputs).flat_map(|output| (0..channels).map(move |channel| (output, channel)))
                {
                    found.push([
                        (row * width + column) * channels + channel,
                        (output * channels + channel) * taps as usize + tap as usize,
                        place as usize * outputs + output,
                    ]);
                }
            }
        }
        found
    }

    #[test]
    fn values_and_gradients_are_sums_of_products() {
        let window = |kernel, stride, dilation, [before, after]: [u32; 2]| {
            let slide = Slide { kernel, stride, dilation, before, after };
            Window { rows: slide, columns: Slide { before: after, after: before, ..slide } }
        };
        for (window, [channels, outputs], [height, width]) in [
            (window(1, 1, 1, [0, 0]), [3, 9], [5, 7]),
            (window(1, 2, 1, [0, 0]), [2, 3], [4, 5]),
            (window(3, 1, 1, [1, 1]), [2, 17], [4, 14]),
            (window(5, 1, 1, [2, 2]), [1, 80], [6, 8]),
            (window(3, 2, 1, [1, 0]), [16, 33], [6, 5]),
            (window(3, 1, 2, [1, 3]), [2, 3], [9, 8]),
            (window(2, 1, 1, [0, 0]), [21, 49], [3, 6]),
        ] {
            let products = products(&window, [channels, outputs], [height, width]);
            let dense = Dense::new(&window, [channels, height, width], outputs);
            let weights = some(outputs * channels * dense.frame.taps.len(), 1);
            let (image, bias) = (some(channels * height * width, 2), some(outputs, 4));
            let gradient = some(outputs * dense.to()[0] * dense.to()[1], 3);
            let mut work = dense.work(true);
            for bias in [&bias[..], &[]] {
                let mut wanted: Vec<f32> =
                    (0..gradient.len()).map(|at| bias.get(at % outputs).copied().unwrap_or(0.0)).collect();
                products.iter().for_each(|&[pixel, weight, to]| wanted[to] += image[pixel] * weights[weight]);
                let mut found = vec![7.0; gradient.len()];
                dense.forward(&image, &dense.ordered(&weights, bias, false), &mut found, &mut work);
                assert_eq!(found, wanted, "{window:?}");
            }
            let ordered = dense.ordered(&weights, &bias, true);
            let mut sums = vec![1.0; dense.sums()];
            let mut wanted = vec![1.0; weights.len()];
            products.iter().for_each(|&[pixel, weight, to]| wanted[weight] += image[pixel] * gradient[to]);
            dense.add_weights(&image, &gradient, &mut sums, &mut work);
            assert_eq!(dense.unordered(&sums), wanted, "{window:?}");

            let (mut found, mut wanted) = (vec![7.0; image.len()], vec![0.0; image.len()]);
            products.iter().for_each(|&[pixel, weight, to]| wanted[pixel] += gradient[to] * weights[weight]);
            dense.backward(&gradient, &ordered, &mut found, &mut work);
            assert_eq!(found, wanted, "{window:?}");
        }
    }
}
