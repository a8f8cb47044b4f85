//! One answer as a Chrome trace, which Perfetto and chrome://tracing open: a process a device, its actions in a row, an arrow from
//! each send to each receive.
//!
//! Bundle × answer → JSON in the trace event format: times in microseconds from handing over the image.

use crate::{Answer, DeviceReport, Timing};
use cnasc_bundle::{Action, Bundle, Share, layout};
use cnasc_ir::{DeviceId, TensorId};
use serde_json::{Value, json};

/// The trace of `answer`, which a fleet of `bundle` gave.
#[must_use]
pub fn chrome(bundle: &Bundle, answer: &Answer) -> String {
    let shares = bundle.shares();
    let mut events = Vec::new();
    for (share, report) in shares.iter().zip(&answer.devices) {
        let name = &bundle.fleet.device(share.device).name;
        let id = number(share.device);
        events.push(json!({ "ph": "M", "name": "process_name", "pid": id, "tid": id, "args": { "name": name } }));
        events.push(json!({ "ph": "M", "name": "thread_name", "pid": id, "tid": id, "args": { "name": "actions" } }));
        add_device(&mut events, bundle, share, report);
    }
    let trace = json!({
        "displayTimeUnit": "ms",
        "otherData": { "network": bundle.name, "hash": bundle.hash, "strategy": bundle.plan.strategy },
        "traceEvents": events,
    });
    trace.to_string()
}

fn add_device(events: &mut Vec<Value>, bundle: &Bundle, share: &Share, report: &DeviceReport) {
    for (action, timing) in share.actions.iter().zip(&report.timings) {
        let (kind, name, args) = describe(bundle, action);
        let duration = micros(timing.end - timing.start);
        let mut event = event("X", share.device, timing, &name);
        event["cat"] = kind.into();
        event["dur"] = duration.into();
        event["args"] = args;
        events.push(event);
        match action {
            Action::Send { tensor, to } => {
                events.extend(to.iter().map(|&to| arrow("s", share.device, timing, (*tensor, to))));
            }
            Action::Receive { tensor, .. } => events.push(arrow("f", share.device, timing, (*tensor, share.device))),
            Action::Compute { .. } => {}
        }
    }
}

fn event(phase: &str, device: DeviceId, timing: &Timing, name: &str) -> Value {
    let id = number(device);
    json!({ "ph": phase, "name": name, "pid": id, "tid": id, "ts": micros(timing.start) })
}

/// Process and thread of a device. Viewers take number 0 for the system's idle process.
fn number(device: DeviceId) -> u32 {
    device.0 + 1
}

/// One end of an arrow. A tensor goes to a device once, so the two are its name. It ends in the
/// receive that is over when the tensor is there: just before its end, where no later action begins yet.
fn arrow(phase: &str, device: DeviceId, timing: &Timing, (tensor, to): (TensorId, DeviceId)) -> Value {
    let mut event = event(phase, device, timing, "tensor");
    event["cat"] = "transfer".into();
    event["id"] = format!("{}-{}", tensor.0, to.0).into();
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

/// Kind, name and further facts of an action.
fn describe(bundle: &Bundle, action: &Action) -> (&'static str, String, Value) {
    let device = |device: DeviceId| bundle.fleet.device(device).name.as_str();
    let node = |tensor: TensorId| bundle.node_name(bundle.graph.step(tensor).node);
    let facts = |tensor: TensorId| {
        let shape = bundle.graph.step(tensor).shape;
        (shape.to_string(), layout::len(shape) * bundle.fleet.transfer.bytes())
    };
    match action {
        Action::Receive { tensor, from } => {
            let (shape, bytes) = facts(*tensor);
            let args = json!({ "shape": shape, "bytes": bytes, "from": device(*from) });
            ("receive", format!("receive {}", node(*tensor)), args)
        }
        Action::Send { tensor, to } => {
            let (shape, bytes) = facts(*tensor);
            let to: Vec<&str> = to.iter().map(|&to| device(to)).collect();
            ("send", format!("send {}", node(*tensor)), json!({ "shape": shape, "bytes": bytes, "to": to }))
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
            ("compute", name, json!({ "nodes": nodes, "operators": steps.len(), "flops": flops }))
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
            let bytes = |tensor: TensorId| 4 * layout::len(bundle.graph.step(tensor).shape) as u64;
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
    fn names_can_not_break_out() {
        let mut bundle = sample::bundle(&sample::chain(1), 1, Backend::Reference, &Seed::new(1));
        bundle.nodes[1] = "\"}],\u{7}\\".to_owned();
        bundle.name = "</script>\n".to_owned();
        let answer = made_up(&bundle);
        let trace: Value = serde_json::from_str(&chrome(&bundle, &answer)).unwrap();
        assert_eq!(trace["otherData"]["network"], bundle.name.as_str());
    }
}
