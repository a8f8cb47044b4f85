//! Simulation of one placed inference.
//!
//! Input: a [`Placement`], that is for each node its device, copies of nodes on further devices, and one topological order
//! of all nodes. Output: when each node is computed, when each output is sent, and the latency.
//!
//! The machine: a device computes its nodes one after the other, in the order of the placement, each as soon as its inputs
//! are there; it does not overtake. An output is sent once to every other device that consumes it and does not compute it
//! itself. A device's network card sends one message at a time and receives one at a time, both while it computes; a message
//! occupies both cards for the link's latency and its bytes over the link's rate. The image is on its device at time 0 and
//! is sent as any other output.
//!
//! Cards are booked in the placement's order: a node's inputs that are elsewhere, in the order in which they are made, each
//! get the earliest gap that both cards have after the input is made (serial schedule generation: Kolisch 1996). So a
//! message never waits for one that is booked later, and what a node does not depend on its successors: a prefix of
//! the order has its final times. `Timeline` is that prefix, and what the exact solver branches on. Where a node has
//! copies, a message comes from the one from which it arrives first, the node's own device before others.

mod machine;
mod timeline;

pub(crate) use machine::Machine;
pub(crate) use timeline::Timeline;

use crate::schedule::Placement;
use crate::workload::Workload;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::{DeviceId, Fleet};
use cnasc_ir::plan::{Copied, Span, Transfer};

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// For each node when it was computed on its own device.
    pub spans: Vec<Span>,
    /// When the copies were computed, as the placement lists them.
    pub copies: Vec<Copied>,
    /// What was sent, ordered by start, then node, then receiver.
    pub transfers: Vec<Transfer>,
    /// Seconds until the answer was there.
    pub latency: f64,
}

/// The simulation of one workload on one fleet, with its arrays kept between runs.
#[derive(Debug)]
pub struct Simulator<'a> {
    machine: Machine<'a>,
    timeline: Timeline,
}

/// Sums in another order differ by this share at most; a search must not abort for less.
const ROUNDING: f64 = 1e-12;

impl<'a> Simulator<'a> {
    /// Prepares the figures that do not depend on a placement; kernels take as long as the fleet declares.
    #[must_use]
    pub fn new(workload: &'a Workload, fleet: &'a Fleet) -> Self {
        Self::of(Machine::new(workload, fleet))
    }

    /// With measured kernel times instead: `seconds[v][d]` is what node v takes on device d.
    ///
    /// # Errors
    /// Where a time is missing, negative or not a number.
    pub fn measured(workload: &'a Workload, fleet: &'a Fleet, seconds: &[Vec<f64>]) -> Result<Self, String> {
        Ok(Self::of(Machine::measured(workload, fleet, seconds)?))
    }

    fn of(machine: Machine<'a>) -> Self {
        let timeline = Timeline::new(&machine);
        Self { machine, timeline }
    }

    /// Lets each device compute as many nodes at once as it has cores; a node then takes one core, for the time that the
    /// simulator was given for it.
    #[must_use]
    pub fn with_lanes(mut self) -> Self {
        self.machine.use_cores();
        self.timeline = Timeline::new(&self.machine);
        self
    }

    /// Adds `seconds` a byte to what every message takes: packing and unpacking it.
    #[must_use]
    pub fn with_packing(mut self, seconds: f64) -> Self {
        self.machine.add_packing(seconds);
        self
    }

    /// The static figures.
    pub(crate) fn machine(&self) -> &Machine<'a> {
        &self.machine
    }

    /// Seconds that `node` takes on `device`.
    #[must_use]
    pub fn seconds(&self, node: NodeId, device: DeviceId) -> f64 {
        self.machine.seconds(node.index(), device.index())
    }

    /// The latency of a placement; infinite where it needs a link that is not there, or its order is not a topological order
    /// of all nodes.
    pub fn latency(&mut self, placement: &Placement) -> f64 {
        self.latency_within(placement, f64::INFINITY)
    }

    /// As [`Simulator::latency`], but infinite too where it is above `limit`, which is found out early.
    pub fn latency_within(&mut self, placement: &Placement, limit: f64) -> f64 {
        if !self.is_complete(placement) {
            return f64::INFINITY;
        }
        let limit = limit * (1.0 + ROUNDING);
        let Self { machine, timeline } = self;
        timeline.clear();
        let copied = !placement.copies.is_empty();
        for &node in &placement.order {
            let index = node.index();
            let mut first = timeline.put(machine, index, placement.device_of[index].index());
            let mut last = first;
            if copied {
                for device in placement.copies_of(node) {
                    let end = timeline.put(machine, index, device.index());
                    (first, last) = (first.min(end), last.max(end));
                }
            }
            if last == f64::INFINITY || first + machine.rest(index) > limit {
                return f64::INFINITY;
            }
        }
        let latency = timeline.latency();
        if latency > limit { f64::INFINITY } else { latency }
    }

    /// All nodes by their start in the placement that was simulated last, which must have been possible.
    pub(crate) fn start_order(&self) -> Vec<NodeId> {
        let start = |node: usize| {
            let home = self.timeline.home(node);
            self.timeline.arrival(node, home) - self.machine.seconds(node, home)
        };
        let mut order: Vec<(f64, NodeId)> =
            (0..self.machine.nodes()).map(|node| (start(node), NodeId::new(node))).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        order.into_iter().map(|(_, node)| node).collect()
    }

    /// As [`Simulator::latency`], with all times.
    pub fn trace(&mut self, placement: &Placement) -> Trace {
        let latency = self.latency(placement);
        let made = |node: NodeId, device: DeviceId| {
            let end = self.timeline.arrival(node.index(), device.index());
            Span { start: end - self.seconds(node, device), end }
        };
        let own = placement.device_of.iter().enumerate();
        let spans = own.map(|(node, &device)| made(NodeId::new(node), device)).collect();
        let copies = placement.copies.iter();
        let copies = copies.map(|&(node, device)| Copied { node, device, span: made(node, device) }).collect();
        let mut transfers: Vec<Transfer> = self.timeline.messages().iter().map(|m| self.machine.transfer(m)).collect();
        transfers.sort_by(|a, b| a.span.start.total_cmp(&b.span.start).then((a.node, a.to).cmp(&(b.node, b.to))));
        Trace { spans, copies, transfers, latency }
    }

    /// Whether every node has a device of the fleet and stands in the order once; that the order is topological shows when
    /// it is played.
    fn is_complete(&mut self, placement: &Placement) -> bool {
        let (nodes, devices) = (self.machine.nodes(), self.machine.devices());
        let known = |device: &DeviceId| device.index() < devices;
        placement.device_of.len() == nodes
            && placement.order.len() == nodes
            && placement.order.iter().all(|node| node.index() < nodes)
            && placement.device_of.iter().all(known)
            && placement.copies.iter().all(|(node, device)| node.index() < nodes && known(device))
    }
}

#[cfg(test)]
mod tests;
