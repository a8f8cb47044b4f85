//! Wrong graphs, weights and shares are errors that say what is wrong.

use super::net::{Net, conv};
use crate::{CompileError, compile};
use cnasc_bundle::{Action, Share};
use cnasc_ir::fleet::Backend;
use cnasc_ir::op::Gate;
use cnasc_ir::{DeviceId, Op, Shape, TensorId};

const IMAGE: TensorId = TensorId(0);

fn two_steps() -> Net {
    let mut net = Net::new(Shape::new(3, 4, 4), 1);
    let first = net.add(conv(3, 4), &[IMAGE]);
    net.add(Op::Relu, &[first]);
    net
}

fn fault(net: &Net, share: &Share) -> String {
    let faults = [Backend::Jit, Backend::Reference].map(|backend| {
        let share = Share { backend, ..share.clone() };
        compile(&net.graph, &net.weights, &share).err().map_or_else(|| "none".to_owned(), |error| error.to_string())
    });
    assert_eq!(faults[0], faults[1], "both backends check alike");
    faults[0].clone()
}

#[test]
fn shares_are_checked() {
    let net = two_steps();
    let whole = net.whole(Backend::Jit);
    let with = |actions: Vec<Action>| Share { actions, ..whole.clone() };
    let compute = |steps: &[u32]| Action::Compute { steps: steps.iter().copied().map(TensorId).collect() };
    let send = |tensor| Action::Send { tensor: TensorId(tensor), to: vec![DeviceId(1)] };
    let cases = [
        (with(vec![compute(&[1, 7])]), "the share is wrong at action 0: computes step 7, the graph has 3"),
        (with(vec![compute(&[0])]), "the share is wrong at action 0: computes the image"),
        (with(vec![compute(&[2])]), "the share is wrong at action 0: computes step 2, whose input 1 is not there yet"),
        (with(vec![compute(&[1, 1])]), "the share is wrong at action 0: makes tensor 1 a second time"),
        (with(vec![compute(&[1]), send(2)]), "the share is wrong at action 1: gives away tensor 2, which is not there"),
        (with(vec![send(9)]), "the share is wrong at action 0: names tensor 9, the graph has 3"),
        (with(vec![compute(&[1])]), "the share is wrong at action 1: gives away tensor 2, which is not there"),
        (
            Share { takes_image: false, ..whole.clone() },
            "the share is wrong at action 0: computes step 1, whose input 0 is not there yet",
        ),
    ];
    for (share, wanted) in cases {
        assert_eq!(fault(&net, &share), wanted);
    }
    assert_eq!(fault(&net, &whole), "none");
}

#[test]
fn graphs_and_weights_are_checked() {
    let mut net = two_steps();
    let share = net.whole(Backend::Jit);
    net.weights.tensors[1].pop();
    assert_eq!(fault(&net, &share), "the weights do not fit the tensor graph: p1 needs 4 values, found 3");
    net.weights.tensors.clear();
    assert_eq!(fault(&net, &share), "the weights do not fit the tensor graph: 2 tensors are needed, found 0");
    net.graph.steps[1].shape.channels = 5;
    assert_eq!(fault(&net, &share), "the tensor graph is wrong: step 1: conv3 4 +bias gives 4x4x4, recorded is 5x4x4");
    net.graph.steps.clear();
    assert_eq!(fault(&net, &share), "the tensor graph is wrong: step 0: there is none");
}

#[test]
fn what_folding_removes_is_for_the_oracle_only() {
    for op in [Op::BatchNorm, Op::WeightedSum { gate: Gate::SigmoidWeights }] {
        let mut net = Net::new(Shape::new(3, 4, 4), 1);
        net.add(op, &[IMAGE]);
        let error = compile(&net.graph, &net.weights, &net.whole(Backend::Jit)).err().expect("no kernel for it");
        assert!(matches!(error, CompileError::Unsupported { step: 1, .. }), "{error}");
        assert!(compile(&net.graph, &net.weights, &net.whole(Backend::Reference)).is_ok());
    }
}

#[test]
fn too_large_a_tensor_is_refused() {
    // As many elements as a shape may have, in one channel: filled up to sixteen it would be 64 GiB.
    let mut net = Net::new(Shape::new(1, 1 << 15, 1 << 15), 1);
    net.add(Op::Relu, &[IMAGE]);
    let error = compile(&net.graph, &net.weights, &net.whole(Backend::Jit)).err().expect("it would be 64 GiB");
    assert!(matches!(error, CompileError::Memory { .. }), "{error}");
}
