//! Gates under a sigmoid become plain factors: Σ σ(w)·x → Σ c·x with c = σ(w).

use super::{Pass, rewrite};
use cnasc_ir::op::{Gate, Op};
use cnasc_ir::tensor::TensorGraph;
use cnasc_ir::weights::Weights;

pub(super) const PASS: Pass = Pass { name: "gates", about: "computes the sigmoid of the gates of weighted sums", run };

fn run(graph: &mut TensorGraph, weights: &mut Weights) {
    for index in 0..graph.steps.len() {
        if graph.steps[index].op != (Op::WeightedSum { gate: Gate::SigmoidWeights }) {
            continue;
        }
        let id = graph.steps[index].params[0];
        let constants = weights.of(id).iter().map(|&gate| sigmoid(gate)).collect();
        let spec = graph.params[id.index()].clone();
        // A new parameter, because another step may read the same gates.
        graph.steps[index].params[0] = rewrite::add(graph, weights, spec, constants);
        graph.steps[index].op = Op::WeightedSum { gate: Gate::Plain };
    }
}

fn sigmoid(gate: f32) -> f32 {
    (1.0 / (1.0 + libm::exp(-f64::from(gate)))) as f32
}
