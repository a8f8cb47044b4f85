//! An endpoint that breaks things on purpose and by seed, around another one: what a network may do to frames, for tests.
//!
//! The same seed and the same calls give the same faults; how long delays turn out to be is up to the machine.

use crate::{Endpoint, Expected, Frame, TransportError};
use cnasc_base::random::{Rng, Seed};
use cnasc_ir::{DeviceId, TensorId};
use std::time::{Duration, Instant};

/// How probable each fault is for a frame, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Faults {
    /// It never arrives.
    pub drop: f64,
    /// It arrives when the next inference has begun.
    pub late: f64,
    /// It arrives with a float too few or too many, or as another tensor.
    pub corrupt: f64,
    /// It leaves after frames that were sent later, but before this device waits for anything.
    pub reorder: f64,
    /// It leaves up to [`longest_delay`](Self::longest_delay) later; the sender waits meanwhile.
    pub delay: f64,
    /// The longest delay.
    pub longest_delay: Duration,
}

/// The endpoint `inner` with faults in what it sends.
#[derive(Debug)]
pub struct Faulty<E> {
    inner: E,
    faults: Faults,
    rng: Rng,
    held: Vec<(DeviceId, Frame)>,
    late: Vec<(DeviceId, Frame)>,
}

impl<E: Endpoint> Faulty<E> {
    /// Breaks what `inner` sends as `faults` says; each device draws a stream of its own from `seed`.
    pub fn new(inner: E, faults: Faults, seed: &Seed) -> Self {
        let rng = seed.child("faults").nth(u64::from(inner.device().0)).rng();
        Self { inner, faults, rng, held: Vec::new(), late: Vec::new() }
    }

    /// Sends in any order what was held back.
    fn release(&mut self) -> Result<(), TransportError> {
        self.rng.shuffle(&mut self.held);
        std::mem::take(&mut self.held).into_iter().try_for_each(|(to, frame)| self.inner.send(to, frame))
    }

    /// Sends what belongs to inferences before `inference`.
    fn release_late(&mut self, inference: u64) -> Result<(), TransportError> {
        let (late, kept) =
            std::mem::take(&mut self.late).into_iter().partition(|(_, frame)| frame.inference < inference);
        self.late = kept;
        let late: Vec<(DeviceId, Frame)> = late;
        late.into_iter().try_for_each(|(to, frame)| self.inner.send(to, frame))
    }

    fn corrupt(&mut self, frame: &mut Frame) {
        let mut payload = frame.payload.to_vec();
        match self.rng.below(3) {
            0 => drop(payload.pop()),
            1 => payload.push(0.0),
            _ => frame.tensor.0 = frame.tensor.0.wrapping_add(1 << 30),
        }
        frame.payload = payload.into();
    }
}

impl<E: Endpoint> Endpoint for Faulty<E> {
    fn device(&self) -> DeviceId {
        self.inner.device()
    }

    fn expect(&mut self, expected: &[Expected]) {
        self.inner.expect(expected);
    }

    fn send(&mut self, to: DeviceId, mut frame: Frame) -> Result<(), TransportError> {
        self.release_late(frame.inference)?;
        // All draws are made for every frame, so that one probability does not shift the draws of the others.
        let Faults { drop, late, corrupt, reorder, delay, longest_delay } = self.faults;
        let [drop, late, corrupt, reorder, delay] =
            [drop, late, corrupt, reorder, delay].map(|probability| self.rng.chance(probability));
        let part = self.rng.unit();
        if drop {
            return Ok(());
        }
        if late {
            self.late.push((to, frame));
            return Ok(());
        }
        if corrupt {
            self.corrupt(&mut frame);
        }
        if delay {
            std::thread::sleep(longest_delay.mul_f64(part));
        }
        if reorder {
            self.held.push((to, frame));
            return Ok(());
        }
        self.inner.send(to, frame)
    }

    fn receive(
        &mut self,
        from: DeviceId,
        inference: u64,
        tensor: TensorId,
        into: &mut [f32],
        deadline: Instant,
    ) -> Result<(), TransportError> {
        self.release_late(inference)?;
        self.release()?;
        self.inner.receive(from, inference, tensor, into, deadline)
    }

    fn flush(&mut self) -> Result<(), TransportError> {
        self.release()?;
        self.inner.flush()
    }

    fn give_up(&mut self, inference: u64) {
        self.inner.give_up(inference);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inprocess;

    /// What device 1 gets of ten tensors that device 0 sends with `faults`: the first value, or why there is none.
    fn received(faults: Faults) -> Vec<Result<f32, TransportError>> {
        let mut ends = inprocess(2);
        let mut second = ends.pop().unwrap();
        let mut first = Faulty::new(ends.pop().unwrap(), faults, &Seed::new(11));
        let from = first.device();
        let tensors = (0..10).map(TensorId);
        second.expect(&tensors.clone().map(|tensor| Expected { from, tensor, len: 2 }).collect::<Vec<_>>());
        for tensor in tensors.clone() {
            let payload = vec![tensor.0 as f32, 0.0].into();
            first.send(second.device(), Frame { inference: 1, tensor, from, payload }).unwrap();
        }
        first.flush().unwrap();
        let take = |tensor| {
            let mut into = [0.0; 2];
            second.receive(from, 1, tensor, &mut into, Instant::now()).map(|()| into[0])
        };
        tensors.map(take).collect()
    }

    #[test]
    fn order_and_time_do_not_matter() {
        let longest_delay = Duration::from_micros(50);
        let faults = Faults { reorder: 0.6, delay: 0.5, longest_delay, ..Faults::default() };
        assert_eq!(received(faults), (0..10).map(|tensor| Ok(tensor as f32)).collect::<Vec<_>>());
    }

    #[test]
    fn losses_are_found() {
        for faults in [Faults { drop: 0.5, ..Faults::default() }, Faults { late: 0.5, ..Faults::default() }] {
            let found = received(faults);
            let lost = found.iter().filter(|found| matches!(found, Err(TransportError::Deadline { .. }))).count();
            assert!((1..10).contains(&lost), "{found:?}");
            assert_eq!(found, received(faults), "the same seed gives the same faults");
        }
    }

    #[test]
    fn corruption_is_found() {
        let found = received(Faults { corrupt: 1.0, ..Faults::default() });
        let sizes = found.iter().filter(|found| matches!(found, Err(TransportError::Size { .. }))).count();
        assert!((1..10).contains(&sizes), "sizes and names are broken: {found:?}");
        assert!(found.iter().all(Result::is_err));
    }
}
