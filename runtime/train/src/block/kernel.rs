//! A block's values and gradients on slices: images one after the other, each with the channels of a pixel side by side.

use super::dense::{self, Ordered};
use super::frame::pass;
use super::norm::{self, Moments, Scaling};
use super::{Block, Threads, vectorised};
use crate::lanes::{Aligned, prefetch};
use crate::room::{Part, Room};
use cnasc_ir::op::BATCH_NORM_EPSILON;
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSlice;

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
    /// What batch norm did, where there is one.
    scaling: Option<Scaling>,
}

/// Weights in the order that kernels read them in.
struct Packed {
    depthwise: Vec<f32>,
    dense: Option<Ordered>,
}

/// Sums of the weights' gradients in the same order.
struct Sums {
    depthwise: Vec<f32>,
    dense: Vec<f32>,
}

/// Memory for one image at a time.
struct Work {
    /// The input of the depthwise convolution with its zeros, and its gradient.
    frame: Aligned,
    of_frame: Aligned,
    /// Between the convolutions, and its gradient.
    between: Aligned,
    of_between: Aligned,
    /// The gradient before batch norm.
    blended: Aligned,
    dense: Option<dense::Work>,
}

impl Block {
    fn work(&self, are_gradients_wanted: bool) -> Work {
        let room = |size: usize, is_wanted: bool| Aligned::zeros(if is_wanted { size } else { 0 });
        let frame = self.depthwise.as_ref().map_or(0, |depthwise| depthwise.frame.size());
        let is_between = self.dense.is_some() && (self.relu || self.depthwise.is_some());
        Work {
            frame: room(frame, true),
            of_frame: room(frame, are_gradients_wanted),
            between: room(self.between(), is_between),
            of_between: room(self.between(), self.dense.is_some() && are_gradients_wanted),
            blended: room(self.sizes()[1], self.norm && are_gradients_wanted),
            dense: self.dense.as_ref().map(|dense| dense.work(are_gradients_wanted)),
        }
    }

    fn packed(&self, params: Params<'_>, are_gradients_wanted: bool) -> Packed {
        let bias = if self.bias { params.shift } else { &[] };
        Packed {
            depthwise: self.depthwise.as_ref().map_or_else(Vec::new, |depthwise| depthwise.packed(params.depthwise)),
            dense: self.dense.as_ref().map(|dense| dense.ordered(params.dense, bias, are_gradients_wanted)),
        }
    }

    /// Images of a part.
    fn part(count: usize) -> usize {
        count.div_ceil(PARTS).max(1)
    }

    /// Values of all images. With `stored`, a mean and a variance a channel, batch norm uses these instead of the batch's.
    pub fn forward(&self, x: &[f32], params: Params<'_>, stored: Option<[&[f32]; 2]>, threads: &Threads) -> Values {
        let [from, to] = self.sizes();
        let count = x.len() / from;
        let mut before = Room::new(count * to);
        let part = Self::part(count);
        let packed = self.packed(params, false);
        let moments: Vec<Vec<Moments>> = threads.install(|| {
            let parts = x.par_chunks(part * from).zip(before.parts(part * to));
            let of_part = |work: &mut Work, (x, to): (&[f32], Part<'_>)| {
                self.part_forward(x, to.open(), &packed, stored.is_none(), work)
            };
            parts.map_init(|| self.work(false), of_part).collect()
        });
        let before = before.into_numbers();
        if !self.norm {
            let (before, output) = (Vec::new(), before);
            return Values { before, output, mean: Vec::new(), variance: Vec::new(), scaling: None };
        }
        let whole = |channel: usize| {
            let parts = moments.iter().map(|part| part[channel]);
            parts.fold(Moments::default(), Moments::with).mean_and_variance()
        };
        let (mean, variance): (Vec<f32>, Vec<f32>) = match stored {
            Some([mean, variance]) => (mean.to_vec(), variance.to_vec()),
            None => (0..self.output[0]).map(whole).unzip(),
        };
        let scaling = Scaling::new([params.scale, params.shift], [&mean, &variance], self.relu_behind);
        let mut output = Room::new(before.len());
        threads.install(|| {
            let parts = before.par_chunks(part * to).zip(output.parts(part * to));
            parts.for_each(|(from, to)| scaling.apply(from, to.open()));
        });
        let output = output.into_numbers();
        Values { before, output, mean, variance, scaling: Some(scaling) }
    }

    /// One part's images up to batch norm, and the moments of each channel.
    fn part_forward(
        &self,
        x: &[f32],
        to: &mut [f32],
        packed: &Packed,
        wants_moments: bool,
        work: &mut Work,
    ) -> Vec<Moments> {
        let [from_size, to_size] = self.sizes();
        let mut moments = vec![Moments::default(); if self.norm && wants_moments { self.output[0] } else { 0 }];
        let images = x.chunks_exact(from_size).zip(to.chunks_exact_mut(to_size));
        for (index, (image, to)) in images.enumerate() {
            prefetch(x, (index + 1) * from_size..(index + 2) * from_size);
            if let (Some(dense), Some(weights)) = (&self.dense, &packed.dense) {
                let Work { frame, between, dense: Some(memory), .. } = &mut *work else { continue };
                dense.forward(self.first(image, packed, frame, between), weights, to, memory);
            } else {
                self.first(image, packed, &mut work.frame, to);
            }
            if !moments.is_empty() {
                norm::add_moments(&mut moments, to);
            }
        }
        moments
    }

    /// ReLU and the depthwise convolution of one image, in `to` or, where there is neither, the image itself if there is no room.
    fn first<'a>(&self, x: &'a [f32], packed: &Packed, frame: &mut [f32], to: &'a mut [f32]) -> &'a [f32] {
        match &self.depthwise {
            Some(depthwise) => {
                depthwise.frame.fill(x, self.relu, frame);
                depthwise.forward(frame, &packed.depthwise, to);
            }
            None if self.relu => vectorised(|| to.iter_mut().zip(x).for_each(|(to, &x)| *to = x.max(0.0))),
            None if to.is_empty() => return x,
            None => to.copy_from_slice(x),
        }
        to
    }

    /// Gradients of everything from the output's. The input's is added to what `input` has, if anything; unless nobody wants it.
    pub fn backward(
        &self,
        (x, params, values): (&[f32], Params<'_>, &Values),
        gradient: &[f32],
        input: Option<Vec<f32>>,
        threads: &Threads,
    ) -> Gradients {
        let [from, to] = self.sizes();
        let count = x.len() / from;
        let part = Self::part(count);
        let (blends, scale, shift) = self.norm_backward(values, params, gradient, threads);
        let mut input = input.map(|there| Room::behind(there, x.len()));
        let packed = self.packed(params, true);
        let mut to_parts: Vec<Option<Part<'_>>> = x.chunks(part * from).map(|_| None).collect();
        if let Some(input) = &mut input {
            to_parts = input.parts(part * from).into_iter().map(Some).collect();
        }
        let parts: Vec<Sums> = threads.install(|| {
            let images = x.par_chunks(part * from).zip(to_parts);
            let of_part = |work: &mut Work, (index, (x, to_x)): (usize, (&[f32], Option<Part<'_>>))| {
                let behind = index * part * to..;
                let before = values.before.get(behind.clone()).unwrap_or_default();
                let norm = (values.scaling.as_ref(), &blends);
                self.part_backward((x, &packed), (before, &gradient[behind]), norm, to_x.map(Part::open), work)
            };
            images.enumerate().map_init(|| self.work(true), of_part).collect()
        });
        let whole = parts.into_iter().reduce(Sums::with);
        let Sums { depthwise, dense } = whole.unwrap_or_else(|| self.sums());
        Gradients {
            input: input.map_or_else(Vec::new, Room::into_numbers),
            depthwise: self.depthwise.as_ref().map_or_else(Vec::new, |window| window.unpacked(&depthwise)),
            dense: self.dense.as_ref().map_or_else(Vec::new, |window| window.unordered(&dense)),
            scale,
            shift,
        }
    }

    fn sums(&self) -> Sums {
        Sums {
            depthwise: vec![0.0; self.depthwise.as_ref().map_or(0, super::depthwise::Depthwise::sums)],
            dense: vec![0.0; self.dense.as_ref().map_or(0, dense::Dense::sums)],
        }
    }

    /// How each channel's gradient before batch norm is made of the one behind it and of the values, and the gradients of batch norm's
    /// parameters, or of the bias; Ioffe and Szegedy, "Batch Normalization", ICML 2015.
    fn norm_backward(
        &self,
        values: &Values,
        params: Params<'_>,
        gradient: &[f32],
        threads: &Threads,
    ) -> ([Vec<f32>; 3], Vec<f32>, Vec<f32>) {
        if !self.norm && !self.bias {
            return Default::default();
        }
        let [_, image] = self.sizes();
        let size = Self::part(gradient.len() / image) * image;
        let parts: Vec<Vec<[f64; 2]>> = threads.install(|| {
            let parts = gradient.par_chunks(size).enumerate();
            let of_part = |(index, part): (usize, &[f32])| {
                let mut sums = vec![[0.0_f64; 2]; self.output[0]];
                for (begin, of_image) in (index * size..).step_by(image).zip(part.chunks_exact(image)) {
                    match &values.scaling {
                        Some(scaling) => {
                            let next = begin + image..begin + 2 * image;
                            prefetch(&values.before, next.clone());
                            prefetch(gradient, next);
                            let before = &values.before[begin..][..image];
                            scaling.add_sums((before, of_image), &values.mean, &mut sums);
                        }
                        None => norm::add_values(&mut sums, of_image),
                    }
                }
                sums
            };
            parts.map(of_part).collect()
        });
        let sums: Vec<[f64; 2]> = (0..self.output[0])
            .map(|channel| parts.iter().fold([0.0; 2], |[a, b], part| [a + part[channel][0], b + part[channel][1]]))
            .collect();
        let shift = sums.iter().map(|sums| sums[0] as f32).collect();
        if !self.norm {
            return (Default::default(), Vec::new(), shift);
        }
        let number = (gradient.len() / self.output[0]) as f64;
        let mut blends: [Vec<f32>; 3] = Default::default();
        let mut scale = Vec::with_capacity(sums.len());
        for (channel, sums) in sums.iter().enumerate() {
            let root = f64::from(values.variance[channel] + BATCH_NORM_EPSILON).sqrt();
            let a = f64::from(params.scale[channel]) / root;
            let b = -a * sums[1] / (number * root * root);
            let c = -a * sums[0] / number - b * f64::from(values.mean[channel]);
            scale.push((sums[1] / root) as f32);
            blends.iter_mut().zip([a, b, c]).for_each(|(row, figure)| row.push(figure as f32));
        }
        (blends, scale, shift)
    }

    /// One part's gradients of the two convolutions; its input's go into `to_x`, if that is wanted.
    fn part_backward(
        &self,
        (x, packed): (&[f32], &Packed),
        (before, gradient): (&[f32], &[f32]),
        (scaling, blends): (Option<&Scaling>, &[Vec<f32>; 3]),
        mut to_x: Option<&mut [f32]>,
        work: &mut Work,
    ) -> Sums {
        let [from_size, to_size] = self.sizes();
        let mut sums = self.sums();
        let (all, of_all) = (x, gradient);
        let images = x.chunks_exact(from_size).zip(gradient.chunks_exact(to_size));
        for (index, (x, gradient)) in images.enumerate() {
            let Work { frame, of_frame, between, of_between, blended, dense: memory } = &mut *work;
            let gradient = match scaling {
                Some(scaling) => {
                    scaling.blend((&before[index * to_size..][..to_size], gradient), blends, blended);
                    &*blended
                }
                None => gradient,
            };
            for (numbers, size) in [(all, from_size), (before, to_size), (of_all, to_size)] {
                prefetch(numbers, (index + 1) * size..(index + 2) * size);
            }
            let to_x = to_x.as_deref_mut().map(|to_x| &mut to_x[index * from_size..][..from_size]);
            let gradient = match (&self.dense, &packed.dense, memory) {
                (Some(dense), Some(weights), Some(memory)) => {
                    dense.add_weights(self.first(x, packed, frame, between), gradient, &mut sums.dense, memory);
                    // Of images to learn from nobody wants a gradient; but the window's goes through what lies behind it.
                    if to_x.is_none() && self.depthwise.is_none() {
                        continue;
                    }
                    dense.backward(gradient, weights, of_between, memory);
                    &*of_between
                }
                _ => {
                    if let Some(depthwise) = &self.depthwise {
                        depthwise.frame.fill(x, self.relu, frame);
                    }
                    gradient
                }
            };
            let mask = self.relu.then_some(x);
            let Some(depthwise) = &self.depthwise else {
                if let Some(to_x) = to_x {
                    pass(gradient, mask, to_x);
                }
                continue;
            };
            of_frame.fill(0.0);
            depthwise.backward((frame, &packed.depthwise, gradient), (of_frame, &mut sums.depthwise));
            if let Some(to_x) = to_x {
                depthwise.frame.take(of_frame, mask, to_x);
            }
        }
        sums
    }
}

impl Sums {
    /// Both.
    fn with(mut self, other: Self) -> Self {
        for (sums, others) in [(&mut self.depthwise, other.depthwise), (&mut self.dense, other.dense)] {
            vectorised(|| sums.iter_mut().zip(&others).for_each(|(sum, other)| *sum += other));
        }
        self
    }
}
