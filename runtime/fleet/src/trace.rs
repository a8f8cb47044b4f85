//! Inferences as Chrome traces, which Perfetto and chrome://tracing open: a process a device, with a row for what it computes, one
//! for what it sends and one for what it receives, and an arrow from each send to each receive.
//!
//! Bundle × answer, or architecture × plan, → JSON in the trace event format: times in microseconds from handing over the image.
//! What happened and what was simulated have the same shape, so one can be laid beside the other. A simulated message takes
//! both network cards for as long; a real send is over when the tensor is handed to the network.

use crate::{Answer, DeviceReport, Timing};
use cnasc_bundle::{Action, Bundle, Share};
use cnasc_ir::architecture::NodeId;
use cnasc_ir::plan::Span;
use cnasc_ir::{Architecture, DeviceId, Fleet, Plan, TensorId};
use serde_json::{Value, json};

/// The trace of `answer`, which a fleet of `bundle` gave.
#[must_use]
pub fn chrome(bundle: &Bundle, answer: &Answer) -> String {
    stream(bundle, &[(0.0, answer)])
}

/// The trace of several answers of one fleet, each with the seconds from the first image to its own.
#[must_use]
pub fn stream(bundle: &Bundle, answers: &[(f64, &Answer)]) -> String {
    let shares = bundle.shares();
    let mut events = Vec::new();
    for (index, (at, answer)) in answers.iter().enumerate() {
        for (share, report) in shares.iter().zip(&answer.devices) {
            if index == 0 {
                introduce(&mut events, &bundle.fleet, share.device);
            }
            add_device(&mut events, bundle, share, report, (index, *at));
        }
    }
    whole(&bundle.name, &bundle.hash, &bundle.plan, &events)
}

/// The trace that `plan` foretells.
#[must_use]
pub fn foretold(architecture: &Architecture, fleet: &Fleet, plan: &Plan) -> String {
    let mut events = Vec::new();
    for device in fleet.ids() {
        introduce(&mut events, fleet, device);
        let own = plan.device_of.iter().enumerate().filter(|(_, on)| **on == device);
        let own = own.filter_map(|(node, _)| Some((NodeId::new(node), *plan.spans.get(node)?)));
        let copies = plan.copies.iter().filter(|copy| copy.device == device).map(|copy| (copy.node, copy.span));
        for (node, span) in own.chain(copies).filter(|(node, _)| node.index() > 0) {
            let name = architecture.node(node).name.as_str();
            events.push(action(device, Row::Compute, timing(span), name, json!({ "nodes": [name] })));
        }
        for message in plan.transfers.iter().filter(|one| one.from == device || one.to == device) {
            let name = architecture.node(message.node).name.as_str();
            let (timing, ends) = (timing(message.span), (message.node.0, message.to));
            let (row, arrow) = if message.from == device {
                let args = json!({ "bytes": message.bytes, "to": [fleet.device(message.to).name] });
                (action(device, Row::Send, timing, &format!("send {name}"), args), arrow("s", device, timing, ends))
            } else {
                let args = json!({ "bytes": message.bytes, "from": fleet.device(message.from).name });
                (
                    action(device, Row::Receive, timing, &format!("receive {name}"), args),
                    arrow("f", device, timing, ends),
                )
            };
            events.extend([row, arrow]);
        }
    }
    whole(&architecture.name, architecture.hash(), plan, &events)
}

fn whole(network: &str, hash: &str, plan: &Plan, events: &[Value]) -> String {
    let trace = json!({
        "displayTimeUnit": "ms",
        "otherData": { "network": network, "hash": hash, "strategy": plan.strategy },
        "traceEvents": events,
    });
    trace.to_string()
}

/// The rows of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Compute,
    Send,
    Receive,
}

impl Row {
    const ALL: [Self; 3] = [Self::Compute, Self::Send, Self::Receive];

    fn name(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Send => "send",
            Self::Receive => "receive",
        }
    }

    /// The thread that viewers see: no two rows of a fleet share one.
    fn thread(self, device: DeviceId) -> u32 {
        4 * device.0 + 1 + self as u32
    }
}

/// The process that viewers see. They take number 0 for the system's idle process.
fn process(device: DeviceId) -> u32 {
    device.0 + 1
}

/// Names a device and its rows.
fn introduce(events: &mut Vec<Value>, fleet: &Fleet, device: DeviceId) {
    let pid = process(device);
    let name = &fleet.device(device).name;
    let first = Row::Compute.thread(device);
    events.push(json!({ "ph": "M", "name": "process_name", "pid": pid, "tid": first, "args": { "name": name } }));
    for row in Row::ALL {
        let tid = row.thread(device);
        events
            .push(json!({ "ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": { "name": row.name() } }));
    }
}

/// What a device did in the answer of that index, whose image was handed over `at` seconds.
fn add_device(
    events: &mut Vec<Value>,
    bundle: &Bundle,
    share: &Share,
    report: &DeviceReport,
    (index, at): (usize, f64),
) {
    for (done, timing) in share.actions.iter().zip(&report.timings) {
        let timing = Timing { start: at + timing.start, end: at + timing.end };
        let (row, name, args) = describe(bundle, done);
        events.push(action(share.device, row, timing, &name, args));
        let mut add = |phase: &str, tensor: TensorId, to: DeviceId| {
            let mut end = arrow(phase, share.device, timing, (tensor.0, to));
            if index > 0 {
                end["id"] = format!("{tensor}-{}-{index}", to.0, tensor = tensor.0).into();
            }
            events.push(end);
        };
        match done {
            Action::Send { tensor, to } => to.iter().for_each(|&to| add("s", *tensor, to)),
            Action::Receive { tensor, .. } => add("f", *tensor, share.device),
            Action::Compute { .. } => {}
        }
    }
}

fn timing(span: Span) -> Timing {
    Timing { start: span.start, end: span.end }
}

fn action(device: DeviceId, row: Row, timing: Timing, name: &str, args: Value) -> Value {
    let mut event = event("X", device, row, timing, name);
    event["cat"] = row.name().into();
    event["dur"] = micros(timing.end - timing.start).into();
    event["args"] = args;
    event
}

fn event(phase: &str, device: DeviceId, row: Row, timing: Timing, name: &str) -> Value {
    json!({ "ph": phase, "name": name, "pid": process(device), "tid": row.thread(device), "ts": micros(timing.start) })
}

/// One end of an arrow. A tensor goes to a device once, so the two are its name. It ends in the
/// receive that is over when the tensor is there: just before its end, where no later action begins yet.
fn arrow(phase: &str, device: DeviceId, timing: Timing, (tensor, to): (u32, DeviceId)) -> Value {
    let row = if phase == "f" { Row::Receive } else { Row::Send };
    let mut event = event(phase, device, row, timing, "tensor");
    event["cat"] = "transfer".into();
    event["id"] = format!("{tensor}-{}", to.0).into();
    if phase == "f" {
        event["ts"] = micros((timing.end - 1e-9).max(timing.start)).into();
        event["bp"] = "e".into();
    }
    event
}

/// Nanoseconds are finer than what was measured, and keep the file short.
fn micros(seconds: f64) -> f64 {
    (seconds * 1e9).round() / 1e3
}

/// Row, name and further facts of an action.
fn describe(bundle: &Bundle, action: &Action) -> (Row, String, Value) {
    let device = |device: DeviceId| bundle.fleet.device(device).name.as_str();
    let node = |tensor: TensorId| bundle.node_name(bundle.graph.step(tensor).node);
    let facts = |tensor: TensorId| {
        let shape = bundle.graph.step(tensor).shape;
        (shape.to_string(), shape.elements() * bundle.fleet.transfer.bytes() as u64)
    };
    match action {
        Action::Receive { tensor, from } => {
            let (shape, bytes) = facts(*tensor);
            let args = json!({ "shape": shape, "bytes": bytes, "from": device(*from) });
            (Row::Receive, format!("receive {}", node(*tensor)), args)
        }
        Action::Send { tensor, to } => {
            let (shape, bytes) = facts(*tensor);
            let to: Vec<&str> = to.iter().map(|&to| device(to)).collect();
            (Row::Send, format!("send {}", node(*tensor)), json!({ "shape": shape, "bytes": bytes, "to": to }))
        }
        Action::Compute { steps } => {
            let mut nodes: Vec<&str> = steps.iter().map(|&step| node(step)).collect();
            nodes.dedup();
            let flops: u64 = steps.iter().map(|&step| bundle.graph.flops(bundle.graph.step(step))).sum();
            let name = match nodes.as_slice() {
                [] => String::new(),
                [only] => (*only).to_owned(),
                [first, .., last] => format!("{first} … {last}"),
            };
            (Row::Compute, name, json!({ "nodes": nodes, "operators": steps.len(), "flops": flops }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promise::Promise;
    use cnasc_base::random::Seed;
    use cnasc_bundle::sample;
    use cnasc_ir::fleet::Backend;
    use cnasc_node::Outcome;
    use std::time::Instant;

    /// An answer in which each action takes 10 µs, and every device begins at once.
    fn made_up(bundle: &Bundle) -> Answer {
        let began = Instant::now();
        let report = |share: &Share| {
            let promise = Promise::of(bundle, share);
            let timing = |at: usize| Timing { start: at as f64 * 1e-5, end: (at + 1) as f64 * 1e-5 };
            let timings = (0..share.actions.len()).map(timing).collect();
            let mut outcome = Outcome { answer: None, operators: 0, bytes_sent: 0, bytes_received: 0, began, timings };
            let bytes = |tensor: TensorId| 4 * bundle.graph.step(tensor).shape.elements();
            for action in &share.actions {
                match action {
                    Action::Compute { steps } => outcome.operators += steps.len(),
                    Action::Send { tensor, to } => outcome.bytes_sent += bytes(*tensor) * to.len() as u64,
                    Action::Receive { tensor, .. } => outcome.bytes_received += bytes(*tensor),
                }
            }
            outcome.answer = share.gives_answer.then(Vec::new);
            promise.report(Some(&outcome), began).unwrap()
        };
        Answer { output: vec![], seconds: 1e-4, devices: bundle.shares().iter().map(report).collect() }
    }

    #[test]
    fn what_perfetto_opens() {
        let bundle = sample::bundle(&sample::chain(2), 2, Backend::Reference, &Seed::new(1));
        let trace: Value = serde_json::from_str(&chrome(&bundle, &made_up(&bundle))).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let lines: Vec<String> = events.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn every_arrow_has_two_ends() {
        let bundle = sample::bundle(&sample::random(&Seed::new(2), 9), 3, Backend::Reference, &Seed::new(2));
        let trace: Value = serde_json::from_str(&chrome(&bundle, &made_up(&bundle))).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let ends = |phase: &str| {
            let mut ids: Vec<&str> =
                events.iter().filter(|event| event["ph"] == phase).map(|event| event["id"].as_str().unwrap()).collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(ends("s").len(), bundle.plan.transfers.len());
        assert_eq!(ends("s"), ends("f"));
    }

    #[test]
    fn several_answers_stand_side_by_side() {
        let bundle = sample::bundle(&sample::diamond(3), 2, Backend::Reference, &Seed::new(4));
        let answer = made_up(&bundle);
        let events = |text: String| -> Vec<Value> {
            let trace: Value = serde_json::from_str(&text).unwrap();
            trace["traceEvents"].as_array().unwrap().iter().filter(|event| event["ph"] != "M").cloned().collect()
        };
        let one = events(chrome(&bundle, &answer));
        let two = events(stream(&bundle, &[(0.0, &answer), (0.5, &answer)]));
        assert_eq!(two[..one.len()], one);
        for (first, second) in one.iter().zip(&two[one.len()..]) {
            let later = second["ts"].as_f64().unwrap() - first["ts"].as_f64().unwrap();
            assert!((later - 5e5).abs() < 1e-2, "{later}");
            assert_eq!(first["name"], second["name"]);
            assert!(first["id"].is_null() || first["id"] != second["id"], "arrows do not lead to another image");
        }
    }

    #[test]
    fn names_can_not_break_out() {
        let mut bundle = sample::bundle(&sample::chain(1), 1, Backend::Reference, &Seed::new(1));
        bundle.nodes[1] = "\"}],\u{7}\\".to_owned();
        bundle.name = "</script>\n".to_owned();
        let answer = made_up(&bundle);
        let trace: Value = serde_json::from_str(&chrome(&bundle, &answer)).unwrap();
        assert_eq!(trace["otherData"]["network"], bundle.name.as_str());
    }
}
