//! `cnasc run … --fleet DIR`: classifies images on the nodes of a fleet of several machines.

use super::run::{Row, check, drawn_already, finite, for_people, row, write_first};
use crate::Session;
use crate::cli::RunArgs;
use crate::failure::{Exit, Failure, codes};
use crate::output::{bytes, table};
use crate::parts::Way;
use crate::{images, model, pipeline};
use cnasc_base::Diagnostic;
use cnasc_bundle::Bundle;
use cnasc_fleet::promise::Promise;
use cnasc_fleet::remote::coordinator::assign;
use cnasc_fleet::remote::protocol::RefusalKind;
use cnasc_fleet::remote::{Coordinator, RemoteError, Steady};
use cnasc_fleet::{Answer, DeviceReport};
use cnasc_ir::fleet::Backend;
use std::path::{Path, PathBuf};

/// The folder of a fleet of several machines, where `--fleet` names one.
#[must_use]
pub fn folder(args: &RunArgs) -> Option<PathBuf> {
    let folder = PathBuf::from(args.fleet.fleet.as_deref()?);
    let is_one = folder.join("fleet.json").is_file() || folder.join("coordinator").join("fleet.json").is_file();
    is_one.then_some(folder)
}

/// Deploys, classifies every input, prints.
pub fn run(session: &mut Session, args: &RunArgs, folder: &Path) -> Result<Exit, Failure> {
    let coordinator = Coordinator::join(folder, &[], args.deadline).map_err(failed)?;
    let bundle = load(session, args, coordinator.nodes().len())?;
    if !bundle.plan.replicas.is_empty() {
        let message = "a plan that deals whole images to devices runs in one process only".to_owned();
        return Err(Failure::usage(Diagnostic::error(codes::OPTION, message).note("place by another strategy")));
    }
    let members = assign(&bundle, &coordinator.nodes()).map_err(failed)?;
    let mut oracle = args.verify.then(|| pipeline::whole(&bundle, Backend::Reference)).transpose()?;
    let mut fleet = Steady::start(coordinator, bundle, members, Box::new(pipeline::place_again)).map_err(failed)?;
    let mut rows: Vec<Row> = Vec::new();
    let mut last = None;
    for path in &args.input {
        let input = images::read(path, fleet.whole().input())?;
        let image = pipeline::prepare(fleet.whole(), &input)?;
        let moves = fleet.moves();
        let (answer, bundle) = fleet.infer(&image).map_err(failed)?;
        if fleet.moves() > moves {
            let devices = bundle.fleet.devices.len();
            session.output.remark(&format!("note: nodes went or came: placed again, now on {devices}"));
        }
        finite(&input, &answer)?;
        let difference = oracle.as_mut().map(|oracle| check(oracle, &bundle, &input, &answer)).transpose()?;
        if rows.is_empty() {
            write_first(args, &bundle, &answer)?;
        }
        let names = images::class_names(path.parent().unwrap_or(Path::new(".")));
        rows.push(row(&bundle, &input, &answer, &names, difference));
        last = Some((answer, bundle));
    }
    if session.output.is_json() {
        session.output.json(&rows);
    } else if let Some((answer, bundle)) = last {
        session.output.text(&for_people(&bundle, &rows));
        session.output.text(&against_the_plan(&bundle, &answer));
        if !pipeline::is_bundle(&args.file) {
            args.weights.remark(session);
        }
    }
    Ok(Exit::Done)
}

/// The bundle to run: read, or compiled here for as many equal devices as the fleet has nodes.
fn load(session: &mut Session, args: &RunArgs, nodes: usize) -> Result<Bundle, Failure> {
    let mut bundle = if pipeline::is_bundle(&args.file) {
        if args.strategy != "best"
            || args.draw.is_given()
            || args.weights.weights.is_some()
            || args.transfer.transfer.is_some()
        {
            return Err(drawn_already());
        }
        pipeline::read_bundle(&args.file)?
    } else {
        let way = Way::read(&args.strategy)?;
        let (architecture, _) = model::load_one(session, &args.file, &args.draw)?;
        let devices = u32::try_from(nodes).expect("a fleet has at most 256 nodes");
        let fleet = args.transfer.of(model::local_fleet(session, devices)?);
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
