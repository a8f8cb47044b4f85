//! A name for every tensor, operator and parameter, each once.

use super::Network;
use cnasc_ir::TensorId;
use std::collections::{BTreeMap, BTreeSet};

/// The names of a network; see the module above for what they look like.
pub(super) struct Names {
    /// For each step its tensor.
    pub(super) tensors: Vec<String>,
    /// For each step its operator.
    pub(super) operators: Vec<String>,
    /// For each parameter.
    pub(super) params: Vec<String>,
    taken: BTreeSet<String>,
}

impl Names {
    pub(super) fn new(network: Network<'_>) -> Self {
        let (graph, nodes) = (network.graph, network.nodes);
        let mut names = Self { tensors: Vec::new(), operators: Vec::new(), params: Vec::new(), taken: BTreeSet::new() };
        // Parameters and nodes first: those are the names that people look for.
        for param in &graph.params {
            let name = names.fresh(&param.name);
            names.params.push(name);
        }
        let node_names: Vec<String> = nodes.iter().map(|node| names.fresh(node)).collect();
        let outputs = graph.node_outputs();
        let mut counts: BTreeMap<(u32, &str), u32> = BTreeMap::new();
        for (index, step) in graph.steps.iter().enumerate() {
            let own = step.params.first().and_then(|id| graph.params[id.index()].name.rsplit_once('.'));
            let wanted = if let Some((operator, _)) = own {
                operator.to_owned()
            } else {
                let count = counts.entry((step.node.0, step.op.name())).or_default();
                *count += 1;
                format!("{}.{}{count}", nodes[step.node.index()], step.op.name())
            };
            let operator = names.fresh(&wanted);
            let is_output = outputs[step.node.index()] == TensorId::new(index);
            let tensor = if is_output { node_names[step.node.index()].clone() } else { operator.clone() };
            names.operators.push(operator);
            names.tensors.push(tensor);
        }
        names
    }

    /// `wanted`, with as many `~` behind it as make it new.
    pub(super) fn fresh(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        while !self.taken.insert(name.clone()) {
            name.push('~');
        }
        name
    }
}
