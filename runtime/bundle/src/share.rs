//! One device's part of a placed network: what it receives, computes and sends, in order.

use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::Backend;
use cnasc_ir::{DeviceId, Fleet, Plan, TensorGraph, TensorId};
use std::collections::BTreeMap;

/// What one device does for one inference.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// Which device.
    pub device: DeviceId,
    /// What compiles and executes it.
    pub backend: Backend,
    /// Threads that it may use.
    pub threads: u32,
    /// Whether the image is given to this device.
    pub takes_image: bool,
    /// Whether this device makes the answer.
    pub gives_answer: bool,
    /// In this order.
    pub actions: Vec<Action>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Wait until this tensor of another device is there.
    Receive {
        /// Which.
        tensor: TensorId,
        /// Whose.
        from: DeviceId,
    },
    /// Compute these steps of the tensor graph, in order; a maximal run between exchanges.
    Compute {
        /// Indices into the graph's steps; never the image itself.
        steps: Vec<TensorId>,
    },
    /// Send this tensor, complete now, to others.
    Send {
        /// Which.
        tensor: TensorId,
        /// To whom, each once.
        to: Vec<DeviceId>,
    },
}

impl Share {
    /// What `device` does of `plan`, which must fit `graph` and `fleet`: those of a verified [`Bundle`](crate::Bundle) do.
    ///
    /// A node's inputs from elsewhere are received just before the first node that needs them. What is sent leaves in the
    /// order of the plan's transfers, each as soon as it is complete and all before it have left.
    ///
    /// # Panics
    /// Where the plan names a node or a device that is not there.
    #[must_use]
    pub fn of(graph: &TensorGraph, plan: &Plan, fleet: &Fleet, device: DeviceId) -> Self {
        let mut builder = Builder::new(graph, plan, device);
        for &node in &plan.order[device.index()] {
            builder.node(node);
        }
        let answer = graph.step(graph.output()).node;
        Self {
            device,
            backend: fleet.device(device).backend,
            threads: fleet.device(device).cores,
            takes_image: plan.device_of[0] == device,
            gives_answer: plan.device_of[answer.index()] == device,
            actions: builder.finish(),
        }
    }

    /// The whole network on one device.
    #[must_use]
    pub fn whole(graph: &TensorGraph, backend: Backend) -> Self {
        let steps: Vec<TensorId> = graph.ids().skip(1).collect();
        let actions = if steps.is_empty() { Vec::new() } else { vec![Action::Compute { steps }] };
        Self { device: DeviceId(0), backend, threads: 1, takes_image: true, gives_answer: true, actions }
    }
}

/// What `device` has to send, by the start of the transfer; of those that start at once, what it makes first comes first.
fn sends(plan: &Plan, device: DeviceId) -> Vec<(NodeId, DeviceId)> {
    let order = plan.order.get(device.index()).map_or(&[][..], Vec::as_slice);
    let place: BTreeMap<NodeId, usize> = order.iter().enumerate().map(|(place, &node)| (node, place)).collect();
    let mut sends: Vec<_> = plan.transfers.iter().filter(|one| one.from == device).collect();
    sends.sort_by(|a, b| a.span.start.total_cmp(&b.span.start).then(place.get(&a.node).cmp(&place.get(&b.node))));
    sends.into_iter().map(|one| (one.node, one.to)).collect()
}

/// Collects actions; runs of steps grow until an exchange ends them.
struct Builder<'a> {
    graph: &'a TensorGraph,
    plan: &'a Plan,
    device: DeviceId,
    steps_of: Vec<Vec<TensorId>>,
    /// What this device has to send, in the order in which it leaves, and to whom; the first `sent` of it are sent.
    sends: Vec<(NodeId, DeviceId)>,
    sent: usize,
    /// For each node the device that sends its output to this one.
    senders: BTreeMap<NodeId, DeviceId>,
    /// For each node its output, once it is computed here.
    outputs: Vec<Option<TensorId>>,
    received: Vec<bool>,
    run: Vec<TensorId>,
    actions: Vec<Action>,
}

impl<'a> Builder<'a> {
    fn new(graph: &'a TensorGraph, plan: &'a Plan, device: DeviceId) -> Self {
        let mut steps_of = vec![Vec::new(); graph.nodes as usize];
        for id in graph.ids().skip(1) {
            steps_of[graph.step(id).node.index()].push(id);
        }
        let senders = plan.transfers.iter().filter(|one| one.to == device).map(|one| (one.node, one.from)).collect();
        Self {
            graph,
            plan,
            device,
            steps_of,
            sends: sends(plan, device),
            sent: 0,
            senders,
            outputs: vec![None; graph.nodes as usize],
            received: vec![false; graph.steps.len()],
            run: Vec::new(),
            actions: Vec::new(),
        }
    }

    fn node(&mut self, node: NodeId) {
        let steps = std::mem::take(&mut self.steps_of[node.index()]);
        for &step in &steps {
            for &input in &self.graph.step(step).inputs {
                self.receive(input);
            }
        }
        self.outputs[node.index()] = Some(steps.last().copied().unwrap_or(TensorId(0)));
        self.run.extend(steps);
        self.send();
    }

    fn receive(&mut self, tensor: TensorId) {
        let node = self.graph.step(tensor).node;
        if self.plan.is_on(node, self.device) {
            return;
        }
        // A verified plan has a sender; without one the share would not come through its own check.
        let from = self.senders.get(&node).copied().unwrap_or(self.plan.device_of[node.index()]);
        if !std::mem::replace(&mut self.received[tensor.index()], true) {
            self.end_run();
            self.actions.push(Action::Receive { tensor, from });
        }
    }

    /// Sends what is complete, up to the first that is not; one action for what goes to several devices at once.
    fn send(&mut self) {
        while let Some(&(node, _)) = self.sends.get(self.sent) {
            let Some(tensor) = self.outputs[node.index()] else { return };
            let same = self.sends[self.sent..].iter().take_while(|send| send.0 == node);
            let to: Vec<DeviceId> = same.map(|send| send.1).collect();
            self.sent += to.len();
            self.end_run();
            self.actions.push(Action::Send { tensor, to });
        }
    }

    fn end_run(&mut self) {
        if !self.run.is_empty() {
            let steps = std::mem::take(&mut self.run);
            self.actions.push(Action::Compute { steps });
        }
    }

    fn finish(mut self) -> Vec<Action> {
        self.end_run();
        self.actions
    }
}
