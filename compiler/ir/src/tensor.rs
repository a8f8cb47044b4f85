//! The tensor graph: one operator a step, every shape and parameter known.
//!
//! Invariants, held by [`TensorGraph::verify`]: inputs come from earlier steps; step 0 and nothing else is [`Op::Input`]; shapes and parameter
//! extents are the ones that the operators give; each step's node is at least its inputs' nodes, and the last step of a node makes the
//! node's output: only that tensor is taken by other nodes.

use crate::architecture::NodeId;
use crate::op::{Op, ParamRole};
use crate::shape::Shape;
use serde::{Deserialize, Serialize};

cnasc_base::declare_id! {
    /// A step of a [`TensorGraph`] and the tensor that it makes.
    TensorId
}

cnasc_base::declare_id! {
    /// A parameter tensor of a [`TensorGraph`].
    ParamId
}

/// Operators in topological order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorGraph {
    /// The steps; the last one makes the answer.
    pub steps: Vec<Step>,
    /// The parameters that steps refer to.
    pub params: Vec<ParamSpec>,
    /// Number of nodes of the architecture that this was lowered from.
    pub nodes: u32,
}

/// One operator applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What it does.
    pub op: Op,
    /// To which tensors.
    pub inputs: Vec<TensorId>,
    /// With which parameters, in the order of [`Op::params`].
    pub params: Vec<ParamId>,
    /// What comes out.
    pub shape: Shape,
    /// The architecture's node that it belongs to; a node is placed as a whole.
    pub node: NodeId,
}

/// A parameter tensor without its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParamSpec {
    /// Unique and stable: `body.3.conv1.weight`.
    pub name: String,
    /// What it is for.
    pub role: ParamRole,
    /// Its extents, outermost first.
    pub extents: Vec<u32>,
}

impl ParamSpec {
    /// Number of elements; the greatest number there is where a file gives extents whose product is greater.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.extents.iter().fold(1, |product, &extent| product.saturating_mul(u64::from(extent)))
    }
}

/// Why a tensor graph is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("step {step}: {problem}")]
pub struct TensorGraphError {
    /// The step's index.
    pub step: usize,
    /// What is wrong with it.
    pub problem: String,
}

impl TensorGraph {
    /// The step of `id`.
    #[must_use]
    pub fn step(&self, id: TensorId) -> &Step {
        &self.steps[id.index()]
    }

    /// All ids in topological order.
    pub fn ids(&self) -> impl Iterator<Item = TensorId> + use<> {
        (0..self.steps.len()).map(TensorId::new)
    }

    /// The tensor that makes the answer.
    #[must_use]
    pub fn output(&self) -> TensorId {
        TensorId::new(self.steps.len() - 1)
    }

    /// For each node of the architecture the tensor that is its output: its last step.
    #[must_use]
    pub fn node_outputs(&self) -> Vec<TensorId> {
        let mut outputs = vec![TensorId(0); self.nodes as usize];
        for (index, step) in self.steps.iter().enumerate() {
            outputs[step.node.index()] = TensorId::new(index);
        }
        outputs
    }

    /// The shapes of a step's inputs.
    #[must_use]
    pub fn input_shapes(&self, step: &Step) -> Vec<Shape> {
        step.inputs.iter().map(|&input| self.step(input).shape).collect()
    }

    /// Floating-point operations of one step ([`Op::flops`]).
    #[must_use]
    pub fn flops(&self, step: &Step) -> u64 {
        step.op.flops(&self.input_shapes(step), step.shape)
    }

    /// Multiply-adds of the whole ([`Op::macs`]).
    #[must_use]
    pub fn total_macs(&self) -> u64 {
        self.sum(|step| step.op.macs(&self.input_shapes(step), step.shape))
    }

    /// Floating-point operations of the whole.
    #[must_use]
    pub fn total_flops(&self) -> u64 {
        self.sum(|step| self.flops(step))
    }

    /// Trained parameters of the whole, statistics not counted.
    #[must_use]
    pub fn total_params(&self) -> u64 {
        let trained = self.params.iter().filter(|param| param.role.is_trained());
        trained.fold(0, |sum, param| sum.saturating_add(param.elements()))
    }

    /// A sum over all steps that stays at the greatest number rather than exceed it: files may claim anything.
    fn sum(&self, of: impl Fn(&Step) -> u64) -> u64 {
        self.steps.iter().fold(0, |sum, step| sum.saturating_add(of(step)))
    }

    /// Checks the invariants of the module.
    ///
    /// # Errors
    /// Names the first step that breaks one.
    pub fn verify(&self) -> Result<(), TensorGraphError> {
        if self.steps.is_empty() {
            return Err(TensorGraphError { step: 0, problem: "there is none".to_owned() });
        }
        for (index, step) in self.steps.iter().enumerate() {
            self.verify_step(index, step).map_err(|problem| TensorGraphError { step: index, problem })?;
        }
        let outputs = self.node_outputs();
        for (index, step) in self.steps.iter().enumerate() {
            for &input in &step.inputs {
                let from = self.step(input).node;
                if from != step.node && outputs[from.index()] != input {
                    let problem = format!("takes tensor {} of another node, which is not that node's output", input.0);
                    return Err(TensorGraphError { step: index, problem });
                }
            }
        }
        Ok(())
    }

    fn verify_step(&self, index: usize, step: &Step) -> Result<(), String> {
        if (index == 0) != (step.op == Op::Input) {
            return Err("the image, and nothing else, comes first".to_owned());
        }
        if step.node.index() >= self.nodes as usize {
            return Err(format!("belongs to node {}, there are {}", step.node.0, self.nodes));
        }
        if index == 0 {
            return if step.inputs.is_empty() && step.params.is_empty() && step.shape.is_valid() {
                Ok(())
            } else {
                Err("the image has a shape and nothing else".to_owned())
            };
        }
        if let Some(input) = step.inputs.iter().find(|input| input.index() >= index) {
            return Err(format!("takes tensor {}, which is not made yet", input.0));
        }
        if step.node < self.steps[index - 1].node {
            return Err("nodes are not in order".to_owned());
        }
        if matches!(step.op, Op::Scale { .. }) {
            return Err("is a scale, which lowering makes several steps of".to_owned());
        }
        let shapes = self.input_shapes(step);
        let shape = step.op.output(&shapes).map_err(|error| error.to_string())?;
        if shape != step.shape {
            return Err(format!("{} gives {shape}, recorded is {}", step.op, step.shape));
        }
        let wanted = step.op.params(&shapes);
        let fits = wanted.len() == step.params.len()
            && wanted.iter().zip(&step.params).all(|((role, extents), id)| {
                self.params.get(id.index()).is_some_and(|param| param.role == *role && param.extents == *extents)
            });
        if fits { Ok(()) } else { Err(format!("the parameters of {} do not fit it", step.op)) }
    }
}
