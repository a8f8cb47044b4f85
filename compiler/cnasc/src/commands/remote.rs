//! `cnasc run … --fleet DIR`: classifies images on the nodes of a fleet of several machines.

use super::run::{Row, check, drawn_already, finite, for_people, row};
use super::sources;
use crate::Session;
use crate::cli::RunArgs;
use crate::failure::{Exit, Failure, codes};
use crate::images::Input;
use crate::output::{bytes, milliseconds, table, write_file};
use crate::parts::Way;
use crate::{images, model, pipeline};
use cnasc_base::Diagnostic;
use cnasc_bundle::Bundle;
use cnasc_fleet::promise::Promise;
use cnasc_fleet::remote::coordinator::assign;
use cnasc_fleet::remote::protocol::RefusalKind;
use cnasc_fleet::remote::recovery::Given;
use cnasc_fleet::remote::{Coordinator, RemoteError, Steady};
use cnasc_fleet::{Answer, DeviceReport, Latency, Local};
use cnasc_ir::fleet::Backend;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The folder of a fleet of several machines, where `--fleet` names one.
#[must_use]
pub fn folder(args: &RunArgs) -> Option<PathBuf> {
    let folder = PathBuf::from(args.fleet.fleet.as_deref()?);
    let is_one = folder.join("fleet.json").is_file() || folder.join("coordinator").join("fleet.json").is_file();
    is_one.then_some(folder)
}

/// Deploys, classifies every input as it comes, prints.
pub fn run(session: &mut Session, args: &RunArgs, folder: &Path) -> Result<Exit, Failure> {
    let coordinator = Coordinator::join(folder, &[], args.deadline).map_err(failed)?;
    let bundle = load(session, args, folder, coordinator.nodes().len())?;
    if !bundle.plan.replicas.is_empty() {
        let message = "a plan that deals whole images to devices runs in one process only".to_owned();
        return Err(Failure::usage(Diagnostic::error(codes::OPTION, message).note("place by another strategy")));
    }
    let members = assign(&bundle, &coordinator.nodes()).map_err(failed)?;
    let oracle = args.verify.then(|| pipeline::whole(&bundle, Backend::Reference)).transpose()?;
    let fleet = Steady::start(coordinator, bundle, members, Box::new(pipeline::place_again)).map_err(failed)?;
    let mut stream = Stream {
        session,
        args,
        fleet,
        oracle,
        waiting: VecDeque::new(),
        rows: Vec::new(),
        times: Vec::new(),
        drawn: Vec::new(),
        last: None,
    };
    stream.run()?;
    stream.report()
}

/// The most answers of one trace.
const MAX_DRAWN: usize = 64;

/// The most answers whose times are kept for the median.
const MAX_TIMES: usize = 1 << 16;

/// Images on their way through a fleet.
struct Stream<'a> {
    session: &'a mut Session,
    args: &'a RunArgs,
    fleet: Steady,
    oracle: Option<Local>,
    /// Inputs without an answer, in their order.
    waiting: VecDeque<Input>,
    rows: Vec<Row>,
    /// Seconds of each answer.
    times: Vec<f64>,
    /// Answers for the trace, all of one placement.
    drawn: Vec<Given>,
    last: Option<Given>,
}

/// When images are due.
struct Pace {
    fps: Option<f64>,
    began: Instant,
    images: u64,
    /// Images that were handed over more than a frame late.
    late: u64,
}

impl Pace {
    /// Waits until the next image is due.
    fn wait(&mut self) {
        let Some(fps) = self.fps else { return };
        let due = self.began + Duration::from_secs_f64(self.images as f64 / fps);
        let now = Instant::now();
        std::thread::sleep(due.saturating_duration_since(now));
        self.late += u64::from(now > due + Duration::from_secs_f64(1.0 / fps));
    }
}

impl Stream<'_> {
    fn run(&mut self) -> Result<(), Failure> {
        let mut pace = Pace { fps: self.args.fps, began: Instant::now(), images: 0, late: 0 };
        for path in sources::files(&self.args.input) {
            let path = path?;
            let input = images::read(&path, self.fleet.whole().input())?;
            let image = pipeline::prepare(self.fleet.whole(), &input)?;
            pace.wait();
            pace.images += 1;
            self.waiting.push_back(input);
            self.fleet.begin(image);
            while self.fleet.in_flight() >= self.args.in_flight {
                self.take(&path)?;
            }
        }
        while self.fleet.in_flight() > 0 {
            self.take(Path::new("."))?;
        }
        if pace.images > 1 {
            self.sum_up(&pace);
        }
        Ok(())
    }

    /// Waits for the next answer and notes it; names of classes are looked for beside `path`.
    fn take(&mut self, path: &Path) -> Result<(), Failure> {
        let moves = self.fleet.moves();
        let Some(given) = self.fleet.finish() else { return Ok(()) };
        let given = given.map_err(failed)?;
        let input = self.waiting.pop_front().expect("one that is in flight is waited for");
        let Given { answer, bundle, .. } = &given;
        if self.fleet.moves() > moves {
            let (devices, slowed) = (bundle.fleet.devices.len(), self.fleet.slowed());
            let slow: Vec<String> = slowed.iter().map(|(node, times)| format!("`{node}` {times} times")).collect();
            let slow =
                if slow.is_empty() { String::new() } else { format!("; slower than before: {}", slow.join(", ")) };
            self.session.output.remark(&format!("note: placed again, now on {devices} nodes{slow}"));
        }
        finite(&input, answer)?;
        let difference = self.oracle.as_mut().map(|oracle| check(oracle, bundle, &input, answer)).transpose()?;
        let names = images::class_names(path.parent().unwrap_or(Path::new(".")));
        let row = row(bundle, &input, answer, &names, difference);
        if let (None, Some(path)) = (&self.last, &self.args.output) {
            images::write_npy(path, &answer.output)?;
        }
        if self.prints_at_once() {
            self.session.output.text(&row.line());
        } else {
            self.rows.push(row);
        }
        if self.times.len() < MAX_TIMES {
            self.times.push(answer.seconds);
        }
        let same = self.drawn.first().is_none_or(|first| Arc::ptr_eq(&first.bundle, bundle));
        if self.args.trace.is_some() && same && self.drawn.len() < MAX_DRAWN {
            self.drawn.push(given.clone());
        }
        self.last = Some(given);
        Ok(())
    }

    /// Where nobody knows how many answers there will be, none is kept.
    fn prints_at_once(&self) -> bool {
        sources::is_endless(&self.args.input) && !self.session.output.is_json()
    }

    fn sum_up(&self, pace: &Pace) {
        let seconds = pace.began.elapsed().as_secs_f64();
        let Latency { median, max, .. } = Latency::of(self.times.clone());
        let (count, flight) = (pace.images, self.args.in_flight);
        let rate = count as f64 / seconds.max(1e-9);
        let (median, max) = (milliseconds(median), milliseconds(max));
        let mut text = format!(
            "note: {count} images in {} ms, {flight} in flight: {rate:.1} a second; latency {median} ms in the median, {max} at most",
            milliseconds(seconds)
        );
        if let Some(fps) = pace.fps {
            text += &format!("; {} of them came more than a frame late for {fps} a second", pace.late);
        }
        self.session.output.remark(&text);
    }

    fn report(self) -> Result<Exit, Failure> {
        if let (Some(path), Some(first)) = (&self.args.trace, self.drawn.first()) {
            let at = |given: &Given| given.began.saturating_duration_since(first.began).as_secs_f64();
            let answers: Vec<(f64, &Answer)> = self.drawn.iter().map(|given| (at(given), &given.answer)).collect();
            write_file(path, cnasc_fleet::trace::stream(&first.bundle, &answers).as_bytes())?;
        }
        let output = self.session.output;
        if output.is_json() {
            output.json(&self.rows);
        } else if let Some(Given { answer, bundle, .. }) = &self.last {
            output.text(&for_people(bundle, &self.rows));
            output.text(&against_the_plan(bundle, answer));
            let was_made = self.args.file.as_os_str() == "@" || pipeline::is_bundle(&self.args.file);
            if !was_made {
                self.args.weights.remark(self.session);
            }
        }
        Ok(Exit::Done)
    }
}

/// The bundle to run: read, deployed before, or compiled here for the fleet as it was measured, or else for as many equal devices as it has
/// nodes.
fn load(session: &mut Session, args: &RunArgs, folder: &Path, nodes: usize) -> Result<Bundle, Failure> {
    let is_deployed = args.file.as_os_str() == "@";
    let file = if is_deployed { super::fleet::deploy::current(folder)? } else { args.file.clone() };
    let mut bundle = if is_deployed || pipeline::is_bundle(&file) {
        if args.strategy != "best"
            || args.draw.is_given()
            || args.weights.weights.is_some()
            || args.transfer.transfer.is_some()
        {
            return Err(drawn_already());
        }
        pipeline::read_bundle(&file)?
    } else {
        let way = Way::read(&args.strategy)?;
        let (architecture, _) = model::load_one(session, &file, &args.draw)?;
        let devices = u32::try_from(nodes).expect("a fleet has at most 256 nodes");
        let fleet = match model::measured(folder) {
            Some(_) => model::named_fleet(session, &folder.display().to_string(), None)?,
            None => model::local_fleet(session, devices)?,
        };
        let fleet = args.transfer.of(fleet);
        pipeline::compile(&architecture, &fleet, way, args.weights.file())?
    };
    if let Some(wanted) = args.backend {
        let backend = wanted.into();
        bundle.fleet.devices.iter_mut().for_each(|device| device.backend = backend);
    }
    Ok(bundle)
}

/// What each device did in the last inference, beside what the plan gives it. There is no answer where the two differ.
fn against_the_plan(bundle: &Bundle, answer: &Answer) -> String {
    let cells = bundle.shares().into_iter().zip(&answer.devices).map(|(share, report)| {
        let promise = Promise::of(bundle, &share);
        let DeviceReport { operators, bytes_sent, .. } = *report;
        vec![
            bundle.fleet.device(share.device).name.clone(),
            format!("{operators} of {}", promise.operators()),
            format!("{} of {}", bytes(bytes_sent), bytes(promise.bytes_sent())),
        ]
    });
    let cells: Vec<Vec<String>> = cells.collect();
    let table = table(&["device", "operators", "sent"], &[0], &cells);
    format!("\nreported by the nodes, of what the plan gives them:\n{table}")
}

/// The finding for what went wrong in a fleet.
pub fn failed(error: RemoteError) -> Failure {
    let message = error.to_string();
    match error {
        RemoteError::Keys(_) => Failure::input(Diagnostic::error(codes::KEYS, message)),
        RemoteError::Missing(_) | RemoteError::Lost(_) => {
            let note = "`cnasc fleet status DIR` lists the nodes that are there";
            Failure { diagnostics: Diagnostic::error(codes::NODE, message).note(note).into(), exit: Exit::Running }
        }
        RemoteError::Refused { refusal, .. }
            if !matches!(refusal.kind, RefusalKind::Inference | RefusalKind::Start) =>
        {
            Failure::running(codes::REFUSED, message)
        }
        _ => Failure::running(codes::RUN, message),
    }
}
