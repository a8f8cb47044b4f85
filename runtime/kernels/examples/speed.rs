//! How fast generated kernels are, and how fast they are generated: prints a table of GFLOP/s by operator and shape, and the
//! time to compile whole networks. One thread; the least of many runs, so that another process on the machine matters little.
//!
//! `cargo run --release -p cnasc-kernels --example speed`

use cnasc_bundle::Share;
use cnasc_ir::fleet::Backend;
use cnasc_ir::op::{Gate, Window};
use cnasc_ir::tensor::{ParamId, ParamSpec, Step};
use cnasc_ir::{NodeId, Op, Shape, TensorGraph, TensorId, Weights};
use cnasc_kernels::{Executable, compile};
use std::time::{Duration, Instant};

/// For how long each operator is run.
const BUDGET: Duration = Duration::from_millis(300);

fn main() -> Result<(), cnasc_kernels::CompileError> {
    println!("{:<26} {:>14} {:>14} {:>10} {:>10}", "operator", "input", "output", "us", "GFLOP/s");
    for (channels, size) in [(80, 28), (78, 28), (160, 14), (312, 7), (16, 10)] {
        measure(&conv(1, channels, 1), Shape::new(channels, size, size), 1)?;
    }
    for (channels, size) in [(80, 28), (160, 14), (312, 7)] {
        measure(&conv(3, channels, channels), Shape::new(channels, size, size), 1)?;
    }
    measure(&conv(3, 16, 1), Shape::new(1, 28, 28), 1)?;
    measure(&conv(3, 32, 1), Shape::new(32, 16, 16), 1)?;
    measure(&conv(3, 64, 32), Shape::new(64, 16, 16), 1)?;
    measure(&Op::max_pool(2, 2), Shape::new(80, 28, 28), 1)?;
    for size in [14, 28] {
        measure(&Op::WeightedSum { gate: Gate::Plain }, Shape::new(80, size, size), 2)?;
    }
    measure(&Op::Sigmoid, Shape::new(80, 28, 28), 1)?;
    measure(&Op::Linear { outputs: 1000, bias: true }, Shape::new(1280, 1, 1), 1)?;
    println!();
    println!(
        "{:<26} {:>10} {:>12} {:>12} {:>12} {:>10} {:>10}",
        "network", "steps", "compile ms", "code KB", "arena KB", "us", "GFLOP/s"
    );
    for (nodes, channels, size) in [(32, 78, 28), (32, 32, 16), (20, 156, 14)] {
        network(nodes, channels, size)?;
    }
    Ok(())
}

fn conv(kernel: u32, channels: u32, groups: u32) -> Op {
    Op::Conv { window: Window::same(kernel, 1), groups, channels, bias: true }
}

/// One operator on so many tensors of one shape.
fn measure(op: &Op, image: Shape, inputs: usize) -> Result<(), cnasc_kernels::CompileError> {
    let mut net = Net::new(image);
    // Steps before it, so that a padded convolution finds its border as it would inside a network.
    let inputs: Vec<TensorId> = (0..inputs).map(|_| net.add(Op::Relu, &[TensorId(0)])).collect();
    let alone = net.compile()?.1;
    net.add(op.clone(), &inputs);
    let graph = &net.graph;
    let output = graph.step(graph.output()).shape;
    let flops = graph.flops(graph.step(graph.output())) as f64;
    let before = least(alone);
    let micros = (least(net.compile()?.1) - before).max(0.01);
    println!(
        "{:<26} {:>14} {:>14} {micros:>10.1} {:>10.1}",
        op.to_string(),
        image.to_string(),
        output.to_string(),
        flops / micros / 1e3
    );
    Ok(())
}

/// A network of random-wiring nodes: weighted sum of two earlier ones, ReLU, depthwise, pointwise.
fn network(nodes: usize, channels: u32, size: u32) -> Result<(), cnasc_kernels::CompileError> {
    let mut net = Net::new(Shape::new(3, size, size));
    let mut outputs = vec![net.add(conv(3, channels, 1), &[TensorId(0)])];
    for node in 0..nodes {
        let inputs = [outputs[node], outputs[node * 7 / 11]];
        let sum = net.add(Op::WeightedSum { gate: Gate::Plain }, &inputs);
        let relu = net.add(Op::Relu, &[sum]);
        let depthwise = net.add(conv(3, channels, channels), &[relu]);
        outputs.push(net.add(conv(1, channels, 1), &[depthwise]));
    }
    let mean = net.add(Op::GlobalAvg, &outputs[nodes..]);
    net.add(Op::Linear { outputs: 10, bias: true }, &[mean]);
    let mut compile_ms = f64::INFINITY;
    for _ in 0..5 {
        compile_ms = compile_ms.min(net.compile()?.0);
    }
    let executable = net.compile()?.1;
    let memory = executable.memory();
    let micros = least(executable);
    println!(
        "{:<26} {:>10} {compile_ms:>12.1} {:>12} {:>12} {micros:>10.0} {:>10.1}",
        format!("{nodes} nodes, {channels} x {size}²"),
        net.graph.steps.len(),
        memory.code >> 10,
        memory.arena >> 10,
        net.graph.total_flops() as f64 / micros / 1e3
    );
    Ok(())
}

/// Microseconds of the quickest inference.
fn least(mut executable: Box<dyn Executable>) -> f64 {
    let mut best = f64::INFINITY;
    let start = Instant::now();
    while start.elapsed() < BUDGET {
        let once = Instant::now();
        executable.run(0);
        best = best.min(once.elapsed().as_secs_f64() * 1e6);
    }
    best
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

    fn add(&mut self, op: Op, inputs: &[TensorId]) -> TensorId {
        let shapes: Vec<Shape> = inputs.iter().map(|&input| self.graph.step(input).shape).collect();
        let shape = op.output(&shapes).expect("the shapes of this example fit");
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

    /// Milliseconds that it took, and what came of it.
    fn compile(&self) -> Result<(f64, Box<dyn Executable>), cnasc_kernels::CompileError> {
        let share = Share::whole(&self.graph, Backend::Jit);
        let start = Instant::now();
        let executable = compile(&self.graph, &self.weights, &share)?;
        Ok((start.elapsed().as_secs_f64() * 1e3, executable))
    }
}
