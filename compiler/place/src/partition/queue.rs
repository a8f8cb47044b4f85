//! Who moves next: for each part a binary heap of the vertices in it that may move, by gain; any of them can be re-keyed or
//! taken out. What a pass never touches costs nothing, so that a repair of a few vertices takes no longer in a large network.
//!
//! Among equal keys the order of insertion decides, which the seed decides.

/// The key of a vertex that can't move.
pub(super) const BLOCKED: i64 = i64::MIN;

/// Where a vertex stands that is in no heap.
const ABSENT: u32 = u32::MAX;

/// The heaps of all parts. A vertex is in one of them at most.
#[derive(Debug)]
pub(super) struct Queues {
    heaps: Vec<Vec<(i64, u32)>>,
    place_of: Vec<u32>,
}

impl Queues {
    /// Empty heaps for so many parts.
    pub(super) fn new(parts: usize, vertices: usize) -> Self {
        Self { heaps: vec![Vec::new(); parts], place_of: vec![ABSENT; vertices] }
    }

    /// Empties all heaps, in time that depends on what is in them.
    pub(super) fn clear(&mut self) {
        for heap in &mut self.heaps {
            for &(_, vertex) in &*heap {
                self.place_of[vertex as usize] = ABSENT;
            }
            heap.clear();
        }
    }

    /// Whether a vertex is in a heap.
    pub(super) fn contains(&self, vertex: u32) -> bool {
        self.place_of[vertex as usize] != ABSENT
    }

    /// The vertex of a part with the greatest key, and that key.
    pub(super) fn top(&self, part: usize) -> Option<(u32, i64)> {
        self.heaps[part].first().map(|&(key, vertex)| (vertex, key))
    }

    /// The part whose top has the greatest key; of equals the first.
    pub(super) fn richest(&self) -> Option<usize> {
        let mut best: Option<(i64, usize)> = None;
        for (part, heap) in self.heaps.iter().enumerate() {
            if let Some(&(key, _)) = heap.first()
                && best.is_none_or(|(greatest, _)| key > greatest)
            {
                best = Some((key, part));
            }
        }
        best.map(|(_, part)| part)
    }

    /// Puts a vertex of `part` in, gives it another key, or takes it out where the key is [`BLOCKED`].
    pub(super) fn set(&mut self, part: usize, vertex: u32, key: i64) {
        let place = self.place_of[vertex as usize];
        let heap = &mut self.heaps[part];
        if key == BLOCKED {
            self.remove(part, vertex);
        } else if place == ABSENT {
            heap.push((key, vertex));
            let last = heap.len() - 1;
            Self::rise(heap, &mut self.place_of, last);
        } else {
            let place = place as usize;
            let before = std::mem::replace(&mut heap[place].0, key);
            if key > before {
                Self::rise(heap, &mut self.place_of, place);
            } else if key < before {
                Self::sink(heap, &mut self.place_of, place);
            }
        }
    }

    /// Takes a vertex of `part` out, where it is in.
    pub(super) fn remove(&mut self, part: usize, vertex: u32) {
        let place = std::mem::replace(&mut self.place_of[vertex as usize], ABSENT);
        if place == ABSENT {
            return;
        }
        let (heap, place) = (&mut self.heaps[part], place as usize);
        heap.swap_remove(place);
        if place < heap.len() {
            let place = Self::rise(heap, &mut self.place_of, place);
            Self::sink(heap, &mut self.place_of, place);
        }
    }

    fn rise(heap: &mut [(i64, u32)], place_of: &mut [u32], mut place: usize) -> usize {
        let entry = heap[place];
        while place > 0 {
            let above = (place - 1) / 2;
            if heap[above].0 >= entry.0 {
                break;
            }
            heap[place] = heap[above];
            place_of[heap[place].1 as usize] = place as u32;
            place = above;
        }
        heap[place] = entry;
        place_of[entry.1 as usize] = place as u32;
        place
    }

    fn sink(heap: &mut [(i64, u32)], place_of: &mut [u32], mut place: usize) {
        let entry = heap[place];
        loop {
            let mut below = 2 * place + 1;
            if below >= heap.len() {
                break;
            }
            if below + 1 < heap.len() && heap[below + 1].0 > heap[below].0 {
                below += 1;
            }
            if heap[below].0 <= entry.0 {
                break;
            }
            heap[place] = heap[below];
            place_of[heap[place].1 as usize] = place as u32;
            place = below;
        }
        heap[place] = entry;
        place_of[entry.1 as usize] = place as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnasc_base::random::Seed;

    #[test]
    fn the_top_is_the_greatest_at_every_moment() {
        let mut rng = Seed::new(5).rng();
        for size in [1_usize, 2, 3, 7, 8, 21] {
            let mut keys = vec![BLOCKED; size];
            let mut queues = Queues::new(2, size);
            for step in 0..400 {
                let vertex = rng.below(size);
                keys[vertex] = if rng.chance(0.3) { BLOCKED } else { rng.below(9) as i64 };
                queues.set(vertex % 2, vertex as u32, keys[vertex]);
                for part in 0..2 {
                    let own = (0..size).filter(|vertex| vertex % 2 == part).map(|vertex| keys[vertex]);
                    let greatest = own.filter(|&key| key != BLOCKED).max();
                    assert_eq!(queues.top(part).map(|(_, key)| key), greatest);
                    assert!(queues.top(part).is_none_or(|(vertex, key)| keys[vertex as usize] == key));
                }
                let tops = [queues.top(0), queues.top(1)].map(|top| top.map_or(BLOCKED, |(_, key)| key));
                assert_eq!(queues.richest().map(|part| tops[part]), tops.into_iter().max().filter(|&k| k != BLOCKED));
                if step % 50 == 49 {
                    keys.fill(BLOCKED);
                    queues.clear();
                }
            }
        }
    }
}
