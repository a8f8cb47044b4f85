//! `cnasc plan FILE --fleet …`: who computes what, in which order, and what is sent when.

use crate::Session;
use crate::cli::{EmitPlan, PlanArgs};
use crate::exchange::{self, Valued};
use crate::failure::{Exit, Failure, codes};
use crate::model;
use crate::output::{self, bytes, milliseconds, table};
use crate::parts::{self, Placed, Way};
use crate::pipeline;
use cnasc_base::Diagnostic;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::plan::{Replica, Span};
use cnasc_ir::{Architecture, DeviceId, Fleet, Plan};
use cnasc_place::hypergraph::hmetis;
use cnasc_place::{Hypergraph, Strategy, energy};
use serde::Serialize;
use std::collections::BTreeMap;

/// The plan as programs read it; the fields of the command line's contract first.
#[derive(Debug, Serialize)]
struct Document<'a> {
    strategy: &'a str,
    latency_ms: f64,
    bound_ms: f64,
    gap: f64,
    optimal: bool,
    /// Absent where the power of a device that computes is not declared.
    energy_mj: Option<f64>,
    connectivity: u64,
    device_of: BTreeMap<&'a str, &'a str>,
    sent_bytes: u64,
    /// Nodes of the network that the plan cuts; `conv#1` is the first part of `conv`.
    in_parts: Vec<&'a str>,
    images_per_second: Option<f64>,
    network: &'a str,
    hash: &'a str,
    fleet: &'a Fleet,
    plan: &'a Plan,
}

/// Places and prints.
pub fn run(session: &mut Session, args: &PlanArgs) -> Result<Exit, Failure> {
    run_on(session, args, args.fleet.fleet.as_deref())
}

/// The same on the fleet of that name.
pub fn run_on(session: &mut Session, args: &PlanArgs, fleet: Option<&str>) -> Result<Exit, Failure> {
    let way = Way::read(&args.strategy)?;
    let folder = match (args.emit, &args.output_dir) {
        (Some(EmitPlan::Onnx), folder) => Some(exchange::folder(folder.as_deref())?),
        (_, None) => None,
        (_, Some(_)) => {
            let message = "--output-dir is for `--emit onnx`; all else goes to standard output";
            return Err(Failure::usage(Diagnostic::error(codes::OPTION, message)));
        }
    };
    let (architecture, loaded) = model::load_one(session, &args.file, &args.draw)?;
    if args.emit == Some(EmitPlan::Hgr) {
        let (_, workload) = pipeline::analyse(&architecture)?;
        session.output.raw(&hmetis::write(&Hypergraph::of_blocks(&workload)));
        return Ok(Exit::Done);
    }
    let fleet = args.transfer.of(model::fleet_for(session, fleet, &loaded)?);
    let (graph, workload) = pipeline::analyse(&architecture)?;
    let placed = parts::place(&architecture, &workload, &fleet, way)?;
    let (network, plan) = (placed.architecture(&architecture), &placed.plan);
    match args.emit {
        Some(EmitPlan::Svg) => session.output.raw(&cnasc_lower::export::svg(network, Some((plan, &fleet)))),
        Some(EmitPlan::Trace) => session.output.raw(&cnasc_fleet::trace::foretold(network, &fleet, plan)),
        // Was answered above, before there was a plan.
        Some(EmitPlan::Hgr) => {}
        Some(EmitPlan::Onnx) => {
            let weights = pipeline::weights(&architecture, &graph, args.weights.file())?;
            let (graph, weights) = placed.valued(graph, weights);
            let valued = Valued::new(network, graph, weights, args.fold.fold);
            let folder = folder.expect("`--emit onnx` without a folder was refused above");
            output::print_written(session, &valued.write_placed(folder, network, plan, &fleet)?);
        }
        Some(EmitPlan::Json) => session.output.json(&document(&architecture, &fleet, &placed)),
        None if session.output.is_json() => session.output.json(&document(&architecture, &fleet, &placed)),
        None => session.output.text(&for_people(&architecture, &fleet, &placed)),
    }
    Ok(Exit::Done)
}

fn document<'a>(architecture: &'a Architecture, fleet: &'a Fleet, found: &'a Placed) -> Document<'a> {
    let placed = &found.plan;
    let pairs = found.architecture(architecture).nodes.iter().zip(&placed.device_of);
    let in_parts = found.in_parts().into_iter().map(|node| architecture.node(node).name.as_str()).collect();
    Document {
        strategy: &placed.strategy,
        latency_ms: placed.latency * 1e3,
        bound_ms: placed.bound * 1e3,
        gap: placed.gap(),
        optimal: placed.is_optimal(),
        energy_mj: energy(placed, fleet).map(|joules| joules * 1e3),
        connectivity: placed.connectivity,
        device_of: pairs.map(|(node, &device)| (node.name.as_str(), fleet.device(device).name.as_str())).collect(),
        sent_bytes: placed.sent_bytes,
        in_parts,
        images_per_second: placed.throughput(),
        network: &architecture.name,
        hash: architecture.hash(),
        fleet,
        plan: placed,
    }
}

fn for_people(architecture: &Architecture, fleet: &Fleet, found: &Placed) -> String {
    let (placed, workload) = (&found.plan, &found.workload);
    let total = workload.total_flops();
    let mut rows = Vec::new();
    for id in fleet.ids() {
        let nodes = &placed.order[id.index()];
        let flops: u64 = nodes.iter().map(|&node| workload.cost(node).flops).sum();
        let busy: f64 =
            computed(placed).filter(|one| one.1 == id).map(|one| one.2.end - one.2.start).sum::<f64>() + 0.0;
        let sent: u64 = placed.transfers.iter().filter(|one| one.from == id).map(|one| one.bytes).sum();
        let received: u64 = placed.transfers.iter().filter(|one| one.to == id).map(|one| one.bytes).sum();
        rows.push(vec![
            fleet.device(id).name.clone(),
            fleet.device(id).kind.clone(),
            nodes.len().to_string(),
            format!("{:.1} %", 100.0 * flops as f64 / total.max(1) as f64),
            milliseconds(busy),
            format!("{:.0} %", 100.0 * busy / placed.latency.max(f64::MIN_POSITIVE)),
            bytes(sent),
            bytes(received),
        ]);
    }
    let scope = if found.in_parts().is_empty() { "whole layers" } else { "these parts" };
    let proof = if placed.is_optimal() {
        format!("which is proved optimal for {scope}")
    } else {
        let (bound, gap) = (milliseconds(placed.bound), 100.0 * placed.gap());
        let limit =
            if placed.strategy == Strategy::Optimal.name() { "not proved optimal within the limit: " } else { "" };
        format!("{limit}no placement of {scope} is below {bound} ms (gap {gap:.0} %)")
    };
    let joules = energy(placed, fleet).map_or_else(String::new, |joules| format!(" and {:.1} mJ", joules * 1e3));
    let copies = match placed.copies.len() {
        0 => String::new(),
        count => format!("; computed again rather than sent: {count}"),
    };
    let parts = match found.in_parts().len() {
        0 => String::new(),
        count => format!("; nodes in parts: {count} of {}", architecture.nodes.len()),
    };
    format!(
        "{} ({}) on fleet `{}`, strategy {}\n\n{}\npredicted {} ms{joules}; {proof}; {} transfers, {}{copies}{parts}\n{}",
        architecture.name,
        &architecture.hash()[..12],
        fleet.name,
        placed.strategy,
        table(&["device", "kind", "nodes", "work", "busy ms", "busy", "sends", "receives"], &[0, 1], &rows),
        milliseconds(placed.latency),
        placed.transfers.len(),
        bytes(placed.sent_bytes),
        whole_images(fleet, placed),
    )
}

/// What data parallelism is good for, and what it is not; nothing where no device takes whole images.
fn whole_images(fleet: &Fleet, placed: &Plan) -> String {
    if placed.replicas.is_empty() {
        return String::new();
    }
    let row = |replica: &Replica| {
        let device = fleet.device(replica.device);
        let rate = if replica.latency > 0.0 { format!("{:.2}", 1.0 / replica.latency) } else { "-".to_owned() };
        vec![device.name.clone(), device.kind.clone(), milliseconds(replica.latency), rate]
    };
    let rows: Vec<Vec<String>> = placed.replicas.iter().map(row).collect();
    let rate = placed.throughput().map_or_else(|| "any number of".to_owned(), |rate| format!("{rate:.2}"));
    format!(
        "\nwhole images on {} of {} devices, {rate} images a second; one image takes as long as on one device\n\n{}",
        placed.replicas.len(),
        fleet.devices.len(),
        table(&["device", "kind", "ms an image", "images/s"], &[0, 1], &rows),
    )
}

/// What is computed where and when, copies included.
fn computed(placed: &Plan) -> impl Iterator<Item = (NodeId, DeviceId, Span)> {
    let own = placed.device_of.iter().zip(&placed.spans).enumerate();
    let own = own.map(|(node, (&device, &span))| (NodeId::new(node), device, span));
    own.chain(placed.copies.iter().map(|copy| (copy.node, copy.device, copy.span)))
}
