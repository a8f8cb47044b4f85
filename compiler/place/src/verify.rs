//! Checks a plan, as hostile input.
//!
//! A plan of a workload on a fleet
//! - gives every node a device of the fleet, and every device an order of exactly its own nodes;
//! - can't block: precedence joined with the devices' orders has no cycle;
//! - sends each output exactly once to each other device that consumes it, over a link that is there, with its size;
//! - keeps the devices' memory;
//! - has times that can be: nothing starts before its inputs are there, a device computes one node and a card carries one
//!   message a direction at a time, durations are those of the fleet;
//! - says the latency, the bound, Λ and the bytes sent that follow from the rest.

use crate::bound::bound;
use crate::hypergraph::Hypergraph;
use crate::memory;
use crate::workload::Workload;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::{DeviceId, Fleet};
use cnasc_ir::plan::{Plan, Span, Transfer};
use std::collections::BTreeMap;

/// Relative error that sums of seconds may have.
const TOLERANCE: f64 = 1e-9;

/// Checks the invariants of the module.
///
/// # Errors
/// Says which one does not hold, and where.
pub fn verify(plan: &Plan, workload: &Workload, fleet: &Fleet) -> Result<(), String> {
    fleet.verify()?;
    check_order(plan, workload, fleet)?;
    let order = joint_order(plan, workload).ok_or("the orders of the devices wait for each other")?;
    if let Some(lack) = memory::shortage(workload, fleet, &plan.device_of, &order) {
        let name = &fleet.device(lack.device).name;
        return Err(format!("device `{name}` needs {} bytes of memory and has {}", lack.needs, lack.has));
    }
    check_transfers(plan, workload, fleet)?;
    check_spans(plan, workload, fleet)?;
    check_figures(plan, workload, fleet)
}

/// Whether the devices' orders and precedence have no cycle, so that nobody waits for ever. Also false where the plan is
/// not one of this workload at all.
#[must_use]
pub fn deadlock_free(plan: &Plan, workload: &Workload) -> bool {
    let known = |node: &NodeId| node.index() < workload.len();
    plan.order.iter().flatten().all(known) && joint_order(plan, workload).is_some()
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
    let mut seen = vec![false; nodes];
    for (device, order) in plan.order.iter().enumerate() {
        for node in order {
            if plan.device_of.get(node.index()).is_none_or(|of| of.index() != device) {
                return Err(format!("node {} stands in the order of device {device}, which is not its own", node.0));
            }
            if std::mem::replace(&mut seen[node.index()], true) {
                return Err(format!("node {} is computed twice", node.0));
            }
        }
    }
    match seen.iter().position(|&seen| !seen) {
        Some(node) => Err(format!("node {node} is computed nowhere")),
        None => Ok(()),
    }
}

/// One topological order that all devices' orders are parts of. Every node of the orders must be one of the workload.
fn joint_order(plan: &Plan, workload: &Workload) -> Option<Vec<NodeId>> {
    let mut missing: Vec<usize> = workload.ids().map(|node| workload.inputs(node).count()).collect();
    let mut next: Vec<Option<NodeId>> = vec![None; workload.len()];
    for pair in plan.order.iter().flat_map(|order| order.windows(2)) {
        next[pair[0].index()] = Some(pair[1]);
        missing[pair[1].index()] += 1;
    }
    let mut ready: Vec<NodeId> = workload.ids().filter(|node| missing[node.index()] == 0).collect();
    let mut order = Vec::with_capacity(workload.len());
    while let Some(node) = ready.pop() {
        order.push(node);
        for after in workload.consumers(node).chain(next[node.index()]) {
            missing[after.index()] -= 1;
            if missing[after.index()] == 0 {
                ready.push(after);
            }
        }
    }
    (order.len() == workload.len()).then_some(order)
}

fn check_transfers(plan: &Plan, workload: &Workload, fleet: &Fleet) -> Result<(), String> {
    let mut needed = BTreeMap::new();
    for node in workload.ids() {
        let from = plan.device_of[node.index()];
        for to in workload.consumers(node).map(|consumer| plan.device_of[consumer.index()]) {
            if to != from {
                needed.insert((node, to), from);
            }
        }
    }
    for transfer in &plan.transfers {
        let Transfer { node, from, to, bytes, span } = transfer;
        let text = format!("the transfer of node {} from device {} to {}", node.0, from.0, to.0);
        if needed.remove(&(*node, *to)) != Some(*from) {
            return Err(format!("{text} is not needed, or stands there twice"));
        }
        if *bytes != workload.cost(*node).bytes {
            return Err(format!("{text} has {bytes} bytes, the output has {}", workload.cost(*node).bytes));
        }
        let Some(link) = fleet.link(*from, *to) else { return Err(format!("{text} has no link")) };
        check_duration(*span, link.seconds(*bytes)).map_err(|problem| format!("{text} {problem}"))?;
    }
    match needed.first_key_value() {
        Some(((node, to), _)) => Err(format!("the output of node {} is not sent to device {}", node.0, to.0)),
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
    let sent: BTreeMap<(NodeId, DeviceId), Span> =
        plan.transfers.iter().map(|transfer| ((transfer.node, transfer.to), transfer.span)).collect();
    for node in workload.ids() {
        let (span, device) = (plan.spans[node.index()], plan.device_of[node.index()]);
        let seconds = workload.cost(node).flops as f64 / fleet.device(device).compute;
        check_duration(span, seconds).map_err(|problem| format!("node {} {problem}", node.0))?;
        for input in workload.inputs(node) {
            let ready = sent.get(&(input, device)).unwrap_or(&plan.spans[input.index()]).end;
            if early(span.start, ready) {
                return Err(format!("node {} starts before the output of node {} is there", node.0, input.0));
            }
        }
    }
    for transfer in &plan.transfers {
        if early(transfer.span.start, plan.spans[transfer.node.index()].end) {
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
        let computed = order.iter().map(|node| plan.spans[node.index()]).collect();
        let all = [computed, carried(|transfer| transfer.from), carried(|transfer| transfer.to)];
        if !all.into_iter().all(one_by_one) {
            return Err(format!("device {} does two things at a time", device.0));
        }
    }
    Ok(())
}

fn check_figures(plan: &Plan, workload: &Workload, fleet: &Fleet) -> Result<(), String> {
    let close = |a: f64, b: f64| (a - b).abs() <= TOLERANCE * (a.abs() + b.abs());
    let end = plan.spans.iter().map(|span| span.end).fold(0.0, f64::max);
    let lowest = bound(workload, fleet);
    if !close(plan.latency, end) || !close(plan.bound, lowest) {
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
