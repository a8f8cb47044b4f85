//! The fastest of all strategies and of partitions on fewer devices, improved by local search on the simulated latency and,
//! where the network is small, by exact search.
//!
//! Everything on one device is always among the candidates, so placing never makes it worse. How much is searched depends on
//! the size of the network only, so that no clock decides the plan.

use super::climb::Climb;
use super::{
    Care, Evaluator, Found, PlaceError, by_speed, clusters, components, cpop, earliest, heft, hypergraph, interval,
    peft, single,
};
use crate::exact;
use crate::schedule::Placement;
use crate::workload::Workload;
use cnasc_base::random::Seed;
use cnasc_ir::fleet::Fleet;

/// Node visits that all simulations of one search make together: some ten milliseconds.
const BUDGET: usize = 1_300_000;

/// The most simulations, which small networks would otherwise exceed without gaining anything.
const SIMULATIONS: usize = 24_000;

/// Candidates that the search starts from.
const STARTS: usize = 2;

/// The largest network that is also searched exactly, and with how many prefixes.
const SMALL: usize = 24;
const PREFIXES: usize = 10_000;

/// The fastest of the portfolio, improved.
///
/// # Errors
/// Where no candidate has the memory and the links: why everything on one device has not.
pub(super) fn place(workload: &Workload, fleet: &Fleet, seed: &Seed) -> Result<Found, PlaceError> {
    let mut evaluator = Evaluator::new(workload, fleet);
    let mut candidates = portfolio_of(&evaluator, Care::QUICK, seed);
    // What the strategy alone would give must not be lost.
    candidates.push(hypergraph::place(workload, fleet, Care::FULL, seed));
    let found = ranked(&mut evaluator, candidates);
    let Some((mut least, mut best)) = found.first().cloned() else {
        return single::place(workload, fleet).map(Found::from);
    };
    if fleet.devices.len() == 1 {
        return Ok(best.into());
    }
    let simulations = (BUDGET / workload.len()).clamp(100, SIMULATIONS) / STARTS;
    for (index, (latency, start)) in (0..).zip(found.into_iter().take(STARTS)) {
        let climb = Climb::new(&mut evaluator, start, latency, seed.child("climb").nth(index).rng());
        let (latency, placement) = climb.run(simulations);
        if latency < least {
            (least, best) = (latency, placement);
        }
    }
    if workload.len() <= SMALL {
        return Ok(exactly(workload, fleet, best, PREFIXES));
    }
    Ok(best.into())
}

/// `start`, or what is faster, and what nothing goes below.
pub(super) fn exactly(workload: &Workload, fleet: &Fleet, start: Placement, limit: usize) -> Found {
    match exact::solve(workload, fleet, Some(&start), limit) {
        Some(solution) => Found { placement: solution.best.unwrap_or(start), bound: solution.bound },
        None => start.into(),
    }
}

/// The fastest of the portfolio as it is.
///
/// # Errors
/// As [`place`].
pub(super) fn portfolio(workload: &Workload, fleet: &Fleet, seed: &Seed) -> Result<Placement, PlaceError> {
    let mut evaluator = Evaluator::new(workload, fleet);
    let candidates = portfolio_of(&evaluator, Care::QUICK, seed);
    let found = ranked(&mut evaluator, candidates).into_iter().next();
    found.map_or_else(|| single::place(workload, fleet), |(_, placement)| Ok(placement))
}

/// The candidates that have the memory and the links, the fastest first.
fn ranked(evaluator: &mut Evaluator, candidates: Vec<Placement>) -> Vec<(f64, Placement)> {
    let mut found: Vec<(f64, Placement)> = Vec::new();
    for placement in candidates {
        let latency = evaluator.latency(&placement);
        if latency < f64::INFINITY {
            found.push((latency, placement));
        }
    }
    // Stable, so that of equals the simplest, which comes first, is kept.
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.dedup_by(|a, b| a.1.device_of == b.1.device_of);
    found
}

/// What all other strategies give, on all devices and on fewer; everything on one device comes first.
fn portfolio_of(evaluator: &Evaluator, care: Care, seed: &Seed) -> Vec<Placement> {
    let (workload, fleet) = (evaluator.workload, evaluator.fleet);
    let mut placements: Vec<Placement> = single::place(workload, fleet).into_iter().collect();
    if fleet.devices.len() == 1 {
        return placements;
    }
    let speed = by_speed(fleet);
    placements.extend([heft::place(workload, fleet), peft::place(workload, fleet), cpop::place(workload, fleet)]);
    placements.extend([earliest::place(workload, fleet), clusters::place(workload, fleet)]);
    placements.extend([interval::place(workload, fleet), components::place(workload, fleet)]);
    placements.push(hypergraph::place(workload, fleet, care, seed));
    placements.extend(fleet.ids().map(|device| single::on(workload, device)));
    // Every number of devices up to eight, then twice as many each time.
    for count in (2..speed.len()).filter(|count| *count <= 8 || count.is_power_of_two()) {
        placements.extend(hypergraph::on(workload, fleet, &speed[..count], care, &seed.nth(count as u64)));
    }
    if evaluator.scarce {
        placements.extend(hypergraph::by_memory(workload, fleet, &speed, care, seed));
    }
    placements
}
