//! Batch norm moves into the convolution or linear layer before it: w′ = f·w and b′ = f·(b − mean) + shift, per output channel, with
//! f = scale / √(variance + ε).

use super::{Pass, rewrite};
use cnasc_ir::op::{BATCH_NORM_EPSILON, Op, ParamRole};
use cnasc_ir::tensor::{ParamId, ParamSpec, Step, TensorGraph};
use cnasc_ir::weights::Weights;

pub(super) const PASS: Pass = Pass {
    name: "batch-norm",
    about: "moves batch norm into the convolution or linear layer before it in the node",
    run,
};

fn run(graph: &mut TensorGraph, weights: &mut Weights) {
    let readers = rewrite::readers(graph);
    let mut kept = vec![true; graph.steps.len()];
    let shared = shared(graph);
    for index in 0..graph.steps.len() {
        let step = &graph.steps[index];
        let (Op::BatchNorm, &[input]) = (&step.op, step.inputs.as_slice()) else { continue };
        // A producer in another node is that node's output, which must stay as it is.
        if readers[input.index()] != 1 || graph.step(input).node != step.node {
            continue;
        }
        let Some(op) = with_bias(&graph.step(input).op) else { continue };
        let params = fold_params(graph, weights, &shared, [index, input.index()]);
        // Takes the place of the batch norm, because that one may be the output of the node.
        let Step { inputs, .. } = graph.step(input).clone();
        let step = &mut graph.steps[index];
        (step.op, step.inputs, step.params) = (op, inputs, params);
        kept[input.index()] = false;
    }
    rewrite::retain(graph, &kept);
}

fn with_bias(op: &Op) -> Option<Op> {
    match *op {
        Op::Conv { window, groups, channels, .. } => Some(Op::Conv { window, groups, channels, bias: true }),
        Op::Linear { outputs, .. } => Some(Op::Linear { outputs, bias: true }),
        _ => None,
    }
}

/// By parameter, whether several steps read it.
fn shared(graph: &TensorGraph) -> Vec<bool> {
    let (mut read, mut shared) = (vec![false; graph.params.len()], vec![false; graph.params.len()]);
    for id in graph.steps.iter().flat_map(|step| &step.params) {
        shared[id.index()] = read[id.index()];
        read[id.index()] = true;
    }
    shared
}

/// The weight and bias that the layer at the second place has with the batch norm at the first in it.
fn fold_params(
    graph: &mut TensorGraph,
    weights: &mut Weights,
    shared: &[bool],
    [norm, layer]: [usize; 2],
) -> Vec<ParamId> {
    let affine = affine(weights, &graph.steps[norm].params);
    let old = graph.steps[layer].params.clone();
    let spec = graph.params[old[0].index()].clone();
    // What came of folding another batch norm is read here alone.
    let is_shared = shared.get(old[0].index()).copied().unwrap_or(false);
    let mut weight = values(graph, weights, old[0], is_shared);
    let row = weight.len() / affine.len();
    for (row, map) in weight.chunks_mut(row).zip(&affine) {
        row.iter_mut().for_each(|weight| *weight = (f64::from(*weight) * map.factor) as f32);
    }
    let before = |channel: usize| old.get(1).map_or(0.0, |&bias| f64::from(weights.of(bias)[channel]));
    let bias = affine.iter().enumerate().map(|(channel, map)| map.of(before(channel)) as f32).collect();
    let bias_spec = bias_spec(&spec);
    vec![rewrite::add(graph, weights, spec, weight), rewrite::add(graph, weights, bias_spec, bias)]
}

/// The values of a parameter; of one that nobody else reads they are taken, since weights are most of what a program holds, and a single
/// number stands for them until the parameter goes.
fn values(graph: &mut TensorGraph, weights: &mut Weights, id: ParamId, shared: bool) -> Vec<f32> {
    if shared {
        return weights.of(id).to_vec();
    }
    graph.params[id.index()].extents = vec![1];
    std::mem::replace(&mut weights.tensors[id.index()], vec![0.0])
}

/// The bias that stands beside a weight of these extents.
pub(super) fn bias_spec(weight: &ParamSpec) -> ParamSpec {
    let name = rewrite::sibling(&weight.name, ParamRole::Bias);
    ParamSpec { name, role: ParamRole::Bias, extents: vec![weight.extents[0]] }
}

/// What batch norm does to the values of one channel: x → factor·x + summand.
pub(super) struct Affine {
    pub(super) factor: f64,
    pub(super) summand: f64,
}

impl Affine {
    fn of(&self, value: f64) -> f64 {
        self.factor * value + self.summand
    }
}

/// What batch norm with these parameters does, by channel.
pub(super) fn affine(weights: &Weights, params: &[ParamId]) -> Vec<Affine> {
    let [scale, shift, mean, variance] = [0, 1, 2, 3].map(|index| weights.of(params[index]));
    let channel = |index: usize| {
        let [scale, shift, mean, variance] = [scale, shift, mean, variance].map(|values| f64::from(values[index]));
        let factor = scale / (variance + f64::from(BATCH_NORM_EPSILON)).sqrt();
        Affine { factor, summand: shift - mean * factor }
    };
    (0..scale.len()).map(channel).collect()
}
