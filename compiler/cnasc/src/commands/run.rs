//! `cnasc run FILE --input …`: classifies images on several devices at once, each a thread of this process.

use super::sources;
use crate::Session;
use crate::cli::RunArgs;
use crate::failure::{Exit, Failure, codes};
use crate::images::{self, Input};
use crate::output::{bytes, milliseconds, table, write_file};
use crate::parts::Way;
use crate::{machine, model, pipeline};
use cnasc_base::Diagnostic;
use cnasc_bundle::Bundle;
use cnasc_fleet::{Answer, Batch, Local, Replicas};
use cnasc_ir::fleet::{Backend, Precision};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// One classified input.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    input: String,
    class: usize,
    class_name: Option<String>,
    label: Option<usize>,
    output: Vec<f32>,
    latency_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<f64>,
    devices: Vec<DeviceRow>,
}

/// What one device did of it, counted while it did it.
#[derive(Debug, Serialize)]
struct DeviceRow {
    device: String,
    backend: Backend,
    operators: usize,
    sent_bytes: u64,
    received_bytes: u64,
    busy_ms: f64,
}

/// Starts the fleet, classifies every input, prints.
pub fn run(session: &mut Session, args: &RunArgs) -> Result<Exit, Failure> {
    #[cfg(feature = "fleet")]
    if let Some(folder) = super::remote::folder(args) {
        return super::remote::run(session, args, &folder);
    }
    #[cfg(not(feature = "fleet"))]
    if args.fleet.fleet.as_ref().is_some_and(|folder| Path::new(folder).join("coordinator").is_dir()) {
        return Err(super::without_fleets());
    }
    let bundle = load(session, args)?;
    let paths: Vec<PathBuf> = sources::files(&args.input).collect::<Result<_, _>>()?;
    let inputs: Vec<Input> = paths.iter().map(|path| images::read(path, bundle.input())).collect::<Result<_, _>>()?;
    let batch = answers(session, &bundle, &inputs)?;
    let mut oracle = args.verify.then(|| pipeline::whole(&bundle, Backend::Reference)).transpose()?;
    if let Some(first) = batch.answers.first() {
        write_first(args, &bundle, first)?;
    }
    let mut rows = Vec::new();
    for ((path, input), answer) in paths.iter().zip(&inputs).zip(&batch.answers) {
        let difference = oracle.as_mut().map(|oracle| check(oracle, &bundle, input, answer)).transpose()?;
        let names = images::class_names(path.parent().unwrap_or(Path::new(".")));
        rows.push(row(&bundle, input, answer, &names, difference));
    }
    if session.output.is_json() {
        session.output.json(&rows);
    } else {
        session.output.text(&for_people(&bundle, &rows));
        if !bundle.plan.replicas.is_empty() {
            let (count, devices) = (rows.len(), bundle.plan.replicas.len());
            let (seconds, rate) = (milliseconds(batch.seconds), batch.throughput());
            session
                .output
                .text(&format!("\n{count} images on {devices} devices in {seconds} ms: {rate:.1} a second\n"));
        }
        if !pipeline::is_bundle(&args.file) {
            args.weights.remark(session);
        }
    }
    Ok(Exit::Done)
}

/// The answers to all inputs: one after the other, or where the plan has replicas, dealt to them.
fn answers(session: &mut Session, bundle: &Bundle, inputs: &[Input]) -> Result<Batch, Failure> {
    let started = Instant::now();
    let devices = bundle.fleet.devices.len();
    if bundle.plan.replicas.is_empty() {
        let mut fleet = start(bundle)?;
        session.output.detail(&format!("compiled for {devices} devices in {:.1?}", started.elapsed()));
        let began = Instant::now();
        let answers = inputs.iter().map(|input| infer(&mut fleet, bundle, input)).collect::<Result<_, _>>()?;
        return Ok(Batch { answers, seconds: began.elapsed().as_secs_f64() });
    }
    let mut replicas = start_replicas(bundle)?;
    session.output.detail(&format!("compiled for {devices} devices in {:.1?}", started.elapsed()));
    let images: Vec<Vec<f32>> =
        inputs.iter().map(|input| pipeline::prepare(bundle, input)).collect::<Result<_, _>>()?;
    let batch = replicas.infer(&images).map_err(|error| Failure::running(codes::RUN, error.to_string()))?;
    inputs.iter().zip(&batch.answers).try_for_each(|(input, answer)| finite(input, answer))?;
    Ok(batch)
}

/// The bundle to run: read from a file, or compiled here from an architecture or source file.
fn load(session: &mut Session, args: &RunArgs) -> Result<Bundle, Failure> {
    let mut bundle = if pipeline::is_bundle(&args.file) {
        if args.fleet.fleet.is_some()
            || args.local.is_some()
            || args.strategy != "best"
            || args.draw.is_given()
            || args.weights.weights.is_some()
            || args.transfer.transfer.is_some()
        {
            return Err(drawn_already());
        }
        pipeline::read_bundle(&args.file)?
    } else {
        let way = Way::read(&args.strategy)?;
        let (architecture, loaded) = model::load_one(session, &args.file, &args.draw)?;
        let fleet = match (&args.fleet.fleet, args.local) {
            (Some(name), _) => model::named_fleet(session, name, loaded.program.as_ref())?,
            (None, Some(count)) => model::local_fleet(session, count)?,
            (None, None) => model::local_fleet(session, 1)?,
        };
        let fleet = args.transfer.of(fleet);
        let started = Instant::now();
        let bundle = pipeline::compile(&architecture, &fleet, way, args.weights.file())?;
        session.output.detail(&format!("placed by {way} and folded in {:.1?}", started.elapsed()));
        bundle
    };
    if let Some(wanted) = args.backend {
        let backend = wanted.into();
        bundle.fleet.devices.iter_mut().for_each(|device| device.backend = backend);
    }
    Ok(bundle)
}

/// Options that choose a draw or a placement were given with a bundle.
pub fn drawn_already() -> Failure {
    let message = "a bundle is drawn and placed already".to_owned();
    let note = "--item, --set, --seed, --fleet, --local, --threads, --transfer, --weights and --strategy are for sources and architectures";
    Failure::usage(Diagnostic::error(codes::OPTION, message).note(note))
}

/// The in-process fleet of a bundle, its shares compiled for the cores of this machine.
pub fn start(bundle: &Bundle) -> Result<Local, Failure> {
    pipeline::has_backends(&bundle.fleet)?;
    Local::start_within(bundle, machine::cores()).map_err(|error| Failure::running(codes::RUN, error.to_string()))
}

/// The devices of a bundle that take whole images, each with the whole network compiled.
pub fn start_replicas(bundle: &Bundle) -> Result<Replicas, Failure> {
    pipeline::has_backends(&bundle.fleet)?;
    Replicas::start_within(bundle, machine::cores()).map_err(|error| Failure::running(codes::RUN, error.to_string()))
}

/// One inference.
pub fn infer(fleet: &mut Local, bundle: &Bundle, input: &Input) -> Result<Answer, Failure> {
    let image = pipeline::prepare(bundle, input)?;
    let answer = fleet.infer(&image).map_err(|error| Failure::running(codes::RUN, error.to_string()))?;
    finite(input, &answer)?;
    Ok(answer)
}

/// No class can be read off an answer that is not finite, and no comparison would notice it.
pub(super) fn finite(input: &Input, answer: &Answer) -> Result<(), Failure> {
    let Some(place) = answer.output.iter().position(|value| !value.is_finite()) else { return Ok(()) };
    let message = format!("`{}`: output {place} is not a finite number", input.name);
    Err(Failure::running(codes::RUN, message))
}

/// The largest difference to the oracle's answer, relative to its largest output; more than what is promised is a failure.
pub fn check(oracle: &mut Local, bundle: &Bundle, input: &Input, answer: &Answer) -> Result<f64, Failure> {
    let wanted = infer(oracle, bundle, input)?;
    let largest = wanted.output.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    let pairs = wanted.output.iter().zip(&answer.output);
    // Both are finite: `infer` gives nothing else.
    let difference = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / largest;
    let promised = match bundle.fleet.transfer {
        Precision::F32 => 1e-4,
        // Each tensor sent is rounded to 11 bits.
        Precision::F16 => 1e-2,
    };
    if difference <= promised {
        return Ok(f64::from(difference));
    }
    let message =
        format!("`{}`: the answer differs from the reference by {difference:.1e} of its largest value", input.name);
    Err(Failure::running(codes::DISAGREE, message))
}

fn write_first(args: &RunArgs, bundle: &Bundle, answer: &Answer) -> Result<(), Failure> {
    if let Some(path) = &args.output {
        images::write_npy(path, &answer.output)?;
    }
    let Some(path) = &args.trace else { return Ok(()) };
    let trace = match answer.devices.as_slice() {
        // A whole image on one device of several is drawn as what it was there: all of the network.
        [only] if !bundle.plan.replicas.is_empty() => {
            let alone = bundle.alone_on(only.device);
            let alone = alone.map_err(|error| Failure::running(codes::RUN, error.to_string()))?;
            cnasc_fleet::trace::chrome(&alone, answer)
        }
        _ => cnasc_fleet::trace::chrome(bundle, answer),
    };
    write_file(path, trace.as_bytes())
}

impl Row {
    /// The answer in a line, for people.
    #[cfg(feature = "fleet")]
    pub(super) fn line(&self) -> String {
        let name = self.class_name.as_ref().map_or_else(String::new, |name| format!(" {name}"));
        let check =
            self.difference.map_or_else(String::new, |difference| format!(", off reference by {difference:.0e}"));
        let latency = milliseconds(self.latency_ms / 1e3);
        format!("{}: {}{name}, {latency} ms{check}\n", self.input, self.class)
    }
}

pub(super) fn row(bundle: &Bundle, input: &Input, answer: &Answer, names: &[String], difference: Option<f64>) -> Row {
    let class = largest(&answer.output);
    let devices = answer.devices.iter().map(|report| {
        let device = bundle.fleet.device(report.device);
        DeviceRow {
            device: device.name.clone(),
            backend: device.backend,
            operators: report.operators,
            sent_bytes: report.bytes_sent,
            received_bytes: report.bytes_received,
            busy_ms: report.busy_seconds * 1e3 + 0.0,
        }
    });
    Row {
        input: input.name.clone(),
        class,
        class_name: names.get(class).cloned(),
        label: input.label,
        output: answer.output.clone(),
        latency_ms: answer.seconds * 1e3,
        difference,
        devices: devices.collect(),
    }
}

/// The place of the largest output; the first of equals.
#[must_use]
pub fn largest(output: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in output.iter().enumerate() {
        if *value > output[best] {
            best = index;
        }
    }
    best
}

pub(super) fn for_people(bundle: &Bundle, rows: &[Row]) -> String {
    let mut text = String::new();
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let name = row.class_name.as_ref().map_or_else(String::new, |name| format!(" {name}"));
            let check = row.difference.map_or_else(String::new, |difference| format!("{difference:.0e}"));
            let label = row.label.map_or_else(String::new, |label| label.to_string());
            vec![row.input.clone(), format!("{}{name}", row.class), label, milliseconds(row.latency_ms / 1e3), check]
        })
        .collect();
    if !cells.is_empty() {
        text.push_str(&table(&["input", "class", "label", "latency ms", "off reference"], &[0, 1], &cells));
    }
    if let Some(last) = rows.last() {
        let cells: Vec<Vec<String>> = last
            .devices
            .iter()
            .map(|device| {
                vec![
                    device.device.clone(),
                    format!("{:?}", device.backend).to_lowercase(),
                    device.operators.to_string(),
                    bytes(device.sent_bytes),
                    bytes(device.received_bytes),
                    milliseconds(device.busy_ms / 1e3),
                ]
            })
            .collect();
        let title = format!("\n{} on fleet `{}`, the last inference:\n", bundle.name, bundle.fleet.name);
        text.push_str(&title);
        let headings = ["device", "backend", "operators", "sent", "received", "busy ms"];
        text.push_str(&table(&headings, &[0, 1], &cells));
    }
    text
}
