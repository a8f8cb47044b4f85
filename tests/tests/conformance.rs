//! Backends and placements on drawn networks: compiled kernels on 1, 2, 3 and 4 devices against plain loops on one.

#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use cnasc_base::Seed;
use cnasc_bundle::{Action, Bundle, layout};
use cnasc_fleet::Local;
use cnasc_ir::Architecture;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::Backend;
use cnasc_lower::{fold, lower, random_weights};
use cnasc_place::simulate::Simulator;
use cnasc_place::{Strategy, Workload, plan, verify};
use cnasc_tests::placed::fleet;
use cnasc_tests::program::{compiled, drawn};

/// Every family, block, aggregate and staging, in sizes that many of can be run.
const SPACE: &str = include_str!("space.cnas");

/// Networks drawn; each is run on every number of devices.
const NETWORKS: u64 = 200;

fn bundle(architecture: &Architecture, devices: usize, strategy: Strategy, backend: Backend) -> Bundle {
    let graph = lower(architecture);
    let workload = Workload::new(architecture, &graph).expect("the graph was lowered from the architecture");
    let seed = Seed::new(architecture.provenance.seed);
    let fleet = fleet(devices, backend);
    let placed = plan(&workload, &fleet, strategy, &seed).expect("the boards have memory enough");
    let weights = random_weights(&graph, &seed);
    let (graph, weights) = fold(&graph, &weights);
    Bundle::new(architecture, graph, weights, placed, fleet).expect("the parts fit together")
}

fn answer(bundle: &Bundle, image: &[f32]) -> Vec<f32> {
    let mut fleet = Local::start(bundle).expect("the fleet starts");
    fleet.infer(image).expect("the fleet answers").output
}

fn image(bundle: &Bundle, seed: u64) -> Vec<f32> {
    let shape = bundle.input();
    let mut rng = Seed::new(seed).child("image").rng();
    let plain: Vec<f32> = (0..shape.elements()).map(|_| rng.unit() as f32).collect();
    let mut blocked = vec![0.0; layout::len(shape)];
    layout::to_blocked(shape, &plain, &mut blocked);
    blocked
}

/// Every device computes and sends in the order of the plan, copies included, and the plan simulated again with the times that
/// were measured has the same order.
#[test]
fn a_plan_is_executed_in_its_order() {
    let program = compiled(SPACE.to_owned());
    let mut copies = 0;
    for seed in 0..30 {
        let architecture = drawn(&program, seed);
        let bundle = bundle(&architecture, 3, Strategy::Best, Backend::Jit);
        let answer = Local::start(&bundle).expect("it starts").infer(&image(&bundle, seed)).expect("it answers");
        let workload = Workload::new(&architecture, &lower(&architecture)).expect("they belong together");
        let mut seconds = vec![vec![0.0; 3]; workload.len()];
        for (share, report) in bundle.shares().iter().zip(&answer.devices) {
            let (mut computed, mut sent) = (Vec::new(), Vec::new());
            for (action, timing) in share.actions.iter().zip(&report.timings) {
                match action {
                    Action::Compute { steps } => {
                        let mut nodes: Vec<NodeId> = steps.iter().map(|&step| bundle.graph.step(step).node).collect();
                        nodes.dedup();
                        for node in &nodes {
                            let part = (timing.end - timing.start) / nodes.len() as f64;
                            seconds[node.index()][share.device.index()] = part;
                        }
                        computed.extend(nodes);
                    }
                    Action::Send { tensor, to } => {
                        sent.extend(to.iter().map(|&to| (bundle.graph.step(*tensor).node, to)));
                    }
                    Action::Receive { .. } => {}
                }
            }
            let planned = bundle.plan.order[share.device.index()].iter().copied().filter(|node| node.index() > 0);
            assert_eq!(computed, planned.collect::<Vec<_>>(), "seed {seed}");
            let planned = bundle.plan.transfers.iter().filter(|one| one.from == share.device);
            assert_eq!(sent, planned.map(|one| (one.node, one.to)).collect::<Vec<_>>(), "seed {seed}");
        }
        copies += bundle.plan.copies.len();
        let placement = verify::placement(&bundle.plan, &workload).expect("it is a plan");
        let mut simulator = Simulator::measured(&workload, &bundle.fleet, &seconds).expect("a time for each");
        let again = simulator.trace(&placement);
        assert!(again.latency.is_finite());
        for device in bundle.fleet.ids() {
            let start = |node: NodeId| {
                let copy = again.copies.iter().find(|copy| (copy.node, copy.device) == (node, device));
                copy.map_or(again.spans[node.index()], |copy| copy.span).start
            };
            let starts: Vec<f64> = bundle.plan.order[device.index()].iter().map(|&node| start(node)).collect();
            assert!(starts.is_sorted(), "seed {seed}");
        }
    }
    assert!(copies > 0, "some plan has copies");
}

#[test]
fn compiled_and_spread_is_as_reference_on_one() {
    let program = compiled(SPACE.to_owned());
    let mut spread = [0_u32; 5];
    for seed in 0..NETWORKS {
        let architecture = drawn(&program, seed);
        let wanted_bundle = bundle(&architecture, 1, Strategy::Single, Backend::Reference);
        let image = image(&wanted_bundle, seed);
        let wanted = answer(&wanted_bundle, &image);
        for devices in 1..=4 {
            // The hypergraph strategy spreads whether or not that pays.
            let placed = bundle(&architecture, devices, Strategy::Hypergraph, Backend::Jit);
            let used = placed.plan.order.iter().filter(|nodes| !nodes.is_empty()).count();
            spread[used] += 1;
            assert_close(&answer(&placed, &image), &wanted, &format!("seed {seed} on {devices} devices"));
        }
    }
    // Spreading must really have happened, or this test would say nothing about it.
    assert!(spread[2] > 100 && spread[3] > 100 && spread[4] > 50, "devices used: {spread:?}");
}

/// Backends of unequal devices of one fleet, each in every place.
#[test]
fn mixed_fleets_are_as_reference_on_one() {
    let program = compiled(SPACE.to_owned());
    let all = [Backend::Jit, Backend::Burn, Backend::Reference];
    let backends: Vec<Backend> = all.into_iter().filter(|&backend| cnasc_fleet::has(backend)).collect();
    for seed in 0..60 {
        let architecture = drawn(&program, seed);
        let alone = bundle(&architecture, 1, Strategy::Single, Backend::Reference);
        let image = image(&alone, seed);
        let wanted = answer(&alone, &image);
        for devices in 1..=4 {
            let mut mixed = bundle(&architecture, devices, Strategy::Hypergraph, Backend::Reference);
            for (index, device) in mixed.fleet.devices.iter_mut().enumerate() {
                device.backend = backends[(index + seed as usize) % backends.len()];
            }
            assert_close(&answer(&mixed, &image), &wanted, &format!("seed {seed} on {devices} devices"));
        }
    }
}

/// Within 1e-4 of the largest output.
fn assert_close(found: &[f32], wanted: &[f32], what: &str) {
    let largest = wanted.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    for (found, wanted) in found.iter().zip(wanted) {
        let off = (found - wanted).abs() / largest;
        assert!(off <= 1e-4, "{what} is off by {off:e}");
    }
}

#[test]
fn folding_keeps_the_answer() {
    let program = compiled(SPACE.to_owned());
    for seed in 0..40 {
        let architecture = drawn(&program, seed);
        let folded = bundle(&architecture, 1, Strategy::Single, Backend::Reference);
        let graph = lower(&architecture);
        let weights = random_weights(&graph, &Seed::new(seed));
        let plain = Bundle::new(&architecture, graph, weights, folded.plan.clone(), folded.fleet.clone())
            .expect("the parts fit together");
        let image = image(&folded, seed);
        let (a, b) = (answer(&folded, &image), answer(&plain, &image));
        let largest = b.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() <= 1e-4 * largest, "seed {seed}: {a} and {b}");
        }
    }
}
