//! The simulator against hand-computed cases and the lower bounds.

use super::*;
use crate::bound::bound;
use crate::dag::Dag;
use crate::sample;
use crate::schedule::by_rank;
use crate::workload::Cost;
use cnasc_base::random::Seed;
use cnasc_ir::architecture::Role;
use cnasc_ir::fleet::{Backend, Device, Link, Precision};
use proptest::prelude::{ProptestConfig, prop_assert, proptest};

/// Devices of 1 FLOP/s; links of one byte a second and half a second's latency.
fn fleet(count: usize) -> Fleet {
    let device = Device {
        name: "d".to_owned(),
        kind: "d".to_owned(),
        compute: 1.0,
        memory: 1e12,
        cores: 1,
        backend: Backend::Jit,
        power: None,
    };
    Fleet::uniform("fleet", count, &device, Link { rate: 8.0, latency: 0.5 })
}

/// Node i takes `costs[i].0` seconds on a device of 1 FLOP/s and makes `costs[i].1` bytes.
fn network(edges: &[(u32, u32)], costs: &[(u64, u64)]) -> Workload {
    let role = |node| if node == 0 { Role::Input } else { Role::Block };
    let cost = |(node, &(flops, bytes))| Cost { flops, bytes, ..Cost::of(role(node)) };
    let dag = Dag::from_edges(costs.len() as u32, edges).expect("edges ascend");
    Workload::from_costs(dag, costs.iter().enumerate().map(cost).collect()).expect("it is a network")
}

fn trace(workload: &Workload, fleet: &Fleet, devices: &[u32]) -> Trace {
    let order: Vec<NodeId> = workload.ids().collect();
    let device_of: Vec<DeviceId> = devices.iter().map(|&device| DeviceId(device)).collect();
    Simulator::new(workload, fleet).trace(&Placement::new(device_of, order))
}

fn sent(trace: &Trace) -> Vec<(u32, u32, f64, f64)> {
    trace.transfers.iter().map(|t| (t.node.0, t.to.0, t.span.start, t.span.end)).collect()
}

#[test]
fn a_chain_on_two_devices() {
    let workload = network(&[(0, 1), (1, 2), (2, 3)], &[(0, 1), (2, 3), (4, 5), (1, 1)]);
    let trace = trace(&workload, &fleet(2), &[0, 0, 1, 0]);
    // 1: 0 to 2; its 3 bytes: 2 to 5.5; 2: to 9.5; its 5 bytes: to 15; 3: to 16.
    assert_eq!(sent(&trace), [(1, 1, 2.0, 5.5), (2, 0, 9.5, 15.0)]);
    assert_eq!(trace.latency, 16.0);
}

#[test]
fn a_fork_joins_over_one_receiving_card() {
    // 1, 2, 3 on devices of their own, all take the image of device 0; 4 joins on device 0.
    let edges = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)];
    let workload = network(&edges, &[(0, 1), (4, 2), (3, 2), (1, 2), (2, 1)]);
    let trace = trace(&workload, &fleet(4), &[0, 1, 2, 3, 0]);
    // The image leaves device 0 one after the other, 1.5 s each: to 1.5, 3, 4.5. So 1 is done at 5.5, 2 at 6, 3 at 5.5.
    // All three answers, 2.5 s each, want device 0's card: 1 at 5.5 (smaller device), 3 since 5.5, 2 since 6.
    let expect =
        [(0, 1, 0.0, 1.5), (0, 2, 1.5, 3.0), (0, 3, 3.0, 4.5), (1, 0, 5.5, 8.0), (3, 0, 8.0, 10.5), (2, 0, 10.5, 13.0)];
    assert_eq!(sent(&trace), expect);
    assert_eq!(trace.latency, 15.0);
}

#[test]
fn consumers_on_one_device_are_sent_to_once() {
    let edges = [(0, 1), (1, 2), (1, 3), (1, 4), (2, 5), (3, 5), (4, 5)];
    let workload = network(&edges, &[(0, 1), (1, 4), (2, 1), (2, 1), (3, 1), (0, 1)]);
    let trace = trace(&workload, &fleet(2), &[0, 0, 1, 1, 0, 1]);
    // 1's 4 bytes: 1 to 5.5, once. 2 and 3 one after the other: to 9.5. 4 meanwhile: to 4; its byte waits for the card: 5.5 to 7.
    assert_eq!(sent(&trace), [(1, 1, 1.0, 5.5), (4, 1, 5.5, 7.0)]);
    assert_eq!(trace.latency, 9.5);
}

/// Image → 1 → 2 and 3 → 4; 2 and 3 take three seconds each.
fn fork() -> Workload {
    network(&[(0, 1), (1, 2), (1, 3), (2, 4), (3, 4)], &[(0, 1), (1, 8), (3, 1), (3, 1), (1, 1)])
}

#[test]
fn a_message_takes_the_first_gap_that_holds_it() {
    // 2 is made at 6 and sent for 3, whose turn comes first; 1 was made at 1, and its 2.5 seconds fit before that.
    let edges = [(0, 1), (0, 2), (2, 3), (1, 4), (3, 4)];
    let workload = network(&edges, &[(0, 1), (1, 2), (5, 4), (1, 1), (1, 1)]);
    let trace = trace(&workload, &fleet(2), &[0, 0, 0, 1, 1]);
    assert_eq!(sent(&trace), [(1, 1, 1.0, 3.5), (2, 1, 6.0, 10.5)]);
    assert_eq!(trace.latency, 12.5);
}

#[test]
fn a_copy_saves_its_message() {
    let workload = fork();
    let fleet = fleet(2);
    let order: Vec<NodeId> = workload.ids().collect();
    let mut placement = Placement::new([0, 0, 0, 1, 0].map(DeviceId).to_vec(), order);
    let mut simulator = Simulator::new(&workload, &fleet);
    // 1's 8 bytes: 1 to 9.5; 3 to 12.5; its byte to 14; 4 to 15.
    assert_eq!(simulator.latency(&placement), 15.0);
    placement.copies.push((NodeId(1), DeviceId(1)));
    // The image's byte: to 1.5; 1 there: to 2.5; 3 to 5.5; its byte to 7; 4 to 8.
    let trace = simulator.trace(&placement);
    assert_eq!((trace.latency, sent(&trace)), (8.0, vec![(0, 1, 0.0, 1.5), (3, 0, 5.5, 7.0)]));
    assert_eq!(trace.copies[0].span, Span { start: 1.5, end: 2.5 });
    // A copy that can't be computed is no placement.
    let mut gap = fleet.clone();
    gap.links[0][1] = None;
    placement.device_of = vec![DeviceId(0); 5];
    assert_eq!(Simulator::new(&workload, &gap).latency(&placement), f64::INFINITY);
}

#[test]
fn cores_packing_half_precision_and_measured_times() {
    let workload = fork();
    let mut fleet = fleet(2);
    fleet.devices[0].cores = 2;
    let order: Vec<NodeId> = workload.ids().collect();
    let here = Placement::new(vec![DeviceId(0); 5], order.clone());
    let split = Placement::new([0, 0, 0, 1, 0].map(DeviceId).to_vec(), order);
    assert_eq!(Simulator::new(&workload, &fleet).latency(&here), 8.0);
    assert_eq!(Simulator::new(&workload, &fleet).with_lanes().latency(&here), 5.0, "2 and 3 at once");
    // A quarter of a second a byte more: 9 bytes are sent.
    let packed = Simulator::new(&workload, &fleet).with_packing(0.25).latency(&split);
    assert_eq!(packed, 15.0 + 9.0 * 0.25);
    let seconds: Vec<Vec<f64>> = [0.0, 2.0, 1.0, 5.0, 1.0].map(|time| vec![time, time / 2.0]).to_vec();
    let mut measured = Simulator::measured(&workload, &fleet, &seconds).expect("there is a time for each");
    assert_eq!(measured.latency(&split), 2.0 + 8.5 + 2.5 + 1.5 + 1.0);
    assert!(Simulator::measured(&workload, &fleet, &seconds[1..]).is_err());
    let wrong = vec![vec![0.0, f64::NAN]; 5];
    assert!(Simulator::measured(&workload, &fleet, &wrong).is_err());
    let fleet = Fleet { transfer: Precision::F16, ..fleet };
    // 8 bytes become 4; the single byte of this made-up network becomes none.
    assert_eq!(Simulator::new(&workload, &fleet).latency(&split), 15.0 - 4.0 - 1.0);
}

#[test]
fn a_limit_only_cuts_off_what_is_above_it() {
    let mut rng = Seed::new(5).rng();
    for seed in 0..50 {
        let workload = sample::workload(&Seed::new(seed), 30);
        let mut fleet = fleet(3);
        fleet.devices.iter_mut().for_each(|device| device.compute = 1e6);
        let device_of = (0..30).map(|_| DeviceId::new(rng.below(3))).collect();
        let placement = by_rank(&workload, &fleet, device_of);
        let mut simulator = Simulator::new(&workload, &fleet);
        let latency = simulator.latency(&placement);
        assert_eq!(simulator.latency_within(&placement, latency), latency);
        assert_eq!(simulator.latency_within(&placement, latency * 0.99), f64::INFINITY);
    }
}

#[test]
fn what_can_not_run_takes_for_ever() {
    let workload = network(&[(0, 1), (1, 2)], &[(0, 1), (1, 1), (1, 1)]);
    let mut gap = fleet(2);
    gap.links[0][1] = None;
    let order: Vec<NodeId> = workload.ids().collect();
    let split = [DeviceId(0), DeviceId(1), DeviceId(1)];
    let latency = |simulator: &mut Simulator, devices: [DeviceId; 3], order: &[NodeId]| {
        simulator.latency(&Placement::new(devices.to_vec(), order.to_vec()))
    };
    assert_eq!(latency(&mut Simulator::new(&workload, &gap), split, &order), f64::INFINITY);
    let fleet = fleet(2);
    let mut simulator = Simulator::new(&workload, &fleet);
    for wrong in [[0, 2, 1], [0, 1, 1], [0, 1, 9]] {
        assert_eq!(latency(&mut simulator, [DeviceId(0); 3], &wrong.map(NodeId)), f64::INFINITY);
    }
    assert_eq!(latency(&mut simulator, [DeviceId(7); 3], &order), f64::INFINITY);
    assert_eq!(latency(&mut simulator, split, &order), 3.5, "and it still works afterwards");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn never_below_the_bounds(seed in 0_u64..10_000, nodes in 4_usize..60, count in 1_usize..6) {
        let workload = sample::workload(&Seed::new(seed), nodes);
        let mut fleet = fleet(count);
        let mut rng = Seed::new(seed).child("devices").rng();
        for device in &mut fleet.devices {
            device.compute = 1e6 * (1.0 + rng.unit());
        }
        for link in fleet.links.iter_mut().flatten().flatten() {
            *link = Link { rate: 1e6 * (1.0 + 20.0 * rng.unit()), latency: 0.01 * rng.unit() };
        }
        let device_of = (0..nodes).map(|_| DeviceId::new(rng.below(count))).collect();
        let placement = by_rank(&workload, &fleet, device_of);
        let trace = Simulator::new(&workload, &fleet).trace(&placement);
        prop_assert!(trace.latency.is_finite());
        prop_assert!(trace.latency >= bound(&workload, &fleet) * (1.0 - 1e-12));
        if count == 1 {
            prop_assert!((trace.latency / crate::bound::even_spread(&workload, &fleet) - 1.0).abs() < 1e-9);
        }
    }
}
