//! One device at work: a compiled share and a way to the others → one inference after the other.
//!
//! A [`Node`] goes through the actions of its share in order, waits where a tensor of another device is needed, and records when
//! each action began and ended. It starts no thread and knows no other device than by its id; who calls it, and what is done about
//! one that fails, is the fleet's affair.

use cnasc_bundle::{Action, Share, layout};
use cnasc_ir::fleet::Precision;
use cnasc_ir::{DeviceId, Shape, TensorGraph, TensorId, Weights};
use cnasc_kernels::{CompileError, Executable};
use cnasc_transport::{Endpoint, Expected, Frame, Payload, TransportError};
use std::time::Instant;

mod pace;

#[cfg(test)]
mod tests;

use pace::Pace;

/// A device that is ready for inferences.
pub struct Node {
    share: Share,
    executable: Box<dyn Executable>,
    endpoint: Box<dyn Endpoint>,
    /// The network's answer: its tensor and its shape.
    output: (TensorId, Shape),
    /// For each send the values on their way; used again once all receivers have copied them. Empty for other actions.
    outgoing: Vec<Payload>,
    /// For each action the shape of the tensor that it sends or receives where that has lanes that do not travel, and room for its values.
    packed: Vec<Option<(Shape, Vec<f32>)>>,
    /// In which precision they travel.
    transfer: Precision,
    /// The inference that comes next at the earliest.
    next: u64,
    /// Of a device that is slower than its core.
    pace: Option<Pace>,
}

/// What one inference was like on one device.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The answer in plain order (channel, row, column), where this device makes it.
    pub answer: Option<Vec<f32>>,
    /// Operators executed.
    pub operators: usize,
    /// Bytes handed to the transport: a tensor counts once a receiver, without the lanes that pad its channels.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// When the device began.
    pub began: Instant,
    /// For each action of the share when it ran, in seconds from `began`.
    pub timings: Vec<Timing>,
}

/// From `start` to `end`, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Timing {
    /// When it began.
    pub start: f64,
    /// When it was over.
    pub end: f64,
}

/// Why a device can't start, or did not finish an inference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// The share can't be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The share is another device's.
    #[error("the share is of device {}, the endpoint of device {}", share.0, endpoint.0)]
    Device {
        /// Whose share.
        share: DeviceId,
        /// Whose endpoint.
        endpoint: DeviceId,
    },
    /// The image is missing, has a wrong size, or was given to a device that takes none.
    #[error("the device takes an image of {wanted} floats, found {found}")]
    Image {
        /// Floats in blocked order; 0 where it takes none.
        wanted: usize,
        /// Floats found.
        found: usize,
    },
    /// The number was used before.
    #[error("inference {found} comes after inference {next} was due: numbers must grow")]
    Past {
        /// The number given.
        found: u64,
        /// The least that is free.
        next: u64,
    },
    /// Time was up before this action.
    #[error("the deadline passed before action {action}")]
    Deadline {
        /// The action's index.
        action: usize,
    },
    /// A tensor did not get through.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl Node {
    /// Compiles `share` of `graph` and tells `endpoint` what to expect; tensors are sent in the precision `transfer`.
    ///
    /// # Errors
    /// Where the share can't be compiled, or belongs to another device than the endpoint.
    pub fn new(
        graph: &TensorGraph,
        weights: &Weights,
        share: Share,
        transfer: Precision,
        mut endpoint: Box<dyn Endpoint>,
    ) -> Result<Self, NodeError> {
        if share.device != endpoint.device() {
            return Err(NodeError::Device { share: share.device, endpoint: endpoint.device() });
        }
        // Compiling checks every tensor that the share names, so that the shapes below are there.
        let executable = compile(graph, weights, &share)?;
        let shape = |tensor: TensorId| graph.step(tensor).shape;
        let expected: Vec<Expected> = share.actions.iter().filter_map(|action| expected(action, shape)).collect();
        endpoint.expect(&expected);
        let outgoing = share.actions.iter().map(|action| outgoing(action, transfer, shape)).collect();
        let packed = share.actions.iter().map(|action| packed(action, shape)).collect();
        let output = (graph.output(), graph.step(graph.output()).shape);
        Ok(Self { share, executable, endpoint, output, outgoing, packed, transfer, next: 0, pace: None })
    }

    /// The same as if its core were so many times slower, to try out what slow devices do; 1 and less is no change.
    #[must_use]
    pub fn slowed(self, times: f64) -> Self {
        Self { pace: Pace::new(times), ..self }
    }

    /// What this device does.
    #[must_use]
    pub fn share(&self) -> &Share {
        &self.share
    }

    /// Executes the share once. `image` is the input tensor in blocked order, given where the share takes it. After an error the
    /// node is ready for the next inference, and the others know that they need not wait for it in this one.
    ///
    /// # Errors
    /// Where the image is not as the share says, a number is used twice, or a tensor does not get through before `deadline`.
    pub fn infer(&mut self, inference: u64, image: Option<&[f32]>, deadline: Instant) -> Result<Outcome, NodeError> {
        let began = Instant::now();
        if inference < self.next {
            return Err(NodeError::Past { found: inference, next: self.next });
        }
        self.next = inference.saturating_add(1);
        if let Some(pace) = &mut self.pace {
            pace.begin();
        }
        let outcome = self.take_image(image).and_then(|()| self.execute(inference, began, deadline));
        if outcome.is_err() {
            self.endpoint.give_up(inference);
        }
        outcome
    }

    fn execute(&mut self, inference: u64, began: Instant, deadline: Instant) -> Result<Outcome, NodeError> {
        let actions = self.share.actions.len();
        let timings = Vec::with_capacity(actions);
        let mut outcome = Outcome { answer: None, operators: 0, bytes_sent: 0, bytes_received: 0, began, timings };
        let mut start = Instant::now();
        for action in 0..actions {
            if start >= deadline {
                return Err(NodeError::Deadline { action });
            }
            self.act(action, inference, deadline, &mut outcome)?;
            if let Some(pace) = &mut self.pace {
                pace.rest();
            }
            let end = Instant::now();
            let seconds = |time: Instant| time.duration_since(began).as_secs_f64();
            outcome.timings.push(Timing { start: seconds(start), end: seconds(end) });
            start = end;
        }
        self.endpoint.flush()?;
        outcome.answer = self.share.gives_answer.then(|| self.answer());
        Ok(outcome)
    }

    fn take_image(&mut self, image: Option<&[f32]>) -> Result<(), NodeError> {
        let into = if self.share.takes_image { self.executable.tensor_mut(TensorId(0)) } else { &mut [] };
        let image = image.unwrap_or_default();
        if image.len() != into.len() {
            return Err(NodeError::Image { wanted: into.len(), found: image.len() });
        }
        into.copy_from_slice(image);
        Ok(())
    }

    fn act(
        &mut self,
        index: usize,
        inference: u64,
        deadline: Instant,
        outcome: &mut Outcome,
    ) -> Result<(), TransportError> {
        match &self.share.actions[index] {
            Action::Receive { tensor, from } => {
                let into = self.executable.tensor_mut(*tensor);
                let values = match &mut self.packed[index] {
                    Some((shape, packed)) => {
                        self.endpoint.receive(*from, inference, *tensor, packed, deadline)?;
                        layout::unpack(*shape, packed, into);
                        packed.len()
                    }
                    None => {
                        self.endpoint.receive(*from, inference, *tensor, into, deadline)?;
                        into.len()
                    }
                };
                outcome.bytes_received += (values * self.transfer.bytes()) as u64;
            }
            Action::Compute { steps } => {
                self.executable.run(index);
                outcome.operators += steps.len();
            }
            Action::Send { tensor, to } => {
                let payload = &mut self.outgoing[index];
                let values = self.executable.tensor(*tensor);
                match &mut self.packed[index] {
                    Some((shape, packed)) => {
                        layout::pack(*shape, values, packed);
                        payload.set(packed);
                    }
                    None => payload.set(values),
                }
                for &receiver in to {
                    outcome.bytes_sent += payload.bytes();
                    let payload = payload.clone();
                    let frame = Frame { inference, tensor: *tensor, from: self.share.device, payload };
                    self.endpoint.send(receiver, frame)?;
                }
            }
        }
        Ok(())
    }

    fn answer(&self) -> Vec<f32> {
        let (tensor, shape) = self.output;
        let mut plain = vec![0.0; shape.elements() as usize];
        layout::to_plain(shape, self.executable.tensor(tensor), &mut plain);
        plain
    }
}

/// Hands the share to the crate of its backend.
fn compile(graph: &TensorGraph, weights: &Weights, share: &Share) -> Result<Box<dyn Executable>, CompileError> {
    #[cfg(feature = "burn")]
    if share.backend == cnasc_ir::fleet::Backend::Burn {
        return cnasc_burn::compile(graph, weights, share);
    }
    cnasc_kernels::compile(graph, weights, share)
}

fn expected(action: &Action, shape: impl Fn(TensorId) -> Shape) -> Option<Expected> {
    match *action {
        Action::Receive { tensor, from } => Some(Expected { from, tensor, len: shape(tensor).elements() as usize }),
        Action::Compute { .. } | Action::Send { .. } => None,
    }
}

/// What an action has on its way.
fn outgoing(action: &Action, transfer: Precision, shape: impl Fn(TensorId) -> Shape) -> Payload {
    match action {
        Action::Send { tensor, .. } => Payload::zeros(transfer, shape(*tensor).elements() as usize),
        Action::Receive { .. } | Action::Compute { .. } => Payload::zeros(transfer, 0),
    }
}

/// Room for what an action sends or receives of a tensor that does not travel as it is in memory.
fn packed(action: &Action, shape: impl Fn(TensorId) -> Shape) -> Option<(Shape, Vec<f32>)> {
    match action {
        Action::Send { tensor, .. } | Action::Receive { tensor, .. } => Some(shape(*tensor))
            .filter(|&shape| layout::is_padded(shape))
            .map(|shape| (shape, vec![0.0; shape.elements() as usize])),
        Action::Compute { .. } => None,
    }
}
