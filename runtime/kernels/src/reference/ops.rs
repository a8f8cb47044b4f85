//! One operator on plain slices: inputs and parameters → output. Sums run over inputs, channels, rows, columns, in that order.

mod elementwise;
mod image;

use cnasc_ir::op::{Arithmetic, Axis, BATCH_NORM_EPSILON, Gate, Slide, Window};
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

impl Operands<'_> {
    /// Computes every element of `output`.
    pub fn apply(&self, output: &mut [f32]) {
        match self.step.op {
            // A share that computes the image is refused, and so is a graph that has a scale.
            Op::Input | Op::Scale { .. } => {}
            Op::WeightedSum { gate } => self.weighted_sum(gate, output),
            Op::Sum => self.sum(output, 1.0),
            Op::Mean => self.sum(output, self.step.inputs.len() as f32),
            Op::Concat { axis } => self.concat(axis, output),
            Op::Relu
            | Op::Sigmoid
            | Op::Clip { .. }
            | Op::LeakyRelu { .. }
            | Op::HardSwish
            | Op::HardSigmoid { .. } => self.activate(output),
            Op::Softmax { axis } => self.softmax(axis, output),
            Op::Lrn { size, alpha, beta, bias } => self.lrn(size, (alpha, beta, bias), output),
            Op::Add => self.arithmetic(Arithmetic::Add, output),
            Op::Sub => self.arithmetic(Arithmetic::Sub, output),
            Op::Mul => self.arithmetic(Arithmetic::Mul, output),
            Op::Div => self.arithmetic(Arithmetic::Div, output),
            Op::Constant { .. } => output.copy_from_slice(self.param(0)),
            Op::Conv { ref window, groups, bias, .. } => self.conv(window, groups as usize, bias, output),
            Op::BatchNorm => self.batch_norm(output),
            Op::MaxPool { ref window } => self.max_pool(window, output),
            Op::AvgPool { ref window, counted } => self.avg_pool(window, counted, output),
            Op::GlobalAvg => self.global_average(output),
            Op::Linear { bias, .. } => self.linear(bias, output),
            Op::Slice(slice) => self.slice(&slice, output),
            Op::Pad(pad) => self.pad(&pad, output),
            Op::Transpose(transpose) => self.transpose(&transpose, output),
            Op::Reshape(_) => output.copy_from_slice(self.input(0)),
            Op::Reduce(reduce) => self.reduce(reduce, output),
            Op::Resize(resize) => self.resize(&resize, output),
            Op::ConvTranspose { ref window, groups, bias, .. } => {
                self.conv_transpose(window, groups as usize, bias, output);
            }
            Op::MatMul => self.matmul(output),
        }
    }

    pub(super) fn input(&self, index: usize) -> &[f32] {
        &self.tensors[self.step.inputs[index].index()]
    }

    pub(super) fn input_shape(&self) -> Shape {
        self.graph.step(self.step.inputs[0]).shape
    }

    fn param(&self, index: usize) -> &[f32] {
        self.weights.of(self.step.params[index])
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

    fn concat(&self, axis: Axis, output: &mut [f32]) {
        // In plain order a tensor is a row of slabs, each all that lies behind one place of the axes before `axis`.
        let slab = |shape: Shape| match axis {
            Axis::Channels => shape.elements() as usize,
            Axis::Rows => shape.plane() as usize,
            Axis::Columns => shape.width as usize,
        };
        let mut start = 0;
        for (index, &id) in self.step.inputs.iter().enumerate() {
            let size = slab(self.graph.step(id).shape);
            for (to, from) in output.chunks_mut(slab(self.shape)).zip(self.input(index).chunks(size)) {
                to[start..start + size].copy_from_slice(from);
            }
            start += size;
        }
    }

    fn conv(&self, window: &Window, groups: usize, bias: bool, output: &mut [f32]) {
        let input = self.input_shape();
        let per_group = input.channels as usize / groups;
        let out_per_group = self.shape.channels as usize / groups;
        let taps = window.taps() as usize;
        self.each_output(output, |channel, row, column| {
            let first = channel / out_per_group * per_group;
            let weights = &self.param(0)[channel * per_group * taps..][..per_group * taps];
            let mut sum = if bias { self.param(1)[channel] } else { 0.0 };
            for (index, kernel) in weights.chunks_exact(taps).enumerate() {
                let plane = self.plane(first + index);
                visit(window, input, row, column, |place, tap| sum += plane[place] * kernel[tap]);
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

    fn max_pool(&self, window: &Window, output: &mut [f32]) {
        self.each_output(output, |channel, row, column| {
            let plane = self.plane(channel);
            let mut most = f32::NEG_INFINITY;
            visit(window, self.input_shape(), row, column, |place, _| most = most.max(plane[place]));
            most
        });
    }

    fn avg_pool(&self, window: &Window, [top, left, bottom, right]: [u32; 4], output: &mut [f32]) {
        let input = self.input_shape();
        self.each_output(output, |channel, row, column| {
            let plane = self.plane(channel);
            let mut sum = 0.0;
            visit(window, input, row, column, |place, _| sum += plane[place]);
            let rows = window.rows.inside(row as u32, input.height, (top, bottom)).len();
            let columns = window.columns.inside(column as u32, input.width, (left, right)).len();
            sum / (rows * columns) as f32
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

/// Calls `visit(place in the plane, place in the kernel)` for the taps of the window at an output place that lie on the image.
fn visit(window: &Window, input: Shape, row: usize, column: usize, mut visit: impl FnMut(usize, usize)) {
    let (row, column) = (row as u32, column as u32);
    let place = |slide: &Slide, place: u32, tap: u32| (slide.start(place) + i64::from(tap * slide.dilation)) as usize;
    for tap_row in window.rows.inside(row, input.height, (0, 0)) {
        let start = place(&window.rows, row, tap_row) * input.width as usize;
        for tap in window.columns.inside(column, input.width, (0, 0)) {
            let kernel_place = tap_row as usize * window.columns.kernel as usize + tap as usize;
            visit(start + place(&window.columns, column, tap), kernel_place);
        }
    }
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + libm::expf(-value))
}
