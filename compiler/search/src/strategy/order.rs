//! Which of two judged candidates is better where constraints may be missed: Deb's constrained domination (IEEE Trans. Evol. Comput. 6
//! (2), 2002), with what was not computed for the sake of a cheaper constraint taken as worse than what was.

use super::{Observed, Verdict};
use crate::pareto;
use std::borrow::Borrow;
use std::cmp::Ordering;

/// The `count` best as indices: those that keep the constraints as [`pareto::best`] has them, then those that miss them by the
/// least, then what is no network. The second figure is the rank for tournaments: place in this order.
pub(super) fn best(all: &[Observed], count: usize) -> Vec<usize> {
    best_by(all, count, pareto::best)
}

/// The same with those that keep the constraints as `choose` has them.
pub(super) fn best_by<T: Borrow<Observed>>(
    all: &[T],
    count: usize,
    choose: fn(&[Vec<f64>], usize) -> Vec<usize>,
) -> Vec<usize> {
    let verdict = |at: usize| &all[at].borrow().verdict;
    let (kept, mut missed): (Vec<usize>, Vec<usize>) =
        (0..all.len()).partition(|&at| matches!(verdict(at), Verdict::Kept(_)));
    let values: Vec<Vec<f64>> = kept.iter().map(|&at| objectives(verdict(at)).to_vec()).collect();
    let mut chosen: Vec<usize> = choose(&values, count).into_iter().map(|at| kept[at]).collect();
    missed.sort_by(|&a, &b| by_violation(verdict(a), verdict(b)).then(a.cmp(&b)));
    chosen.extend(missed.into_iter().take(count.saturating_sub(chosen.len())));
    chosen
}

/// Whether the first is better than the second in every way that counts.
pub(super) fn beats(a: &Verdict, b: &Verdict) -> bool {
    match (a, b) {
        (Verdict::Kept(a), Verdict::Kept(b)) => pareto::dominates(a, b),
        (a, b) => by_violation(a, b) == Ordering::Less,
    }
}

/// What keeps its constraints first, then what misses them at the dearest figure, by the least.
fn by_violation(a: &Verdict, b: &Verdict) -> Ordering {
    match (a, b) {
        (Verdict::Missed { cost: a, violation: x }, Verdict::Missed { cost: b, violation: y }) => {
            b.cmp(a).then(x.total_cmp(y))
        }
        _ => class(a).cmp(&class(b)),
    }
}

fn class(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Kept(_) => 0,
        Verdict::Missed { .. } => 1,
        Verdict::Nothing => 2,
    }
}

/// What a kept candidate is judged by.
pub(super) fn objectives(verdict: &Verdict) -> &[f64] {
    match verdict {
        Verdict::Kept(values) => values,
        Verdict::Missed { .. } | Verdict::Nothing => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::genes::Genome;
    use cnasc_ir::program::Cost;

    #[test]
    fn constraints_come_before_objectives() {
        let missed = |cost, violation| Verdict::Missed { cost, violation };
        let verdicts = [
            Verdict::Nothing,
            missed(Cost::Count, 0.1),
            missed(Cost::Plan, 2.0),
            missed(Cost::Plan, 0.5),
            Verdict::Kept(vec![3.0, 3.0]),
            Verdict::Kept(vec![1.0, 2.0]),
        ];
        let all: Vec<Observed> = verdicts
            .into_iter()
            .map(|verdict| Observed { genome: Genome { settings: Vec::new(), graph: 0, edits: Vec::new() }, verdict })
            .collect();
        assert_eq!(best(&all, 9), [5, 4, 3, 2, 1, 0]);
        assert_eq!(best(&all, 3), [5, 4, 3]);
        for (place, &better) in [5, 4, 3, 2, 1, 0].iter().enumerate() {
            for &worse in &[5, 4, 3, 2, 1, 0][place + 1..] {
                assert!(beats(&all[better].verdict, &all[worse].verdict));
                assert!(!beats(&all[worse].verdict, &all[better].verdict));
            }
        }
    }
}
