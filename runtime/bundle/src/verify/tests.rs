//! One test for each thing that is checked, and random plans that all pass.

use super::{plan, shares};
use crate::bundle::Bundle;
use crate::sample;
use crate::share::{Action, Share};
use cnasc_base::random::Seed;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::Backend;
use cnasc_ir::plan::{Copied, Plan, Transfer};
use cnasc_ir::{DeviceId, TensorId};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn random_bundle(seed: u64, blocks: usize, devices: usize) -> Bundle {
    let seed = Seed::new(seed);
    sample::bundle(&sample::random(&seed, blocks), devices, Backend::Reference, &seed)
}

/// A chain of two blocks by turns on two devices: 0: image, stem, body.1, head; 1: body.0, body.out.
fn two() -> Bundle {
    let mut bundle = sample::bundle(&sample::chain(2), 2, Backend::Reference, &Seed::new(0));
    let device_of: Vec<DeviceId> = [0, 0, 1, 0, 1, 0].map(DeviceId).to_vec();
    let order =
        (0..2).map(|device| (0..6).filter(|&n| device_of[n as usize].0 == device).map(NodeId).collect()).collect();
    let outputs = bundle.graph.node_outputs();
    let transfers = [(1, 0, 1), (2, 1, 0), (3, 0, 1), (4, 1, 0)].map(|(node, from, to)| Transfer {
        node: NodeId(node),
        from: DeviceId(from),
        to: DeviceId(to),
        bytes: bundle.graph.step(outputs[node as usize]).shape.bytes(),
        span: Default::default(),
    });
    bundle.plan = Plan { device_of, order, transfers: transfers.to_vec(), ..bundle.plan };
    bundle.verify().expect("it was placed by hand, and well");
    bundle
}

/// What is wrong with the plan of [`two`] after `change`.
fn plan_problem(change: impl FnOnce(&mut Plan)) -> String {
    let mut bundle = two();
    change(&mut bundle.plan);
    plan(&bundle.graph, &bundle.plan, &bundle.fleet).expect_err("the change breaks the plan")
}

#[test]
fn what_a_plan_can_get_wrong() {
    let found = [
        plan_problem(|plan| plan.device_of.truncate(4)),
        plan_problem(|plan| plan.spans.clear()),
        plan_problem(|plan| plan.order.push(vec![])),
        plan_problem(|plan| plan.device_of[2] = DeviceId(2)),
        plan_problem(|plan| plan.latency = f64::NAN),
        plan_problem(|plan| plan.order[0].push(NodeId(2))),
        plan_problem(|plan| plan.order[0].push(NodeId(77))),
        plan_problem(|plan| plan.order[0].push(NodeId(3))),
        plan_problem(|plan| plan.order[0].truncate(2)),
        plan_problem(|plan| plan.transfers[0].from = DeviceId(1)),
        plan_problem(|plan| plan.transfers[0].to = DeviceId(0)),
        plan_problem(|plan| plan.transfers[0].to = DeviceId(9)),
        plan_problem(|plan| plan.transfers[0].bytes += 4),
        plan_problem(|plan| plan.transfers.push(plan.transfers[0].clone())),
        plan_problem(|plan| plan.transfers.truncate(3)),
        plan_problem(|plan| plan.transfers[0].node = NodeId(0)),
        plan_problem(|plan| plan.copies.push(copy(0, 1))),
        plan_problem(|plan| plan.copies.push(copy(5, 1))),
        plan_problem(|plan| plan.copies.push(copy(1, 0))),
        plan_problem(|plan| plan.copies.extend([copy(1, 1); 2])),
        plan_problem(|plan| plan.copies.push(copy(1, 7))),
        plan_problem(|plan| plan.copies.push(copy(1, 1))),
        plan_problem(|plan| {
            plan.copies.push(copy(1, 1));
            plan.order[1].insert(0, NodeId(1));
        }),
    ];
    let expected = [
        "the plan places 4 nodes and times 6, the network has 6",
        "the plan places 6 nodes and times 0, the network has 6",
        "the plan orders 3 devices, the fleet has 2",
        "the plan names device 2, the fleet has 2",
        "a time of the plan is not a finite number",
        "device 0 computes node 2, which is not placed there",
        "device 0 computes node 77, which is not placed there",
        "device 0 computes node 3 twice",
        "device 0 does not compute node 3",
        "the transfer of node 1 from device 1 to 1 does not start where the node is computed",
        "the transfer of node 1 from device 0 to 0 has no link",
        "the transfer of node 1 from device 0 to 9 has no link",
        "the transfer of node 1 from device 0 to 1 has 2664 bytes, the node's output 2660",
        "the transfer of node 1 from device 0 to 1 stands there twice",
        "node 4 is not sent to device 0, which needs it",
        "the transfer of node 0 from device 0 to 1 has 2660 bytes, the node's output 420",
        "node 0 can't have this copy on device 1",
        "node 5 can't have this copy on device 1",
        "node 1 can't have this copy on device 0",
        "node 1 can't have this copy on device 1",
        "the plan names device 7, the fleet has 2",
        "device 1 does not compute node 1",
        "node 0 is not sent to device 1, which needs it",
    ];
    assert_eq!(found.as_slice(), expected);
}

fn copy(node: u32, device: u32) -> Copied {
    Copied { node: NodeId(node), device: DeviceId(device), span: Default::default() }
}

#[test]
fn what_is_computed_twice_is_not_sent() {
    let copied = sample::copied(&two()).expect("an output is sent");
    let shares = copied.shares();
    let computes = |share: &Share, step: TensorId| {
        share.actions.iter().any(|action| matches!(action, Action::Compute { steps } if steps.contains(&step)))
    };
    // The stem, which is step 1, is computed on both, so the image goes to device 1 and the stem does not.
    assert!(shares.iter().all(|share| computes(share, TensorId(1))));
    assert_eq!(shares[1].actions[0], Action::Receive { tensor: TensorId(0), from: DeviceId(0) });
    assert!(!shares[0].actions.iter().any(|action| matches!(action, Action::Send { tensor: TensorId(2), .. })));
}

#[test]
fn what_is_not_needed_is_not_sent() {
    let problem = plan_problem(|plan| {
        let image = Transfer { node: NodeId(0), bytes: 420, ..plan.transfers[0].clone() };
        plan.transfers.push(image);
    });
    assert_eq!(problem, "node 0 is sent to device 1, which does not need it");
}

#[test]
fn orders_that_wait_for_each_other_are_refused() {
    let mut bundle = two();
    // Device 1 is to make what it makes from body.1 before body.0, from which body.1 is made.
    bundle.plan.order[1].reverse();
    plan(&bundle.graph, &bundle.plan, &bundle.fleet).expect("taken alone the plan is fine");
    let problem = bundle.verify().unwrap_err().to_string();
    let waits = "device 0 would wait forever for tensor 6 of device 1";
    assert_eq!(problem, format!("the parts of the bundle do not fit together: {waits}"));
}

/// What goes wrong with the shares of [`two`] after `change`.
fn share_problem(change: impl FnOnce(&mut [Share])) -> String {
    let bundle = two();
    let mut all = bundle.shares();
    change(&mut all);
    shares(&bundle.graph, &all).expect_err("the change breaks the shares")
}

#[test]
fn what_shares_can_get_wrong() {
    let found = [
        share_problem(|all| all[0].takes_image = false),
        share_problem(|all| all[1].gives_answer = true),
        share_problem(|all| all[0].gives_answer = false),
        share_problem(|all| all[0].actions.truncate(1)),
        share_problem(|all| all[1].actions.truncate(3)),
        share_problem(|all| all[0].actions.swap(0, 1)),
        share_problem(|all| all[0].actions.push(Action::Compute { steps: vec![TensorId(1)] })),
        share_problem(|all| all[0].actions.push(Action::Compute { steps: vec![TensorId(99)] })),
        share_problem(|all| all[0].actions.insert(0, Action::Send { tensor: TensorId(0), to: vec![DeviceId(0)] })),
        share_problem(|all| all[0].actions.insert(0, Action::Send { tensor: TensorId(0), to: vec![DeviceId(1)] })),
        share_problem(|all| drop(all[0].actions.pop())),
    ];
    let expected = [
        "device 0: computes step 1 without its input 0",
        "not exactly one device gives the answer",
        "not exactly one device gives the answer",
        "device 1 would wait forever for tensor 2 of device 0",
        "device 0 would wait forever for tensor 11 of device 1",
        "device 0: sends tensor 2, which it does not have",
        "device 0: step 1 is computed twice",
        "device 0: computes step 99, the graph has 14",
        "device 0: can't send tensor 0 to device 0",
        "device 1 never receives tensor 0 of device 0",
        "no device computes step 12",
    ];
    assert_eq!(found.as_slice(), expected);
}

proptest! {
    #[test]
    fn shares_of_random_plans_fit(seed in any::<u64>(), blocks in 1_usize..24, devices in 1_usize..6) {
        let bundle = random_bundle(seed, blocks, devices);
        let all = bundle.shares();
        prop_assert_eq!(shares(&bundle.graph, &all), Ok(()));

        let mut computed = BTreeMap::new();
        let mut sent = BTreeMap::new();
        let mut received = BTreeMap::new();
        for share in &all {
            for pair in share.actions.windows(2) {
                let two_runs = matches!(pair, [Action::Compute { .. }, Action::Compute { .. }]);
                prop_assert!(!two_runs, "runs are maximal");
            }
            for action in &share.actions {
                match action {
                    Action::Compute { steps } => {
                        prop_assert!(!steps.is_empty());
                        steps.iter().for_each(|&step| *computed.entry(step).or_insert(0) += 1);
                    }
                    Action::Send { tensor, to } => {
                        to.iter().for_each(|&to| *sent.entry((*tensor, share.device, to)).or_insert(0) += 1);
                    }
                    Action::Receive { tensor, from } => {
                        *received.entry((*tensor, *from, share.device)).or_insert(0) += 1;
                    }
                }
            }
        }
        prop_assert!(computed.keys().copied().eq(bundle.graph.ids().skip(1)), "every step is covered");
        prop_assert!(computed.values().chain(sent.values()).all(|&count| count == 1), "each once");
        prop_assert_eq!(&sent, &received, "exchanges match in pairs");
        prop_assert_eq!(sent.len(), bundle.plan.transfers.len());
        prop_assert_eq!(all.iter().filter(|share| share.takes_image).count(), 1);
        prop_assert_eq!(all.iter().filter(|share| share.gives_answer).count(), 1);
    }

    /// Orders by lot, not cut from one topological order: refused as a deadlock or fine, and the walk agrees with a search for a
    /// cycle in the graph of nodes with the orders as further edges.
    #[test]
    fn a_deadlock_is_a_cycle(seed in any::<u64>(), blocks in 2_usize..10, devices in 1_usize..4) {
        let mut bundle = random_bundle(seed, blocks, devices);
        let mut rng = Seed::new(seed).child("shuffle").rng();
        for order in &mut bundle.plan.order {
            rng.shuffle(order);
            // The image is there from the start, wherever its place in the order.
            order.sort_by_key(|node| node.0 != 0);
        }
        let accepted = shares(&bundle.graph, &bundle.shares()).is_ok();
        prop_assert_eq!(accepted, !has_cycle(&bundle));
    }
}

/// Takes away nodes without predecessors until none is left, or none can be taken.
fn has_cycle(bundle: &Bundle) -> bool {
    let mut edges: Vec<(NodeId, NodeId)> = Vec::new();
    for step in &bundle.graph.steps {
        let from = step.inputs.iter().map(|&input| bundle.graph.step(input).node);
        edges.extend(from.filter(|&from| from != step.node).map(|from| (from, step.node)));
    }
    for order in &bundle.plan.order {
        edges.extend(order.windows(2).map(|pair| (pair[0], pair[1])));
    }
    let mut left: Vec<NodeId> = (0..bundle.nodes.len()).map(NodeId::new).collect();
    loop {
        let before = left.len();
        let taken = |node: &NodeId| !edges.iter().any(|(_, to)| to == node);
        let free: Vec<NodeId> = left.iter().copied().filter(taken).collect();
        left.retain(|node| !free.contains(node));
        edges.retain(|(from, _)| !free.contains(from));
        if left.len() == before {
            return !left.is_empty();
        }
    }
}
