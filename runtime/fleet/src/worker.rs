//! A device's thread: jobs go in, what came of them comes out, and nothing that happens inside makes the other side wait forever.

use crate::FleetError;
use cnasc_ir::DeviceId;
use cnasc_node::{Node, Outcome};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

/// One inference for a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub inference: u64,
    /// When it must be over.
    pub deadline: Instant,
}

/// A thread that owns a node. Dropping it ends the thread and waits for that.
#[derive(Debug)]
pub struct Worker {
    device: DeviceId,
    /// Taken away to end the thread.
    jobs: Option<Sender<Job>>,
    outcomes: Receiver<Result<Outcome, FleetError>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread, called `device N`.
    ///
    /// # Errors
    /// Where the system gives none.
    pub fn start(node: Node) -> Result<Self, FleetError> {
        let device = node.share().device;
        let (jobs, taken) = channel();
        let (given, outcomes) = channel();
        // A device's name comes from a file and may not be fit for the system.
        let builder = std::thread::Builder::new().name(format!("device {}", device.0));
        let thread = builder
            .spawn(move || work(node, &taken, &given))
            .map_err(|error| FleetError::Thread { device, problem: error.to_string() })?;
        Ok(Self { device, jobs: Some(jobs), outcomes, thread: Some(thread) })
    }

    /// Whose thread it is.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// Begins an inference; its outcome must be waited for before the next.
    ///
    /// # Errors
    /// Where the thread has ended.
    pub fn begin(&self, job: Job) -> Result<(), FleetError> {
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if sent { Ok(()) } else { Err(FleetError::Stopped { device: self.device }) }
    }

    /// Waits for the outcome of the inference that was begun: until the job's deadline and the end of the action that is running
    /// then.
    ///
    /// # Errors
    /// What went wrong in the device.
    pub fn outcome(&self) -> Result<Outcome, FleetError> {
        self.outcomes.recv().unwrap_or(Err(FleetError::Stopped { device: self.device }))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // Panics inside are caught and reported, and one while reporting would leave nothing to be done here.
            let _ = thread.join();
        }
    }
}

fn work(mut node: Node, jobs: &Receiver<Job>, outcomes: &Sender<Result<Outcome, FleetError>>) {
    for job in jobs {
        let outcome = guarded(&mut node, job, None);
        // After a panic the node is in no known state. Dropping it tells the other devices that this one is gone.
        let panicked = matches!(outcome, Err(FleetError::Panic { .. }));
        if outcomes.send(outcome).is_err() || panicked {
            return;
        }
    }
}

/// One inference on `node`, a panic being an error like others.
///
/// # Errors
/// What went wrong in the device.
pub fn guarded(node: &mut Node, job: Job, image: Option<&[f32]>) -> Result<Outcome, FleetError> {
    let device = node.share().device;
    // The caller gives the node up after a panic, so a half changed one is never seen.
    match catch_unwind(AssertUnwindSafe(|| node.infer(job.inference, image, job.deadline))) {
        Ok(result) => result.map_err(|error| FleetError::Node { device, error }),
        Err(panic) => Err(FleetError::Panic { device, message: message(panic.as_ref()) }),
    }
}

/// What a panic says.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
