//! Ranking by several objectives: fronts of what nothing else beats in every respect.

/// Whether `a` is at least as small as `b` everywhere and smaller somewhere; all objectives are minimised.
#[must_use]
pub fn dominates(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a <= b) && a.iter().zip(b).any(|(a, b)| a < b)
}

/// What nothing dominates of all that came in so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Front(Vec<Vec<f64>>);

impl Front {
    /// Lets an item in where nothing in it is at least as good in every respect; what the item dominates leaves.
    pub fn insert(&mut self, values: Vec<f64>) {
        if self.0.iter().any(|other| *other == values || dominates(other, &values)) {
            return;
        }
        self.0.retain(|other| !dominates(&values, other));
        self.0.push(values);
    }

    /// Its items; alike ones once.
    #[must_use]
    pub fn items(&self) -> &[Vec<f64>] {
        &self.0
    }

    /// The least value of each objective, none where nothing came in.
    #[must_use]
    pub fn ideal(&self) -> Vec<f64> {
        let objectives = self.0.first().map_or(0, Vec::len);
        let least = |objective: usize| self.0.iter().map(|item| item[objective]).fold(f64::INFINITY, f64::min);
        (0..objectives).map(least).collect()
    }
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

/// The `count` best items as indices, front after front, in each those first that stand furthest from their neighbours; so where a front
/// does not fit whole, these are chosen. This is the selection of NSGA-II (Deb, Pratap, Agarwal and Meyarivan, IEEE Trans. Evol. Comput. 6
/// (2), 2002).
#[must_use]
pub fn best(values: &[Vec<f64>], count: usize) -> Vec<usize> {
    let mut left: Vec<usize> = (0..values.len()).collect();
    let mut chosen = Vec::new();
    while !left.is_empty() && chosen.len() < count {
        let remaining: Vec<Vec<f64>> = left.iter().map(|&index| values[index].clone()).collect();
        let found = front(&remaining);
        let members: Vec<Vec<f64>> = found.iter().map(|&place| remaining[place].clone()).collect();
        let apart = crowding(&members);
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_by(|&a, &b| apart[b].total_cmp(&apart[a]).then(found[a].cmp(&found[b])));
        chosen.extend(order.iter().take(count - chosen.len()).map(|&member| left[found[member]]));
        let mut taken = vec![false; left.len()];
        found.iter().for_each(|&place| taken[place] = true);
        left = left.into_iter().zip(taken).filter(|(_, taken)| !taken).map(|(index, _)| index).collect();
    }
    chosen
}

/// The crowding distance of each item of one front: over all objectives the distance between its two neighbours, relative to the
/// front's extent; infinite at the ends. Items alike in every objective are next to each other, so that all but two count as crowded.
#[must_use]
pub fn crowding(values: &[Vec<f64>]) -> Vec<f64> {
    let mut distance = vec![0.0; values.len()];
    let objectives = values.first().map_or(0, Vec::len);
    for objective in 0..objectives {
        let at = |index: usize| values[index][objective];
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| at(a).total_cmp(&at(b)).then(a.cmp(&b)));
        let (Some(&first), Some(&last)) = (order.first(), order.last()) else { continue };
        distance[first] = f64::INFINITY;
        distance[last] = f64::INFINITY;
        let extent = at(last) - at(first);
        if extent > 0.0 && extent.is_finite() {
            for three in order.windows(3) {
                distance[three[1]] += (at(three[2]) - at(three[0])) / extent;
            }
        }
    }
    distance
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

    #[test]
    fn crowded_items_go_first() {
        let values: Vec<Vec<f64>> = [0.0, 1.0, 1.5, 4.0, 10.0].iter().map(|&x| vec![x, 10.0 - x]).collect();
        assert_eq!(crowding(&values), [f64::INFINITY, 0.3, 0.6, 1.7, f64::INFINITY]);
        assert_eq!(best(&values, 3), [0, 4, 3]);
        assert_eq!(best(&[vec![2.0], vec![1.0], vec![3.0]], 2), [1, 0]);
        assert_eq!(best(&[], 2), [0; 0]);
    }

    /// The items of these indices in order.
    fn expected_values(values: &[Vec<f64>], indices: &[usize]) -> Vec<Vec<f64>> {
        let mut items: Vec<Vec<f64>> = indices.iter().map(|&index| values[index].clone()).collect();
        items.sort_by(|a, b| compare(a, b));
        items
    }

    proptest! {
        #[test]
        fn the_best_are_whole_fronts_but_the_last(values in prop::collection::vec(prop::collection::vec(0_u8..6, 2), 1..40), count in 0_usize..45) {
            let values: Vec<Vec<f64>> =
                values.into_iter().map(|item| item.into_iter().map(f64::from).collect()).collect();
            let chosen = best(&values, count);
            prop_assert_eq!(chosen.len(), count.min(values.len()));
            let kept = |index: usize| chosen.contains(&index);
            for index in (0..values.len()).filter(|&index| !kept(index)) {
                prop_assert!(chosen.iter().all(|&better| !dominates(&values[index], &values[better])));
            }
        }

        #[test]
        fn the_front_is_exactly_what_nothing_dominates(values in prop::collection::vec(prop::collection::vec(0_u8..6, 3), 1..40)) {
            let values: Vec<Vec<f64>> =
                values.into_iter().map(|item| item.into_iter().map(f64::from).collect()).collect();
            let mut found = front(&values);
            found.sort_unstable();
            let free = |item: &Vec<f64>| !values.iter().any(|other| dominates(other, item));
            let expected: Vec<usize> = (0..values.len()).filter(|&index| free(&values[index])).collect();
            prop_assert_eq!(&found, &expected);
            let mut growing = Front::default();
            values.iter().for_each(|item| growing.insert(item.clone()));
            let mut distinct: Vec<Vec<f64>> = expected_values(&values, &expected);
            let mut grown = growing.items().to_vec();
            grown.sort_by(|a, b| compare(a, b));
            distinct.dedup();
            prop_assert_eq!(&grown, &distinct);
            let least = |at: usize| values.iter().map(|item| item[at]).fold(f64::INFINITY, f64::min);
            prop_assert_eq!(growing.ideal(), (0..3).map(least).collect::<Vec<_>>());
            let mut all = ranking(&values, usize::MAX);
            all.sort_unstable();
            prop_assert_eq!(all, (0..values.len()).collect::<Vec<_>>());
        }
    }
}
