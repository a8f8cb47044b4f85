//! One operator as burn calls: a step with its parameters → an [`Operator`]; its inputs → its output.
//!
//! Parameters are put on burn's device once, in the form in which the calls take them.

use burn_tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn_tensor::{Device, Tensor, TensorData, activation, module};
use cnasc_ir::op::{BATCH_NORM_EPSILON, Gate};
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
    Concat,
    Relu,
    Sigmoid,
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
    GlobalAvg,
    /// A matrix of a row an output, and a column.
    Linear {
        weight: Tensor<2>,
        bias: Option<Tensor<2>>,
    },
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
            Self::Concat => Tensor::cat(inputs, 1),
            _ => self.unary(inputs.pop().expect("the graph is verified: this operator has one input")),
        }
    }

    fn unary(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Relu => activation::relu(x),
            Self::Sigmoid => activation::sigmoid(x),
            Self::Conv { weight, bias, options } => module::conv2d(x, weight.clone(), bias.clone(), options.clone()),
            Self::Affine { factor, shift } => x * factor.clone() + shift.clone(),
            Self::MaxPool(options) => module::max_pool2d(x, options.clone()),
            Self::AvgPool(options) => module::avg_pool2d(x, options.clone()),
            Self::GlobalAvg => x.mean_dims(&[2, 3]),
            Self::Linear { weight, bias } => {
                let [outputs, columns] = weight.dims();
                let product = weight.clone().matmul(x.reshape([columns, 1]));
                let output = bias.iter().fold(product, |output, bias| output + bias.clone());
                output.reshape([1, outputs, 1, 1])
            }
            // The others take several inputs, and one of them is as good as it is.
            Self::Weighted(_) | Self::WeightedSigmoids(_) | Self::Sum | Self::Mean | Self::Concat => x,
        }
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
        Ok(match step.op {
            Op::Input => {
                let problem = format!("{} of node {} has no call in burn", step.op, step.node.0);
                return Err(CompileError::Unsupported { step: id.index(), problem });
            }
            Op::WeightedSum { gate } => self.weighted(gate, step),
            Op::Sum => Operator::Sum,
            Op::Mean => Operator::Mean,
            Op::Concat => Operator::Concat,
            Op::Relu => Operator::Relu,
            Op::Sigmoid => Operator::Sigmoid,
            Op::Conv { kernel, stride, padding, groups, bias, .. } => {
                let [stride, padding] = [stride, padding].map(|number| [number as usize; 2]);
                let options = ConvOptions::new(stride, padding, [1, 1], groups as usize);
                let per_group = graph.step(step.inputs[0]).shape.channels / groups;
                let extents = [step.shape.channels, per_group, kernel, kernel].map(|extent| extent as usize);
                let weight = self.param(step, 0, extents);
                let bias = bias.then(|| self.param(step, 1, [extents[0]]));
                Operator::Conv { weight, bias, options }
            }
            Op::BatchNorm => self.batch_norm(step),
            Op::MaxPool { kernel, stride } => {
                Operator::MaxPool(MaxPoolOptions::new([kernel as usize; 2]).with_stride([stride as usize; 2]))
            }
            Op::AvgPool { kernel, stride } => {
                Operator::AvgPool(AvgPoolOptions::new([kernel as usize; 2]).with_stride([stride as usize; 2]))
            }
            Op::GlobalAvg => Operator::GlobalAvg,
            Op::Linear { outputs, bias } => {
                let columns = graph.step(step.inputs[0]).shape.elements() as usize;
                let weight = self.param(step, 0, [outputs as usize, columns]);
                Operator::Linear { weight, bias: bias.then(|| self.param(step, 1, [outputs as usize, 1])) }
            }
        })
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

    fn param<const D: usize>(&mut self, step: &Step, index: usize, extents: [usize; D]) -> Tensor<D> {
        self.load(self.weights.of(step.params[index]).to_vec(), extents)
    }

    fn load<const D: usize>(&mut self, values: Vec<f32>, extents: [usize; D]) -> Tensor<D> {
        self.bytes += 4 * values.len() as u64;
        Tensor::from_data(TensorData::new(values, extents), &self.device)
    }
}
