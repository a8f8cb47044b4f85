//! Devices as threads of one process: a mailbox each, under a lock that is held for a few instructions only.
//!
//! A sender puts a reference to the values into the receiver's mailbox; the receiver copies them out, without the lock. One who
//! waits looks for a few microseconds and then sleeps, because there may be fewer cores than devices and the core is needed by another one;
//! only the tensor that it waits for wakes it.

use crate::inbox::Inbox;
use crate::{Endpoint, Expected, Frame, Payload, TransportError};
use cnasc_ir::{DeviceId, TensorId};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a receiver looks before it sleeps: about what falling asleep and being woken costs, so that looking in vain at most
/// doubles that cost.
const SPIN: Duration = Duration::from_micros(10);

/// Looks between two readings of the clock, which cost more than a look.
const LOOKS: u32 = 32;

/// One device's endpoint. Dropping it tells the others that the device is gone.
#[derive(Debug)]
pub struct InProcess {
    device: DeviceId,
    /// Of all devices, this one's included.
    mailboxes: Arc<[Mailbox]>,
}

#[derive(Debug)]
struct Mailbox {
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
const GONE: u64 = u64::MAX;

/// Endpoints of `devices` devices that are joined each to each, in the order of their ids.
#[must_use]
pub fn inprocess(devices: usize) -> Vec<InProcess> {
    let mailboxes: Arc<[Mailbox]> = (0..devices).map(|_| Mailbox::new(devices)).collect();
    (0..devices).map(|index| InProcess { device: DeviceId::new(index), mailboxes: Arc::clone(&mailboxes) }).collect()
}

impl Endpoint for InProcess {
    fn device(&self) -> DeviceId {
        self.device
    }

    fn expect(&mut self, expected: &[Expected]) {
        self.own().lock().inbox.expect(expected);
    }

    fn send(&mut self, to: DeviceId, frame: Frame) -> Result<(), TransportError> {
        if frame.from != self.device {
            return Err(TransportError::Foreign { device: frame.from });
        }
        let foreign = to == self.device;
        let mailbox = self.mailboxes.get(to.index()).filter(|_| !foreign);
        mailbox.ok_or(TransportError::Foreign { device: to })?.deliver(to, frame)
    }

    fn receive(
        &mut self,
        from: DeviceId,
        inference: u64,
        tensor: TensorId,
        into: &mut [f32],
        deadline: Instant,
    ) -> Result<(), TransportError> {
        let payload = self.own().wait(from, inference, tensor, deadline)?;
        let (wanted, found) = (into.len(), payload.len());
        if payload.copy_to(into) { Ok(()) } else { Err(TransportError::Size { from, tensor, wanted, found }) }
    }

    fn give_up(&mut self, inference: u64) {
        self.end(inference.min(GONE - 1));
    }
}

impl InProcess {
    /// How many frames this device dropped unread: not expected, of an inference that is over, or sent twice.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.own().lock().inbox.refused()
    }

    fn own(&self) -> &Mailbox {
        &self.mailboxes[self.device.index()]
    }

    /// Tells everyone that this device sends nothing more up to and with `inference`.
    fn end(&self, inference: u64) {
        for mailbox in self.mailboxes.iter() {
            let mut state = mailbox.lock();
            let ended = &mut state.ended[self.device.index()];
            *ended = (*ended).max(Some(inference));
            mailbox.note_change();
            drop(state);
            mailbox.changed.notify_one();
        }
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.end(GONE);
    }
}

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
    fn new(devices: usize) -> Self {
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

    fn deliver(&self, owner: DeviceId, frame: Frame) -> Result<(), TransportError> {
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

#[cfg(test)]
mod tests;
