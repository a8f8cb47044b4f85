//! What the coordinator and a node say to each other: calls and their answers, as bytes.
//!
//! | verb | brings | gives |
//! | --- | --- | --- |
//! | `offer` | a signed [`Offer`] | whether the node has the part already |
//! | `part` | a [`Piece`] of the file offered | how many bytes are there now |
//! | `start` | the run's number | when the share is compiled and all whom it sends to can be reached |
//! | `infer` | a [`Job`], with the image for the one that takes it | a [`Done`], with the answer of the one that makes it |
//! | `stop` | the run's number | |
//! | `status` | nothing | a [`Status`] |
//! | `clock` | nothing | a [`Told`] |
//!
//! An answer is a JSON `Result`. Images, pieces and answers stand as plain bytes behind a head, because JSON would take several times
//! their size. All of it is read as hostile: the length is looked at before anything is copied ([`MAX_HEAD`], [`MAX_PIECE`]), and nothing
//! takes memory for what a message only claims.

use super::clock::Exchange;
use cnasc_node::{Outcome, Timing};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// The most bytes of an offer, a start, a stop, and of the JSON head of an answer.
pub const MAX_HEAD: usize = 4 << 20;

/// The most bytes of a file in one call.
pub const PIECE_BYTES: usize = 1 << 20;

/// The most bytes of a call that brings a piece.
pub const MAX_PIECE: usize = PIECE_BYTES + 16;

/// The most bytes of a part that a node takes.
pub const MAX_PART: u64 = 4 << 30;

/// Why a node did not do as it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Of what kind.
    pub kind: RefusalKind,
    /// For people.
    pub message: String,
    /// The nodes that it sends to and can't reach, where that is why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreachable: Vec<String>,
}

/// Kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The message is none of this release's.
    Message,
    /// It is not signed by the fleet's key, or is for another node or fleet, or was sent before.
    Signature,
    /// The part is damaged or does not fit together.
    Part,
    /// The node has no such run, as after it was started anew.
    Run,
    /// The share can't be compiled, or whom it sends to can't be reached.
    Start,
    /// The inference failed.
    Inference,
    /// The inference failed because a node that it needs tensors of was gone from here, for a moment at least.
    Link,
    /// The disk is full, or the like.
    System,
}

impl Refusal {
    /// One of that kind.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), unreachable: Vec::new() }
    }

    fn message() -> Self {
        Self::new(RefusalKind::Message, "the message is none that this release knows")
    }
}

/// What a node is to execute, as the fleet's key signs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// For which fleet.
    pub fleet: String,
    /// For which of its nodes.
    pub node: String,
    /// The deployment's number: greater than all before, so that an old offer can't be used again.
    pub run: u64,
    /// The network's name.
    pub network: String,
    /// SHA-256 of the part's file, in hexadecimal.
    pub part: String,
    /// Its bytes.
    pub bytes: u64,
    /// The nodes that are the devices of the bundle's fleet, in the order of their ids.
    pub members: Vec<String>,
}

/// An offer as it is sent: the very bytes that were signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// An [`Offer`] in JSON.
    pub offer: String,
    /// The ed25519 signature in hexadecimal.
    pub signature: String,
}

/// To compile, or to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunCall {
    /// Which deployment.
    pub run: u64,
    /// How long it may take.
    pub patience_ms: u64,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Of cnasc.
    pub version: String,
    /// The processor's kind.
    pub cpu: String,
    /// Threads that run at the same time.
    pub cores: usize,
    /// The deployment that is ready.
    pub run: Option<u64>,
    /// Its network.
    pub network: Option<String>,
    /// Inferences since the node started.
    pub inferences: u64,
    /// Of them, those that failed.
    pub failed: u64,
}

/// A part of a file: a run's number and where it begins, eight bytes each, then the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Of which deployment.
    pub run: u64,
    /// Bytes before it.
    pub at: u64,
    /// Itself.
    pub bytes: &'a [u8],
}

impl<'a> Piece<'a> {
    /// Its bytes.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        [&self.run.to_le_bytes(), &self.at.to_le_bytes(), self.bytes].concat()
    }

    /// Reads what [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// Where it is too short.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let (run, rest) = number(bytes)?;
        let (at, bytes) = number(rest)?;
        Ok(Self { run, at, bytes })
    }
}

/// One inference for a node: run, inference and patience in milliseconds, eight bytes each, then the image, if it takes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Of which deployment.
    pub run: u64,
    /// Its number.
    pub inference: u64,
    /// For how long it may take, from when it arrives.
    pub patience: Duration,
    /// The image in plain order (channel, row, column).
    pub image: Vec<f32>,
}

impl Job {
    /// Its bytes.
    #[must_use]
    pub fn write(run: u64, inference: u64, patience: Duration, image: &[f32]) -> Vec<u8> {
        let patience = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        let mut bytes = [run, inference, patience].map(u64::to_le_bytes).concat();
        bytes.extend(image.iter().flat_map(|value| value.to_le_bytes()));
        bytes
    }

    /// Reads what [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// Where it is too short, or what follows are no numbers.
    pub fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let (run, rest) = number(bytes)?;
        let (inference, rest) = number(rest)?;
        let (patience, rest) = number(rest)?;
        // A clock can't say every time; nobody waits for longer than a day.
        let patience = Duration::from_millis(patience).min(Duration::from_secs(24 * 60 * 60));
        Ok(Self { run, inference, patience, image: floats(rest)? })
    }
}

/// When a call came and for how long it was there, by which the clocks of both sides are compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// When it arrived, in seconds on the node's clock.
    pub arrived: f64,
    /// Seconds until the answer was written.
    pub held: f64,
}

impl Told {
    /// Of a call that arrived then.
    #[must_use]
    pub fn of(zero: Instant, arrived: Instant) -> Self {
        let arrived_after = arrived.saturating_duration_since(zero).as_secs_f64();
        Self { arrived: arrived_after, held: arrived.elapsed().as_secs_f64() }
    }

    /// With when the caller sent it, and had the answer.
    #[must_use]
    pub fn exchange(self, sent: Instant, came: Instant) -> Exchange {
        Exchange { sent, came, arrived: self.arrived, held: self.held }
    }
}

/// What a node did in one inference, and when on its own clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Operators executed.
    pub operators: usize,
    /// Bytes handed to the transport.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// When the call came.
    pub told: Told,
    /// When the node began, in seconds on its clock.
    pub began: f64,
    /// Start and end of each action, in seconds from when the node began.
    pub timings: Vec<(f64, f64)>,
    /// Values of the answer that follow, where the node makes it.
    pub answer: Option<usize>,
}

/// The bytes of an inference's end: the length of the head in eight bytes, the head, the values of the answer. The node's clock
/// counts from `zero`.
#[must_use]
pub fn write_done(result: Result<&Outcome, Refusal>, zero: Instant, arrived: Instant) -> Vec<u8> {
    let head = result.as_ref().map(|outcome| Done {
        operators: outcome.operators,
        bytes_sent: outcome.bytes_sent,
        bytes_received: outcome.bytes_received,
        told: Told::of(zero, arrived),
        began: outcome.began.saturating_duration_since(zero).as_secs_f64(),
        timings: outcome.timings.iter().map(|timing| (timing.start, timing.end)).collect(),
        answer: outcome.answer.as_ref().map(Vec::len),
    });
    let head = write(&head);
    let mut bytes = (head.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(&head);
    let answer = result.ok().and_then(|outcome| outcome.answer.as_deref()).unwrap_or_default();
    bytes.extend(answer.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

/// Reads what [`write_done`] wrote: what was done, and the values of the answer.
///
/// # Errors
/// What the node says went wrong, or that its answer is none.
pub fn read_done(bytes: &[u8]) -> Result<(Done, Vec<f32>), Refusal> {
    let (length, rest) = number(bytes)?;
    let length = usize::try_from(length).ok().filter(|&length| length <= rest.len().min(MAX_HEAD));
    let (head, values) = rest.split_at(length.ok_or_else(Refusal::message)?);
    let done: Done = read::<Result<Done, Refusal>>(head)??;
    let values = floats(values)?;
    if values.len() != done.answer.unwrap_or_default() {
        return Err(Refusal::message());
    }
    Ok((done, values))
}

impl Done {
    /// The same on the reader's clock.
    #[must_use]
    pub fn outcome(self, values: Vec<f32>, began: Instant) -> Outcome {
        Outcome {
            answer: self.answer.map(|_| values),
            operators: self.operators,
            bytes_sent: self.bytes_sent,
            bytes_received: self.bytes_received,
            began,
            timings: self.timings.into_iter().map(|(start, end)| Timing { start, end }).collect(),
        }
    }
}

/// JSON.
#[must_use]
pub fn write(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("names and numbers always serialise")
}

/// Of JSON.
///
/// # Errors
/// Where it is something else.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|_| Refusal::message())
}

fn number(bytes: &[u8]) -> Result<(u64, &[u8]), Refusal> {
    let (number, rest) = bytes.split_first_chunk::<8>().ok_or_else(Refusal::message)?;
    Ok((u64::from_le_bytes(*number), rest))
}

fn floats(bytes: &[u8]) -> Result<Vec<f32>, Refusal> {
    let (chunks, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(Refusal::message());
    }
    Ok(chunks.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnasc_ir::DeviceId;
    use cnasc_transport::Frame;
    use cnasc_transport::wire::{self, HEADER_BYTES, Header};
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read() {
        let piece = Piece { run: 1, at: 2, bytes: b"three" };
        assert_eq!(Piece::read(&piece.write()), Ok(piece));
        let image = vec![1.0, -2.5];
        let job = Job { run: 1, inference: 2, patience: Duration::from_secs(3), image: image.clone() };
        assert_eq!(Job::read(&Job::write(1, 2, job.patience, &image)), Ok(job));
        let now = Instant::now();
        let outcome = Outcome {
            answer: Some(vec![0.1, f32::MIN_POSITIVE]),
            operators: 3,
            bytes_sent: 4,
            bytes_received: 5,
            began: now,
            timings: vec![Timing { start: 0.25, end: 0.1 + 0.2 }],
        };
        let (done, values) = read_done(&write_done(Ok(&outcome), now, now)).unwrap();
        assert_eq!(done.outcome(values, now), outcome, "to the last bit");
        let refusal = Refusal::new(RefusalKind::Run, "no such run");
        assert_eq!(read_done(&write_done(Err(refusal.clone()), now, now)), Err(refusal));
    }

    /// A tensor that is read is the message that it came in.
    fn take_tensor(name: &str, bytes: &[u8]) -> bool {
        let Some((head, mut rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return false };
        let Ok(header) = Header::read(head) else { return false };
        assert_eq!(header.write(), *head, "{name}");
        if header.fits(bytes.len() as u64).is_err() {
            return false;
        }
        let Some(payload) = header.values(&mut rest).unwrap() else { return false };
        let frame = Frame { inference: header.inference, tensor: header.tensor, from: DeviceId(0), payload };
        assert_eq!(wire::message(header.run, &frame), bytes, "{name}");
        true
    }

    /// Whether some of what members say is in `bytes`.
    fn take(name: &str, bytes: &[u8]) -> bool {
        if let Ok(piece) = Piece::read(bytes) {
            assert_eq!(piece.write(), bytes, "{name}");
        }
        let _ = Job::read(bytes);
        let done = read_done(bytes);
        if let Ok((done, values)) = &done {
            assert_eq!(values.len(), done.answer.unwrap_or_default(), "{name}");
        }
        let signed = read::<Signed>(bytes).and_then(|signed| read::<Offer>(signed.offer.as_bytes()));
        let status = read::<Result<Status, Refusal>>(bytes).is_ok() || read::<Result<Told, Refusal>>(bytes).is_ok();
        take_tensor(name, bytes) || done.is_ok() || signed.is_ok() || status || read::<RunCall>(bytes).is_ok()
    }

    /// What fuzzing found (`tests/fuzz`), and the same with each byte another one.
    #[test]
    fn what_reached_new_code() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus/message");
        let mut taken = 0;
        for entry in std::fs::read_dir(folder).expect("the corpus is part of the repository") {
            let path = entry.unwrap().path();
            let (name, bytes) = (path.display().to_string(), std::fs::read(&path).unwrap());
            taken += u32::from(take(&name, &bytes));
            for place in 0..bytes.len() {
                let mut broken = bytes.clone();
                broken[place] ^= [0x01, 0x80, 0xff][place % 3];
                take(&format!("{name} with byte {place} changed"), &broken);
            }
        }
        assert!(taken > 10, "the corpus has messages that are read");
    }

    proptest! {
        #[test]
        fn hostile_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let now = Instant::now();
            let _ = Piece::read(&bytes);
            let _ = Job::read(&bytes).map(|job| now + job.patience);
            let _ = read_done(&bytes);
            let _ = read::<Signed>(&bytes);
            prop_assert!(read::<Offer>(&bytes).is_err());
        }
    }
}
