//! `cnasc fleet …`: making a fleet of several machines, seeing who of it is there, what it executes and how fast it is.

pub mod deploy;
pub mod measure;

use super::{plan, remote::failed};
use crate::Session;
use crate::cli::fleet::{FleetCommand, FleetCommandArgs, FleetInitArgs, FleetStatusArgs};
use crate::failure::{Exit, Failure, codes};
use crate::output::table;
use cnasc_base::Diagnostic;
use cnasc_fleet::remote::protocol::Status;
use cnasc_fleet::remote::{Coordinator, Member, init};
use serde::Serialize;

/// Does what is asked.
pub fn run(session: &mut Session, args: &FleetCommandArgs) -> Result<Exit, Failure> {
    match &args.command {
        FleetCommand::Init(args) => make(session, args),
        FleetCommand::Status(args) => status(session, args),
        FleetCommand::Deploy(args) => deploy::deploy(session, args),
        FleetCommand::Versions(args) => deploy::list(session, args),
        FleetCommand::Profile(args) => measure::run(session, args),
        FleetCommand::Plan(args) => plan::run_on(session, &args.plan, Some(&args.folder.display().to_string())),
    }
}

fn make(session: &mut Session, args: &FleetInitArgs) -> Result<Exit, Failure> {
    let nodes = args.nodes.iter().map(|node| member(node)).collect::<Result<Vec<_>, _>>()?;
    let members = init(&args.folder, &args.name, &nodes).map_err(failed)?;
    if session.output.is_json() {
        session.output.json(&members);
        return Ok(Exit::Done);
    }
    let folder = args.folder.display();
    let mut text = format!("fleet `{}` of {} nodes, in {folder}:\n", members.fleet, nodes.len());
    for node in &nodes {
        let name = &node.name;
        text.push_str(&format!(
            "  {name}: copy {folder}/{name} to its machine, run `cnasc node --name {name} --keys {name}`\n"
        ));
    }
    text.push_str(&format!(
        "  here: `cnasc fleet status {folder}`, `cnasc run BUNDLE --fleet {folder} --input FILE`\n"
    ));
    text.push_str(&format!("  keep {folder}/authority where no node is: whoever has it can let others in\n"));
    session.output.text(&text);
    Ok(Exit::Done)
}

/// `NAME=HOST:PORT`.
fn member(text: &str) -> Result<Member, Failure> {
    let parts = text.split_once('=').filter(|(_, address)| address.contains(':'));
    let wrong = || {
        let message = format!("`--node {text}` is not NAME=HOST:PORT");
        Failure::usage(Diagnostic::error(codes::OPTION, message).note("such as `--node kitchen=192.168.1.10:7447`"))
    };
    parts.map(|(name, address)| Member { name: name.to_owned(), address: address.to_owned() }).ok_or_else(wrong)
}

/// A node and how it is, if it is there.
#[derive(Debug, Serialize)]
struct Row {
    node: String,
    here: bool,
    #[serde(flatten)]
    status: Option<Status>,
}

fn status(session: &mut Session, args: &FleetStatusArgs) -> Result<Exit, Failure> {
    let coordinator = Coordinator::join(&args.folder, &[], args.deadline).map_err(failed)?;
    let nodes = coordinator.nodes();
    let missing = coordinator.wait_for(&nodes);
    let rows: Vec<Row> = nodes
        .into_iter()
        .map(|node| {
            // One that went away since is not there.
            let status = (!missing.contains(&node)).then(|| coordinator.status(&node).ok()).flatten();
            Row { here: status.is_some(), status, node }
        })
        .collect();
    if session.output.is_json() {
        session.output.json(&rows);
    } else {
        session.output.text(&for_people(&rows));
    }
    Ok(Exit::Done)
}

fn for_people(rows: &[Row]) -> String {
    let cells = rows.iter().map(|row| {
        let of = |part: &dyn Fn(&Status) -> String| row.status.as_ref().map_or_else(String::new, part);
        vec![
            row.node.clone(),
            if row.here { "there" } else { "missing" }.to_owned(),
            of(&|status| format!("{} x {}", status.cores, status.cpu)),
            of(&|status| status.network.clone().unwrap_or_default()),
            of(&|status| status.inferences.to_string()),
            of(&|status| status.failed.to_string()),
        ]
    });
    let cells: Vec<Vec<String>> = cells.collect();
    table(&["node", "", "cores", "network", "inferences", "failed"], &[0, 1, 2, 3], &cells)
}
