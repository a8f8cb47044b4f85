//! The strategy `random`: each candidate is drawn independently of all others.

use cnasc_base::Seed;

/// The number that reproduces candidate `index` of a study with `seed`: every value of its variables and every draw of its
/// graph grow from `Seed::new` of it.
#[must_use]
pub fn candidate_seed(seed: u64, index: u64) -> u64 {
    Seed::new(seed).child("candidates").nth(index).number()
}
