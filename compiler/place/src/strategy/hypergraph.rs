//! The balanced partition that sends least: parts as large as their devices are fast, ordered by upward rank.
//!
//! Several balance bounds give several partitions; the one with the least simulated latency is taken. Where none has the
//! memory, partitions balanced by memory instead of by work are tried.

use super::{Care, Evaluator};
use crate::hypergraph::Hypergraph;
use crate::partition::{Request, partition};
use crate::schedule::{Placement, by_rank};
use crate::workload::Workload;
use cnasc_base::random::Seed;
use cnasc_ir::fleet::{DeviceId, Fleet};

/// The placement on all devices of the fleet.
pub(super) fn place(workload: &Workload, fleet: &Fleet, care: Care, seed: &Seed) -> Placement {
    let devices: Vec<DeviceId> = fleet.ids().collect();
    let mut evaluator = Evaluator::new(workload, fleet);
    let mut placements = on(workload, fleet, &devices, care, seed);
    if evaluator.scarce && placements.iter().all(|placement| evaluator.latency(placement) == f64::INFINITY) {
        placements.extend(by_memory(workload, fleet, &devices, care, seed));
    }
    let mut found: Option<(f64, Placement)> = None;
    for placement in placements {
        let latency = evaluator.latency(&placement);
        if found.as_ref().is_none_or(|(least, _)| latency < *least) {
            found = Some((latency, placement));
        }
    }
    found.map(|(_, placement)| placement).expect("every bound gives a placement")
}

/// One placement a bound, on these devices.
pub(super) fn on(workload: &Workload, fleet: &Fleet, devices: &[DeviceId], care: Care, seed: &Seed) -> Vec<Placement> {
    let graph = Hypergraph::of_nodes(workload);
    let shares: Vec<f64> = devices.iter().map(|&device| fleet.device(device).compute).collect();
    spread(workload, fleet, &graph, devices, &shares, care, &seed.child("work"))
}

/// As [`on`], but balancing what nodes keep in memory, by the memory that devices have.
pub(super) fn by_memory(
    workload: &Workload,
    fleet: &Fleet,
    devices: &[DeviceId],
    care: Care,
    seed: &Seed,
) -> Vec<Placement> {
    let kept = workload.costs().iter().map(|cost| cost.weights + cost.bytes).collect();
    let graph = Hypergraph::of_nodes(workload);
    let graph = graph.with_weights(kept).expect("a workload's costs are bounded so that two of them add up");
    let shares: Vec<f64> = devices.iter().map(|&device| fleet.device(device).memory).collect();
    spread(workload, fleet, &graph, devices, &shares, care, &seed.child("memory"))
}

fn spread(
    workload: &Workload,
    fleet: &Fleet,
    graph: &Hypergraph,
    devices: &[DeviceId],
    shares: &[f64],
    care: Care,
    seed: &Seed,
) -> Vec<Placement> {
    let mut placements = Vec::with_capacity(care.bounds.len());
    let mut known: Option<Vec<u32>> = None;
    for (index, &bound) in (0..).zip(care.bounds) {
        let request = Request { targets: shares, bound, effort: care.effort, known: known.as_deref() };
        let found = partition(graph, &request, &seed.nth(index));
        let device_of = found.part_of.iter().map(|&part| devices[part as usize]).collect();
        placements.push(by_rank(workload, fleet, device_of));
        known = Some(found.part_of);
    }
    placements
}
