//! What no placement can go below. Input: a workload and a fleet; output: seconds.
//!
//! The greater of two bounds: the longest path with every node on the fastest device and nothing to send, and all work
//! spread evenly over all devices.

use crate::workload::Workload;
use cnasc_ir::fleet::Fleet;

/// The bound in seconds.
#[must_use]
pub fn bound(workload: &Workload, fleet: &Fleet) -> f64 {
    critical_path(workload, fleet).max(even_spread(workload, fleet))
}

/// The longest path at the speed of the fastest device.
#[must_use]
pub fn critical_path(workload: &Workload, fleet: &Fleet) -> f64 {
    let speed = fleet.device(fleet.fastest()).compute;
    let dag = workload.dag();
    let mut ends = vec![0.0_f64; workload.len()];
    for (node, cost) in workload.costs().iter().enumerate() {
        let ready = dag.inputs(node).iter().map(|&from| ends[from as usize]).fold(0.0, f64::max);
        ends[node] = ready + cost.flops as f64 / speed;
    }
    ends.into_iter().fold(0.0, f64::max)
}

/// All work over the speed of all devices together.
#[must_use]
pub fn even_spread(workload: &Workload, fleet: &Fleet) -> f64 {
    workload.total_flops() as f64 / fleet.devices.iter().map(|device| device.compute).sum::<f64>()
}
