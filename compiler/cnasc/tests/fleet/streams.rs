//! Images one after the other through nodes that come and go.

use crate::processes::{Processes, assert_near, heavy, json, local, pixels, shown};
use cnasc_fleet::remote::coordinator::MAX_IN_FLIGHT;
use cnasc_fleet::remote::recovery::Given;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// Many images, several in flight at once: the same answers in the same order, on one clock, and counted by the nodes.
#[test]
fn a_stream_of_images() {
    let mut fleet = Processes::new(4);
    let metrics = TcpListener::bind("127.0.0.1:0").and_then(|held| held.local_addr()).expect("a free port").to_string();
    fleet.start_with(0, &["--metrics", &metrics]);
    (1..4).for_each(|node| fleet.start(node));
    let bundle = fleet.bundle();
    let (file, keys) = (shown(&fleet.folder.path().join("net.bundle")), fleet.path());
    let folder = fleet.folder.path().join("images");
    std::fs::create_dir(&folder).expect("a folder");
    for index in 0..12 {
        let values: Vec<f32> =
            (0..bundle.input().elements()).map(|at| ((at * (index + 3)) % 17) as f32 / 17.0).collect();
        let shape = [1, bundle.input().channels, bundle.input().height, bundle.input().width];
        std::fs::write(folder.join(format!("{index:02}.npy")), npy(&shape.map(|one| one as usize), &values))
            .expect("written");
    }
    let folder = shown(&folder);
    let trace = fleet.path() + "/trace.json";
    let one_by_one = json(0, &["run", &file, "--input", &folder]);
    let streamed =
        json(0, &["run", &file, "--fleet", &keys, "--input", &folder, "--in-flight", "8", "--trace", &trace]);
    let outputs = |rows: &Value| -> Vec<(Value, Value)> {
        rows.as_array().expect("rows").iter().map(|row| (row["input"].clone(), row["output"].clone())).collect()
    };
    assert_eq!(outputs(&streamed).len(), 12);
    assert_eq!(outputs(&streamed), outputs(&one_by_one), "bit for bit, in their order");
    let slow = json(0, &["run", &file, "--fleet", &keys, "--input", &folder, "--fps", "200"]);
    assert_eq!(outputs(&slow), outputs(&one_by_one));

    let trace: Value = serde_json::from_slice(&std::fs::read(&trace).expect("a trace")).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("events");
    let ends = |phase: &str| -> std::collections::BTreeMap<&str, f64> {
        let of = events.iter().filter(|event| event["ph"] == phase);
        of.map(|event| (event["id"].as_str().expect("a name"), event["ts"].as_f64().expect("a time"))).collect()
    };
    let (sends, receives) = (ends("s"), ends("f"));
    assert_eq!(sends.len(), 12 * bundle.plan.transfers.len());
    for (id, came) in receives {
        // Clocks are compared to half of what a message travels; on one machine that is far below a millisecond.
        assert!(came > sends[id] - 1e3, "tensor {id} came at {came} µs and was sent at {}", sends[id]);
    }

    let mut stream = TcpStream::connect(&metrics).expect("it is served");
    stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").expect("sent");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("a page");
    let all = format!("cnasc_inferences_total {}", 2 * 12);
    assert!(page.lines().any(|line| line == all), "{page}");
}

/// An array file of version 1.0.
fn npy(shape: &[usize], values: &[f32]) -> Vec<u8> {
    let shape: Vec<String> = shape.iter().map(ToString::to_string).collect();
    let head = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", shape.join(", "));
    let head = format!("{head:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(head.len() as u16).to_le_bytes());
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// Nodes die and return while eight inferences are under way: none is lost, none out of order.
#[test]
fn a_stream_goes_on_without_a_node() {
    let mut fleet = Processes::running(4);
    let bundle = fleet.bundle();
    let images: Vec<Vec<f32>> =
        (1..40).map(|at| pixels(&bundle).iter().map(|pixel| pixel / at as f32).collect()).collect();
    let wanted: Vec<Vec<f32>> = images.iter().map(|image| local(&bundle, image).output).collect();
    let mut steady = fleet.steady(bundle);
    let mut got = Vec::new();
    for (index, image) in images.into_iter().enumerate() {
        steady.begin(image);
        match index {
            10 => fleet.kill(2),
            25 => fleet.start(2),
            _ => {}
        }
        while steady.in_flight() >= MAX_IN_FLIGHT {
            got.push(steady.finish().expect("some are in flight").expect("an answer").answer.output);
        }
    }
    while let Some(given) = steady.finish() {
        got.push(given.expect("an answer").answer.output);
    }
    assert!(steady.moves() >= 1);
    assert_eq!(got.len(), wanted.len());
    for (index, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
        assert_near(wanted, got, &format!("answer {index}"));
    }
}

/// A node that comes back as a slow one is given less to do, and what it is given is still right.
#[test]
fn a_slow_node_is_planned_around() {
    let mut fleet = Processes::running(3);
    let bundle = fleet.bundle_of(&heavy(), 3);
    let image = pixels(&bundle);
    let wanted = local(&bundle, &image).output;
    let flops = |given: &Given, node: usize| given.answer.devices[node].flops;
    let mut steady = fleet.steady(bundle);
    // What is usual is known after a few.
    for _ in 0..20 {
        steady.infer(image.clone()).expect("an answer");
    }
    let first = steady.infer(image.clone()).expect("an answer");
    fleet.kill(1);
    // So much that a machine which does other things as well hides nothing: what it rests for is counted by the processor's time.
    fleet.start_with(1, &["--slowed", "24"]);
    assert_eq!(steady.coordinator().wait_for(&["n1".to_owned()]), Vec::<String>::new());
    let slowed = (0..200).any(|_| {
        steady.infer(image.clone()).expect("an answer");
        steady.slowed().iter().any(|(node, _)| node == "n1")
    });
    assert!(slowed, "nobody notices");
    let less = steady.infer(image.clone()).expect("an answer");
    assert!(flops(&less, 1) < flops(&first, 1), "{} of {}", flops(&less, 1), flops(&first, 1));
    assert_near(&wanted, &less.answer.output, "the answer");
}
