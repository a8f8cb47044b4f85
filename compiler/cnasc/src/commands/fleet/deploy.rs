//! `cnasc fleet deploy` and `cnasc fleet versions`: which bundle a fleet is to execute, and the ones before.
//!
//! A bundle becomes the current version only once every node has its part on disk, has compiled it, and all together have answered
//! one image; where that fails the version before stays. `cnasc run @ --fleet DIR` runs the current one.

use crate::Session;
use crate::cli::fleet::{FleetDeployArgs, FleetVersionsArgs};
use crate::commands::remote::failed;
use crate::failure::{Exit, Failure, codes};
use crate::output::{bytes, milliseconds, table};
use crate::pipeline;
use cnasc_base::Diagnostic;
use cnasc_bundle::{Bundle, layout};
use cnasc_fleet::remote::coordinator::assign;
use cnasc_fleet::remote::versions::Versions;
use cnasc_fleet::remote::{Coordinator, Keys};
use cnasc_transport::net::COORDINATOR;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The versions of a fleet.
pub fn versions(folder: &Path) -> Result<Versions, Failure> {
    let keys = Keys::load(folder, COORDINATOR).map_err(failed)?;
    Versions::of(keys.folder()).map_err(failed)
}

/// The bundle of the current version.
pub fn current(folder: &Path) -> Result<PathBuf, Failure> {
    let versions = versions(folder)?;
    let number = versions.current().ok_or_else(|| {
        let message = "`@` is what was deployed, and nothing was yet".to_owned();
        Failure::usage(
            Diagnostic::error(codes::OPTION, message).note("deploy a bundle: `cnasc fleet deploy DIR BUNDLE`"),
        )
    })?;
    Ok(versions.path(number))
}

/// What was deployed.
#[derive(Debug, Serialize)]
struct Deployed {
    version: u64,
    network: String,
    nodes: Vec<String>,
    /// Of the image that all nodes answered.
    latency_ms: f64,
}

/// Deploys a new version, or one from before.
pub fn deploy(session: &mut Session, args: &FleetDeployArgs) -> Result<Exit, Failure> {
    let versions = versions(&args.folder)?;
    let number = if let Some(path) = &args.bundle {
        if !pipeline::is_bundle(path) {
            let message = format!("`{}` is no bundle", path.display());
            return Err(Failure::input(Diagnostic::error(codes::FORM, message).note("`cnasc build` makes one")));
        }
        let file = std::fs::read(path).map_err(|error| Failure::unreadable(path, &error))?;
        // Before it is kept: a damaged one is no version.
        pipeline::read_bundle(path)?;
        versions.keep(&file).map_err(failed)?
    } else if let Some(number) = args.version {
        number
    } else {
        versions.before().map_err(failed)?
    };
    versions.read(number).map_err(failed)?;
    let bundle = pipeline::read_bundle(&versions.path(number))?;
    let deployed = try_out(&bundle, &args.folder, number, args.deadline)?;
    versions.set_current(number).map_err(failed)?;
    if session.output.is_json() {
        session.output.json(&deployed);
    } else {
        let Deployed { network, nodes, latency_ms, .. } = deployed;
        let (nodes, latency) = (nodes.join(", "), milliseconds(latency_ms / 1e3));
        session.output.text(&format!("version {number}, `{network}`, is on {nodes}; an image took {latency} ms\n"));
    }
    Ok(Exit::Done)
}

fn try_out(bundle: &Bundle, folder: &Path, version: u64, deadline: std::time::Duration) -> Result<Deployed, Failure> {
    let mut coordinator = Coordinator::join(folder, &[], deadline).map_err(failed)?;
    let nodes = assign(bundle, &coordinator.nodes()).map_err(failed)?;
    coordinator.deploy(bundle, &nodes).map_err(failed)?;
    let answer = coordinator.infer(&vec![0.0; layout::len(bundle.input())]).map_err(failed)?;
    Ok(Deployed { version, network: bundle.name.clone(), nodes, latency_ms: answer.seconds * 1e3 })
}

/// A version.
#[derive(Debug, Serialize)]
struct Version {
    version: u64,
    current: bool,
    network: String,
    hash: String,
    devices: usize,
    bytes: u64,
}

/// Lists what was deployed.
pub fn list(session: &mut Session, args: &FleetVersionsArgs) -> Result<Exit, Failure> {
    let versions = versions(&args.folder)?;
    let current = versions.current();
    let describe = |number: u64| {
        let path = versions.path(number);
        let bundle = pipeline::read_bundle(&path)?;
        let bytes = std::fs::metadata(&path).map_err(|error| Failure::unreadable(&path, &error))?.len();
        let devices = bundle.fleet.devices.len();
        Ok(Version {
            version: number,
            current: current == Some(number),
            network: bundle.name,
            hash: bundle.hash,
            devices,
            bytes,
        })
    };
    let all: Vec<Version> =
        versions.numbers().map_err(failed)?.into_iter().map(describe).collect::<Result<_, Failure>>()?;
    if session.output.is_json() {
        session.output.json(&all);
        return Ok(Exit::Done);
    }
    let cells: Vec<Vec<String>> = all
        .iter()
        .map(|one| {
            vec![
                one.version.to_string(),
                if one.current { "current" } else { "" }.to_owned(),
                one.network.clone(),
                one.devices.to_string(),
                bytes(one.bytes),
            ]
        })
        .collect();
    session.output.text(&table(&["version", "", "network", "devices", "size"], &[1, 2], &cells));
    Ok(Exit::Done)
}
