//! Where training begins: graph × seed → weights.
//!
//! Weights of convolutions and linear layers are uniform in ±√(6 / fan-in), He et al., arXiv 1502.01852, eq. 10; biases 0; batch norms
//! change nothing; gates let half through ([`Gate::SigmoidWeights`] of 0, others 0.5). Each parameter draws from a stream of its own.

use cnasc_base::Seed;
use cnasc_ir::op::{Gate, Op, ParamRole};
use cnasc_ir::{TensorGraph, Weights};

/// Values of every parameter of a verified graph.
#[must_use]
pub fn initial_weights(graph: &TensorGraph, seed: u64) -> Weights {
    let seed = Seed::new(seed).child("training weights");
    let mut tensors = vec![Vec::new(); graph.params.len()];
    for step in &graph.steps {
        for &id in &step.params {
            let spec = &graph.params[id.index()];
            let count = spec.elements() as usize;
            tensors[id.index()] = match spec.role {
                ParamRole::Weight => {
                    let fan_in: f64 = spec.extents[1..].iter().map(|&extent| f64::from(extent)).product();
                    let bound = (6.0 / fan_in).sqrt();
                    let mut rng = seed.child(&spec.name).rng();
                    (0..count).map(|_| (bound * (2.0 * rng.unit() - 1.0)) as f32).collect()
                }
                ParamRole::Gate if step.op != (Op::WeightedSum { gate: Gate::SigmoidWeights }) => vec![0.5; count],
                ParamRole::Scale | ParamRole::Variance | ParamRole::Constant => vec![1.0; count],
                ParamRole::Gate | ParamRole::Bias | ParamRole::Shift | ParamRole::Mean => vec![0.0; count],
            };
        }
    }
    Weights { tensors }
}
