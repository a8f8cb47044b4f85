//! What has arrived at a device and was not yet asked for: frames in any order → each tensor when its turn comes.
//!
//! What a peer can make a device hold is bounded: only tensors that are expected from it, of the expected size, each for at most
//! [`KEPT_INFERENCES`] inferences. Of one that sends more, the newest stay: a peer that counts too fast hurts only itself.

use crate::{Expected, Frame, Payload, TransportError};
use cnasc_ir::{DeviceId, TensorId};
use std::collections::BTreeMap;

/// For how many inferences a tensor is kept: the one that runs, and those that faster devices have begun. So many may be in flight at once.
pub const KEPT_INFERENCES: usize = 8;

/// The frames that wait for their receiver.
#[derive(Debug, Default)]
pub struct Inbox {
    slots: BTreeMap<(DeviceId, TensorId), Slot>,
    /// The newest inference that was asked for; what belongs to earlier ones comes too late.
    current: u64,
    refused: u64,
}

/// A frame's values; of one with a wrong size the size, to be reported to the one who waits for it rather than letting him wait
/// until the deadline.
type Content = Result<Payload, usize>;

/// One expected tensor.
#[derive(Debug)]
struct Slot {
    len: usize,
    /// At most [`KEPT_INFERENCES`], each with its inference.
    held: Vec<(u64, Content)>,
}

impl Inbox {
    /// Takes from now on what `expected` says, and forgets everything before.
    pub fn expect(&mut self, expected: &[Expected]) {
        let slot = |expected: &Expected| {
            let Expected { from, tensor, len } = *expected;
            ((from, tensor), Slot { len, held: Vec::new() })
        };
        self.slots = expected.iter().map(slot).collect();
    }

    /// The number of floats of a tensor, where it is expected.
    #[must_use]
    pub fn expects(&self, from: DeviceId, tensor: TensorId) -> Option<usize> {
        self.slots.get(&(from, tensor)).map(|slot| slot.len)
    }

    /// Keeps a frame that arrived; gives whether it did. Not kept are frames that nobody expects, of inferences that are over, or
    /// that are there already.
    pub fn offer(&mut self, frame: Frame) -> bool {
        let kept = self.keep(frame);
        self.refused += u64::from(!kept);
        kept
    }

    fn keep(&mut self, frame: Frame) -> bool {
        let Frame { inference, tensor, from, payload } = frame;
        let Some(slot) = self.slots.get_mut(&(from, tensor)) else { return false };
        if inference < self.current || slot.held.iter().any(|(held, _)| *held == inference) {
            return false;
        }
        slot.held.retain(|(held, _)| *held >= self.current);
        if slot.held.len() == KEPT_INFERENCES {
            let oldest = (0..KEPT_INFERENCES).min_by_key(|&at| slot.held[at].0).expect("there are some");
            if slot.held[oldest].0 > inference {
                return false;
            }
            drop(slot.held.swap_remove(oldest));
        }
        let content = if payload.len() == slot.len { Ok(payload) } else { Err(payload.len()) };
        slot.held.push((inference, content));
        true
    }

    /// The tensor, once: `None` while it has not arrived. Asking for an inference ends all those before.
    ///
    /// # Errors
    /// Where nobody expects it, or what came has the wrong size.
    pub fn take(
        &mut self,
        from: DeviceId,
        inference: u64,
        tensor: TensorId,
    ) -> Result<Option<Payload>, TransportError> {
        self.current = self.current.max(inference);
        let slot = self.slots.get_mut(&(from, tensor)).ok_or(TransportError::Unexpected { from, tensor })?;
        let found = slot.held.iter().position(|(held, _)| *held == inference);
        let content = found.map(|at| slot.held.swap_remove(at).1);
        slot.held.retain(|(held, _)| *held > inference);
        match content {
            None => Ok(None),
            Some(Ok(payload)) => Ok(Some(payload)),
            Some(Err(found)) => Err(TransportError::Size { from, tensor, wanted: slot.len, found }),
        }
    }

    /// How many frames were dropped unread since the beginning.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FROM: DeviceId = DeviceId(1);
    const TENSOR: TensorId = TensorId(7);

    fn inbox() -> Inbox {
        let mut inbox = Inbox::default();
        inbox.expect(&[
            Expected { from: FROM, tensor: TENSOR, len: 2 },
            Expected { from: FROM, tensor: TensorId(8), len: 1 },
        ]);
        inbox
    }

    fn frame(inference: u64, values: &[f32]) -> Frame {
        Frame { inference, tensor: TENSOR, from: FROM, payload: values.into() }
    }

    fn taken(inbox: &mut Inbox, inference: u64) -> Option<Vec<f32>> {
        inbox.take(FROM, inference, TENSOR).unwrap().map(|payload| payload.to_vec())
    }

    #[test]
    fn early_frames_wait_for_their_turn() {
        let mut inbox = inbox();
        assert!(inbox.offer(frame(2, &[2.0, 0.0])));
        assert!(inbox.offer(frame(1, &[1.0, 0.0])));
        assert_eq!(taken(&mut inbox, 1), Some(vec![1.0, 0.0]));
        assert_eq!(taken(&mut inbox, 1), None, "a frame is taken once");
        assert_eq!(taken(&mut inbox, 2), Some(vec![2.0, 0.0]));
        assert_eq!(inbox.refused(), 0);
    }

    #[test]
    fn past_frames_are_dropped() {
        let mut inbox = inbox();
        assert!(inbox.offer(frame(1, &[1.0, 0.0])));
        assert_eq!(taken(&mut inbox, 3), None);
        assert!(!inbox.offer(frame(2, &[2.0, 0.0])), "inference 3 has begun");
        assert!(inbox.offer(frame(3, &[3.0, 0.0])));
        assert!(!inbox.offer(frame(3, &[4.0, 0.0])), "it is there already");
        assert_eq!(taken(&mut inbox, 3), Some(vec![3.0, 0.0]));
        assert_eq!(inbox.refused(), 2);
    }

    #[test]
    fn foreign_senders_and_tensors_are_refused() {
        let mut inbox = inbox();
        assert!(!inbox.offer(Frame { from: DeviceId(2), ..frame(1, &[1.0, 0.0]) }));
        assert!(!inbox.offer(Frame { tensor: TensorId(9), ..frame(1, &[1.0, 0.0]) }));
        let unexpected = TransportError::Unexpected { from: DeviceId(2), tensor: TENSOR };
        assert_eq!(inbox.take(DeviceId(2), 1, TENSOR), Err(unexpected));
    }

    #[test]
    fn a_wrong_size_is_reported_to_the_one_who_waits() {
        let mut inbox = inbox();
        assert!(inbox.offer(frame(5, &[1.0; 3])));
        let size = TransportError::Size { from: FROM, tensor: TENSOR, wanted: 2, found: 3 };
        assert_eq!(inbox.take(FROM, 5, TENSOR), Err(size));
        assert_eq!(taken(&mut inbox, 6), None, "it is reported once");
    }

    #[test]
    fn a_peer_that_counts_too_fast_hurts_only_itself() {
        let mut inbox = inbox();
        for inference in (u64::MAX - 100)..=u64::MAX {
            inbox.offer(frame(inference, &[0.0; 2]));
        }
        let held: Vec<u64> = inbox.slots[&(FROM, TENSOR)].held.iter().map(|(inference, _)| *inference).collect();
        assert_eq!(held.len(), KEPT_INFERENCES);
        assert!(held.iter().all(|&inference| inference > u64::MAX - KEPT_INFERENCES as u64));
        let other = Frame { tensor: TensorId(8), ..frame(1, &[1.0]) };
        assert!(inbox.offer(other));
        assert!(matches!(inbox.take(FROM, 1, TensorId(8)), Ok(Some(_))));
    }

    proptest! {
        /// Any order of up to [`KEPT_INFERENCES`] inferences ahead is put right.
        #[test]
        fn every_order_of_arrival_is_put_right(order in Just([0_u64, 1, 2, 3, 4, 5, 6, 7]).prop_shuffle(), start in 0_u64..1 << 60) {
            let mut inbox = inbox();
            for number in order {
                prop_assert!(inbox.offer(frame(start + number, &[number as f32, 0.0])));
            }
            for number in 0..KEPT_INFERENCES as u64 {
                prop_assert_eq!(taken(&mut inbox, start + number), Some(vec![number as f32, 0.0]));
            }
        }
    }
}
