//! One device's part of a placed network: what it receives, computes and sends, in order.

use cnasc_ir::architecture::NodeId;
use cnasc_ir::fleet::Backend;
use cnasc_ir::{DeviceId, Fleet, Plan, TensorGraph, TensorId};

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
    /// A node's inputs from elsewhere are received just before the first node that needs them, and its output is sent as
    /// soon as it is complete.
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

/// Collects actions; runs of steps grow until an exchange ends them.
struct Builder<'a> {
    graph: &'a TensorGraph,
    plan: &'a Plan,
    device: DeviceId,
    steps_of: Vec<Vec<TensorId>>,
    /// For each node to whom this device sends its output, in the order of the plan: by the time at which the transfer starts.
    sent_to: Vec<Vec<DeviceId>>,
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
        let mut sent_to = vec![Vec::new(); graph.nodes as usize];
        for transfer in plan.transfers.iter().filter(|transfer| transfer.from == device) {
            sent_to[transfer.node.index()].push(transfer.to);
        }
        let received = vec![false; graph.steps.len()];
        Self { graph, plan, device, steps_of, sent_to, received, run: Vec::new(), actions: Vec::new() }
    }

    fn node(&mut self, node: NodeId) {
        let steps = std::mem::take(&mut self.steps_of[node.index()]);
        for &step in &steps {
            for &input in &self.graph.step(step).inputs {
                self.receive(input);
            }
        }
        let output = steps.last().copied().unwrap_or(TensorId(0));
        self.run.extend(steps);
        self.send(node, output);
    }

    fn receive(&mut self, tensor: TensorId) {
        let from = self.plan.device_of[self.graph.step(tensor).node.index()];
        if from != self.device && !std::mem::replace(&mut self.received[tensor.index()], true) {
            self.end_run();
            self.actions.push(Action::Receive { tensor, from });
        }
    }

    fn send(&mut self, node: NodeId, tensor: TensorId) {
        let to = std::mem::take(&mut self.sent_to[node.index()]);
        if !to.is_empty() {
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
