//! A node's service: joins its fleet, takes what the fleet's key has signed, compiles its share, executes it for the coordinator.
//!
//! Calls come on zenoh's threads and wait in a queue of bounded length. One thread goes through them and never computes; a deployment
//! has a thread of its own, which compiles its share and then does one inference after the other; answers leave through a third one. A
//! new deployment ends the one before.

use super::RemoteError;
use super::cache::{Cache, Upload};
use super::keys::{Keys, unhex};
use super::metrics::{self, Metrics};
use super::protocol::{
    self, Job, MAX_HEAD, MAX_PART, MAX_PIECE, Offer, Piece, Refusal, RefusalKind, RunCall, Signed, Status, Told,
};
use crate::FleetError;
use crate::promise::Promise;
use crate::worker::{self, guarded, message};
use cnasc_bundle::{Action, Part, image};
use cnasc_ir::DeviceId;
use cnasc_node::{Node, NodeError};
use cnasc_transport::TransportError;
use cnasc_transport::net::endpoint::{Links, Stopper};
use cnasc_transport::net::{Call, MAX_MESSAGE, Net, Networked};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::time::{Duration, Instant};

/// Calls that may wait. One more gets no answer, which its caller sees at once.
const WAITING: usize = 64;

/// How long a node that is ready waits for those it sends to: the coordinator has seen them, so they are about to connect.
const REACHING: Duration = Duration::from_secs(3);

/// What `cnasc node` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct NodeArgs {
    /// This node's name in its fleet.
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// The folder that `cnasc fleet init` made, or this node's own of it.
    #[arg(long, value_name = "DIR")]
    pub keys: PathBuf,
    /// Where to listen, instead of the address that the fleet knows: `0.0.0.0:7447`.
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Vec<String>,
    /// Where other nodes listen, instead of the addresses that the fleet knows.
    #[arg(long, value_name = "HOST:PORT")]
    pub connect: Vec<String>,
    /// Where parts of bundles are kept; the folder `parts` beside the keys where absent.
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Where to serve what it has done to Prometheus, over plain HTTP: `127.0.0.1:9090`.
    #[arg(long, value_name = "IP:PORT")]
    pub metrics: Option<SocketAddr>,
    /// Computes as if its core were so many times slower, to try out what a slow device does.
    #[arg(long, value_name = "TIMES", default_value_t = 1.0, value_parser = times)]
    pub slowed: f64,
    /// Ends when standard input does, as when whoever started the node is gone.
    #[arg(long, hide = true)]
    pub with_parent: bool,
}

fn times(text: &str) -> Result<f64, String> {
    let times = text.parse().ok().filter(|times| (1.0..=10_000.0).contains(times));
    times.ok_or_else(|| "a node can be 1 to 10000 times slower".to_owned())
}

/// Runs a node for good. `log` is told what happens, a line at a time; the first says that it has joined.
///
/// # Errors
/// Where it can't join, or there is no place for parts.
pub fn serve(args: &NodeArgs, log: &mut dyn FnMut(&str)) -> Result<(), RemoteError> {
    if args.with_parent {
        super::testbed::end_with_parent()
            .map_err(|error| RemoteError::Keys(format!("can't start a thread: {error}")))?;
    }
    if args.slowed > 1.0 {
        // Rests are shorter than what the system lets a thread oversleep; where it can't be told, they are made up for in the next one.
        // Threads started from here take it over.
        let _ = std::fs::write("/proc/self/timerslack_ns", "1");
    }
    let keys = Keys::load(&args.keys, &args.name)?;
    let folder = args.cache.clone().unwrap_or_else(|| keys.folder().join("parts"));
    let cache = Cache::open(folder.clone())
        .map_err(|error| RemoteError::Keys(format!("can't use `{}` for parts: {error}", folder.display())))?;
    let settings = keys.settings(&args.listen, &args.connect);
    let listening = settings.listen.join(", ");
    let metrics = Arc::new(Metrics::default());
    let served = args.metrics.map(|address| metrics::serve(Arc::clone(&metrics), address)).transpose();
    let served = served.map_err(|error| RemoteError::System(format!("can't serve metrics: {error}")))?;
    let net = Net::join(&settings)?;
    let (calls, arriving) = sync_channel(WAITING);
    net.serve(move |call| {
        // Dropping a call tells the caller that nobody answers.
        let _: Result<(), TrySendError<_>> = calls.try_send((Instant::now(), call));
    })?;
    net.announce()?;
    log(&format!("node `{}` of fleet `{}` listens at {listening}", keys.name(), keys.members.fleet));
    if let Some(address) = served {
        log(&format!("metrics at http://{address}/metrics"));
    }
    let mut server = Server {
        keys,
        net,
        cache,
        replies: replier()?,
        last_run: 0,
        coming: None,
        running: None,
        zero: Instant::now(),
        slowed: args.slowed,
        metrics,
    };
    for (arrived, call) in arriving {
        server.handle(arrived, call, log);
    }
    Ok(())
}

/// Starts the thread that sends answers, so that no other one waits for the network.
fn replier() -> Result<Sender<(Call, Vec<u8>)>, RemoteError> {
    let (replies, leaving) = channel::<(Call, Vec<u8>)>();
    let thread = std::thread::Builder::new().name("replies".to_owned());
    let started = thread.spawn(move || {
        for (call, answer) in leaving {
            // Whoever called may be gone by now.
            let _ = call.reply(answer);
        }
    });
    started.map_err(|error| RemoteError::Keys(format!("can't start a thread: {error}")))?;
    Ok(replies)
}

struct Server {
    keys: Keys,
    net: Net,
    cache: Cache,
    replies: Sender<(Call, Vec<u8>)>,
    /// The greatest number of a deployment so far.
    last_run: u64,
    /// What was offered last, and its file while it comes.
    coming: Option<(Offer, Option<Upload>)>,
    running: Option<Running>,
    /// Where the node's clock begins.
    zero: Instant,
    /// How many times slower than its core it is to be.
    slowed: f64,
    metrics: Arc<Metrics>,
}

/// The deployment whose thread is there.
struct Running {
    run: u64,
    network: String,
    stopper: Stopper,
    jobs: SyncSender<Task>,
}

/// An inference for a deployment's thread.
struct Task {
    job: Job,
    arrived: Instant,
    call: Call,
}

impl Server {
    fn handle(&mut self, arrived: Instant, call: Call, log: &mut dyn FnMut(&str)) {
        let answer = match call.verb() {
            "offer" => self.offer(&call).map(|has| protocol::write(&Ok::<bool, Refusal>(has))),
            "part" => self.piece(&call).map(|length| protocol::write(&Ok::<u64, Refusal>(length))),
            "start" => return self.start(call, log),
            "infer" => return self.infer(arrived, call),
            "stop" => self.stop(&call).map(|()| protocol::write(&Ok::<(), Refusal>(()))),
            "status" => Ok(protocol::write(&Ok::<Status, Refusal>(self.status()))),
            "clock" => Ok(protocol::write(&Ok::<Told, Refusal>(Told::of(self.zero, arrived)))),
            _ => Err(refused(RefusalKind::Message, "there is no such call")),
        };
        if let Err(refusal) = &answer {
            self.metrics.refused.fetch_add(1, Ordering::Relaxed);
            log(&format!("refused: {}", refusal.message));
        }
        self.answer(call, answer);
    }

    fn answer(&self, call: Call, answer: Result<Vec<u8>, Refusal>) {
        let bytes = answer.unwrap_or_else(|refusal| protocol::write(&Err::<(), Refusal>(refusal)));
        // The thread lives as long as this.
        let _ = self.replies.send((call, bytes));
    }

    /// Takes an offer that the fleet's key signed for this node; gives whether its part is here.
    fn offer(&mut self, call: &Call) -> Result<bool, Refusal> {
        let offer = self.signed(&payload(call, MAX_HEAD)?)?;
        self.last_run = offer.run;
        let has = self.cache.has(&offer);
        let upload = if has { None } else { Some(self.cache.upload(&offer)?) };
        self.coming = Some((offer, upload));
        Ok(has)
    }

    /// The signature is looked at first: what is inside comes from nobody otherwise.
    fn signed(&self, bytes: &[u8]) -> Result<Offer, Refusal> {
        let signed: Signed = protocol::read(bytes)?;
        if !self.keys.is_signed(signed.offer.as_bytes(), &signed.signature) {
            return Err(refused(RefusalKind::Signature, "the bundle is not signed by the key of this fleet"));
        }
        let offer: Offer = protocol::read(signed.offer.as_bytes())?;
        let wrong = |message: &str| Err(refused(RefusalKind::Signature, message));
        if offer.fleet != self.keys.members.fleet || offer.node != self.keys.name() {
            return wrong("the bundle is signed for another node");
        }
        if offer.run <= self.last_run {
            return wrong("the offer is not newer than one before, as one that is sent again would be");
        }
        if offer.bytes > MAX_PART || unhex(&offer.part).is_none_or(|hash| hash.len() != 32) {
            return Err(refused(RefusalKind::Part, "the part is too large, or its hash is none"));
        }
        Ok(offer)
    }

    fn piece(&mut self, call: &Call) -> Result<u64, Refusal> {
        let bytes = payload(call, MAX_PIECE)?;
        let piece = Piece::read(&bytes)?;
        let upload = self.coming.as_mut().and_then(|(_, upload)| upload.as_mut());
        let upload = upload.filter(|upload| upload.run() == piece.run);
        let upload = upload.ok_or_else(|| refused(RefusalKind::Run, "no part of that deployment is awaited"))?;
        upload.take(&self.cache, piece.at, piece.bytes)
    }

    /// Starts the thread of a deployment, which answers once it is ready.
    fn start(&mut self, call: Call, log: &mut dyn FnMut(&str)) {
        match self.prepare(&call) {
            Err(refusal) => {
                self.metrics.refused.fetch_add(1, Ordering::Relaxed);
                log(&format!("refused: {}", refusal.message));
                self.answer(call, Err(refusal));
            }
            Ok((prepared, network, patience)) => {
                if let Some(before) = self.running.take() {
                    before.stopper.stop();
                }
                log(&format!("deployment {}: `{network}`", prepared.run));
                let (jobs, taken) = sync_channel(WAITING);
                let (run, stopper) = (prepared.run, prepared.endpoint.stopper());
                let (replies, metrics) = (self.replies.clone(), Arc::clone(&self.metrics));
                let given = Given { replies, metrics, zero: self.zero, slowed: self.slowed };
                let thread = std::thread::Builder::new().name(format!("run {run}"));
                let work = move || prepared.work(call, patience, &taken, &given);
                // Where there is no thread the call is dropped, which its caller sees at once.
                if thread.spawn(work).is_ok() {
                    self.running = Some(Running { run, network, stopper, jobs });
                }
            }
        }
    }

    fn prepare(&mut self, call: &Call) -> Result<(Prepared, String, Duration), Refusal> {
        let wanted: RunCall = protocol::read(&payload(call, MAX_HEAD)?)?;
        let offer = self.coming.as_ref().map(|(offer, _)| offer).filter(|offer| offer.run == wanted.run);
        let offer = offer.ok_or_else(|| refused(RefusalKind::Run, "that deployment was not offered"))?;
        let part =
            Part::read(&self.cache.read(offer)?).map_err(|error| Refusal::new(RefusalKind::Part, error.to_string()))?;
        let devices = part.bundle().fleet.devices.len();
        if devices != offer.members.len() {
            let message = format!("the bundle has {devices} devices, the offer {} members", offer.members.len());
            return Err(Refusal::new(RefusalKind::Part, message));
        }
        let endpoint = self.net.endpoint(offer.run, part.device(), &offer.members);
        let endpoint = endpoint.map_err(|error| Refusal::new(RefusalKind::Start, error.to_string()))?;
        let patience = Duration::from_millis(wanted.patience_ms.min(24 * 60 * 60 * 1000));
        Ok((Prepared { run: offer.run, part, endpoint }, offer.network.clone(), patience))
    }

    fn infer(&mut self, arrived: Instant, call: Call) {
        let job = payload(&call, MAX_MESSAGE).and_then(|bytes| Job::read(&bytes));
        let running = self.running.as_ref();
        let result = job.and_then(|job| {
            let running = running.filter(|running| running.run == job.run);
            running.map(|running| (running, job)).ok_or_else(|| {
                refused(
                    RefusalKind::Run,
                    "the node does not have that deployment: it was replaced, or the node started anew",
                )
            })
        });
        let (call, refusal) = match result {
            Err(refusal) => (call, refusal),
            Ok((running, job)) => match running.jobs.try_send(Task { job, arrived, call }) {
                Ok(()) => return,
                Err(TrySendError::Full(task)) => {
                    (task.call, refused(RefusalKind::Inference, "too many inferences wait"))
                }
                Err(TrySendError::Disconnected(task)) => {
                    (task.call, refused(RefusalKind::Run, "the deployment has stopped"))
                }
            },
        };
        self.metrics.refused.fetch_add(1, Ordering::Relaxed);
        let _ = self.replies.send((call, protocol::write_done(Err(refusal), self.zero, arrived)));
    }

    fn stop(&mut self, call: &Call) -> Result<(), Refusal> {
        let wanted: RunCall = protocol::read(&payload(call, MAX_HEAD)?)?;
        if let Some(running) = self.running.take_if(|running| running.run == wanted.run) {
            running.stopper.stop();
        }
        Ok(())
    }

    fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cpu: std::env::consts::ARCH.to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            run: self.running.as_ref().map(|running| running.run),
            network: self.running.as_ref().map(|running| running.network.clone()),
            inferences: self.metrics.inferences.load(Ordering::Relaxed),
            failed: self.metrics.failed.load(Ordering::Relaxed),
        }
    }
}

/// What a deployment's thread is given of its node.
struct Given {
    replies: Sender<(Call, Vec<u8>)>,
    metrics: Arc<Metrics>,
    zero: Instant,
    slowed: f64,
}

/// A deployment before it is compiled.
struct Prepared {
    run: u64,
    part: Part,
    endpoint: Networked,
}

impl Prepared {
    /// Compiles, answers, and then executes until nobody can ask for more.
    fn work(self, call: Call, patience: Duration, tasks: &Receiver<Task>, given: &Given) {
        let Given { replies, metrics, zero, slowed } = given;
        let input = self.part.bundle().input();
        let started = self.node(patience);
        let answer = started.as_ref().map(|_| ()).map_err(Clone::clone);
        let ready = if started.is_ok() { &metrics.deployments } else { &metrics.refused };
        ready.fetch_add(1, Ordering::Relaxed);
        let _ = replies.send((call, protocol::write(&answer)));
        let Ok(node) = started else { return };
        let mut node = node.slowed(*slowed);
        for Task { job, arrived, call } in tasks {
            // What does not fit stays as it came, and the node says so.
            let image = node.share().takes_image.then(|| image::block(input, &job.image).unwrap_or_default());
            let work = worker::Job { inference: job.inference, deadline: arrived + job.patience };
            let outcome = guarded(&mut node, work, image.as_deref());
            match &outcome {
                Ok(outcome) => metrics.done(&node.share().actions, outcome),
                Err(_) => metrics.failed(),
            }
            let panicked = matches!(outcome, Err(FleetError::Panic { .. }));
            let outcome = outcome.map_err(|error| Refusal::new(kind(&error), error.to_string()));
            let answer = protocol::write_done(outcome.as_ref().map_err(Clone::clone), *zero, arrived);
            // After a panic the node is in no known state.
            if replies.send((call, answer)).is_err() || panicked {
                return;
            }
        }
    }

    /// The compiled share, once all whom it sends to can be reached.
    fn node(self, patience: Duration) -> Result<Node, Refusal> {
        let deadline = Instant::now() + patience;
        let share = self.part.share();
        if Promise::is_idle(&share) {
            return Err(refused(RefusalKind::Start, "the plan gives this node nothing to do"));
        }
        let links: Links = self.endpoint.links(&receivers(&share.actions));
        let bundle = self.part.bundle();
        let endpoint = Box::new(self.endpoint);
        let compiling =
            AssertUnwindSafe(|| Node::new(&bundle.graph, &bundle.weights, share, bundle.fleet.transfer, endpoint));
        let failed = |problem: String| Refusal::new(RefusalKind::Start, problem);
        let node = match catch_unwind(compiling) {
            Ok(node) => node.map_err(|error| failed(error.to_string()))?,
            Err(panic) => return Err(failed(format!("compiling panicked: {}", message(panic.as_ref())))),
        };
        let missing = links.unreachable(REACHING.min(deadline.saturating_duration_since(Instant::now())));
        if missing.is_empty() {
            return Ok(node);
        }
        Err(Refusal { unreachable: missing.clone(), ..failed(format!("can't reach {}", missing.join(", "))) })
    }
}

/// What failed in an inference.
fn kind(error: &FleetError) -> RefusalKind {
    match error {
        FleetError::Node { error: NodeError::Transport(TransportError::Closed { .. }), .. } => RefusalKind::Link,
        _ => RefusalKind::Inference,
    }
}

/// All to whom something is sent.
fn receivers(actions: &[Action]) -> Vec<DeviceId> {
    let mut all: Vec<DeviceId> = actions
        .iter()
        .flat_map(|action| match action {
            Action::Send { to, .. } => to.clone(),
            Action::Receive { .. } | Action::Compute { .. } => Vec::new(),
        })
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn payload(call: &Call, most: usize) -> Result<Vec<u8>, Refusal> {
    call.payload(most).ok_or_else(|| {
        Refusal::new(RefusalKind::Message, format!("a message of {} bytes: {most} are taken", call.len()))
    })
}

fn refused(kind: RefusalKind, message: &str) -> Refusal {
    Refusal::new(kind, message)
}
