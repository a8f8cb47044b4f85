//! One operator on a batch of images, as burn calls: inputs of the extents (images, channels, rows, columns) → output of the same form.

use crate::block::{self, Applied, Block, Threads};
use crate::{Lots, join, linear, pool};
use burn_tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn_tensor::{DType, Device, Tensor, TensorData, activation, module};
use cnasc_ir::op::{Axis, BATCH_NORM_EPSILON, Gate, Slide, Window};
use cnasc_ir::tensor::{ParamId, Step};
use cnasc_ir::{Op, Shape, TensorGraph, TensorId, Weights};
use std::sync::Arc;

/// Whether an operator can be trained through.
pub fn is_known(op: &Op) -> bool {
    !matches!(
        op,
        Op::Slice(_) | Op::Pad(_) | Op::Reduce(_) | Op::Resize(_) | Op::ConvTranspose { .. } | Op::Scale { .. }
    )
}

/// A batch norm's statistics of one batch.
pub struct Statistics {
    /// Where the stored mean and variance are.
    pub params: [ParamId; 2],
    /// Of each channel.
    pub mean: Vec<f32>,
    /// Of each channel, the squares divided by their number.
    pub variance: Vec<f32>,
    /// How many values a channel has in the batch.
    pub count: usize,
}

/// What operators read, and what batch norms leave behind.
pub struct Pass<'a> {
    /// Whose steps are computed.
    pub graph: &'a TensorGraph,
    /// Every parameter in one row of its elements.
    pub params: &'a [Tensor<1>],
    /// The same as numbers.
    pub weights: &'a Weights,
    /// Where it is computed.
    pub device: &'a Device,
    /// On which kernels of our own compute, where they do.
    pub threads: Option<&'a Threads>,
    /// What products are computed in, where that is not single precision.
    pub half: Option<DType>,
    /// What is left out, where it learns: then batch norms take the batch's statistics, else the stored ones.
    pub lots: Option<Lots>,
    /// Of the batch norms so far, where it is training.
    pub statistics: Vec<Statistics>,
}

impl Pass<'_> {
    /// The output of a step that [`is_known`], for these inputs in the order of the step's.
    pub fn apply(&mut self, step: &Step, mut inputs: Vec<Tensor<4>>) -> Tensor<4> {
        match step.op {
            Op::WeightedSum { gate } => {
                let left_out = self.left_out(&mut inputs);
                self.weighted_sum(gate, step, inputs, left_out)
            }
            Op::Sum => {
                self.left_out(&mut inputs);
                self.sum(inputs, 1.0)
            }
            Op::Mean => {
                self.left_out(&mut inputs);
                let share = 1.0 / inputs.len() as f32;
                self.sum(inputs, share)
            }
            Op::Concat { axis } => Tensor::cat(inputs, dimension(axis)),
            Op::Add | Op::Sub | Op::Mul | Op::Div | Op::MatMul => {
                let right = inputs.pop().expect("the graph is verified: this operator has two inputs");
                let left = inputs.pop().expect("the graph is verified: this operator has two inputs");
                match step.op {
                    Op::Add => left + right,
                    Op::Sub => left - right,
                    Op::Mul => left * right,
                    Op::Div => left / right,
                    _ => left.matmul(right),
                }
            }
            _ => {
                let x = inputs.pop().expect("the graph is verified: this operator has an input");
                self.unary(step, x)
            }
        }
    }

    fn unary(&mut self, step: &Step, x: Tensor<4>) -> Tensor<4> {
        let [images, ..] = x.dims();
        match step.op {
            Op::Conv { ref window, groups, bias, .. } => self.conv(step, window, groups, bias, x),
            Op::BatchNorm => self.batch_norm(step, x),
            Op::Linear { outputs, bias } => self.linear(step, outputs as usize, bias, x),
            Op::Constant { shape } => {
                let value = self.param(step, 0).reshape(extents(1, shape));
                value.expand(extents(images, shape))
            }
            Op::MaxPool { ref window } => self.max_pool(step, window, x),
            Op::AvgPool { ref window, counted } => self.avg_pool(step, window, counted, x),
            Op::GlobalAvg => x.mean_dims(&[2, 3]),
            Op::Softmax { axis } => activation::softmax(x, dimension(axis)),
            Op::Lrn { size, alpha, beta, bias } => self.lrn(size, (alpha, beta, bias), x),
            Op::Reshape(_) => x.reshape(extents(images, step.shape)),
            Op::Transpose(transpose) => {
                let [channels, rows, columns] = transpose.axes;
                x.permute([0, dimension(channels), dimension(rows), dimension(columns)])
            }
            ref op => map(op, x),
        }
    }

    /// Takes an input away by lot, and says which; of those that are left, some of some images.
    fn left_out(&mut self, inputs: &mut Vec<Tensor<4>>) -> Option<usize> {
        let left_out = self.lots.as_mut().and_then(|lots| lots.edge(inputs.len()));
        if let Some(left_out) = left_out {
            inputs.remove(left_out);
        }
        let [images, ..] = inputs[0].dims();
        if let Some(factors) = self.lots.as_mut().and_then(|lots| lots.paths(inputs.len(), images)) {
            for (input, factors) in inputs.iter_mut().zip(factors) {
                *input = input.clone() * self.constant(factors, [images, 1, 1, 1]);
            }
        }
        left_out
    }

    fn weighted_sum(&self, gate: Gate, step: &Step, inputs: Vec<Tensor<4>>, left_out: Option<usize>) -> Tensor<4> {
        let weights = self.param(step, 0);
        let weights = match left_out {
            Some(place) => {
                let others = [0..place, place + 1..inputs.len() + 1].into_iter().filter(|part| !part.is_empty());
                Tensor::cat(others.map(|part| weights.clone().slice(part)).collect(), 0)
            }
            None => weights,
        };
        let weights = if gate == Gate::SigmoidWeights { activation::sigmoid(weights) } else { weights };
        if let (Gate::SigmoidWeights | Gate::Plain, Some(threads)) = (gate, self.threads) {
            return join::apply(inputs, &weights, threads);
        }
        let count = inputs.len();
        let weights = weights.reshape([count, 1, 1, 1]).chunk(count, 0);
        sum(inputs.into_iter().zip(weights).map(|(x, weight)| {
            let x = if gate == Gate::SigmoidInputs { activation::sigmoid(x) } else { x };
            x * weight
        }))
    }

    /// Σ factor · x.
    fn sum(&self, inputs: Vec<Tensor<4>>, factor: f32) -> Tensor<4> {
        let count = inputs.len();
        match self.threads {
            Some(threads) => join::apply(inputs, &self.constant(vec![factor; count], [count]), threads),
            None => sum(inputs.into_iter()).mul_scalar(factor),
        }
    }

    /// Batch norm alone.
    fn batch_norm(&mut self, step: &Step, x: Tensor<4>) -> Tensor<4> {
        let [scale, shift, mean, variance] = [0, 1, 2, 3].map(|index| self.param(step, index));
        let epsilon = f64::from(BATCH_NORM_EPSILON);
        if self.lots.is_none() {
            return module::batch_norm(x, scale, shift, mean, variance, epsilon);
        }
        let [images, _, rows, columns] = x.dims();
        let normed = module::batch_norm_train(x, scale, shift, epsilon);
        self.statistics.push(Statistics {
            params: [step.params[2], step.params[3]],
            mean: numbers(normed.mean),
            variance: numbers(normed.variance),
            count: images * rows * columns,
        });
        normed.output
    }

    fn conv(&self, step: &Step, window: &Window, groups: u32, bias: bool, x: Tensor<4>) -> Tensor<4> {
        let [_, channels, ..] = x.dims();
        let (rows, columns) = window.kernel();
        let kernel = [step.shape.channels as usize, channels / groups as usize, rows as usize, columns as usize];
        let weight = self.param(step, 0).reshape(kernel);
        let bias = bias.then(|| self.halved(self.param(step, 1)));
        let made = module::conv2d(self.halved(x), self.halved(weight), bias, conv_options(window, groups));
        self.whole(made)
    }

    /// As products take it.
    fn halved<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match self.half {
            Some(half) => x.cast(half),
            None => x,
        }
    }

    /// A product as all else takes it.
    fn whole<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        if self.half.is_some() { x.cast(DType::F32) } else { x }
    }

    /// A block, for its depthwise convolution, dense one and batch norm.
    pub fn block(
        &mut self,
        (block, parts): (&Arc<Block>, &[Option<TensorId>; 3]),
        threads: &Threads,
        x: Tensor<4>,
    ) -> Tensor<4> {
        let [images, ..] = x.dims();
        let [depthwise, dense, norm] = parts.map(|part| part.map(|id| self.graph.step(id)));
        let of = |step: Option<&Step>, index: usize| {
            let param = step.and_then(|step| step.params.get(index));
            param.map_or_else(|| self.constant(Vec::new(), [0]), |id| self.params[id.index()].clone())
        };
        let shift = if norm.is_some() { of(norm, 1) } else { of(dense, 1) };
        let params = [of(depthwise, 0), of(dense, 0), of(norm, 0), shift];
        let stored = |step: &Step| [2, 3].map(|index| self.weights.of(step.params[index]).to_vec());
        let stored = (self.lots.is_none()).then(|| norm.map(stored).unwrap_or_default());
        let Applied { output, statistics } = block::apply(block, threads, x, params, stored);
        if let (Some([mean, variance]), Some(step)) = (statistics, norm) {
            let count = images * block.output[1] * block.output[2];
            self.statistics.push(Statistics { params: [step.params[2], step.params[3]], mean, variance, count });
        }
        output
    }

    fn linear(&mut self, step: &Step, outputs: usize, bias: bool, x: Tensor<4>) -> Tensor<4> {
        let [images, channels, rows, columns] = x.dims();
        let elements = channels * rows * columns;
        let factors = self.lots.as_mut().and_then(|lots| lots.dropout(images * elements));
        let x = match factors {
            Some(factors) => x * self.constant(factors, [images, channels, rows, columns]),
            None => x,
        };
        let weight = self.param(step, 0).reshape([outputs, elements]);
        if let Some(threads) = self.threads {
            let bias = if bias { self.param(step, 1) } else { self.constant(Vec::new(), [0]) };
            return linear::apply(x.reshape([images, elements]), weight, bias, threads)
                .reshape([images, outputs, 1, 1]);
        }
        let product = self.whole(self.halved(x.reshape([images, elements])).matmul(self.halved(weight).transpose()));
        let output = if bias { product + self.param(step, 1).reshape([1, outputs]) } else { product };
        output.reshape([images, outputs, 1, 1])
    }

    fn max_pool(&self, step: &Step, window: &Window, x: Tensor<4>) -> Tensor<4> {
        if let Some(threads) = self.threads {
            let Shape { height, width, .. } = step.shape;
            return pool::max(x, window, [height as usize, width as usize], threads);
        }
        let options = MaxPoolOptions::new(both(window, |slide| slide.kernel as usize))
            .with_stride(both(window, |slide| slide.stride as usize))
            .with_padding_pairs(both(window, padding))
            .with_dilation(both(window, |slide| slide.dilation as usize));
        module::max_pool2d(x, options)
    }

    /// Burn's own pool where nothing is padded or dilated; it has no dilation and counts all of its padding or none. Else sums of windows,
    /// which are a depthwise convolution of ones, each times one over what counts in it.
    fn avg_pool(&self, step: &Step, window: &Window, counted: [u32; 4], x: Tensor<4>) -> Tensor<4> {
        if window.padding() == [0; 4] && both(window, |slide| slide.dilation) == [1, 1] {
            let options = AvgPoolOptions::new(both(window, |slide| slide.kernel as usize));
            return module::avg_pool2d(x, options.with_stride(both(window, |slide| slide.stride as usize)));
        }
        let [_, channels, height, width] = x.dims();
        let [top, left, bottom, right] = counted;
        let taps = |slide: &Slide, place: u32, extent: usize, counted: (u32, u32)| {
            slide.inside(place, extent as u32, counted).len() as f32
        };
        let Shape { height: to_height, width: to_width, .. } = step.shape;
        let mut shares = Vec::with_capacity((to_height * to_width) as usize);
        for row in 0..to_height {
            let rows = taps(&window.rows, row, height, (top, bottom));
            let columns = (0..to_width).map(|column| taps(&window.columns, column, width, (left, right)));
            shares.extend(columns.map(|columns| 1.0 / (rows * columns)));
        }
        let [rows, columns] = both(window, |slide| slide.kernel as usize);
        let ones = Tensor::ones([channels, 1, rows, columns], self.device);
        let shares = self.constant(shares, [1, 1, to_height as usize, to_width as usize]);
        module::conv2d(x, ones, None, conv_options(window, channels as u32)) * shares
    }

    /// x / (bias + alpha/size · Σ x²)^beta: the sums are a convolution of ones along the channels of the squares.
    fn lrn(&self, size: u32, (alpha, beta, bias): (f32, f32, f32), x: Tensor<4>) -> Tensor<4> {
        let [images, channels, rows, columns] = x.dims();
        let (before, behind) = ((size - 1) as usize / 2, size as usize / 2);
        let options = ConvOptions::new_with_padding([1, 1], [(before, behind), (0, 0)], [1, 1], 1);
        let ones = Tensor::ones([1, 1, size as usize, 1], self.device);
        let squares = (x.clone() * x.clone()).reshape([images, 1, channels, rows * columns]);
        let sums = module::conv2d(squares, ones, None, options).reshape([images, channels, rows, columns]);
        x * sums.mul_scalar(alpha / size as f32).add_scalar(bias).powf_scalar(-beta)
    }

    fn param(&self, step: &Step, index: usize) -> Tensor<1> {
        self.params[step.params[index].index()].clone()
    }

    fn constant<const D: usize>(&self, values: Vec<f32>, extents: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values, extents), self.device)
    }
}

/// The elements of a tensor of single precision.
pub fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("a tensor of single precision, as all are made")
}

/// Extents of the tensor of so many images.
pub fn extents(images: usize, shape: Shape) -> [usize; 4] {
    [images, shape.channels as usize, shape.height as usize, shape.width as usize]
}

/// A function of each element; operators that are none leave it.
fn map(op: &Op, x: Tensor<4>) -> Tensor<4> {
    match *op {
        Op::Relu => activation::relu(x),
        Op::Sigmoid => activation::sigmoid(x),
        Op::Clip { min, max } => x.clamp(min, max),
        Op::LeakyRelu { slope } => activation::leaky_relu(x, f64::from(slope)),
        Op::HardSwish => {
            let gate = x.clone().div_scalar(6.0).add_scalar(0.5).clamp(0.0, 1.0);
            x * gate
        }
        Op::HardSigmoid { alpha, beta } => x.mul_scalar(alpha).add_scalar(beta).clamp(0.0, 1.0),
        _ => x,
    }
}

fn sum(terms: impl Iterator<Item = Tensor<4>>) -> Tensor<4> {
    terms.reduce(|sum, term| sum + term).expect("the graph is verified: this operator has an input")
}

fn dimension(axis: Axis) -> usize {
    axis.index() + 1
}

/// A figure of a window's rows and of its columns.
fn both<T>(window: &Window, of: impl Fn(&Slide) -> T) -> [T; 2] {
    [of(&window.rows), of(&window.columns)]
}

fn padding(slide: &Slide) -> (usize, usize) {
    (slide.before as usize, slide.after as usize)
}

fn conv_options(window: &Window, groups: u32) -> ConvOptions<2> {
    let [stride, dilation] =
        [both(window, |slide| slide.stride as usize), both(window, |slide| slide.dilation as usize)];
    ConvOptions::new_with_padding(stride, both(window, padding), dilation, groups as usize)
}
