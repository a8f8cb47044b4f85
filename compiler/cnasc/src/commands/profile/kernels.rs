//! How long single operators take on one core of this machine: the least of many runs, so that another process matters little.

use crate::failure::{Failure, codes};
use cnasc_bundle::Share;
use cnasc_ir::fleet::Backend;
use cnasc_ir::op::{Gate, Window};
use cnasc_ir::tensor::{ParamId, ParamSpec, Step};
use cnasc_ir::{NodeId, Op, Shape, TensorGraph, TensorId, Weights};
use cnasc_kernels::compile;
use serde::Serialize;
use std::time::{Duration, Instant};

/// One operator on one shape.
#[derive(Debug, Serialize)]
pub struct Kernel {
    /// As `cnasc expand` writes it.
    pub operator: String,
    /// Of each input.
    pub input: String,
    /// What comes out.
    pub output: String,
    /// Of one run.
    pub flops: u64,
    /// Of one run.
    pub seconds: f64,
}

/// Measures the operators of randomly wired networks on shapes of four depths, each for `each` twice.
///
/// # Errors
/// Where this machine can't run generated kernels.
pub fn measure(each: Duration) -> Result<Vec<Kernel>, Failure> {
    let mut cases = Vec::new();
    for (channels, size) in [(32, 56), (64, 28), (128, 14), (256, 7)] {
        let image = Shape::new(channels, size, size);
        cases.push((conv(1, channels, 1), image, 1));
        cases.push((conv(3, channels, channels), image, 1));
        cases.push((Op::WeightedSum { gate: Gate::Plain }, image, 2));
        cases.push((Op::max_pool(2, 2), image, 1));
    }
    cases.push((conv(3, 32, 1), Shape::new(32, 28, 28), 1));
    cases.push((Op::Linear { outputs: 100, bias: true }, Shape::new(1024, 1, 1), 1));
    cases.iter().map(|(op, image, inputs)| kernel(op, *image, *inputs, each)).collect()
}

fn conv(kernel: u32, channels: u32, groups: u32) -> Op {
    Op::Conv { window: Window::same(kernel, 1), groups, channels, bias: true }
}

/// One operator behind others that feed it, less the time of those: as inside a network, where its inputs are in memory.
fn kernel(op: &Op, image: Shape, inputs: usize, each: Duration) -> Result<Kernel, Failure> {
    let mut net = Net::new(image);
    let inputs: Vec<TensorId> = (0..inputs).map(|_| net.add(Op::Relu, &[TensorId(0)])).collect();
    let before = net.least(each)?;
    let output = net.add(op.clone(), &inputs);
    let step = net.graph.step(output);
    Ok(Kernel {
        operator: op.to_string(),
        input: image.to_string(),
        output: step.shape.to_string(),
        flops: net.graph.flops(step),
        // Where an operator takes no longer than the clock's noise, its time is that.
        seconds: (net.least(each)? - before).max(1e-8),
    })
}

struct Net {
    graph: TensorGraph,
    weights: Weights,
}

impl Net {
    fn new(image: Shape) -> Self {
        let input = Step { op: Op::Input, inputs: Vec::new(), params: Vec::new(), shape: image, node: NodeId(0) };
        Self { graph: TensorGraph { steps: vec![input], params: Vec::new(), nodes: 1 }, weights: Weights::default() }
    }

    /// One more step, in a node of its own.
    fn add(&mut self, op: Op, inputs: &[TensorId]) -> TensorId {
        let shapes: Vec<Shape> = inputs.iter().map(|&input| self.graph.step(input).shape).collect();
        let shape = op.output(&shapes).expect("the cases above fit their operators");
        let mut params = Vec::new();
        for (role, extents) in op.params(&shapes) {
            params.push(ParamId::new(self.graph.params.len()));
            let spec = ParamSpec { name: format!("p{}", self.graph.params.len()), role, extents };
            self.weights.tensors.push(vec![0.01; spec.elements() as usize]);
            self.graph.params.push(spec);
        }
        let id = TensorId::new(self.graph.steps.len());
        self.graph.steps.push(Step { op, inputs: inputs.to_vec(), params, shape, node: NodeId(id.0) });
        self.graph.nodes += 1;
        id
    }

    /// Seconds of the quickest run.
    fn least(&self, each: Duration) -> Result<f64, Failure> {
        let share = Share::whole(&self.graph, Backend::Jit);
        let mut kernels = compile(&self.graph, &self.weights, &share)
            .map_err(|error| Failure::running(codes::RUN, error.to_string()))?;
        let (start, mut best) = (Instant::now(), f64::INFINITY);
        while best == f64::INFINITY || start.elapsed() < each {
            let once = Instant::now();
            kernels.run(0);
            best = best.min(once.elapsed().as_secs_f64());
        }
        Ok(best)
    }
}
