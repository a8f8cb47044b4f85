//! Steps → an architecture and its weights: which steps are one node, and what nodes are called.
//!
//! A node is what is placed on a device as a whole, so it holds one operator that works on neighbourhoods or joins tensors (a convolution,
//! a pool, a sum of branches) and, before and behind it, those that work element by element or move elements, as long as nothing else reads
//! what is between them: convolution, batch norm and relu are one node. Batch norms that follow each other become one.

use super::constant::Budget;
use super::error::{ImportError, Problem, lack};
use super::steps::{Step, StepId, Steps};
use cnasc_ir::architecture::{Join, MAX_NAME, Node, Role, is_name};
use cnasc_ir::op::BATCH_NORM_EPSILON;
use cnasc_ir::{Architecture, NodeId, Op, Weights};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The architecture called `name` whose answer is what step `answer` makes, with the weights in the order of its parameters.
pub(super) fn gather(
    name: &str,
    mut steps: Steps,
    answer: StepId,
    budget: &mut Budget,
) -> Result<(Architecture, Weights), Problem> {
    let answer = ending(&mut steps, answer)?;
    let groups = group(&steps, answer)?;
    let mut names = Names::default();
    let mut nodes = vec![image(&steps, &mut names)];
    // By the last step of a group, the node that it becomes.
    let mut made = BTreeMap::from([(Steps::IMAGE, NodeId(0))]);
    let mut list: Vec<Option<Step>> = steps.into_list().into_iter().map(Some).collect();
    let mut weights = Weights::default();
    for group in groups {
        let steps: Vec<Step> = group.steps.iter().filter_map(|id| list[id.0].take()).collect();
        let mut joins = Vec::new();
        for input in &steps[0].inputs {
            let mut from = made[input];
            if joins.iter().any(|join: &Join| join.from == from) {
                from = again(&mut nodes, from, &mut names);
            }
            joins.push(Join { from, scale: Vec::new() });
        }
        let main = steps.iter().find(|step| is_main(&step.op)).unwrap_or(&steps[0]);
        let name = names.fresh(&main.name);
        let last = group.steps[group.steps.len() - 1];
        let shape = steps[steps.len() - 1].shape;
        let ops = pipeline(steps, budget, &mut weights)?;
        made.insert(last, NodeId::new(nodes.len()));
        nodes.push(Node { name, role: Role::Block, inputs: joins, ops, shape });
    }
    let name = fit(name).unwrap_or_else(|| "imported".to_owned());
    let architecture = Architecture::new(name, nodes);
    let architecture = architecture.or_else(|error| lack(format!("can't be expressed: {error}")))?;
    Ok((architecture, weights))
}

/// The step that makes the answer; the image alone is no network, so it is handed on by one.
fn ending(steps: &mut Steps, answer: StepId) -> Result<StepId, Problem> {
    if answer == Steps::IMAGE { steps.add(&Rc::from("answer"), Op::Sum, vec![answer], Vec::new()) } else { Ok(answer) }
}

fn image(steps: &Steps, names: &mut Names) -> Node {
    let name = names.fresh("image");
    Node { name, role: Role::Input, inputs: Vec::new(), ops: Vec::new(), shape: steps.shape(Steps::IMAGE) }
}

/// Steps that become one node, each reading the one before.
#[derive(Debug)]
struct Group {
    steps: Vec<StepId>,
    /// Whether one of them is a node's main operator.
    is_full: bool,
}

/// The groups that the answer needs, each behind those that it reads.
fn group(steps: &Steps, answer: StepId) -> Result<Vec<Group>, Problem> {
    let mut readers = vec![0_u32; answer.0 + 1];
    readers[answer.0] = 1;
    for id in (0..=answer.0).rev().map(StepId) {
        if readers[id.0] > 0 {
            for input in &steps.of(id).inputs {
                readers[input.0] += 1;
            }
        }
    }
    if readers[0] == 0 {
        return lack("does not depend on any image");
    }
    let mut groups: Vec<Group> = Vec::new();
    // By step, the group that it ends.
    let mut ends: BTreeMap<StepId, usize> = BTreeMap::new();
    for id in (1..=answer.0).map(StepId).filter(|id| readers[id.0] > 0) {
        let step = steps.of(id);
        let is_full = is_main(&step.op);
        let before = match step.inputs.as_slice() {
            [only] if readers[only.0] == 1 => ends.get(only).copied(),
            _ => None,
        };
        match before.filter(|&index| !(is_full && groups[index].is_full)) {
            Some(index) => {
                groups[index].steps.push(id);
                groups[index].is_full |= is_full;
                ends.insert(id, index);
            }
            None => {
                ends.insert(id, groups.len());
                groups.push(Group { steps: vec![id], is_full });
            }
        }
    }
    // A group grows behind others that begin later, but reads only what its first step reads; the answer's must come last.
    groups.sort_by_key(|group| group.steps[group.steps.len() - 1]);
    Ok(groups)
}

/// Whether a node has one such operator at most.
fn is_main(op: &Op) -> bool {
    !matches!(
        op,
        Op::Relu
            | Op::LeakyRelu { .. }
            | Op::Clip { .. }
            | Op::Sigmoid
            | Op::HardSigmoid { .. }
            | Op::HardSwish
            | Op::BatchNorm
            | Op::Reshape(_)
            | Op::Transpose(_)
            | Op::Slice(_)
            | Op::Pad(_)
    )
}

/// A node that hands on what `from` makes, for a node that takes it twice.
fn again(nodes: &mut Vec<Node>, from: NodeId, names: &mut Names) -> NodeId {
    let producer = &nodes[from.index()];
    let (name, shape) = (names.fresh(&producer.name), producer.shape);
    let id = NodeId::new(nodes.len());
    nodes.push(Node {
        name,
        role: Role::Block,
        inputs: vec![Join { from, scale: Vec::new() }],
        ops: vec![Op::Sum],
        shape,
    });
    id
}

/// The operators of one node; their parameters go behind `weights`.
fn pipeline(steps: Vec<Step>, budget: &mut Budget, weights: &mut Weights) -> Result<Vec<Op>, Problem> {
    let mut ops: Vec<Op> = Vec::with_capacity(steps.len());
    let mut params: Vec<Vec<Rc<Vec<f32>>>> = Vec::with_capacity(steps.len());
    for step in steps {
        if let (Some(Op::BatchNorm), Op::BatchNorm, Some(before)) = (ops.last(), &step.op, params.last_mut()) {
            *before = composed(before, &step.params);
        } else {
            ops.push(step.op);
            params.push(step.params);
        }
    }
    for values in params.into_iter().flatten() {
        let values = match Rc::try_unwrap(values) {
            Ok(own) => own,
            Err(shared) => {
                budget.take(shared.len() as u64)?;
                shared.to_vec()
            }
        };
        weights.tensors.push(values);
    }
    Ok(ops)
}

/// The batch norm that does what `first` and then `second` do: the statistics of the first, with another factor and summand.
fn composed(first: &[Rc<Vec<f32>>], second: &[Rc<Vec<f32>>]) -> Vec<Rc<Vec<f32>>> {
    let mut composed = first.to_vec();
    let factor = |channel: usize| {
        f64::from(second[0][channel]) / (f64::from(second[3][channel]) + f64::from(BATCH_NORM_EPSILON)).sqrt()
    };
    let channels = 0..first[0].len();
    let scale = channels.clone().map(|at| (f64::from(first[0][at]) * factor(at)) as f32).collect();
    let shift = channels.map(|at| {
        let before = f64::from(first[1][at]) - f64::from(second[2][at]);
        before.mul_add(factor(at), f64::from(second[1][at])) as f32
    });
    composed[1] = Rc::new(shift.collect());
    composed[0] = Rc::new(scale);
    composed
}

/// Names of nodes, each given once.
#[derive(Debug, Default)]
struct Names {
    taken: BTreeSet<String>,
    /// By name asked for, the number that was tried last.
    tried: BTreeMap<String, u32>,
}

impl Names {
    /// A name as near to `wanted` as may be.
    fn fresh(&mut self, wanted: &str) -> String {
        let base = fit(wanted).unwrap_or_else(|| "node".to_owned());
        if self.taken.insert(base.clone()) {
            return base;
        }
        let tried = self.tried.entry(base.clone()).or_insert(1);
        loop {
            *tried += 1;
            let name = format!("{base}~{tried}");
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// `wanted` with `_` for all that a name may not have, cut so that a number fits behind it; none where nothing is left.
fn fit(wanted: &str) -> Option<String> {
    let inner = |letter: char| if letter.is_ascii_alphanumeric() || "_.-".contains(letter) { letter } else { '_' };
    let mut name: String = wanted.chars().map(inner).take(MAX_NAME - 20).collect();
    let starts = name.chars().next()?;
    if !(starts.is_ascii_alphabetic() || starts == '_') {
        name.insert(0, '_');
    }
    is_name(&name).then_some(name)
}

impl From<Problem> for ImportError {
    /// Of a problem with the model as a whole.
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Stop(error) => error,
            Problem::Lack(what) => {
                let lack = super::error::Lack { node: "the model".to_owned(), op: String::new(), what };
                Self::Lacking(vec![lack])
            }
        }
    }
}
