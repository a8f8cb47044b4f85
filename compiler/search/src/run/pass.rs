//! The end of a look: which candidates pass on to the next one, and what the last one leaves.

use super::brackets::Bracket;
use super::{Run, Stage};
use crate::candidate::Candidate;
use crate::pareto;
use cnasc_ir::score::Exponents;
use cnasc_place::score::with_unit;
use std::collections::BTreeMap;

impl Run<'_> {
    /// Ends the look at `place`: its best pass on, and with them those that begin later.
    pub(super) fn close(&mut self, place: usize) -> Stage {
        self.passed.sort_by_key(|candidate| candidate.proposal.index);
        let feasible = self.begun(place);
        self.looked(place).feasible = feasible;
        share_unit(&mut self.passed, self.study.search.score.exponents);
        let look = &self.looks[place];
        let values: Vec<Vec<f64>> = self.passed.iter().map(|candidate| look.objectives(candidate)).collect();
        if place + 1 < self.looks.len() {
            let mut passing = self.passing(place, &values);
            passing.sort_unstable();
            self.passed = taken(&mut self.passed, passing);
            self.looked(place).passed = self.begun(place);
            let passed = std::mem::take(&mut self.passed);
            let begun = |candidate: &Candidate| self.brackets.start(candidate.proposal.index) <= place;
            let (waiting, later): (Vec<_>, Vec<_>) = passed.into_iter().partition(begun);
            (self.waiting, self.passed) = (waiting.into(), later);
            return Stage::Look(place + 1);
        }
        self.outcome.feasible = feasible;
        self.outcome.front = pareto::front(&values).len();
        self.outcome.ranked = taken(&mut self.passed, pareto::ranking(&values, self.enough.max(self.outcome.front)));
        Stage::Whole
    }

    /// How many of those that passed so far begin at the look at `place` or before.
    fn begun(&self, place: usize) -> u64 {
        let begun = |candidate: &&Candidate| self.brackets.start(candidate.proposal.index) <= place;
        self.passed.iter().filter(begun).count() as u64
    }

    /// The places of those that pass the look at `place`: of each bracket the best, and all of those that have not begun.
    fn passing(&self, place: usize, values: &[Vec<f64>]) -> Vec<usize> {
        let mut brackets: BTreeMap<u64, (Bracket, Vec<usize>)> = BTreeMap::new();
        for (at, candidate) in self.passed.iter().enumerate() {
            let bracket = self.brackets.of(candidate.proposal.index);
            brackets.entry(bracket.first).or_insert_with(|| (bracket, Vec::new())).1.push(at);
        }
        let best = |(bracket, members): (Bracket, Vec<usize>)| {
            let keep = self.brackets.passing(&bracket, place, self.drawn).or(self.looks[place].keep);
            let keep = keep.map_or(usize::MAX, |keep| usize::try_from(keep).unwrap_or(usize::MAX));
            if bracket.start > place {
                return members;
            }
            let values: Vec<Vec<f64>> = members.iter().map(|&at| values[at].clone()).collect();
            pareto::best(&values, keep).into_iter().map(|at| members[at]).collect()
        };
        brackets.into_values().flat_map(best).collect()
    }
}

/// The candidates at these places, in this order.
fn taken(candidates: &mut Vec<Candidate>, order: Vec<usize>) -> Vec<Candidate> {
    let mut candidates: Vec<Option<Candidate>> = candidates.drain(..).map(Some).collect();
    order.into_iter().filter_map(|at| candidates[at].take()).collect()
}

/// Rates all scores relative to the smallest communication of any edge among these networks; gives that.
pub(super) fn share_unit(candidates: &mut [Candidate], exponents: Exponents) -> u64 {
    let scores = candidates.iter().filter_map(|candidate| candidate.figures.score.as_ref());
    let unit = scores.map(|score| score.unit).min().unwrap_or(0);
    for candidate in candidates {
        if let Some(score) = &mut candidate.figures.score {
            *score = with_unit(score, unit, exponents);
        }
    }
    unit
}
