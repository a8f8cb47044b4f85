//! Devices on several machines, joined by zenoh over TCP, inside mutual TLS wherever they are not all on one machine.
//!
//! A [`Net`] is one member of a fleet: a node, or the coordinator. It connects to the others at the addresses that it is given, says
//! that it is there, and carries two kinds of messages: tensors, through the [`Endpoint`](crate::Endpoint) that [`Net::endpoint`] gives
//! for one deployment, and [calls](Net::call) of the coordinator with their answers. What each member may say is fixed by the name in
//! its certificate ([`settings`]). Names below are those of members, devices are numbered anew in each deployment.
//!
//! Zenoh's threads only put what arrives into mailboxes and queues; what is sent leaves through threads of its own, one a
//! receiver, so that no thread that computes ever waits for the network.

mod call;
pub mod endpoint;
mod runtime;
pub mod settings;

#[cfg(test)]
mod tests;

pub use call::Call;
pub use endpoint::Networked;
pub use runtime::prepare;
pub use settings::{COORDINATOR, Certificates, Role, Settings};

use crate::Frame;
use crate::mailbox::Mailbox;
use crate::wire::{HEADER_BYTES, Header};
use cnasc_ir::DeviceId;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use zenoh::Wait;
use zenoh::bytes::ZBytes;
use zenoh::qos::{CongestionControl, Priority};
use zenoh::query::{ConsolidationMode, Reply};
use zenoh::sample::{Sample, SampleKind};

/// The largest message that a member takes, in bytes: a tensor, or a part of a call.
pub const MAX_MESSAGE: usize = 256 << 20;

/// Why a member can't join, or a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// What it was told to do can't be done safely, or at all.
    #[error("{0}")]
    Settings(String),
    /// No connection, no listening, no such certificate.
    #[error("the network says: {0}")]
    Zenoh(String),
    /// Nobody of that name is connected, or it does not take calls of this member.
    #[error("`{0}` does not answer: it is not there, or does not take calls from here")]
    Absent(String),
    /// It is there and did not answer in time.
    #[error("`{0}` did not answer within the deadline")]
    Deadline(String),
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where an error is given away")]
fn zenoh_error(error: zenoh::Error) -> NetError {
    NetError::Zenoh(error.to_string())
}

/// One member of a fleet that is connected to others. Dropping it leaves.
pub struct Net {
    session: zenoh::Session,
    names: Names,
    shared: Arc<Shared>,
    /// Undeclared when dropped.
    _tensors: zenoh::pubsub::Subscriber<()>,
    _others: zenoh::pubsub::Subscriber<()>,
    /// Of what is declared after joining.
    later: Mutex<(Option<zenoh::query::Queryable<()>>, Option<zenoh::liveliness::LivelinessToken>)>,
}

/// The keys under which members talk.
#[derive(Debug, Clone)]
struct Names {
    fleet: String,
    me: String,
}

impl Names {
    fn tensors(&self, to: &str, from: &str) -> String {
        format!("cnasc/{}/tensors/{to}/{from}", self.fleet)
    }

    fn calls(&self, to: &str, verb: &str) -> String {
        format!("cnasc/{}/calls/{to}/{verb}", self.fleet)
    }

    fn alive(&self, name: &str) -> String {
        format!("cnasc/{}/alive/{name}", self.fleet)
    }
}

/// What zenoh's threads write to.
#[derive(Debug, Default)]
struct Shared {
    /// The deployments that this member takes part in, by their number.
    runs: Mutex<BTreeMap<u64, Arc<Run>>>,
    here: Mutex<Here>,
    changed: Condvar,
}

/// Who is there.
#[derive(Debug, Default)]
struct Here {
    names: BTreeSet<String>,
    /// Counts comings and goings.
    changes: u64,
}

/// One deployment at this member.
#[derive(Debug)]
struct Run {
    /// Whose mailbox it is.
    device: DeviceId,
    mailbox: Mailbox,
    devices: BTreeMap<String, DeviceId>,
}

impl Net {
    /// Joins a fleet: listens, and connects to the others in the background.
    ///
    /// # Errors
    /// Where an address can't be listened at, a certificate is missing, the settings would leave this machine without TLS, or
    /// zenoh was not told to keep to one thread ([`prepare`]).
    pub fn join(settings: &Settings) -> Result<Self, NetError> {
        let config = settings.config()?;
        if settings.certificates.is_some() {
            runtime::check()?;
        }
        let session = zenoh::open(config).wait().map_err(zenoh_error)?;
        let names = Names { fleet: settings.fleet.clone(), me: settings.name.clone() };
        let shared = Arc::new(Shared::default());
        let arrivals = Arc::clone(&shared);
        let tensors = session
            .declare_subscriber(names.tensors(&names.me, "*"))
            .callback(move |sample| arrivals.arrived(&sample))
            .wait()
            .map_err(zenoh_error)?;
        let neighbours = Arc::clone(&shared);
        let others = session
            .liveliness()
            .declare_subscriber(names.alive("*"))
            .history(true)
            .callback(move |sample| neighbours.note(last_part(sample.key_expr().as_str()), sample.kind()))
            .wait()
            .map_err(zenoh_error)?;
        Ok(Self { session, names, shared, _tensors: tensors, _others: others, later: Mutex::default() })
    }

    /// This member's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.names.me
    }

    /// Gives every call to `handler`, on a thread of zenoh's that must not be kept waiting.
    ///
    /// # Errors
    /// Where zenoh can't declare it.
    pub fn serve(&self, handler: impl Fn(Call) + Send + Sync + 'static) -> Result<(), NetError> {
        let key = self.names.calls(&self.names.me, "*");
        let endings = call::endings()?;
        let queryable =
            self.session.declare_queryable(key).callback(move |query| handler(Call::new(query, endings.clone())));
        lock(&self.later).0 = Some(queryable.wait().map_err(zenoh_error)?);
        Ok(())
    }

    /// Tells the others that this member is there, once it takes what they will send.
    ///
    /// # Errors
    /// Where zenoh can't declare it.
    pub fn announce(&self) -> Result<(), NetError> {
        let token = self.session.liveliness().declare_token(self.names.alive(&self.names.me));
        lock(&self.later).1 = Some(token.wait().map_err(zenoh_error)?);
        Ok(())
    }

    /// Calls `verb` of the member `to`; the answer is waited for with [`Pending::wait`].
    ///
    /// # Errors
    /// Where the call can't be sent.
    pub fn call(&self, to: &str, verb: &str, payload: Vec<u8>, patience: Duration) -> Result<Pending, NetError> {
        let (answers, replies) = channel();
        self.session
            .get(self.names.calls(to, verb))
            // When it came is noted here, because whoever waits may be looking at another call.
            .callback(move |reply| drop(answers.send((Instant::now(), reply))))
            .payload(payload)
            .timeout(patience)
            .consolidation(ConsolidationMode::None)
            .congestion_control(CongestionControl::Block)
            .priority(Priority::RealTime)
            .express(true)
            .wait()
            .map_err(zenoh_error)?;
        Ok(Pending { to: to.to_owned(), replies, deadline: Instant::now() + patience })
    }

    /// Who is there, this member's own name aside.
    #[must_use]
    pub fn here(&self) -> BTreeSet<String> {
        let mut names = lock(&self.shared.here).names.clone();
        names.remove(&self.names.me);
        names
    }

    /// How often somebody came or went.
    #[must_use]
    pub fn changes(&self) -> u64 {
        lock(&self.shared.here).changes
    }

    /// Waits until all of `wanted` are there, `patience` at most; gives those that are not.
    #[must_use]
    pub fn wait_for(&self, wanted: &[String], patience: Duration) -> Vec<String> {
        let deadline = Instant::now() + patience;
        let mut here = lock(&self.shared.here);
        loop {
            let missing: Vec<String> = wanted.iter().filter(|name| !here.names.contains(*name)).cloned().collect();
            let left = deadline.saturating_duration_since(Instant::now());
            if missing.is_empty() || left.is_zero() {
                return missing;
            }
            here = self.shared.changed.wait_timeout(here, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until `name` is not there, `patience` at most; gives whether it is gone.
    pub fn wait_gone(&self, name: &str, patience: Duration) -> bool {
        let here = lock(&self.shared.here);
        let waited = self.shared.changed.wait_timeout_while(here, patience, |here| here.names.contains(name));
        !waited.unwrap_or_else(PoisonError::into_inner).0.names.contains(name)
    }

    /// The endpoint of `device` in deployment `run`, whose devices are the members `members`, in the order of their ids. Tensors of the
    /// run arrive from now on, until it is dropped.
    ///
    /// # Errors
    /// Where this member is not the one of `device`.
    pub fn endpoint(&self, run: u64, device: DeviceId, members: &[String]) -> Result<Networked, NetError> {
        if members.get(device.index()) != Some(&self.names.me) {
            return Err(NetError::Settings(format!("device {} is not `{}`", device.0, self.names.me)));
        }
        Networked::new(self, run, device, members)
    }
}

impl Shared {
    /// Takes in a message, on a thread of zenoh's. What nobody waits for is dropped: it may be late, or hostile.
    fn arrived(&self, sample: &Sample) {
        let from = last_part(sample.key_expr().as_str());
        // Whether it was taken does not matter to its sender: the receiver's deadline finds what is missing.
        let _ = self.take_in(from, sample.payload());
    }

    fn take_in(&self, from: &str, payload: &ZBytes) -> Option<()> {
        let mut reader = payload.reader();
        let mut head = [0; HEADER_BYTES];
        reader.read_exact(&mut head).ok()?;
        let header = Header::read(&head).ok()?;
        header.fits(payload.len() as u64).ok()?;
        let run = Arc::clone(lock(&self.runs).get(&header.run)?);
        let from = *run.devices.get(from)?;
        if header.kind == crate::wire::Kind::GaveUp {
            run.mailbox.end(from, header.inference.min(crate::mailbox::GONE - 1));
            return Some(());
        }
        let (inference, tensor) = (header.inference, header.tensor);
        // Before any memory is taken. One of another size is offered without its values, so that the one who waits learns of it.
        let wanted = run.mailbox.expects(from, tensor)?;
        let payload = if header.len as usize == wanted { header.values(&mut reader).ok()?? } else { Vec::new().into() };
        run.mailbox.deliver(run.device, Frame { inference, tensor, from, payload }).ok()
    }

    fn note(&self, name: &str, kind: SampleKind) {
        let mut here = lock(&self.here);
        match kind {
            SampleKind::Put => here.names.insert(name.to_owned()),
            SampleKind::Delete => here.names.remove(name),
        };
        here.changes += 1;
        drop(here);
        self.changed.notify_all();
        if kind == SampleKind::Delete {
            // What it sent may be lost, also where it is back at once: nobody need wait for that until a deadline.
            for run in lock(&self.runs).values() {
                if let Some(&device) = run.devices.get(name) {
                    run.mailbox.end(device, crate::mailbox::GONE);
                }
            }
        }
    }
}

/// A call whose answer is on its way.
pub struct Pending {
    to: String,
    replies: Receiver<(Instant, Reply)>,
    deadline: Instant,
}

/// What a member answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// In its own form.
    pub bytes: Vec<u8>,
    /// When it came, which may be before somebody looked.
    pub came: Instant,
}

impl Pending {
    /// Waits for the answer, of at most `most` bytes.
    ///
    /// # Errors
    /// Where it does not come in time, comes from nobody, or is too long.
    pub fn wait(&self, most: usize) -> Result<Vec<u8>, NetError> {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if let Some(answer) = self.poll(most, left) {
                return answer.map(|answer| answer.bytes);
            }
        }
    }

    /// The same, `patience` at most; `None` where the answer may still come.
    #[must_use]
    pub fn poll(&self, most: usize, patience: Duration) -> Option<Result<Answered, NetError>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let received = self.replies.recv_timeout(left.min(patience));
        let late = Instant::now() >= self.deadline;
        let to = || self.to.clone();
        match received {
            Ok((came, reply)) => Some(match reply.result() {
                Ok(sample) if sample.payload().len() <= most => {
                    Ok(Answered { bytes: sample.payload().to_bytes().into_owned(), came })
                }
                Ok(sample) => {
                    let bytes = sample.payload().len();
                    Err(NetError::Zenoh(format!("an answer of `{}` has {bytes} bytes, {most} are taken", self.to)))
                }
                // Zenoh's own way to say that time is up.
                Err(_) => Err(NetError::Deadline(to())),
            }),
            Err(RecvTimeoutError::Timeout) if !late => None,
            Err(RecvTimeoutError::Disconnected) if !late => Some(Err(NetError::Absent(to()))),
            Err(_) => Some(Err(NetError::Deadline(to()))),
        }
    }
}

fn last_part(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or_default()
}

/// Nothing that could leave what is locked half changed happens under these locks, so a panic elsewhere does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
