//! Candidates that the strategy of a study did not propose.

use crate::record::Guest;
use std::collections::{BTreeMap, VecDeque};

/// Who waits, and who came.
#[derive(Debug, Default)]
pub(super) struct Guests {
    /// Those that have not come in yet.
    pub(super) waiting: VecDeque<Guest>,
    /// Of each that came in, by its number as a candidate.
    pub(super) names: BTreeMap<u64, u64>,
}

impl Guests {
    /// What the candidate is called, where it is one of them.
    pub(super) fn name(&self, index: u64) -> Option<u64> {
        self.names.get(&index).copied()
    }

    /// How many of the first `drawn` candidates the strategy proposed.
    pub(super) fn others(&self, drawn: u64) -> u64 {
        drawn - self.names.range(..drawn).count() as u64
    }
}
