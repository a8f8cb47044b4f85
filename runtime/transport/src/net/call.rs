//! A call that came in: what it brings, its answer, and its end, which must not come on zenoh's own thread.
//!
//! Zenoh tells a caller that there is nothing more to come when the last reference to its query is dropped, on the thread that drops it, and
//! waits there for room in the queue of what leaves. Members have one thread for all that zenoh does ([`prepare`](super::prepare)); where
//! that one waits, nobody makes room, and the member is mute until zenoh closes the connection half a minute later. So calls end
//! on a thread of their own, and not before zenoh's thread has let go of its reference.

use super::{NetError, last_part, zenoh_error};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};
use zenoh::Wait;
use zenoh::bytes::ZBytes;
use zenoh::query::Query;

/// How long a call is kept at least. Zenoh holds its own reference for as long as the handler runs, which only puts it into a queue.
const KEPT: Duration = Duration::from_millis(5);

/// What ends calls.
pub(super) type Endings = Sender<(Instant, Query)>;

/// A call that came in.
pub struct Call {
    came: Instant,
    /// Taken when it is dropped.
    query: Option<Query>,
    endings: Endings,
}

/// Starts the thread on which calls end.
///
/// # Errors
/// Where there is none.
pub(super) fn endings() -> Result<Endings, NetError> {
    let (endings, ended) = channel::<(Instant, Query)>();
    let thread = std::thread::Builder::new().name("endings".to_owned());
    let started = thread.spawn(move || {
        for (came, query) in ended {
            std::thread::sleep(KEPT.saturating_sub(came.elapsed()));
            drop(query);
        }
    });
    started.map_err(|error| NetError::Zenoh(format!("can't start a thread: {error}")))?;
    Ok(endings)
}

impl Call {
    pub(super) fn new(query: Query, endings: Endings) -> Self {
        Self { came: Instant::now(), query: Some(query), endings }
    }

    fn content(&self) -> Option<&ZBytes> {
        self.query.as_ref().and_then(Query::payload)
    }

    /// What is asked for.
    #[must_use]
    pub fn verb(&self) -> &str {
        self.query.as_ref().map_or("", |query| last_part(query.key_expr().as_str()))
    }

    /// Bytes of the payload.
    #[must_use]
    pub fn len(&self) -> usize {
        self.content().map_or(0, ZBytes::len)
    }

    /// Whether it has no payload.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The payload, where it is not longer than `most`: nothing is copied of one that is.
    #[must_use]
    pub fn payload(&self, most: usize) -> Option<Vec<u8>> {
        if self.is_empty() {
            return Some(Vec::new());
        }
        self.content().filter(|payload| payload.len() <= most).map(|payload| payload.to_bytes().into_owned())
    }

    /// Answers.
    ///
    /// # Errors
    /// Where the one who called is gone.
    pub fn reply(self, answer: Vec<u8>) -> Result<(), NetError> {
        let Some(query) = &self.query else { return Ok(()) };
        query.reply(query.key_expr().clone(), answer).wait().map_err(zenoh_error)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(query) = self.query.take() {
            // The thread is there for as long as somebody can send it something.
            let _ = self.endings.send((self.came, query));
        }
    }
}
