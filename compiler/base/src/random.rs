//! Randomness that never changes: named ChaCha8 streams derived from one seed, and sampling functions of our own.
//!
//! A random choice takes a stream named after the declaration it belongs to, so that editing one declaration leaves the draws
//! of the others alone. The sampling functions are written here rather than taken from `rand`, whose algorithms may change
//! between releases; the algorithm of each is part of the language and must not be edited.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// A point in the tree of seeds: the user's seed and the path of names taken from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// The root, from the number that the user gives and every report prints.
    #[must_use]
    pub fn new(number: u64) -> Self {
        Self(digest(&[b"cnasc seed 1", &number.to_le_bytes()]))
    }

    /// The seed of the part called `name`; different names give independent streams.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        Self(digest(&[&self.0, name.as_bytes()]))
    }

    /// The seed of the `index`-th of many alike parts.
    #[must_use]
    pub fn nth(&self, index: u64) -> Self {
        Self(digest(&[&self.0, b"#", &index.to_le_bytes()]))
    }

    /// A number that names this seed to people and can be given back as a root seed.
    #[must_use]
    pub fn number(&self) -> u64 {
        let mut low = [0; 8];
        low.copy_from_slice(&self.0[..8]);
        // 53 bits survive JSON readers that hold numbers as doubles.
        u64::from_le_bytes(low) >> 11
    }

    /// The stream of draws at this point.
    #[must_use]
    pub fn rng(&self) -> Rng {
        Rng(ChaCha8Rng::from_seed(self.0))
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        // The length goes first, so that no two lists of parts run together into the same bytes.
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// A stream of draws. Each method consumes a documented number of words, so that a draw's place in the stream is known.
#[derive(Debug, Clone)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// 64 uniform bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `[0, 1)`: the top 53 bits of one draw.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// True with `probability`; always consumes one draw, so that a probability of 0 or 1 does not shift what follows.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in `0..bound` by rejection, without bias.
    ///
    /// # Panics
    /// Where `bound` is 0: there is nothing to choose from.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "a choice needs at least one alternative");
        let bound = bound as u64;
        // The largest multiple of `bound` that fits: draws above it would favour small results.
        let limit = u64::MAX - u64::MAX % bound;
        loop {
            let draw = self.bits();
            if draw < limit {
                return usize::try_from(draw % bound).expect("a result below a usize bound fits a usize");
            }
        }
    }

    /// A uniform permutation of `items` in place (Fisher–Yates from the end).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These words are part of the language: a change here changes every architecture ever published.
    #[test]
    fn streams_are_pinned() {
        let seed = Seed::new(7).child("body");
        let mut rng = seed.rng();
        let words: Vec<u64> = (0..3).map(|_| rng.bits()).collect();
        insta::assert_debug_snapshot!((seed.number(), words, rng.below(1000), rng.unit()));
    }

    #[test]
    fn names_do_not_run_together() {
        let root = Seed::new(1);
        assert_ne!(root.child("ab").child("c"), root.child("a").child("bc"));
        assert_ne!(root.nth(1), root.nth(2));
    }

    #[test]
    fn below_is_uniform() {
        let mut rng = Seed::new(3).rng();
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[rng.below(7)] += 1;
        }
        // Expected 10,000 each with standard deviation 92.6: five deviations.
        assert!(counts.iter().all(|&count| count.abs_diff(10_000) < 463), "{counts:?}");
    }

    #[test]
    fn shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..50).collect();
        Seed::new(4).rng().shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
