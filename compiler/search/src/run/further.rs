//! What looks behind the first one say: by jobs, or as it was told before.

use super::{Run, Stage};
use crate::candidate::{Candidate, Evaluated, Figures};
use crate::record::Further;
use crate::run::Done;

impl Run<'_> {
    /// The place of the later look that is being taken, if one is.
    #[must_use]
    pub fn later_look(&self) -> Option<usize> {
        if let Stage::Look(place) = self.stage { Some(place) } else { None }
    }

    /// Gives what later looks said, in an earlier run or in another one; it counts instead of what this one was told of the candidates asked for
    /// last.
    pub fn recall_further(&mut self, further: Vec<Further>) {
        let told = further.into_iter().map(|Further { index, look, verdict }| ((look, index), verdict));
        self.further.extend(told);
    }

    /// What the later look that is being taken said of the candidates asked for last.
    #[must_use]
    pub fn further(&self) -> Vec<Further> {
        let look = self.place();
        let told = self.further.range((look, 0)..=(look, u64::MAX));
        told.map(|(&(look, index), verdict)| Further { index, look, verdict: verdict.clone() }).collect()
    }

    /// Notes what jobs of a look gave, which may still be told otherwise.
    pub(super) fn note_further(&mut self, place: usize, done: Vec<Done>) {
        for (candidate, done) in self.waiting.iter().zip(done) {
            let verdict = match done.verdict() {
                Evaluated::Feasible(candidate) => Ok(candidate.figures),
                other => Err(other),
            };
            self.further.insert((place, candidate.proposal.index), verdict);
        }
    }

    /// Takes in what is known of those that wait for this look, until there are so many in front of which nothing is known.
    pub(super) fn take_further(&mut self, place: usize, most: usize) {
        let mut unknown = 0;
        while unknown < most && unknown < self.waiting.len() {
            let index = self.waiting[unknown].proposal.index;
            let Some(verdict) = self.further.remove(&(place, index)) else {
                unknown += 1;
                continue;
            };
            let Some(candidate) = self.waiting.remove(unknown) else { return };
            self.count_judged(place, 1);
            match verdict {
                Ok(figures) => {
                    // What a score is relative to depends on what else was found.
                    let score = candidate.figures.score.or(figures.score);
                    self.passed.push(Candidate { figures: Figures { score, ..figures }, ..candidate });
                }
                Err(verdict) => self.take_in(verdict),
            }
        }
    }
}
