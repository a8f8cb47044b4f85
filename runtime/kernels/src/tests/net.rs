//! Small tensor graphs with random weights, and how they are run: what the tests of this crate share.

use super::ways;
use crate::{Executable, check, reference};
use cnasc_base::random::{Rng, Seed};
use cnasc_bundle::{Action, Share, layout};
use cnasc_ir::fleet::Backend;
use cnasc_ir::op::{ParamRole, Window};
use cnasc_ir::tensor::{ParamId, ParamSpec, Step};
use cnasc_ir::{NodeId, Op, Shape, TensorGraph, TensorId, Weights};

/// A graph that grows step by step, each a node of its own, with weights.
pub struct Net {
    pub graph: TensorGraph,
    pub weights: Weights,
    rng: Rng,
}

impl Net {
    pub fn new(image: Shape, seed: u64) -> Self {
        let input = Step { op: Op::Input, inputs: Vec::new(), params: Vec::new(), shape: image, node: NodeId(0) };
        let graph = TensorGraph { steps: vec![input], params: Vec::new(), nodes: 1 };
        Self { graph, weights: Weights::default(), rng: Seed::new(seed).child("net").rng() }
    }

    /// Adds a step; its inputs must suit the operator.
    pub fn add(&mut self, op: Op, inputs: &[TensorId]) -> TensorId {
        self.try_add(op, inputs).expect("the test's operator takes its inputs")
    }

    /// Adds a step where the operator takes these inputs.
    pub fn try_add(&mut self, op: Op, inputs: &[TensorId]) -> Option<TensorId> {
        let shapes: Vec<Shape> = inputs.iter().map(|&input| self.graph.step(input).shape).collect();
        let shape = op.output(&shapes).ok()?;
        let params = op.params(&shapes).into_iter().map(|(role, extents)| self.param(role, extents)).collect();
        let id = TensorId::new(self.graph.steps.len());
        self.graph.steps.push(Step { op, inputs: inputs.to_vec(), params, shape, node: NodeId(id.0) });
        self.graph.nodes += 1;
        Some(id)
    }

    fn param(&mut self, role: ParamRole, extents: Vec<u32>) -> ParamId {
        let id = ParamId::new(self.graph.params.len());
        let spec = ParamSpec { name: format!("p{}", id.0), role, extents };
        let values = (0..spec.elements()).map(|_| match role {
            ParamRole::Variance => 0.5 + self.rng.unit() as f32,
            _ => 2.0 * self.rng.unit() as f32 - 1.0,
        });
        self.weights.tensors.push(values.collect());
        self.graph.params.push(spec);
        id
    }

    /// The whole network on one device.
    pub fn whole(&self, backend: Backend) -> Share {
        Share::whole(&self.graph, backend)
    }
}

/// A dense convolution with the padding that keeps the size, and a bias.
pub fn conv(kernel: u32, channels: u32) -> Op {
    Op::Conv { window: Window::same(kernel, 1), groups: 1, channels, bias: true }
}

/// A depthwise one.
pub fn depthwise(kernel: u32, channels: u32) -> Op {
    Op::Conv { window: Window::same(kernel, 1), groups: channels, channels, bias: false }
}

/// Values between −1 and 1 in plain order.
pub fn image(shape: Shape, seed: u64) -> Vec<f32> {
    let mut rng = Seed::new(seed).child("image").rng();
    (0..shape.elements()).map(|_| 2.0 * rng.unit() as f32 - 1.0).collect()
}

/// Runs all actions of a share that has no exchanges; the answer in blocked order.
pub fn infer(executable: &mut dyn Executable, net: &Net, share: &Share, image: &[f32]) -> Vec<f32> {
    layout::to_blocked(net.graph.step(TensorId(0)).shape, image, executable.tensor_mut(TensorId(0)));
    for (index, action) in share.actions.iter().enumerate() {
        if matches!(action, Action::Compute { .. }) {
            executable.run(index);
        }
    }
    executable.tensor(net.graph.output()).to_vec()
}

/// The oracle's answer, blocked.
pub fn expected(net: &Net, image: &[f32]) -> Vec<f32> {
    let share = net.whole(Backend::Reference);
    let mut oracle = reference::compile(&net.graph, &net.weights, &share).expect("the test's network compiles");
    infer(&mut oracle, net, &share, image)
}

/// What is wrong between two blocked tensors: values apart by more than 1e-4 of the largest, or padded lanes that are not zero.
pub fn difference(shape: Shape, found: &[f32], expected: &[f32]) -> Result<(), String> {
    let largest = expected.iter().fold(1e-6_f32, |most, value| most.max(value.abs()));
    let width = shape.width as usize;
    for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let block = index / layout::LANES / width % layout::blocks(shape);
        let channel = block * layout::LANES + index % layout::LANES;
        if channel >= shape.channels as usize && found != 0.0 {
            return Err(format!("lane {channel} of {shape} is {found}"));
        }
        let error = (found - expected).abs();
        if error.is_nan() || error > 1e-4 * largest {
            return Err(format!("{found} instead of {expected} at {index} of {shape}, largest {largest}"));
        }
    }
    Ok(())
}

/// Whether each way to compute the whole network that this CPU has agrees with the oracle.
pub fn agrees(net: &Net, seed: u64) -> Result<(), String> {
    net.graph.verify().map_err(|error| error.to_string())?;
    let image = image(net.graph.step(TensorId(0)).shape, seed);
    let share = net.whole(Backend::Jit);
    check::check(&net.graph, &net.weights, &share).map_err(|error| error.to_string())?;
    let wanted = expected(net, &image);
    for (way, mut jit) in ways(&net.graph, &net.weights, &share).map_err(|error| error.to_string())? {
        // Twice: the second inference starts from used memory.
        for _ in 0..2 {
            let found = infer(jit.as_mut(), net, &share, &image);
            difference(net.graph.step(net.graph.output()).shape, &found, &wanted)
                .map_err(|error| format!("{way}: {error}"))?;
        }
    }
    Ok(())
}

#[test]
fn differences_are_found() {
    let shape = Shape::new(3, 1, 1);
    let mut values = [0.0; 16];
    values[..3].fill(1.0);
    let wrong = |index: usize, value: f32| {
        let mut found = values;
        found[index] = value;
        difference(shape, &found, &values).is_err()
    };
    assert!(wrong(1, 1.001) && wrong(2, f32::NAN) && wrong(3, 1e-30) && wrong(15, f32::NAN));
    assert!(!wrong(0, 1.000_01) && !wrong(15, -0.0));
}
