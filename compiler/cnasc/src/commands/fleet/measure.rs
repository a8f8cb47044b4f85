//! `cnasc fleet profile DIR`: what the nodes of a fleet compute, and how soon a tensor gets from one to another, measured by running
//! networks on them.
//!
//! A node's rate is that of whole networks on it alone, as `cnasc profile` measures this machine. For a link a chain of cheap nodes is
//! dealt to two nodes in turn, so that nothing runs beside anything else: what an inference takes beyond computing are its transfers. Two
//! sizes of tensors give rate and latency of the line through them. Both ways of a link are taken to be alike. Then whole networks are placed
//! and run: nodes that compute while they send, and to several receivers, are slower at it, and all links are made as much slower as it
//! takes for the plans of these networks to last as long as they did.

use crate::Session;
use crate::cli::fleet::FleetProfileArgs;
use crate::commands::profile::{compiled, probes};
use crate::commands::remote::failed;
use crate::commands::testbed::measure::span;
use crate::failure::{Exit, Failure, codes};
use crate::model::{MEASURED, declared};
use crate::output::{milliseconds, table, write_file};
use cnasc_base::Seed;
use cnasc_bundle::{Bundle, image};
use cnasc_fleet::remote::{Coordinator, Keys, RemoteError};
use cnasc_fleet::{Answer, Latency};
use cnasc_ir::fleet::{Backend, Device, Link, Precision};
use cnasc_ir::{DeviceId, Fleet, Program};
use cnasc_place::schedule::{Placement, by_rank, finish};
use cnasc_place::{Strategy, Workload};
use cnasc_transport::net::COORDINATOR;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

/// Inferences of each network that are counted, after those that warm up.
const RUNS: usize = 15;
const WARMUP: usize = 3;

/// What is declared of memory, which nobody asked the nodes for.
const MEMORY: f64 = (1_u64 << 30) as f64;

/// Chains for links, of small and large tensors, and networks that load them.
const LINKS: &str = include_str!("links.cnas");

/// More than this is no load but a fault.
const SLOWEST: f64 = 8.0;

/// Nodes of a chain.
const LENGTH: usize = 8;

/// Measures, and writes the fleet in JSON into the coordinator's folder, where plans and runs on this fleet look for it.
pub fn run(session: &mut Session, args: &FleetProfileArgs) -> Result<Exit, Failure> {
    let keys = Keys::load(&args.folder, COORDINATOR).map_err(failed)?;
    let mut coordinator = Coordinator::join(&args.folder, &[], args.deadline).map_err(failed)?;
    let fleet = fleet(session, &mut coordinator, &keys.members.fleet, u32::MAX)?;
    coordinator.stop();
    let path = args.output.clone().unwrap_or_else(|| keys.folder().join(MEASURED));
    write(&path, &fleet)?;
    if session.output.is_json() {
        session.output.json(&fleet);
    } else {
        session.output.text(&for_people(&fleet));
        session.output.remark(&format!("written to {}", path.display()));
    }
    Ok(Exit::Done)
}

/// The fleet as its nodes and links are, each node computing with all its cores, but with `most` at most, and measured so: a run has as many
/// threads. Measuring takes a second or so each.
pub fn fleet(session: &mut Session, coordinator: &mut Coordinator, name: &str, most: u32) -> Result<Fleet, Failure> {
    let nodes = coordinator.nodes();
    let missing = coordinator.wait_for(&nodes);
    if !missing.is_empty() {
        return Err(failed(RemoteError::Missing(missing)));
    }
    let probes = probes(session)?;
    let mut rated = BTreeMap::new();
    let mut devices = Vec::new();
    for node in &nodes {
        let status = coordinator.status(node).map_err(failed)?;
        let cores = u32::try_from(status.cores).unwrap_or(1).clamp(1, most);
        let networks = match rated.entry(cores) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                new.insert(compiled(&probes, "rate_", |fleet| of_cores(fleet, cores), Strategy::Best)?)
            }
        };
        let compute = rate(coordinator, node, networks).map_err(failed)?;
        let kind = "measured".to_owned();
        devices.push(Device {
            name: node.clone(),
            kind,
            compute,
            memory: MEMORY,
            cores,
            backend: Backend::Jit,
            power: None,
        });
    }
    let probes = declared(session, "<links>", LINKS)?;
    let links = links(coordinator, &probes, &nodes)?;
    let idle = Fleet { name: name.to_owned(), devices, links, transfer: Precision::F32 };
    let wrong = |problem| Failure::running(codes::RUN, format!("what was measured is no fleet: {problem}"));
    idle.verify().map_err(wrong)?;
    if nodes.len() < 2 {
        return Ok(idle);
    }
    let times = under_load(coordinator, &probes, &idle, &nodes)?;
    session.output.remark(&format!("messages take {times:.2} times as long while nodes compute"));
    Ok(slowed(&idle, times))
}

/// The fleet with messages that take so many times as long.
fn slowed(fleet: &Fleet, times: f64) -> Fleet {
    let mut fleet = fleet.clone();
    for link in fleet.links.iter_mut().flatten().flatten() {
        *link = Link { rate: link.rate / times, latency: link.latency * times };
    }
    fleet
}

/// How many times longer messages take while nodes compute than alone, `idle`: the median over networks placed as well as can be. Such
/// plans have a message on its way all the time, and depend on each being there in time.
fn under_load(coordinator: &mut Coordinator, probes: &Program, idle: &Fleet, nodes: &[String]) -> Result<f64, Failure> {
    let mut factors = Vec::new();
    for (_, bundle) in compiled(probes, "load_", |_| idle.clone(), Strategy::Best)? {
        if bundle.plan.transfers.is_empty() {
            continue;
        }
        let answers = answers(coordinator, &bundle, nodes).map_err(failed)?;
        let took = Latency::of(answers.iter().map(|answer| span(&bundle, answer)).collect()).median;
        let workload = of_bundle(&bundle)?;
        let copies = bundle.plan.copies.iter().map(|copy| (copy.node, copy.device)).collect();
        let placement = Placement { copies, ..by_rank(&workload, idle, bundle.plan.device_of.clone()) };
        let planned =
            |times| finish(&workload, &slowed(idle, times), Strategy::Best.name(), &placement).map(|plan| plan.latency);
        planned(1.0).map_err(|error| Failure::running(codes::RUN, error.to_string()))?;
        factors.push(factor(took, |times| planned(times).unwrap_or(f64::INFINITY)));
    }
    // Where links are so slow that nothing is sent, it does not matter.
    Ok(if factors.is_empty() { 1.0 } else { Latency::of(factors).median })
}

/// With how many times slower messages an inference is planned to last as long as it took: from 1 to [`SLOWEST`], by bisection.
fn factor(took: f64, planned: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (1.0, SLOWEST);
    for _ in 0..20 {
        let middle = 0.5 * (low + high);
        if planned(middle) < took { low = middle } else { high = middle }
    }
    low
}

fn of_bundle(bundle: &Bundle) -> Result<Workload, Failure> {
    Workload::of_graph(&bundle.graph).map_err(|error| Failure::running(codes::RUN, error.to_string()))
}

fn of_cores(mut fleet: Fleet, cores: u32) -> Fleet {
    fleet.devices.iter_mut().for_each(|device| device.cores = cores);
    fleet
}

fn write(path: &Path, fleet: &Fleet) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(fleet).expect("finite figures always serialise") + "\n";
    write_file(path, text.as_bytes())
}

/// FLOP/s of a node over whole networks.
fn rate(coordinator: &mut Coordinator, node: &str, networks: &[(String, Bundle)]) -> Result<f64, RemoteError> {
    let (mut flops, mut seconds) = (0.0, 0.0);
    for (_, bundle) in networks {
        let answers = answers(coordinator, bundle, &[node.to_owned()])?;
        // On one device the plan sends nothing: its prediction is all operations over the rate.
        flops += bundle.plan.latency * bundle.fleet.devices[0].compute;
        seconds += Latency::of(answers.iter().map(|answer| span(bundle, answer)).collect()).median;
    }
    Ok(flops / seconds.max(1e-9))
}

fn answers(coordinator: &mut Coordinator, bundle: &Bundle, nodes: &[String]) -> Result<Vec<Answer>, RemoteError> {
    coordinator.deploy(bundle, nodes)?;
    let shape = bundle.input();
    let mut rng = Seed::new(0).child("profile").rng();
    let values: Vec<f32> = (0..shape.elements()).map(|_| rng.unit() as f32).collect();
    let image = image::block(shape, &values).map_err(|error| RemoteError::Keys(error.to_string()))?;
    for _ in 0..WARMUP {
        coordinator.infer(&image)?;
    }
    (0..RUNS).map(|_| coordinator.infer(&image)).collect()
}

/// `links[a][b]` of all pairs.
fn links(coordinator: &mut Coordinator, probes: &Program, nodes: &[String]) -> Result<Vec<Vec<Option<Link>>>, Failure> {
    let mut links = vec![vec![None; nodes.len()]; nodes.len()];
    if nodes.len() < 2 {
        return Ok(links);
    }
    let chains = ["small", "large"].map(|name| dealt_in_turn(probes, name));
    let [small, large] = chains;
    let (small, large) = (small?, large?);
    for a in 0..nodes.len() {
        for b in a + 1..nodes.len() {
            let pair = [nodes[a].clone(), nodes[b].clone()];
            let mut way = |chain: &Bundle| one_way(coordinator, chain, &pair).map_err(failed);
            let link = line(way(&small)?, way(&large)?);
            links[a][b] = Some(link);
            links[b][a] = Some(link);
        }
    }
    Ok(links)
}

/// Bytes of a tensor and its median seconds from one node to the other.
fn one_way(coordinator: &mut Coordinator, chain: &Bundle, pair: &[String]) -> Result<(f64, f64), RemoteError> {
    let answers = answers(coordinator, chain, pair)?;
    let transfers = chain.plan.transfers.len().max(1) as f64;
    let sent = |answer: &Answer| answer.devices.iter().map(|device| device.bytes_sent).sum::<u64>() as f64;
    let seconds = |answer: &Answer| {
        let busy: f64 = answer.devices.iter().map(|device| device.busy_seconds).sum();
        (span(chain, answer) - busy).max(0.0) / transfers
    };
    let bytes = answers.first().map_or(0.0, sent) / transfers;
    Ok((bytes, Latency::of(answers.iter().map(seconds).collect()).median))
}

/// The line through two sizes.
fn line((few, short): (f64, f64), (many, long): (f64, f64)) -> Link {
    // A large tensor that is no slower than a small one was measured through noise: its rate is taken from its whole time.
    let (bytes, seconds) = if long > short { (many - few, long - short) } else { (many, long) };
    let rate = 8.0 * bytes / seconds.max(1e-9);
    Link { rate: rate.max(1.0), latency: (short - 8.0 * few / rate.max(1.0)).max(0.0) }
}

/// The chain of that search on two devices, each node on another one than the node before.
fn dealt_in_turn(program: &Program, name: &str) -> Result<Bundle, Failure> {
    let (_, bundle) = compiled(program, name, |fleet| fleet, Strategy::Best)?.remove(0);
    let wrong = |problem: String| Failure::running(codes::RUN, problem);
    let fleet = bundle.fleet.clone();
    let workload = of_bundle(&bundle)?;
    // The image stays with the first of the chain, and the head with its last: their tensors have other sizes.
    let turn = |node: usize| DeviceId::new(node.clamp(1, LENGTH) % 2);
    let device_of: Vec<DeviceId> = (0..workload.len()).map(turn).collect();
    let placement = by_rank(&workload, &fleet, device_of);
    let plan = finish(&workload, &fleet, "in-turn", &placement).map_err(|error| wrong(error.to_string()))?;
    let dealt = Bundle { plan, ..bundle };
    dealt.verify().map_err(|error| wrong(error.to_string()))?;
    Ok(dealt)
}

fn for_people(fleet: &Fleet) -> String {
    let nodes: Vec<Vec<String>> = fleet
        .devices
        .iter()
        .map(|device| vec![device.name.clone(), device.cores.to_string(), format!("{:.1}", device.compute / 1e9)])
        .collect();
    let mut pairs = Vec::new();
    for (a, row) in fleet.links.iter().enumerate() {
        for (b, link) in row.iter().enumerate().skip(a + 1) {
            if let Some(link) = link {
                let [a, b] = [a, b].map(|at| fleet.devices[at].name.as_str());
                pairs.push(vec![format!("{a} – {b}"), format!("{:.0}", link.rate / 1e6), milliseconds(link.latency)]);
            }
        }
    }
    let mut text = table(&["node", "cores", "GFLOP/s"], &[0], &nodes);
    if !pairs.is_empty() {
        text += "\n";
        text += &table(&["link", "Mbit/s", "latency ms"], &[0], &pairs);
    }
    text
}

#[cfg(test)]
#[allow(clippy::panic, reason = "a failing test panics")]
mod tests {
    use super::*;
    use crate::pipeline;

    #[test]
    fn a_factor_is_found() {
        // 2 ms of computing and 3 ms of messages.
        let planned = |times: f64| 2e-3 + 3e-3 * times;
        assert!((factor(6.5e-3, planned) - 1.5).abs() < 1e-4);
        assert!((factor(4e-3, planned) - 1.0).abs() < 1e-4 && (factor(1.0, planned) - SLOWEST).abs() < 1e-4);
    }

    #[test]
    fn two_sizes_give_a_line() {
        // 1 Gbit/s and 0.2 ms.
        let at = |bytes: f64| (bytes, 2e-4 + 8.0 * bytes / 1e9);
        let link = line(at(1e3), at(1e6));
        assert!((link.rate / 1e9 - 1.0).abs() < 1e-9 && (link.latency / 2e-4 - 1.0).abs() < 1e-6, "{link:?}");
        let noisy = line((1e3, 2e-3), (1e6, 1e-3));
        assert!(noisy.rate > 0.0 && noisy.latency.is_finite());
    }

    #[test]
    fn a_chain_goes_to_and_fro() {
        let mut sources = cnasc_base::Sources::default();
        let file = sources.add("<links>", LINKS);
        let (program, diagnostics) = pipeline::compile_source(&mut sources, file);
        let program = program.unwrap_or_else(|| panic!("{diagnostics:?}"));
        for name in ["small", "large"] {
            let chain = dealt_in_turn(&program, name).unwrap_or_else(|failure| panic!("{failure:?}"));
            let transfers = &chain.plan.transfers;
            assert_eq!(transfers.len(), LENGTH - 1, "{name}: {transfers:?}");
            let sizes: std::collections::BTreeSet<u64> = transfers.iter().map(|transfer| transfer.bytes).collect();
            assert_eq!(sizes.len(), 1, "all tensors are equal: {transfers:?}");
        }
    }
}
