//! Tensor graph × seed → weights of a network that nobody has trained.
//!
//! Each parameter draws from a stream of its own, named after it, so that a change in one node leaves the values of all others:
//! - weights of convolutions and linear layers: uniform in ±√(6 / fan-in), He et al. 2015 (arXiv 1502.01852, eq. 10);
//! - biases: uniform in ±0.2;
//! - stored tensors: uniform in 0.5..1.5, so that they can be divided by;
//! - gates under a sigmoid: 0, so that every input enters with σ(0) = 0.5. Of the two widely used ports of RandWire one starts at
//!   0 and the other at 1 (σ(1) ≈ 0.73); at 0 the sigmoid is steepest and no input is preferred. Other gates multiply directly, and
//!   0 would silence the network: they start at the same factor, 0.5;
//! - batch norm: scale uniform in 0.5..1.5, shift in ±0.2, mean in ±0.2·√q, variance in 0.5·q..1.5·q. Fresh statistics of 0 and 1 would
//!   leave nothing to fold, so that a wrong fold would go unseen; these exercise every term. The second moment q is what the values
//!   that arrive are expected to have ([`second_moment`]): stored statistics follow the data in a trained network as well, and
//!   without it, values in a network with many inputs a node would grow beyond f32 within a few dozen nodes.

use cnasc_base::random::{Rng, Seed};
use cnasc_ir::op::{Gate, Op, ParamRole};
use cnasc_ir::tensor::{ParamSpec, Step, TensorGraph};
use cnasc_ir::weights::Weights;

/// Where gates that no sigmoid is applied to start, equal to the sigmoid of those it is applied to.
const OPEN_GATE: f32 = 0.5;
/// The second moment that batch norm with the values above leaves: E[scale²]·E[1/variance]·(1 + E[mean²]) + E[shift²].
const NORMALISED: f64 = 1.22;

/// The second moment of stored tensors: 1 + 1/12.
const CONSTANT: f64 = 1.083;

/// Seeded values for every parameter of a verified graph.
#[must_use]
pub fn random_weights(graph: &TensorGraph, seed: &Seed) -> Weights {
    let seed = seed.child("weights");
    let mut tensors = vec![Vec::new(); graph.params.len()];
    let mut moments: Vec<f64> = Vec::with_capacity(graph.steps.len());
    for step in &graph.steps {
        let arriving: Vec<f64> = step.inputs.iter().map(|input| moments[input.index()]).collect();
        for &id in &step.params {
            let spec = &graph.params[id.index()];
            let moment = arriving.first().copied().unwrap_or(1.0);
            tensors[id.index()] = values(step, spec, moment, &mut seed.child(&spec.name).rng());
        }
        moments.push(second_moment(&step.op, &arriving));
    }
    Weights { tensors }
}

fn values(step: &Step, spec: &ParamSpec, moment: f64, rng: &mut Rng) -> Vec<f32> {
    let (low, high) = match spec.role {
        ParamRole::Weight => {
            let fan_in: f64 = spec.extents[1..].iter().map(|&extent| f64::from(extent)).product();
            let bound = (6.0 / fan_in).sqrt();
            (-bound, bound)
        }
        ParamRole::Bias | ParamRole::Shift => (-0.2, 0.2),
        ParamRole::Gate => return vec![gate(&step.op); count(spec)],
        ParamRole::Scale | ParamRole::Constant => (0.5, 1.5),
        ParamRole::Mean => (-0.2 * moment.sqrt(), 0.2 * moment.sqrt()),
        ParamRole::Variance => (0.5 * moment, 1.5 * moment),
    };
    (0..count(spec)).map(|_| (low + (high - low) * rng.unit()) as f32).collect()
}

fn count(spec: &ParamSpec) -> usize {
    usize::try_from(spec.elements()).expect("parameters that fit the memory have a size")
}

fn gate(op: &Op) -> f32 {
    if *op == (Op::WeightedSum { gate: Gate::SigmoidWeights }) { 0.0 } else { OPEN_GATE }
}

/// An estimate of the mean square of what an operator makes, for inputs of these. Joined inputs count as equal to each other, which is
/// the most that their sum can have: values may become smaller than estimated but do not grow from node to node.
fn second_moment(op: &Op, inputs: &[f64]) -> f64 {
    let amplitudes: f64 = inputs.iter().map(|moment| moment.sqrt()).sum();
    let count = inputs.len() as f64;
    let square = |amplitude: f64| amplitude * amplitude;
    let first = inputs.first().copied().unwrap_or(1.0);
    match *op {
        Op::WeightedSum { gate: Gate::SigmoidInputs } => square(f64::from(OPEN_GATE) * count),
        Op::WeightedSum { .. } => square(f64::from(OPEN_GATE) * amplitudes),
        Op::Sum => square(amplitudes),
        Op::Mean => square(amplitudes / count),
        Op::Concat { .. } => inputs.iter().sum::<f64>() / count,
        Op::Relu | Op::HardSwish => first / 2.0,
        Op::Clip { min, max } => (first / 2.0).min(f64::from(min.abs().max(max.abs())).powi(2)),
        Op::LeakyRelu { slope } => first * (1.0 + f64::from(slope).powi(2)) / 2.0,
        Op::Sigmoid | Op::HardSigmoid { .. } | Op::Softmax { .. } => 1.0,
        Op::Lrn { beta, bias, .. } => first / libm::pow(f64::from(bias), 2.0 * f64::from(beta)),
        Op::Add | Op::Sub => square(amplitudes),
        Op::Mul | Op::MatMul => inputs.iter().product(),
        // Divisors are taken for ones: what they are is not known from their squares.
        Op::Div => first,
        Op::Constant { .. } => CONSTANT,
        // He's weights have a variance of 2 / fan-in, to make up for a ReLU before them.
        Op::Conv { .. } | Op::ConvTranspose { .. } | Op::Linear { .. } => 2.0 * first,
        Op::BatchNorm => NORMALISED,
        Op::Reduce(_)
        | Op::Resize(_)
        | Op::Scale { .. }
        | Op::Input
        | Op::MaxPool { .. }
        | Op::AvgPool { .. }
        | Op::GlobalAvg => first,
        // Only elements in other places.
        Op::Slice(_) | Op::Pad(_) | Op::Transpose(_) | Op::Reshape(_) => first,
    }
}
