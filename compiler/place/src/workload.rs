//! What each node of a network costs: the only view of a network that placement has.
//!
//! Input: an architecture, and its tensor graph where it was lowered. Output per node: FLOPs (Σ of its steps), bytes of its
//! output as unpadded fp32, bytes of its weights, bytes of the tensors that it makes on the way, its role, and the graph.
//! A node is computed on one device as a whole; the scaling blocks of its inputs belong to it (paper.md Figure 4b).

use crate::dag::{Dag, Rows};
use cnasc_ir::architecture::{Architecture, MAX_NODES, NodeId, Role};
use cnasc_ir::op::{Op, ParamRole};
use cnasc_ir::shape::Shape;
use cnasc_ir::tensor::{Step, TensorGraph};

/// The costs of all nodes of one network. Node 0 is the image, the last node makes the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    dag: Dag,
    costs: Vec<Cost>,
}

/// The costs of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// What the node is for.
    pub role: Role,
    /// Floating-point operations.
    pub flops: u64,
    /// Multiply-adds ([`Op::macs`]).
    pub macs: u64,
    /// Trained parameters, statistics not counted.
    pub params: u64,
    /// Bytes of its output.
    pub bytes: u64,
    /// Bytes of its weights.
    pub weights: u64,
    /// Bytes of all tensors that it makes besides its output: an upper bound on what it needs while it computes.
    pub scratch: u64,
}

/// Why there is no workload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WorkloadError(String);

impl Workload {
    /// The costs of `architecture` as lowered to `graph`.
    ///
    /// # Errors
    /// Where the graph was not lowered from this architecture.
    pub fn new(architecture: &Architecture, graph: &TensorGraph) -> Result<Self, WorkloadError> {
        if graph.nodes as usize != architecture.nodes.len() {
            let (found, wanted) = (graph.nodes, architecture.nodes.len());
            return Err(WorkloadError(format!("the tensor graph has {found} nodes, the architecture {wanted}")));
        }
        let mut costs: Vec<Cost> = architecture.nodes.iter().map(|node| Cost::of(node.role)).collect();
        for step in &graph.steps {
            let cost = &mut costs[step.node.index()];
            cost.add_graph_step(graph, step);
        }
        // A node without operators hands its input on, and lowering may make no step for it.
        for (cost, node) in costs.iter_mut().zip(&architecture.nodes) {
            cost.bytes = node.shape.bytes();
        }
        Self::from_costs(dag_of(architecture)?, costs)
    }

    /// The costs of `architecture` without lowering it: equal to [`Workload::new`] on the tensor graph before folding, and
    /// cheap enough for scoring a candidate.
    ///
    /// # Errors
    /// Where a node takes an input that is not an earlier node; no verified architecture does.
    pub fn sketch(architecture: &Architecture) -> Result<Self, WorkloadError> {
        let dag = dag_of(architecture)?;
        let mut costs = Vec::with_capacity(architecture.nodes.len());
        let mut joined = Vec::new();
        for node in &architecture.nodes {
            let mut cost = Cost::of(node.role);
            joined.clear();
            for join in &node.inputs {
                let from = architecture.node(join.from).shape;
                joined.push(cost.add_pipe(&join.scale, &[from])?);
            }
            cost.add_pipe(&node.ops, &joined)?;
            cost.bytes = node.shape.bytes();
            costs.push(cost);
        }
        Self::from_costs(dag, costs)
    }

    /// The costs of a network that is there as a verified tensor graph alone, as in a bundle. What its nodes are for is not known then:
    /// all but the image count as blocks.
    ///
    /// # Errors
    /// As [`Workload::from_costs`].
    pub fn of_graph(graph: &TensorGraph) -> Result<Self, WorkloadError> {
        let count = graph.nodes as usize;
        let role = |node: usize| if node == 0 { Role::Input } else { Role::Block };
        let mut costs: Vec<Cost> = (0..count).map(|node| Cost::of(role(node))).collect();
        let mut producers = vec![Vec::new(); count];
        for step in &graph.steps {
            let node = step.node.index();
            costs[node].add_graph_step(graph, step);
            let from = step.inputs.iter().map(|&input| graph.step(input).node);
            producers[node].extend(from.filter(|&from| from != step.node).map(|from| from.0));
        }
        let mut inputs = Rows::with_capacity(count, 4 * count);
        for mut row in producers {
            row.sort_unstable();
            row.dedup();
            inputs.push(row);
        }
        Self::from_costs(Dag::new(inputs).map_err(WorkloadError)?, costs)
    }

    /// A workload from its parts; vertex i of `dag` costs `costs[i]`.
    ///
    /// # Errors
    /// Where the sizes differ, the first vertex is not the only image, another one has no inputs, a vertex other than the
    /// last has no consumer, or a sum of costs would not fit into 62 bits.
    pub fn from_costs(dag: Dag, costs: Vec<Cost>) -> Result<Self, WorkloadError> {
        let fail = |problem: &str| Err(WorkloadError(problem.to_owned()));
        let count = costs.len();
        if dag.len() != count {
            return fail("graph and costs have different numbers of nodes");
        }
        if !(2..=MAX_NODES).contains(&count) {
            return fail("a network needs an image and an answer, and has a bounded number of nodes");
        }
        for (index, cost) in costs.iter().enumerate() {
            if (index == 0) != (cost.role == Role::Input) || (index == 0) != dag.inputs(index).is_empty() {
                return fail("the image, and nothing else, comes first and has no inputs");
            }
            if (index + 1 == count) != dag.consumers(index).is_empty() {
                return fail("the answer, and nothing else, comes last and has no consumers");
            }
        }
        let sum = |part: fn(&Cost) -> u64| costs.iter().try_fold(0_u64, |sum, cost| sum.checked_add(part(cost)));
        let parts: [fn(&Cost) -> u64; 4] = [|c| c.flops, |c| c.bytes, |c| c.weights, |c| c.scratch];
        if parts.into_iter().any(|part| sum(part).is_none_or(|sum| sum >= 1 << 60)) {
            return fail("the costs of the whole network are too large to add up");
        }
        Ok(Self { dag, costs })
    }

    /// Number of nodes, the image included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.costs.len()
    }

    /// Never: a network has an image and an answer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.costs.is_empty()
    }

    /// The graph; a node's number is its id's.
    #[must_use]
    pub fn dag(&self) -> &Dag {
        &self.dag
    }

    /// The costs of all nodes, in order.
    #[must_use]
    pub fn costs(&self) -> &[Cost] {
        &self.costs
    }

    /// The costs of one node.
    #[must_use]
    pub fn cost(&self, node: NodeId) -> &Cost {
        &self.costs[node.index()]
    }

    /// All ids in topological order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.costs.len()).map(NodeId::new)
    }

    /// The nodes that take the output of `node`.
    pub fn consumers(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        self.dag.consumers(node.index()).iter().map(|&to| NodeId(to))
    }

    /// The nodes whose outputs `node` takes.
    pub fn inputs(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        self.dag.inputs(node.index()).iter().map(|&from| NodeId(from))
    }

    /// FLOPs of the whole.
    #[must_use]
    pub fn total_flops(&self) -> u64 {
        self.costs.iter().map(|cost| cost.flops).sum()
    }
}

impl Cost {
    /// Nothing yet, of a node that is for `role`.
    #[must_use]
    pub fn of(role: Role) -> Self {
        Self { role, flops: 0, macs: 0, params: 0, bytes: 0, weights: 0, scratch: 0 }
    }

    /// Adds a step of the node, without its parameters: what was its output so far becomes a tensor on the way.
    fn add_step(&mut self, op: &Op, inputs: &[Shape], shape: Shape) {
        self.flops = self.flops.saturating_add(op.flops(inputs, shape));
        self.macs = self.macs.saturating_add(op.macs(inputs, shape));
        self.scratch = self.scratch.saturating_add(self.bytes);
        self.bytes = shape.bytes();
    }

    fn add_param(&mut self, role: ParamRole, extents: &[u32]) {
        let elements = extents.iter().map(|&extent| u64::from(extent)).fold(1, u64::saturating_mul);
        self.weights = self.weights.saturating_add(elements.saturating_mul(4));
        self.params = self.params.saturating_add(if role.is_trained() { elements } else { 0 });
    }

    fn add_graph_step(&mut self, graph: &TensorGraph, step: &Step) {
        self.add_step(&step.op, &graph.input_shapes(step), step.shape);
        for param in step.params.iter().map(|id| &graph.params[id.index()]) {
            self.add_param(param.role, &param.extents);
        }
    }

    /// Adds a pipeline, as lowering makes steps of it, and gives the shape that comes out.
    fn add_pipe(&mut self, ops: &[Op], inputs: &[Shape]) -> Result<Shape, WorkloadError> {
        let mut shapes = inputs;
        let mut last;
        for op in ops {
            let shape = op.output(shapes).map_err(|error| WorkloadError(error.to_string()))?;
            if let Op::Scale { by } = op {
                let factor = self.add_pipe(by, shapes)?;
                self.add_step(&Op::Mul, &[shape, factor], shape);
            } else {
                self.add_step(op, shapes, shape);
                op.each_param(shapes, &mut |role, extents| self.add_param(role, extents));
            }
            last = [shape];
            shapes = &last;
        }
        Ok(shapes.first().copied().unwrap_or(Shape::new(0, 0, 0)))
    }
}

fn dag_of(architecture: &Architecture) -> Result<Dag, WorkloadError> {
    let mut inputs = Rows::with_capacity(architecture.nodes.len(), 4 * architecture.nodes.len());
    for node in &architecture.nodes {
        // A node keeps the order in which its operator takes them.
        let mut producers: Vec<u32> = node.inputs.iter().map(|join| join.from.0).collect();
        producers.sort_unstable();
        inputs.push(producers);
    }
    Dag::new(inputs).map_err(WorkloadError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnasc_ir::architecture::{Join, Node};
    use cnasc_ir::op::{Gate, Window};
    use cnasc_ir::tensor::{ParamId, ParamSpec, TensorId};

    fn conv(channels: u32) -> Op {
        Op::Conv { window: Window::same(3, 1), groups: 1, channels, bias: false }
    }

    fn node(name: &str, role: Role, inputs: Vec<Join>, ops: Vec<Op>, shape: Shape) -> Node {
        Node { name: name.to_owned(), role, inputs, ops, shape }
    }

    fn join(from: u32, scale: Vec<Op>) -> Join {
        Join { from: NodeId(from), scale }
    }

    /// image 2×4×4 → a (conv 4, ReLU) → b (weighted sum of the image, scaled to 4 channels, and a).
    fn architecture() -> Architecture {
        let (narrow, wide) = (Shape::new(2, 4, 4), Shape::new(4, 4, 4));
        let nodes = vec![
            node("image", Role::Input, vec![], vec![], narrow),
            node("a", Role::Block, vec![join(0, vec![])], vec![conv(4), Op::Relu], wide),
            node(
                "b",
                Role::Gather,
                vec![join(0, vec![conv(4)]), join(1, vec![])],
                vec![Op::WeightedSum { gate: Gate::SigmoidWeights }],
                wide,
            ),
        ];
        Architecture::new("tiny", nodes).expect("the shapes fit")
    }

    fn lowered() -> TensorGraph {
        let (narrow, wide) = (Shape::new(2, 4, 4), Shape::new(4, 4, 4));
        let weight =
            |name: &str| ParamSpec { name: name.to_owned(), role: ParamRole::Weight, extents: vec![4, 2, 3, 3] };
        let gate = ParamSpec { name: "b.gate".to_owned(), role: ParamRole::Gate, extents: vec![2] };
        let step = |op: Op, inputs: &[u32], params: &[u32], shape: Shape, node: u32| Step {
            op,
            inputs: inputs.iter().map(|&input| TensorId(input)).collect(),
            params: params.iter().map(|&param| ParamId(param)).collect(),
            shape,
            node: NodeId(node),
        };
        let steps = vec![
            step(Op::Input, &[], &[], narrow, 0),
            step(conv(4), &[0], &[0], wide, 1),
            step(Op::Relu, &[1], &[], wide, 1),
            step(conv(4), &[0], &[1], wide, 2),
            step(Op::WeightedSum { gate: Gate::SigmoidWeights }, &[3, 2], &[2], wide, 2),
        ];
        TensorGraph { steps, params: vec![weight("a.weight"), weight("b.weight"), gate], nodes: 3 }
    }

    #[test]
    fn costs_by_hand() {
        let graph = lowered();
        graph.verify().expect("it was lowered by hand, and well");
        let workload = Workload::new(&architecture(), &graph).expect("they belong together");
        // A convolution: 64 outputs of 18 taps; a ReLU: 64; a weighted sum of two: 3 · 64.
        let expected = [(0, 128, 0, 0), (2 * 64 * 18 + 64, 256, 288, 256), (2 * 64 * 18 + 192, 256, 296, 256)];
        for (cost, (flops, bytes, weights, scratch)) in workload.costs().iter().zip(expected) {
            assert_eq!((cost.flops, cost.bytes, cost.weights, cost.scratch), (flops, bytes, weights, scratch));
        }
    }

    #[test]
    fn a_sketch_costs_the_same() {
        let architecture = architecture();
        assert_eq!(Workload::sketch(&architecture), Workload::new(&architecture, &lowered()));
    }

    #[test]
    fn a_graph_alone_costs_the_same() {
        let (graph, architecture) = (lowered(), architecture());
        let of = |workload: Result<Workload, WorkloadError>| {
            let workload = workload.expect("it fits");
            let costs = workload.costs().iter().map(|cost| Cost { role: Role::Input, ..*cost }).collect::<Vec<_>>();
            (workload.dag().clone(), costs)
        };
        assert_eq!(of(Workload::of_graph(&graph)), of(Workload::new(&architecture, &graph)));
    }

    #[test]
    fn another_networks_graph_is_refused() {
        let graph = TensorGraph { nodes: 4, ..lowered() };
        assert!(Workload::new(&architecture(), &graph).is_err());
    }
}
