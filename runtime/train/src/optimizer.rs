//! Gradients → changed weights, with what is remembered of earlier gradients.

use crate::network::is_learnt;
use cnasc_ir::op::ParamRole;
use cnasc_ir::{TensorGraph, Weights};

/// How weights follow gradients.
#[derive(Debug, Clone, PartialEq)]
pub enum Optimizer {
    /// v ← momentum·v + g, w ← w − rate·v; decay is added to the gradient.
    Sgd {
        /// Share of v that stays.
        momentum: f32,
    },
    /// Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019: means of gradients (β = 0.9) and of their squares
    /// (β = 0.999), each divided by what it lacks of whole at first; decay is taken off the weights apart.
    AdamW,
}

const BETAS: [f32; 2] = [0.9, 0.999];
const TINY: f32 = 1e-8;

/// What is remembered, by parameter: SGD's velocity, or AdamW's means; empty where a parameter has none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Memory {
    /// Of gradients.
    pub first: Vec<Vec<f32>>,
    /// Of their squares.
    pub second: Vec<Vec<f32>>,
}

impl Optimizer {
    /// Nothing remembered yet.
    #[must_use]
    pub fn memory(&self, graph: &TensorGraph) -> Memory {
        let zeros = |wanted: bool| {
            let params = graph.params.iter();
            let len =
                |spec: &cnasc_ir::tensor::ParamSpec| if wanted && is_learnt(spec.role) { spec.elements() } else { 0 };
            params.map(|spec| vec![0.0; len(spec) as usize]).collect()
        };
        Memory { first: zeros(true), second: zeros(*self == Self::AdamW) }
    }

    /// One step at `rate`; `step` counts from 0. Weights of convolutions and linear layers decay, norms, biases and gates don't; statistics
    /// become what the gradients say.
    pub fn apply(
        &self,
        graph: &TensorGraph,
        weights: &mut Weights,
        memory: &mut Memory,
        gradients: &[Vec<f32>],
        (rate, decay, step): (f32, f32, u64),
    ) {
        for (index, spec) in graph.params.iter().enumerate() {
            let (weights, gradients) = (&mut weights.tensors[index], &gradients[index]);
            let decay = if spec.role == ParamRole::Weight { decay } else { 0.0 };
            let (first, second) = (&mut memory.first[index], &mut memory.second[index]);
            match *self {
                _ if !spec.role.is_trained() => weights.clone_from(gradients),
                _ if !is_learnt(spec.role) => {}
                Self::Sgd { momentum } => {
                    for ((weight, gradient), velocity) in weights.iter_mut().zip(gradients).zip(first) {
                        *velocity = momentum * *velocity + gradient + decay * *weight;
                        *weight -= rate * *velocity;
                    }
                }
                Self::AdamW => {
                    let lacks = BETAS.map(|beta| 1.0 - libm::pow(f64::from(beta), step as f64 + 1.0) as f32);
                    let memory = first.iter_mut().zip(second);
                    for ((weight, gradient), (mean, square)) in weights.iter_mut().zip(gradients).zip(memory) {
                        *mean += (1.0 - BETAS[0]) * (gradient - *mean);
                        *square += (1.0 - BETAS[1]) * (gradient * gradient - *square);
                        let way = *mean / lacks[0] / ((*square / lacks[1]).sqrt() + TINY);
                        *weight -= rate * (way + decay * *weight);
                    }
                }
            }
        }
    }
}

/// Scales gradients down to this length together, where they are longer; statistics are none.
pub fn clip(graph: &TensorGraph, gradients: &mut [Vec<f32>], most: f32) {
    let learnt = |index: usize| is_learnt(graph.params[index].role);
    let squares = gradients.iter().enumerate().filter(|(index, _)| learnt(*index));
    let length =
        squares.flat_map(|(_, values)| values).map(|&value| f64::from(value) * f64::from(value)).sum::<f64>().sqrt();
    if length > f64::from(most) {
        let factor = (f64::from(most) / length) as f32;
        for (_, values) in gradients.iter_mut().enumerate().filter(|(index, _)| learnt(*index)) {
            values.iter_mut().for_each(|value| *value *= factor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnasc_ir::tensor::ParamSpec;

    fn graph(roles: &[ParamRole]) -> TensorGraph {
        let spec = |&role| ParamSpec { name: String::new(), role, extents: vec![1] };
        TensorGraph { steps: Vec::new(), params: roles.iter().map(spec).collect(), nodes: 0 }
    }

    fn steps(optimizer: &Optimizer, role: ParamRole, gradients: &[f32], decay: f32) -> f32 {
        let graph = graph(&[role]);
        let mut weights = Weights { tensors: vec![vec![1.0]] };
        let mut memory = optimizer.memory(&graph);
        for (step, &gradient) in gradients.iter().enumerate() {
            optimizer.apply(&graph, &mut weights, &mut memory, &[vec![gradient]], (0.1, decay, step as u64));
        }
        weights.tensors[0][0]
    }

    #[test]
    fn momentum_adds_up() {
        let sgd = Optimizer::Sgd { momentum: 0.5 };
        // Velocities 1 and 1.5.
        assert!((steps(&sgd, ParamRole::Weight, &[1.0, 1.0], 0.0) - 0.75).abs() < 1e-6);
    }

    #[test]
    fn only_weights_decay() {
        for optimizer in [Optimizer::Sgd { momentum: 0.9 }, Optimizer::AdamW] {
            assert!((steps(&optimizer, ParamRole::Weight, &[0.0], 0.5) - 0.95).abs() < 1e-6);
            for role in [ParamRole::Scale, ParamRole::Shift, ParamRole::Bias, ParamRole::Gate] {
                assert!((steps(&optimizer, role, &[0.0], 0.5) - 1.0).abs() < 1e-6);
            }
            assert_eq!(steps(&optimizer, ParamRole::Mean, &[7.0], 0.5), 7.0, "statistics are set");
            assert_eq!(steps(&optimizer, ParamRole::Constant, &[7.0], 0.5), 1.0, "constants stay");
        }
    }

    #[test]
    fn the_first_step_of_adam_has_the_length_of_the_rate() {
        for gradient in [1e-3, 1.0, 1e3] {
            assert!((steps(&Optimizer::AdamW, ParamRole::Weight, &[gradient], 0.0) - 0.9).abs() < 1e-4);
        }
    }

    #[test]
    fn clipping_keeps_the_direction() {
        let graph = graph(&[ParamRole::Weight, ParamRole::Bias, ParamRole::Mean]);
        let mut gradients = vec![vec![3.0], vec![4.0], vec![100.0]];
        clip(&graph, &mut gradients, 10.0);
        assert_eq!(gradients, [[3.0], [4.0], [100.0]], "short enough");
        clip(&graph, &mut gradients, 1.0);
        let near = |a: f32, b: f32| (a - b).abs() < 1e-6;
        assert!(near(gradients[0][0], 0.6) && near(gradients[1][0], 0.8) && gradients[2][0] == 100.0);
    }
}
