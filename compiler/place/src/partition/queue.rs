//! A tournament over the vertices of one part: the greatest key at once, a changed key in logarithmic time.
//!
//! Ties go to the smaller leaf, so that the order of leaves, which the seed decides, decides among equals.

/// The key of a vertex that can't move.
pub(super) const BLOCKED: i64 = i64::MIN;

/// Keys on leaves, and above them who wins.
#[derive(Debug)]
pub(super) struct Queue {
    width: usize,
    keys: Vec<i64>,
    /// A tree in an array: the winner at `place` comes from `2 * place` and the one after; leaves stand from `width`.
    winners: Vec<u32>,
}

impl Queue {
    /// No leaves yet.
    pub(super) fn new() -> Self {
        Self { width: 1, keys: vec![BLOCKED], winners: vec![0, 0] }
    }

    /// Takes `keys`, one a leaf, and plays all rounds.
    pub(super) fn fill(&mut self, keys: impl Iterator<Item = i64>) {
        self.keys.clear();
        self.keys.extend(keys);
        self.width = self.keys.len().next_power_of_two();
        self.keys.resize(self.width, BLOCKED);
        self.winners.clear();
        self.winners.resize(self.width, 0);
        self.winners.extend((0_u32..).take(self.width));
        for place in (1..self.width).rev() {
            self.winners[place] = self.play(place);
        }
    }

    /// The leaf with the greatest key and that key; `None` where all are blocked.
    pub(super) fn top(&self) -> Option<(u32, i64)> {
        let leaf = self.winners[1];
        let key = self.keys[leaf as usize];
        (key != BLOCKED).then_some((leaf, key))
    }

    /// Changes a key.
    pub(super) fn set(&mut self, leaf: u32, key: i64) {
        if std::mem::replace(&mut self.keys[leaf as usize], key) == key {
            return;
        }
        let mut place = (self.width + leaf as usize) / 2;
        while place >= 1 {
            let winner = self.play(place);
            // Above a match that someone else still wins nothing changes.
            if winner == self.winners[place] && winner != leaf {
                return;
            }
            self.winners[place] = winner;
            place /= 2;
        }
    }

    fn play(&self, place: usize) -> u32 {
        let (left, right) = (self.winners[2 * place], self.winners[2 * place + 1]);
        if self.keys[right as usize] > self.keys[left as usize] { right } else { left }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnasc_base::random::Seed;

    #[test]
    fn the_top_is_the_greatest_at_every_moment() {
        let mut rng = Seed::new(5).rng();
        for size in [0_usize, 1, 2, 3, 7, 8, 21] {
            let mut keys: Vec<i64> = (0..size).map(|_| rng.below(9) as i64).collect();
            let mut queue = Queue::new();
            queue.fill(keys.iter().copied());
            for _ in 0..200 {
                let greatest = keys.iter().copied().filter(|&key| key != BLOCKED).max();
                assert_eq!(queue.top().map(|(_, key)| key), greatest);
                if let Some((leaf, key)) = queue.top() {
                    assert_eq!(keys.iter().position(|&other| other == key), Some(leaf as usize), "ties go first");
                }
                if size > 0 {
                    let leaf = rng.below(size);
                    keys[leaf] = if rng.chance(0.3) { BLOCKED } else { rng.below(9) as i64 };
                    queue.set(leaf as u32, keys[leaf]);
                }
            }
        }
    }
}
