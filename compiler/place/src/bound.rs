//! What no placement can go below. Input: a workload and a fleet; output: seconds.
//!
//! The greatest of
//! - [`critical_path`]: the longest path with every node on the fastest device and nothing to send;
//! - [`staged`]: nodes that have at least h seconds of path before them and at least q behind them need h + q and their own
//!   work at the speed of all devices together (heads and tails: Carlier 1982, here of one machine that can be divided);
//! - [`spread`]: all work at the speed of all devices, where every device but one, at best the fastest, stands still until a
//!   message has come and again while one goes; or everything on the fastest, which sends nothing.
//!
//! Copies only add work, so the bound holds with them too.

use crate::workload::Workload;
use cnasc_ir::fleet::Fleet;

/// Beyond so many nodes only heads or tails are looked at and not both together, so that the time stays linear.
const PAIRS: usize = 512;

/// The bound in seconds.
#[must_use]
pub fn bound(workload: &Workload, fleet: &Fleet) -> f64 {
    let ways = Ways::new(workload, fleet);
    ways.longest().max(ways.staged(workload, fleet)).max(spread(workload, fleet))
}

/// The longest path at the speed of the fastest device.
#[must_use]
pub fn critical_path(workload: &Workload, fleet: &Fleet) -> f64 {
    Ways::new(workload, fleet).longest()
}

/// All work over the speed of all devices together.
#[must_use]
pub fn even_spread(workload: &Workload, fleet: &Fleet) -> f64 {
    workload.total_flops() as f64 / total_speed(fleet)
}

/// All work spread over all devices, with the messages that this takes at least, or on the fastest alone.
#[must_use]
pub fn spread(workload: &Workload, fleet: &Fleet) -> f64 {
    let fastest = fleet.device(fleet.fastest()).compute;
    let bytes =
        workload.costs()[..workload.len() - 1].iter().map(|cost| fleet.wire_bytes(cost.bytes)).min().unwrap_or(0);
    let links = fleet.links.iter().flatten().flatten();
    let message = links.map(|link| link.seconds(bytes)).fold(f64::INFINITY, f64::min);
    let work = workload.total_flops() as f64;
    let alone = work / fastest;
    if fleet.devices.len() == 1 {
        return alone;
    }
    // With the image on one device and the answer on another, each of them waits for one message only and all others for
    // two; both on the fastest device is never worse than that.
    alone.min((work + 2.0 * message * (total_speed(fleet) - fastest)) / total_speed(fleet))
}

/// The greatest of h + q + work / speed, over the nodes with h seconds or more before them and q or more behind them.
#[must_use]
pub fn staged(workload: &Workload, fleet: &Fleet) -> f64 {
    Ways::new(workload, fleet).staged(workload, fleet)
}

fn total_speed(fleet: &Fleet) -> f64 {
    fleet.devices.iter().map(|device| device.compute).sum()
}

/// For each node the longest way to its start and from its end, and what it takes itself, on the fastest device.
struct Ways {
    heads: Vec<f64>,
    tails: Vec<f64>,
    seconds: Vec<f64>,
}

impl Ways {
    fn new(workload: &Workload, fleet: &Fleet) -> Self {
        let dag = workload.dag();
        let speed = fleet.device(fleet.fastest()).compute;
        let seconds: Vec<f64> = workload.costs().iter().map(|cost| cost.flops as f64 / speed).collect();
        let mut heads = vec![0.0_f64; seconds.len()];
        let mut tails = heads.clone();
        for node in 0..seconds.len() {
            let ends = dag.inputs(node).iter().map(|&from| heads[from as usize] + seconds[from as usize]);
            heads[node] = ends.fold(0.0, f64::max);
        }
        for node in (0..seconds.len()).rev() {
            let ways = dag.consumers(node).iter().map(|&to| seconds[to as usize] + tails[to as usize]);
            tails[node] = ways.fold(0.0, f64::max);
        }
        Self { heads, tails, seconds }
    }

    fn longest(&self) -> f64 {
        (0..self.seconds.len()).map(|node| self.heads[node] + self.seconds[node] + self.tails[node]).fold(0.0, f64::max)
    }

    fn staged(&self, workload: &Workload, fleet: &Fleet) -> f64 {
        let speed = total_speed(fleet);
        let mut by_tail: Vec<usize> = (0..self.tails.len()).collect();
        by_tail.sort_by(|&a, &b| self.tails[b].total_cmp(&self.tails[a]));
        let starts = if self.heads.len() <= PAIRS { &self.heads[..] } else { &[0.0] };
        let mut most = 0.0_f64;
        for &head in starts {
            let mut work = 0_u64;
            for &node in by_tail.iter().filter(|&&node| self.heads[node] >= head) {
                work += workload.costs()[node].flops;
                most = most.max(head + work as f64 / speed + self.tails[node]);
            }
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dag::Dag;
    use crate::workload::Cost;
    use cnasc_ir::architecture::Role;
    use cnasc_ir::fleet::{Backend, Device, Link};

    /// Image → 1 (10 FLOPs) → four blocks (30 each) → gather (10); all outputs of one byte, on devices of 1 FLOP/s.
    fn case(devices: usize, latency: f64) -> (Workload, Fleet) {
        let cost = |role, flops| Cost { flops, bytes: 1, ..Cost::of(role) };
        let blocks = (0..4).map(|_| cost(Role::Block, 30));
        let mut costs = vec![cost(Role::Input, 0), cost(Role::Block, 10)];
        costs.extend(blocks);
        costs.push(cost(Role::Gather, 10));
        let edges: Vec<(u32, u32)> = (2..6).flat_map(|block| [(1, block), (block, 6)]).chain([(0, 1)]).collect();
        let device = Device {
            name: "d".to_owned(),
            kind: "d".to_owned(),
            compute: 1.0,
            memory: 1e9,
            cores: 1,
            backend: Backend::Jit,
            power: None,
        };
        let workload =
            Workload::from_costs(Dag::from_edges(7, &edges).expect("edges ascend"), costs).expect("a network");
        (workload, Fleet::uniform("f", devices, &device, Link { rate: 8e9, latency }))
    }

    #[test]
    fn bounds_by_hand() {
        let (workload, fleet) = case(2, 1.0);
        assert_eq!((critical_path(&workload, &fleet), even_spread(&workload, &fleet)), (50.0, 70.0));
        // The four blocks lie between 10 and 10: 120 / 2 of them.
        assert_eq!(staged(&workload, &fleet), 80.0);
        // One device stands still for two seconds and a little.
        assert!((spread(&workload, &fleet) - 71.0).abs() < 1e-6);
        assert_eq!(bound(&workload, &fleet), 80.0);
    }

    #[test]
    fn slow_links_leave_everything_on_one_device() {
        let (workload, fleet) = case(4, 100.0);
        assert_eq!(bound(&workload, &fleet), 140.0);
        let (workload, fleet) = case(1, 1.0);
        assert_eq!(bound(&workload, &fleet), 140.0);
    }
}
