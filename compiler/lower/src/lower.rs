//! Architecture → tensor graph: one step an operator, each with its shape and its named parameters.
//!
//! The steps of a node are the scaling operators of its inputs, input by input, and then its own operators. A node that has
//! neither would only hand its input on; it becomes a sum of one input, so that every node makes a tensor of its own.
//!
//! Parameters are named after the place of their operator: `<node>.<operator><k>.<parameter>` for the node's own operators and
//! `<node>.scale.<producer>.<operator><k>.<parameter>` for those that scale the input from `<producer>`. `<operator>` is
//! [`Op::name`], `<k>` counts the operators of that name in the one pipeline from 1, and `<parameter>` is the role's suffix:
//! `body.3.conv2.weight`, `body.3.scale.stem.conv1.weight`, `body.3.weighted_sum1.gate`. An operator inside a scale has the scale before it:
//! `body.3.scale1.conv2.weight`.

use cnasc_ir::architecture::{Architecture, Join, Node, NodeId, Role};
use cnasc_ir::op::Op;
use cnasc_ir::tensor::{ParamId, ParamSpec, Step, TensorGraph, TensorId};
use std::collections::{BTreeMap, BTreeSet};

/// The operators of a verified architecture; the result passes [`TensorGraph::verify`].
///
/// # Panics
/// Where [`Architecture::verify`] would have refused the architecture.
#[must_use]
pub fn lower(architecture: &Architecture) -> TensorGraph {
    let nodes = NodeId::new(architecture.nodes.len()).0;
    let mut lowering = Lowering {
        architecture,
        graph: TensorGraph { steps: Vec::new(), params: Vec::new(), nodes },
        outputs: Vec::with_capacity(architecture.nodes.len()),
        prefixes: architecture.nodes.iter().map(|node| node.name.clone()).collect(),
    };
    for id in architecture.ids() {
        let output = lowering.node(id);
        lowering.outputs.push(output);
    }
    lowering.graph
}

/// What is known while nodes are lowered in order.
struct Lowering<'a> {
    architecture: &'a Architecture,
    graph: TensorGraph,
    /// The output of each node that is lowered already.
    outputs: Vec<TensorId>,
    /// The beginnings of parameter names that are taken: all node names from the start, then those of scaling blocks and scales.
    prefixes: BTreeSet<String>,
}

impl Lowering<'_> {
    /// Adds the steps of a node and gives its output.
    fn node(&mut self, id: NodeId) -> TensorId {
        let architecture = self.architecture;
        let node = architecture.node(id);
        if node.role == Role::Input {
            let (inputs, params) = (Vec::new(), Vec::new());
            self.graph.steps.push(Step { op: Op::Input, inputs, params, shape: node.shape, node: id });
            return self.graph.output();
        }
        let first_own = self.graph.steps.len();
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for join in &node.inputs {
            inputs.extend(self.join(id, node, join));
        }
        inputs = self.pipeline(id, &node.name, &node.ops, inputs);
        if self.graph.steps.len() == first_own {
            inputs = self.pipeline(id, &node.name, &[Op::Sum], inputs);
        }
        inputs[0]
    }

    /// Adds the scaling block of one input.
    fn join(&mut self, id: NodeId, node: &Node, join: &Join) -> Vec<TensorId> {
        let from = vec![self.outputs[join.from.index()]];
        if join.scale.is_empty() {
            return from;
        }
        let prefix = self.prefix(format!("{}.scale.{}", node.name, self.architecture.node(join.from).name));
        self.pipeline(id, &prefix, &join.scale, from)
    }

    /// A beginning of names that nothing else has. Node names are free text: one may look just like the name of a scaling block.
    fn prefix(&mut self, mut prefix: String) -> String {
        while !self.prefixes.insert(prefix.clone()) {
            prefix.push('~');
        }
        prefix
    }

    /// Adds operators of which the first takes all inputs and each further one takes the one before; gives what is left to take.
    fn pipeline(&mut self, node: NodeId, prefix: &str, ops: &[Op], mut inputs: Vec<TensorId>) -> Vec<TensorId> {
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for op in ops {
            let count = counts.entry(op.name()).or_default();
            *count += 1;
            let name = format!("{prefix}.{}{count}", op.name());
            if let Op::Scale { by } = op {
                let inside = self.prefix(name.clone());
                let mut factor = self.pipeline(node, &inside, by, inputs.clone());
                inputs.append(&mut factor);
                self.push(node, &Op::Mul, inputs, &name);
            } else {
                self.push(node, op, inputs, &name);
            }
            inputs = vec![self.graph.output()];
        }
        inputs
    }

    fn push(&mut self, node: NodeId, op: &Op, inputs: Vec<TensorId>, name: &str) {
        let step = self.step(node, op, inputs, name);
        self.graph.steps.push(step);
    }

    fn step(&mut self, node: NodeId, op: &Op, inputs: Vec<TensorId>, name: &str) -> Step {
        let shapes: Vec<_> = inputs.iter().map(|&input| self.graph.step(input).shape).collect();
        let shape = op.output(&shapes).expect("operators of a verified architecture fit their inputs");
        let mut params = Vec::new();
        for (role, extents) in op.params(&shapes) {
            params.push(ParamId::new(self.graph.params.len()));
            self.graph.params.push(ParamSpec { name: format!("{name}.{}", role.suffix()), role, extents });
        }
        Step { op: op.clone(), inputs, params, shape, node }
    }
}
