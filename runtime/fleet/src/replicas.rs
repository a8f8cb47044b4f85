//! Data parallelism: several devices that each hold the whole network, and images dealt to them.
//!
//! Each image is computed on one device from beginning to end, so that more devices give more answers a second and none sooner.
//! Which image goes where is decided before any is begun, from what the plan says that each device takes for one: the next image goes to
//! the device that would end it first.

use crate::local::Local;
use crate::worker::message;
use crate::{Answer, FleetError};
use cnasc_bundle::Bundle;
use cnasc_ir::DeviceId;
use cnasc_ir::plan::Replica;
use std::time::{Duration, Instant};

/// The running devices of a plan with replicas. Dropping them stops their threads.
pub struct Replicas {
    devices: Vec<(Replica, Local)>,
}

/// What came of several images.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// One an image, in their order; each has the report of the one device that computed it.
    pub answers: Vec<Answer>,
    /// Seconds from handing over the first image to having all answers.
    pub seconds: f64,
}

impl Batch {
    /// Images a second.
    #[must_use]
    pub fn throughput(&self) -> f64 {
        self.answers.len() as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }
}

impl Replicas {
    /// Compiles the whole network for each replica of the bundle's plan.
    ///
    /// # Errors
    /// Where the plan has none ([`FleetError::NoReplicas`]), or one can't be compiled or started.
    pub fn start(bundle: &Bundle) -> Result<Self, FleetError> {
        Self::start_within(bundle, usize::MAX)
    }

    /// The same on so many cores, which the replicas share as devices do ([`Local::start_within`]).
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_within(bundle: &Bundle, cores: usize) -> Result<Self, FleetError> {
        bundle.verify()?;
        if bundle.plan.replicas.is_empty() {
            return Err(FleetError::NoReplicas);
        }
        let each = cores / bundle.plan.replicas.len();
        let start = |&replica: &Replica| Ok((replica, Local::start_within(&bundle.alone_on(replica.device)?, each)?));
        let devices = bundle.plan.replicas.iter().map(start).collect::<Result<_, FleetError>>()?;
        Ok(Self { devices })
    }

    /// How long one image may take before it is given up ([`Local::set_patience`]).
    pub fn set_patience(&mut self, patience: Duration) {
        self.devices.iter_mut().for_each(|(_, local)| local.set_patience(patience));
    }

    /// The answers for `images`, input tensors in blocked order ([`Bundle::prepare`]), all devices computing at once.
    ///
    /// # Errors
    /// The first that a device meets; it takes no further image then, and the other devices end theirs.
    pub fn infer(&mut self, images: &[Vec<f32>]) -> Result<Batch, FleetError> {
        let latencies: Vec<f64> = self.devices.iter().map(|(replica, _)| replica.latency).collect();
        let dealt = deal(images.len(), &latencies);
        let began = Instant::now();
        let results: Vec<Result<Vec<(usize, Answer)>, FleetError>> = std::thread::scope(|scope| {
            let busy = self.devices.iter_mut().zip(dealt).filter(|(_, share)| !share.is_empty());
            let running: Vec<_> = busy
                .map(|((replica, local), share)| {
                    let device = replica.device;
                    (device, scope.spawn(move || compute(device, local, images, share)))
                })
                .collect();
            let ended = running.into_iter().map(|(device, thread)| match thread.join() {
                Ok(result) => result,
                Err(panic) => Err(FleetError::Panic { device, message: message(panic.as_ref()) }),
            });
            ended.collect()
        });
        let seconds = began.elapsed().as_secs_f64();
        let mut answers: Vec<(usize, Answer)> = Vec::with_capacity(images.len());
        for result in results {
            answers.extend(result?);
        }
        answers.sort_by_key(|(image, _)| *image);
        Ok(Batch { answers: answers.into_iter().map(|(_, answer)| answer).collect(), seconds })
    }
}

/// The answers of one device, under its own number: alone, it was the only one.
fn compute(
    device: DeviceId,
    local: &mut Local,
    images: &[Vec<f32>],
    share: Vec<usize>,
) -> Result<Vec<(usize, Answer)>, FleetError> {
    let of = |image: usize| {
        let mut answer = local.infer(&images[image]).map_err(|error| error.on(device))?;
        answer.devices.iter_mut().for_each(|report| report.device = device);
        Ok((image, answer))
    };
    share.into_iter().map(of).collect()
}

/// For each device the images that it takes, ascending: each image goes where it would end first, of equals to the first.
fn deal(images: usize, latencies: &[f64]) -> Vec<Vec<usize>> {
    let mut dealt = vec![Vec::new(); latencies.len()];
    for image in 0..images {
        let ends = dealt.iter().zip(latencies).map(|(share, latency)| (share.len() + 1) as f64 * latency);
        if let Some((device, _)) = ends.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)) {
            dealt[device].push(image);
        }
    }
    dealt
}

#[cfg(test)]
mod tests;
