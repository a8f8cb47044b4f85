//! `cnasc build FILE --fleet … -o BUNDLE`: a placed network with its weights in one file for devices.

use crate::Session;
use crate::cli::BuildArgs;
use crate::failure::{Exit, Failure};
use crate::output::{bytes as size, milliseconds, write_file};
use crate::parts::Way;
use crate::{model, pipeline};
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Built<'a> {
    bundle: String,
    bytes: usize,
    network: &'a str,
    hash: &'a str,
    devices: usize,
    latency_ms: f64,
}

/// Compiles and writes.
pub fn run(session: &mut Session, args: &BuildArgs) -> Result<Exit, Failure> {
    let way = Way::read(&args.strategy)?;
    let (architecture, loaded) = model::load_one(session, &args.file, &args.draw)?;
    let fleet = args.transfer.of(model::fleet_for(session, args.fleet.fleet.as_deref(), &loaded)?);
    let bundle = pipeline::compile(&architecture, &fleet, way, args.weights.file())?;
    let bytes = bundle.write();
    write_file(&args.output, &bytes)?;
    let built = Built {
        bundle: args.output.display().to_string(),
        bytes: bytes.len(),
        network: &architecture.name,
        hash: architecture.hash(),
        devices: fleet.devices.len(),
        latency_ms: bundle.plan.latency * 1e3,
    };
    if session.output.is_json() {
        session.output.json(&built);
    } else {
        session.output.text(&format!(
            "{}: {} ({}) for {} devices, {}, predicted {} ms\n",
            built.bundle,
            built.network,
            &built.hash[..12],
            built.devices,
            size(built.bytes as u64),
            milliseconds(bundle.plan.latency),
        ));
        args.weights.remark(session);
    }
    Ok(Exit::Done)
}
