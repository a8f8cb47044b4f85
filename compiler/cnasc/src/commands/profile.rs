//! `cnasc profile -o here.cnas`: what one core of this machine computes and how soon its threads reach each other, as a source file
//! that declares them: `use "here.cnas"::here` brings the device into a fleet.
//!
//! A device's share runs on one thread, so a profile is of one core: its rate is that of whole networks, all their operations over
//! all their time. A machine of several cores is as many devices. How well the rate predicts is told by other networks.

mod kernels;
mod link;

use crate::Session;
use crate::cli::ProfileArgs;
use crate::failure::{Exit, Failure, codes};
use crate::machine::{self, field};
use crate::model::declared;
use crate::output::{bytes, milliseconds, table, write_file};
use crate::pipeline;
use cnasc_base::{Diagnostic, Seed};
use cnasc_bundle::Bundle;
use cnasc_fleet::{Local, measure::latency};
use cnasc_ir::fleet::{Backend, Device, Link};
use cnasc_ir::{Fleet, Program};
use cnasc_place::Strategy;
use kernels::Kernel;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Networks that the rate is taken from, and others that it is tried on.
const PROBES: &str = include_str!("profile/probes.cnas");

/// Inferences of a network that are counted, after those that warm up.
const RUNS: usize = 21;
const WARMUP: usize = 5;

/// What is declared where the memory can't be found out.
const MEMORY: u64 = 1 << 30;

/// What was measured.
#[derive(Debug, Serialize)]
struct Profile {
    device: String,
    file: String,
    /// The processor's name, where the system tells it.
    cpu: String,
    /// Of the machine; the figures are of one.
    cores: usize,
    /// Seconds since 1970.
    measured_at: u64,
    /// FLOP/s of one core over whole networks.
    compute: f64,
    /// Bytes free, or nothing where the system does not tell.
    memory: Option<u64>,
    /// Between two threads of one process; absent on a machine of one core.
    link: Option<Link>,
    kernels: Vec<Kernel>,
    checks: Vec<Check>,
}

/// A network that the figures were tried on.
#[derive(Debug, Serialize)]
struct Check {
    network: String,
    devices: usize,
    predicted_ms: f64,
    measured_ms: f64,
    /// Predicted over measured.
    ratio: f64,
}

/// Measures, writes, and says how good the figures are.
pub fn run(session: &mut Session, args: &ProfileArgs) -> Result<Exit, Failure> {
    let mut profile = Profile::of_machine(&args.output);
    // A name that will not do is found before the time is spent.
    refuse_wrong_names(session, &profile)?;
    let program = probes(session)?;
    profile.compute = rate(&program)?;
    if profile.cores > 1 {
        profile.link = Some(link::measure()?);
    }
    profile.kernels = kernels::measure(Duration::from_millis(args.each))?;
    profile.checks = profile.check(&program)?;
    let declared = profile.declare();
    let text = cnasc_grammar::format(&declared).unwrap_or(declared);
    write_file(&args.output, text.as_bytes())?;
    if session.output.is_json() {
        session.output.json(&profile);
    } else {
        session.output.text(&profile.for_people());
    }
    Ok(Exit::Done)
}

/// The networks that the rate is taken from, and those that it is tried on.
pub(super) fn probes(session: &mut Session) -> Result<Program, Failure> {
    declared(session, "<probes>", PROBES)
}

/// Compiles what would be written.
fn refuse_wrong_names(session: &mut Session, profile: &Profile) -> Result<(), Failure> {
    let named = Path::new(&profile.file).extension().is_some_and(|ending| ending == "cnas");
    let file = session.sources.add(profile.file.clone(), profile.declare());
    let (program, _) = pipeline::compile_source(&mut session.sources, file);
    if named && program.is_some() {
        return Ok(());
    }
    let message = format!("`{}` gives no name for a device", profile.file);
    let note =
        "name a file such as `here.cnas`: letters, digits and `_` before the ending, and no word of the language";
    Err(Failure::usage(Diagnostic::error(codes::OPTION, message).note(note)))
}

/// FLOP/s of one core over the networks whose names begin with `rate_`.
pub(super) fn rate(program: &Program) -> Result<f64, Failure> {
    let (mut flops, mut seconds) = (0.0, 0.0);
    for (_, bundle) in compiled(program, "rate_", |fleet| fleet, Strategy::Best)? {
        // On one device the plan sends nothing: its prediction is all operations over the rate.
        flops += bundle.plan.latency * bundle.fleet.devices[0].compute;
        seconds += measured(&bundle)?;
    }
    Ok(flops / seconds.max(1e-9))
}

/// The networks of the searches whose names begin with `prefix`, placed by `strategy` on what `fleet` makes of the searches' own.
pub(super) fn compiled(
    program: &Program,
    prefix: &str,
    fleet: impl Fn(Fleet) -> Fleet,
    strategy: Strategy,
) -> Result<Vec<(String, Bundle)>, Failure> {
    let searches = program.searches.iter().filter(|search| search.name.starts_with(prefix));
    let make = |search: &cnasc_ir::program::Search| {
        let drawn = cnasc_search::draw(program, &search.over, &BTreeMap::new(), search.seed)?;
        let fleet = fleet(program.fleets[search.on.index()].clone());
        let bundle = pipeline::compile(&drawn.architecture, &fleet, strategy, None)?;
        Ok((search.name.trim_start_matches(prefix).to_owned(), bundle))
    };
    searches.map(make).collect()
}

/// Seconds of the median inference.
fn measured(bundle: &Bundle) -> Result<f64, Failure> {
    let failed = |error: cnasc_fleet::FleetError| Failure::running(codes::RUN, error.to_string());
    let mut fleet = Local::start(bundle).map_err(failed)?;
    let shape = bundle.input();
    let mut rng = Seed::new(0).child("profile").rng();
    let values: Vec<f32> = (0..shape.elements()).map(|_| rng.unit() as f32).collect();
    let image =
        cnasc_bundle::image::block(shape, &values).map_err(|error| Failure::running(codes::RUN, error.to_string()))?;
    Ok(latency(&mut fleet, &image, WARMUP, RUNS).map_err(failed)?.median)
}

impl Profile {
    /// What the system says about the machine; nothing is measured yet.
    fn of_machine(output: &Path) -> Self {
        let stem = output.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Self {
            device: stem,
            file: output.display().to_string(),
            cpu: machine::cpu(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            measured_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            compute: 1e9,
            memory: field("/proc/meminfo", "MemAvailable").and_then(|text| {
                let kibibytes: u64 = text.split_whitespace().next()?.parse().ok()?;
                kibibytes.checked_mul(1024).filter(|&bytes| bytes >= 1 << 20)
            }),
            link: None,
            kernels: Vec::new(),
            checks: Vec::new(),
        }
    }

    fn declared_device(&self) -> Device {
        let memory = self.memory.unwrap_or(MEMORY) as f64;
        let (name, kind) = (self.device.clone(), self.device.clone());
        Device { name, kind, compute: self.compute, memory, cores: 1, backend: Backend::Jit, power: None }
    }

    /// Predicts and measures the `check_` networks: on one device, and on two where there are two cores.
    fn check(&self, program: &Program) -> Result<Vec<Check>, Failure> {
        let mut checks = Vec::new();
        for devices in 1..=self.link.map_or(1, |_| 2) {
            let link = self.link.unwrap_or(Link { rate: 1.0, latency: 0.0 });
            let fleet = |_| Fleet::uniform("here", devices, &self.declared_device(), link);
            for (network, bundle) in compiled(program, "check_", fleet, Strategy::Best)? {
                let used = bundle.plan.order.iter().filter(|nodes| !nodes.is_empty()).count();
                // What the best plan leaves on one of two devices was measured there already.
                if used < devices {
                    continue;
                }
                let (predicted, measured) = (bundle.plan.latency, measured(&bundle)?);
                checks.push(Check {
                    network,
                    devices,
                    predicted_ms: predicted * 1e3,
                    measured_ms: measured * 1e3,
                    ratio: predicted / measured,
                });
            }
        }
        Ok(checks)
    }

    /// The source file: a device, and a link where there is one.
    fn declare(&self) -> String {
        let Self { device, cpu, cores, .. } = self;
        let mut text = format!(
            "//! This machine as `cnasc profile` measured it on {} (UTC): {cpu}, cores: {cores}. Measure anew after a change of\n\
             //! machine or release.\n\n\
             /// One core: a device's share runs on one thread, so the whole machine is {cores} of these. `compute` is all operations\n\
             /// of randomly wired networks of 28 to 56 pixels over the time that they take; other networks differ.\n\
             /// `memory` is {}.\n\
             device {device} {{\n    compute {} GFLOP/s\n    memory {} MiB\n    cores 1\n}}\n",
            date(self.measured_at),
            if self.memory.is_some() { "what was free, for all of them together" } else { "not measured" },
            figure(self.compute / 1e9),
            self.memory.unwrap_or(MEMORY) >> 20,
        );
        if let Some(link) = self.link {
            text.push_str(&format!(
                "\n/// Two threads of one process, through memory: median time of a small tensor, and rate of one of 1 MiB. No network\n\
                 /// is in it; between machines use what yours has.\n\
                 link {device}_threads = {} Gbit/s, {} us\n",
                figure(link.rate / 1e9),
                figure(link.latency * 1e6),
            ));
        }
        text
    }

    fn for_people(&self) -> String {
        let kernel = |one: &Kernel| {
            vec![
                one.operator.clone(),
                one.input.clone(),
                one.output.clone(),
                format!("{:.1}", one.seconds * 1e6),
                format!("{:.1}", one.flops as f64 / one.seconds / 1e9),
            ]
        };
        let kernels: Vec<Vec<String>> = self.kernels.iter().map(kernel).collect();
        let check = |one: &Check| {
            vec![
                one.network.clone(),
                one.devices.to_string(),
                milliseconds(one.predicted_ms / 1e3),
                milliseconds(one.measured_ms / 1e3),
                format!("{:.2}", one.ratio),
            ]
        };
        let checks: Vec<Vec<String>> = self.checks.iter().map(check).collect();
        let link = self.link.map_or_else(
            || "one core: no link was measured".to_owned(),
            |link| {
                let (rate, latency) = (figure(link.rate / 1e9), figure(link.latency * 1e6));
                format!("between two threads: {rate} Gbit/s, {latency} us")
            },
        );
        format!(
            "{}\n{}\none core: {} GFLOP/s over whole networks; free memory: {}; {link}\n\n{}\n{}: `use \"{}\"::{}` brings it into a fleet\n",
            table(&["operator", "input", "output", "us", "GFLOP/s"], &[0, 1, 2], &kernels),
            self.cpu,
            figure(self.compute / 1e9),
            self.memory.map_or_else(|| "unknown".to_owned(), bytes),
            table(&["network", "threads", "predicted ms", "measured ms", "ratio"], &[0], &checks),
            self.file,
            Path::new(&self.file).file_name().unwrap_or_default().to_string_lossy(),
            self.device,
        )
    }
}

/// Three digits that matter; always a number that the language reads.
fn figure(value: f64) -> String {
    let digits = if value >= 100.0 { 0 } else { 2 };
    format!("{:.digits$}", value.max(0.01))
}

/// Year, month and day of seconds since 1970, by the proleptic Gregorian calendar: every 400 years have 146,097 days, counted here
/// from a 1 March, so that a leap day is the last of its year.
fn date(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{}-{month:02}-{day:02}", era * 400 + year_of_era + next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_by_hand() {
        let days = [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_782, "2026-11-25"),
        ];
        for (day, expect) in days {
            assert_eq!(date(day * 86_400 + 3600), expect);
        }
    }

    #[test]
    fn figures_are_numbers_of_the_language() {
        assert_eq!([31.2345, 0.0001, 412.6].map(figure), ["31.23", "0.01", "413"]);
    }
}
