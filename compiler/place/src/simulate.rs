//! Event-driven simulation of one placed inference.
//!
//! Input: for each node its device, and one topological order of all nodes, the priority order. Output: when each node is
//! computed, when each output is sent, and the latency.
//!
//! The machine: a device computes its nodes one after the other, in priority order, each as soon as its inputs are there; it
//! does not overtake. An output is sent once to every other device that consumes it. A device's network card sends one
//! message at a time and receives one at a time, both while it computes; a message occupies both cards for the link's
//! latency and its bytes over the link's rate. Messages leave in the order in which their outputs are made, those of one
//! output in the priority order of their first consumers; where several wait for one receiver, the one that waited longest
//! goes first, then the one of the smaller device. The image is on its device at time 0 and is sent as any other output.

use crate::workload::Workload;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::{DeviceId, Fleet};
use cnasc_ir::plan::{Span, Transfer};

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// For each node when it was computed.
    pub spans: Vec<Span>,
    /// What was sent, ordered by start, then node, then receiver.
    pub transfers: Vec<Transfer>,
    /// Seconds until the answer was there.
    pub latency: f64,
}

/// The simulation of one workload on one fleet, with its arrays kept between runs.
#[derive(Debug)]
pub struct Simulator<'a> {
    workload: &'a Workload,
    fleet: &'a Fleet,
    devices: usize,
    /// Seconds of node v on device d, at `v * devices + d`.
    seconds: Vec<f64>,
    position: Vec<u32>,
    /// For each node how many of its inputs are not there yet.
    missing: Vec<u32>,
    spans: Vec<Span>,
    /// Nodes by device, each in priority order; device d's stand at `starts[d]..starts[d + 1]`.
    queue: Vec<u32>,
    starts: Vec<u32>,
    /// Messages by sender, in the order in which they leave; those of sender d stand at `message_starts[d]..`.
    messages: Vec<Message>,
    message_starts: Vec<u32>,
    ports: Vec<Port>,
    destinations: Vec<(u32, u32)>,
}

#[derive(Debug, Clone, Copy)]
struct Message {
    node: u32,
    to: u32,
    seconds: f64,
    span: Span,
}

/// What one device is doing.
#[derive(Debug, Clone, Copy)]
struct Port {
    /// The next node of its queue, or the one that it computes.
    next_node: u32,
    /// When the current node is done; infinite where it is idle.
    computed_at: f64,
    /// The next message, or the one on its way.
    next_message: u32,
    /// When the current message has arrived; infinite where none is on its way.
    sent_at: f64,
    /// Since when the next message waits for its receiver; infinite where it does not.
    waiting_since: f64,
    /// Whether a message is being received.
    receiving: bool,
}

const IDLE: Port = Port {
    next_node: 0,
    computed_at: f64::INFINITY,
    next_message: 0,
    sent_at: f64::INFINITY,
    waiting_since: f64::INFINITY,
    receiving: false,
};

impl<'a> Simulator<'a> {
    /// Prepares the figures that do not depend on a placement.
    #[must_use]
    pub fn new(workload: &'a Workload, fleet: &'a Fleet) -> Self {
        let (nodes, devices) = (workload.len(), fleet.devices.len());
        let costs = workload.costs().iter();
        let seconds = costs.flat_map(|cost| fleet.devices.iter().map(move |d| cost.flops as f64 / d.compute)).collect();
        Self {
            workload,
            fleet,
            devices,
            seconds,
            position: vec![0; nodes],
            missing: vec![0; nodes],
            spans: vec![Span::default(); nodes],
            queue: vec![0; nodes],
            starts: vec![0; devices + 1],
            messages: Vec::with_capacity(2 * nodes),
            message_starts: vec![0; devices + 1],
            ports: vec![IDLE; devices],
            destinations: Vec::new(),
        }
    }

    /// Seconds that `node` takes on `device`.
    #[must_use]
    pub fn seconds(&self, node: NodeId, device: DeviceId) -> f64 {
        self.seconds[node.index() * self.devices + device.index()]
    }

    /// The latency of a placement; infinite where it needs a link that is not there, or `order` is not a topological order
    /// of all nodes.
    pub fn latency(&mut self, device_of: &[DeviceId], order: &[NodeId]) -> f64 {
        if !self.lay_out(device_of, order) {
            return f64::INFINITY;
        }
        self.run(device_of)
    }

    /// As [`Simulator::latency`], with all times.
    pub fn trace(&mut self, device_of: &[DeviceId], order: &[NodeId]) -> Trace {
        let latency = self.latency(device_of, order);
        let transfer = |message: &Message| Transfer {
            node: NodeId(message.node),
            from: device_of[message.node as usize],
            to: DeviceId(message.to),
            bytes: self.workload.costs()[message.node as usize].bytes,
            span: message.span,
        };
        let mut transfers: Vec<Transfer> = self.messages.iter().map(transfer).collect();
        transfers.sort_by(|a, b| a.span.start.total_cmp(&b.span.start).then((a.node, a.to).cmp(&(b.node, b.to))));
        Trace { spans: self.spans.clone(), transfers, latency }
    }

    /// Fills queues, messages and counts; false where the placement can't run at all.
    fn lay_out(&mut self, device_of: &[DeviceId], order: &[NodeId]) -> bool {
        let nodes = self.workload.len();
        if device_of.len() != nodes || order.len() != nodes || device_of.iter().any(|d| d.index() >= self.devices) {
            return false;
        }
        self.starts.fill(0);
        for device in device_of {
            self.starts[device.index() + 1] += 1;
        }
        for device in 0..self.devices {
            self.starts[device + 1] += self.starts[device];
        }
        // While the queues are filled, a device's `next_node` says where its next one goes.
        for (port, &start) in self.ports.iter_mut().zip(&self.starts) {
            *port = Port { next_node: start, ..IDLE };
        }
        self.position.fill(u32::MAX);
        for (place, &node) in (0_u32..).zip(order) {
            if node.index() >= nodes || self.position[node.index()] != u32::MAX {
                return false;
            }
            let port = &mut self.ports[device_of[node.index()].index()];
            self.queue[port.next_node as usize] = node.0;
            self.position[node.index()] = place;
            port.next_node += 1;
        }
        self.lay_out_messages(device_of)
    }

    fn lay_out_messages(&mut self, device_of: &[DeviceId]) -> bool {
        let dag = self.workload.dag();
        self.messages.clear();
        for device in 0..self.devices {
            self.message_starts[device] = narrow(self.messages.len());
            for place in self.starts[device]..self.starts[device + 1] {
                let node = self.queue[place as usize] as usize;
                self.missing[node] = narrow(dag.inputs(node).len());
                self.destinations.clear();
                for &consumer in dag.consumers(node) {
                    let to = device_of[consumer as usize].0;
                    if to as usize == device {
                        continue;
                    }
                    let place = self.position[consumer as usize];
                    match self.destinations.iter_mut().find(|(_, other)| *other == to) {
                        Some((first, _)) => *first = place.min(*first),
                        None => self.destinations.push((place, to)),
                    }
                }
                self.destinations.sort_unstable();
                let bytes = self.workload.costs()[node].bytes;
                for &(_, to) in &self.destinations {
                    let Some(link) = self.fleet.links[device][to as usize] else { return false };
                    let seconds = link.seconds(bytes);
                    self.messages.push(Message { node: narrow(node), to, seconds, span: Span::default() });
                }
            }
        }
        self.message_starts[self.devices] = narrow(self.messages.len());
        for (port, device) in self.ports.iter_mut().zip(0..) {
            *port = Port { next_node: self.starts[device], next_message: self.message_starts[device], ..IDLE };
        }
        true
    }

    /// Plays all events in the order of time; of simultaneous ones computing comes first, then the smaller device.
    fn run(&mut self, device_of: &[DeviceId]) -> f64 {
        let mut left = self.workload.len();
        for device in 0..self.devices {
            self.start_node(device, 0.0);
        }
        let mut now = 0.0;
        while left > 0 {
            let mut next = (f64::INFINITY, false, 0);
            for (device, port) in self.ports.iter().enumerate() {
                let sends = port.sent_at < port.computed_at;
                let at = if sends { port.sent_at } else { port.computed_at };
                if at < next.0 || (at == next.0 && next.1 && !sends) {
                    next = (at, sends, device);
                }
            }
            // Nothing is going on and nodes are left: the order was not a topological one.
            if next.0 == f64::INFINITY {
                return f64::INFINITY;
            }
            now = next.0;
            if next.1 {
                self.finish_message(next.2, now, device_of);
            } else {
                self.finish_node(next.2, now, device_of);
                left -= 1;
            }
        }
        now
    }

    fn start_node(&mut self, device: usize, now: f64) {
        let port = &mut self.ports[device];
        if port.computed_at != f64::INFINITY || port.next_node >= self.starts[device + 1] {
            return;
        }
        let node = self.queue[port.next_node as usize] as usize;
        if self.missing[node] == 0 {
            let end = now + self.seconds[node * self.devices + device];
            port.computed_at = end;
            self.spans[node] = Span { start: now, end };
        }
    }

    fn finish_node(&mut self, device: usize, now: f64, device_of: &[DeviceId]) {
        let port = &mut self.ports[device];
        let node = self.queue[port.next_node as usize];
        port.computed_at = f64::INFINITY;
        port.next_node += 1;
        self.deliver(node as usize, device, device_of);
        self.start_node(device, now);
        self.request_message(device, now);
    }

    /// Makes a node's output available to its consumers on `device`.
    fn deliver(&mut self, node: usize, device: usize, device_of: &[DeviceId]) {
        for &consumer in self.workload.dag().consumers(node) {
            if device_of[consumer as usize].index() == device {
                self.missing[consumer as usize] -= 1;
            }
        }
    }

    /// Sends a device's next message if its output is made, or lets it wait where the receiver is busy.
    fn request_message(&mut self, device: usize, now: f64) {
        let port = &self.ports[device];
        let idle = port.sent_at == f64::INFINITY && port.waiting_since == f64::INFINITY;
        if !idle || port.next_message >= self.message_starts[device + 1] {
            return;
        }
        let message = &self.messages[port.next_message as usize];
        // A device's nodes are done in the order of its queue, up to the one that it computes.
        let made = port.next_node > self.starts[device]
            && self.position[message.node as usize] <= self.position[self.queue[port.next_node as usize - 1] as usize];
        if made {
            if self.ports[message.to as usize].receiving {
                self.ports[device].waiting_since = now;
            } else {
                self.start_message(device, now);
            }
        }
    }

    fn start_message(&mut self, device: usize, now: f64) {
        let port = &mut self.ports[device];
        let message = &mut self.messages[port.next_message as usize];
        message.span = Span { start: now, end: now + message.seconds };
        port.sent_at = message.span.end;
        port.waiting_since = f64::INFINITY;
        self.ports[message.to as usize].receiving = true;
    }

    fn finish_message(&mut self, device: usize, now: f64, device_of: &[DeviceId]) {
        let port = &mut self.ports[device];
        let message = self.messages[port.next_message as usize];
        port.sent_at = f64::INFINITY;
        port.next_message += 1;
        let receiver = message.to as usize;
        self.ports[receiver].receiving = false;
        self.deliver(message.node as usize, receiver, device_of);
        self.start_node(receiver, now);
        if let Some(sender) = self.longest_waiting(message.to) {
            self.start_message(sender, now);
        }
        self.request_message(device, now);
    }

    fn longest_waiting(&self, receiver: u32) -> Option<usize> {
        let mut best: Option<(f64, usize)> = None;
        for (device, port) in self.ports.iter().enumerate() {
            if port.waiting_since == f64::INFINITY || self.messages[port.next_message as usize].to != receiver {
                continue;
            }
            if best.is_none_or(|(since, _)| port.waiting_since < since) {
                best = Some((port.waiting_since, device));
            }
        }
        best.map(|(_, device)| device)
    }
}

fn narrow(count: usize) -> u32 {
    u32::try_from(count).expect("networks have far fewer than 2^32 edges")
}

#[cfg(test)]
mod tests;
