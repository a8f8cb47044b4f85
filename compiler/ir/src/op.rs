//! Operators with all numbers known: their shapes, parameters and cost.

pub mod elementwise;
pub mod layout;
pub mod reduce;
pub mod resize;
mod scale;
mod text;
pub mod window;

use crate::shape::Shape;
use serde::{Deserialize, Serialize};

pub use layout::{Fill, Pad, Reshape, Slice, Transpose};
pub use reduce::{Axes, Reduce, Reduction};
pub use resize::{Between, Coordinates, Interpolation, Resize, Rounding};
pub use window::{Slide, Window};

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
    /// Inputs one behind the other along an axis.
    Concat {
        /// Along which; written where it is not the channels.
        #[serde(default, skip_serializing_if = "Axis::is_channels")]
        axis: Axis,
    },
    /// max(x, 0).
    Relu,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// min(max(x, `min`), `max`); with 0 and 6 the `relu6` of mobile networks.
    Clip {
        /// The least value.
        min: f32,
        /// The greatest value.
        max: f32,
    },
    /// x where it is positive, `slope`·x elsewhere.
    LeakyRelu {
        /// Of the negative side.
        slope: f32,
    },
    /// x · min(max(x/6 + 1/2, 0), 1), Howard et al., "Searching for MobileNetV3", ICCV 2019.
    HardSwish,
    /// min(max(`alpha`·x + `beta`, 0), 1).
    HardSigmoid {
        /// The slope.
        alpha: f32,
        /// The value at 0.
        beta: f32,
    },
    /// eˣ / Σ eˣ, summed along an axis for each place of the others.
    Softmax {
        /// Along which; written where it is not the channels.
        #[serde(default, skip_serializing_if = "Axis::is_channels")]
        axis: Axis,
    },
    /// Local response normalisation across channels, x / (`bias` + `alpha`/`size` · Σ x²)^`beta`: the sum runs over `size` channels
    /// around each one, of an even number one more behind it than before, and those outside the tensor are left out.
    /// Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", NIPS 2012, in the form that divides
    /// `alpha`, which the common frameworks have.
    Lrn {
        /// Channels of a sum.
        size: u32,
        /// Factor of their mean square.
        alpha: f32,
        /// The power.
        beta: f32,
        /// Added to the sum.
        bias: f32,
    },
    /// a + b of two inputs; along an axis where one has the extent 1, that one counts for all places ([`elementwise::broadcast`]).
    Add,
    /// a − b, as [`Add`](Self::Add).
    Sub,
    /// a · b, as [`Add`](Self::Add).
    Mul,
    /// a / b, as [`Add`](Self::Add).
    Div,
    /// A stored tensor, whatever comes in. Its one input only says where it stands: nothing is made of it.
    Constant {
        /// Of the tensor.
        shape: Shape,
    },
    /// Cross-correlation with zero padding; depthwise where `groups` equals the channels.
    Conv {
        /// Its kernel and how it moves; padding is zeros.
        #[serde(flatten, with = "window::padded")]
        window: Window,
        /// Groups; input and output channels are multiples of it.
        groups: u32,
        /// Output channels.
        channels: u32,
        /// Whether a bias per output channel is added.
        bias: bool,
    },
    /// (x − mean) / √(variance + 1e-5) · scale + shift, per channel, with stored statistics.
    BatchNorm,
    /// Greatest value of each window, padding not looked at. What the window does not reach is left out.
    MaxPool {
        /// The window; each holds a pixel.
        #[serde(flatten, with = "window::bare")]
        window: Window,
    },
    /// Mean of each window. What the window does not reach is left out.
    AvgPool {
        /// The window; each holds a pixel.
        #[serde(flatten, with = "window::bare")]
        window: Window,
        /// How much of the padding (top, left, bottom, right) counts as zeros in the mean; the rest is not looked at.
        #[serde(default, skip_serializing_if = "window::counted::none", with = "window::counted")]
        counted: [u32; 4],
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
    /// Some places of one axis.
    Slice(Slice),
    /// Places added around the tensor.
    Pad(Pad),
    /// Axes in another order.
    Transpose(Transpose),
    /// The same elements with other extents.
    Reshape(Reshape),
    /// One value for all places of some axes.
    Reduce(Reduce),
    /// Images of another height and width.
    Resize(Resize),
    /// The transpose of a convolution: each pixel, times the kernel, is added to the output where the window lies that the convolution
    /// would see it through. The window's padding is taken off the output.
    ConvTranspose {
        /// Its kernel and how it moves over the output.
        #[serde(flatten, with = "window::padded")]
        window: Window,
        /// Rows and columns added behind; less than the stride or the dilation.
        #[serde(default, skip_serializing_if = "window::none_more")]
        more: [u32; 2],
        /// Groups; input and output channels are multiples of it.
        groups: u32,
        /// Output channels.
        channels: u32,
        /// Whether a bias per output channel is added.
        bias: bool,
    },
    /// The product of two inputs, for each channel a matrix of rows and columns.
    #[serde(rename = "matmul")]
    MatMul,
    /// The input times what these operators make of it, one after the other; along an axis where that has the extent 1, it counts for all
    /// places. For architectures: lowering makes steps of the operators and a [`Mul`](Self::Mul), and no tensor graph has it.
    Scale {
        /// From the input to the factor.
        by: Vec<Op>,
    },
}

/// The greatest kernel and stride: beyond any network in use, and small enough that sizes computed from it fit.
pub const MAX_WINDOW: u32 = 1 << 12;

/// Added to the variance by batch normalisation, as in the common frameworks.
pub const BATCH_NORM_EPSILON: f32 = 1e-5;

/// One of the three axes of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// The first.
    #[default]
    Channels,
    /// The second.
    Rows,
    /// The third.
    Columns,
}

impl Axis {
    /// All, in the order of a shape.
    pub const ALL: [Self; 3] = [Self::Channels, Self::Rows, Self::Columns];

    /// Its place in a shape.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    fn is_channels(&self) -> bool {
        *self == Self::Channels
    }
}

/// What is computed of two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arithmetic {
    /// a + b.
    Add,
    /// a − b.
    Sub,
    /// a · b.
    Mul,
    /// a / b.
    Div,
}

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
    /// Convolution or linear weights, `[out, in / groups, k, k]` or `[out, in]`; of transposed convolutions `[in, out / groups, k, k]`.
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
    /// A stored tensor, `[channels, rows, columns]`.
    Constant,
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
            Self::Constant => "value",
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
    /// A pool of the greatest values in square windows without padding.
    #[must_use]
    pub const fn max_pool(kernel: u32, stride: u32) -> Self {
        Self::MaxPool { window: Window::square(kernel, stride, 0) }
    }

    /// A pool of the means of square windows without padding.
    #[must_use]
    pub const fn avg_pool(kernel: u32, stride: u32) -> Self {
        Self::AvgPool { window: Window::square(kernel, stride, 0), counted: [0; 4] }
    }

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
            (Self::Concat { axis }, [first, rest @ ..]) => {
                // Equal once the joined axis is taken out.
                let plane = |shape: &Shape| shape.with(*axis, 1);
                if let Some(other) = rest.iter().find(|other| plane(other) != plane(first)) {
                    let alike = match axis {
                        Axis::Channels => "height and width",
                        Axis::Rows => "channels and width",
                        Axis::Columns => "channels and height",
                    };
                    return fail(format!("needs inputs of one {alike}, found {first} and {other}"));
                }
                let extent = inputs.iter().fold(0_u32, |sum, shape| sum.saturating_add(shape.extent(*axis)));
                first.with(*axis, extent)
            }
            (Self::Add | Self::Sub | Self::Mul | Self::Div, inputs) => {
                let &[left, right] = inputs else {
                    return fail(format!("takes two inputs, found {}", inputs.len()));
                };
                match elementwise::broadcast(left, right) {
                    Ok(shape) => shape,
                    Err(problem) => return fail(problem),
                }
            }
            (Self::MatMul, inputs) => {
                let &[left, right] = inputs else {
                    return fail(format!("takes two inputs, found {}", inputs.len()));
                };
                if left.channels != right.channels || left.width != right.height {
                    return fail(format!("can't multiply the matrices of {left} and {right}"));
                }
                Shape::new(left.channels, left.height, right.width)
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
        self.check_numbers()?;
        match *self {
            Self::Conv { ref window, groups, channels, .. } => {
                splits(groups, input.channels, channels)?;
                let (height, width) = window.output(input)?;
                Ok(Shape::new(channels, height, width))
            }
            Self::ConvTranspose { ref window, more, groups, channels, .. } => {
                splits(groups, input.channels, channels)?;
                let height = window.rows.transposed(input.height, more[0])?;
                Ok(Shape::new(channels, height, window.columns.transposed(input.width, more[1])?))
            }
            Self::MaxPool { ref window } => pooled(window, input),
            Self::AvgPool { ref window, counted } => {
                if counted.iter().zip(window.padding()).any(|(&counted, padding)| counted > padding) {
                    return Err("counts more padding than it has".to_owned());
                }
                pooled(window, input)
            }
            Self::GlobalAvg => Ok(Shape::new(input.channels, 1, 1)),
            Self::Linear { outputs, .. } => Ok(Shape::new(outputs, 1, 1)),
            Self::Slice(slice) => slice.output(input),
            Self::Pad(pad) => pad.output(input),
            Self::Transpose(transpose) => transpose.output(input),
            Self::Reshape(reshape) => reshape.output(input),
            Self::Reduce(reduce) => reduce.output(input),
            Self::Scale { ref by } => scale::output(by, input),
            Self::Resize(resize) => resize.output(input),
            Self::Constant { shape } => Ok(shape),
            _ => Ok(input),
        }
    }

    /// Its parameters and their extents, for inputs of these (valid) shapes.
    #[must_use]
    pub fn params(&self, inputs: &[Shape]) -> Vec<(ParamRole, Vec<u32>)> {
        let mut params = Vec::new();
        self.each_param(inputs, &mut |role, extents| params.push((role, extents.to_vec())));
        params
    }

    /// Shows [`params`](Self::params) one by one: counting those of thousands of networks a second allocates nothing.
    pub fn each_param(&self, inputs: &[Shape], show: &mut dyn FnMut(ParamRole, &[u32])) {
        let channels = inputs.first().map_or(0, |shape| shape.channels);
        match *self {
            Self::WeightedSum { .. } => {
                show(ParamRole::Gate, &[u32::try_from(inputs.len()).expect("a node has few inputs")]);
            }
            Self::Conv { ref window, groups, channels: outputs, bias } => {
                let (rows, columns) = window.kernel();
                show(ParamRole::Weight, &[outputs, channels / groups.max(1), rows, columns]);
                bias.then(|| show(ParamRole::Bias, &[outputs]));
            }
            Self::ConvTranspose { ref window, groups, channels: outputs, bias, .. } => {
                let (rows, columns) = window.kernel();
                show(ParamRole::Weight, &[channels, outputs / groups.max(1), rows, columns]);
                bias.then(|| show(ParamRole::Bias, &[outputs]));
            }
            Self::BatchNorm => {
                for role in [ParamRole::Scale, ParamRole::Shift, ParamRole::Mean, ParamRole::Variance] {
                    show(role, &[channels]);
                }
            }
            Self::Linear { outputs, bias } => {
                let elements = inputs.first().map_or(0, |shape| shape.elements());
                let columns = u32::try_from(elements).expect("a tensor has at most 2^30 elements");
                show(ParamRole::Weight, &[outputs, columns]);
                bias.then(|| show(ParamRole::Bias, &[outputs]));
            }
            Self::Scale { ref by } => {
                if let Some(&input) = inputs.first() {
                    scale::each_param(by, input, show);
                }
            }
            Self::Constant { shape } => show(ParamRole::Constant, &[shape.channels, shape.height, shape.width]),
            _ => {}
        }
    }

    /// Multiply-adds of convolutions, linear layers and products, the figure that papers print; zero for all else.
    #[must_use]
    pub fn macs(&self, inputs: &[Shape], output: Shape) -> u64 {
        let Some(input) = inputs.first() else { return 0 };
        match *self {
            Self::Conv { ref window, groups, .. } => {
                let taps = window.taps().saturating_mul(u64::from(input.channels / groups.max(1)));
                output.elements().saturating_mul(taps)
            }
            Self::ConvTranspose { ref window, groups, channels, .. } => {
                let taps = window.taps().saturating_mul(u64::from(channels / groups.max(1)));
                input.elements().saturating_mul(taps)
            }
            Self::Linear { .. } => output.elements().saturating_mul(input.elements()),
            Self::MatMul => output.elements().saturating_mul(u64::from(input.width)),
            Self::Scale { ref by } => scale::macs(by, *input),
            _ => 0,
        }
    }

    /// Floating-point operations: two for a multiply-add, and one for each addition, comparison or product of element-wise
    /// work and pooling. Batch norm counts as nothing, because it is folded into the convolution before it.
    #[must_use]
    pub fn flops(&self, inputs: &[Shape], output: Shape) -> u64 {
        let terms = inputs.len() as u64;
        match *self {
            Self::Input | Self::Concat { .. } | Self::BatchNorm | Self::Constant { .. } => 0,
            Self::WeightedSum { .. } => output.elements() * (2 * terms).saturating_sub(1),
            Self::Sum => output.elements() * terms.saturating_sub(1),
            Self::Mean => output.elements() * terms,
            Self::MatMul => self.macs(inputs, output).saturating_mul(2),
            Self::Scale { ref by } => inputs.first().map_or(0, |&input| scale::flops(by, input)),
            Self::Conv { bias, .. } | Self::ConvTranspose { bias, .. } | Self::Linear { bias, .. } => {
                let additions = if bias { output.elements() } else { 0 };
                self.macs(inputs, output).saturating_mul(2).saturating_add(additions)
            }
            Self::MaxPool { ref window } | Self::AvgPool { ref window, .. } => {
                output.elements().saturating_mul(window.taps())
            }
            Self::GlobalAvg | Self::Reduce(_) => inputs.first().map_or(0, |input| input.elements()),
            // Four products and three sums.
            Self::Resize(Resize { interpolation: Interpolation::Linear, .. }) => output.elements() * 7,
            _ => output.elements() * self.flops_an_element(),
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
            Self::Concat { .. } => "concat",
            Self::Relu => "relu",
            Self::Sigmoid => "sigmoid",
            Self::Clip { .. } => "clip",
            Self::LeakyRelu { .. } => "leaky_relu",
            Self::HardSwish => "hard_swish",
            Self::HardSigmoid { .. } => "hard_sigmoid",
            Self::Softmax { .. } => "softmax",
            Self::Lrn { .. } => "lrn",
            Self::Add => "add",
            Self::Sub => "sub",
            Self::Mul => "mul",
            Self::Div => "div",
            Self::Constant { .. } => "constant",
            Self::Conv { .. } => "conv",
            Self::BatchNorm => "bn",
            Self::MaxPool { .. } => "maxpool",
            Self::AvgPool { .. } => "avgpool",
            Self::GlobalAvg => "global_avg",
            Self::Linear { .. } => "linear",
            Self::Slice(_) => "slice",
            Self::Pad(_) => "pad",
            Self::Transpose(_) => "transpose",
            Self::Reshape(_) => "reshape",
            Self::Reduce(_) => "reduce",
            Self::Resize(_) => "resize",
            Self::ConvTranspose { .. } => "conv_transpose",
            Self::MatMul => "matmul",
            Self::Scale { .. } => "scale",
        }
    }
}

fn splits(groups: u32, inputs: u32, outputs: u32) -> Result<(), String> {
    if groups == 0 || !inputs.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
        return Err(format!("can't split {inputs} input and {outputs} output channels evenly"));
    }
    Ok(())
}

/// The shape after a pool of this window.
fn pooled(window: &Window, input: Shape) -> Result<Shape, String> {
    let (height, width) = window.output(input)?;
    if window.rows.sees_padding_alone(input.height, height) || window.columns.sees_padding_alone(input.width, width) {
        return Err(format!("on an image of {input} has windows that hold nothing but padding"));
    }
    Ok(Shape::new(input.channels, height, width))
}
