//! From an assignment of nodes to devices to an order, and from both to a plan.
//!
//! Input: for each node its device. Output: a [`Placement`], ordered by upward rank: the longest way from a node's start to
//! the answer, computing and sending included (Topcuoglu, Hariri, Wu 2002). Ranks fall along every edge, so the order is
//! topological, and the devices' orders, which are parts of it, can't block each other.

use crate::bound::bound;
use crate::hypergraph::Hypergraph;
use crate::memory;
use crate::simulate::{Machine, Simulator};
use crate::strategy::PlaceError;
use crate::workload::Workload;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::{DeviceId, Fleet};
use cnasc_ir::plan::{Plan, Transfer};

/// Who computes what, and in which order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placement {
    /// For each node its device.
    pub device_of: Vec<DeviceId>,
    /// Nodes that further devices compute too; ascending, each pair once. The image has no copies.
    pub copies: Vec<(NodeId, DeviceId)>,
    /// All nodes in a topological order; a device computes its own, copies included, in this order.
    pub order: Vec<NodeId>,
}

impl Placement {
    /// Every node on one device.
    #[must_use]
    pub fn new(device_of: Vec<DeviceId>, order: Vec<NodeId>) -> Self {
        Self { device_of, copies: Vec::new(), order }
    }

    /// The further devices of `node`; a copy on its own device is none.
    pub fn copies_of(&self, node: NodeId) -> impl Iterator<Item = DeviceId> {
        let (from, own) = (self.copies.partition_point(|copy| copy.0 < node), self.device_of[node.index()]);
        let copies = self.copies[from..].iter().take_while(move |copy| copy.0 == node).map(|copy| copy.1);
        copies.filter(move |&device| device != own)
    }

    /// The same without what nobody uses: a node stays on the devices that compute a consumer or send it, of which the first
    /// becomes its own. `transfers` are those that the simulation gave.
    fn tidied(&self, workload: &Workload, transfers: &[Transfer]) -> Self {
        let mut tidy = Self { copies: Vec::new(), ..self.clone() };
        for node in workload.ids().rev() {
            let used = |device: &DeviceId| {
                workload.consumers(node).any(|to| tidy.is_on(to, *device))
                    || transfers.iter().any(|one| one.node == node && one.from == *device)
            };
            let mut hosts: Vec<DeviceId> = self.hosts(node).collect();
            if hosts.len() > 1 {
                let own = hosts[0];
                hosts.retain(used);
                tidy.device_of[node.index()] = hosts.first().copied().unwrap_or(own);
            }
            let at = tidy.copies.partition_point(|copy| copy.0 < node);
            let mut copies: Vec<_> = hosts.into_iter().skip(1).map(|device| (node, device)).collect();
            copies.sort_unstable();
            tidy.copies.splice(at..at, copies);
        }
        tidy
    }

    /// All devices that compute `node`, its own first.
    pub fn hosts(&self, node: NodeId) -> impl Iterator<Item = DeviceId> {
        std::iter::once(self.device_of[node.index()]).chain(self.copies_of(node))
    }

    /// Whether `device` computes `node`.
    #[must_use]
    pub fn is_on(&self, node: NodeId, device: DeviceId) -> bool {
        self.hosts(node).any(|host| host == device)
    }

    /// The devices that must receive the output of `node`: those that compute a consumer and not the node; ascending.
    #[must_use]
    pub fn receivers(&self, workload: &Workload, node: NodeId) -> Vec<DeviceId> {
        let mut receivers: Vec<DeviceId> = workload.consumers(node).flat_map(|to| self.hosts(to)).collect();
        receivers.retain(|&device| !self.is_on(node, device));
        receivers.sort_unstable();
        receivers.dedup();
        receivers
    }
}

/// The placement that computes the node with the longest way to go first.
#[must_use]
pub fn by_rank(workload: &Workload, fleet: &Fleet, device_of: Vec<DeviceId>) -> Placement {
    let order = rank_order(&Machine::new(workload, fleet), &device_of);
    Placement::new(device_of, order)
}

/// All nodes by falling upward rank on these devices.
pub(crate) fn rank_order(machine: &Machine, device_of: &[DeviceId]) -> Vec<NodeId> {
    let device = |node: NodeId| device_of[node.index()].index();
    let send = |from: NodeId, to: NodeId| {
        let seconds = machine.message(from.index(), device(from), device(to));
        // Where no link leads the placement is impossible, whatever its order.
        if device(from) == device(to) || seconds == f64::INFINITY { 0.0 } else { seconds }
    };
    ranked(&ranks(machine.workload(), |node| machine.seconds(node.index(), device(node)), send))
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
    if let Some(lack) = memory::shortage(workload, fleet, placement) {
        return Err(PlaceError::memory(fleet, lack));
    }
    check_links(workload, fleet, placement)?;
    let mut placement = placement.clone();
    placement.copies.retain(|(node, device)| placement.device_of[node.index()] != *device);
    let mut simulator = Simulator::new(workload, fleet);
    let mut trace = simulator.trace(&placement);
    let tidy = placement.tidied(workload, &trace.transfers);
    let again = simulator.trace(&tidy);
    // A transfer that starts elsewhere may cost more than a useless copy.
    if again.latency <= trace.latency {
        (placement, trace) = (tidy, again);
    }
    let Placement { device_of, order, .. } = &placement;
    let parts: Vec<u32> = device_of.iter().map(|device| device.0).collect();
    let own = |device: DeviceId| order.iter().copied().filter(|&node| placement.is_on(node, device)).collect();
    let plan = Plan {
        strategy: strategy.to_owned(),
        order: fleet.ids().map(own).collect(),
        spans: trace.spans,
        copies: trace.copies,
        latency: trace.latency,
        bound: bound(workload, fleet).min(trace.latency),
        connectivity: Hypergraph::of_nodes(workload).connectivity(&parts),
        sent_bytes: trace.transfers.iter().map(|transfer| transfer.bytes).sum(),
        transfers: trace.transfers,
        device_of: device_of.clone(),
        replicas: Vec::new(),
    };
    if cfg!(any(test, debug_assertions)) {
        assert_eq!(crate::verify::verify(&plan, workload, fleet), Ok(()), "{strategy} made a wrong plan");
    }
    Ok(plan)
}

fn check_links(workload: &Workload, fleet: &Fleet, placement: &Placement) -> Result<(), PlaceError> {
    for node in workload.ids() {
        for to in placement.receivers(workload, node) {
            if placement.hosts(node).all(|from| fleet.link(from, to).is_none()) {
                return Err(PlaceError::link(fleet, placement.device_of[node.index()], to));
            }
        }
    }
    Ok(())
}
