//! Shares as calls of the tensor library burn: tensor graph × weights × [`Share`] → [`Executable`].
//!
//! Tensors at the border of a share have the blocked bytes of [`cnasc_bundle::layout`]; between, they are burn tensors of the
//! extents (1, channels, rows, columns) on burn's device, so that layouts are exchanged at the border and nowhere else. A tensor
//! is given up at its last use, in time for burn to write a result over it.
//!
//! burn computes on the CPU, with its `flex` backend and on the thread that calls it; with the cargo feature `wgpu` or `cuda` on
//! the first GPU of that kind.

mod device;
mod image;
mod movement;
mod operator;

#[cfg(test)]
mod tests;

// What the tests of `cnasc-kernels`, which are run here too, expect at the top.
#[cfg(test)]
use cnasc_kernels::reference;

use burn_tensor::{Device, Tensor, TensorData};
use cnasc_bundle::{Action, Share, layout};
use cnasc_ir::{Shape, TensorGraph, TensorId, Weights};
use cnasc_kernels::check::{self, Border};
use cnasc_kernels::memory::{Timeline, least};
use cnasc_kernels::{CompileError, Executable, Memory};
use operator::{Loader, Operator};

/// Prepares `share` of `graph`, whatever backend the share names.
///
/// # Errors
/// Where the parts don't fit each other, there is no device or not enough memory, or burn has no call for an operator.
pub fn compile(graph: &TensorGraph, weights: &Weights, share: &Share) -> Result<Box<dyn Executable>, CompileError> {
    let border = check::check(graph, weights, share)?;
    let last = last_uses(graph, share);
    let between = peak(graph, share);
    reserve::<u8>(between, "what lies between the operators")?;
    let mut blocked = vec![Vec::new(); graph.steps.len()];
    for id in border.ids() {
        let len = layout::len(graph.step(id).shape);
        blocked[id.index()] = reserve(len as u64, "a tensor")?;
        blocked[id.index()].resize(len, 0.0);
    }
    let mut loader = Loader::new(weights, device::choose()?);
    let mut actions = Vec::with_capacity(share.actions.len());
    for action in &share.actions {
        let mut steps = Vec::new();
        if let Action::Compute { steps: ids } = action {
            for &id in ids {
                steps.push(prepare(graph, id, &border, &last, &mut loader)?);
            }
        }
        actions.push(steps);
    }
    let border_bytes: u64 = blocked.iter().map(|values: &Vec<f32>| 4 * values.len() as u64).sum();
    let memory = Memory { arena: between + border_bytes, weights: loader.bytes, code: 0 };
    let shapes = graph.steps.iter().map(|step| step.shape).collect();
    let tensors = vec![None; graph.steps.len()];
    Ok(Box::new(Burn { device: loader.device, shapes, actions, blocked, tensors, memory }))
}

/// A share that is ready to be executed.
struct Burn {
    device: Device,
    /// By tensor.
    shapes: Vec<Shape>,
    /// By action; nothing for receives and sends.
    actions: Vec<Vec<Step>>,
    /// By tensor; empty where it is not at the border.
    blocked: Vec<Vec<f32>>,
    /// By tensor: its values, from when it is made or first used until its last use.
    tensors: Vec<Option<Tensor<4>>>,
    memory: Memory,
}

/// One operator with its place in the share.
struct Step {
    operator: Operator,
    /// What it reads, and whether nothing reads that afterwards.
    inputs: Vec<(TensorId, bool)>,
    output: TensorId,
    /// Whether others read the output.
    exported: bool,
    /// Whether a later step of the share reads it.
    kept: bool,
}

fn prepare(
    graph: &TensorGraph,
    id: TensorId,
    border: &Border,
    last: &[Option<TensorId>],
    loader: &mut Loader,
) -> Result<Step, CompileError> {
    let step = graph.step(id);
    // A tensor that the step takes twice is given up the second time.
    let is_last =
        |place: usize, input: TensorId| last[input.index()] == Some(id) && !step.inputs[place + 1..].contains(&input);
    Ok(Step {
        operator: loader.operator(graph, id)?,
        inputs: step.inputs.iter().enumerate().map(|(place, &input)| (input, is_last(place, input))).collect(),
        output: id,
        exported: border.has(id),
        kept: last[id.index()].is_some(),
    })
}

/// For each tensor the last step of the share that reads it.
fn last_uses(graph: &TensorGraph, share: &Share) -> Vec<Option<TensorId>> {
    let mut last = vec![None; graph.steps.len()];
    for step in computed(share) {
        for input in &graph.step(step).inputs {
            last[input.index()] = Some(step);
        }
    }
    last
}

/// The most bytes of tensors that are there at one time, blocked copies and what burn takes inside an operator not counted.
fn peak(graph: &TensorGraph, share: &Share) -> u64 {
    let mut time = Timeline::default();
    let mut buffers = vec![None; graph.steps.len()];
    for step in computed(share) {
        for &id in graph.step(step).inputs.iter().chain([&step]) {
            let buffer = *buffers[id.index()].get_or_insert_with(|| time.add(4 * graph.step(id).shape.elements()));
            time.touch(buffer);
        }
        time.tick();
    }
    least(time.items())
}

/// The steps that a share computes, in order.
fn computed(share: &Share) -> impl Iterator<Item = TensorId> + '_ {
    let steps = share.actions.iter().filter_map(|action| match action {
        Action::Compute { steps } => Some(steps),
        Action::Receive { .. } | Action::Send { .. } => None,
    });
    steps.flatten().copied()
}

/// Room for so many values; an error where it can't be had.
fn reserve<T>(count: u64, what: &'static str) -> Result<Vec<T>, CompileError> {
    let failed = || CompileError::Memory { what, bytes: count.saturating_mul(size_of::<T>() as u64) };
    let mut values = Vec::new();
    values.try_reserve_exact(usize::try_from(count).map_err(|_| failed())?).map_err(|_| failed())?;
    Ok(values)
}

impl Burn {
    fn step(&mut self, step: &Step) {
        let inputs = step.inputs.iter().map(|&(id, is_last)| self.input(id, is_last)).collect();
        let output = step.operator.apply(inputs);
        if step.exported {
            self.export(step.output, output.clone());
        }
        self.tensors[step.output.index()] = step.kept.then_some(output);
    }

    /// A tensor that a step reads; one of another device comes from the border at its first use.
    fn input(&mut self, id: TensorId, is_last: bool) -> Tensor<4> {
        let tensor = self.tensors[id.index()].take().unwrap_or_else(|| self.import(id));
        if !is_last {
            self.tensors[id.index()] = Some(tensor.clone());
        }
        tensor
    }

    fn import(&self, id: TensorId) -> Tensor<4> {
        let shape = self.shapes[id.index()];
        let mut plain = vec![0.0; shape.elements() as usize];
        layout::to_plain(shape, &self.blocked[id.index()], &mut plain);
        Tensor::from_data(TensorData::new(plain, operator::extents(shape)), &self.device)
    }

    fn export(&mut self, id: TensorId, tensor: Tensor<4>) {
        let data = tensor.into_data();
        let plain = data.as_slice().expect("a tensor of single precision, as all are made");
        layout::to_blocked(self.shapes[id.index()], plain, &mut self.blocked[id.index()]);
    }
}

impl Executable for Burn {
    fn run(&mut self, action: usize) {
        // Taken out, so that the tensors can be changed beside it.
        let steps = std::mem::take(&mut self.actions[action]);
        steps.iter().for_each(|step| self.step(step));
        self.actions[action] = steps;
    }

    fn tensor(&self, id: TensorId) -> &[f32] {
        let values = &self.blocked[id.index()];
        assert!(!values.is_empty(), "tensor {} is not at the border of the share", id.0);
        values
    }

    fn tensor_mut(&mut self, id: TensorId) -> &mut [f32] {
        // What an inference that was given up has left behind.
        self.tensors[id.index()] = None;
        let values = &mut self.blocked[id.index()];
        assert!(!values.is_empty(), "tensor {} is not at the border of the share", id.0);
        values
    }

    fn memory(&self) -> Memory {
        self.memory
    }
}
