//! A block's values and gradients on slices: images one after the other, each channel by channel.

use super::dense::{self, Ordered};
use super::norm::{self, Moments};
use super::plane::Scratch;
use super::{Block, LANES, Threads, vectorised};
use cnasc_ir::op::BATCH_NORM_EPSILON;
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::{ParallelSlice, ParallelSliceMut};

/// Into how many parts a batch is cut at most, each computed on one thread.
const PARTS: usize = 16;

/// Parameters of a block; empty where it has none.
#[derive(Debug, Clone, Copy)]
pub struct Params<'a> {
    /// Of the depthwise convolution: a kernel a channel.
    pub depthwise: &'a [f32],
    /// Of the dense one: a row an output.
    pub dense: &'a [f32],
    /// Batch norm's factors.
    pub scale: &'a [f32],
    /// Batch norm's summands, or the bias.
    pub shift: &'a [f32],
}

/// Gradients of the parameters, and of the input.
#[derive(Debug)]
pub struct Gradients {
    pub input: Vec<f32>,
    pub depthwise: Vec<f32>,
    pub dense: Vec<f32>,
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
}

/// What comes out of a block, and what its gradient needs.
#[derive(Debug)]
pub struct Values {
    /// Before batch norm; empty where there is none.
    pub before: Vec<f32>,
    pub output: Vec<f32>,
    /// Of each channel before batch norm; empty where there is none.
    pub mean: Vec<f32>,
    pub variance: Vec<f32>,
}

/// Memory for one image at a time.
struct Work {
    scratch: Option<Scratch>,
    /// With room for a vector behind it.
    between: Vec<f32>,
    dense: Option<dense::Work>,
}

impl Block {
    fn work(&self, are_gradients_wanted: bool) -> Work {
        Work {
            scratch: self.depthwise.as_ref().map(super::plane::Plane::scratch),
            between: vec![0.0; self.between() + LANES],
            dense: self.dense.as_ref().map(|dense| dense.work(are_gradients_wanted)),
        }
    }

    /// The dense convolution's weights, where there is one.
    fn ordered<'a>(&self, params: Params<'a>, are_gradients_wanted: bool) -> Option<Ordered<'a>> {
        self.dense.as_ref().map(|dense| dense.ordered(params.dense, are_gradients_wanted))
    }

    /// Images of a part.
    fn part(count: usize) -> usize {
        count.div_ceil(PARTS).max(1)
    }

    /// Values of all images. With `stored`, a mean and a variance a channel, batch norm uses these instead of the batch's.
    pub fn forward(&self, x: &[f32], params: Params<'_>, stored: Option<[&[f32]; 2]>, threads: &Threads) -> Values {
        let [from, to] = self.sizes();
        let count = x.len() / from;
        let mut before = vec![0.0; count * to];
        let part = Self::part(count);
        let weights = self.ordered(params, false);
        let moments: Vec<Vec<Moments>> = threads.install(|| {
            let parts = x.par_chunks(part * from).zip(before.par_chunks_mut(part * to));
            let of_part = |(x, to_part): (&[f32], &mut [f32])| {
                self.part_forward(x, to_part, (params, weights.as_ref()), stored.is_none())
            };
            parts.map(of_part).collect()
        });
        if !self.norm {
            return Values { before: Vec::new(), output: before, mean: Vec::new(), variance: Vec::new() };
        }
        let channels = 0..self.output[0];
        let whole = |channel: usize| {
            let parts = moments.iter().map(|part| part[channel]);
            parts.fold(Moments::default(), Moments::with).mean_and_variance()
        };
        let (mean, variance): (Vec<f32>, Vec<f32>) = match stored {
            Some([mean, variance]) => (mean.to_vec(), variance.to_vec()),
            None => channels.map(whole).unzip(),
        };
        let factors = factors(params.scale, &variance);
        let mut output = vec![0.0; before.len()];
        threads.install(|| {
            let parts = before.par_chunks(part * to).zip(output.par_chunks_mut(part * to));
            parts.for_each(|(from, to)| {
                let planes = from.chunks_exact(self.plane()).zip(to.chunks_exact_mut(self.plane()));
                for (index, (from, to)) in planes.enumerate() {
                    let channel = index % self.output[0];
                    let factor = factors[channel];
                    norm::scale(to, from, factor, params.shift[channel] - mean[channel] * factor);
                }
            });
        });
        Values { before, output, mean, variance }
    }

    /// One part's images up to batch norm, and the moments of each channel.
    fn part_forward(
        &self,
        x: &[f32],
        to: &mut [f32],
        params: (Params<'_>, Option<&Ordered<'_>>),
        wants_moments: bool,
    ) -> Vec<Moments> {
        let [from_size, to_size] = self.sizes();
        let mut work = self.work(false);
        let mut moments = vec![Moments::default(); if self.norm && wants_moments { self.output[0] } else { 0 }];
        for (x, to) in x.chunks_exact(from_size).zip(to.chunks_exact_mut(to_size)) {
            self.image_forward(x, to, params, &mut work);
            for (moments, plane) in moments.iter_mut().zip(to.chunks_exact(self.plane())) {
                *moments = moments.with(Moments::of(plane));
            }
        }
        moments
    }

    fn image_forward(
        &self,
        x: &[f32],
        to: &mut [f32],
        (params, weights): (Params<'_>, Option<&Ordered<'_>>),
        work: &mut Work,
    ) {
        let (Some(dense), Some(memory), Some(weights)) = (&self.dense, &mut work.dense, weights) else {
            self.first(x, to, params, &mut work.scratch);
            return;
        };
        self.first(x, &mut work.between[..self.between()], params, &mut work.scratch);
        dense.forward(&work.between, weights, to, memory);
        if self.bias {
            for (plane, bias) in to.chunks_exact_mut(self.plane()).zip(params.shift) {
                plane.iter_mut().for_each(|value| *value += bias);
            }
        }
    }

    /// ReLU and the depthwise convolution of one image.
    fn first(&self, x: &[f32], to: &mut [f32], params: Params<'_>, scratch: &mut Option<Scratch>) {
        let (Some(plane), Some(scratch)) = (&self.depthwise, scratch) else {
            if self.relu {
                vectorised(|| to.iter_mut().zip(x).for_each(|(to, &x)| *to = x.max(0.0)));
            } else {
                to.copy_from_slice(x);
            }
            return;
        };
        let kernels = params.depthwise.chunks_exact(plane.taps());
        let planes = x.chunks_exact(self.pixels).zip(to.chunks_exact_mut(plane.to[0] * plane.to[1]));
        for ((x, to), kernel) in planes.zip(kernels) {
            plane.forward(x, kernel, to, self.relu, scratch);
        }
    }

    /// Gradients of everything from the output's. The input's is of no meaning where it is not wanted.
    pub fn backward(
        &self,
        (x, params, values): (&[f32], Params<'_>, &Values),
        gradient: &[f32],
        is_input_wanted: bool,
        threads: &Threads,
    ) -> Gradients {
        let [from, to] = self.sizes();
        let count = x.len() / from;
        let part = Self::part(count);
        let (blends, scale, shift) = self.norm_backward(values, params, gradient, threads);
        let mut input = vec![0.0; x.len()];
        let weights = self.ordered(params, true);
        let parts: Vec<[Vec<f32>; 2]> = threads.install(|| {
            let images = x.par_chunks(part * from).zip(input.par_chunks_mut(part * from));
            let of_part = |(index, (x, to_x)): (usize, (&[f32], &mut [f32]))| {
                let behind = index * part * to..;
                let before = values.before.get(behind.clone()).unwrap_or_default();
                let params = (params, weights.as_ref());
                self.part_backward((x, params), (before, &gradient[behind], &blends), to_x, is_input_wanted)
            };
            images.enumerate().map(of_part).collect()
        });
        let [mut depthwise, mut dense] = [vec![0.0; params.depthwise.len()], vec![0.0; params.dense.len()]];
        for [of_depthwise, of_dense] in parts {
            depthwise.iter_mut().zip(of_depthwise).for_each(|(sum, part)| *sum += part);
            dense.iter_mut().zip(of_dense).for_each(|(sum, part)| *sum += part);
        }
        Gradients { input, depthwise, dense, scale, shift }
    }

    /// How each channel's gradient before batch norm is made of the one behind it and of the values, and the gradients of batch norm's
    /// parameters, or of the bias; Ioffe and Szegedy, "Batch Normalization", ICML 2015.
    fn norm_backward(
        &self,
        values: &Values,
        params: Params<'_>,
        gradient: &[f32],
        threads: &Threads,
    ) -> (Vec<[f32; 3]>, Vec<f32>, Vec<f32>) {
        let (channels, plane) = (self.output[0], self.plane());
        if !self.norm && !self.bias {
            return (Vec::new(), Vec::new(), Vec::new());
        }
        let image = channels * plane;
        let size = Self::part(gradient.len() / image) * image;
        let parts: Vec<Vec<[f64; 2]>> = threads.install(|| {
            let parts = gradient.par_chunks(size).enumerate();
            let of_part = |(index, gradient): (usize, &[f32])| {
                // Without batch norm only the gradients' own sums count.
                let before = values.before.get(index * size..).filter(|_| self.norm).unwrap_or(gradient);
                let mut sums = vec![[0.0_f64; 2]; channels];
                for (index, (before, gradient)) in
                    before.chunks_exact(plane).zip(gradient.chunks_exact(plane)).enumerate()
                {
                    let channel = index % channels;
                    let mean = values.mean.get(channel).copied().unwrap_or(0.0);
                    let found = norm::sums(before, gradient, mean);
                    sums[channel].iter_mut().zip(found).for_each(|(sum, found)| *sum += f64::from(found));
                }
                sums
            };
            parts.map(of_part).collect()
        });
        let sums: Vec<[f64; 2]> = (0..channels)
            .map(|channel| parts.iter().fold([0.0; 2], |[a, b], part| [a + part[channel][0], b + part[channel][1]]))
            .collect();
        let shift = sums.iter().map(|sums| sums[0] as f32).collect();
        if !self.norm {
            return (Vec::new(), Vec::new(), shift);
        }
        let number = (gradient.len() / channels) as f64;
        let roots: Vec<f64> =
            values.variance.iter().map(|&variance| f64::from(variance + BATCH_NORM_EPSILON).sqrt()).collect();
        let scale = sums.iter().zip(&roots).map(|(sums, root)| (sums[1] / root) as f32).collect();
        let blend = |channel: usize| {
            let (root, mean) = (roots[channel], f64::from(values.mean[channel]));
            let a = f64::from(params.scale[channel]) / root;
            let b = -a * sums[channel][1] / (number * root * root);
            [a as f32, b as f32, (-a * sums[channel][0] / number - b * mean) as f32]
        };
        ((0..channels).map(blend).collect(), scale, shift)
    }

    /// One part's gradients of the two convolutions; its input's go into `to_x`.
    fn part_backward(
        &self,
        (x, (params, weights)): (&[f32], (Params<'_>, Option<&Ordered<'_>>)),
        (before, gradient, blends): (&[f32], &[f32], &[[f32; 3]]),
        to_x: &mut [f32],
        is_input_wanted: bool,
    ) -> [Vec<f32>; 2] {
        let [from_size, to_size] = self.sizes();
        let mut work = self.work(true);
        // Of images to learn from nobody wants a gradient; but the window's goes through what lies behind it.
        let goes_on = is_input_wanted || self.depthwise.is_some();
        let mut blended = vec![0.0; if self.norm { to_size + LANES } else { 0 }];
        let mut of_between = vec![0.0; self.between()];
        let mut sums = [vec![0.0; params.depthwise.len()], vec![0.0; params.dense.len()]];
        let images = x.chunks_exact(from_size).zip(to_x.chunks_exact_mut(from_size));
        for (index, ((x, to_x), gradient)) in images.zip(gradient.chunks_exact(to_size)).enumerate() {
            let gradient = if self.norm {
                let before = &before[index * to_size..][..to_size];
                let planes = before.chunks_exact(self.plane()).zip(gradient.chunks_exact(self.plane()));
                let to = blended.chunks_exact_mut(self.plane()).zip(blends);
                planes
                    .zip(to)
                    .for_each(|((before, gradient), (to, &blend))| norm::blend(to, (gradient, before), blend));
                &blended
            } else {
                gradient
            };
            let [of_depthwise, of_dense] = &mut sums;
            if let (Some(dense), Some(memory), Some(weights)) = (&self.dense, &mut work.dense, weights) {
                self.first(x, &mut work.between[..self.between()], params, &mut work.scratch);
                dense.add_weights(&work.between, gradient, of_dense, memory);
                if goes_on {
                    dense.backward(gradient, weights, &mut of_between, memory);
                    self.first_backward((x, params, &of_between), (to_x, of_depthwise), &mut work.scratch);
                }
            } else {
                self.first_backward((x, params, &gradient[..to_size]), (to_x, of_depthwise), &mut work.scratch);
            }
        }
        if let (Some(dense), Some(memory)) = (&self.dense, &work.dense) {
            dense.finish(&mut sums[1], memory);
        }
        sums
    }

    /// Gradients through the depthwise convolution and ReLU of one image.
    fn first_backward(
        &self,
        (x, params, gradient): (&[f32], Params<'_>, &[f32]),
        (to_x, to_kernels): (&mut [f32], &mut [f32]),
        scratch: &mut Option<Scratch>,
    ) {
        if let (Some(plane), Some(scratch)) = (&self.depthwise, scratch) {
            let taps = plane.taps();
            let planes = x.chunks_exact(self.pixels).zip(to_x.chunks_exact_mut(self.pixels));
            let kernels = params.depthwise.chunks_exact(taps).zip(to_kernels.chunks_exact_mut(taps));
            let gradients = gradient.chunks_exact(plane.to[0] * plane.to[1]);
            for (((x, to_x), (kernel, to_kernel)), gradient) in planes.zip(kernels).zip(gradients) {
                plane.backward((x, kernel, gradient), (to_x, to_kernel), self.relu, scratch);
            }
        } else {
            to_x.copy_from_slice(gradient);
        }
        if self.relu {
            vectorised(|| to_x.iter_mut().zip(x).for_each(|(to, &x)| *to = if x > 0.0 { *to } else { 0.0 }));
        }
    }
}

/// scale / √(variance + ε) of each channel.
fn factors(scale: &[f32], variance: &[f32]) -> Vec<f32> {
    let pairs = scale.iter().zip(variance);
    pairs.map(|(scale, variance)| scale / (variance + BATCH_NORM_EPSILON).sqrt()).collect()
}
