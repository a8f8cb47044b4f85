//! Operators of a declaration × arguments → operators with all numbers known.
//!
//! A pipeline is resolved once for its arguments and then applied to each node, where the channels that were left open become
//! the node's. Convolutions are padded by half their kernel where the source says nothing else. Biases: a convolution or
//! pointwise has one unless the source says otherwise or a `bn` follows somewhere behind it in its pipeline, whose shift would
//! make it redundant; `linear` always has one, `depthwise` never.
//!
//! A block inside a pipeline is its operators in its place. Its aggregate counts where it stands first at a node, which alone
//! has several inputs. The channels that it leaves open are the node's; in a section they are those that reach it.

use crate::codes;
use crate::evaluate::{self, Scope};
use crate::value::Closure;
use cnasc_base::{Diagnostic, Location};
use cnasc_ir::op::{Axis, Gate, Op, Window};
use cnasc_ir::program::{Aggregate, Block, Declared, Operator, OperatorDefault, Stage};
use cnasc_ir::{Program, Shape};

/// The largest kernel or stride.
pub(crate) const MAX_KERNEL: i64 = 64;

/// The most channels of one operator, and the most outputs of a linear one.
pub(crate) const MAX_CHANNELS: i64 = 65_536;

/// The most operators of one pipeline, those of the blocks in it among them.
pub(crate) const MAX_OPERATORS: usize = 4096;

/// The most blocks inside each other.
const MAX_BLOCKS: usize = 64;

/// Where a pipeline stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// At a node, which has channels.
    Node,
    /// In a section of a network.
    Section,
}

/// A pipeline with its arguments known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pipeline {
    /// How several inputs become one, where the declaration says so.
    pub(crate) aggregate: Option<Aggregate>,
    steps: Vec<(Form, Location)>,
    /// Operators around it, where it is a scale's.
    outside: usize,
}

/// An operator whose channels may still depend on the node.
#[derive(Debug, Clone)]
enum Form {
    Known(Op),
    Conv {
        kernel: u32,
        stride: u32,
        padding: u32,
        groups: u32,
        channels: Option<u32>,
        /// As written.
        bias: Option<bool>,
    },
    Depthwise {
        kernel: u32,
        stride: u32,
        padding: u32,
    },
    /// The input times what these make of it, whose open channels are those that reach it.
    Scale(Box<Pipeline>),
    /// No operator: what follows has the channels that reach this.
    Channels,
}

impl Pipeline {
    /// Evaluates the arguments of `stages`.
    pub(crate) fn resolve(
        program: &Program,
        stages: &[Stage],
        scope: &Scope<'_>,
        place: Place,
    ) -> Result<Self, Diagnostic> {
        let mut pipeline = Self::default();
        pipeline.add(program, stages, scope, (place, 0))?;
        pipeline.decide_biases();
        Ok(pipeline)
    }

    /// Those that the source leaves open: where a `bn` follows there is none.
    fn decide_biases(&mut self) {
        let mut normed = false;
        for (form, _) in self.steps.iter_mut().rev() {
            match form {
                Form::Known(Op::BatchNorm) => normed = true,
                Form::Conv { bias: bias @ None, .. } => *bias = Some(!normed),
                _ => {}
            }
        }
    }

    /// The operators of a scale, a pipeline of its own.
    fn scale(&self, program: &Program, stage: &Stage, scope: &Scope<'_>, depth: usize) -> Result<Self, Diagnostic> {
        // Operators before it count, so that all of a pipeline are within the limit.
        let mut inner = Self { outside: self.outside + self.len(), ..Self::default() };
        inner.add(program, &stage.inner, scope, (Place::Node, depth + 1))?;
        inner.decide_biases();
        Ok(inner)
    }

    /// How many operators it has, those of scales among them.
    fn len(&self) -> usize {
        let inside = self.steps.iter().map(|(form, _)| match form {
            Form::Scale(inner) => inner.len(),
            _ => 0,
        });
        self.steps.len() + inside.sum::<usize>()
    }

    /// Adds operators; those of blocks, `depth` blocks inside, in their places.
    fn add(
        &mut self,
        program: &Program,
        stages: &[Stage],
        scope: &Scope<'_>,
        (place, depth): (Place, usize),
    ) -> Result<(), Diagnostic> {
        for (index, stage) in stages.iter().enumerate() {
            if self.outside + self.len() >= MAX_OPERATORS || depth > MAX_BLOCKS {
                let message = format!(
                    "a pipeline has more than {MAX_OPERATORS} operators or {MAX_BLOCKS} blocks inside each other"
                );
                return Err(Diagnostic::error(codes::TOO_DEEP, message).label(stage.location, "too many from here on"));
            }
            match stage.operator {
                Operator::Aggregate(aggregate) if index == 0 => {
                    // Behind another operator there is one input, with which an aggregate has nothing to do.
                    if self.steps.is_empty() {
                        self.aggregate = Some(aggregate);
                    }
                }
                Operator::Aggregate(_) => {
                    return Err(Diagnostic::error(codes::AGGREGATE, "an aggregate stands behind another operator")
                        .label(stage.location, "move it to the front of its pipeline")
                        .note("only the first operator of a node has several inputs"));
                }
                Operator::Block => self.block(program, stage, scope, (place, depth))?,
                Operator::Scale => {
                    let inner = self.scale(program, stage, scope, depth)?;
                    self.steps.push((Form::Scale(Box::new(inner)), stage.location));
                }
                _ => self.steps.push((form(stage, scope)?, stage.location)),
            }
        }
        Ok(())
    }

    fn block(
        &mut self,
        program: &Program,
        stage: &Stage,
        scope: &Scope<'_>,
        (place, depth): (Place, usize),
    ) -> Result<(), Diagnostic> {
        let Some(Some(written)) = stage.args.first() else {
            let found = Diagnostic::error(codes::ARGUMENT, "a block's place in a pipeline names none");
            return Err(found.label(stage.location, "has no block"));
        };
        let closure = evaluate::made(written, scope, "a block", |of| matches!(of, Declared::Block(_)))?;
        let block = declared_block(program, &closure)?;
        if place == Place::Section {
            self.steps.push((Form::Channels, stage.location));
        }
        self.add(program, &block.pipeline, &Scope::of(&closure.args), (place, depth + 1))
    }

    /// Whether it does nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Appends the operators of a node that has `channels` to `ops`, and gives the shape behind them. `inputs` are its inputs'
    /// shapes, joined by the aggregate where they are several.
    pub(crate) fn apply(&self, inputs: &[Shape], channels: u32, ops: &mut Vec<Op>) -> Result<Shape, Misfit> {
        self.apply_strided(inputs, channels, 1, ops)
    }

    /// The same, with the stride of the first convolution or pool multiplied by `stride`.
    pub(crate) fn apply_strided(
        &self,
        inputs: &[Shape],
        channels: u32,
        stride: u32,
        ops: &mut Vec<Op>,
    ) -> Result<Shape, Misfit> {
        let mut stride = stride;
        let mut shape = match inputs {
            [only] => *only,
            several => {
                let op = aggregate_op(self.aggregate.unwrap_or(Aggregate::Sum));
                let shape =
                    op.output(several).map_err(|error| Misfit { problem: error.to_string(), location: None })?;
                ops.push(op);
                shape
            }
        };
        let mut channels = channels;
        for (form, location) in &self.steps {
            if let Form::Scale(inner) = form {
                let mut by = Vec::new();
                inner.apply(&[shape], shape.channels, &mut by)?;
                let op = Op::Scale { by };
                op.output(&[shape])
                    .map_err(|error| Misfit { problem: error.to_string(), location: Some(*location) })?;
                ops.push(op);
                continue;
            }
            let Some(mut op) = form.op(shape, channels) else {
                channels = shape.channels;
                continue;
            };
            if let Op::Conv { window, .. } | Op::MaxPool { window } | Op::AvgPool { window, .. } = &mut op {
                let factor = std::mem::replace(&mut stride, 1);
                window.rows.stride *= factor;
                window.columns.stride *= factor;
            }
            shape = op
                .output(&[shape])
                .map_err(|error| Misfit { problem: error.to_string(), location: Some(*location) })?;
            ops.push(op);
        }
        Ok(shape)
    }
}

/// An operator that can't take what reaches it.
#[derive(Debug)]
pub(crate) struct Misfit {
    pub(crate) problem: String,
    /// Absent where the operator is not written in the source.
    pub(crate) location: Option<Location>,
}

impl Misfit {
    /// As a finding about the node of this name, at `section` where the operator itself has no place.
    pub(crate) fn at_node(self, node: &str, section: Location) -> Diagnostic {
        let here = self.location.unwrap_or(section);
        Diagnostic::error(codes::SHAPE, format!("node `{node}`: {}", self.problem)).label(here, "does not fit here")
    }
}

impl Form {
    /// The operator; none for what is none.
    fn op(&self, input: Shape, node_channels: u32) -> Option<Op> {
        Some(match *self {
            Self::Known(ref op) => op.clone(),
            Self::Conv { kernel, stride, padding, groups, channels, bias } => {
                let channels = channels.unwrap_or(node_channels);
                Op::Conv {
                    window: Window::square(kernel, stride, padding),
                    groups,
                    channels,
                    bias: bias.unwrap_or(true),
                }
            }
            Self::Depthwise { kernel, stride, padding } => {
                let channels = input.channels;
                Op::Conv { window: Window::square(kernel, stride, padding), groups: channels, channels, bias: false }
            }
            Self::Channels | Self::Scale(_) => return None,
        })
    }
}

/// A 1×1 convolution without bias, as scaling blocks and staging use it.
pub(crate) fn projection(channels: u32) -> Op {
    Op::Conv { window: Window::same(1, 1), groups: 1, channels, bias: false }
}

/// The block of a closure.
pub(crate) fn declared_block<'a>(program: &'a Program, closure: &Closure) -> Result<&'a Block, Diagnostic> {
    match closure.of {
        Declared::Block(id) => program.blocks.get(id.index()),
        _ => None,
    }
    .ok_or_else(|| evaluate::wrong_declaration("a block", closure.of))
}

pub(crate) fn aggregate_op(aggregate: Aggregate) -> Op {
    match aggregate {
        Aggregate::SigmoidWeights => Op::WeightedSum { gate: Gate::SigmoidWeights },
        Aggregate::SigmoidInputs => Op::WeightedSum { gate: Gate::SigmoidInputs },
        Aggregate::Sum => Op::Sum,
        Aggregate::Mean => Op::Mean,
        Aggregate::Concat => Op::Concat { axis: Axis::Channels },
    }
}

/// What a `stride(by)` says.
pub(crate) fn stride(stage: &Stage, scope: &Scope<'_>) -> Result<u32, Diagnostic> {
    Arguments::of(stage, scope)?.given(0)
}

/// An operator; biases that the source leaves open are decided when all operators are there.
fn form(stage: &Stage, scope: &Scope<'_>) -> Result<Form, Diagnostic> {
    let args = Arguments::of(stage, scope)?;
    Ok(match stage.operator {
        Operator::Relu => Form::Known(Op::Relu),
        Operator::Sigmoid => Form::Known(Op::Sigmoid),
        Operator::Relu6 => Form::Known(Op::Clip { min: 0.0, max: 6.0 }),
        Operator::Clip => Form::Known(Op::Clip { min: args.number(0, scope)?, max: args.number(1, scope)? }),
        Operator::LeakyRelu => Form::Known(Op::LeakyRelu { slope: args.number(0, scope)? }),
        Operator::HardSwish => Form::Known(Op::HardSwish),
        // x/6 + 1/2, as MobileNetV3 has it.
        Operator::HardSigmoid => Form::Known(Op::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 }),
        Operator::Softmax => Form::Known(Op::Softmax { axis: Axis::Channels }),
        Operator::Lrn => {
            let [alpha, beta, bias] = [args.number(1, scope)?, args.number(2, scope)?, args.number(3, scope)?];
            Form::Known(Op::Lrn { size: args.given(0)?, alpha, beta, bias })
        }
        Operator::BatchNorm => Form::Known(Op::BatchNorm),
        Operator::GlobalAvg => Form::Known(Op::GlobalAvg),
        Operator::Conv => Form::Conv {
            kernel: args.given(0)?,
            channels: args.values[1],
            stride: args.given(2)?,
            padding: args.given(3)?,
            groups: args.given(4)?,
            bias: args.values[5].map(|bias| bias == 1),
        },
        Operator::Pointwise => Form::Conv {
            kernel: 1,
            channels: args.values[0],
            stride: args.given(1)?,
            padding: 0,
            groups: args.given(2)?,
            bias: args.values[3].map(|bias| bias == 1),
        },
        Operator::Depthwise => {
            Form::Depthwise { kernel: args.given(0)?, stride: args.given(1)?, padding: args.given(2)? }
        }
        Operator::MaxPool => Form::Known(Op::MaxPool { window: pool_window(&args)? }),
        Operator::AvgPool => Form::Known(Op::AvgPool { window: pool_window(&args)?, counted: [0; 4] }),
        Operator::Linear => Form::Known(Op::Linear { outputs: args.given(0)?, bias: true }),
        Operator::Aggregate(aggregate) => Form::Known(aggregate_op(aggregate)),
        // Blocks and scales are taken apart before, and a stride is the staging's.
        Operator::Block | Operator::Scale | Operator::Stride => Form::Channels,
    })
}

fn pool_window(args: &Arguments<'_>) -> Result<Window, Diagnostic> {
    Ok(Window::square(args.given(0)?, args.given(1)?, args.given(2)?))
}

/// An operator's arguments in the order of its parameters, within their limits; absent where they are the node's to say.
struct Arguments<'a> {
    stage: &'a Stage,
    /// A truth value is 0 or 1.
    values: [Option<u32>; 6],
}

impl<'a> Arguments<'a> {
    fn of(stage: &'a Stage, scope: &Scope<'_>) -> Result<Self, Diagnostic> {
        let mut values = [None; 6];
        for (index, (name, default)) in stage.operator.params().iter().enumerate() {
            values[index] = match (stage.args.get(index).and_then(Option::as_ref), default) {
                (Some(arg), OperatorDefault::Unnormed) => Some(u32::from(evaluate::truth(arg, scope)?)),
                (_, OperatorDefault::Number | OperatorDefault::Millionths(_)) => None,
                (Some(arg), _) => Some(limited(name, evaluate::whole(arg, scope)?, arg.location)?),
                (None, OperatorDefault::Is(value)) => Some(limited(name, *value, stage.location)?),
                (None, OperatorDefault::First) => values[0],
                (None, OperatorDefault::HalfKernel) => values[0].map(|kernel| kernel / 2),
                (None, OperatorDefault::Required | OperatorDefault::NodeChannels | OperatorDefault::Unnormed) => None,
            };
        }
        Ok(Self { stage, values })
    }

    /// One that need not be whole.
    fn number(&self, index: usize, scope: &Scope<'_>) -> Result<f32, Diagnostic> {
        match (self.stage.args.get(index).and_then(Option::as_ref), self.stage.operator.params().get(index)) {
            (Some(arg), _) => Ok(evaluate::number(arg, scope)? as f32),
            (None, Some((_, OperatorDefault::Millionths(count)))) => Ok((*count as f64 / 1e6) as f32),
            (None, _) => Err(self.missing(index)),
        }
    }

    fn given(&self, index: usize) -> Result<u32, Diagnostic> {
        self.values[index].ok_or_else(|| self.missing(index))
    }

    fn missing(&self, index: usize) -> Diagnostic {
        let name = self.stage.operator.params().get(index).map_or("argument", |(name, _)| name);
        Diagnostic::error(codes::ARGUMENT, format!("the operator needs its {name}"))
            .label(self.stage.location, format!("has no {name}"))
    }
}

fn limited(name: &str, value: i64, here: Location) -> Result<u32, Diagnostic> {
    let (least, most) = match name {
        "kernel" | "stride" | "by" => (1, MAX_KERNEL),
        "padding" => (0, MAX_KERNEL - 1),
        "size" => (1, i64::from(cnasc_ir::op::MAX_WINDOW)),
        _ => (1, MAX_CHANNELS),
    };
    match u32::try_from(value) {
        Ok(small) if (least..=most).contains(&value) => Ok(small),
        _ => Err(Diagnostic::error(codes::ARGUMENT, format!("{name} is {value}; it may be {least} to {most}"))
            .label(here, format!("this is {value}"))),
    }
}
