//! Heterogeneous earliest finish time (Topcuoglu, Hariri, Wu 2002), with insertion: nodes by falling upward rank, computed with
//! mean computing and sending times over the fleet; each goes where it would finish first.

use super::list::{Means, schedule};
use crate::schedule::{Placement, ranked, ranks};
use crate::workload::Workload;
use cnasc_ir::fleet::Fleet;

/// The placement.
pub(super) fn place(workload: &Workload, fleet: &Fleet) -> Placement {
    let order = ranked(&upward(workload, fleet));
    schedule(workload, fleet, &order, |_, _, end| end)
}

/// For each node the mean length of the longest way from its start to the answer.
pub(super) fn upward(workload: &Workload, fleet: &Fleet) -> Vec<f64> {
    let means = Means::new(fleet);
    ranks(workload, |node| means.compute(workload, node), |from, _| means.send(workload, from))
}
