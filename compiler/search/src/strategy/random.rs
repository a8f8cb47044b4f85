//! The strategy `random`: each candidate is drawn independently of all others.

use crate::candidate::Proposal;
use cnasc_base::Seed;
use std::collections::BTreeMap;

/// Candidate `index`: nothing is set, all is drawn.
pub(crate) fn propose(seed: u64, index: u64) -> Proposal {
    Proposal { index, seed: candidate_seed(seed, index), settings: BTreeMap::new(), edits: Vec::new() }
}

/// The number that reproduces candidate `index` of a study with `seed`: every value of its variables and every draw of its
/// graph grow from `Seed::new` of it.
#[must_use]
pub fn candidate_seed(seed: u64, index: u64) -> u64 {
    Seed::new(seed).child("candidates").nth(index).number()
}
