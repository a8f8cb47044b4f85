//! What the passes share: who reads a tensor, new parameters, and taking steps out.

use cnasc_ir::op::ParamRole;
use cnasc_ir::tensor::{ParamId, ParamSpec, TensorGraph, TensorId};
use cnasc_ir::weights::Weights;

/// For each tensor how many inputs of steps it is.
pub fn readers(graph: &TensorGraph) -> Vec<usize> {
    let mut readers = vec![0; graph.steps.len()];
    for input in graph.steps.iter().flat_map(|step| &step.inputs) {
        readers[input.index()] += 1;
    }
    readers
}

/// Takes out the steps that are not kept; none of those kept may read them.
pub fn retain(graph: &mut TensorGraph, kept: &[bool]) {
    let mut renumbered = Vec::with_capacity(kept.len());
    let mut next = 0;
    for &keep in kept {
        renumbered.push(TensorId::new(next));
        next += usize::from(keep);
    }
    let mut keep = kept.iter();
    graph.steps.retain(|_| keep.next().copied().unwrap_or(true));
    for input in graph.steps.iter_mut().flat_map(|step| &mut step.inputs) {
        *input = renumbered[input.index()];
    }
}

/// Adds a parameter with its values.
pub fn add(graph: &mut TensorGraph, weights: &mut Weights, spec: ParamSpec, values: Vec<f32>) -> ParamId {
    let id = ParamId::new(graph.params.len());
    graph.params.push(spec);
    weights.tensors.push(values);
    id
}

/// The name of the parameter that stands beside `name` in the same operator and has this role.
pub fn sibling(name: &str, role: ParamRole) -> String {
    let operator = name.rsplit_once('.').map_or(name, |(operator, _)| operator);
    format!("{operator}.{}", role.suffix())
}
