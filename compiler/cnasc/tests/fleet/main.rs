//! A fleet of several machines, as processes of this one: real nodes on loopback with mutual TLS, and what happens to those who should not
//! be heard, to what is not signed, and to nodes that die.

#![cfg(feature = "fleet")]
#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

mod hostile;
mod processes;
mod proxy;
#[cfg(unix)]
mod soak;
mod streams;

use cnasc_fleet::remote::Steady;
use cnasc_fleet::remote::recovery::Given;
use processes::{LONG, Processes, assert_near, image, json, local, pixels, quickstart};
use serde_json::Value;
use std::time::Instant;

#[test]
fn four_processes_answer_as_four_threads_do() {
    let mut fleet = Processes::running(4);
    let (here, there) = (fleet.path() + "/here.npy", fleet.path() + "/there.npy");
    let (file, image, keys) = (quickstart(), image(), fleet.path());
    let run = |where_: [&str; 2], output: &str| {
        let common =
            ["run", &file, "--strategy", "hypergraph", "--verify", "--input", &image, &image, "--output", output];
        json(0, &common.iter().copied().chain(where_).collect::<Vec<_>>())
    };
    let local = run(["--local", "4"], &here);
    let remote = run(["--fleet", &keys], &there);
    assert_eq!(std::fs::read(&here).expect("written"), std::fs::read(&there).expect("written"), "bit for bit");
    for (local, remote) in local.as_array().expect("rows").iter().zip(remote.as_array().expect("rows")) {
        let done = |row: &Value| -> Vec<[u64; 3]> {
            let devices = row["devices"].as_array().expect("devices").iter();
            let of = |device: &Value, what: &str| device[what].as_u64().expect("a number");
            devices.map(|one| ["operators", "sent_bytes", "received_bytes"].map(|what| of(one, what))).collect()
        };
        assert_eq!(done(local), done(remote), "the same work, counted by the nodes");
        assert_eq!(done(remote).iter().filter(|device| device[0] > 0).count(), 4, "every process computes: {remote}");
        assert!(remote["difference"].as_f64().expect("verified") <= 1e-4);
    }
    let status = json(0, &["fleet", "status", &keys]);
    assert_eq!(status[3]["inferences"], 2);
    fleet.kill(2);
    let began = Instant::now();
    let found =
        json(3, &["run", &file, "--strategy", "hypergraph", "--input", &image, "--fleet", &keys, "--deadline", "2"]);
    assert_eq!(found[0]["code"], "E0705", "{found}");
    assert!(found[0]["message"].as_str().expect("a text").contains("n2"), "{found}");
    assert!(began.elapsed() < LONG, "it does not hang");
    let status = json(0, &["fleet", "status", &keys, "--deadline", "1"]);
    assert_eq!([2, 3].map(|node| status[node]["here"].as_bool()), [Some(false), Some(true)]);
}

#[test]
fn a_node_that_dies_is_replaced_and_one_that_returns_is_used() {
    let mut fleet = Processes::running(4);
    let bundle = fleet.bundle();
    let image = pixels(&bundle);
    let wanted = local(&bundle, &image).output;
    let mut steady = fleet.steady(bundle);
    let ask = |steady: &mut Steady| {
        let Given { answer, bundle, .. } = steady.infer(image.clone()).expect("an answer all the same");
        assert_near(&wanted, &answer.output, "the answer");
        bundle.fleet.devices.len()
    };
    assert_eq!(ask(&mut steady), 4);
    for (killed, left) in [(1, 3), (0, 2), (3, 1)] {
        fleet.kill(killed);
        assert_eq!(ask(&mut steady), left, "after n{killed} died");
        assert_eq!(ask(&mut steady), left);
    }
    assert_eq!(steady.moves(), 3);
    fleet.start(1);
    assert_eq!(steady.coordinator().wait_for(&["n1".to_owned()]), Vec::<String>::new());
    assert_eq!(ask(&mut steady), 2, "it is used again");
    fleet.kill(1);
    fleet.kill(2);
    let began = Instant::now();
    let error = steady.infer(image.clone()).expect_err("nobody is left");
    assert!(error.is_absence(), "{error}");
    assert!(began.elapsed() < LONG);
}

/// A node that hangs holds its connection; its silence gives it away.
#[cfg(unix)]
#[test]
fn a_node_that_hangs_is_left_out() {
    let fleet = Processes::running(4);
    let bundle = fleet.bundle();
    let image = pixels(&bundle);
    let mut steady = fleet.steady(bundle);
    steady.infer(image.clone()).expect("an answer");
    let signal = |name: &str| processes::signal(fleet.nodes[2].as_ref().expect("it runs"), name);
    signal("-STOP");
    let left = steady.infer(image.clone()).expect("an answer without it").bundle;
    assert_eq!(left.fleet.devices.len(), 3);
    signal("-CONT");
    assert_eq!(steady.coordinator().wait_for(&["n2".to_owned()]), Vec::<String>::new());
    let all = steady.infer(image).expect("an answer with it").bundle;
    assert_eq!(all.fleet.devices.len(), 4);
}

/// The coordinator reaches all, but the second node does not know where the first one is.
#[test]
fn nodes_that_do_not_reach_each_other_are_not_used_together() {
    let mut fleet = Processes::new(3);
    fleet.start(0);
    fleet.start_with(1, &["--connect", "127.0.0.1:9"]);
    fleet.start(2);
    let bundle = fleet.bundle_of(&quickstart(), 3);
    let image = pixels(&bundle);
    let wanted = local(&bundle, &image).output;
    let mut steady = fleet.steady(bundle);
    for _ in 0..2 {
        let Given { answer, bundle, .. } = steady.infer(image.clone()).expect("an answer of those that do");
        let names: Vec<&str> = bundle.fleet.devices.iter().map(|device| device.name.as_str()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert_near(&wanted, &answer.output, "the answer");
    }
    assert_eq!(steady.moves(), 1);
}
