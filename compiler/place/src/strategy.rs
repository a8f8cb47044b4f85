//! Ways of placing a network on a fleet. Input: workload, fleet, strategy, seed; output: a plan that [`crate::verify()`]
//! accepts, or why there is none.
//!
//! One strategy a file; each gives a [`Placement`], and [`crate::schedule::finish`] simulates it. How to add one stands in
//! the crate's README.

mod best;
mod climb;
mod clusters;
mod components;
mod cpop;
mod earliest;
mod heft;
mod hypergraph;
mod interval;
mod list;
mod peft;
mod pinned;
mod replicas;
mod single;

use crate::memory::{self, Shortage};
use crate::partition::Effort;
use crate::schedule::{Placement, finish};
use crate::score::EPSILONS;
use crate::simulate::Simulator;
use crate::workload::Workload;
use cnasc_base::random::Seed;
use cnasc_ir::fleet::{DeviceId, Fleet};
use cnasc_ir::plan::Plan;
use std::fmt;
use std::str::FromStr;

pub use pinned::Pin;

/// A way of placing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strategy {
    /// Everything on the fastest device that has the memory.
    Single,
    /// The same, and on every other device that has the memory too: each takes whole images.
    DataParallel,
    /// The paper's own: components to the least loaded units, the output on a unit that merges.
    Components,
    /// The balanced partition that sends least.
    Hypergraph,
    /// Heterogeneous earliest finish time, with insertion.
    Heft,
    /// HEFT that looks ahead by optimistic costs.
    Peft,
    /// The longest way on the fastest device, the rest as HEFT.
    Cpop,
    /// HEFT with messages that wait for each other.
    Earliest,
    /// Linear clusters, each on one device.
    Clusters,
    /// Pieces of a topological order, by dynamic programming.
    Interval,
    /// The fastest of the above and of partitions over fewer devices, each found quickly: for use inside a search.
    Portfolio,
    /// The same found with care, and improved by local search: for the plan that will run.
    Best,
    /// The best, and then branch and bound until it is proved optimal or a limit is reached.
    Optimal,
}

/// Why a network has no plan.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlaceError {
    /// A share that is too large for its device.
    #[error("device `{device}` needs {} of memory and has {}", size(*needs), size(*has))]
    Memory {
        /// The device's name.
        device: String,
        /// Bytes that its share needs.
        needs: u64,
        /// Bytes that it has.
        has: u64,
    },
    /// An output can't get where it is consumed.
    #[error("the placement sends from device `{from}` to `{to}`, and no link leads there")]
    Link {
        /// The sender's name.
        from: String,
        /// The receiver's name.
        to: String,
    },
    /// The network can't be cut as was asked for.
    #[error("the layers can't be cut: {0}")]
    Layers(String),
    /// The fleet is none.
    #[error("the fleet is unsound: {0}")]
    Fleet(String),
}

/// For people: `768.0 MiB`, `29.3 KiB`.
fn size(bytes: u64) -> String {
    let kibibytes = bytes as f64 / 1024.0;
    if kibibytes < 1024.0 { format!("{kibibytes:.1} KiB") } else { format!("{:.1} MiB", kibibytes / 1024.0) }
}

impl PlaceError {
    pub(crate) fn memory(fleet: &Fleet, lack: Shortage) -> Self {
        // The cast saturates; a fleet's memory is positive and finite.
        Self::Memory { device: fleet.device(lack.device).name.clone(), needs: lack.needs, has: lack.has as u64 }
    }

    pub(crate) fn link(fleet: &Fleet, from: DeviceId, to: DeviceId) -> Self {
        Self::Link { from: fleet.device(from).name.clone(), to: fleet.device(to).name.clone() }
    }
}

impl Strategy {
    /// All of them, in the order of the listing.
    pub const ALL: [Self; 13] = [
        Self::Single,
        Self::DataParallel,
        Self::Components,
        Self::Hypergraph,
        Self::Heft,
        Self::Peft,
        Self::Cpop,
        Self::Earliest,
        Self::Clusters,
        Self::Interval,
        Self::Portfolio,
        Self::Best,
        Self::Optimal,
    ];

    /// As `--strategy` takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::DataParallel => "data-parallel",
            Self::Components => "components",
            Self::Hypergraph => "hypergraph",
            Self::Heft => "heft",
            Self::Peft => "peft",
            Self::Cpop => "cpop",
            Self::Earliest => "earliest",
            Self::Clusters => "clusters",
            Self::Interval => "interval",
            Self::Portfolio => "portfolio",
            Self::Best => "best",
            Self::Optimal => "optimal",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no strategy's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no strategy `{name}`; there are {}", names())]
pub struct StrategyError {
    /// What was asked for.
    pub name: String,
}

fn names() -> String {
    Strategy::ALL.map(|strategy| format!("`{strategy}`")).join(", ")
}

impl FromStr for Strategy {
    type Err = StrategyError;

    fn from_str(name: &str) -> Result<Self, StrategyError> {
        let found = Self::ALL.into_iter().find(|strategy| strategy.name() == name);
        found.ok_or_else(|| StrategyError { name: name.to_owned() })
    }
}

/// Places `workload` on `fleet`. The seed decides among equals; the same seed gives the same plan.
///
/// # Errors
/// Where the strategy's placement, or for `best` every one, lacks memory or a link.
pub fn plan(workload: &Workload, fleet: &Fleet, strategy: Strategy, seed: &Seed) -> Result<Plan, PlaceError> {
    fleet.verify().map_err(PlaceError::Fleet)?;
    let found: Found = match strategy {
        Strategy::Single | Strategy::DataParallel => single::place(workload, fleet)?.into(),
        Strategy::Components => components::place(workload, fleet).into(),
        Strategy::Hypergraph => hypergraph::place(workload, fleet, Care::FULL, seed).into(),
        Strategy::Heft => heft::place(workload, fleet).into(),
        Strategy::Peft => peft::place(workload, fleet).into(),
        Strategy::Cpop => cpop::place(workload, fleet).into(),
        Strategy::Earliest => earliest::place(workload, fleet).into(),
        Strategy::Clusters => clusters::place(workload, fleet).into(),
        Strategy::Interval => interval::place(workload, fleet).into(),
        Strategy::Portfolio => best::portfolio(workload, fleet, seed)?.into(),
        Strategy::Best => best::place(workload, fleet, seed)?,
        Strategy::Optimal => {
            let Found { placement, .. } = best::place(workload, fleet, seed)?;
            best::exactly(workload, fleet, placement, OPTIMAL_PREFIXES)
        }
    };
    let mut plan = finish(workload, fleet, strategy.name(), &found.placement)?;
    plan.bound = plan.bound.max(found.bound).min(plan.latency);
    if strategy == Strategy::DataParallel {
        plan.replicas = replicas::of(workload, fleet);
    }
    Ok(plan)
}

/// Places `workload`, a network in parts, with each part on its device: `pins` has an entry a node. `name` becomes the plan's strategy.
///
/// # Errors
/// Where a pin is on no device of the fleet, or the placement lacks memory or a link.
pub fn plan_pinned(workload: &Workload, fleet: &Fleet, name: &str, pins: &[Pin]) -> Result<Plan, PlaceError> {
    fleet.verify().map_err(PlaceError::Fleet)?;
    let count = fleet.devices.len();
    if pins.iter().any(|pin| matches!(pin, Pin::On(device) if device.index() >= count)) {
        return Err(PlaceError::Fleet(format!("a part belongs to a device beyond its {count}")));
    }
    finish(workload, fleet, name, &pinned::place(workload, fleet, pins))
}

/// Prefixes that `optimal` looks at before it gives up: some seconds.
const OPTIMAL_PREFIXES: usize = 4_000_000;

/// What a strategy gives.
#[derive(Debug, Clone)]
struct Found {
    placement: Placement,
    /// Seconds that it has proved no placement to go below; 0 where it proves nothing.
    bound: f64,
}

impl From<Placement> for Found {
    fn from(placement: Placement) -> Self {
        Self { placement, bound: 0.0 }
    }
}

/// How much work goes into the partitions of a placement.
#[derive(Debug, Clone, Copy)]
struct Care {
    /// Balance bounds, each giving a partition, in ascending order.
    bounds: &'static [f64],
    /// The effort for each bound.
    effort: Effort,
}

impl Care {
    /// For a plan that will run: tens of milliseconds.
    const FULL: Self = Self { bounds: &EPSILONS, effort: Effort { starts: 6, steps: 50 } };
    /// For one candidate of thousands: under a millisecond.
    const QUICK: Self = Self { bounds: &[1.2], effort: Effort::FAST };
}

/// Devices by falling speed; of equals the first comes first.
fn by_speed(fleet: &Fleet) -> Vec<DeviceId> {
    let mut devices: Vec<DeviceId> = fleet.ids().collect();
    devices.sort_by(|a, b| fleet.device(*b).compute.total_cmp(&fleet.device(*a).compute));
    devices
}

/// Compares placements: simulated latency, infinite where memory or a link is lacking.
struct Evaluator<'a> {
    workload: &'a Workload,
    fleet: &'a Fleet,
    simulator: Simulator<'a>,
    scarce: bool,
}

impl<'a> Evaluator<'a> {
    fn new(workload: &'a Workload, fleet: &'a Fleet) -> Self {
        let scarce = memory::is_scarce(workload, fleet);
        Self { workload, fleet, simulator: Simulator::new(workload, fleet), scarce }
    }

    fn latency(&mut self, placement: &Placement) -> f64 {
        self.latency_within(placement, f64::INFINITY)
    }

    /// Infinite too where it is above `limit`.
    fn latency_within(&mut self, placement: &Placement, limit: f64) -> f64 {
        let latency = self.simulator.latency_within(placement, limit);
        let lacks = self.scarce && latency < f64::INFINITY;
        if lacks && memory::shortage(self.workload, self.fleet, placement).is_some() { f64::INFINITY } else { latency }
    }
}

#[cfg(test)]
mod tests;
