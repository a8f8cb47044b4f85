//! An inference asks the system for no memory: all of it is there once a share is compiled.

#![allow(unsafe_code, reason = "an allocator that counts is an allocator")]

use cnasc_bundle::Share;
use cnasc_ir::fleet::Backend;
use cnasc_ir::op::{Gate, Window};
use cnasc_ir::tensor::{ParamId, ParamSpec, Step};
use cnasc_ir::{NodeId, Op, Shape, TensorGraph, TensorId, Weights};
use cnasc_kernels::compile;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: it is the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A stem, then blocks that each take two tensors before them: what fuses, what runs side by side, and a head.
fn network() -> (TensorGraph, Weights) {
    let image =
        Step { op: Op::Input, inputs: Vec::new(), params: Vec::new(), shape: Shape::new(3, 32, 32), node: NodeId(0) };
    let mut graph = TensorGraph { steps: vec![image], params: Vec::new(), nodes: 1 };
    let mut weights = Weights::default();
    let mut add = |op: Op, inputs: &[u32]| {
        let inputs: Vec<TensorId> = inputs.iter().map(|&input| TensorId(input)).collect();
        let shapes: Vec<Shape> = inputs.iter().map(|&input| graph.step(input).shape).collect();
        let shape = op.output(&shapes).expect("the operator takes its inputs");
        let mut params = Vec::new();
        for (role, extents) in op.params(&shapes) {
            params.push(ParamId::new(graph.params.len()));
            let spec = ParamSpec { name: format!("p{}", graph.params.len()), role, extents };
            weights.tensors.push(vec![0.1; spec.elements() as usize]);
            graph.params.push(spec);
        }
        let id = TensorId::new(graph.steps.len());
        graph.steps.push(Step { op, inputs, params, shape, node: NodeId(id.0) });
        graph.nodes += 1;
        id.0
    };
    let conv = |kernel, groups| Op::Conv { window: Window::same(kernel, 1), groups, channels: 40, bias: groups == 1 };
    let mut ends = [add(conv(3, 1), &[0]), add(conv(5, 1), &[0])];
    for block in 0..6 {
        let mut last = add(Op::WeightedSum { gate: Gate::Plain }, &ends);
        last = add(Op::Relu, &[last]);
        last = add(conv(3, 40), &[last]);
        ends[block % 2] = add(conv(1, 1), &[last]);
    }
    let mean = add(Op::Mean, &ends);
    let pooled = add(Op::GlobalAvg, &[mean]);
    add(Op::Linear { outputs: 10, bias: true }, &[pooled]);
    (graph, weights)
}

/// The only test of this program, so that no other one's allocations are counted.
#[test]
fn an_inference_allocates_nothing() {
    let (graph, weights) = network();
    for threads in [1, 2] {
        let share = Share { threads, ..Share::whole(&graph, Backend::Jit) };
        let before = ALLOCATIONS.load(Ordering::SeqCst);
        let mut executable = compile(&graph, &weights, &share).unwrap();
        assert!(ALLOCATIONS.load(Ordering::SeqCst) > before, "the count works");
        // Of the image's three channels; the other lanes of its block stay zero.
        executable.tensor_mut(TensorId(0)).chunks_exact_mut(16).for_each(|pixel| pixel[..3].fill(0.5));
        executable.run(0);
        // The thread that waits for the test allocates as well, once, when it comes to it: what inferences allocate is there each time.
        let counts = [(); 3].map(|()| {
            let before = ALLOCATIONS.load(Ordering::SeqCst);
            for _ in 0..5 {
                executable.run(0);
            }
            ALLOCATIONS.load(Ordering::SeqCst) - before
        });
        assert!(counts.contains(&0), "{threads} threads: {counts:?}");
        assert!(executable.tensor(graph.output()).iter().any(|&value| value != 0.0));
    }
}
