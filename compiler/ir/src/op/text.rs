//! The short text of an operator, which snapshots and pictures show.

use super::window::{Usual, sides};
use super::{Axis, Gate, Op, scale};
use std::fmt;

impl fmt::Display for Op {
    /// The short form of snapshots: `conv3/2 16`, `depthwise3`, `pointwise 32`, `maxpool2`, `conv1x7 pad 0 16`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::WeightedSum { gate: Gate::SigmoidWeights } => f.write_str("weighted"),
            Self::WeightedSum { gate: Gate::SigmoidInputs } => f.write_str("weighted(sigmoid inputs)"),
            Self::WeightedSum { gate: Gate::Plain } => f.write_str("weighted(plain)"),
            Self::Concat { axis: Axis::Channels } => f.write_str("concat"),
            Self::Concat { axis } => write!(f, "concat {axis}"),
            Self::Conv { ref window, groups, channels, bias } => {
                let depthwise = groups == channels && groups > 1;
                let kernel = window.kernel();
                let pointwise = kernel == (1, 1) && !depthwise;
                f.write_str(if depthwise {
                    "depthwise"
                } else if pointwise {
                    "pointwise"
                } else {
                    "conv"
                })?;
                let padding = (kernel.0 / 2, kernel.1 / 2);
                window.write(f, Usual { kernel_said: pointwise, stride: (1, 1), padding })?;
                if groups != 1 && !depthwise {
                    write!(f, " groups {groups}")?;
                }
                if !depthwise {
                    write!(f, " {channels}")?;
                }
                if bias { f.write_str(" +bias") } else { Ok(()) }
            }
            Self::MaxPool { ref window } | Self::AvgPool { ref window, .. } => {
                f.write_str(self.name())?;
                window.write(f, Usual { kernel_said: false, stride: window.kernel(), padding: (0, 0) })?;
                match *self {
                    Self::AvgPool { counted, .. } if counted != [0; 4] => write!(f, " counted {}", sides(counted)),
                    _ => Ok(()),
                }
            }
            Self::Linear { outputs, bias } => {
                write!(f, "linear {outputs}{}", if bias { "" } else { " -bias" })
            }
            Self::Clip { min: 0.0, max: 6.0 } => f.write_str("relu6"),
            Self::Clip { min, max } => write!(f, "clip {min}..{max}"),
            Self::LeakyRelu { slope } => write!(f, "leaky_relu {slope}"),
            Self::HardSigmoid { alpha, beta } => write!(f, "hard_sigmoid {alpha} {beta}"),
            Self::Softmax { axis } if axis != Axis::Channels => write!(f, "softmax {axis}"),
            Self::Lrn { size, alpha, beta, bias } => write!(f, "lrn {size} {alpha} {beta} {bias}"),
            Self::Constant { shape } => write!(f, "constant {shape}"),
            Self::Slice(slice) => slice.fmt(f),
            Self::Pad(pad) => pad.fmt(f),
            Self::Transpose(transpose) => transpose.fmt(f),
            Self::Reshape(reshape) => reshape.fmt(f),
            Self::Reduce(reduce) => reduce.fmt(f),
            Self::Scale { ref by } => scale::write(by, f),
            Self::Resize(resize) => resize.fmt(f),
            Self::ConvTranspose { ref window, more, groups, channels, bias } => {
                f.write_str("conv_transpose")?;
                window.write(f, Usual { kernel_said: false, stride: (1, 1), padding: (0, 0) })?;
                if more != [0, 0] {
                    write!(f, " more {},{}", more[0], more[1])?;
                }
                if groups != 1 {
                    write!(f, " groups {groups}")?;
                }
                write!(f, " {channels}{}", if bias { " +bias" } else { "" })
            }
            _ => f.write_str(self.name()),
        }
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Channels => "channels",
            Self::Rows => "rows",
            Self::Columns => "columns",
        })
    }
}
