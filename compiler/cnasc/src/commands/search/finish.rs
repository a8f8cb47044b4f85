//! The best candidates made real: compiled for their fleet, run on real images, checked, and the winner written down.

use super::{Found, folder};
use crate::Session;
use crate::cli::SearchArgs;
use crate::commands::run::{check, infer, largest, start};
use crate::failure::{Failure, codes};
use crate::images::{Idx, class_names};
use crate::output::write_file;
use crate::pipeline;
use cnasc_bundle::Bundle;
use cnasc_fleet::measure::latency;
use cnasc_ir::Architecture;
use cnasc_ir::fleet::Backend;
use cnasc_place::Strategy;
use cnasc_search::{Candidate, draw};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Images that every measured candidate classifies, each answer checked against the reference.
const IMAGES: usize = 8;
/// Inferences before and during a measurement.
const WARMUP: usize = 20;
const RUNS: usize = 100;

/// What was measured of the best, and what the winner says of the first image.
#[derive(Debug)]
pub struct Measured {
    /// One for each of the first ranked candidates.
    pub rows: Vec<Row>,
    /// The winner's answer to the first image.
    pub answer: FirstAnswer,
    /// Where the winner's files are.
    pub files: Vec<PathBuf>,
    /// How many images each was checked on.
    pub images: usize,
}

/// One candidate's latencies, in seconds.
#[derive(Debug)]
pub struct Row {
    /// Predicted for the whole network on the fastest device of the fleet.
    pub predicted_single: f64,
    /// Measured on one thread.
    pub measured_single: f64,
    /// Predicted for its balanced partition over all devices.
    pub predicted_spread: f64,
    /// Measured for that, on one thread a device.
    pub measured_spread: f64,
    /// Predicted for the best plan.
    pub predicted_best: f64,
    /// How many devices the best plan uses.
    pub used: usize,
    /// The largest difference to the reference, relative to its largest output.
    pub difference: f64,
}

/// The winner's answer to one image.
#[derive(Debug)]
pub struct FirstAnswer {
    /// The image.
    pub image: String,
    /// The class with the largest output, and its name.
    pub class: usize,
    /// What the classes are called; may be empty.
    pub names: Vec<String>,
    /// The class it belongs to.
    pub label: Option<usize>,
}

/// Compiles, runs and checks the best candidates, and writes the winner's files.
pub fn measure(session: &mut Session, args: &SearchArgs, found: &Found<'_>) -> Result<Measured, Failure> {
    let data = data_folder(args);
    let set = Idx::of_folder(&data)?;
    let best = found.outcome.ranked.iter().take(args.top.into());
    let mut rows = Vec::new();
    let mut answer = None;
    for candidate in best {
        session.output.remark(&format!("measuring candidate {} (seed {})", candidate.index, candidate.seed));
        let (row, first) = measure_one(found, candidate, &set, &class_names(&data))?;
        rows.push(row);
        answer = answer.or(Some(first));
    }
    let winner = &found.outcome.ranked[0];
    let files = write_winner(args, found, winner)?;
    let answer = answer.expect("at least one candidate is ranked and `--top` is at least 1");
    Ok(Measured { rows, answer, files, images: set.count().min(IMAGES) })
}

/// `--data`, or the folder `data` beside the source file, or the one in `examples`.
fn data_folder(args: &SearchArgs) -> PathBuf {
    let beside = args.file.parent().unwrap_or(Path::new(".")).join("data");
    args.data.clone().unwrap_or(beside)
}

/// The candidate's network, drawn again from its seed.
fn architecture(found: &Found<'_>, candidate: &Candidate) -> Result<Architecture, Failure> {
    Ok(draw(found.study.program(), &found.search.over, &BTreeMap::new(), candidate.seed)?.architecture)
}

fn compile(found: &Found<'_>, candidate: &Candidate, strategy: Strategy) -> Result<Bundle, Failure> {
    pipeline::compile(&architecture(found, candidate)?, found.study.fleet(), strategy)
}

/// Runs the candidate's balanced partition, which spreads whether or not that pays, so that both sides of the question are seen.
fn measure_one(
    found: &Found<'_>,
    candidate: &Candidate,
    set: &Idx,
    names: &[String],
) -> Result<(Row, FirstAnswer), Failure> {
    let spread = compile(found, candidate, Strategy::Hypergraph)?;
    let single = compile(found, candidate, Strategy::Single)?;
    let best = compile(found, candidate, Strategy::Best)?;
    let mut fleet = start(&spread)?;
    let mut alone = pipeline::whole(&spread, Backend::Jit)?;
    let mut oracle = pipeline::whole(&spread, Backend::Reference)?;
    let shape = spread.input();
    let mut difference = 0.0_f64;
    let mut first = None;
    for index in 0..set.count().min(IMAGES) {
        let input = set.input(index, shape)?;
        let answer = infer(&mut fleet, &spread, &input)?;
        difference = difference.max(check(&mut oracle, &spread, &input, &answer)?);
        let class = largest(&answer.output);
        first = first.or(Some(FirstAnswer { image: input.name, class, names: names.to_vec(), label: input.label }));
    }
    let image = pipeline::prepare(&spread, &set.input(0, shape)?)?;
    let failed = |error: cnasc_fleet::FleetError| Failure::running(codes::RUN, error.to_string());
    let row = Row {
        predicted_single: single.plan.latency,
        measured_single: latency(&mut alone, &image, WARMUP, RUNS).map_err(failed)?.median,
        predicted_spread: spread.plan.latency,
        measured_spread: latency(&mut fleet, &image, WARMUP, RUNS).map_err(failed)?.median,
        predicted_best: best.plan.latency,
        used: best.plan.order.iter().filter(|nodes| !nodes.is_empty()).count(),
        difference,
    };
    let first = first.ok_or_else(|| Failure::running(codes::RUN, "the set of images is empty"))?;
    Ok((row, first))
}

/// The picture shows the balanced partition, which the score is about; the bundle holds the best plan, which is to be run.
fn write_winner(args: &SearchArgs, found: &Found<'_>, winner: &Candidate) -> Result<Vec<PathBuf>, Failure> {
    let architecture = architecture(found, winner)?;
    let spread = compile(found, winner, Strategy::Hypergraph)?;
    let best = compile(found, winner, Strategy::Best)?;
    let folder = folder(args, found.search);
    let picture = cnasc_lower::export::svg(&architecture, Some((&spread.plan, &spread.fleet)));
    let files = [
        (folder.join("best.svg"), picture.into_bytes()),
        (folder.join("best.arch.json"), architecture.to_json().into_bytes()),
        (folder.join("best.bundle"), best.write()),
    ];
    let mut written = Vec::new();
    for (path, bytes) in files {
        write_file(&path, &bytes)?;
        written.push(path);
    }
    Ok(written)
}
