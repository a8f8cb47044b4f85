//! Networks cut over two devices: the parts, passing tensors to each other, give what the whole gives.

use super::net::{Net, conv, depthwise, difference, expected, image};
use crate::{Executable, compile};
use cnasc_bundle::{Action, Share, layout};
use cnasc_ir::fleet::Backend;
use cnasc_ir::op::{Axis, Gate};
use cnasc_ir::{DeviceId, Op, Shape, TensorId};

const IMAGE: TensorId = TensorId(0);

/// Two branches that cross: `left` on device 0, `right` on device 1, joined on 0.
fn crossing() -> (Net, [Share; 2]) {
    let mut net = Net::new(Shape::new(3, 10, 10), 5);
    let stem = net.add(conv(3, 20), &[IMAGE]);
    let left = net.add(depthwise(3, 20), &[stem]);
    let right = net.add(conv(3, 20), &[stem]);
    let right_relu = net.add(Op::Relu, &[right]);
    let crossed = net.add(Op::WeightedSum { gate: Gate::Plain }, &[left, right_relu]);
    let back = net.add(depthwise(5, 20), &[crossed]);
    let joined = net.add(Op::Sum, &[left, back]);
    let pooled = net.add(Op::GlobalAvg, &[joined]);
    net.add(Op::Linear { outputs: 10, bias: true }, &[pooled]);
    let (zero, one) = (DeviceId(0), DeviceId(1));
    let compute = |steps: &[TensorId]| Action::Compute { steps: steps.to_vec() };
    let first = vec![
        compute(&[stem]),
        Action::Send { tensor: stem, to: vec![one] },
        compute(&[left]),
        Action::Send { tensor: left, to: vec![one] },
        Action::Receive { tensor: back, from: one },
        compute(&[joined, pooled, net.graph.output()]),
    ];
    let second = vec![
        Action::Receive { tensor: stem, from: zero },
        compute(&[right, right_relu]),
        Action::Receive { tensor: left, from: zero },
        compute(&[crossed, back]),
        Action::Send { tensor: back, to: vec![zero] },
    ];
    let share = |device, actions, first| Share {
        device,
        backend: Backend::Jit,
        threads: 1,
        takes_image: first,
        gives_answer: first,
        actions,
    };
    let shares = [share(zero, first, true), share(one, second, false)];
    (net, shares)
}

/// Runs shares in turn, each as far as it gets, until all are through.
fn run_together(shares: &[Share], executables: &mut [Box<dyn Executable>]) {
    let mut at = vec![0; shares.len()];
    let mut sent: Vec<(TensorId, Vec<f32>)> = Vec::new();
    while (0..shares.len()).any(|device| at[device] < shares[device].actions.len()) {
        for (device, share) in shares.iter().enumerate() {
            let executable = &mut executables[device];
            while let Some(action) = share.actions.get(at[device]) {
                match action {
                    Action::Compute { .. } => executable.run(at[device]),
                    Action::Send { tensor, .. } => sent.push((*tensor, executable.tensor(*tensor).to_vec())),
                    Action::Receive { tensor, .. } => {
                        let Some((_, values)) = sent.iter().find(|(id, _)| id == tensor) else { break };
                        executable.tensor_mut(*tensor).copy_from_slice(values);
                    }
                }
                at[device] += 1;
            }
        }
    }
}

#[test]
fn parts_give_what_the_whole_gives() {
    let (net, mut shares) = crossing();
    let values = image(net.graph.step(IMAGE).shape, 9);
    let wanted = expected(&net, &values);
    for backends in
        [[Backend::Jit, Backend::Jit], [Backend::Jit, Backend::Reference], [Backend::Reference, Backend::Jit]]
    {
        for (share, backend) in shares.iter_mut().zip(backends) {
            share.backend = backend;
        }
        let mut executables: Vec<_> =
            shares.iter().map(|share| compile(&net.graph, &net.weights, share).unwrap()).collect();
        for _ in 0..2 {
            layout::to_blocked(net.graph.step(IMAGE).shape, &values, executables[0].tensor_mut(IMAGE));
            run_together(&shares, &mut executables);
            let found = executables[0].tensor(net.graph.output());
            difference(net.graph.step(net.graph.output()).shape, found, &wanted).unwrap();
        }
    }
}

#[test]
fn a_share_may_be_empty_or_only_pass_on() {
    let (net, _) = crossing();
    let share = Share {
        device: DeviceId(1),
        backend: Backend::Jit,
        threads: 1,
        takes_image: true,
        gives_answer: false,
        actions: vec![],
    };
    let passes = Share { actions: vec![Action::Send { tensor: IMAGE, to: vec![DeviceId(0)] }], ..share.clone() };
    for share in [share, passes] {
        let mut executable = compile(&net.graph, &net.weights, &share).unwrap();
        executable.tensor_mut(IMAGE).fill(2.0);
        assert!(executable.tensor(IMAGE).iter().all(|&value| value == 2.0));
    }
}

#[test]
fn memory_is_reused_and_reported() {
    let mut net = Net::new(Shape::new(16, 8, 8), 2);
    let mut last = IMAGE;
    for _ in 0..20 {
        last = net.add(conv(1, 16), &[last]);
    }
    let jit = compile(&net.graph, &net.weights, &net.whole(Backend::Jit)).unwrap().memory();
    let tensor = 4 * layout::len(Shape::new(16, 8, 8)) as u64;
    assert_eq!(jit.arena, 2 * tensor, "a chain needs two tensors at a time");
    assert!(jit.weights >= 20 * 4 * (16 * 16 + 16), "{jit:?}");
    assert!(jit.code > 100 && jit.code < 100_000, "twenty equal steps share their code: {jit:?}");
}

/// Steps written over an input, ReLUs done by the step before, and tensors that are both used up and sent.
#[test]
fn a_tensor_that_is_still_needed_is_not_overwritten() {
    let mut net = Net::new(Shape::new(20, 6, 6), 4);
    let first = net.add(conv(1, 20), &[IMAGE]);
    let relu = net.add(Op::Relu, &[first]);
    let again = net.add(Op::Sigmoid, &[first]);
    let sum = net.add(Op::Sum, &[relu, again, relu]);
    let over = net.add(Op::Relu, &[sum]);
    let third = net.add(depthwise(3, 20), &[over]);
    net.add(Op::Concat { axis: Axis::Channels }, &[third, over, first]);
    super::net::agrees(&net, 1).unwrap();
}
