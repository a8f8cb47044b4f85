//! The values of a tensor graph's parameters.

use crate::tensor::{ParamId, TensorGraph};

/// One tensor a parameter, in the order of [`TensorGraph::params`], row-major.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Weights {
    /// The values.
    pub tensors: Vec<Vec<f32>>,
}

impl Weights {
    /// The values of `id`.
    #[must_use]
    pub fn of(&self, id: ParamId) -> &[f32] {
        &self.tensors[id.index()]
    }

    /// Whether there is one tensor of the right size for each parameter.
    #[must_use]
    pub fn fits(&self, graph: &TensorGraph) -> bool {
        self.tensors.len() == graph.params.len()
            && self.tensors.iter().zip(&graph.params).all(|(values, spec)| values.len() as u64 == spec.elements())
    }
}
