//! The oracle: every operator as plain loops over plain (channel, row, column) order, summed in one fixed order.
//!
//! Tensor graph × weights × share → an [`Executable`] that other backends are compared with. It also runs graphs that are not
//! folded. Each tensor has its own memory; those at the border of the share are kept in blocked order beside it.

mod layout;
mod ops;

use crate::check::{Border, check};
use crate::{CompileError, Executable, Memory};
use cnasc_bundle::layout::{len, to_blocked, to_plain};
use cnasc_bundle::{Action, Share};
use cnasc_ir::{Shape, TensorGraph, TensorId, Weights};

/// A share as a list of operators with their own copy of the weights.
#[derive(Debug)]
pub struct Reference {
    graph: TensorGraph,
    weights: Weights,
    actions: Vec<Option<Compute>>,
    /// By tensor; empty where the share has none.
    plain: Vec<Vec<f32>>,
    /// By tensor; empty where it is not at the border.
    blocked: Vec<Vec<f32>>,
}

/// One compute action, with the exchange of layouts around it.
#[derive(Debug)]
struct Compute {
    steps: Vec<TensorId>,
    /// Written by others, read here: to be made plain first.
    imports: Vec<TensorId>,
    /// Made here, read by others: to be blocked afterwards.
    exports: Vec<TensorId>,
}

/// Prepares `share` of `graph`.
///
/// # Errors
/// Where the parts don't fit each other.
pub fn compile(graph: &TensorGraph, weights: &Weights, share: &Share) -> Result<Reference, CompileError> {
    let border = check(graph, weights, share)?;
    let actions = share.actions.iter().map(|action| match action {
        Action::Compute { steps } => Some(compute(graph, &border, steps)),
        Action::Receive { .. } | Action::Send { .. } => None,
    });
    let actions: Vec<Option<Compute>> = actions.collect();
    let mut plain = vec![Vec::new(); graph.steps.len()];
    for id in actions.iter().flatten().flat_map(|compute| compute.steps.iter().chain(&compute.imports)) {
        let shape = graph.step(*id).shape;
        plain[id.index()] = zeros(shape.elements())?;
    }
    let mut blocked = vec![Vec::new(); graph.steps.len()];
    for id in border.ids() {
        blocked[id.index()] = zeros(len(graph.step(id).shape) as u64)?;
    }
    Ok(Reference { graph: graph.clone(), weights: weights.clone(), actions, plain, blocked })
}

fn compute(graph: &TensorGraph, border: &Border, steps: &[TensorId]) -> Compute {
    let mut imports: Vec<TensorId> = Vec::new();
    for &input in steps.iter().flat_map(|&step| &graph.step(step).inputs) {
        if border.has(input) && !steps.contains(&input) && !imports.contains(&input) {
            imports.push(input);
        }
    }
    let exports = steps.iter().copied().filter(|&step| border.has(step)).collect();
    Compute { steps: steps.to_vec(), imports, exports }
}

fn zeros(elements: u64) -> Result<Vec<f32>, CompileError> {
    let failed = || CompileError::Memory { what: "a tensor", bytes: elements.saturating_mul(4) };
    let count = usize::try_from(elements).map_err(|_| failed())?;
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|_| failed())?;
    values.resize(count, 0.0);
    Ok(values)
}

impl Reference {
    /// The values of any tensor of the share in plain order; empty where the share has none of it.
    #[must_use]
    pub fn plain(&self, id: TensorId) -> &[f32] {
        &self.plain[id.index()]
    }

    fn shape(&self, id: TensorId) -> Shape {
        self.graph.step(id).shape
    }

    fn step(&mut self, id: TensorId) {
        let step = self.graph.step(id);
        // Taken out while it is written, so that the inputs can be borrowed beside it.
        let mut output = std::mem::take(&mut self.plain[id.index()]);
        let operands =
            ops::Operands { graph: &self.graph, weights: &self.weights, tensors: &self.plain, step, shape: step.shape };
        operands.apply(&mut output);
        self.plain[id.index()] = output;
    }
}

impl Executable for Reference {
    fn run(&mut self, action: usize) {
        // Taken out for the same reason; an action that is not a computation does nothing.
        let Some(compute) = self.actions[action].take() else { return };
        for &id in &compute.imports {
            to_plain(self.shape(id), &self.blocked[id.index()], &mut self.plain[id.index()]);
        }
        for &id in &compute.steps {
            self.step(id);
        }
        for &id in &compute.exports {
            to_blocked(self.shape(id), &self.plain[id.index()], &mut self.blocked[id.index()]);
        }
        self.actions[action] = Some(compute);
    }

    fn tensor(&self, id: TensorId) -> &[f32] {
        let values = &self.blocked[id.index()];
        assert!(!values.is_empty(), "tensor {} is not at the border of the share", id.0);
        values
    }

    fn tensor_mut(&mut self, id: TensorId) -> &mut [f32] {
        let values = &mut self.blocked[id.index()];
        assert!(!values.is_empty(), "tensor {} is not at the border of the share", id.0);
        values
    }

    fn memory(&self) -> Memory {
        let bytes = |tensors: &[Vec<f32>]| tensors.iter().map(|values| 4 * values.len() as u64).sum::<u64>();
        Memory { arena: bytes(&self.plain) + bytes(&self.blocked), weights: bytes(&self.weights.tensors), code: 0 }
    }
}
