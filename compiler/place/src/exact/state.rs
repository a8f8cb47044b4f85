//! Which prefixes are the same for all that follows. Input: the booked times of a prefix; output: whether none like it was
//! seen before.
//!
//! What matters later: which nodes are put; when each device is free; where and when outputs are that are still consumed; when
//! cards are busy after the first of those is there, because no message that is still to come starts earlier; which devices are
//! in use; and, where memory is scarce, the weights on each. All of it goes bit by bit into 128 bits, which two different states
//! share with a probability far below that of a fault in the machine.

use crate::simulate::{Machine, Timeline};
use std::collections::HashSet;

/// The prefixes seen so far.
pub(super) struct Seen {
    known: HashSet<u128>,
    scarce: bool,
}

impl Seen {
    pub(super) fn new(scarce: bool) -> Self {
        Self { known: HashSet::new(), scarce }
    }

    /// Remembers the prefix, and says whether it is the first of its kind.
    pub(super) fn is_new(
        &mut self,
        machine: &Machine,
        timeline: &Timeline,
        placed: u64,
        used: u32,
        weights: impl FnOnce() -> Vec<u64>,
    ) -> bool {
        let mut mix = Mix(0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03);
        mix.add(placed);
        mix.add(u64::from(used));
        let devices = machine.devices();
        let mut first = f64::INFINITY;
        for device in 0..devices {
            let free = timeline.free(device);
            first = first.min(free);
            mix.add(free.to_bits());
        }
        for node in (0..machine.nodes()).filter(|node| placed >> node & 1 == 1) {
            if machine.dag().consumers(node).iter().any(|&to| placed >> to & 1 == 0) {
                mix.add(timeline.home(node) as u64);
                for device in 0..devices {
                    let arrival = timeline.arrival(node, device);
                    first = first.min(arrival);
                    mix.add(arrival.to_bits());
                    mix.add(u64::from(timeline.is_computed(node, device)));
                }
            }
        }
        timeline.busy_after(first, |bits| mix.add(bits));
        if self.scarce {
            weights().into_iter().for_each(|weights| mix.add(weights));
        }
        self.known.insert(u128::from(mix.0) << 64 | u128::from(mix.1))
    }
}

/// Two independent 64-bit hashes (the finaliser of splitmix64: Steele, Lea, Flood 2014).
struct Mix(u64, u64);

impl Mix {
    fn add(&mut self, value: u64) {
        let mixed = |state: u64| {
            let state = (state ^ value).wrapping_add(0x9e37_79b9_7f4a_7c15);
            let state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            state ^ state >> 31
        };
        (self.0, self.1) = (mixed(self.0), mixed(self.1.rotate_left(29) ^ self.0));
    }
}
