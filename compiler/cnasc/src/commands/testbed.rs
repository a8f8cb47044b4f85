//! `cnasc testbed FILE --fleet NAME`: the machines that a source file declares, made of this one, for as long as it runs; and how well
//! latencies are predicted there ([`measure`]).
//!
//! A device's part of a core is what the file says that it computes, over what a core of this machine was just measured to.

pub mod measure;

use super::profile::{probes, rate};
use super::remote::failed;
use crate::Session;
use crate::cli::fleet::{SlowBy, TestbedArgs};
use crate::failure::{Exit, Failure, codes};
use crate::model;
use crate::pipeline;
use cnasc_base::Diagnostic;
use cnasc_fleet::remote::testbed::{SlowedBy, Testbed, Wanted};
use cnasc_ir::Fleet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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
    let fleets = fleets(session, args)?;
    let probes = probes(session)?;
    let core = rate(&probes)?;
    if args.measure {
        return measure::run(session, args, (&program, core), fleets, &stopped);
    }
    let [fleet] = fleets.as_slice() else {
        let error = Diagnostic::error(codes::OPTION, "one fleet at a time can be made");
        return Err(Failure::usage(error.note("several are for `--measure`")));
    };
    let bed = build(session, args, fleet, core, &stopped)?;
    let folder = bed.folder().display().to_string();
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

/// Builds the machines of a fleet, and says what they are not.
fn build(
    session: &mut Session,
    args: &TestbedArgs,
    fleet: &Fleet,
    core: f64,
    stopped: &dyn Fn() -> bool,
) -> Result<Testbed, Failure> {
    let wanted: Vec<Wanted> = fleet.ids().map(|id| wanted(fleet, id.index(), core, args)).collect();
    let own = std::env::current_exe()
        .map_err(|error| Failure::running(codes::RUN, format!("can't find this program's file: {error}")))?;
    let bed = Testbed::build(&[own.display().to_string(), "node".to_owned()], &wanted, stopped).map_err(failed)?;
    for lacking in bed.lacking() {
        session.output.remark(&format!("note: {lacking}"));
    }
    let folder = bed.folder().display();
    let cores: f64 = wanted.iter().map(|wanted| wanted.share.min(1.0)).sum();
    let here = std::thread::available_parallelism().map_or(1, usize::from);
    session.output.remark(&format!("{} nodes with {cores:.1} of {here} cores in all, keys in {folder}", wanted.len()));
    if cores > here as f64 {
        session.output.remark("note: nodes have more of the cores than there is: when all compute, all are slower");
    }
    for (device, wanted) in fleet.devices.iter().zip(&wanted) {
        session.output.detail(&describe(&device.name, wanted));
    }
    Ok(bed)
}

/// The fleets of the file that are asked for, or their first devices.
fn fleets(session: &mut Session, args: &TestbedArgs) -> Result<Vec<Fleet>, Failure> {
    let file = args.file.display().to_string();
    let names: Vec<String> = args.fleet.iter().map(|name| format!("{file}:{name}")).collect();
    let names = if names.is_empty() { vec![file] } else { names };
    let mut fleets = Vec::new();
    for name in names {
        let fleet = model::named_fleet(session, &name, None)?;
        fleets.push(match args.nodes {
            Some(nodes) => first_of(&fleet, nodes as usize)?,
            None => fleet,
        });
    }
    Ok(fleets)
}

/// The first `nodes` devices of a fleet.
fn first_of(fleet: &Fleet, nodes: usize) -> Result<Fleet, Failure> {
    let devices = fleet.devices.len();
    if nodes > devices {
        let message = format!("fleet `{}` has {devices} devices, not {nodes}", fleet.name);
        return Err(Failure::usage(Diagnostic::error(codes::OPTION, message).note("declare more in the file")));
    }
    let mut fleet = fleet.clone();
    fleet.devices.truncate(nodes);
    fleet.links.truncate(nodes);
    fleet.links.iter_mut().for_each(|row| row.truncate(nodes));
    Ok(fleet)
}

/// A device as a node of the testbed. A node has one network card, as fast as the fastest of the device's links.
fn wanted(fleet: &Fleet, at: usize, core: f64, args: &TestbedArgs) -> Wanted {
    let device = &fleet.devices[at];
    let links: Vec<_> = fleet.links[at].iter().flatten().collect();
    let rate = links.iter().map(|link| link.rate).fold(0.0, f64::max);
    Wanted {
        name: format!("n{at}"),
        share: args.cpu.unwrap_or(device.compute / core),
        by: match args.slow_by {
            SlowBy::Pace => SlowedBy::Pace,
            SlowBy::Quota => SlowedBy::Quota,
        },
        rate: (rate > 0.0 && rate <= FASTEST).then_some(rate),
        latency: links.iter().map(|link| link.latency).fold(0.0, f64::max),
    }
}

fn describe(device: &str, wanted: &Wanted) -> String {
    let Wanted { name, share, rate, .. } = wanted;
    let rate = rate.map_or_else(|| "no limit".to_owned(), |rate| format!("{:.0} Mbit/s", rate / 1e6));
    format!("{name} is `{device}`: {share:.2} of a core, {rate}")
}

#[cfg(test)]
#[allow(clippy::panic, reason = "a failing test panics")]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;
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
            power: None,
        };
        let fleet = Fleet::uniform("pis", 2, &device, Link { rate: 1e9, latency: 2e-4 });
        let args = |more: &[&str]| {
            let words = ["cnasc", "testbed", "pis.cnas"].iter().chain(more);
            let Ok(Cli { command: Command::Testbed(args), .. }) = Cli::try_parse_from(words) else {
                panic!("{more:?}")
            };
            args
        };
        let node = wanted(&fleet, 1, 40e9, &args(&[]));
        assert_eq!((node.name.as_str(), node.share, node.rate, node.latency), ("n1", 0.25, Some(1e9), 2e-4));
        assert_eq!(node.by, SlowedBy::Pace);
        let node = wanted(&fleet, 0, 40e9, &args(&["--cpu", "0.5", "--slow-by", "quota"]));
        assert_eq!((node.share, node.by), (0.5, SlowedBy::Quota));
        let unlimited = Fleet::uniform("pis", 2, &device, Link { rate: 40e9, latency: 0.0 });
        assert_eq!(first_of(&fleet, 1).map(|one| (one.devices.len(), one.links)).ok(), Some((1, vec![vec![None]])));
        assert!(first_of(&fleet, 3).is_err());
        assert_eq!(wanted(&unlimited, 0, 40e9, &args(&[])).rate, None);
    }
}
