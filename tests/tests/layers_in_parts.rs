//! Chains of heavy layers on four boards: what plans that cut layers save on the simulator, and that they answer as one board does.
//! Without such cuts the networks below gain nothing from a second board.

#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use cnasc::parts::{Placed, Way, place};
use cnasc::pipeline;
use cnasc_bundle::image;
use cnasc_fleet::Local;
use cnasc_ir::{Architecture, Fleet};
use cnasc_place::{Strategy, verify};
use cnasc_tests::program::searching;
use std::time::Duration;

/// The networks, and what share of one board's latency is surely enough for four.
const NETWORKS: [(&str, &str, f64); 2] = [("vgg", "vgg16", 0.35), ("resnet", "resnet50", 0.5)];

/// The largest difference of two answers, relative to the largest value: what all backends promise.
const PROMISED: f32 = 1e-4;

/// The network, and the boards.
fn drawn(module: &str, network: &str) -> (Architecture, Fleet) {
    let program = searching(&format!("use std::networks::{module}::{network}"), &format!("{network}()"), 4);
    (cnasc_tests::program::drawn(&program, 0), program.fleets[0].clone())
}

fn placed(architecture: &Architecture, fleet: &Fleet, way: Way) -> Placed {
    let (_, workload) = pipeline::analyse(architecture).unwrap_or_else(|_| panic!("it can be counted"));
    let placed = place(architecture, &workload, fleet, way).unwrap_or_else(|_| panic!("the boards have the memory"));
    assert_eq!(verify(&placed.plan, &placed.workload, fleet), Ok(()));
    placed
}

#[test]
fn four_boards_are_faster_than_one() {
    for (module, network, enough) in NETWORKS {
        let (architecture, fleet) = drawn(module, network);
        let [one, best, parts] = [Way::Of(Strategy::Single), Way::Of(Strategy::Best), Way::ModelParallel]
            .map(|way| placed(&architecture, &fleet, way).plan.latency);
        println!("{network}: one {one:.3} s, best {best:.3} s, model-parallel {parts:.3} s");
        assert!(best <= enough * one, "{network}: {best} of {one}");
        assert!(best <= parts * 1.002, "{network}: {best}, where every layer in parts takes {parts}");
    }
}

/// Takes half a minute and a gigabyte: `cargo test --release -p cnasc-tests --test layers_in_parts -- --ignored`.
#[test]
#[ignore = "slow: VGG-16 and ResNet-50 are compiled and run three times each"]
fn four_boards_answer_as_one() {
    for (module, network, _) in NETWORKS {
        let (architecture, fleet) = drawn(module, network);
        let answer = |way| {
            let bundle = pipeline::compile(&architecture, &fleet, way, None).unwrap_or_else(|_| panic!("it compiles"));
            let values: Vec<f32> = (0..bundle.input().elements()).map(|at| (at % 251) as f32 / 251.0).collect();
            let image = image::block(bundle.input(), &values).expect("its size");
            let mut local = Local::start(&bundle).expect("it starts");
            local.set_patience(Duration::from_mins(5));
            local.infer(&image).expect("it answers")
        };
        let wanted = answer(Way::Of(Strategy::Single)).output;
        for way in [Way::Of(Strategy::Best), Way::ModelParallel] {
            let found = answer(way);
            assert!(found.devices.iter().all(|device| device.bytes_sent > 0), "{network} by {way}: all take part");
            let off = cnasc_tests::placed::difference(&found.output, &wanted);
            assert!(off <= PROMISED, "{network} by {way}: off by {off:e}");
        }
    }
}
