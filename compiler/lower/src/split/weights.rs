//! Weights of a network → those of the same network in parts.

use cnasc_ir::architecture::NodeId;
use cnasc_ir::op::ParamRole;
use cnasc_ir::split::{Origin, Split};
use cnasc_ir::tensor::{ParamId, TensorGraph};
use cnasc_ir::weights::Weights;

/// The values of every parameter of `parts`, lowered from `split`, out of `weights` of `graph`, lowered from the whole network; neither
/// is folded.
///
/// # Panics
/// Where the graphs are not those two, or the weights do not fit.
#[must_use]
pub fn cut_weights(graph: &TensorGraph, weights: &Weights, split: &Split, parts: &TensorGraph) -> Weights {
    assert!(weights.fits(graph), "weights are checked against their graph where they are read");
    let (from, to) = (steps_of(graph), steps_of(parts));
    let mut tensors = vec![Vec::new(); parts.params.len()];
    for (piece, steps) in split.pieces.iter().zip(&to) {
        for (origin, &step) in piece.origins.iter().zip(steps) {
            let Some(origin) = origin else { continue };
            let whole = &graph.steps[from[origin.node.index()][origin.operator]].params;
            for (&whole, part) in whole.iter().zip(&parts.steps[step].params) {
                tensors[part.index()] = cut(graph, weights, whole, origin);
            }
        }
    }
    let cut = Weights { tensors };
    assert!(cut.fits(parts), "each operator of a part has its range of an operator of the whole");
    cut
}

/// For each node its steps, in order.
fn steps_of(graph: &TensorGraph) -> Vec<Vec<usize>> {
    let mut steps = vec![Vec::new(); NodeId(graph.nodes).index()];
    for (index, step) in graph.steps.iter().enumerate() {
        steps[step.node.index()].push(index);
    }
    steps
}

/// The outermost extent of every parameter is the output channels, but for the gates of a sum.
fn cut(graph: &TensorGraph, weights: &Weights, id: ParamId, origin: &Origin) -> Vec<f32> {
    let (spec, values) = (&graph.params[id.index()], weights.of(id));
    match &origin.channels {
        Some(range) if spec.role != ParamRole::Gate => {
            let row = values.len() / spec.extents[0] as usize;
            values[range.start as usize * row..range.end as usize * row].to_vec()
        }
        _ => values.to_vec(),
    }
}
