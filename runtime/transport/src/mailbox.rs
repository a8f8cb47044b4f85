//! Where a device's frames wait for it: an inbox under a lock that is held for a few instructions only, and a receiver that sleeps beside it.
//!
//! Whoever brings a frame puts a reference to its values into the mailbox; the receiver copies them out, without the lock. One who
//! waits looks for a few microseconds and then sleeps, because there may be fewer cores than devices and the core is needed by another one;
//! only the tensor that it waits for wakes it.

use crate::inbox::Inbox;
use crate::{Expected, Frame, Payload, TransportError};
use cnasc_ir::{DeviceId, TensorId};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a receiver looks before it sleeps: about what falling asleep and being woken costs, so that looking in vain at most
/// doubles that cost.
const SPIN: Duration = Duration::from_micros(10);

/// Looks between two readings of the clock, which cost more than a look.
const LOOKS: u32 = 32;

/// One device's mailbox.
#[derive(Debug)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
    /// Counts changes of the state, so that a receiver can look for one without the lock.
    changes: AtomicU64,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    inbox: Inbox,
    /// What the owner sleeps for.
    awaited: Option<(DeviceId, u64, TensorId)>,
    /// For each device up to which inference it sends nothing more: the last one where it is gone.
    ended: Vec<Option<u64>>,
}

/// Stands for an inference after all others: a device that is gone sends nothing in any.
pub(crate) const GONE: u64 = u64::MAX;

impl State {
    /// Whether `device` may still send what belongs to `inference`.
    fn check_sender(&self, device: DeviceId, inference: u64) -> Result<(), TransportError> {
        match self.ended.get(device.index()).copied().unwrap_or(Some(GONE)) {
            Some(GONE) => Err(TransportError::Closed { device }),
            Some(ended) if inference <= ended => Err(TransportError::GaveUp { device }),
            _ => Ok(()),
        }
    }
}

impl Mailbox {
    /// An empty one in a fleet of `devices` devices.
    pub(crate) fn new(devices: usize) -> Self {
        let state = State { inbox: Inbox::default(), awaited: None, ended: vec![None; devices] };
        Self { state: Mutex::new(state), changes: AtomicU64::new(0), changed: Condvar::new() }
    }

    /// Nothing that could leave the state half changed happens under the lock, so a panic elsewhere does not matter.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called with the lock held: whoever finds the count unchanged under the lock has missed nothing.
    fn note_change(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// As [`Endpoint::expect`](crate::Endpoint::expect).
    pub(crate) fn expect(&self, expected: &[Expected]) {
        self.lock().inbox.expect(expected);
    }

    /// The number of floats of a tensor, where it is expected.
    #[cfg(any(feature = "net", test))]
    pub(crate) fn expects(&self, from: DeviceId, tensor: TensorId) -> Option<usize> {
        self.lock().inbox.expects(from, tensor)
    }

    /// How many frames were dropped unread.
    pub(crate) fn refused(&self) -> u64 {
        self.lock().inbox.refused()
    }

    /// Notes that `device` sends nothing more up to and with `inference`, and wakes the owner.
    pub(crate) fn end(&self, device: DeviceId, inference: u64) {
        let mut state = self.lock();
        let Some(ended) = state.ended.get_mut(device.index()) else { return };
        *ended = (*ended).max(Some(inference));
        self.note_change();
        drop(state);
        self.changed.notify_one();
    }

    /// Puts a frame into the mailbox of `owner`; one that nobody expects is dropped.
    ///
    /// # Errors
    /// Where the owner is gone.
    pub(crate) fn deliver(&self, owner: DeviceId, frame: Frame) -> Result<(), TransportError> {
        let arrived = (frame.from, frame.inference, frame.tensor);
        let mut state = self.lock();
        if state.ended[owner.index()] == Some(GONE) {
            return Err(TransportError::Closed { device: owner });
        }
        state.inbox.offer(frame);
        self.note_change();
        let wakes = state.awaited == Some(arrived);
        drop(state);
        if wakes {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Waits for a tensor and copies it to `into`, as [`Endpoint::receive`](crate::Endpoint::receive).
    pub(crate) fn receive(
        &self,
        from: DeviceId,
        inference: u64,
        tensor: TensorId,
        into: &mut [f32],
        deadline: Instant,
    ) -> Result<(), TransportError> {
        let payload = self.wait(from, inference, tensor, deadline)?;
        let (wanted, found) = (into.len(), payload.len());
        if payload.copy_to(into) { Ok(()) } else { Err(TransportError::Size { from, tensor, wanted, found }) }
    }

    /// Until the tensor is there.
    fn wait(
        &self,
        from: DeviceId,
        inference: u64,
        tensor: TensorId,
        deadline: Instant,
    ) -> Result<Payload, TransportError> {
        loop {
            let mut state = self.lock();
            if let Some(payload) = state.inbox.take(from, inference, tensor)? {
                return Ok(payload);
            }
            state.check_sender(from, inference)?;
            let seen = self.changes.load(Ordering::Acquire);
            drop(state);
            if self.changes_within_spin(seen) {
                continue;
            }
            state = self.lock();
            if self.changes.load(Ordering::Acquire) != seen {
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(TransportError::Deadline { from, tensor });
            }
            state.awaited = Some((from, inference, tensor));
            let waited = self.changed.wait_timeout(state, left);
            waited.unwrap_or_else(PoisonError::into_inner).0.awaited = None;
        }
    }

    /// Looks for a change without the lock, for a short while.
    fn changes_within_spin(&self, seen: u64) -> bool {
        let start = Instant::now();
        loop {
            for _ in 0..LOOKS {
                if self.changes.load(Ordering::Acquire) != seen {
                    return true;
                }
                std::hint::spin_loop();
            }
            if start.elapsed() >= SPIN {
                return false;
            }
        }
    }
}
