//! The operators' tests of `cnasc-kernels`, which compare with the oracle, compiled here against this crate's `compile`; memory;
//! wrong input.

#[path = "../../kernels/src/tests/elementwise.rs"]
mod elementwise;
#[path = "../../kernels/src/tests/image.rs"]
mod image;
#[path = "../../kernels/src/tests/layout.rs"]
mod layout;
#[path = "../../kernels/src/tests/net.rs"]
mod net;
#[path = "../../kernels/src/tests/operators.rs"]
mod operators;

use crate::compile;
use cnasc_bundle::Share;
use cnasc_bundle::layout::len;
use cnasc_ir::fleet::Backend;
use cnasc_ir::op::{Axis, Gate};
use cnasc_ir::{Op, Shape, TensorId};
use cnasc_ir::{TensorGraph, Weights};
use cnasc_kernels::{CompileError, Executable};
use net::{Net, agrees, conv, infer};

const IMAGE: TensorId = TensorId(0);

/// An executable share with the name of how it computes.
type Way = (String, Box<dyn Executable>);

/// The one way in which this crate computes a share.
fn ways(graph: &TensorGraph, weights: &Weights, share: &Share) -> Result<Vec<Way>, CompileError> {
    Ok(vec![("burn".to_owned(), compile(graph, weights, share)?)])
}

#[test]
fn what_folding_removes_is_here_too() {
    for op in [Op::BatchNorm, Op::WeightedSum { gate: Gate::SigmoidWeights }] {
        let mut net = Net::new(Shape::new(3, 4, 5), 1);
        net.add(op, &[IMAGE]);
        agrees(&net, 2).unwrap();
    }
}

#[test]
fn memory_is_given_back_and_reported() {
    let shape = Shape::new(16, 8, 8);
    let mut net = Net::new(shape, 2);
    let mut last = IMAGE;
    for _ in 0..20 {
        last = net.add(conv(1, 16), &[last]);
    }
    let memory = compile(&net.graph, &net.weights, &net.whole(Backend::Burn)).unwrap().memory();
    let tensor = 4 * len(shape) as u64;
    assert_eq!(memory.arena, 4 * tensor, "a chain needs two tensors at a time, and two are at the border");
    assert_eq!(memory.weights, 20 * 4 * (16 * 16 + 16));
    assert_eq!(memory.code, 0);
}

/// Tensors that are taken twice by one step, taken and sent, or taken again later.
#[test]
fn a_tensor_that_is_still_needed_is_not_given_up() {
    let mut net = Net::new(Shape::new(20, 6, 6), 4);
    let first = net.add(conv(1, 20), &[IMAGE]);
    let relu = net.add(Op::Relu, &[first]);
    let again = net.add(Op::Sigmoid, &[first]);
    let sum = net.add(Op::Sum, &[relu, again, relu]);
    net.add(Op::Concat { axis: Axis::Channels }, &[sum, first, sum, IMAGE]);
    agrees(&net, 1).unwrap();
}

#[test]
fn too_large_a_tensor_is_refused() {
    // As many elements as a shape may have, in one channel: filled up to sixteen it would be 64 GiB.
    let mut net = Net::new(Shape::new(1, 1 << 15, 1 << 15), 1);
    net.add(Op::Relu, &[IMAGE]);
    let error = compile(&net.graph, &net.weights, &net.whole(Backend::Burn)).err().expect("it would be 64 GiB");
    assert!(matches!(error, CompileError::Memory { .. }), "{error}");
}

#[test]
fn wrong_parts_are_errors() {
    let mut net = Net::new(Shape::new(3, 4, 4), 1);
    net.add(conv(3, 4), &[IMAGE]);
    let share = net.whole(Backend::Burn);
    net.weights.tensors[1].pop();
    let error = compile(&net.graph, &net.weights, &share).err().expect("a bias is missing");
    assert_eq!(error.to_string(), "the weights do not fit the tensor graph: p1 needs 4 values, found 3");
    // Whoever hands over the graph may have changed it: nothing is computed before it is checked.
    net.graph.steps.clear();
    assert!(matches!(compile(&net.graph, &net.weights, &share), Err(CompileError::Graph(_))));
}

#[test]
fn an_inference_that_was_given_up_leaves_nothing_behind() {
    let mut net = Net::new(Shape::new(3, 4, 4), 1);
    let first = net.add(Op::Relu, &[IMAGE]);
    net.add(Op::Sum, &[first, IMAGE]);
    let whole = net.whole(Backend::Burn);
    let parts = [vec![first], vec![net.graph.output()]].map(|steps| cnasc_bundle::Action::Compute { steps });
    let share = Share { actions: parts.to_vec(), ..whole };
    let mut executable = compile(&net.graph, &net.weights, &share).unwrap();
    executable.tensor_mut(IMAGE).fill(1.0);
    executable.run(0);
    let image = vec![2.0; 48];
    let found = infer(executable.as_mut(), &net, &share, &image);
    assert_eq!(found[..3], [4.0; 3]);
}
