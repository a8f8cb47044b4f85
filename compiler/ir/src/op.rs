//! Operators with all numbers known: their shapes, parameters and cost.

use crate::shape::Shape;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One operator, on tensors of one image. Written in JSON as `{"op": "conv", "kernel": 3, …}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Op {
    /// The image. No inputs.
    Input,
    /// Σ wⱼ·xⱼ over inputs of one shape, with one learnable scalar each.
    WeightedSum {
        /// Where the sigmoid goes.
        gate: Gate,
    },
    /// Σ xⱼ.
    Sum,
    /// Σ xⱼ / m of m inputs.
    Mean,
    /// Inputs one behind the other along the channels.
    Concat,
    /// max(x, 0).
    Relu,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// Cross-correlation with zero padding; depthwise where `groups` equals the channels.
    Conv {
        /// Side of the square kernel.
        kernel: u32,
        /// Step in both directions.
        stride: u32,
        /// Zeros added on each side.
        padding: u32,
        /// Groups; input and output channels are multiples of it.
        groups: u32,
        /// Output channels.
        channels: u32,
        /// Whether a bias per output channel is added.
        bias: bool,
    },
    /// (x − mean) / √(variance + 1e-5) · scale + shift, per channel, with stored statistics.
    BatchNorm,
    /// Greatest value of each window; windows that would reach over the edge are left out.
    MaxPool {
        /// Side of the square window.
        kernel: u32,
        /// Step in both directions.
        stride: u32,
    },
    /// Mean of each window; windows that would reach over the edge are left out.
    AvgPool {
        /// Side of the square window.
        kernel: u32,
        /// Step in both directions.
        stride: u32,
    },
    /// Mean of each channel.
    GlobalAvg,
    /// y = W·x + b on all elements, in the order channel, row, column.
    Linear {
        /// Elements of the output.
        outputs: u32,
        /// Whether a bias is added.
        bias: bool,
    },
}

/// The greatest kernel and stride: beyond any network in use, and small enough that sizes computed from it fit.
pub const MAX_WINDOW: u32 = 1 << 12;

/// Added to the variance by batch normalisation, as in the common frameworks.
pub const BATCH_NORM_EPSILON: f32 = 1e-5;

/// Where a weighted sum applies the sigmoid (paper.md pitfall 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Σ σ(wⱼ)·xⱼ, as RandWire; the default.
    SigmoidWeights,
    /// Σ wⱼ·σ(xⱼ), as the text of the paper.
    SigmoidInputs,
    /// Σ wⱼ·xⱼ.
    Plain,
}

/// What a parameter of an operator is for, which decides its seeded value before training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParamRole {
    /// Convolution or linear weights, `[out, in / groups, k, k]` or `[out, in]`.
    Weight,
    /// Added per output channel.
    Bias,
    /// The scalars of a weighted sum, one an input.
    Gate,
    /// Batch norm's factor.
    Scale,
    /// Batch norm's summand.
    Shift,
    /// Batch norm's stored mean; a statistic, not a trained parameter.
    Mean,
    /// Batch norm's stored variance; a statistic, not a trained parameter.
    Variance,
}

impl ParamRole {
    /// Whether it counts as a parameter of the network (statistics do not).
    #[must_use]
    pub fn is_trained(self) -> bool {
        !matches!(self, Self::Mean | Self::Variance)
    }

    /// The last part of the tensor's name in a weights file, as PyTorch calls it.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Weight | Self::Scale => "weight",
            Self::Bias | Self::Shift => "bias",
            Self::Gate => "gate",
            Self::Mean => "running_mean",
            Self::Variance => "running_var",
        }
    }
}

/// Why an operator can't take its inputs. Says what was found and what was needed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{op} {problem}")]
pub struct ShapeError {
    /// The operator, as text.
    pub op: String,
    /// What is wrong.
    pub problem: String,
}

impl Op {
    /// The shape of the output, for inputs of these shapes.
    ///
    /// # Errors
    /// Where the number or shapes of the inputs don't fit, or the output would be empty or too large.
    pub fn output(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let fail = |problem: String| Err(ShapeError { op: self.to_string(), problem });
        let found = match (self, inputs) {
            (Self::Input, _) => return fail("has no inputs to take a shape from".to_owned()),
            (_, []) => return fail("needs an input".to_owned()),
            (Self::WeightedSum { .. } | Self::Sum | Self::Mean, [first, rest @ ..]) => {
                if let Some(other) = rest.iter().find(|other| *other != first) {
                    return fail(format!("needs inputs of one shape, found {first} and {other}"));
                }
                *first
            }
            (Self::Concat, [first, rest @ ..]) => {
                let plane = |shape: &Shape| (shape.height, shape.width);
                if let Some(other) = rest.iter().find(|other| plane(other) != plane(first)) {
                    return fail(format!("needs inputs of one height and width, found {first} and {other}"));
                }
                let channels = inputs.iter().fold(0_u32, |sum, shape| sum.saturating_add(shape.channels));
                Shape { channels, ..*first }
            }
            (_, [_, _, ..]) => return fail(format!("takes one input, found {}", inputs.len())),
            (_, [input]) => match self.unary_output(*input) {
                Ok(shape) => shape,
                Err(problem) => return fail(problem),
            },
        };
        if found.is_valid() {
            Ok(found)
        } else {
            fail(format!("would give a tensor of {found}, which is empty or too large"))
        }
    }

    fn unary_output(&self, input: Shape) -> Result<Shape, String> {
        let window = |extent: u32, kernel: u32, stride: u32, padding: u32| {
            let padded = u64::from(extent) + 2 * u64::from(padding);
            if kernel == 0 || stride == 0 {
                return Err("needs a kernel and a stride of at least 1".to_owned());
            }
            if kernel > MAX_WINDOW || stride > MAX_WINDOW || padding >= kernel.max(1) {
                return Err(format!(
                    "needs a kernel and a stride of at most {MAX_WINDOW} and a padding below the kernel"
                ));
            }
            if u64::from(kernel) > padded {
                return Err(format!("does not fit an image of {input}: its window of {kernel} is larger"));
            }
            let steps = (padded - u64::from(kernel)) / u64::from(stride) + 1;
            u32::try_from(steps).map_err(|_| "gives too large an image".to_owned())
        };
        match *self {
            Self::Conv { kernel, stride, padding, groups, channels, .. } => {
                if groups == 0 || !input.channels.is_multiple_of(groups) || !channels.is_multiple_of(groups) {
                    return Err(format!("can't split {} input and {channels} output channels evenly", input.channels));
                }
                let height = window(input.height, kernel, stride, padding)?;
                Ok(Shape::new(channels, height, window(input.width, kernel, stride, padding)?))
            }
            Self::MaxPool { kernel, stride } | Self::AvgPool { kernel, stride } => {
                let height = window(input.height, kernel, stride, 0)?;
                Ok(Shape::new(input.channels, height, window(input.width, kernel, stride, 0)?))
            }
            Self::GlobalAvg => Ok(Shape::new(input.channels, 1, 1)),
            Self::Linear { outputs, .. } => Ok(Shape::new(outputs, 1, 1)),
            _ => Ok(input),
        }
    }

    /// Its parameters and their extents, for inputs of these (valid) shapes.
    #[must_use]
    pub fn params(&self, inputs: &[Shape]) -> Vec<(ParamRole, Vec<u32>)> {
        let channels = inputs.first().map_or(0, |shape| shape.channels);
        match *self {
            Self::WeightedSum { .. } => {
                vec![(ParamRole::Gate, vec![u32::try_from(inputs.len()).expect("a node has few inputs")])]
            }
            Self::Conv { kernel, groups, channels: outputs, bias, .. } => {
                let mut params = vec![(ParamRole::Weight, vec![outputs, channels / groups.max(1), kernel, kernel])];
                if bias {
                    params.push((ParamRole::Bias, vec![outputs]));
                }
                params
            }
            Self::BatchNorm => [ParamRole::Scale, ParamRole::Shift, ParamRole::Mean, ParamRole::Variance]
                .into_iter()
                .map(|role| (role, vec![channels]))
                .collect(),
            Self::Linear { outputs, bias } => {
                let elements = inputs.first().map_or(0, |shape| shape.elements());
                let columns = u32::try_from(elements).expect("a tensor has at most 2^30 elements");
                let mut params = vec![(ParamRole::Weight, vec![outputs, columns])];
                if bias {
                    params.push((ParamRole::Bias, vec![outputs]));
                }
                params
            }
            _ => Vec::new(),
        }
    }

    /// Multiply-adds of convolutions and linear layers, the figure that papers print; zero for all else.
    #[must_use]
    pub fn macs(&self, inputs: &[Shape], output: Shape) -> u64 {
        let Some(input) = inputs.first() else { return 0 };
        match *self {
            Self::Conv { kernel, groups, .. } => {
                let window = u64::from(kernel) * u64::from(kernel);
                let taps = window.saturating_mul(u64::from(input.channels / groups.max(1)));
                output.elements().saturating_mul(taps)
            }
            Self::Linear { .. } => output.elements().saturating_mul(input.elements()),
            _ => 0,
        }
    }

    /// Floating-point operations: two for a multiply-add, and one for each addition, comparison or product of element-wise
    /// work and pooling. Batch norm counts as nothing, because it is folded into the convolution before it.
    #[must_use]
    pub fn flops(&self, inputs: &[Shape], output: Shape) -> u64 {
        let terms = inputs.len() as u64;
        match *self {
            Self::Input | Self::Concat | Self::BatchNorm => 0,
            Self::WeightedSum { .. } => output.elements() * (2 * terms).saturating_sub(1),
            Self::Sum => output.elements() * terms.saturating_sub(1),
            Self::Mean => output.elements() * terms,
            Self::Relu => output.elements(),
            Self::Sigmoid => 4 * output.elements(),
            Self::Conv { bias, .. } | Self::Linear { bias, .. } => {
                let additions = if bias { output.elements() } else { 0 };
                self.macs(inputs, output).saturating_mul(2).saturating_add(additions)
            }
            Self::MaxPool { kernel, .. } | Self::AvgPool { kernel, .. } => {
                output.elements().saturating_mul(u64::from(kernel) * u64::from(kernel))
            }
            Self::GlobalAvg => inputs.first().map_or(0, |input| input.elements()),
        }
    }

    /// Its name alone, as JSON and weight names use it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::WeightedSum { .. } => "weighted_sum",
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Concat => "concat",
            Self::Relu => "relu",
            Self::Sigmoid => "sigmoid",
            Self::Conv { .. } => "conv",
            Self::BatchNorm => "bn",
            Self::MaxPool { .. } => "maxpool",
            Self::AvgPool { .. } => "avgpool",
            Self::GlobalAvg => "global_avg",
            Self::Linear { .. } => "linear",
        }
    }
}

impl fmt::Display for Op {
    /// The short form of snapshots: `conv3/2 16`, `depthwise3`, `pointwise 32`, `maxpool2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::WeightedSum { gate: Gate::SigmoidWeights } => f.write_str("weighted"),
            Self::WeightedSum { gate: Gate::SigmoidInputs } => f.write_str("weighted(sigmoid inputs)"),
            Self::WeightedSum { gate: Gate::Plain } => f.write_str("weighted(plain)"),
            Self::Conv { kernel, stride, padding, groups, channels, bias } => {
                let depthwise = groups == channels && groups > 1;
                match (kernel, depthwise) {
                    (_, true) => write!(f, "depthwise{kernel}")?,
                    (1, false) => f.write_str("pointwise")?,
                    _ => write!(f, "conv{kernel}")?,
                }
                if stride != 1 {
                    write!(f, "/{stride}")?;
                }
                if padding != kernel / 2 {
                    write!(f, " pad {padding}")?;
                }
                if groups != 1 && !depthwise {
                    write!(f, " groups {groups}")?;
                }
                if !depthwise {
                    write!(f, " {channels}")?;
                }
                if bias { f.write_str(" +bias") } else { Ok(()) }
            }
            Self::MaxPool { kernel, stride } | Self::AvgPool { kernel, stride } => {
                write!(f, "{}{kernel}", self.name())?;
                if stride == kernel { Ok(()) } else { write!(f, "/{stride}") }
            }
            Self::Linear { outputs, bias } => {
                write!(f, "linear {outputs}{}", if bias { "" } else { " -bias" })
            }
            _ => f.write_str(self.name()),
        }
    }
}
