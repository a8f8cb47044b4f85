//! The one who has the bundle and the images: deploys to the nodes, streams inferences, and holds every report against the plan.
//!
//! All nodes that have something to do are called at the same time; the call of the image's device brings the image, the answer of the
//! last device brings the network's. A node that goes away ends its calls at once or, where it is only silent, after a second and a
//! half; the other nodes are then told to stop waiting for it, so that a lost node costs one inference and no deadline.

use super::RemoteError;
use super::keys::{Keys, hex};
use super::protocol::{
    self, Job, MAX_HEAD, MAX_PART, Offer, PIECE_BYTES, Piece, Refusal, RefusalKind, RunCall, Signed, Status,
};
use crate::promise::Promise;
use crate::worker::message;
use crate::{Answer, DeviceReport, FleetError};
use cnasc_bundle::{Bundle, BundleError, Part, layout};
use cnasc_ir::DeviceId;
use cnasc_node::Outcome;
use cnasc_transport::net::{COORDINATOR, MAX_MESSAGE, Net, NetError, Pending};
use sha2::{Digest, Sha256};
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

/// The coordinator of a fleet.
pub struct Coordinator {
    keys: Keys,
    net: Net,
    patience: Duration,
    last_run: u64,
    deployed: Option<Deployed>,
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
    /// Floats of the image in blocked order.
    image_len: usize,
    next: u64,
}

/// A call on its way.
struct Called {
    device: DeviceId,
    sent: Instant,
    pending: Pending,
}

impl Coordinator {
    /// Joins the fleet whose keys are in `folder`; nodes are called at `connect`, or at the addresses that the fleet knows.
    ///
    /// # Errors
    /// Where the keys are missing, or the network is.
    pub fn join(folder: &Path, connect: &[String], patience: Duration) -> Result<Self, RemoteError> {
        let keys = Keys::load(folder, COORDINATOR)?;
        let net = Net::join(&keys.settings(&[], connect))?;
        Ok(Self { keys, net, patience, last_run: 0, deployed: None })
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
            image_len: layout::len(bundle.input()),
            next: 0,
        };
        let sent = self.send_parts(bundle, &deployed);
        self.deployed = Some(deployed);
        sent.inspect_err(|_| self.stop())
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
        let pending = self.net.call(node, verb, bytes, self.patience + DEPLOYING)?;
        // One that goes away without a word is noticed by its silence.
        loop {
            match pending.poll(MAX_HEAD, LOOK_AGAIN) {
                Some(answer) => return result(node, answer),
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
        let deployed = self.deployed.as_mut().ok_or_else(|| RemoteError::Missing(vec!["a deployment".to_owned()]))?;
        if image.len() != deployed.image_len {
            return Err(FleetError::Image { wanted: deployed.image_len, found: image.len() }.into());
        }
        let inference = deployed.next;
        deployed.next += 1;
        let began = Instant::now();
        let result = self.ask(inference, image, began);
        if result.as_ref().is_err_and(RemoteError::is_absence) {
            self.stop();
        }
        result
    }

    fn ask(&self, inference: u64, image: &[f32], began: Instant) -> Result<Answer, RemoteError> {
        let deployed = self.deployed.as_ref().expect("the caller has looked");
        let mut called = Vec::with_capacity(deployed.busy.len());
        for &device in &deployed.busy {
            let image = if device == deployed.image_device { image } else { &[] };
            let job = Job::write(deployed.run, inference, self.patience, image);
            let node = &deployed.members[device.index()];
            // A node ends at its own deadline and says why; it is given a moment to do so.
            let pending = self.net.call(node, "infer", job, self.patience + LOOK_AGAIN * 10)?;
            called.push(Called { device, sent: Instant::now(), pending });
        }
        let mut outcomes: Vec<Option<Outcome>> = vec![None; deployed.members.len()];
        let mut causes = Vec::new();
        let mut seconds = 0.0;
        while let Some(first) = called.first().map(|called| called.device) {
            let mut still = Vec::with_capacity(called.len());
            for call in called {
                let waits = if call.device == first { LOOK_AGAIN } else { Duration::ZERO };
                match self.look(deployed, &call, waits) {
                    None => still.push(call),
                    Some(Ok(outcome)) => {
                        if deployed.promises[call.device.index()].gives_answer() {
                            seconds = began.elapsed().as_secs_f64();
                        }
                        outcomes[call.device.index()] = Some(outcome);
                    }
                    Some(Err(error)) if error.is_absence() => return Err(error),
                    Some(Err(error)) => causes.push(error),
                }
            }
            called = still;
        }
        if let Some(cause) = causes.into_iter().min_by_key(remoteness) {
            return Err(cause);
        }
        let reports = deployed.promises.iter().zip(&outcomes);
        let devices: Vec<DeviceReport> =
            reports.map(|(promise, outcome)| promise.report(outcome.as_ref(), began)).collect::<Result<_, _>>()?;
        let output = outcomes.into_iter().flatten().find_map(|outcome| outcome.answer);
        Ok(Answer { output: output.expect("the reports agree with the plan, which has one answer"), seconds, devices })
    }

    /// What a call has come to, if to anything within `patience`.
    fn look(&self, deployed: &Deployed, call: &Called, patience: Duration) -> Option<Result<Outcome, RemoteError>> {
        let node = &deployed.members[call.device.index()];
        match call.pending.poll(MAX_MESSAGE, patience) {
            Some(Ok(bytes)) => {
                let outcome = protocol::read_done(&bytes, call.sent, Instant::now());
                Some(outcome.map_err(|refusal| RemoteError::Refused { node: node.clone(), refusal }))
            }
            Some(Err(error)) => Some(Err(net_error(node, error))),
            None if !self.net.here().contains(node) => Some(Err(RemoteError::Lost(node.clone()))),
            None => None,
        }
    }
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
