//! From steps to kernel calls: which buffer each tensor has, what is done in one pass, and when each buffer is in use.
//!
//! Tensor graph × share → calls by action, buffers with lives, packed weights. An activation that is the only reader of a sum or a convolution is done by
//! it; an element-wise step writes over an input that nothing reads later; a tensor that only this device sees and that padded
//! convolutions read gets its border when it is made, one that others see is copied.

mod elementwise;
mod image;
mod layout;

use super::activation::Activation;
use super::constants::{Piece, Section};
use super::conv::Conv;
use super::copy::{Clear, Copy};
use super::depthwise::Depthwise;
use super::kernel::Kernel;
use super::pool::{Pool, Reduce};
use super::sum::{MOST_INPUTS, Sum};
use super::view::View;
use crate::CompileError;
use crate::check::Border;
use crate::memory::Timeline;
use crate::micro::Isa;
use cnasc_bundle::{Action, Share};
use cnasc_ir::op::{Arithmetic, Axis, Gate, Slide, Window};
use cnasc_ir::tensor::Step;
use cnasc_ir::{Op, Shape, TensorGraph, TensorId, Weights};
use std::borrow::Cow;

/// The most floats of one buffer: offsets in kernels' tables are 32-bit numbers of floats.
const MOST_FLOATS: u64 = 1 << 32;

/// One call of a kernel.
#[derive(Debug, Clone)]
pub struct Call {
    pub kernel: Kernel,
    /// Buffers.
    pub inputs: Vec<usize>,
    /// Buffer.
    pub output: usize,
    /// Section of the constants.
    pub weights: Option<usize>,
    /// Whose result it makes.
    pub step: TensorId,
}

impl Call {
    /// Whether it reads or writes the buffer.
    pub fn touches(&self, buffer: usize) -> bool {
        self.output == buffer || self.inputs.contains(&buffer)
    }
}

/// All that is to be generated and placed.
#[derive(Debug, Default)]
pub struct Program<'a> {
    /// How each buffer holds its tensor.
    pub buffers: Vec<View>,
    /// When each buffer is in use.
    pub timeline: Timeline,
    /// Weights.
    pub sections: Vec<Section<'a>>,
    /// By action of the share; empty where it is an exchange.
    pub actions: Vec<Vec<Call>>,
    /// By tensor, the buffer that it had last.
    pub buffer_of: Vec<Option<usize>>,
}

/// Lowers a share that passed [`crate::check::check`].
///
/// # Errors
/// Where an operator should have been folded away, or a tensor with its border is too large.
pub fn lower<'a>(
    graph: &'a TensorGraph,
    weights: &'a Weights,
    share: &Share,
    border: &'a Border,
    isa: Option<Isa>,
) -> Result<Program<'a>, CompileError> {
    let uses = Uses::of(graph, share);
    let program = Program { buffer_of: vec![None; graph.steps.len()], ..Program::default() };
    let padded = vec![None; graph.steps.len()];
    let mut lowering =
        Lowering { graph, weights, border, isa, uses, program, padded, calls: Vec::new(), step: TensorId(0) };
    if share.takes_image {
        lowering.arrive(TensorId(0))?;
    }
    for action in &share.actions {
        lowering.action(action)?;
        let calls = std::mem::take(&mut lowering.calls);
        lowering.program.actions.push(calls);
    }
    if share.gives_answer {
        let buffer = lowering.buffer(graph.output());
        lowering.program.timeline.keep(buffer);
    }
    Ok(lowering.program)
}

/// How the share uses its tensors.
struct Uses {
    /// Steps and sends to come, the answer counted as one that never comes.
    left: Vec<u32>,
    /// The last step in the list that reads it.
    reader: Vec<Option<TensorId>>,
    /// The most padding that a convolution reads it with.
    padding: Vec<u32>,
}

impl Uses {
    fn of(graph: &TensorGraph, share: &Share) -> Self {
        let count = graph.steps.len();
        let mut uses = Self { left: vec![0; count], reader: vec![None; count], padding: vec![0; count] };
        for action in &share.actions {
            match action {
                Action::Compute { steps } => steps.iter().for_each(|&id| uses.step(id, graph.step(id))),
                Action::Send { tensor, .. } => uses.left[tensor.index()] += 1,
                Action::Receive { .. } => {}
            }
        }
        if share.gives_answer {
            uses.left[graph.output().index()] += 1;
        }
        uses
    }

    fn step(&mut self, id: TensorId, step: &Step) {
        for (position, input) in step.inputs.iter().enumerate() {
            if step.inputs[..position].contains(input) {
                continue;
            }
            self.left[input.index()] += 1;
            self.reader[input.index()] = Some(id);
            if let Op::Conv { window, .. } = step.op {
                let most = window.padding().into_iter().max().unwrap_or(0);
                self.padding[input.index()] = self.padding[input.index()].max(most);
            }
        }
    }
}

/// A convolution apart from its tensors.
struct Dense<'a> {
    window: Window,
    groups: u32,
    weights: Cow<'a, [f32]>,
    bias: Option<&'a [f32]>,
    activation: Activation,
}

struct Lowering<'a> {
    graph: &'a TensorGraph,
    weights: &'a Weights,
    border: &'a Border,
    /// Whose microkernels to use.
    isa: Option<Isa>,
    uses: Uses,
    program: Program<'a>,
    /// By tensor, its copy with a border.
    padded: Vec<Option<usize>>,
    /// Of the action at hand.
    calls: Vec<Call>,
    /// At hand.
    step: TensorId,
}

impl<'a> Lowering<'a> {
    fn action(&mut self, action: &Action) -> Result<(), CompileError> {
        match action {
            Action::Receive { tensor, .. } => self.arrive(*tensor),
            Action::Send { tensor, .. } => {
                self.program.timeline.tick();
                let buffer = self.buffer(*tensor);
                self.program.timeline.touch(buffer);
                self.uses.left[tensor.index()] -= 1;
                Ok(())
            }
            Action::Compute { steps } => {
                let mut fused = None;
                for &id in steps {
                    if fused.is_some_and(|(behind, _)| behind == id) || self.program.buffer_of[id.index()].is_some() {
                        continue;
                    }
                    self.program.timeline.tick();
                    fused = self.activation_behind(id).filter(|(behind, _)| steps.contains(behind));
                    self.step = fused.map_or(id, |(behind, _)| behind);
                    self.step(id, fused)?;
                }
                Ok(())
            }
        }
    }

    /// A tensor that is written from outside.
    fn arrive(&mut self, tensor: TensorId) -> Result<(), CompileError> {
        self.program.timeline.tick();
        let buffer = self.add(View::plain(self.graph.step(tensor).shape))?;
        self.program.buffer_of[tensor.index()] = Some(buffer);
        Ok(())
    }

    /// The activation that can be done in one pass with `id`: its only reader.
    fn activation_behind(&self, id: TensorId) -> Option<(TensorId, Activation)> {
        let op = &self.graph.step(id).op;
        let able = op.arithmetic().is_some()
            || matches!(
                op,
                Op::WeightedSum { .. }
                    | Op::Sum
                    | Op::Mean
                    | Op::Conv { .. }
                    | Op::ConvTranspose { .. }
                    | Op::Linear { .. }
            );
        let reader = self.uses.reader[id.index()]?;
        let activation = Activation::of(&self.graph.step(reader).op)?;
        let fits = able && activation.keeps_zero() && self.uses.left[id.index()] == 1 && !self.border.has(id);
        fits.then_some((reader, activation))
    }

    /// Adds the calls of a step, whose result is that of the activation `fused` where there is one.
    fn step(&mut self, id: TensorId, fused: Option<(TensorId, Activation)>) -> Result<(), CompileError> {
        let step = self.graph.step(id);
        let (output, activation) = fused.unwrap_or((id, Activation::None));
        match step.op {
            Op::WeightedSum { gate: Gate::SigmoidWeights } => {
                return Err(unsupported(id, "has gates behind a sigmoid, which folding turns into plain ones first"));
            }
            Op::BatchNorm => return Err(unsupported(id, "is a batch norm, which folding removes first")),
            Op::Input => return Err(unsupported(id, "is the image, which is not computed")),
            Op::Scale { .. } => return Err(unsupported(id, "is a scale, which lowering makes several steps of")),
            Op::WeightedSum { gate } => {
                let factors = self.weights.of(step.params[0]);
                self.sum(step, output, Some(factors), gate == Gate::SigmoidInputs, activation)?;
            }
            Op::Mean => {
                let factors = vec![1.0 / step.inputs.len() as f32; step.inputs.len()];
                self.sum(step, output, Some(&factors), false, activation)?;
            }
            Op::Sum => self.sum(step, output, None, false, activation)?,
            Op::Relu
            | Op::Sigmoid
            | Op::Clip { .. }
            | Op::LeakyRelu { .. }
            | Op::HardSwish
            | Op::HardSigmoid { .. } => {
                self.sum(step, output, None, false, Activation::of(&step.op).unwrap_or(Activation::None))?;
            }
            Op::Add => self.arithmetic(step, output, Arithmetic::Add, activation)?,
            Op::Sub => self.arithmetic(step, output, Arithmetic::Sub, activation)?,
            Op::Mul => self.arithmetic(step, output, Arithmetic::Mul, activation)?,
            Op::Div => self.arithmetic(step, output, Arithmetic::Div, activation)?,
            Op::Softmax { axis } => self.softmax(step, output, axis)?,
            Op::Lrn { .. } => self.lrn(step, output)?,
            Op::Constant { .. } => self.constant(step, output)?,
            Op::Concat { axis: Axis::Channels } => self.concat(step, output)?,
            Op::Concat { axis } => self.join(step, output, axis)?,
            Op::Conv { .. } => self.conv(step, output, activation)?,
            Op::Linear { bias, .. } => self.linear(step, output, bias, activation)?,
            Op::MaxPool { window } => self.pool(step, output, window, Reduce::Max)?,
            Op::AvgPool { window, counted } => self.pool(step, output, window, Reduce::Mean { counted })?,
            Op::GlobalAvg => {
                let shape = self.graph.step(step.inputs[0]).shape;
                self.pool(step, output, whole(shape), Reduce::Mean { counted: [0; 4] })?;
            }
            Op::Slice(slice) => self.slice(step, output, &slice)?,
            Op::Pad(pad) => self.pad(step, output, &pad)?,
            Op::Transpose(transpose) => self.transpose(step, output, &transpose)?,
            Op::Reshape(_) => self.reshape(step, output)?,
            Op::Reduce(reduce) => self.reduce(step, output, reduce)?,
            Op::Resize(resize) => self.resize(step, output, &resize)?,
            Op::ConvTranspose { .. } => self.conv_transpose(step, output, activation)?,
            Op::MatMul => self.matmul(step, output)?,
        }
        for (position, input) in step.inputs.iter().enumerate() {
            if !step.inputs[..position].contains(input) {
                self.uses.left[input.index()] -= 1;
            }
        }
        Ok(())
    }

    fn sum(
        &mut self,
        step: &Step,
        output: TensorId,
        factors: Option<&[f32]>,
        sigmoid: bool,
        activation: Activation,
    ) -> Result<(), CompileError> {
        let target = self.over(step, output)?;
        let inputs: Vec<usize> = step.inputs.iter().map(|&input| self.read(input)).collect();
        // A microkernel takes any number at once.
        let most = if self.isa.is_some() && !sigmoid { inputs.len().max(1) } else { MOST_INPUTS };
        let passes = inputs.len().div_ceil(most);
        for (pass, inputs) in inputs.chunks(most).enumerate() {
            let start = pass * most;
            let weights = factors.map(|factors| {
                let factors = &factors[start..start + inputs.len()];
                self.section(Piece::Words(factors.iter().map(|factor| factor.to_bits()).collect()))
            });
            let sum = Sum {
                inputs: inputs.iter().map(|&buffer| self.program.buffers[buffer]).collect(),
                output: self.program.buffers[target],
                weighted: factors.is_some(),
                sigmoid,
                accumulate: pass > 0,
                activation: if pass + 1 == passes { activation } else { Activation::None },
            };
            let kernel = Kernel::sum(sum, self.isa);
            self.calls.push(Call { kernel, inputs: inputs.to_vec(), output: target, weights, step: self.step });
        }
        Ok(())
    }

    /// The buffer for the result of an element-wise step: an input's where that can be.
    fn over(&mut self, step: &Step, output: TensorId) -> Result<usize, CompileError> {
        let Some(buffer) = self.reusable(step, output) else { return self.make(output) };
        self.program.timeline.touch(buffer);
        self.program.buffer_of[output.index()] = Some(buffer);
        Ok(buffer)
    }

    /// The buffer of an input that an element-wise step may write over: read here for the last time, and of the output's view.
    fn reusable(&self, step: &Step, output: TensorId) -> Option<usize> {
        if step.inputs.len() > MOST_INPUTS {
            // A later pass would read what an earlier one has overwritten.
            return None;
        }
        let view = self.view(output);
        let last = step.inputs.iter().filter(|input| self.uses.left[input.index()] == 1);
        last.map(|&input| self.buffer(input)).find(|&buffer| self.program.buffers[buffer] == view)
    }

    fn concat(&mut self, step: &Step, output: TensorId) -> Result<(), CompileError> {
        let target = self.make(output)?;
        let mut channel = 0;
        for &tensor in &step.inputs {
            let input = self.read(tensor);
            self.copy(input, target, channel);
            channel += self.graph.step(tensor).shape.channels;
        }
        Ok(())
    }

    fn conv(&mut self, step: &Step, output: TensorId, activation: Activation) -> Result<(), CompileError> {
        let Op::Conv { window, groups, .. } = step.op else { return Ok(()) };
        let padding = window.padding().into_iter().max().unwrap_or(0);
        // The microkernels read single lanes, wherever those lie.
        let few = self.isa.is_some() && u64::from(self.graph.step(step.inputs[0]).shape.channels) <= View::NARROW;
        let input = self.read_padded(step.inputs[0], padding, few && groups == 1)?;
        let target = self.make(output)?;
        let weights = self.weights.of(step.params[0]).into();
        let bias = step.params.get(1).map(|&param| self.weights.of(param));
        self.dense(input, target, Dense { window, groups, weights, bias, activation });
        Ok(())
    }

    /// A convolution whose input has a border of at least its padding.
    fn dense(&mut self, input: usize, target: usize, dense: Dense<'a>) {
        let Dense { window, groups, weights, bias, activation } = dense;
        let (from, to) = (self.program.buffers[input], self.program.buffers[target]);
        let (kernel, packed) = if groups > 1 && groups == to.shape.channels && groups == from.shape.channels {
            let depthwise = Depthwise { input: from, output: to, window, activation };
            Kernel::depthwise(depthwise, self.isa, &weights, bias)
        } else {
            let conv = Conv { input: from, output: to, window, groups, activation };
            Kernel::conv(conv, self.isa, weights, bias)
        };
        let weights = Some(self.section(packed));
        self.calls.push(Call { kernel, inputs: vec![input], output: target, weights, step: self.step });
    }

    fn linear(
        &mut self,
        step: &Step,
        output: TensorId,
        bias: bool,
        activation: Activation,
    ) -> Result<(), CompileError> {
        let input = self.read(step.inputs[0]);
        let target = self.make(output)?;
        let (from, to) = (self.program.buffers[input], self.program.buffers[target]);
        let conv = Conv { input: from, output: to, window: whole(from.shape), groups: 1, activation };
        let bias = bias.then(|| self.weights.of(step.params[1]));
        let (kernel, packed) = Kernel::conv(conv, self.isa, self.weights.of(step.params[0]).into(), bias);
        let weights = Some(self.section(packed));
        self.calls.push(Call { kernel, inputs: vec![input], output: target, weights, step: self.step });
        Ok(())
    }

    fn pool(&mut self, step: &Step, output: TensorId, window: Window, reduce: Reduce) -> Result<(), CompileError> {
        let input = self.read(step.inputs[0]);
        let target = self.make(output)?;
        let (from, to) = (self.program.buffers[input], self.program.buffers[target]);
        let kernel = Kernel::Pool(Pool::new(from, to, window, reduce));
        self.calls.push(Call { kernel, inputs: vec![input], output: target, weights: None, step: self.step });
        Ok(())
    }

    /// How the output of a step is held.
    fn view(&self, tensor: TensorId) -> View {
        let border = if self.border.has(tensor) { 0 } else { self.uses.padding[tensor.index()] };
        View { border, ..View::plain(self.graph.step(tensor).shape) }
    }

    /// A new buffer for a tensor that is computed now, its border cleared.
    fn make(&mut self, tensor: TensorId) -> Result<usize, CompileError> {
        let buffer = self.add(self.view(tensor))?;
        self.program.buffer_of[tensor.index()] = Some(buffer);
        self.clear(buffer);
        Ok(buffer)
    }

    fn clear(&mut self, buffer: usize) {
        let view = self.program.buffers[buffer];
        if view.border > 0 {
            self.calls.push(Call {
                kernel: Kernel::Clear(Clear { view }),
                inputs: Vec::new(),
                output: buffer,
                weights: None,
                step: self.step,
            });
        }
    }

    /// The buffer of a tensor that is read now.
    fn read(&mut self, tensor: TensorId) -> usize {
        let buffer = self.buffer(tensor);
        self.program.timeline.touch(buffer);
        buffer
    }

    /// The same with a border of at least `padding`, copied where the tensor's own buffer has none; if `narrow`, the copy is so.
    fn read_padded(&mut self, tensor: TensorId, padding: u32, narrow: bool) -> Result<usize, CompileError> {
        let buffer = self.read(tensor);
        if self.program.buffers[buffer].border >= padding {
            return Ok(buffer);
        }
        let made = self.padded[tensor.index()];
        if let Some(padded) = made.filter(|&padded| self.program.buffers[padded].narrow == narrow) {
            self.program.timeline.touch(padded);
            return Ok(padded);
        }
        let view = View { border: self.uses.padding[tensor.index()], narrow, ..self.program.buffers[buffer] };
        let padded = self.add(view)?;
        self.padded[tensor.index()] = Some(padded);
        self.clear(padded);
        self.copy(buffer, padded, 0);
        Ok(padded)
    }

    fn copy(&mut self, input: usize, output: usize, channel: u32) {
        let copy = Copy::new(self.program.buffers[input], self.program.buffers[output], channel);
        self.calls.push(Call {
            kernel: Kernel::Copy(copy),
            inputs: vec![input],
            output,
            weights: None,
            step: self.step,
        });
    }

    fn add(&mut self, view: View) -> Result<usize, CompileError> {
        if view.len() > MOST_FLOATS {
            return Err(CompileError::Memory { what: "a tensor", bytes: view.len().saturating_mul(4) });
        }
        self.program.buffers.push(view);
        Ok(self.program.timeline.add(4 * view.len()))
    }

    fn section(&mut self, piece: Piece<'a>) -> usize {
        self.program.sections.push(piece.into());
        self.program.sections.len() - 1
    }

    fn buffer(&self, tensor: TensorId) -> usize {
        self.program.buffer_of[tensor.index()].expect("a checked share makes tensors before it uses them")
    }
}

/// A window of the whole image.
fn whole(image: Shape) -> Window {
    Window { rows: Slide::new(image.height, 1, 0), columns: Slide::new(image.width, 1, 0) }
}

fn unsupported(id: TensorId, problem: &str) -> CompileError {
    CompileError::Unsupported { step: id.index(), problem: problem.to_owned() }
}
