//! Parameters that no step reads go.

use super::Pass;
use cnasc_ir::tensor::{ParamId, TensorGraph};
use cnasc_ir::weights::Weights;

pub(super) const PASS: Pass = Pass { name: "unused", about: "drops parameters that no step reads", run };

fn run(graph: &mut TensorGraph, weights: &mut Weights) {
    let mut used = vec![false; graph.params.len()];
    for id in graph.steps.iter().flat_map(|step| &step.params) {
        used[id.index()] = true;
    }
    let mut renumbered = Vec::with_capacity(used.len());
    let mut next = 0;
    for &keep in &used {
        renumbered.push(ParamId::new(next));
        next += usize::from(keep);
    }
    for id in graph.steps.iter_mut().flat_map(|step| &mut step.params) {
        *id = renumbered[id.index()];
    }
    let (mut specs, mut tensors) = (used.iter(), used.iter());
    graph.params.retain(|_| specs.next().copied().unwrap_or(true));
    weights.tensors.retain(|_| tensors.next().copied().unwrap_or(true));
}
