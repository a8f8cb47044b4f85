//! A fleet inside this process: one thread a device, each with its own node.
//!
//! The device that takes the image runs on the caller's thread, and a fleet of one device has no other: waking a thread costs
//! more than many a small network's layer, and the caller would only wait. Devices with nothing to do get no thread.

use crate::promise::Promise;
use crate::worker::{Job, Worker, guarded, message};
use crate::{Answer, DeviceReport, FleetError};
use cnasc_bundle::{Bundle, Share, layout};
use cnasc_ir::DeviceId;
use cnasc_node::{Node, NodeError, Outcome};
use cnasc_transport::{Endpoint, TransportError, inprocess};
use std::time::{Duration, Instant};

/// How long an inference may take where nothing else is said.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The greatest time that can be waited for: keeps deadlines within what the clock can say.
const LONGEST_PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// A running fleet. Dropping it stops its threads and waits for that.
pub struct Local {
    /// The node of the image's device, on the caller's thread; gone after it panicked. Stands before the workers, so that it is
    /// dropped before them and none of them waits for it any more.
    here: Option<Node>,
    image_device: DeviceId,
    /// The one that gives the answer, if it is among them, first: its outcome is waited for first.
    workers: Vec<Worker>,
    /// Of all devices, in the order of their ids.
    promises: Vec<Promise>,
    /// Floats of the image in blocked order.
    image_len: usize,
    patience: Duration,
    /// The number of the next inference.
    next: u64,
    /// The device that has stopped for good.
    stopped: Option<DeviceId>,
}

impl Local {
    /// Compiles every device's share and starts the threads, joined by the in-process transport.
    ///
    /// # Errors
    /// Where a share can't be compiled or a thread can't be started.
    pub fn start(bundle: &Bundle) -> Result<Self, FleetError> {
        Self::start_within(bundle, usize::MAX)
    }

    /// The same where kernels have no more threads than the devices' parts of `cores`, of which each has one at least: threads beyond a machine's
    /// cores wait for each other, and keep busy while they do the cores that others need.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_within(bundle: &Bundle, cores: usize) -> Result<Self, FleetError> {
        let ends = inprocess(bundle.fleet.devices.len());
        Self::begin(bundle, cores, ends.into_iter().map(|end| Box::new(end) as Box<dyn Endpoint>).collect())
    }

    /// The same with other endpoints, one a device in the order of their ids.
    ///
    /// # Errors
    /// As [`start`](Self::start), and where the number of endpoints is wrong.
    pub fn start_with(bundle: &Bundle, endpoints: Vec<Box<dyn Endpoint>>) -> Result<Self, FleetError> {
        Self::begin(bundle, usize::MAX, endpoints)
    }

    fn begin(bundle: &Bundle, cores: usize, endpoints: Vec<Box<dyn Endpoint>>) -> Result<Self, FleetError> {
        // The fields of a bundle can be changed by whoever holds it, and what follows relies on them.
        bundle.verify()?;
        let (wanted, found) = (bundle.fleet.devices.len(), endpoints.len());
        if wanted != found {
            return Err(FleetError::Endpoints { wanted, found });
        }
        let shares = within(bundle.shares(), cores);
        let promises: Vec<Promise> = shares.iter().map(|share| Promise::of(bundle, share)).collect();
        let mut here = None;
        let mut workers = Vec::new();
        for node in compile(bundle, shares, endpoints)? {
            if node.share().takes_image {
                here = Some(node);
            } else {
                workers.push(Worker::start(node)?);
            }
        }
        workers.sort_by_key(|worker| !promises[worker.device().index()].gives_answer());
        Ok(Self {
            here,
            image_device: bundle.plan.device_of[0],
            workers,
            promises,
            image_len: layout::len(bundle.input()),
            patience: PATIENCE,
            next: 0,
            stopped: None,
        })
    }

    /// How long an inference may take before it is given up; [`PATIENCE`] at first, a day at most.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience.min(LONGEST_PATIENCE);
    }

    /// Number of threads besides the caller's.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.workers.len()
    }

    /// The answer for `image`, the input tensor in blocked order ([`Bundle::prepare`]). After an error other than a panic the
    /// fleet is ready for the next image.
    ///
    /// # Errors
    /// Where the image has the wrong size, a device fails or panics, time is up, or a device did not do what the plan says.
    pub fn infer(&mut self, image: &[f32]) -> Result<Answer, FleetError> {
        if image.len() != self.image_len {
            return Err(FleetError::Image { wanted: self.image_len, found: image.len() });
        }
        if let Some(device) = self.stopped {
            return Err(FleetError::Stopped { device });
        }
        let began = Instant::now();
        let job = Job { inference: self.next, deadline: began + self.patience };
        self.next += 1;
        let (results, seconds) = self.run(job, image, began);
        self.answer(results, seconds, began)
    }

    /// What came of the job on every device that has something to do, and the seconds until the answer's device was done.
    fn run(&mut self, job: Job, image: &[f32], began: Instant) -> (Vec<Result<Outcome, FleetError>>, f64) {
        let begun: Vec<Result<(), FleetError>> = self.workers.iter().map(|worker| worker.begin(job)).collect();
        let stopped = FleetError::Stopped { device: self.image_device };
        let here = self.here.as_mut().map_or(Err(stopped), |node| guarded(node, job, Some(image)));
        if matches!(here, Err(FleetError::Panic { .. })) {
            self.here = None;
        }
        let mut results = Vec::with_capacity(self.promises.len());
        let mut seconds = began.elapsed().as_secs_f64();
        for (worker, begun) in self.workers.iter().zip(begun) {
            results.push(begun.and_then(|()| worker.outcome()));
            if self.promises[worker.device().index()].gives_answer() {
                seconds = began.elapsed().as_secs_f64();
            }
        }
        results.push(here);
        (results, seconds)
    }

    fn answer(
        &mut self,
        results: Vec<Result<Outcome, FleetError>>,
        seconds: f64,
        began: Instant,
    ) -> Result<Answer, FleetError> {
        let (good, bad): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        if let Some(error) = bad.into_iter().filter_map(Result::err).min_by_key(remoteness) {
            if let FleetError::Panic { device, .. } | FleetError::Stopped { device } = error {
                self.stopped = Some(device);
            }
            return Err(error);
        }
        let mut outcomes: Vec<Option<Outcome>> = vec![None; self.promises.len()];
        let devices = self.workers.iter().map(Worker::device).chain([self.image_device]);
        for (device, outcome) in devices.zip(good.into_iter().flatten()) {
            outcomes[device.index()] = Some(outcome);
        }
        let reports = self.promises.iter().zip(&outcomes);
        let devices: Vec<DeviceReport> =
            reports.map(|(promise, outcome)| promise.report(outcome.as_ref(), began)).collect::<Result<_, _>>()?;
        let output = outcomes.into_iter().flatten().find_map(|outcome| outcome.answer);
        Ok(Answer { output: output.expect("the reports agree with the plan, which has one answer"), seconds, devices })
    }
}

/// Where several devices fail, one is usually the cause and the others wait for it: the cause has the least number.
fn remoteness(error: &FleetError) -> u8 {
    match error {
        FleetError::Panic { .. } => 0,
        FleetError::Node { error: NodeError::Transport(TransportError::Deadline { .. }), .. } => 2,
        FleetError::Node {
            error: NodeError::Transport(TransportError::Closed { .. } | TransportError::GaveUp { .. }),
            ..
        } => 3,
        FleetError::Stopped { .. } => 4,
        _ => 1,
    }
}

/// The shares with no more threads than so many cores have for each of those that have something to do.
fn within(mut shares: Vec<Share>, cores: usize) -> Vec<Share> {
    let busy = shares.iter().filter(|share| !Promise::is_idle(share)).count();
    let most = u32::try_from(cores / busy.max(1)).unwrap_or(u32::MAX).max(1);
    shares.iter_mut().for_each(|share| share.threads = share.threads.min(most));
    shares
}

/// The nodes of all devices that have something to do. They are compiled at the same time, as starting is mostly that.
fn compile(bundle: &Bundle, shares: Vec<Share>, endpoints: Vec<Box<dyn Endpoint>>) -> Result<Vec<Node>, FleetError> {
    std::thread::scope(|scope| {
        let busy = shares.into_iter().zip(endpoints).filter(|(share, _)| !Promise::is_idle(share));
        let compiling: Vec<_> = busy
            .map(|(share, endpoint)| {
                let device = share.device;
                let transfer = bundle.fleet.transfer;
                (device, scope.spawn(move || Node::new(&bundle.graph, &bundle.weights, share, transfer, endpoint)))
            })
            .collect();
        let finished = compiling.into_iter().map(|(device, thread)| match thread.join() {
            Ok(node) => node.map_err(|error| FleetError::Node { device, error }),
            Err(panic) => Err(FleetError::Panic { device, message: message(panic.as_ref()) }),
        });
        finished.collect()
    })
}

#[cfg(test)]
mod tests;
