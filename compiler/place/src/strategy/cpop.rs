//! Critical path on a processor (Topcuoglu, Hariri, Wu 2002): the nodes of the longest way through the network, by mean times,
//! all go to the device that computes them fastest; others, by the length of the longest way through them, where they would
//! finish first.

use super::heft::upward;
use super::list::{Means, schedule};
use super::peft::by_priority;
use crate::schedule::Placement;
use crate::workload::Workload;
use cnasc_ir::fleet::Fleet;

/// By how much ways that are equally long may differ in rounding.
const ROUNDING: f64 = 1e-9;

/// The placement.
pub(super) fn place(workload: &Workload, fleet: &Fleet) -> Placement {
    let ups = upward(workload, fleet);
    let means = Means::new(fleet);
    let mut downs = vec![0.0_f64; workload.len()];
    for node in workload.ids() {
        let ways = workload
            .inputs(node)
            .map(|from| downs[from.index()] + means.compute(workload, from) + means.send(workload, from));
        downs[node.index()] = ways.fold(0.0, f64::max);
    }
    let through: Vec<f64> = ups.iter().zip(&downs).map(|(up, down)| up + down).collect();
    let mut critical = vec![false; workload.len()];
    let mut node = workload.ids().next();
    // From the image on, always the consumer through which the longest way leads.
    while let Some(on_way) = node {
        critical[on_way.index()] = true;
        let longest = through[0] * (1.0 - ROUNDING);
        node = workload.consumers(on_way).find(|to| through[to.index()] >= longest);
    }
    let order = by_priority(workload, |node| through[node.index()]);
    let fastest = fleet.fastest();
    schedule(
        workload,
        fleet,
        &order,
        |node, device, end| {
            if critical[node.index()] && device != fastest { f64::INFINITY } else { end }
        },
    )
}
