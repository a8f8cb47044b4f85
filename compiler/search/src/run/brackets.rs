//! Which look a candidate begins at, and how many of those that it is held against pass each.
//!
//! Candidates that are drawn one after the other make a bracket. Where fidelities say how many they keep, and under `successive_halving`, all are
//! one, and all begin at the first look. `hyperband` draws brackets of fewer and fewer candidates, each beginning one look later, and then
//! again from the first. (Jamieson and Talwalkar, AISTATS 2016; Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, JMLR 18, 2018,
//! algorithm 1, with a look for each amount of its resource.) Which bracket a candidate is in depends on its number alone.

use cnasc_ir::program::{Search, Strategy};

/// The brackets of a study.
#[derive(Debug)]
pub struct Brackets {
    /// Of so many one passes, where the strategy says.
    reduction: Option<u64>,
    /// The sizes of the brackets that begin at each look, which follow each other again and again; empty where there is one of all.
    sizes: Vec<u64>,
}

/// Candidates that are held against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bracket {
    /// Its first candidate.
    pub first: u64,
    /// How many it has if the budget lasts.
    pub size: u64,
    /// The look that they begin at.
    pub start: usize,
}

impl Brackets {
    /// Those of a search.
    #[must_use]
    pub fn of_search(search: &Search) -> Self {
        Self::new(&search.strategy, search.fidelities.len() + 1)
    }

    /// The look that a candidate begins at.
    #[must_use]
    pub fn start(&self, index: u64) -> usize {
        self.of(index).start
    }

    /// Those of a strategy whose search has so many looks.
    fn new(strategy: &Strategy, looks: usize) -> Self {
        let reduction = strategy.reduction();
        let sizes = match *strategy {
            Strategy::Hyperband { reduction } => {
                (0..looks).map(|start| size(reduction, looks as u64, (looks - start) as u64)).collect()
            }
            _ => Vec::new(),
        };
        Self { reduction, sizes }
    }

    /// That of a candidate.
    pub(super) fn of(&self, index: u64) -> Bracket {
        let round: u64 = self.sizes.iter().fold(0, |sum, &size| sum.saturating_add(size));
        if round == 0 {
            return Bracket { first: 0, size: u64::MAX, start: 0 };
        }
        let mut first = index - index % round;
        let (mut start, mut size) = (0, 0);
        for (place, &next) in self.sizes.iter().enumerate() {
            (start, size) = (place, next);
            if index - first < size {
                break;
            }
            first += size;
        }
        Bracket { first, size, start }
    }

    /// How many of a bracket pass the look at `place`, where the strategy says, after `drawn` candidates in all.
    pub(super) fn passing(&self, bracket: &Bracket, place: usize, drawn: u64) -> Option<u64> {
        let reduction = self.reduction?;
        let size = bracket.size.min(drawn.saturating_sub(bracket.first));
        let times = u32::try_from(place + 1 - bracket.start.min(place)).unwrap_or(u32::MAX);
        Some((size / reduction.saturating_pow(times)).max(1))
    }
}

/// ⌈looks / left · reduction^(left − 1)⌉: n of algorithm 1, where a bracket has so many looks left, its first among them.
fn size(reduction: u64, looks: u64, left: u64) -> u64 {
    let power = reduction.saturating_pow(u32::try_from(left.saturating_sub(1)).unwrap_or(u32::MAX));
    looks.saturating_mul(power).div_ceil(left.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Table 1 of the paper: R = 81, η = 3, so five looks.
    #[test]
    fn brackets_are_those_of_the_paper() {
        let brackets = Brackets::new(&Strategy::Hyperband { reduction: 3 }, 5);
        assert_eq!(brackets.sizes, [81, 34, 15, 8, 5]);
        let rungs = |first: u64| -> Vec<u64> {
            let bracket = brackets.of(first);
            let later = (bracket.start..4).filter_map(|place| brackets.passing(&bracket, place, u64::MAX));
            [bracket.size].into_iter().chain(later).collect()
        };
        let found: Vec<Vec<u64>> = [0, 81, 115, 130, 138].map(rungs).to_vec();
        assert_eq!(found, [vec![81, 27, 9, 3, 1], vec![34, 11, 3, 1], vec![15, 5, 1], vec![8, 2], vec![5]]);
    }

    #[test]
    fn every_candidate_has_its_bracket() {
        let brackets = Brackets::new(&Strategy::Hyperband { reduction: 2 }, 3);
        assert_eq!(brackets.sizes, [4, 3, 3]);
        let starts: Vec<usize> = (0..13).map(|index| brackets.of(index).start).collect();
        assert_eq!(starts, [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0]);
        for index in 0..100 {
            let Bracket { first, size, start } = brackets.of(index);
            assert!(first <= index && index < first + size && brackets.of(first).start == start);
        }
        let last = brackets.of(11);
        assert_eq!(brackets.passing(&last, 0, 12), Some(1), "of a bracket of two");
    }

    #[test]
    fn all_are_one_bracket_elsewhere() {
        let halving = Brackets::new(&Strategy::SuccessiveHalving { reduction: 4 }, 3);
        let all = halving.of(77);
        assert_eq!((all.first, all.start), (0, 0));
        assert_eq!([0, 1].map(|place| halving.passing(&all, place, 100)), [Some(25), Some(6)]);
        let plain = Brackets::new(&Strategy::Random, 3);
        assert_eq!(plain.passing(&plain.of(5), 0, 100), None);
    }
}
