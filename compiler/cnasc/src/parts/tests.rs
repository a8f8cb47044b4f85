//! Where cutting must win and where it can't; answers of networks in parts; what is sent.

#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use super::*;
use crate::pipeline;
use cnasc_bundle::Bundle;
use cnasc_fleet::Local;
use cnasc_ir::Shape;
use cnasc_ir::architecture::{Join, pipe};
use cnasc_ir::fleet::{Backend, Device, Link};
use cnasc_ir::op::Window;
use cnasc_place::verify;

fn fleet(count: usize, link: Link) -> Fleet {
    let (name, kind) = ("pi".to_owned(), "pi".to_owned());
    let device = Device { name, kind, compute: 1e9, memory: 1e9, cores: 1, backend: Backend::Jit, power: None };
    Fleet::uniform("boards", count, &device, link)
}

const FAST: Link = Link { rate: 1e10, latency: 1e-6 };

fn conv(kernel: u32, channels: u32) -> Op {
    Op::Conv { window: Window::same(kernel, 1), groups: 1, channels, bias: true }
}

/// Image 16×32×32, and each of these after the ones at the places before it.
fn network(layers: Vec<(Vec<usize>, Vec<Op>)>) -> Architecture {
    let image = Shape::new(16, 32, 32);
    let mut nodes =
        vec![Node { name: "image".to_owned(), role: Role::Input, inputs: vec![], ops: vec![], shape: image }];
    for (index, (inputs, ops)) in layers.into_iter().enumerate() {
        let shapes: Vec<Shape> = inputs.iter().map(|&input| nodes[input].shape).collect();
        let shape = pipe(&ops, &shapes).expect("operators fit");
        let inputs = inputs.iter().map(|&input| Join { from: NodeId::new(input), scale: Vec::new() }).collect();
        nodes.push(Node { name: format!("layer.{}", index + 1), role: Role::Block, inputs, ops, shape });
    }
    Architecture::new("layers", nodes).expect("built to hold the invariants")
}

fn head() -> Vec<Op> {
    vec![Op::GlobalAvg, Op::Linear { outputs: 10, bias: true }]
}

/// One heavy layer between light ones.
fn heavy() -> Architecture {
    network(vec![(vec![0], vec![conv(1, 16)]), (vec![1], vec![conv(5, 64), Op::Relu]), (vec![2], head())])
}

/// A residual network with a stride, a pool, a depthwise and a grouped convolution.
fn residual() -> Architecture {
    let strided = Op::Conv { window: Window::square(3, 2, 1), groups: 1, channels: 32, bias: true };
    let depthwise = Op::Conv { window: Window::same(3, 1), groups: 32, channels: 32, bias: false };
    let grouped = Op::Conv { window: Window::same(3, 1), groups: 4, channels: 32, bias: false };
    network(vec![
        (vec![0], vec![strided, Op::Relu]),
        (vec![1], vec![Op::Relu, depthwise, conv(1, 40), conv(1, 32), Op::BatchNorm]),
        (vec![1], vec![grouped, Op::BatchNorm]),
        (vec![1, 2, 3], vec![Op::Sum, Op::Relu]),
        (vec![4], vec![Op::max_pool(2, 2), conv(3, 24)]),
        (vec![5], head()),
    ])
}

fn placed(architecture: &Architecture, fleet: &Fleet, way: Way) -> Placed {
    let (_, workload) = pipeline::analyse(architecture).unwrap_or_else(|_| panic!("it can be counted"));
    let placed = place(architecture, &workload, fleet, way).unwrap_or_else(|_| panic!("everything fits"));
    assert_eq!(verify(&placed.plan, &placed.workload, fleet), Ok(()));
    let lowered = lower(placed.architecture(architecture));
    let lowered = Workload::new(placed.architecture(architecture), &lowered).expect("lowered from it");
    assert_eq!(placed.workload, lowered, "a plan's costs are those of what is run");
    placed
}

fn whole_layers(architecture: &Architecture, fleet: &Fleet) -> Plan {
    let (_, workload) = pipeline::analyse(architecture).unwrap_or_else(|_| panic!("it can be counted"));
    plan(&workload, fleet, Strategy::Best, &Seed::new(0).child("place")).expect("everything fits")
}

/// Two equal devices and hardly a cost of sending: half of the heavy layer on each takes half the time.
#[test]
fn a_heavy_layer_is_cut_where_that_must_win() {
    let network = heavy();
    for (count, share) in [(2, 0.55), (4, 0.30)] {
        let fleet = fleet(count, FAST);
        let whole = whole_layers(&network, &fleet);
        let best = placed(&network, &fleet, Strategy::Best.into());
        assert!(best.in_parts().contains(&NodeId::new(2)), "the heavy layer is cut");
        let (best, whole) = (best.plan.latency, whole.latency);
        assert!(best < share * whole, "{count} devices: {best} of {whole}");
        assert!(best > whole / count as f64, "no more than {count} devices compute");
    }
}

/// Forty equal layers, none of which is heavy: each over all devices is still far faster than whole.
#[test]
fn many_light_layers_are_cut_together() {
    let layers = (0..40).map(|index| (vec![index], vec![conv(3, 16)]));
    let network = network(layers.chain([(vec![40], head())]).collect());
    let fleet = fleet(4, FAST);
    let (best, whole) = (placed(&network, &fleet, Strategy::Best.into()), whole_layers(&network, &fleet));
    assert!(best.plan.latency < 0.3 * whole.latency, "{} of {}", best.plan.latency, whole.latency);
    assert!(best.in_parts().len() >= 40);
}

/// Two layers on two devices, sending as long as one of them takes: cut in four, three quarters of that are while the first computes.
#[test]
fn rows_are_sent_while_the_next_are_computed() {
    let network =
        network(vec![(vec![0], vec![conv(1, 64), Op::Relu]), (vec![1], vec![conv(1, 16)]), (vec![2], head())]);
    let (_, workload) = pipeline::analyse(&network).unwrap_or_else(|_| panic!("it can be counted"));
    let layer = workload.cost(NodeId::new(1)).flops as f64 / 1e9;
    let fleet = fleet(2, Link { rate: workload.cost(NodeId::new(1)).bytes as f64 * 8.0 / layer, latency: 0.0 });
    let home = [0, 0, 1, 1].map(DeviceId);
    let whole = finish(&workload, &fleet, "single", &by_rank(&workload, &fleet, home.to_vec())).expect("it fits");
    let planner = Planner { architecture: &network, workload: &workload, fleet: &fleet, seed: Seed::new(0) };
    let ways = planner.early(&whole);
    assert_eq!(ways.iter().map(|(node, cut)| (node.0, cut.shares.len())).collect::<Vec<_>>(), [(1, 2), (1, 4)]);
    for (node, cut) in ways {
        let messages = cut.shares.len() as f64;
        let mut cuts = vec![None; network.nodes.len()];
        cuts[node.index()] = Some(cut);
        let (split, workload) = planner.cut(&cuts).expect("it can be cut");
        let early = plan_pinned(&workload, &fleet, "best", &pins_at(&split, &home)).expect("it fits");
        let saved = (whole.latency - early.latency) / layer;
        assert!((saved - (1.0 - 1.0 / messages)).abs() < 0.02, "{messages} messages save {saved} of a layer");
        assert_eq!(early.transfers.len(), messages as usize);
    }
    let slow = self::fleet(2, Link { rate: 1e4, latency: 0.0 });
    let alone = plan(&workload, &slow, Strategy::Best, &Seed::new(0)).expect("it fits");
    assert_eq!(planner.early(&alone), [], "nothing is sent");
}

#[test]
fn where_sending_costs_more_nothing_is_cut() {
    let network = heavy();
    let slow = fleet(3, Link { rate: 1e5, latency: 0.1 });
    let best = placed(&network, &slow, Strategy::Best.into());
    assert!(best.in_parts().is_empty());
    assert_eq!(best.plan, whole_layers(&network, &slow));
    let alone = placed(&network, &fleet(1, FAST), Way::ModelParallel);
    assert!(alone.in_parts().is_empty());
    assert_eq!(alone.plan.sent_bytes, 0);
}

#[test]
fn cutting_is_never_worse() {
    for network in [heavy(), residual()] {
        for count in 2..5 {
            for rate in [1e6, 1e7, 1e8, 1e9, 1e10] {
                let fleet = fleet(count, Link { rate, latency: 1e-4 });
                let (best, whole) = (placed(&network, &fleet, Strategy::Best.into()), whole_layers(&network, &fleet));
                let every = placed(&network, &fleet, Way::ModelParallel);
                let best = best.plan.latency;
                assert!(best <= whole.latency, "{count} devices at {rate}: {best} of {}", whole.latency);
                assert!(
                    best <= every.plan.latency / (1.0 - WORTH.1) * (1.0 + 1e-9),
                    "{count} devices at {rate}: {best} of {}",
                    every.plan.latency
                );
            }
        }
    }
}

/// Every layer that can be is on every device, each with its share of the work.
#[test]
fn model_parallelism_cuts_every_layer() {
    let network = residual();
    let found = placed(&network, &fleet(4, FAST), Way::ModelParallel);
    assert_eq!(found.plan.strategy, "model-parallel");
    let mut convolutions =
        network.ids().filter(|&id| network.node(id).ops.iter().any(|op| matches!(op, Op::Conv { .. })));
    assert!(convolutions.all(|id| found.in_parts().contains(&id)));
    let flops = |order: &Vec<NodeId>| order.iter().map(|&node| found.workload.cost(node).flops).sum::<u64>() as f64;
    let each: Vec<f64> = found.plan.order.iter().map(flops).collect();
    let total = pipeline::analyse(&network).unwrap_or_else(|_| panic!("it can be counted")).1.total_flops() as f64;
    assert!(each.iter().sum::<f64>() >= total * (1.0 - 1e-9), "nothing is left out: {each:?} of {total}");
    assert!(each.iter().all(|flops| *flops > 0.15 * total && *flops < 0.5 * total), "{each:?} of {total}");
}

fn bundle(network: &Architecture, devices: usize, way: Way) -> Bundle {
    pipeline::compile(network, &fleet(devices, FAST), way, None).unwrap_or_else(|_| panic!("everything fits"))
}

/// In parts, on several devices, jit as the whole on one by the reference; and every byte that is sent arrives.
#[test]
fn answers_are_those_of_the_whole() {
    for network in [heavy(), residual()] {
        let alone = bundle(&network, 1, Strategy::Single.into()).alone(Backend::Reference).expect("it fits together");
        let image: Vec<f32> = (0..alone.input().elements()).map(|at| (at % 23) as f32 / 23.0).collect();
        let image = cnasc_bundle::image::block(alone.input(), &image).expect("its size");
        let wanted = Local::start(&alone).and_then(|mut local| local.infer(&image)).expect("an answer").output;
        let largest = wanted.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
        for way in [Way::ModelParallel, Strategy::Best.into()] {
            for devices in 2..5 {
                let bundle = bundle(&network, devices, way);
                assert!(bundle.nodes.iter().any(|name| name.ends_with("#2")), "{way} on {devices}: cut");
                assert_eq!(bundle.hash, network.hash());
                let answer = Local::start(&bundle).and_then(|mut local| local.infer(&image)).expect("an answer");
                for (a, b) in answer.output.iter().zip(&wanted) {
                    assert!((a - b).abs() <= 1e-4 * largest, "{way} on {devices}: {a} for {b}");
                }
                let sent: u64 = answer.devices.iter().map(|device| device.bytes_sent).sum();
                let received: u64 = answer.devices.iter().map(|device| device.bytes_received).sum();
                assert_eq!(sent, received);
                assert!(sent >= bundle.plan.sent_bytes && sent > 0, "{sent} of {}", bundle.plan.sent_bytes);
            }
        }
    }
}
