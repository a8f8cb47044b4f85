//! One operator as burn calls: a step with its parameters → an [`Operator`]; its inputs → its output.
//!
//! Parameters are put on burn's device once, in the form in which the calls take them.

use crate::image::Image;
use crate::movement::{Move, dimension};
use burn_tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn_tensor::{Device, Tensor, TensorData, activation, module};
use cnasc_ir::op::{Arithmetic, BATCH_NORM_EPSILON, Gate, Slide, Window};
use cnasc_ir::tensor::Step;
use cnasc_ir::{Op, Shape, TensorGraph, TensorId, Weights};
use cnasc_kernels::CompileError;

/// An operator that is ready to be applied.
pub enum Operator {
    /// Σ wⱼ·xⱼ.
    Weighted(Vec<f32>),
    /// Σ wⱼ·σ(xⱼ).
    WeightedSigmoids(Vec<f32>),
    Sum,
    Mean,
    /// Along this dimension of burn's tensors.
    Concat(usize),
    /// A function of each element.
    Map(Op),
    /// Two tensors; burn broadcasts as the operators do.
    Arithmetic(Arithmetic),
    /// Along this dimension.
    Softmax(usize),
    /// x / (bias + factor · Σ x²)^beta: the sums are a convolution of ones along the channels of the squares.
    Lrn {
        ones: Tensor<4>,
        options: ConvOptions<2>,
        factor: f32,
        beta: f32,
        bias: f32,
    },
    Constant(Tensor<4>),
    Conv {
        weight: Tensor<4>,
        bias: Option<Tensor<1>>,
        options: ConvOptions<2>,
    },
    /// x · factor + shift, per channel.
    Affine {
        factor: Tensor<4>,
        shift: Tensor<4>,
    },
    MaxPool(MaxPoolOptions<2>),
    AvgPool(AvgPoolOptions<2>),
    /// Sums of windows, each times one over what counts in it: the sums are a depthwise convolution of ones.
    PaddedAvgPool {
        ones: Tensor<4>,
        options: ConvOptions<2>,
        shares: Tensor<4>,
    },
    GlobalAvg,
    /// A matrix of a row an output, and a column.
    Linear {
        weight: Tensor<2>,
        bias: Option<Tensor<2>>,
    },
    Move(Move),
    Image(Image),
    /// The product of two inputs' matrices.
    MatMul,
}

/// Extents of the burn tensor of a shape.
pub fn extents(shape: Shape) -> [usize; 4] {
    [1, shape.channels as usize, shape.height as usize, shape.width as usize]
}

impl Operator {
    /// The output for these inputs, in the order of the step's.
    pub fn apply(&self, mut inputs: Vec<Tensor<4>>) -> Tensor<4> {
        match self {
            Self::Weighted(weights) => sum(inputs.into_iter().zip(weights).map(|(x, &weight)| x.mul_scalar(weight))),
            Self::WeightedSigmoids(weights) => {
                sum(inputs.into_iter().zip(weights).map(|(x, &weight)| activation::sigmoid(x).mul_scalar(weight)))
            }
            Self::Sum => sum(inputs.into_iter()),
            Self::Mean => {
                let count = inputs.len() as f32;
                sum(inputs.into_iter()).div_scalar(count)
            }
            Self::Concat(dimension) => Tensor::cat(inputs, *dimension),
            Self::Arithmetic(function) => {
                let mut two = inputs.into_iter();
                let mut next = || two.next().expect("the graph is verified: this operator has two inputs");
                let (left, right) = (next(), next());
                match function {
                    Arithmetic::Add => left + right,
                    Arithmetic::Sub => left - right,
                    Arithmetic::Mul => left * right,
                    Arithmetic::Div => left / right,
                }
            }
            Self::MatMul => {
                let right = inputs.pop().expect("the graph is verified: this operator has two inputs");
                let left = inputs.pop().expect("the graph is verified: this operator has two inputs");
                left.matmul(right)
            }
            _ => self.unary(inputs.pop().expect("the graph is verified: this operator has one input")),
        }
    }

    fn unary(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Map(op) => map(op, x),
            Self::Softmax(dimension) => activation::softmax(x, *dimension),
            Self::Lrn { ones, options, factor, beta, bias } => {
                let [_, channels, rows, columns] = x.dims();
                let squares = (x.clone() * x.clone()).reshape([1, 1, channels, rows * columns]);
                let sums = module::conv2d(squares, ones.clone(), None, options.clone());
                let base = sums.mul_scalar(*factor).add_scalar(*bias).reshape([1, channels, rows, columns]);
                x * base.powf_scalar(-beta)
            }
            Self::Constant(value) => value.clone(),
            Self::Conv { weight, bias, options } => module::conv2d(x, weight.clone(), bias.clone(), options.clone()),
            Self::Affine { factor, shift } => x * factor.clone() + shift.clone(),
            Self::MaxPool(options) => module::max_pool2d(x, options.clone()),
            Self::AvgPool(options) => module::avg_pool2d(x, options.clone()),
            Self::PaddedAvgPool { ones, options, shares } => {
                module::conv2d(x, ones.clone(), None, options.clone()) * shares.clone()
            }
            Self::GlobalAvg => x.mean_dims(&[2, 3]),
            Self::Linear { weight, bias } => {
                let [outputs, columns] = weight.dims();
                let product = weight.clone().matmul(x.reshape([columns, 1]));
                let output = bias.iter().fold(product, |output, bias| output + bias.clone());
                output.reshape([1, outputs, 1, 1])
            }
            Self::Move(movement) => movement.apply(x),
            Self::Image(image) => image.apply(x),
            // The others take several inputs, and one of them is as good as it is.
            Self::Weighted(_)
            | Self::WeightedSigmoids(_)
            | Self::Sum
            | Self::Mean
            | Self::Concat(_)
            | Self::Arithmetic(_)
            | Self::MatMul => x,
        }
    }
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

/// Puts parameters on a device and counts them.
pub struct Loader<'a> {
    weights: &'a Weights,
    pub device: Device,
    /// Bytes so far.
    pub bytes: u64,
}

impl<'a> Loader<'a> {
    pub fn new(weights: &'a Weights, device: Device) -> Self {
        Self { weights, device, bytes: 0 }
    }

    /// The operator of a step.
    ///
    /// # Errors
    /// Where burn has no call for it.
    pub fn operator(&mut self, graph: &TensorGraph, id: TensorId) -> Result<Operator, CompileError> {
        let step = graph.step(id);
        if let Some(&input) = step.inputs.first() {
            let from = graph.step(input).shape;
            if let Some(movement) = self.movement(step, from) {
                return Ok(Operator::Move(movement));
            }
            if let Some(image) = self.image(step, from) {
                return Ok(Operator::Image(image));
            }
        }
        Ok(match step.op {
            Op::MatMul => Operator::MatMul,
            Op::Input
            | Op::Slice(_)
            | Op::Pad(_)
            | Op::Transpose(_)
            | Op::Reshape(_)
            | Op::Reduce(_)
            | Op::Resize(_)
            | Op::ConvTranspose { .. }
            | Op::Scale { .. } => {
                let problem = format!("{} of node {} has no call in burn", step.op, step.node.0);
                return Err(CompileError::Unsupported { step: id.index(), problem });
            }
            Op::WeightedSum { gate } => self.weighted(gate, step),
            Op::Sum => Operator::Sum,
            Op::Mean => Operator::Mean,
            Op::Concat { axis } => Operator::Concat(dimension(axis)),
            Op::Relu
            | Op::Sigmoid
            | Op::Clip { .. }
            | Op::LeakyRelu { .. }
            | Op::HardSwish
            | Op::HardSigmoid { .. } => Operator::Map(step.op.clone()),
            Op::Softmax { axis } => Operator::Softmax(dimension(axis)),
            Op::Lrn { size, alpha, beta, bias } => self.lrn(size, (alpha, beta, bias)),
            Op::Add => Operator::Arithmetic(Arithmetic::Add),
            Op::Sub => Operator::Arithmetic(Arithmetic::Sub),
            Op::Mul => Operator::Arithmetic(Arithmetic::Mul),
            Op::Div => Operator::Arithmetic(Arithmetic::Div),
            Op::Constant { shape } => Operator::Constant(self.param(step, 0, extents(shape))),
            Op::Conv { ref window, groups, bias, .. } => {
                let options = conv_options(window, groups);
                let per_group = graph.step(step.inputs[0]).shape.channels / groups;
                let (rows, columns) = window.kernel();
                let extents = [step.shape.channels, per_group, rows, columns].map(|extent| extent as usize);
                let weight = self.param(step, 0, extents);
                let bias = bias.then(|| self.param(step, 1, [extents[0]]));
                Operator::Conv { weight, bias, options }
            }
            Op::BatchNorm => self.batch_norm(step),
            Op::MaxPool { ref window } => Operator::MaxPool(
                MaxPoolOptions::new(both(window, |slide| slide.kernel as usize))
                    .with_stride(both(window, |slide| slide.stride as usize))
                    .with_padding_pairs(both(window, padding))
                    .with_dilation(both(window, |slide| slide.dilation as usize)),
            ),
            Op::AvgPool { ref window, counted } => {
                self.avg_pool(window, counted, graph.step(step.inputs[0]).shape, step.shape)
            }
            Op::GlobalAvg => Operator::GlobalAvg,
            Op::Linear { outputs, bias } => {
                let columns = graph.step(step.inputs[0]).shape.elements() as usize;
                let weight = self.param(step, 0, [outputs as usize, columns]);
                Operator::Linear { weight, bias: bias.then(|| self.param(step, 1, [outputs as usize, 1])) }
            }
        })
    }

    /// Burn's own pool where nothing is padded or dilated; it has no dilation and counts all of its padding or none.
    fn avg_pool(&mut self, window: &Window, counted: [u32; 4], from: Shape, to: Shape) -> Operator {
        if window.padding() == [0; 4] && both(window, |slide| slide.dilation) == [1, 1] {
            let options = AvgPoolOptions::new(both(window, |slide| slide.kernel as usize));
            return Operator::AvgPool(options.with_stride(both(window, |slide| slide.stride as usize)));
        }
        let [top, left, bottom, right] = counted;
        let taps = |slide: &Slide, place: u32, extent: u32, counted: (u32, u32)| {
            slide.inside(place, extent, counted).len() as f32
        };
        let mut shares = Vec::with_capacity((to.height * to.width) as usize);
        for row in 0..to.height {
            let rows = taps(&window.rows, row, from.height, (top, bottom));
            shares.extend(
                (0..to.width).map(|column| 1.0 / (rows * taps(&window.columns, column, from.width, (left, right)))),
            );
        }
        let [rows, columns] = both(window, |slide| slide.kernel as usize);
        let channels = from.channels as usize;
        Operator::PaddedAvgPool {
            ones: self.load(vec![1.0; channels * rows * columns], [channels, 1, rows, columns]),
            options: conv_options(window, from.channels),
            shares: self.load(shares, [1, 1, to.height as usize, to.width as usize]),
        }
    }

    fn lrn(&mut self, size: u32, (alpha, beta, bias): (f32, f32, f32)) -> Operator {
        let (before, behind) = ((size - 1) as usize / 2, size as usize / 2);
        let padding = [(before, behind), (0, 0)];
        let options = ConvOptions::new_with_padding([1, 1], padding, [1, 1], 1);
        let ones = self.load(vec![1.0; size as usize], [1, 1, size as usize, 1]);
        Operator::Lrn { ones, options, factor: alpha / size as f32, beta, bias }
    }

    fn weighted(&mut self, gate: Gate, step: &Step) -> Operator {
        let weights = self.weights.of(step.params[0]).to_vec();
        self.bytes += 4 * weights.len() as u64;
        match gate {
            Gate::Plain => Operator::Weighted(weights),
            Gate::SigmoidInputs => Operator::WeightedSigmoids(weights),
            Gate::SigmoidWeights => {
                Operator::Weighted(weights.iter().map(|&weight| 1.0 / (1.0 + libm::expf(-weight))).collect())
            }
        }
    }

    /// (x − mean) · scale / √(variance + ε) + shift, as one factor and one summand.
    fn batch_norm(&mut self, step: &Step) -> Operator {
        let [scale, shift, mean, variance] = [0, 1, 2, 3].map(|index| self.weights.of(step.params[index]));
        let factor: Vec<f32> = scale
            .iter()
            .zip(variance)
            .map(|(scale, variance)| scale / (variance + BATCH_NORM_EPSILON).sqrt())
            .collect();
        let shift = shift.iter().zip(mean).zip(&factor).map(|((shift, mean), factor)| shift - mean * factor).collect();
        let extents = [1, factor.len(), 1, 1];
        Operator::Affine { factor: self.load(factor, extents), shift: self.load(shift, extents) }
    }

    pub fn param<const D: usize>(&mut self, step: &Step, index: usize, extents: [usize; D]) -> Tensor<D> {
        self.load(self.weights.of(step.params[index]).to_vec(), extents)
    }

    pub fn load<const D: usize>(&mut self, values: Vec<f32>, extents: [usize; D]) -> Tensor<D> {
        self.bytes += 4 * values.len() as u64;
        Tensor::from_data(TensorData::new(values, extents), &self.device)
    }
}

/// A figure of a window's rows and of its columns.
pub fn both<T>(window: &Window, of: impl Fn(&Slide) -> T) -> [T; 2] {
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
