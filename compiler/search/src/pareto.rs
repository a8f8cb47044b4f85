//! Ranking by several objectives: fronts of what nothing else beats in every respect.

/// Whether `a` is at least as small as `b` everywhere and smaller somewhere; all objectives are minimised.
#[must_use]
pub fn dominates(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a <= b) && a.iter().zip(b).any(|(a, b)| a < b)
}

/// Which items nothing dominates, as indices in ascending order of the first objective (then the next, then the index).
///
/// With two objectives this is one sweep over the sorted items; with more, each item is held against the front so far, which
/// suffices because a dominating item sorts first.
#[must_use]
pub fn front(values: &[Vec<f64>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| compare(&values[a], &values[b]).then(a.cmp(&b)));
    let mut front: Vec<usize> = Vec::new();
    for index in order {
        if !front.iter().any(|&better| dominates(&values[better], &values[index])) {
            front.push(index);
        }
    }
    front
}

/// All items, front after front, each front in the order of [`front`]. Stops once `enough` items are ranked.
#[must_use]
pub fn ranking(values: &[Vec<f64>], enough: usize) -> Vec<usize> {
    let mut left: Vec<usize> = (0..values.len()).collect();
    let mut ranked = Vec::new();
    while !left.is_empty() && ranked.len() < enough {
        let remaining: Vec<Vec<f64>> = left.iter().map(|&index| values[index].clone()).collect();
        let best = front(&remaining);
        ranked.extend(best.iter().map(|&place| left[place]));
        let mut taken = vec![false; left.len()];
        best.iter().for_each(|&place| taken[place] = true);
        left = left.into_iter().zip(taken).filter(|(_, taken)| !taken).map(|(index, _)| index).collect();
    }
    ranked
}

fn compare(a: &[f64], b: &[f64]) -> std::cmp::Ordering {
    let mut pairs = a.iter().zip(b);
    pairs.find_map(|(a, b)| Some(a.total_cmp(b)).filter(|order| order.is_ne())).unwrap_or(std::cmp::Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_small_front() {
        let values = vec![vec![3.0, 1.0], vec![1.0, 3.0], vec![2.0, 2.0], vec![3.0, 3.0], vec![2.0, 2.5]];
        assert_eq!(front(&values), [1, 2, 0]);
        assert_eq!(ranking(&values, 9), [1, 2, 0, 4, 3]);
    }

    proptest! {
        #[test]
        fn the_front_is_exactly_what_nothing_dominates(values in prop::collection::vec(prop::collection::vec(0_u8..6, 3), 1..40)) {
            let values: Vec<Vec<f64>> =
                values.into_iter().map(|item| item.into_iter().map(f64::from).collect()).collect();
            let mut found = front(&values);
            found.sort_unstable();
            let free = |item: &Vec<f64>| !values.iter().any(|other| dominates(other, item));
            let expected: Vec<usize> = (0..values.len()).filter(|&index| free(&values[index])).collect();
            prop_assert_eq!(found, expected);
            let mut all = ranking(&values, usize::MAX);
            all.sort_unstable();
            prop_assert_eq!(all, (0..values.len()).collect::<Vec<_>>());
        }
    }
}
