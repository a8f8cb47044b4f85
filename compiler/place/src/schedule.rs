//! From an assignment of nodes to devices to an order, and from both to a plan.
//!
//! Input: for each node its device. Output: a [`Placement`], ordered by upward rank: the longest way from a node's start to
//! the answer, computing and sending included (Topcuoglu, Hariri, Wu 2002). Ranks fall along every edge, so the order is
//! topological, and the devices' orders, which are parts of it, can't block each other.

use crate::bound::bound;
use crate::hypergraph::Hypergraph;
use crate::memory;
use crate::simulate::Simulator;
use crate::strategy::PlaceError;
use crate::workload::Workload;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::{DeviceId, Fleet};
use cnasc_ir::plan::Plan;

/// Who computes what, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// For each node its device.
    pub device_of: Vec<DeviceId>,
    /// All nodes in a topological order; a device computes its own in this order.
    pub order: Vec<NodeId>,
}

/// The placement that computes the node with the longest way to go first.
#[must_use]
pub fn by_rank(workload: &Workload, fleet: &Fleet, device_of: Vec<DeviceId>) -> Placement {
    let compute = |node: NodeId| {
        let device = fleet.device(device_of[node.index()]);
        workload.cost(node).flops as f64 / device.compute
    };
    let send = |from: NodeId, to: NodeId| {
        let link = fleet.link(device_of[from.index()], device_of[to.index()]);
        let local = device_of[from.index()] == device_of[to.index()];
        if local { 0.0 } else { link.map_or(0.0, |link| link.seconds(workload.cost(from).bytes)) }
    };
    let order = ranked(&ranks(workload, compute, send));
    Placement { device_of, order }
}

/// Upward ranks in seconds, for these computing and sending times.
pub(crate) fn ranks(
    workload: &Workload,
    compute: impl Fn(NodeId) -> f64,
    send: impl Fn(NodeId, NodeId) -> f64,
) -> Vec<f64> {
    let mut ranks = vec![0.0_f64; workload.len()];
    for index in (0..workload.len()).rev() {
        let node = NodeId::new(index);
        let after = workload.consumers(node).map(|to| send(node, to) + ranks[to.index()]).fold(0.0, f64::max);
        ranks[index] = compute(node) + after;
    }
    ranks
}

/// All nodes by falling rank; equal ones, which only work of no duration has, in their own topological order.
pub(crate) fn ranked(ranks: &[f64]) -> Vec<NodeId> {
    let mut order: Vec<NodeId> = (0..ranks.len()).map(NodeId::new).collect();
    order.sort_by(|a, b| ranks[b.index()].total_cmp(&ranks[a.index()]).then(a.cmp(b)));
    order
}

/// Simulates a placement and writes it down.
///
/// # Errors
/// Where a device has too little memory, or an output must go where no link leads.
pub fn finish(workload: &Workload, fleet: &Fleet, strategy: &str, placement: &Placement) -> Result<Plan, PlaceError> {
    let Placement { device_of, order } = placement;
    if let Some(lack) = memory::shortage(workload, fleet, device_of, order) {
        return Err(PlaceError::memory(fleet, lack));
    }
    check_links(workload, fleet, device_of)?;
    let trace = Simulator::new(workload, fleet).trace(device_of, order);
    let parts: Vec<u32> = device_of.iter().map(|device| device.0).collect();
    let own = |device: DeviceId| order.iter().copied().filter(|node| device_of[node.index()] == device).collect();
    let plan = Plan {
        strategy: strategy.to_owned(),
        order: fleet.ids().map(own).collect(),
        spans: trace.spans,
        latency: trace.latency,
        bound: bound(workload, fleet),
        connectivity: Hypergraph::of_nodes(workload).connectivity(&parts),
        sent_bytes: trace.transfers.iter().map(|transfer| transfer.bytes).sum(),
        transfers: trace.transfers,
        device_of: device_of.clone(),
    };
    if cfg!(any(test, debug_assertions)) {
        assert_eq!(crate::verify::verify(&plan, workload, fleet), Ok(()), "{strategy} made a wrong plan");
    }
    Ok(plan)
}

fn check_links(workload: &Workload, fleet: &Fleet, device_of: &[DeviceId]) -> Result<(), PlaceError> {
    for node in workload.ids() {
        let from = device_of[node.index()];
        for to in workload.consumers(node).map(|consumer| device_of[consumer.index()]) {
            if from != to && fleet.link(from, to).is_none() {
                return Err(PlaceError::link(fleet, from, to));
            }
        }
    }
    Ok(())
}
