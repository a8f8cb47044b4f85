//! Batch norm that has nothing before it to go into becomes a depthwise 1×1 convolution with bias, so that kernels need not know it.

use super::batch_norm::{affine, bias_spec};
use super::{Pass, rewrite};
use cnasc_ir::op::{Op, ParamRole, Window};
use cnasc_ir::tensor::{ParamSpec, TensorGraph};
use cnasc_ir::weights::Weights;

pub(super) const PASS: Pass =
    Pass { name: "lone-batch-norm", about: "turns the batch norms that are left into depthwise convolutions", run };

fn run(graph: &mut TensorGraph, weights: &mut Weights) {
    for index in 0..graph.steps.len() {
        let step = &graph.steps[index];
        if step.op != Op::BatchNorm {
            continue;
        }
        let channels = step.shape.channels;
        let maps = affine(weights, &step.params);
        let name = rewrite::sibling(&graph.params[step.params[0].index()].name, ParamRole::Weight);
        let spec = ParamSpec { name, role: ParamRole::Weight, extents: vec![channels, 1, 1, 1] };
        let bias = bias_spec(&spec);
        let factors = maps.iter().map(|map| map.factor as f32).collect();
        let summands = maps.iter().map(|map| map.summand as f32).collect();
        let params = vec![rewrite::add(graph, weights, spec, factors), rewrite::add(graph, weights, bias, summands)];
        let step = &mut graph.steps[index];
        step.op = Op::Conv { window: Window::same(1, 1), groups: channels, channels, bias: true };
        step.params = params;
    }
}
