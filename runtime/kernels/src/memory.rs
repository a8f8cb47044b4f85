//! Where buffers lie in one arena, so that those in use at the same time never overlap: buffers with lives → offsets.
//!
//! A [`Timeline`] collects from when to when each buffer is in use, [`plan`] places them: the largest first, each into
//! the smallest gap that fits among those placed already whose lives meet its own ("greedy by size", Pisarchyk and Lee,
//! "Efficient Memory Management for Deep Neural Net Inference", 2020). The peak is at least [`least`], the most
//! that is in use at one time.

/// Buffers start at multiples of this many bytes, a cache line.
pub const ALIGNMENT: u64 = 64;

/// A buffer and the time for which it is in use, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// How large it is.
    pub bytes: u64,
    /// When it is first written.
    pub first: u32,
    /// When it is last read.
    pub last: u32,
}

impl Item {
    /// Whether the two are in use at one time.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// Buffers in the order in which they are first used, with the time running along.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    now: u32,
    items: Vec<Item>,
}

impl Timeline {
    /// What follows is later than what came before.
    pub fn tick(&mut self) {
        self.now += 1;
    }

    /// A buffer of so many bytes that comes into use now. Returns its index.
    pub fn add(&mut self, bytes: u64) -> usize {
        self.items.push(Item { bytes, first: self.now, last: self.now });
        self.items.len() - 1
    }

    /// The buffer is used now.
    pub fn touch(&mut self, buffer: usize) {
        self.items[buffer].last = self.now;
    }

    /// The buffer stays in use to the end.
    pub fn keep(&mut self, buffer: usize) {
        self.items[buffer].last = u32::MAX;
    }

    /// Every buffer stays in use for so many moments more.
    #[must_use]
    pub fn lingering(mut self, moments: u32) -> Self {
        self.items.iter_mut().for_each(|item| item.last = item.last.saturating_add(moments));
        self
    }

    /// The same buffers in another order: `order` has the index of each.
    #[must_use]
    pub fn in_order(self, order: &[usize]) -> Self {
        Self { now: self.now, items: order.iter().map(|&index| self.items[index]).collect() }
    }

    /// The buffers so far.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }
}

/// Where each buffer lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// In bytes from the start of the arena, one a buffer, multiples of [`ALIGNMENT`].
    pub offsets: Vec<u64>,
    /// Size of the arena.
    pub bytes: u64,
}

/// Places the buffers. Their sizes must sum to less than 2⁶⁴.
#[must_use]
pub fn plan(items: &[Item]) -> Placement {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(items[index].bytes), items[index].first, index));
    let mut offsets = vec![0; items.len()];
    // Placed buffers by offset, so that the gaps between them come in order.
    let mut placed: Vec<usize> = Vec::with_capacity(items.len());
    let mut bytes = 0;
    for index in order {
        let offset = best_gap(items, &offsets, &placed, index);
        offsets[index] = offset;
        bytes = bytes.max(offset + rounded(items[index].bytes));
        let at = placed.partition_point(|&other| offsets[other] <= offset);
        placed.insert(at, index);
    }
    Placement { offsets, bytes }
}

/// The offset of the smallest gap that `index` fits in, or the end of those that it must not overlap.
fn best_gap(items: &[Item], offsets: &[u64], placed: &[usize], index: usize) -> u64 {
    let wanted = rounded(items[index].bytes);
    let mut best: Option<(u64, u64)> = None;
    let mut end = 0;
    for &other in placed.iter().filter(|&&other| items[other].meets(&items[index])) {
        let gap = offsets[other].saturating_sub(end);
        if gap >= wanted && best.is_none_or(|(size, _)| gap < size) {
            best = Some((gap, end));
        }
        end = end.max(offsets[other] + rounded(items[other].bytes));
    }
    best.map_or(end, |(_, offset)| offset)
}

/// The most bytes in use at any one time: no placement can do with less.
#[must_use]
pub fn least(items: &[Item]) -> u64 {
    let at = |time: u32| -> u64 {
        items.iter().filter(|item| item.first <= time && time <= item.last).map(|item| rounded(item.bytes)).sum()
    };
    items.iter().map(|item| at(item.first)).max().unwrap_or(0)
}

fn rounded(bytes: u64) -> u64 {
    bytes.next_multiple_of(ALIGNMENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn item(bytes: u64, first: u32, last: u32) -> Item {
        Item { bytes, first, last }
    }

    #[test]
    fn a_chain_needs_two_buffers() {
        let chain: Vec<Item> = (0..10).map(|step| item(6400, step, step + 1)).collect();
        assert_eq!(plan(&chain).bytes, 2 * 6400);
    }

    #[test]
    fn the_smallest_gap_is_taken() {
        // The second and the fourth end at 3: the last one finds gaps of 960 and 832 bytes and takes the latter.
        let lives = [(1024, 0, 9), (960, 0, 3), (896, 0, 9), (832, 0, 3), (768, 0, 9), (500, 5, 9)];
        let items = lives.map(|(bytes, first, last)| item(bytes, first, last));
        assert_eq!(plan(&items).offsets, [0, 1024, 1984, 2880, 3712, 2880]);
    }

    #[test]
    fn times_come_from_touching() {
        let mut timeline = Timeline::default();
        let image = timeline.add(10);
        timeline.tick();
        let next = timeline.add(20);
        timeline.touch(image);
        timeline.tick();
        timeline.keep(next);
        assert_eq!(timeline.items(), [item(10, 0, 1), item(20, 1, u32::MAX)]);
    }

    proptest! {
        #[test]
        fn live_buffers_never_overlap(list in prop::collection::vec((1_u64..5000, 0_u32..40, 0_u32..12), 0..60)) {
            let items: Vec<Item> = list.iter().map(|&(bytes, first, life)| item(bytes, first, first + life)).collect();
            let placement = plan(&items);
            prop_assert!(placement.bytes >= least(&items));
            prop_assert!(placement.bytes <= items.iter().map(|item| rounded(item.bytes)).sum::<u64>());
            for (index, one) in items.iter().enumerate() {
                prop_assert_eq!(placement.offsets[index] % ALIGNMENT, 0);
                prop_assert!(placement.offsets[index] + one.bytes <= placement.bytes);
                for (other_index, other) in items.iter().enumerate().take(index) {
                    let (start, other_start) = (placement.offsets[index], placement.offsets[other_index]);
                    let apart = start + one.bytes <= other_start || other_start + other.bytes <= start;
                    prop_assert!(apart || !one.meets(other), "{index} and {other_index}");
                }
            }
        }
    }
}
