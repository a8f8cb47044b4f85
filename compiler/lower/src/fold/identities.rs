//! Sums, means and concatenations of one input go, where their node has another step to make its output.

use super::{Pass, rewrite};
use cnasc_ir::op::Op;
use cnasc_ir::tensor::{TensorGraph, TensorId};
use cnasc_ir::weights::Weights;

pub(super) const PASS: Pass = Pass { name: "identities", about: "takes out steps that hand their only input on", run };

fn run(graph: &mut TensorGraph, _: &mut Weights) {
    let outputs = graph.node_outputs();
    let mut readers = rewrite::readers(graph);
    let mut kept = vec![true; graph.steps.len()];
    // What is read in the place of each tensor.
    let mut instead: Vec<TensorId> = graph.ids().collect();
    for id in graph.ids() {
        for input in &mut graph.steps[id.index()].inputs {
            *input = instead[input.index()];
        }
        let step = graph.step(id);
        let (Op::Sum | Op::Mean | Op::Concat { .. }, &[input]) = (&step.op, step.inputs.as_slice()) else { continue };
        if outputs[step.node.index()] != id {
            instead[id.index()] = input;
            readers[input.index()] += readers[id.index()];
            readers[input.index()] -= 1;
            kept[id.index()] = false;
            continue;
        }
        let before = graph.step(input);
        let movable = before.node == step.node && before.op != Op::Input && readers[input.index()] == 1;
        if movable {
            // The step before moves here, because a node's last step is where others look for its output.
            graph.steps[id.index()] = before.clone();
            kept[input.index()] = false;
        }
    }
    rewrite::retain(graph, &kept);
}
