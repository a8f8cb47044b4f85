//! Which steps of a graph are computed together: a graph → [`Task`]s in order.
//!
//! ReLU, a depthwise convolution, a dense one, batch norm and ReLU that follow each other, of which no other step reads what lies between,
//! are one [`Block`].

use crate::block::Block;
use cnasc_ir::tensor::Step;
use cnasc_ir::{Op, TensorGraph, TensorId};
use std::sync::Arc;

/// What is computed at once.
#[derive(Debug, Clone)]
pub enum Task {
    /// One step by burn's operators.
    Step(TensorId),
    /// None: an earlier step computes the same.
    Same {
        /// That one.
        of: TensorId,
        /// The step that need not be computed.
        id: TensorId,
    },
    /// Several by kernels of our own.
    Block {
        /// What they compute.
        block: Arc<Block>,
        /// The tensor that goes in.
        input: TensorId,
        /// The steps' places by part: depthwise convolution, dense one, batch norm.
        parts: [Option<TensorId>; 3],
        /// The last of them.
        output: TensorId,
    },
}

/// The tasks that make the tensors up to `last`.
pub fn tasks(graph: &TensorGraph, last: TensorId) -> Vec<Task> {
    let mut readers = vec![0_usize; graph.steps.len()];
    for id in graph.ids().take(last.index() + 1) {
        graph.step(id).inputs.iter().for_each(|input| readers[input.index()] += 1);
    }
    // The end is read from outside.
    readers[last.index()] += 1;
    let mut tasks = Vec::new();
    let mut index = 1;
    while index <= last.index() {
        let first = TensorId::new(index);
        if let Some(of) = pooled_before(graph, first) {
            tasks.push(Task::Same { of, id: first });
            index += 1;
            continue;
        }
        let chain = Chain::from(graph, &readers, first, last);
        index += chain.len.max(1);
        tasks.push(chain.task(graph, first));
    }
    tasks
}

/// The first step that pools the same as this one, as edges that leave one node for smaller images do.
fn pooled_before(graph: &TensorGraph, id: TensorId) -> Option<TensorId> {
    let step = graph.step(id);
    let is_pool = matches!(step.op, Op::MaxPool { .. } | Op::AvgPool { .. } | Op::GlobalAvg);
    let is_same = |other: &TensorId| graph.step(*other).op == step.op && graph.step(*other).inputs == step.inputs;
    is_pool.then(|| graph.ids().take(id.index()).find(is_same)).flatten()
}

/// Steps behind each other that a block can have.
struct Chain {
    block: Block,
    parts: [Option<TensorId>; 3],
    /// How many steps.
    len: usize,
    /// Whether the last of them is a ReLU behind batch norm.
    is_ended: bool,
}

impl Chain {
    fn from(graph: &TensorGraph, readers: &[usize], first: TensorId, last: TensorId) -> Self {
        let shape = graph.step(graph.step(first).inputs[0]).shape;
        let mut chain = Self { block: Block::new(shape), parts: [None; 3], len: 0, is_ended: false };
        for index in first.index()..=last.index() {
            let (id, step) = (TensorId::new(index), graph.step(TensorId::new(index)));
            // The step before must be this one's only input, and this one its only reader.
            let follows =
                index == first.index() || (step.inputs == [TensorId::new(index - 1)] && readers[index - 1] == 1);
            if !follows || !chain.take(graph, id, step) {
                break;
            }
        }
        chain
    }

    /// Whether the step comes next in a block; then it is in it.
    fn take(&mut self, graph: &TensorGraph, id: TensorId, step: &Step) -> bool {
        let [depthwise, dense, norm] = self.parts.map(|part| part.is_some());
        let block = self.block.clone();
        let channels = graph.step(step.inputs[0]).shape.channels;
        self.block = match step.op {
            Op::Relu if self.len == 0 => block.with_relu(),
            Op::Conv { ref window, groups, channels: outputs, bias: false }
                if groups == channels && outputs == channels && channels > 1 && !(depthwise || dense || norm) =>
            {
                self.parts[0] = Some(id);
                block.with_depthwise(window)
            }
            Op::Conv { ref window, groups: 1, channels: outputs, bias } if !(dense || norm) => {
                self.parts[1] = Some(id);
                block.with_dense(window, outputs as usize, bias)
            }
            // A bias before batch norm does nothing, and no block has both.
            Op::BatchNorm if !norm && !block.bias => {
                self.parts[2] = Some(id);
                block.with_norm()
            }
            Op::Relu if norm && !self.is_ended => {
                self.is_ended = true;
                block.with_relu_behind()
            }
            _ => return false,
        };
        self.len += 1;
        true
    }

    fn task(self, graph: &TensorGraph, first: TensorId) -> Task {
        if self.parts == [None; 3] {
            return Task::Step(first);
        }
        let output = TensorId::new(first.index() + self.len - 1);
        Task::Block { block: Arc::new(self.block), input: graph.step(first).inputs[0], parts: self.parts, output }
    }
}
