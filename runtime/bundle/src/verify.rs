//! Whether a plan fits its network and fleet, and whether the shares that it gives can be executed together.
//!
//! [`plan`] looks at the plan alone: each node and each copy is computed once, where the plan says, and exactly what others
//! need is sent.
//! [`shares`] goes through the actions of all devices as a fleet would, without computing: sends never wait, receives do. As what
//! is sent stays sent, one such walk decides whether every order of events ends: it stands still only where the orders and the
//! transfers have a cycle.

use crate::share::{Action, Share};
use cnasc_ir::architecture::NodeId;
use cnasc_ir::{DeviceId, Fleet, Plan, TensorGraph, TensorId};
use std::collections::BTreeSet;

/// Checks that `plan` places every node of `graph` (verified, each node with at least one step) once on a device of `fleet`
/// (verified), and sends each output to exactly the devices that need it, over links that exist.
///
/// # Errors
/// Says what does not fit.
pub fn plan(graph: &TensorGraph, plan: &Plan, fleet: &Fleet) -> Result<(), String> {
    let (nodes, devices) = (graph.nodes as usize, fleet.devices.len());
    if plan.device_of.len() != nodes || plan.spans.len() != nodes {
        let (placed, timed) = (plan.device_of.len(), plan.spans.len());
        return Err(format!("the plan places {placed} nodes and times {timed}, the network has {nodes}"));
    }
    if plan.order.len() != devices {
        return Err(format!("the plan orders {} devices, the fleet has {devices}", plan.order.len()));
    }
    let named = plan.device_of.iter().copied().chain(plan.copies.iter().map(|copy| copy.device));
    if let Some(device) = named.into_iter().find(|device| device.index() >= devices) {
        return Err(format!("the plan names device {}, the fleet has {devices}", device.0));
    }
    check_figures(plan)?;
    check_copies(plan)?;
    check_order(plan)?;
    check_transfers(graph, plan, fleet)?;
    check_replicas(plan, fleet)
}

/// Numbers that are not finite could not be written and read back.
fn check_figures(plan: &Plan) -> Result<(), String> {
    let copies = plan.copies.iter().map(|copy| &copy.span);
    let spans = plan.spans.iter().chain(copies).chain(plan.transfers.iter().map(|transfer| &transfer.span));
    let whole = plan.replicas.iter().map(|replica| replica.latency);
    let mut figures = spans.flat_map(|span| [span.start, span.end]).chain([plan.latency, plan.bound]).chain(whole);
    if figures.all(f64::is_finite) { Ok(()) } else { Err("a time of the plan is not a finite number".to_owned()) }
}

/// Devices that take whole images are distinct devices of the fleet, and no image is spread over several.
fn check_replicas(plan: &Plan, fleet: &Fleet) -> Result<(), String> {
    let ascending = plan.replicas.windows(2).all(|pair| pair[0].device < pair[1].device);
    let known = plan.replicas.iter().all(|replica| replica.device.index() < fleet.devices.len());
    if ascending && known && (plan.replicas.is_empty() || plan.transfers.is_empty()) {
        return Ok(());
    }
    Err("the devices that take whole images are not distinct ones of the fleet, or images are spread too".to_owned())
}

/// The image is given to one device, and the answer asked of one, so neither has copies.
fn check_copies(plan: &Plan) -> Result<(), String> {
    let mut before = None;
    for copy in &plan.copies {
        let node = copy.node.index();
        let wrong = node == 0 || node + 1 >= plan.device_of.len() || plan.device_of[node] == copy.device;
        let place = (copy.node, copy.device);
        if wrong || before.is_some_and(|before| before >= place) {
            return Err(format!("node {node} can't have this copy on device {}", copy.device.0));
        }
        before = Some(place);
    }
    Ok(())
}

fn check_order(plan: &Plan) -> Result<(), String> {
    let own = plan.device_of.iter().enumerate().map(|(node, &device)| (NodeId::new(node), device));
    let mut wanted: BTreeSet<_> = own.chain(plan.copies.iter().map(|copy| (copy.node, copy.device))).collect();
    for (device, order) in plan.order.iter().enumerate() {
        let device = DeviceId::new(device);
        for &node in order {
            if wanted.remove(&(node, device)) {
                continue;
            }
            let how = if plan.is_on(node, device) { " twice" } else { ", which is not placed there" };
            return Err(format!("device {} computes node {}{how}", device.0, node.0));
        }
    }
    match wanted.first() {
        None => Ok(()),
        Some((node, device)) => Err(format!("device {} does not compute node {}", device.0, node.0)),
    }
}

fn check_transfers(graph: &TensorGraph, plan: &Plan, fleet: &Fleet) -> Result<(), String> {
    let outputs = graph.node_outputs();
    let mut sent = BTreeSet::new();
    for transfer in &plan.transfers {
        let (node, from, to) = (transfer.node, transfer.from, transfer.to);
        let name = format!("the transfer of node {} from device {} to {}", node.0, from.0, to.0);
        if !plan.is_on(node, from) {
            return Err(format!("{name} does not start where the node is computed"));
        }
        if to.index() >= fleet.devices.len() || fleet.link(from, to).is_none() {
            return Err(format!("{name} has no link"));
        }
        let bytes = fleet.wire_bytes(graph.step(outputs[node.index()]).shape.bytes());
        if transfer.bytes != bytes {
            return Err(format!("{name} has {} bytes, the node's output {bytes}", transfer.bytes));
        }
        if !sent.insert((node, to)) {
            return Err(format!("{name} stands there twice"));
        }
    }
    let needed = needed_transfers(graph, plan);
    if let Some((node, to)) = needed.difference(&sent).next() {
        return Err(format!("node {} is not sent to device {}, which needs it", node.0, to.0));
    }
    if let Some((node, to)) = sent.difference(&needed).next() {
        return Err(format!("node {} is sent to device {}, which does not need it", node.0, to.0));
    }
    Ok(())
}

/// Each node's output goes once to each device that computes something from it and not the node.
fn needed_transfers(graph: &TensorGraph, plan: &Plan) -> BTreeSet<(NodeId, DeviceId)> {
    let mut needed = BTreeSet::new();
    for step in &graph.steps {
        for &input in &step.inputs {
            let node = graph.step(input).node;
            needed.extend(plan.hosts(step.node).filter(|&to| !plan.is_on(node, to)).map(|to| (node, to)));
        }
    }
    needed
}

/// Checks that `shares`, one a device in the order of their ids, compute every step of `graph` (verified), none twice on one
/// device, and only from what is there, that every tensor sent is received and the reverse, that they end, and that one of
/// them gives the answer.
///
/// # Errors
/// Says what goes wrong, or which device would wait forever for what.
pub fn shares(graph: &TensorGraph, shares: &[Share]) -> Result<(), String> {
    let mut walk = Walk::new(graph, shares);
    // Every device starts; after that only one to which something was sent can go on.
    walk.ready = (0..shares.len()).rev().collect();
    while let Some(device) = walk.ready.pop() {
        walk.advance(device).map_err(|problem| format!("device {device}: {problem}"))?;
    }
    walk.finish()
}

/// The state of all devices in the middle of an inference.
struct Walk<'a> {
    graph: &'a TensorGraph,
    shares: &'a [Share],
    /// For each device the action that it comes to next.
    next: Vec<usize>,
    /// Devices that may be able to go on.
    ready: Vec<usize>,
    /// For each device the tensors that it holds.
    held: Vec<BTreeSet<TensorId>>,
    /// For each device what was sent to it and not yet received.
    mail: Vec<BTreeSet<(DeviceId, TensorId)>>,
    computed: Vec<bool>,
}

impl<'a> Walk<'a> {
    fn new(graph: &'a TensorGraph, shares: &'a [Share]) -> Self {
        let first = |share: &Share| if share.takes_image { BTreeSet::from([TensorId(0)]) } else { BTreeSet::new() };
        let mut computed = vec![false; graph.steps.len()];
        computed[0] = true;
        Self {
            graph,
            shares,
            next: vec![0; shares.len()],
            ready: Vec::new(),
            held: shares.iter().map(first).collect(),
            mail: vec![BTreeSet::new(); shares.len()],
            computed,
        }
    }

    /// Executes the actions of one device until it has to wait or is done.
    fn advance(&mut self, device: usize) -> Result<(), String> {
        let shares = self.shares;
        while let Some(action) = shares[device].actions.get(self.next[device]) {
            match action {
                Action::Receive { tensor, from } => {
                    if !self.mail[device].remove(&(*from, *tensor)) {
                        return Ok(());
                    }
                    self.held[device].insert(*tensor);
                }
                Action::Compute { steps } => {
                    for &step in steps {
                        self.compute(device, step)?;
                    }
                }
                Action::Send { tensor, to } => self.send(device, *tensor, to)?,
            }
            self.next[device] += 1;
        }
        Ok(())
    }

    fn compute(&mut self, device: usize, id: TensorId) -> Result<(), String> {
        let Some(step) = self.graph.steps.get(id.index()) else {
            return Err(format!("computes step {}, the graph has {}", id.0, self.graph.steps.len()));
        };
        if let Some(missing) = step.inputs.iter().find(|input| !self.held[device].contains(input)) {
            return Err(format!("computes step {} without its input {}", id.0, missing.0));
        }
        self.computed[id.index()] = true;
        if !self.held[device].insert(id) {
            return Err(format!("step {} is computed twice", id.0));
        }
        Ok(())
    }

    fn send(&mut self, device: usize, tensor: TensorId, to: &[DeviceId]) -> Result<(), String> {
        if !self.held[device].contains(&tensor) {
            return Err(format!("sends tensor {}, which it does not have", tensor.0));
        }
        for receiver in to {
            let known = receiver.index() < self.shares.len() && receiver.index() != device;
            if !known || !self.mail[receiver.index()].insert((DeviceId::new(device), tensor)) {
                return Err(format!("can't send tensor {} to device {}", tensor.0, receiver.0));
            }
            self.ready.push(receiver.index());
        }
        Ok(())
    }

    fn finish(self) -> Result<(), String> {
        for (device, share) in self.shares.iter().enumerate() {
            if let Some(Action::Receive { tensor, from }) = share.actions.get(self.next[device]) {
                let (tensor, from) = (tensor.0, from.0);
                return Err(format!("device {device} would wait forever for tensor {tensor} of device {from}"));
            }
            if let Some((from, tensor)) = self.mail[device].first() {
                return Err(format!("device {device} never receives tensor {} of device {}", tensor.0, from.0));
            }
        }
        if let Some(step) = self.computed.iter().position(|&done| !done) {
            return Err(format!("no device computes step {step}"));
        }
        let output = self.graph.output();
        let mut answers = self.shares.iter().zip(&self.held).filter(|(share, _)| share.gives_answer);
        match (answers.next(), answers.next()) {
            (Some((_, held)), None) if held.contains(&output) => Ok(()),
            _ => Err("not exactly one device gives the answer".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
