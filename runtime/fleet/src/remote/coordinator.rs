//! The one who has the bundle and the images: deploys to the nodes, streams inferences, and holds every report against the plan.
//!
//! All nodes that have something to do are called at the same time; the call of the image's device brings the image, the answer of the
//! last device brings the network's. A node that goes away ends its calls at once or, where it is only silent, after a second and a
//! half; the other nodes are then told to stop waiting for it, so that a lost node costs one inference and no deadline.

use super::RemoteError;
use super::clock::{Clock, Exchange};
use super::keys::{Keys, hex};
use super::protocol::{
    self, Done, Job, MAX_HEAD, MAX_PART, Offer, PIECE_BYTES, Piece, Refusal, RefusalKind, RunCall, Signed, Status, Told,
};
use crate::promise::Promise;
use crate::worker::message;
use crate::{Answer, DeviceReport, FleetError};
use cnasc_bundle::{Bundle, BundleError, Part, layout};
use cnasc_ir::{DeviceId, Shape};
use cnasc_node::Outcome;
use cnasc_transport::inbox::KEPT_INFERENCES;
use cnasc_transport::net::{COORDINATOR, MAX_MESSAGE, Net, NetError, Pending};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long an inference may take where nothing else is said.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long a deployment may take beyond that: parts are sent and compiled.
const DEPLOYING: Duration = Duration::from_secs(120);

/// Within so long a node that is gone is noted to be.
const NOTICING: Duration = Duration::from_secs(2);

/// How often is looked whether a node that need not be waited for first has failed.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How many inferences may be under way at once: so many tensors of others a node keeps until their turn comes.
pub const MAX_IN_FLIGHT: usize = KEPT_INFERENCES;

/// Exchanges by which a node's clock is told, of which the shortest counts.
const LOOKS_AT_THE_CLOCK: usize = 5;

/// The coordinator of a fleet.
pub struct Coordinator {
    keys: Keys,
    net: Net,
    patience: Duration,
    last_run: u64,
    deployed: Option<Deployed>,
    epoch: Instant,
    /// Of each node that was ever deployed to.
    clocks: BTreeMap<String, Clock>,
}

/// A bundle that is ready on its nodes.
struct Deployed {
    run: u64,
    /// The nodes that are its devices, in the order of their ids.
    members: Vec<String>,
    promises: Vec<Promise>,
    /// Devices that have something to do; the one that gives the answer first.
    busy: Vec<DeviceId>,
    image_device: DeviceId,
    /// The image's shape.
    input: Shape,
    next: u64,
}

/// A call on its way.
struct Called {
    device: DeviceId,
    sent: Instant,
    pending: Pending,
}

/// What a node did, the values of the network's answer where it made that, and when it was known.
type Ended = (Done, Vec<f32>, Instant);

/// An inference that was begun.
pub struct InFlight {
    run: u64,
    began: Instant,
    /// Those that have no answer yet; the one for the network's answer first.
    calls: Vec<Called>,
    outcomes: Vec<Option<Outcome>>,
    causes: Vec<RemoteError>,
    /// From the beginning until the network's answer was there.
    seconds: f64,
}

impl InFlight {
    /// When it was begun.
    #[must_use]
    pub fn began(&self) -> Instant {
        self.began
    }
}

impl Coordinator {
    /// Joins the fleet whose keys are in `folder`; nodes are called at `connect`, or at the addresses that the fleet knows.
    ///
    /// # Errors
    /// Where the keys are missing, or the network is.
    pub fn join(folder: &Path, connect: &[String], patience: Duration) -> Result<Self, RemoteError> {
        let keys = Keys::load(folder, COORDINATOR)?;
        let net = Net::join(&keys.settings(&[], connect))?;
        let (epoch, clocks) = (Instant::now(), BTreeMap::new());
        Ok(Self { keys, net, patience, last_run: 0, deployed: None, epoch, clocks })
    }

    /// The names of the fleet's nodes.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        self.keys.members.nodes.iter().map(|node| node.name.clone()).collect()
    }

    /// Those of them that are there, in their order.
    #[must_use]
    pub fn here(&self) -> Vec<String> {
        let here = self.net.here();
        self.nodes().into_iter().filter(|node| here.contains(node)).collect()
    }

    /// Waits until all of `nodes` are there, the patience at most; gives those that are not.
    #[must_use]
    pub fn wait_for(&self, nodes: &[String]) -> Vec<String> {
        self.net.wait_for(nodes, self.patience)
    }

    /// Waits until a node whose calls have ended is noted to be gone, or has shown for two seconds that it is not.
    pub fn wait_gone(&self, node: &str) {
        self.net.wait_gone(node, NOTICING);
    }

    /// How a node is.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn status(&self, node: &str) -> Result<Status, RemoteError> {
        let pending = self.net.call(node, "status", Vec::new(), self.patience)?;
        result(node, pending.wait(MAX_HEAD))
    }

    /// Makes `bundle` ready on `members`, the nodes that are its devices in the order of their ids. Nodes that have a part already are
    /// not sent it again.
    ///
    /// # Errors
    /// Where a node is not there, refuses its part, or can't compile it in time. Nothing is deployed then.
    pub fn deploy(&mut self, bundle: &Bundle, members: &[String]) -> Result<(), RemoteError> {
        self.deploy_within(bundle, members, self.patience)
    }

    /// The same on nodes that were just seen: one that is missing now is not waited for.
    pub(super) fn deploy_at_once(&mut self, bundle: &Bundle, members: &[String]) -> Result<(), RemoteError> {
        self.deploy_within(bundle, members, Duration::ZERO)
    }

    fn deploy_within(&mut self, bundle: &Bundle, members: &[String], patience: Duration) -> Result<(), RemoteError> {
        bundle.verify()?;
        let devices = bundle.fleet.devices.len();
        if members.len() != devices {
            return Err(FleetError::Endpoints { wanted: devices, found: members.len() }.into());
        }
        self.stop();
        let shares = bundle.shares();
        let promises: Vec<Promise> = shares.iter().map(|share| Promise::of(bundle, share)).collect();
        let busy = shares.iter().filter(|share| !Promise::is_idle(share)).map(|share| share.device);
        let mut busy: Vec<DeviceId> = busy.collect();
        busy.sort_by_key(|device| !promises[device.index()].gives_answer());
        let wanted: Vec<String> = busy.iter().map(|device| members[device.index()].clone()).collect();
        let missing = self.net.wait_for(&wanted, patience);
        if !missing.is_empty() {
            return Err(RemoteError::Missing(missing));
        }
        let run = self.number();
        let deployed = Deployed {
            run,
            members: members.to_vec(),
            promises,
            busy,
            image_device: bundle.plan.device_of[0],
            input: bundle.input(),
            next: 0,
        };
        let sent = self.send_parts(bundle, &deployed);
        self.deployed = Some(deployed);
        let ready = sent.and_then(|()| wanted.iter().try_for_each(|node| self.look_at_clock(node)));
        ready.inspect_err(|_| self.stop())
    }

    fn look_at_clock(&mut self, node: &str) -> Result<(), RemoteError> {
        for _ in 0..LOOKS_AT_THE_CLOCK {
            let sent = Instant::now();
            let (told, came): (Told, Instant) = self.call_timed(node, "clock", Vec::new())?;
            self.note_time(node, &told.exchange(sent, came));
        }
        Ok(())
    }

    /// The node's clock after one more exchange.
    fn note_time(&mut self, node: &str, exchange: &Exchange) -> Clock {
        let clock = self.clocks.get(node).map_or_else(|| Clock::of(self.epoch, exchange), |clock| clock.with(exchange));
        self.clocks.insert(node.to_owned(), clock);
        clock
    }

    /// A node's clock as it is known from deployments and inferences.
    #[must_use]
    pub fn clock(&self, node: &str) -> Option<&Clock> {
        self.clocks.get(node)
    }

    /// Greater than all before, also those of other coordinators that ended before this one began.
    fn number(&mut self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX);
        self.last_run = now.max(self.last_run + 1);
        self.last_run
    }

    /// To all nodes at the same time.
    fn send_parts(&self, bundle: &Bundle, deployed: &Deployed) -> Result<(), RemoteError> {
        std::thread::scope(|scope| {
            let send = |&device: &DeviceId| (device, scope.spawn(move || self.send_part(bundle, deployed, device)));
            let sending: Vec<_> = deployed.busy.iter().map(send).collect();
            let ended = sending.into_iter().map(|(device, thread)| -> Result<(), RemoteError> {
                let panicked = |panic: Box<dyn std::any::Any + Send>| {
                    Err(FleetError::Panic { device, message: message(panic.as_ref()) }.into())
                };
                thread.join().unwrap_or_else(panicked)
            });
            // One that is not there makes others fail, who can't reach it.
            let errors: Vec<RemoteError> = ended.filter_map(Result::err).collect();
            errors.into_iter().min_by_key(|error| !error.is_absence()).map_or(Ok(()), Err)
        })
    }

    fn send_part(&self, bundle: &Bundle, deployed: &Deployed, device: DeviceId) -> Result<(), RemoteError> {
        let node = &deployed.members[device.index()];
        let file = Part::of(bundle, device)?.write();
        if file.len() as u64 > MAX_PART {
            let problem = format!("the part of device {} has {} bytes, nodes take {MAX_PART}", device.0, file.len());
            return Err(BundleError::Unfit(problem).into());
        }
        let offer = Offer {
            fleet: self.keys.members.fleet.clone(),
            node: node.clone(),
            run: deployed.run,
            network: bundle.name.clone(),
            part: hex(&Sha256::digest(&file)),
            bytes: file.len() as u64,
            members: deployed.members.clone(),
        };
        let offer = serde_json::to_string(&offer).expect("names and numbers always serialise");
        let signature = self.keys.sign(offer.as_bytes())?;
        let has: bool = self.call(node, "offer", protocol::write(&Signed { offer, signature }))?;
        if !has {
            for (index, bytes) in file.chunks(PIECE_BYTES).enumerate() {
                let piece = Piece { run: deployed.run, at: (index * PIECE_BYTES) as u64, bytes };
                let _: u64 = self.call(node, "part", piece.write())?;
            }
        }
        let start = RunCall { run: deployed.run, patience_ms: self.patience_ms() };
        self.call(node, "start", protocol::write(&start))
    }

    fn patience_ms(&self) -> u64 {
        u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX)
    }

    fn call<T: serde::de::DeserializeOwned>(&self, node: &str, verb: &str, bytes: Vec<u8>) -> Result<T, RemoteError> {
        self.call_timed(node, verb, bytes).map(|(answer, _)| answer)
    }

    /// An answer, and when it came.
    fn call_timed<T: serde::de::DeserializeOwned>(
        &self,
        node: &str,
        verb: &str,
        bytes: Vec<u8>,
    ) -> Result<(T, Instant), RemoteError> {
        let pending = self.net.call(node, verb, bytes, self.patience + DEPLOYING)?;
        // One that goes away without a word is noticed by its silence.
        loop {
            match pending.poll(MAX_HEAD, LOOK_AGAIN) {
                Some(answer) => {
                    let came = answer.as_ref().map_or_else(|_| Instant::now(), |answer| answer.came);
                    return Ok((result(node, answer.map(|answer| answer.bytes))?, came));
                }
                None if !self.net.here().contains(node) => return Err(RemoteError::Lost(node.to_owned())),
                None => {}
            }
        }
    }

    /// Ends what is deployed: nodes forget it once they are told.
    pub fn stop(&mut self) {
        let Some(deployed) = self.deployed.take() else { return };
        let stop = protocol::write(&RunCall { run: deployed.run, patience_ms: 0 });
        let nodes = deployed.busy.iter().map(|device| &deployed.members[device.index()]);
        let here = self.net.here();
        let told = nodes.filter(|node| here.contains(*node));
        let told: Vec<_> =
            told.filter_map(|node| self.net.call(node, "stop", stop.clone(), LOOK_AGAIN * 25).ok()).collect();
        // A node that does not answer has nothing to stop, or stops at its deadline.
        told.iter().for_each(|pending| drop(pending.wait(MAX_HEAD)));
    }

    /// The answer for `image`, the input tensor in blocked order ([`Bundle::prepare`]). After [`RemoteError::Lost`] nothing is deployed
    /// any more; after other errors the nodes are ready for the next image.
    ///
    /// # Errors
    /// Where nothing is deployed, the image has the wrong size, a node goes away, refuses or is late, or did not do what the plan says.
    pub fn infer(&mut self, image: &[f32]) -> Result<Answer, RemoteError> {
        let flight = self.begin(image)?;
        self.finish(flight)
    }

    /// Hands an image to the nodes without waiting for the answer. At most [`MAX_IN_FLIGHT`] may be under way at once, and they must be
    /// [finished](Self::finish) in the order in which they were begun.
    ///
    /// # Errors
    /// As [`infer`](Self::infer).
    pub fn begin(&mut self, image: &[f32]) -> Result<InFlight, RemoteError> {
        let deployed = self.deployed.as_mut().ok_or_else(nothing_deployed)?;
        let wanted = layout::len(deployed.input);
        if image.len() != wanted {
            return Err(FleetError::Image { wanted, found: image.len() }.into());
        }
        let inference = deployed.next;
        deployed.next += 1;
        let run = deployed.run;
        let outcomes = vec![None; deployed.members.len()];
        let began = Instant::now();
        let calls = self.send_jobs(inference, image).inspect_err(|_| self.stop())?;
        Ok(InFlight { run, began, calls, outcomes, causes: Vec::new(), seconds: 0.0 })
    }

    fn send_jobs(&self, inference: u64, image: &[f32]) -> Result<Vec<Called>, RemoteError> {
        let deployed = self.deployed.as_ref().ok_or_else(nothing_deployed)?;
        // In plain order, because the blocked one fills three channels up to sixteen.
        let mut plain = vec![0.0; deployed.input.elements() as usize];
        layout::to_plain(deployed.input, image, &mut plain);
        let call = |&device: &DeviceId| -> Result<Called, RemoteError> {
            let image = if device == deployed.image_device { &plain[..] } else { &[] };
            let job = Job::write(deployed.run, inference, self.patience, image);
            let node = &deployed.members[device.index()];
            let sent = Instant::now();
            // A node ends at its own deadline and says why; it is given a moment to do so.
            let pending = self.net.call(node, "infer", job, self.patience + LOOK_AGAIN * 10)?;
            Ok(Called { device, sent, pending })
        };
        deployed.busy.iter().map(call).collect()
    }

    /// The answer of an inference that was begun.
    ///
    /// # Errors
    /// As [`infer`](Self::infer); also where another bundle was deployed since.
    pub fn finish(&mut self, mut flight: InFlight) -> Result<Answer, RemoteError> {
        let result = self.wait_for_all(&mut flight);
        if result.as_ref().is_err_and(RemoteError::is_absence) {
            self.stop();
        }
        result?;
        if let Some(cause) = flight.causes.into_iter().min_by_key(remoteness) {
            return Err(cause);
        }
        let deployed = self.deployed.as_ref().ok_or_else(nothing_deployed)?;
        let InFlight { outcomes, began, seconds, .. } = flight;
        let reports = deployed.promises.iter().zip(&outcomes);
        let devices: Vec<DeviceReport> =
            reports.map(|(promise, outcome)| promise.report(outcome.as_ref(), began)).collect::<Result<_, _>>()?;
        let output = outcomes.into_iter().flatten().find_map(|outcome| outcome.answer);
        Ok(Answer { output: output.expect("the reports agree with the plan, which has one answer"), seconds, devices })
    }

    /// Until every node has answered, whether well or not, or one is gone.
    fn wait_for_all(&mut self, flight: &mut InFlight) -> Result<(), RemoteError> {
        while let Some(first) = flight.calls.first().map(|call| call.device) {
            if self.deployed.as_ref().is_none_or(|deployed| deployed.run != flight.run) {
                return Err(nothing_deployed());
            }
            for call in std::mem::take(&mut flight.calls) {
                let waits = if call.device == first { LOOK_AGAIN } else { Duration::ZERO };
                let (device, sent) = (call.device, call.sent);
                match self.look(&call, waits) {
                    None => flight.calls.push(call),
                    Some(Ok((done, values, came))) => self.note_done(flight, device, (sent, came), done, values),
                    Some(Err(error)) if error.is_absence() => return Err(error),
                    Some(Err(error)) => flight.causes.push(error),
                }
            }
        }
        Ok(())
    }

    fn note_done(
        &mut self,
        flight: &mut InFlight,
        device: DeviceId,
        (sent, came): (Instant, Instant),
        done: Done,
        values: Vec<f32>,
    ) {
        let Some(deployed) = &self.deployed else { return };
        if deployed.promises[device.index()].gives_answer() {
            flight.seconds = came.saturating_duration_since(flight.began).as_secs_f64();
        }
        let node = deployed.members[device.index()].clone();
        let exchange = done.told.exchange(sent, came);
        let began = self.note_time(&node, &exchange).here(done.began, &exchange);
        flight.outcomes[device.index()] = Some(done.outcome(values, began));
    }

    /// What a call has come to, and when, if to anything within `patience`.
    fn look(&self, call: &Called, patience: Duration) -> Option<Result<Ended, RemoteError>> {
        let deployed = self.deployed.as_ref()?;
        let node = &deployed.members[call.device.index()];
        match call.pending.poll(MAX_MESSAGE, patience) {
            Some(Ok(answer)) => {
                let done = protocol::read_done(&answer.bytes).map(|(done, values)| (done, values, answer.came));
                Some(done.map_err(|refusal| RemoteError::Refused { node: node.clone(), refusal }))
            }
            Some(Err(error)) => Some(Err(net_error(node, error))),
            None if !self.net.here().contains(node) => Some(Err(RemoteError::Lost(node.clone()))),
            None => None,
        }
    }
}

fn nothing_deployed() -> RemoteError {
    RemoteError::Missing(vec!["a deployment".to_owned()])
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The nodes that are the devices of `bundle`: those of the same names, or else the first ones in their order.
///
/// # Errors
/// Where the fleet has fewer nodes than the bundle has devices.
pub fn assign(bundle: &Bundle, nodes: &[String]) -> Result<Vec<String>, RemoteError> {
    let devices = &bundle.fleet.devices;
    if devices.iter().all(|device| nodes.contains(&device.name)) {
        return Ok(devices.iter().map(|device| device.name.clone()).collect());
    }
    if devices.len() > nodes.len() {
        let message = format!("the bundle is for {} devices, the fleet has {} nodes", devices.len(), nodes.len());
        return Err(BundleError::Unfit(message).into());
    }
    Ok(nodes[..devices.len()].to_vec())
}

/// Where several nodes fail, one is usually the cause and the others waited for it.
fn remoteness(error: &RemoteError) -> u8 {
    match error {
        RemoteError::Refused { refusal, .. } if refusal.kind != RefusalKind::Inference => 0,
        // The transport's words for what others cause.
        RemoteError::Refused { refusal: Refusal { message, .. }, .. } if message.contains("gave up") => 4,
        RemoteError::Refused { refusal: Refusal { message, .. }, .. } if message.contains("deadline") => 2,
        RemoteError::Late(_) => 3,
        _ => 1,
    }
}

fn net_error(node: &str, error: NetError) -> RemoteError {
    match error {
        NetError::Absent(_) => RemoteError::Lost(node.to_owned()),
        NetError::Deadline(_) => RemoteError::Late(node.to_owned()),
        other => other.into(),
    }
}

/// What a node answered.
fn result<T: serde::de::DeserializeOwned>(node: &str, answer: Result<Vec<u8>, NetError>) -> Result<T, RemoteError> {
    let bytes = answer.map_err(|error| net_error(node, error))?;
    let refused = |refusal| RemoteError::Refused { node: node.to_owned(), refusal };
    protocol::read::<Result<T, Refusal>>(&bytes).map_err(refused)?.map_err(refused)
}
