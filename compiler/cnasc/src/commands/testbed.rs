//! `cnasc testbed FILE --fleet NAME`: the machines that a source file declares, made of this one, for as long as it runs; and how well
//! latencies are predicted there.
//!
//! A device's part of a core is what the file says that it computes, over what a core of this machine was just measured to.

use super::profile::{compiled, probes, rate};
use super::remote::failed;
use crate::Session;
use crate::cli::fleet::TestbedArgs;
use crate::failure::{Exit, Failure, codes};
use crate::output::{bytes, milliseconds, table};
use crate::{model, pipeline};
use cnasc_base::{Diagnostic, Seed};
use cnasc_bundle::{Bundle, image};
use cnasc_fleet::remote::testbed::{Testbed, Wanted};
use cnasc_fleet::remote::{Coordinator, RemoteError};
use cnasc_fleet::{Answer, Latency};
use cnasc_ir::{Fleet, Program};
use serde::Serialize;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Inferences of each network that are not counted.
const WARMUP: usize = 5;

/// How often is looked whether somebody wants it to end.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Above this a link is not slowed down: one machine moves no more between its processes anyway.
const FASTEST: f64 = 20e9;

/// Builds, measures or runs a command or waits, and takes down.
pub fn run(session: &mut Session, args: &TestbedArgs) -> Result<Exit, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&stop);
    ctrlc::set_handler(move || noted.store(true, Ordering::Relaxed))
        .map_err(|error| Failure::running(codes::RUN, format!("can't wait for Ctrl-C: {error}")))?;
    let stopped = || stop.load(Ordering::Relaxed);
    let (program, _) = pipeline::check(&mut session.sources, &args.file)?;
    let fleet = fleet(session, args)?;
    let probes = probes(session)?;
    let core = rate(&probes)?;
    let wanted: Vec<Wanted> = fleet.ids().map(|id| wanted(&fleet, id.index(), core, args.cpu)).collect();
    let own = std::env::current_exe()
        .map_err(|error| Failure::running(codes::RUN, format!("can't find this program's file: {error}")))?;
    let bed = Testbed::build(&[own.display().to_string(), "node".to_owned()], &wanted, &stopped).map_err(failed)?;
    for lacking in bed.lacking() {
        session.output.remark(&format!("note: {lacking}"));
    }
    let folder = bed.folder().display().to_string();
    session.output.remark(&format!("{} nodes, keys in {folder}", wanted.len()));
    for (device, wanted) in fleet.devices.iter().zip(&wanted) {
        session.output.detail(&describe(&device.name, wanted));
    }
    if args.measure {
        return measure(session, args, &bed, (&program, fleet), &stopped);
    }
    if let Some((program, arguments)) = args.command.split_first() {
        let arguments = arguments.iter().map(|word| word.replace("{}", &folder));
        let status = Command::new(program).args(arguments).status();
        let status = status.map_err(|error| Failure::running(codes::RUN, format!("can't run `{program}`: {error}")))?;
        return if status.success() {
            Ok(Exit::Done)
        } else {
            Err(Failure::running(codes::RUN, format!("`{program}` ended with {status}")))
        };
    }
    session.output.remark(&format!("use it by `cnasc run … --fleet {folder}`; Ctrl-C takes it down"));
    while !stopped() {
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(Exit::Done)
}

/// The fleet of the file, or its first devices.
fn fleet(session: &mut Session, args: &TestbedArgs) -> Result<Fleet, Failure> {
    let file = args.file.display().to_string();
    let name = args.fleet.as_ref().map_or_else(|| file.clone(), |name| format!("{file}:{name}"));
    let mut fleet = model::named_fleet(session, &name, None)?;
    let devices = fleet.devices.len();
    let Some(nodes) = args.nodes.map(|nodes| nodes as usize) else { return Ok(fleet) };
    if nodes > devices {
        let message = format!("fleet `{}` has {devices} devices, not {nodes}", fleet.name);
        return Err(Failure::usage(Diagnostic::error(codes::OPTION, message).note("declare more in the file")));
    }
    fleet.devices.truncate(nodes);
    fleet.links.truncate(nodes);
    fleet.links.iter_mut().for_each(|row| row.truncate(nodes));
    Ok(fleet)
}

/// A device as a node of the testbed. A node has one network card, as fast as the fastest of the device's links.
fn wanted(fleet: &Fleet, at: usize, core: f64, cpu: Option<f64>) -> Wanted {
    let device = &fleet.devices[at];
    let links: Vec<_> = fleet.links[at].iter().flatten().collect();
    let rate = links.iter().map(|link| link.rate).fold(0.0, f64::max);
    Wanted {
        name: format!("n{at}"),
        share: cpu.unwrap_or(device.compute / core),
        rate: (rate > 0.0 && rate <= FASTEST).then_some(rate),
        latency: links.iter().map(|link| link.latency).fold(0.0, f64::max),
    }
}

fn describe(device: &str, wanted: &Wanted) -> String {
    let Wanted { name, share, rate, .. } = wanted;
    let rate = rate.map_or_else(|| "no limit".to_owned(), |rate| format!("{:.0} Mbit/s", rate / 1e6));
    format!("{name} is `{device}`: {share:.2} of a core, {rate}")
}

/// A network, and how long its inferences were said to take and took.
#[derive(Debug, Serialize)]
struct Measured {
    network: String,
    /// Devices that have something to do.
    devices: usize,
    sent_bytes: u64,
    predicted_ms: f64,
    /// From the first node's beginning to the last one's end, on one clock; the median.
    measured_ms: f64,
    /// The same with the way of the image to its node and of the answer to the coordinator.
    answered_ms: f64,
    /// Measured over predicted.
    ratio: f64,
}

fn measure(
    session: &mut Session,
    args: &TestbedArgs,
    bed: &Testbed,
    (program, declared): (&Program, Fleet),
    stopped: &dyn Fn() -> bool,
) -> Result<Exit, Failure> {
    let mut coordinator = Coordinator::join(bed.folder(), &[], Duration::from_secs(30)).map_err(failed)?;
    let fleet =
        if args.profiled { super::fleet::measure::fleet(session, &mut coordinator, &declared.name)? } else { declared };
    let members = coordinator.nodes();
    let mut rows = Vec::new();
    for (name, bundle) in compiled(program, "", |_| fleet.clone())? {
        if stopped() {
            return Err(Failure::running(codes::RUN, "stopped".to_owned()));
        }
        coordinator.deploy(&bundle, &members).map_err(failed)?;
        rows.push(time(&mut coordinator, name, &bundle, args.runs).map_err(failed)?);
    }
    coordinator.stop();
    if session.output.is_json() {
        session.output.json(&rows);
    } else {
        session.output.text(&for_people(&rows));
    }
    Ok(Exit::Done)
}

fn time(coordinator: &mut Coordinator, network: String, bundle: &Bundle, runs: usize) -> Result<Measured, RemoteError> {
    let shape = bundle.input();
    let mut rng = Seed::new(0).child("testbed").rng();
    let values: Vec<f32> = (0..shape.elements()).map(|_| rng.unit() as f32).collect();
    let image = image::block(shape, &values).map_err(|error| RemoteError::Keys(error.to_string()))?;
    for _ in 0..WARMUP {
        coordinator.infer(&image)?;
    }
    let answers: Vec<Answer> = (0..runs).map(|_| coordinator.infer(&image)).collect::<Result<_, _>>()?;
    let median = |of: fn(&Answer) -> f64| Latency::of(answers.iter().map(of).collect()).median * 1e3;
    let predicted_ms = bundle.plan.latency * 1e3;
    let measured_ms = median(span);
    let sent_bytes = answers.first().map_or(0, |answer| answer.devices.iter().map(|device| device.bytes_sent).sum());
    Ok(Measured {
        network,
        devices: bundle.shares().iter().filter(|share| !share.actions.is_empty()).count(),
        sent_bytes,
        predicted_ms,
        measured_ms,
        answered_ms: median(|answer| answer.seconds),
        ratio: measured_ms / predicted_ms.max(1e-9),
    })
}

/// Seconds from the first beginning to the last end.
pub fn span(answer: &Answer) -> f64 {
    let timings = || answer.devices.iter().flat_map(|device| &device.timings);
    let start = timings().map(|timing| timing.start).fold(f64::INFINITY, f64::min);
    let end = timings().map(|timing| timing.end).fold(0.0, f64::max);
    (end - start).max(0.0)
}

fn for_people(rows: &[Measured]) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.network.clone(),
                row.devices.to_string(),
                bytes(row.sent_bytes),
                milliseconds(row.predicted_ms / 1e3),
                milliseconds(row.measured_ms / 1e3),
                milliseconds(row.answered_ms / 1e3),
                format!("{:.2}", row.ratio),
            ]
        })
        .collect();
    let headings =
        ["network", "devices", "sent", "predicted ms", "measured ms", "answered ms", "measured over predicted"];
    table(&headings, &[0], &cells)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnasc_ir::fleet::{Backend, Device, Link};

    #[test]
    fn a_device_becomes_a_part_of_a_core() {
        let device = Device {
            name: "pi".to_owned(),
            kind: "pi".to_owned(),
            compute: 10e9,
            memory: 1e9,
            cores: 1,
            backend: Backend::Jit,
        };
        let fleet = Fleet::uniform("pis", 2, &device, Link { rate: 1e9, latency: 2e-4 });
        let node = wanted(&fleet, 1, 40e9, None);
        assert_eq!((node.name.as_str(), node.share, node.rate, node.latency), ("n1", 0.25, Some(1e9), 2e-4));
        assert_eq!(wanted(&fleet, 0, 40e9, Some(0.5)).share, 0.5);
        let unlimited = Fleet::uniform("pis", 2, &device, Link { rate: 40e9, latency: 0.0 });
        assert_eq!(wanted(&unlimited, 0, 40e9, None).rate, None);
    }
}
