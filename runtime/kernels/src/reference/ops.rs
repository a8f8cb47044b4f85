//! One operator on plain slices: inputs and parameters → output. Sums run over inputs, channels, rows, columns, in that order.

use cnasc_ir::op::{BATCH_NORM_EPSILON, Gate};
use cnasc_ir::tensor::Step;
use cnasc_ir::{Op, Shape, TensorGraph, Weights};

/// A step with what it reads.
pub struct Operands<'a> {
    pub graph: &'a TensorGraph,
    pub weights: &'a Weights,
    /// Plain values by tensor.
    pub tensors: &'a [Vec<f32>],
    pub step: &'a Step,
    /// Of the output.
    pub shape: Shape,
}

/// A square window that moves over the image.
struct Window {
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Operands<'_> {
    /// Computes every element of `output`.
    pub fn apply(&self, output: &mut [f32]) {
        match self.step.op {
            // A share that computes the image is refused.
            Op::Input => {}
            Op::WeightedSum { gate } => self.weighted_sum(gate, output),
            Op::Sum => self.sum(output, 1.0),
            Op::Mean => self.sum(output, self.step.inputs.len() as f32),
            Op::Concat => self.concat(output),
            Op::Relu => self.map(output, |value| if value > 0.0 { value } else { 0.0 }),
            Op::Sigmoid => self.map(output, sigmoid),
            Op::Conv { kernel, stride, padding, groups, bias, .. } => {
                let window = Window { kernel: kernel as usize, stride: stride as usize, padding: padding as usize };
                self.conv(&window, groups as usize, bias, output);
            }
            Op::BatchNorm => self.batch_norm(output),
            Op::MaxPool { kernel, stride } => {
                let window = Window { kernel: kernel as usize, stride: stride as usize, padding: 0 };
                self.pool(&window, output, |values| values.fold(f32::NEG_INFINITY, f32::max));
            }
            Op::AvgPool { kernel, stride } => {
                let window = Window { kernel: kernel as usize, stride: stride as usize, padding: 0 };
                let area = (kernel * kernel) as f32;
                self.pool(&window, output, |values| values.sum::<f32>() / area);
            }
            Op::GlobalAvg => self.global_average(output),
            Op::Linear { bias, .. } => self.linear(bias, output),
        }
    }

    fn input(&self, index: usize) -> &[f32] {
        &self.tensors[self.step.inputs[index].index()]
    }

    fn input_shape(&self) -> Shape {
        self.graph.step(self.step.inputs[0]).shape
    }

    fn param(&self, index: usize) -> &[f32] {
        self.weights.of(self.step.params[index])
    }

    fn map(&self, output: &mut [f32], function: impl Fn(f32) -> f32) {
        for (to, &from) in output.iter_mut().zip(self.input(0)) {
            *to = function(from);
        }
    }

    fn weighted_sum(&self, gate: Gate, output: &mut [f32]) {
        output.fill(0.0);
        for (index, &weight) in self.param(0).iter().enumerate() {
            for (to, &from) in output.iter_mut().zip(self.input(index)) {
                *to += match gate {
                    Gate::SigmoidWeights => sigmoid(weight) * from,
                    Gate::SigmoidInputs => weight * sigmoid(from),
                    Gate::Plain => weight * from,
                };
            }
        }
    }

    fn sum(&self, output: &mut [f32], divisor: f32) {
        output.fill(0.0);
        for index in 0..self.step.inputs.len() {
            for (to, &from) in output.iter_mut().zip(self.input(index)) {
                *to += from;
            }
        }
        output.iter_mut().for_each(|value| *value /= divisor);
    }

    fn concat(&self, output: &mut [f32]) {
        let mut start = 0;
        for index in 0..self.step.inputs.len() {
            let from = self.input(index);
            output[start..start + from.len()].copy_from_slice(from);
            start += from.len();
        }
    }

    fn conv(&self, window: &Window, groups: usize, bias: bool, output: &mut [f32]) {
        let input = self.input_shape();
        let per_group = input.channels as usize / groups;
        let out_per_group = self.shape.channels as usize / groups;
        let taps = window.kernel * window.kernel;
        self.each_output(output, |channel, row, column| {
            let first = channel / out_per_group * per_group;
            let weights = &self.param(0)[channel * per_group * taps..][..per_group * taps];
            let mut sum = if bias { self.param(1)[channel] } else { 0.0 };
            for (index, kernel) in weights.chunks_exact(taps).enumerate() {
                let plane = self.plane(first + index);
                window.visit(input, row, column, |place, tap| sum += plane[place] * kernel[tap]);
            }
            sum
        });
    }

    fn batch_norm(&self, output: &mut [f32]) {
        let plane = self.shape.plane() as usize;
        for (channel, (to, from)) in output.chunks_mut(plane).zip(self.input(0).chunks(plane)).enumerate() {
            let [scale, shift, mean, variance] = [0, 1, 2, 3].map(|index| self.param(index)[channel]);
            let factor = scale / (variance + BATCH_NORM_EPSILON).sqrt();
            for (to, &from) in to.iter_mut().zip(from) {
                *to = (from - mean) * factor + shift;
            }
        }
    }

    fn pool(&self, window: &Window, output: &mut [f32], reduce: impl Fn(&mut dyn Iterator<Item = f32>) -> f32) {
        let input = self.input_shape();
        self.each_output(output, |channel, row, column| {
            let plane = self.plane(channel);
            let start = row * window.stride * input.width as usize + column * window.stride;
            let rows = (0..window.kernel).map(|row| &plane[start + row * input.width as usize..][..window.kernel]);
            reduce(&mut rows.flatten().copied())
        });
    }

    fn global_average(&self, output: &mut [f32]) {
        let plane = self.input_shape().plane() as usize;
        for (to, from) in output.iter_mut().zip(self.input(0).chunks(plane)) {
            *to = from.iter().sum::<f32>() / plane as f32;
        }
    }

    fn linear(&self, bias: bool, output: &mut [f32]) {
        let input = self.input(0);
        for (index, (to, row)) in output.iter_mut().zip(self.param(0).chunks(input.len())).enumerate() {
            let start = if bias { self.param(1)[index] } else { 0.0 };
            *to = input.iter().zip(row).fold(start, |sum, (value, weight)| sum + value * weight);
        }
    }

    fn plane(&self, channel: usize) -> &[f32] {
        let size = self.input_shape().plane() as usize;
        &self.input(0)[channel * size..][..size]
    }

    /// Sets each element to `value(channel, row, column)`.
    fn each_output(&self, output: &mut [f32], value: impl Fn(usize, usize, usize) -> f32) {
        let (height, width) = (self.shape.height as usize, self.shape.width as usize);
        for (index, to) in output.iter_mut().enumerate() {
            *to = value(index / width / height, index / width % height, index % width);
        }
    }
}

impl Window {
    /// Calls `visit(place in the plane, place in the kernel)` for the part of the window at an output place that lies on the image.
    fn visit(&self, input: Shape, row: usize, column: usize, mut visit: impl FnMut(usize, usize)) {
        let (height, width) = (input.height as usize, input.width as usize);
        let (rows, columns) = (self.inside(row, height), self.inside(column, width));
        for tap_row in rows {
            let start = (row * self.stride + tap_row - self.padding) * width + column * self.stride;
            for tap in columns.clone() {
                visit(start + tap - self.padding, tap_row * self.kernel + tap);
            }
        }
    }

    /// The taps of an output place along one dimension that lie on an image of `extent`.
    fn inside(&self, place: usize, extent: usize) -> std::ops::Range<usize> {
        let start = place * self.stride;
        let last = (extent + self.padding).saturating_sub(start).min(self.kernel);
        self.padding.saturating_sub(start).min(last)..last
    }
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + libm::expf(-value))
}
