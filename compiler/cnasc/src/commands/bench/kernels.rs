//! `cnasc bench FILE --profile`: where the time of an inference goes, by node and by kind of kernel.
//!
//! Bundle → the whole network on one thread of our kernels, each call timed in many inferences → medians, summed; with `--trace`
//! the calls one behind the other as a Chrome trace.

use crate::cli::{BackendArg, BenchArgs, DrawArgs};
use crate::failure::{Exit, Failure, codes};
use crate::images::Input;
use crate::output::{milliseconds, table, write_file};
use crate::{Session, model, pipeline, rivals};
use cnasc_base::Diagnostic;
use cnasc_bundle::{Action, Bundle};
use cnasc_fleet::Latency;
use cnasc_ir::fleet::Backend;
use cnasc_ir::{TensorGraph, TensorId};
use cnasc_kernels::{Executable, Spent, compile};
use cnasc_place::Strategy;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Nodes that people are shown, the slowest.
const SHOWN: usize = 20;
/// Kernels that compute nothing of a step: they bring data to where another call reads it.
const MOVES: [&str; 4] = ["clear", "constant", "copy", "fill"];

/// The measurement; the fields are the command line's contract.
#[derive(Debug, Serialize)]
struct Report {
    model: String,
    runs: u32,
    /// All calls together.
    ms: f64,
    /// Operations of the network, in 10⁹.
    gflop: f64,
    /// Of one core, where it was measured.
    peak_gflops: Option<f64>,
    kernels: Vec<Part>,
    /// In the order of the network.
    nodes: Vec<Part>,
}

/// What belongs together: the calls of a node, or of a kind of kernel.
#[derive(Debug, Serialize)]
struct Part {
    name: String,
    calls: usize,
    ms: f64,
    /// Of the time of all.
    share: f64,
    gflop: f64,
    gflops: f64,
    share_of_peak: Option<f64>,
}

/// One call, its time the median of all inferences.
struct Call {
    step: TensorId,
    kernel: &'static str,
    seconds: f64,
    flops: u64,
}

/// Measures, prints, and writes the trace where one is wanted.
pub fn run(session: &mut Session, args: &BenchArgs) -> Result<Exit, Failure> {
    if args.backend != [BackendArg::Jit] || args.threads != [1] || args.strategy != "best" {
        let message = "--profile is of the kernels of `--backend jit` on one thread of one device";
        return Err(Failure::usage(Diagnostic::error(codes::OPTION, message)));
    }
    let bundle = alone(session, &args.file, &args.draw, args.weights.file())?;
    let calls = measure(&bundle, args.runs)?;
    let report = report(&bundle, &calls, args.runs);
    if let Some(path) = &args.trace {
        write_file(path, trace(&bundle, &calls).as_bytes())?;
    }
    if session.output.is_json() {
        session.output.json(&report);
    } else {
        session.output.text(&for_people(&report));
    }
    Ok(Exit::Done)
}

/// The whole network of a file on one device.
pub fn alone(session: &mut Session, file: &Path, draw: &DrawArgs, weights: Option<&Path>) -> Result<Bundle, Failure> {
    if pipeline::is_bundle(file) {
        let bundle = pipeline::read_bundle(file)?;
        return bundle.alone(Backend::Jit).map_err(|error| Failure::running(codes::RUN, error.to_string()));
    }
    let (architecture, _) = model::load_one(session, file, draw)?;
    let fleet = model::local_fleet(session, 1)?;
    pipeline::compile(&architecture, &fleet, Strategy::Best, weights)
}

fn measure(bundle: &Bundle, runs: u32) -> Result<Vec<Call>, Failure> {
    let failed = |error: cnasc_kernels::CompileError| Failure::running(codes::RUN, error.to_string());
    let image = pipeline::prepare(bundle, &Input::noise(bundle.input(), 0))?;
    let mut times: Vec<Vec<f64>> = Vec::new();
    let mut last = Vec::new();
    let share = bundle.shares().swap_remove(0);
    let mut executable = compile(&bundle.graph, &bundle.weights, &share).map_err(failed)?;
    for inference in 0..super::warmup(runs) + runs {
        last = once(executable.as_mut(), &share.actions, &image);
        times.resize(last.len(), Vec::new());
        if inference >= super::warmup(runs) {
            times.iter_mut().zip(&last).for_each(|(times, spent)| times.push(spent.seconds));
        }
    }
    let flops = flops(&bundle.graph, &last);
    let calls = last.iter().zip(times).zip(flops).map(|((spent, times), flops)| Call {
        step: spent.step,
        kernel: spent.kernel,
        seconds: Latency::of(times).median,
        flops,
    });
    Ok(calls.collect())
}

fn once(executable: &mut dyn Executable, actions: &[Action], image: &[f32]) -> Vec<Spent> {
    executable.tensor_mut(TensorId(0)).copy_from_slice(image);
    let computes = (0..actions.len()).filter(|&at| matches!(actions[at], Action::Compute { .. }));
    computes.flat_map(|action| executable.profile(action)).collect()
}

/// By call, the operations of the steps that it computes: the one whose result it makes, and those before it that no call makes the result of.
fn flops(graph: &TensorGraph, spent: &[Spent]) -> Vec<u64> {
    let mut own: BTreeMap<TensorId, usize> = BTreeMap::new();
    for (call, spent) in spent.iter().enumerate().filter(|(_, spent)| !MOVES.contains(&spent.kernel)) {
        own.entry(spent.step).or_insert(call);
    }
    let mut flops = vec![0; spent.len()];
    let mut fused: Vec<Option<usize>> = vec![None; graph.steps.len()];
    for step in (0..graph.steps.len()).rev().map(TensorId::new) {
        let Some(call) = own.get(&step).copied().or(fused[step.index()]) else { continue };
        flops[call] += graph.flops(graph.step(step));
        for input in &graph.step(step).inputs {
            fused[input.index()].get_or_insert(call);
        }
    }
    flops
}

fn report(bundle: &Bundle, calls: &[Call], runs: u32) -> Report {
    let peak = rivals::peak();
    let all: f64 = calls.iter().map(|call| call.seconds).sum();
    let part = |name: &str, calls: &[&Call]| {
        let seconds: f64 = calls.iter().map(|call| call.seconds).sum();
        let flops = calls.iter().map(|call| call.flops).sum::<u64>() as f64;
        // A clock of nanoseconds may see none of them pass.
        let gflops = flops / seconds.max(1e-9) / 1e9;
        Part {
            name: name.to_owned(),
            calls: calls.len(),
            ms: seconds * 1e3,
            share: seconds / all.max(f64::MIN_POSITIVE),
            gflop: flops / 1e9,
            gflops,
            share_of_peak: peak.map(|peak| gflops / peak),
        }
    };
    let mut by_kernel: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    let mut by_node: BTreeMap<usize, Vec<&Call>> = BTreeMap::new();
    for call in calls {
        by_kernel.entry(call.kernel).or_default().push(call);
        by_node.entry(bundle.graph.step(call.step).node.index()).or_default().push(call);
    }
    let mut kernels: Vec<Part> = by_kernel.iter().map(|(name, calls)| part(name, calls)).collect();
    kernels.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    Report {
        model: format!("{}-{}", bundle.name, &bundle.hash[..12]),
        runs,
        ms: all * 1e3,
        gflop: bundle.graph.total_flops() as f64 / 1e9,
        peak_gflops: peak,
        kernels,
        nodes: by_node.iter().map(|(&node, calls)| part(&bundle.nodes[node], calls)).collect(),
    }
}

fn for_people(report: &Report) -> String {
    let line = |part: &Part| {
        let computes = part.gflop > 0.0;
        vec![
            part.name.clone(),
            part.calls.to_string(),
            milliseconds(part.ms / 1e3),
            format!("{:.1} %", part.share * 1e2),
            if computes { format!("{:.1}", part.gflops) } else { String::new() },
            part.share_of_peak.filter(|_| computes).map_or_else(String::new, |share| format!("{:.0} %", share * 1e2)),
        ]
    };
    let parts = |first: &str, parts: &[&Part]| {
        let headings = [first, "calls", "ms", "of all", "GFLOP/s", "of peak"];
        table(&headings, &[0], &parts.iter().map(|part| line(part)).collect::<Vec<_>>())
    };
    let kernels: Vec<&Part> = report.kernels.iter().collect();
    let mut nodes: Vec<&Part> = report.nodes.iter().collect();
    nodes.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    nodes.truncate(SHOWN);
    let rate = report.gflop / (report.ms / 1e3).max(1e-9);
    let peak = report.peak_gflops.map_or_else(String::new, |peak| {
        format!(", {:.0} % of the {peak:.1} that one core was measured to do at most", rate / peak * 1e2)
    });
    format!(
        "{}: {} ms on one thread, medians of {} inferences; {rate:.1} GFLOP/s{peak}\n\n{}\nThe slowest {} of {} nodes:\n{}",
        report.model,
        milliseconds(report.ms / 1e3),
        report.runs,
        parts("kernel", &kernels),
        nodes.len(),
        report.nodes.len(),
        parts("node", &nodes)
    )
}

/// The calls one behind the other, in the trace event format that runs are written in: microseconds.
fn trace(bundle: &Bundle, calls: &[Call]) -> String {
    let name =
        |what: &str, name: &str| json!({ "ph": "M", "name": what, "pid": 1, "tid": 1, "args": { "name": name } });
    let mut events: Vec<Value> = vec![name("process_name", &bundle.name), name("thread_name", "kernels")];
    let mut start = 0.0;
    // Nanoseconds are finer than what was measured, and keep the file short.
    let micros = |seconds: f64| (seconds * 1e9).round() / 1e3;
    for call in calls {
        let step = bundle.graph.step(call.step);
        events.push(json!({
            "ph": "X", "pid": 1, "tid": 1, "ts": micros(start), "dur": micros(call.seconds),
            "name": bundle.node_name(step.node), "cat": call.kernel,
            "args": { "kernel": call.kernel, "operator": step.op.to_string(), "shape": step.shape.to_string(), "flops": call.flops },
        }));
        start += call.seconds;
    }
    let trace = json!({
        "displayTimeUnit": "ms",
        "otherData": { "network": bundle.name, "hash": bundle.hash, "strategy": bundle.plan.strategy },
        "traceEvents": events,
    });
    trace.to_string()
}
