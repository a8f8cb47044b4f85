//! Checks a plan, as hostile input.
//!
//! A plan of a workload on a fleet
//! - gives every node a device of the fleet, and every device an order of exactly its own nodes and its copies of others';
//! - can't block: precedence joined with the devices' orders has no cycle;
//! - sends each output exactly once to each device that consumes it and does not compute it, from one that does, over a link
//!   that is there, with its size on the wire;
//! - keeps the devices' memory;
//! - has times that can be: nothing starts before its inputs are there, a device computes one node and a card carries one
//!   message a direction at a time, durations are those of the fleet;
//! - names devices that take whole images only where one device computes the whole network, in ascending order, each with the memory and the
//!   time that it takes;
//! - says the latency, Λ and the bytes sent that follow from the rest, and no bound below the one that is easily found or above
//!   the latency.

use crate::bound::bound;
use crate::hypergraph::Hypergraph;
use crate::memory;
use crate::schedule::Placement;
use crate::workload::Workload;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::{DeviceId, Fleet};
use cnasc_ir::plan::{Copied, Plan, Span, Transfer};
use std::collections::{BTreeMap, BTreeSet};

/// Relative error that sums of seconds may have.
const TOLERANCE: f64 = 1e-9;

/// Checks the invariants of the module.
///
/// # Errors
/// Says which one does not hold, and where.
pub fn verify(plan: &Plan, workload: &Workload, fleet: &Fleet) -> Result<(), String> {
    fleet.verify()?;
    check_order(plan, workload, fleet)?;
    let placement = placement(plan, workload).ok_or("the orders of the devices wait for each other")?;
    if let Some(lack) = memory::shortage(workload, fleet, &placement) {
        let name = &fleet.device(lack.device).name;
        return Err(format!("device `{name}` needs {} bytes of memory and has {}", lack.needs, lack.has));
    }
    check_transfers(plan, &placement, workload, fleet)?;
    check_spans(plan, workload, fleet)?;
    check_replicas(plan, workload, fleet)?;
    check_figures(plan, workload, fleet)
}

/// Whether the devices' orders and precedence have no cycle, so that nobody waits for ever. Also false where the plan is
/// not one of this workload at all.
#[must_use]
pub fn deadlock_free(plan: &Plan, workload: &Workload) -> bool {
    placement(plan, workload).is_some()
}

/// The placement that a plan writes down, in one order that all devices' orders are parts of. None where there is no such
/// order, or the plan is not one of this workload at all.
#[must_use]
pub fn placement(plan: &Plan, workload: &Workload) -> Option<Placement> {
    let known = |node: &NodeId| node.index() < workload.len();
    let fits = plan.device_of.len() == workload.len() && plan.order.iter().flatten().all(known);
    let order = if fits { joint_order(plan, workload)? } else { return None };
    let copies = plan.copies.iter().map(|copy| (copy.node, copy.device)).collect();
    Some(Placement { device_of: plan.device_of.clone(), copies, order })
}

fn check_order(plan: &Plan, workload: &Workload, fleet: &Fleet) -> Result<(), String> {
    let (nodes, devices) = (workload.len(), fleet.devices.len());
    if plan.device_of.len() != nodes || plan.spans.len() != nodes {
        let (of, spans) = (plan.device_of.len(), plan.spans.len());
        return Err(format!("the network has {nodes} nodes, the plan {of} devices of nodes and {spans} spans"));
    }
    if plan.order.len() != devices {
        return Err(format!("the fleet has {devices} devices, the plan {} orders", plan.order.len()));
    }
    if !plan.copies.windows(2).all(|pair| (pair[0].node, pair[0].device) < (pair[1].node, pair[1].device)) {
        return Err("the copies do not ascend, or one stands there twice".to_owned());
    }
    for Copied { node, device, .. } in &plan.copies {
        let own = plan.device_of.get(node.index());
        if node.index() == 0 || device.index() >= devices || own.is_none_or(|own| own == device) {
            return Err(format!("node {} can't have a copy on device {}", node.0, device.0));
        }
    }
    let mut seen = vec![false; nodes * devices];
    for (device, order) in plan.order.iter().enumerate() {
        for node in order {
            if !plan.is_on(*node, DeviceId::new(device)) {
                return Err(format!("node {} stands in the order of device {device}, which is not its own", node.0));
            }
            if std::mem::replace(&mut seen[node.index() * devices + device], true) {
                return Err(format!("node {} is computed twice", node.0));
            }
        }
    }
    let wanted = workload.ids().flat_map(|node| plan.hosts(node).map(move |device| (node, device)));
    let mut missing =
        wanted.filter(|(node, device)| device.index() >= devices || !seen[node.index() * devices + device.index()]);
    match missing.next() {
        Some((node, device)) => Err(format!("node {} is computed nowhere on device {}", node.0, device.0)),
        None => Ok(()),
    }
}

/// One topological order that all devices' orders are parts of: of the nodes that could come next the one that starts first, so that
/// messages are booked as the plan has them, mostly. Every node of the orders must be one of the workload.
fn joint_order(plan: &Plan, workload: &Workload) -> Option<Vec<NodeId>> {
    let mut missing: Vec<usize> = workload.ids().map(|node| workload.inputs(node).count()).collect();
    let mut next: Vec<Vec<NodeId>> = vec![Vec::new(); workload.len()];
    for pair in plan.order.iter().flat_map(|order| order.windows(2)) {
        next[pair[0].index()].push(pair[1]);
        missing[pair[1].index()] += 1;
    }
    // A time that is no number has a place among the others all the same.
    let start = |node: NodeId| plan.spans.get(node.index()).map_or(0, |span| span.start.to_bits());
    let ready = workload.ids().filter(|node| missing[node.index()] == 0);
    let mut ready: BTreeSet<(u64, NodeId)> = ready.map(|node| (start(node), node)).collect();
    let mut order = Vec::with_capacity(workload.len());
    while let Some((_, node)) = ready.pop_first() {
        order.push(node);
        for after in workload.consumers(node).chain(std::mem::take(&mut next[node.index()])) {
            missing[after.index()] -= 1;
            if missing[after.index()] == 0 {
                ready.insert((start(after), after));
            }
        }
    }
    (order.len() == workload.len()).then_some(order)
}

fn check_transfers(plan: &Plan, placement: &Placement, workload: &Workload, fleet: &Fleet) -> Result<(), String> {
    let needs = |node| placement.receivers(workload, node).into_iter().map(move |to| (node, to));
    let mut needed: BTreeSet<(NodeId, DeviceId)> = workload.ids().flat_map(needs).collect();
    for transfer in &plan.transfers {
        let Transfer { node, from, to, bytes, span } = transfer;
        let text = format!("the transfer of node {} from device {} to {}", node.0, from.0, to.0);
        if !needed.remove(&(*node, *to)) {
            return Err(format!("{text} is not needed, or stands there twice"));
        }
        if !placement.is_on(*node, *from) {
            return Err(format!("{text} is not needed from there, where the node is not computed"));
        }
        let wanted = fleet.wire_bytes(workload.cost(*node).bytes);
        if *bytes != wanted {
            return Err(format!("{text} has {bytes} bytes, the output has {wanted}"));
        }
        let Some(link) = fleet.link(*from, *to) else { return Err(format!("{text} has no link")) };
        check_duration(*span, link.seconds(*bytes)).map_err(|problem| format!("{text} {problem}"))?;
    }
    match needed.first() {
        Some((node, to)) => Err(format!("the output of node {} is not sent to device {}", node.0, to.0)),
        None => Ok(()),
    }
}

fn check_duration(span: Span, seconds: f64) -> Result<(), String> {
    let took = span.end - span.start;
    // Written so that NaN fails.
    if span.start >= 0.0 && span.end.is_finite() && (took - seconds).abs() <= TOLERANCE * (span.end + 1e-9) {
        return Ok(());
    }
    Err(format!("lasts from {} to {}, which should be {seconds} seconds", span.start, span.end))
}

fn check_spans(plan: &Plan, workload: &Workload, fleet: &Fleet) -> Result<(), String> {
    let early = |start: f64, ready: f64| start < ready * (1.0 - TOLERANCE) - 1e-15;
    let made = computed(plan);
    let sent: BTreeMap<(NodeId, DeviceId), Span> =
        plan.transfers.iter().map(|transfer| ((transfer.node, transfer.to), transfer.span)).collect();
    for (&(node, device), span) in &made {
        let seconds = workload.cost(node).flops as f64 / fleet.device(device).compute;
        check_duration(*span, seconds).map_err(|problem| format!("node {} {problem}", node.0))?;
        for input in workload.inputs(node) {
            let there = made.get(&(input, device)).or_else(|| sent.get(&(input, device)));
            if there.is_none_or(|there| early(span.start, there.end)) {
                return Err(format!("node {} starts before the output of node {} is there", node.0, input.0));
            }
        }
    }
    for transfer in &plan.transfers {
        if made.get(&(transfer.node, transfer.from)).is_none_or(|span| early(transfer.span.start, span.end)) {
            return Err(format!("the output of node {} is sent before it is made", transfer.node.0));
        }
    }
    let one_by_one = |spans: Vec<Span>| spans.windows(2).all(|pair| !early(pair[1].start, pair[0].end));
    for (device, order) in fleet.ids().zip(&plan.order) {
        let carried = |end: fn(&Transfer) -> DeviceId| {
            let mut spans: Vec<Span> =
                plan.transfers.iter().filter(|t| end(t) == device).map(|transfer| transfer.span).collect();
            spans.sort_by(|a, b| a.start.total_cmp(&b.start).then(a.end.total_cmp(&b.end)));
            spans
        };
        let own = order.iter().filter_map(|&node| made.get(&(node, device)).copied()).collect();
        let all = [own, carried(|transfer| transfer.from), carried(|transfer| transfer.to)];
        if !all.into_iter().all(one_by_one) {
            return Err(format!("device {} does two things at a time", device.0));
        }
    }
    Ok(())
}

/// When each node is computed on each of its devices.
fn computed(plan: &Plan) -> BTreeMap<(NodeId, DeviceId), Span> {
    let own = plan.device_of.iter().zip(&plan.spans).enumerate();
    let own = own.map(|(node, (&device, &span))| ((NodeId::new(node), device), span));
    own.chain(plan.copies.iter().map(|copy| ((copy.node, copy.device), copy.span))).collect()
}

fn check_replicas(plan: &Plan, workload: &Workload, fleet: &Fleet) -> Result<(), String> {
    if plan.replicas.is_empty() {
        return Ok(());
    }
    if !plan.transfers.is_empty() || !plan.replicas.windows(2).all(|pair| pair[0].device < pair[1].device) {
        return Err("the devices that take whole images do not ascend, or an image is spread over several".to_owned());
    }
    for replica in &plan.replicas {
        let index = replica.device.index();
        if index >= fleet.devices.len() {
            return Err(format!("device {index} takes whole images, the fleet has {}", fleet.devices.len()));
        }
        let alone = Placement::new(vec![replica.device; workload.len()], workload.ids().collect());
        if memory::shortage(workload, fleet, &alone).is_some() {
            return Err(format!("device {index} takes whole images and lacks the memory"));
        }
        let seconds = workload.costs().iter().map(|cost| cost.flops as f64).sum::<f64>() / fleet.devices[index].compute;
        check_duration(Span { start: 0.0, end: replica.latency }, seconds)
            .map_err(|problem| format!("an image on device {index} {problem}"))?;
    }
    Ok(())
}

fn check_figures(plan: &Plan, workload: &Workload, fleet: &Fleet) -> Result<(), String> {
    let close = |a: f64, b: f64| (a - b).abs() <= TOLERANCE * (a.abs() + b.abs());
    let end = plan.spans.last().map_or(0.0, |answer| answer.end);
    let lowest = bound(workload, fleet);
    // A solver may have proved more than the bound that needs no search.
    if !close(plan.latency, end) || plan.bound.is_nan() || plan.bound < lowest * (1.0 - TOLERANCE) {
        let (latency, bound) = (plan.latency, plan.bound);
        return Err(format!("latency {latency} and bound {bound} are said, {end} and {lowest} found"));
    }
    if plan.latency < plan.bound * (1.0 - TOLERANCE) {
        return Err(format!("latency {} is below the bound {}", plan.latency, plan.bound));
    }
    let parts: Vec<u32> = plan.device_of.iter().map(|device| device.0).collect();
    let connectivity = Hypergraph::of_nodes(workload).connectivity(&parts);
    let sent = plan.transfers.iter().map(|transfer| transfer.bytes).sum::<u64>();
    if plan.connectivity != connectivity || plan.sent_bytes != sent {
        let said = (plan.connectivity, plan.sent_bytes);
        return Err(format!("Λ and bytes sent are said to be {said:?}, found {:?}", (connectivity, sent)));
    }
    Ok(())
}
