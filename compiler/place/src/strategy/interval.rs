//! Intervals of a topological order: each device that is used takes one piece of the order, the fastest devices first in all
//! orders that the dynamic program can choose.
//!
//! An inference passes the pieces one after the other where the network is a chain, and pieces overlap only as far as the
//! network is wide; what the program minimises is therefore the sum of the pieces' times and of the messages across each
//! cut, which is exact for chains. It wins where devices differ and the memory of the fastest is short, and is a start for
//! local search elsewhere. O(n²·k).

use super::by_speed;
use crate::schedule::{Placement, by_rank};
use crate::workload::Workload;
use cnasc_ir::fleet::{DeviceId, Fleet};

/// The placement: pieces on the devices by falling speed, of which any may be left out.
pub(super) fn place(workload: &Workload, fleet: &Fleet) -> Placement {
    let devices = by_speed(fleet);
    let nodes = workload.len();
    let work = sums(workload.costs().iter().map(|cost| cost.flops));
    let weights = sums(workload.costs().iter().map(|cost| cost.weights));
    let cuts = cut_bytes(workload, fleet);
    // The least for the first `end` nodes on the first devices, with the piece's start and the device before.
    let mut least = vec![vec![f64::INFINITY; nodes + 1]; devices.len() + 1];
    let mut from = vec![vec![(0, 0); nodes + 1]; devices.len() + 1];
    least[0][0] = 0.0;
    for (rank, &device) in devices.iter().enumerate() {
        let own = fleet.device(device);
        for start in 0..nodes {
            for before in 0..=rank {
                if least[before][start] == f64::INFINITY {
                    continue;
                }
                let sent =
                    if start == 0 { Some(0.0) } else { message(fleet, devices[before - 1], device, cuts[start]) };
                let Some(sent) = sent else { continue };
                for end in start + 1..=nodes {
                    if (weights[end] - weights[start]) as f64 > own.memory {
                        break;
                    }
                    let time = least[before][start] + sent + (work[end] - work[start]) as f64 / own.compute;
                    if time < least[rank + 1][end] {
                        least[rank + 1][end] = time;
                        from[rank + 1][end] = (before, start);
                    }
                }
            }
        }
    }
    let mut device_of = vec![devices[0]; nodes];
    let mut rank = 1;
    for other in 2..=devices.len() {
        // The last piece is on another device than the fastest: everything on that one is a strategy of its own.
        if rank == 1 || least[other][nodes] < least[rank][nodes] {
            rank = other;
        }
    }
    let mut end = nodes;
    while rank > 0 && least[rank][end] < f64::INFINITY {
        let (before, start) = from[rank][end];
        device_of[start..end].fill(devices[rank - 1]);
        (rank, end) = (before, start);
    }
    by_rank(workload, fleet, device_of)
}

fn message(fleet: &Fleet, from: DeviceId, to: DeviceId, bytes: u64) -> Option<f64> {
    fleet.link(from, to).map(|link| link.seconds(bytes))
}

/// `sums[i]` is the sum of the first i.
fn sums(values: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut sums = vec![0];
    for value in values {
        sums.push(sums.last().copied().unwrap_or(0) + value);
    }
    sums
}

/// For each place in the order the bytes of the outputs that are made before and consumed after it.
fn cut_bytes(workload: &Workload, fleet: &Fleet) -> Vec<u64> {
    let mut cuts = vec![0_u64; workload.len() + 1];
    for node in workload.ids() {
        let last = workload.consumers(node).last().unwrap_or(node).index();
        for cut in &mut cuts[node.index() + 1..=last] {
            *cut += fleet.wire_bytes(workload.cost(node).bytes);
        }
    }
    cuts
}
