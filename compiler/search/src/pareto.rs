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
    front_after_front(values, count, |members, places, room| {
        let apart = crowding(members);
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by(|&a, &b| apart[b].total_cmp(&apart[a]).then(places[a].cmp(&places[b])));
        order.truncate(room);
        order
    })
}

/// The `count` best items as indices, front after front; where a front does not fit whole, of it one after another the one with which most
/// is dominated below its [`bound`], the hypervolume subset selection of Guerreiro, Fonseca and Paquete (Evol. Comput. 24 (3), 2016). With
/// more than three objectives that is too dear, and these are [`best`].
#[must_use]
pub fn largest(values: &[Vec<f64>], count: usize) -> Vec<usize> {
    if values.first().is_some_and(|item| item.len() > 3) {
        return best(values, count);
    }
    front_after_front(values, count, |members, _, room| {
        if members.len() <= room { (0..members.len()).collect() } else { dominating(members, room) }
    })
}

/// `count` items as indices, of each front as many as there is room for, as `choose` has its members, of these places,
/// in order.
fn front_after_front(
    values: &[Vec<f64>],
    count: usize,
    choose: impl Fn(&[Vec<f64>], &[usize], usize) -> Vec<usize>,
) -> Vec<usize> {
    let mut left: Vec<usize> = (0..values.len()).collect();
    let mut chosen = Vec::new();
    while !left.is_empty() && chosen.len() < count {
        let remaining: Vec<Vec<f64>> = left.iter().map(|&index| values[index].clone()).collect();
        let found = front(&remaining);
        let members: Vec<Vec<f64>> = found.iter().map(|&place| remaining[place].clone()).collect();
        let room = count - chosen.len();
        chosen.extend(choose(&members, &found, room).into_iter().map(|member| left[found[member]]));
        let mut taken = vec![false; left.len()];
        found.iter().for_each(|&place| taken[place] = true);
        left = left.into_iter().zip(taken).filter(|(_, taken)| !taken).map(|(index, _)| index).collect();
    }
    chosen
}

/// At most `count` members, each that with which those chosen so far dominate most.
fn dominating(members: &[Vec<f64>], count: usize) -> Vec<usize> {
    let bound = bound(members);
    let (mut chosen, mut taken, mut whole) = (Vec::new(), Vec::new(), 0.0);
    // What one adds never grows while others are chosen: one that adds more than any other ever did need not be held against them anew.
    let mut gains: Vec<(f64, usize)> = (0..members.len()).map(|member| (f64::INFINITY, member)).collect();
    let mut fresh = vec![false; members.len()];
    while chosen.len() < count {
        let most =
            |a: &(usize, &(f64, usize)), b: &(usize, &(f64, usize))| a.1.0.total_cmp(&b.1.0).then(b.1.1.cmp(&a.1.1));
        let Some((place, &(gain, member))) = gains.iter().enumerate().max_by(most) else { break };
        if fresh[member] {
            gains.swap_remove(place);
            chosen.push(member);
            taken.push(members[member].clone());
            whole += gain;
            fresh.fill(false);
        } else {
            taken.push(members[member].clone());
            gains[place].0 = hypervolume(&taken, &bound) - whole;
            taken.pop();
            fresh[member] = true;
        }
    }
    chosen
}

/// A point a tenth beyond the worst of each objective, so that items at the ends of a front dominate something too.
#[must_use]
pub fn bound(values: &[Vec<f64>]) -> Vec<f64> {
    let objectives = values.first().map_or(0, Vec::len);
    let worst = |objective: usize| {
        let finite = values.iter().map(|item| item[objective]).filter(|value| value.is_finite());
        finite.fold(f64::NEG_INFINITY, f64::max)
    };
    let beyond = |worst: f64| if worst == 0.0 { f64::EPSILON } else { (1.1 * worst).max(0.9 * worst) };
    (0..objectives).map(worst).map(beyond).collect()
}

/// How much of the space below `bound` the items dominate; those that are not below it in every objective, and infinite ones, do not count.
#[must_use]
pub fn hypervolume(values: &[Vec<f64>], bound: &[f64]) -> f64 {
    let below = |item: &&[f64]| item.iter().zip(bound).all(|(value, bound)| value.is_finite() && value < bound);
    slices(values.iter().map(Vec::as_slice).filter(below).collect(), bound)
}

/// The volume slice by slice along the last axis; of two axes by one sweep.
fn slices(mut items: Vec<&[f64]>, bound: &[f64]) -> f64 {
    let Some((&end, others)) = bound.split_last() else { return 1.0 };
    let axis = others.len();
    items.sort_by(|a, b| a[axis].total_cmp(&b[axis]));
    let mut volume = 0.0;
    if let &[mut right] = others {
        for item in items {
            if item[0] < right {
                volume += (right - item[0]) * (end - item[1]);
                right = item[0];
            }
        }
        return volume;
    }
    for (place, item) in items.iter().enumerate() {
        let next = items.get(place + 1).map_or(end, |next| next[axis]);
        if next > item[axis] {
            volume += (next - item[axis]) * slices(items[..=place].to_vec(), others);
        }
    }
    volume
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

    #[test]
    fn what_dominates_most_goes_first() {
        let values = vec![vec![0.0, 10.0], vec![4.0, 4.0], vec![10.0, 0.0], vec![5.0, 5.0]];
        assert_eq!(bound(&values), [11.0, 11.0]);
        assert_eq!([largest(&values, 1), largest(&values, 3)], [vec![1], vec![0, 1, 2]]);
        // Below (11, 7.7) they dominate 7.7, 17 and 7.7; beside the second the first adds 0.7, the third 6.
        let values = vec![vec![0.0, 7.0], vec![1.0, 6.0], vec![10.0, 0.0]];
        assert_eq!(largest(&values, 2), [1, 2]);
        assert_eq!([largest(&[], 2), largest(&[vec![2.0], vec![1.0], vec![1.0]], 2)], [vec![], vec![1, 2]]);
        assert_eq!(bound(&[vec![-10.0, f64::INFINITY, 0.0]]), [-9.0, f64::NEG_INFINITY, f64::EPSILON]);
        assert_eq!(hypervolume(&[vec![f64::INFINITY, 0.0], vec![1.0, f64::NEG_INFINITY]], &[2.0, 2.0]), 0.0);
        assert_eq!(hypervolume(&[vec![1.0, 2.0, 3.0], vec![2.0, 1.0, 3.0]], &[3.0, 3.0, 5.0]), 6.0);
    }

    /// The items of these indices in order.
    fn expected_values(values: &[Vec<f64>], indices: &[usize]) -> Vec<Vec<f64>> {
        let mut items: Vec<Vec<f64>> = indices.iter().map(|&index| values[index].clone()).collect();
        items.sort_by(|a, b| compare(a, b));
        items
    }

    proptest! {
        #[test]
        fn the_hypervolume_counts_cells(values in prop::collection::vec(prop::collection::vec(0_u8..5, 3), 0..12), axes in 1_usize..4) {
            let values: Vec<Vec<f64>> =
                values.into_iter().map(|item| item.into_iter().take(axes).map(f64::from).collect()).collect();
            let cells = 4_usize.pow(axes as u32);
            let corner = |cell: usize| -> Vec<f64> { (0..axes).map(|axis| (cell / 4_usize.pow(axis as u32) % 4) as f64).collect() };
            let within = |cell: &usize| values.iter().any(|item| item.iter().zip(corner(*cell)).all(|(value, at)| *value <= at));
            prop_assert_eq!(hypervolume(&values, &vec![4.0; axes]), (0..cells).filter(within).count() as f64);
        }

        #[test]
        fn the_largest_are_whole_fronts_but_the_last(values in prop::collection::vec(prop::collection::vec(0_u8..6, 3), 1..30), count in 0_usize..35) {
            let values: Vec<Vec<f64>> =
                values.into_iter().map(|item| item.into_iter().map(f64::from).collect()).collect();
            let chosen = largest(&values, count);
            prop_assert_eq!(chosen.len(), count.min(values.len()));
            for index in (0..values.len()).filter(|index| !chosen.contains(index)) {
                prop_assert!(chosen.iter().all(|&better| !dominates(&values[index], &values[better])));
            }
        }

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
