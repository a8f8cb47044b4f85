//! `cnasc bench FILE`: the latency of single inferences, warm, batch 1, fp32.

pub mod kernels;

use crate::Session;
use crate::cli::{BackendArg, BenchArgs};
use crate::commands::run::{drawn_already, start, start_replicas};
use crate::failure::{Exit, Failure, codes};
use crate::images::Input;
use crate::output::{milliseconds, table};
use crate::parts::Way;
use crate::rivals::{self, Match};
use crate::{model, pipeline};
use cnasc_base::Diagnostic;
use cnasc_bundle::Bundle;
use cnasc_fleet::measure::{Latency, latency};
use serde::Serialize;
use std::time::{Duration, Instant};

/// One measurement; the fields are the command line's contract.
#[derive(Debug, Serialize)]
struct Row {
    model: String,
    backend: &'static str,
    threads: u32,
    median_ms: f64,
    min_ms: f64,
    gflops: f64,
    strategy: String,
    images_per_second: f64,
    /// From the file to a fleet that takes images.
    ready_ms: f64,
}

/// The most inferences before counting starts.
const MAX_WARMUP: u32 = 20;

/// Inferences before so many are counted.
fn warmup(runs: u32) -> u32 {
    runs.min(MAX_WARMUP)
}

/// Measures each backend on each number of threads.
pub fn run(session: &mut Session, args: &BenchArgs) -> Result<Exit, Failure> {
    if pipeline::is_bundle(&args.file)
        && (args.draw.is_given() || args.threads != [1] || args.strategy != "best" || args.weights.weights.is_some())
    {
        return Err(drawn_already());
    }
    let way = Way::read(&args.strategy)?;
    if args.profile {
        return kernels::run(session, args);
    }
    if !args.against.is_empty() {
        return beside_others(session, args);
    }
    let mut rows = Vec::new();
    for &word in &args.backend {
        if pipeline::is_bundle(&args.file) {
            let began = Instant::now();
            let mut bundle = pipeline::read_bundle(&args.file)?;
            let used = bundle.plan.order.iter().filter(|nodes| !nodes.is_empty()).count();
            let used = used.max(bundle.plan.replicas.len());
            let threads = u32::try_from(used).expect("a fleet has at most 256 devices");
            rows.push(measure(args, &mut bundle, word, threads, began)?);
            continue;
        }
        for &threads in &args.threads {
            let began = Instant::now();
            let (architecture, _) = model::load_one(session, &args.file, &args.draw)?;
            let fleet = model::local_fleet(session, threads)?;
            let mut bundle = pipeline::compile(&architecture, &fleet, way, args.weights.file())?;
            rows.push(measure(args, &mut bundle, word, threads, began)?);
        }
    }
    if session.output.is_json() {
        session.output.json(&rows);
        return Ok(Exit::Done);
    }
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.model.clone(),
                row.backend.to_owned(),
                row.threads.to_string(),
                milliseconds(row.median_ms / 1e3),
                milliseconds(row.min_ms / 1e3),
                format!("{:.2}", row.gflops),
                format!("{:.1}", row.images_per_second),
                milliseconds(row.ready_ms / 1e3),
            ]
        })
        .collect();
    let headings = ["model", "backend", "threads", "median ms", "min ms", "GFLOP/s", "images/s", "ready ms"];
    session.output.text(&table(&headings, &[0, 1], &cells));
    Ok(Exit::Done)
}

/// Measures our kernels and other engines in turns.
fn beside_others(session: &mut Session, args: &BenchArgs) -> Result<Exit, Failure> {
    if pipeline::is_bundle(&args.file) || args.backend != [BackendArg::Jit] || args.strategy != "best" {
        let message =
            "--against compares the kernels of `--backend jit` on one device, of a source or an architecture file";
        return Err(Failure::usage(Diagnostic::error(codes::OPTION, message)));
    }
    let (architecture, _) = model::load_one(session, &args.file, &args.draw)?;
    let peak = rivals::peak();
    let mut rows = Vec::new();
    for &threads in &args.threads {
        let (against, runs) = (&args.against, args.runs);
        let given = Match { architecture: &architecture, weights: args.weights.file(), against, threads, runs };
        rows.extend(rivals::compare(session, given, peak)?);
    }
    if session.output.is_json() {
        session.output.json(&rows);
        return Ok(Exit::Done);
    }
    session.output.text(&rivals::for_people(&rows));
    if let Some(peak) = peak {
        session.output.remark(&format!("note: one core was measured to do {peak:.1} GFLOP/s at most"));
    }
    Ok(Exit::Done)
}

/// `began` is when the file was opened.
fn measure(
    args: &BenchArgs,
    bundle: &mut Bundle,
    word: BackendArg,
    threads: u32,
    began: Instant,
) -> Result<Row, Failure> {
    bundle.fleet.devices.iter_mut().for_each(|device| device.backend = word.into());
    let Times { found, images_per_second, ready } = time(args, bundle, began)?;
    Ok(Row {
        model: format!("{}-{}", bundle.name, &bundle.hash[..12]),
        backend: match word {
            BackendArg::Jit => "jit",
            BackendArg::Reference => "reference",
            BackendArg::Burn => "burn",
        },
        threads,
        median_ms: found.median * 1e3,
        min_ms: found.min * 1e3,
        gflops: bundle.graph.total_flops() as f64 / found.median / 1e9,
        strategy: bundle.plan.strategy.clone(),
        images_per_second,
        ready_ms: ready.as_secs_f64() * 1e3,
    })
}

/// What a fleet was timed at.
struct Times {
    /// Of single inferences.
    found: Latency,
    /// One image after the other, or as many at a time as the plan has replicas.
    images_per_second: f64,
    /// From the file to a fleet that takes images.
    ready: Duration,
}

fn time(args: &BenchArgs, bundle: &Bundle, began: Instant) -> Result<Times, Failure> {
    let failed = |error: cnasc_fleet::FleetError| Failure::running(codes::RUN, error.to_string());
    let image = pipeline::prepare(bundle, &Input::noise(bundle.input(), 0))?;
    let (warmup, runs) = (warmup(args.runs) as usize, args.runs as usize);
    if bundle.plan.replicas.is_empty() {
        let mut fleet = start(bundle)?;
        let ready = began.elapsed();
        let found = latency(&mut fleet, &image, warmup, runs).map_err(failed)?;
        let total: f64 = found.runs.iter().sum();
        let rate = found.runs.len() as f64 / total.max(f64::MIN_POSITIVE);
        return Ok(Times { found, images_per_second: rate, ready });
    }
    let mut replicas = start_replicas(bundle)?;
    let ready = began.elapsed();
    replicas.infer(&vec![image.clone(); warmup]).map_err(failed)?;
    let batch = replicas.infer(&vec![image; runs]).map_err(failed)?;
    let found = Latency::of(batch.answers.iter().map(|answer| answer.seconds).collect());
    Ok(Times { found, images_per_second: batch.throughput(), ready })
}
