//! What the plan says that a device will do, to hold its report against.

use crate::{DeviceReport, FleetError};
use cnasc_bundle::{Action, Bundle, Share};
use cnasc_ir::{DeviceId, TensorId};
use cnasc_node::{Outcome, Timing};
use std::time::Instant;

/// The work of one device in every inference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    device: DeviceId,
    operators: usize,
    flops: u64,
    bytes_sent: u64,
    bytes_received: u64,
    gives_answer: bool,
    /// For each action whether it is computing.
    computes: Vec<bool>,
}

impl Promise {
    /// What `share` promises. Counted from the bundle and not while executing, so that the two can differ.
    #[must_use]
    pub fn of(bundle: &Bundle, share: &Share) -> Self {
        let device = share.device;
        let graph = &bundle.graph;
        let own = |tensor: TensorId| bundle.plan.is_on(graph.step(tensor).node, device);
        // The image is an input and not an operator.
        let steps: Vec<TensorId> = graph.ids().skip(1).filter(|&step| own(step)).collect();
        let bytes = |chosen: &dyn Fn(DeviceId, DeviceId) -> bool| {
            let transfers = bundle.plan.transfers.iter().filter(|transfer| chosen(transfer.from, transfer.to));
            transfers.map(|transfer| transfer.bytes).sum()
        };
        Self {
            device,
            operators: steps.len(),
            flops: steps.iter().map(|&step| graph.flops(graph.step(step))).sum(),
            bytes_sent: bytes(&|from, _| from == device),
            bytes_received: bytes(&|_, to| to == device),
            gives_answer: own(graph.output()),
            computes: share.actions.iter().map(|action| matches!(action, Action::Compute { .. })).collect(),
        }
    }

    /// Operators that the device executes.
    #[must_use]
    pub fn operators(&self) -> usize {
        self.operators
    }

    /// Bytes that it sends.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.bytes_sent
    }

    /// Whether the device gives the answer.
    #[must_use]
    pub fn gives_answer(&self) -> bool {
        self.gives_answer
    }

    /// Whether the device has nothing to do at all: no action, no image to take and none to give away as the answer.
    #[must_use]
    pub fn is_idle(share: &Share) -> bool {
        share.actions.is_empty() && !share.takes_image && !share.gives_answer
    }

    /// The report of a device that did as promised; `began` is when the whole inference did. `None` stands for an idle device.
    ///
    /// # Errors
    /// Says what it did otherwise.
    pub fn report(&self, outcome: Option<&Outcome>, began: Instant) -> Result<DeviceReport, FleetError> {
        let answers = outcome.is_some_and(|outcome| outcome.answer.is_some());
        let of = |part: fn(&Outcome) -> u64| outcome.map_or(0, part);
        let pairs = [
            ("operators", self.operators as u64, of(|outcome| outcome.operators as u64)),
            ("bytes sent", self.bytes_sent, of(|outcome| outcome.bytes_sent)),
            ("bytes received", self.bytes_received, of(|outcome| outcome.bytes_received)),
            ("answers", u64::from(self.gives_answer), u64::from(answers)),
        ];
        if let Some((what, wanted, found)) = pairs.into_iter().find(|(_, wanted, found)| wanted != found) {
            return Err(FleetError::Distribution { device: self.device, what, wanted, found });
        }
        let timings = outcome.map_or_else(Vec::new, |outcome| shifted(outcome, began));
        let computing = timings.iter().zip(&self.computes).filter(|(_, computes)| **computes);
        Ok(DeviceReport {
            device: self.device,
            operators: self.operators,
            flops: self.flops,
            bytes_sent: self.bytes_sent,
            bytes_received: self.bytes_received,
            busy_seconds: computing.map(|(timing, _)| timing.end - timing.start).sum(),
            timings,
        })
    }
}

/// A device counts from its own beginning, a report from that of the inference.
fn shifted(outcome: &Outcome, began: Instant) -> Vec<Timing> {
    let shift = outcome.began.saturating_duration_since(began).as_secs_f64();
    outcome.timings.iter().map(|timing| Timing { start: timing.start + shift, end: timing.end + shift }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnasc_base::random::Seed;
    use cnasc_bundle::sample;
    use cnasc_ir::fleet::Backend;

    #[test]
    fn a_distribution_that_did_not_happen_is_found() {
        let bundle = sample::bundle(&sample::diamond(3), 2, Backend::Reference, &Seed::new(4));
        let share = bundle.shares().remove(0);
        let promise = Promise::of(&bundle, &share);
        let began = Instant::now();
        let true_outcome = Outcome {
            answer: share.gives_answer.then(Vec::new),
            operators: promise.operators,
            bytes_sent: promise.bytes_sent,
            bytes_received: promise.bytes_received,
            began,
            timings: vec![Timing { start: 0.0, end: 0.5 }; share.actions.len()],
        };
        let report = promise.report(Some(&true_outcome), began).unwrap();
        let runs = share.actions.iter().filter(|action| matches!(action, Action::Compute { .. })).count();
        assert_eq!(report.busy_seconds, 0.5 * runs as f64);

        let what = |change: fn(&mut Outcome)| {
            let mut outcome = true_outcome.clone();
            change(&mut outcome);
            match promise.report(Some(&outcome), began) {
                Err(FleetError::Distribution { what, .. }) => what,
                other => panic!("the report is false: {other:?}"),
            }
        };
        assert_eq!(what(|outcome| outcome.operators -= 1), "operators");
        assert_eq!(what(|outcome| outcome.bytes_sent += 4), "bytes sent");
        assert_eq!(what(|outcome| outcome.bytes_received = 0), "bytes received");
        let toggle = |outcome: &mut Outcome| {
            outcome.answer = if outcome.answer.is_some() { None } else { Some(Vec::new()) };
        };
        assert_eq!(what(toggle), "answers");
        assert!(promise.report(None, began).is_err(), "the device is not idle");
    }

    #[test]
    fn promises_add_up_to_the_network() {
        let bundle = sample::bundle(&sample::random(&Seed::new(3), 12), 4, Backend::Reference, &Seed::new(3));
        let promises: Vec<Promise> = bundle.shares().iter().map(|share| Promise::of(&bundle, share)).collect();
        let sum = |part: fn(&Promise) -> u64| promises.iter().map(part).sum::<u64>();
        assert_eq!(sum(|promise| promise.operators as u64), bundle.graph.steps.len() as u64 - 1);
        assert_eq!(sum(|promise| promise.flops), bundle.graph.total_flops());
        assert_eq!(sum(|promise| promise.bytes_sent), sum(|promise| promise.bytes_received));
        assert!(sum(|promise| promise.bytes_sent) >= bundle.plan.sent_bytes, "padding only adds");
        assert_eq!(promises.iter().filter(|promise| promise.gives_answer()).count(), 1);
    }
}
