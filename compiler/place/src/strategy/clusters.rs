//! Linear clustering (Kim, Browne 1988) and its mapping: the longest way through the network, computing and sending, becomes one
//! cluster, then the longest way through what is left, and so on; clusters, the one with most work first, go to the device
//! that would be done with its clusters first.

use super::list::Means;
use crate::schedule::{Placement, by_rank};
use crate::workload::Workload;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::{DeviceId, Fleet};

/// The placement.
pub(super) fn place(workload: &Workload, fleet: &Fleet) -> Placement {
    let mut clusters = chains(workload, fleet);
    let flops = |chain: &[NodeId]| chain.iter().map(|&node| workload.cost(node).flops).sum::<u64>();
    clusters.sort_by_key(|chain| std::cmp::Reverse(flops(chain)));
    let mut loads = vec![0.0_f64; fleet.devices.len()];
    let mut device_of = vec![DeviceId(0); workload.len()];
    for chain in clusters {
        let after = |device: DeviceId| loads[device.index()] + flops(&chain) as f64 / fleet.device(device).compute;
        let mut best = DeviceId(0);
        for device in fleet.ids() {
            if after(device) < after(best) {
                best = device;
            }
        }
        loads[best.index()] = after(best);
        for node in chain {
            device_of[node.index()] = best;
        }
    }
    by_rank(workload, fleet, device_of)
}

/// The nodes as chains, each the longest that was left.
fn chains(workload: &Workload, fleet: &Fleet) -> Vec<Vec<NodeId>> {
    let means = Means::new(fleet);
    let mut left = vec![true; workload.len()];
    let mut chains = Vec::new();
    let mut ways: Vec<(f64, Option<NodeId>)> = vec![(0.0, None); workload.len()];
    loop {
        let mut start: Option<NodeId> = None;
        for node in workload.ids().rev().filter(|node| left[node.index()]) {
            let mut best = (0.0, None);
            for to in workload.consumers(node).filter(|to| left[to.index()]) {
                let way = ways[to.index()].0 + means.send(workload, node);
                if best.1.is_none() || way > best.0 {
                    best = (way, Some(to));
                }
            }
            ways[node.index()] = (best.0 + means.compute(workload, node), best.1);
            if start.is_none_or(|start| ways[node.index()].0 >= ways[start.index()].0) {
                start = Some(node);
            }
        }
        let Some(start) = start else { return chains };
        let chain: Vec<NodeId> = std::iter::successors(Some(start), |node| ways[node.index()].1).collect();
        for node in &chain {
            left[node.index()] = false;
        }
        chains.push(chain);
    }
}
