//! `cnasc testbed FILE --measure`: the networks of a file's searches on its fleets → how long inferences take, beside what was predicted
//! and beside one node alone.

use super::{build, first_of};
use crate::Session;
use crate::cli::fleet::{MeasureArgs, TestbedArgs};
use crate::commands::fleet::measure::fleet as profiled;
use crate::commands::remote::failed;
use crate::failure::{Exit, Failure, codes};
use crate::output::{bytes, milliseconds, table};
use crate::parts::Way;
use crate::pipeline;
use cnasc_base::{Diagnostic, Seed};
use cnasc_bundle::{Bundle, image};
use cnasc_fleet::remote::{Coordinator, RemoteError};
use cnasc_fleet::{Answer, Latency};
use cnasc_ir::fleet::Precision;
use cnasc_ir::program::Search;
use cnasc_ir::{Fleet, Program};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Inferences of each network that are not counted.
const WARMUP: usize = 3;

/// How long an inference may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A network, and how long its inferences were said to take and took.
#[derive(Debug, Serialize)]
struct Measured {
    fleet: String,
    network: String,
    /// Nodes that it was placed on.
    nodes: usize,
    /// Those of them that have something to do.
    used: usize,
    transfer: Precision,
    sent_bytes: u64,
    predicted_ms: f64,
    /// From the image being on its node to the last node's end, on one clock; the median.
    measured_ms: f64,
    /// The same with the way of the image to its node and of the answer to the coordinator.
    answered_ms: f64,
    /// Measured over predicted.
    ratio: f64,
    /// What one node alone takes over this, where that was measured too.
    speedup: Option<f64>,
}

/// A fleet that runs, and what one node alone took there.
struct Bed<'a> {
    coordinator: Coordinator,
    fleet: Fleet,
    args: &'a MeasureArgs,
    way: Way,
    alone_ms: Option<f64>,
}

/// Measures on one fleet after the other.
pub fn run(
    session: &mut Session,
    args: &TestbedArgs,
    (program, core): (&Program, f64),
    fleets: Vec<Fleet>,
    stopped: &dyn Fn() -> bool,
) -> Result<Exit, Failure> {
    let searches = searches(program, &args.measured.only)?;
    let way = Way::read(&args.measured.strategy)?;
    let mut rows = Vec::new();
    for declared in fleets {
        let bed = build(session, args, &declared, core, stopped)?;
        let mut coordinator = Coordinator::join(bed.folder(), &[], PATIENCE).map_err(failed)?;
        let name = declared.name.clone();
        // A node of a testbed is a part of one core.
        let fleet = if args.measured.profiled { profiled(session, &mut coordinator, &name, 1)? } else { declared };
        let mut bed = Bed { coordinator, fleet, args: &args.measured, way, alone_ms: None };
        for search in &searches {
            let of_one = bed.network(program, search, stopped)?;
            of_one.iter().for_each(|row| session.output.detail(&row.line()));
            rows.extend(of_one);
        }
        bed.coordinator.stop();
    }
    if session.output.is_json() {
        session.output.json(&rows);
    } else {
        session.output.text(&for_people(&rows));
    }
    Ok(Exit::Done)
}

/// The searches of those names, or all.
fn searches<'a>(program: &'a Program, names: &[String]) -> Result<Vec<&'a Search>, Failure> {
    if names.is_empty() {
        return Ok(program.searches.iter().collect());
    }
    let find = |name: &String| {
        let missing = || Failure::usage(Diagnostic::error(codes::OPTION, format!("the file has no search `{name}`")));
        program.searches.iter().find(|search| search.name == *name).ok_or_else(missing)
    };
    names.iter().map(find).collect()
}

impl Bed<'_> {
    /// A network on each number of nodes, in each precision.
    fn network(
        &mut self,
        program: &Program,
        search: &Search,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Vec<Measured>, Failure> {
        let drawn = cnasc_search::draw(program, &search.over, &BTreeMap::new(), search.seed)?;
        let all = [self.fleet.devices.len() as u32];
        let on = if self.args.on.is_empty() { &all[..] } else { &self.args.on };
        let mut rows = Vec::new();
        self.alone_ms = None;
        for &nodes in on {
            let some = first_of(&self.fleet, nodes as usize)?;
            // One node sends nothing.
            let most = if nodes == 1 { 1 } else { self.args.transfer.len() };
            for &transfer in &self.args.transfer[..most] {
                if stopped() {
                    return Err(Failure::running(codes::RUN, "stopped".to_owned()));
                }
                let fleet = Fleet { transfer: transfer.into(), ..some.clone() };
                let bundle = pipeline::compile(&drawn.architecture, &fleet, self.way, None)?;
                let row = self.time(&search.name, &bundle).map_err(failed)?;
                if nodes == 1 {
                    self.alone_ms = Some(row.measured_ms);
                }
                rows.push(row);
            }
        }
        Ok(rows)
    }

    fn time(&mut self, network: &str, bundle: &Bundle) -> Result<Measured, RemoteError> {
        let members: Vec<String> = self.coordinator.nodes().into_iter().take(bundle.fleet.devices.len()).collect();
        self.coordinator.deploy(bundle, &members)?;
        let shape = bundle.input();
        let mut rng = Seed::new(0).child("testbed").rng();
        let values: Vec<f32> = (0..shape.elements()).map(|_| rng.unit() as f32).collect();
        let image = image::block(shape, &values).map_err(|error| RemoteError::Keys(error.to_string()))?;
        for _ in 0..WARMUP {
            self.coordinator.infer(&image)?;
        }
        let answers: Vec<Answer> =
            (0..self.args.runs).map(|_| self.coordinator.infer(&image)).collect::<Result<_, _>>()?;
        let median = |of: &dyn Fn(&Answer) -> f64| Latency::of(answers.iter().map(of).collect()).median * 1e3;
        let (predicted_ms, measured_ms) = (bundle.plan.latency * 1e3, median(&|answer| span(bundle, answer)));
        let sent = |answer: &Answer| answer.devices.iter().map(|device| device.bytes_sent).sum();
        Ok(Measured {
            fleet: self.fleet.name.clone(),
            network: network.to_owned(),
            nodes: members.len(),
            used: bundle.shares().iter().filter(|share| !share.actions.is_empty()).count(),
            transfer: bundle.fleet.transfer,
            sent_bytes: answers.first().map_or(0, sent),
            predicted_ms,
            measured_ms,
            answered_ms: median(&|answer| answer.seconds),
            ratio: measured_ms / predicted_ms.max(1e-9),
            speedup: self.alone_ms.map(|alone| alone / measured_ms.max(1e-9)),
        })
    }
}

/// Seconds from the image being on its device to the last end.
pub fn span(bundle: &Bundle, answer: &Answer) -> f64 {
    let first = &answer.devices[bundle.plan.device_of[0].index()].timings;
    let start = first.first().map_or(0.0, |timing| timing.start);
    let all = answer.devices.iter().flat_map(|device| &device.timings);
    (all.map(|timing| timing.end).fold(0.0, f64::max) - start).max(0.0)
}

impl Measured {
    fn cells(&self) -> Vec<String> {
        vec![
            self.fleet.clone(),
            self.network.clone(),
            self.nodes.to_string(),
            self.used.to_string(),
            if self.transfer == Precision::F16 { "f16" } else { "f32" }.to_owned(),
            bytes(self.sent_bytes),
            milliseconds(self.predicted_ms / 1e3),
            milliseconds(self.measured_ms / 1e3),
            milliseconds(self.answered_ms / 1e3),
            format!("{:.2}", self.ratio),
            self.speedup.map_or_else(String::new, |times| format!("{times:.2}")),
        ]
    }

    fn line(&self) -> String {
        self.cells().join("  ")
    }
}

fn for_people(rows: &[Measured]) -> String {
    let headings = [
        "fleet",
        "network",
        "nodes",
        "used",
        "sent as",
        "sent",
        "predicted ms",
        "measured ms",
        "answered ms",
        "measured over predicted",
        "speed-up",
    ];
    let cells: Vec<Vec<String>> = rows.iter().map(Measured::cells).collect();
    let errors = rows.iter().map(|row| (row.ratio - 1.0).abs()).collect();
    let median = 100.0 * Latency::of(errors).median;
    format!("{}\nmeasured off predicted by {median:.0} % in the median\n", table(&headings, &[0, 1], &cells))
}
