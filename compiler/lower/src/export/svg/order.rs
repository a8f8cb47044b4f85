//! The order of spots within rows that makes lines cross little: sweeps down and up that sort each row by the mean place of the
//! neighbours (Sugiyama, Tagawa and Toda 1981), then exchanges of neighbours; the best of all is kept.

use super::layer::Layers;

/// Sweeps in both directions. More do not help drawings of a few hundred nodes.
const SWEEPS: usize = 24;
/// With more spots than this, exchanges would take longer than the drawing is worth.
const MAX_EXCHANGED: usize = 20_000;

/// Reorders all rows.
pub(super) fn arrange(layers: &mut Layers) {
    let mut best = layers.rows.clone();
    let mut least = crossings(layers);
    let mut places = places(layers);
    for sweep in 0..SWEEPS {
        if sweep.is_multiple_of(2) {
            (1..layers.rows.len()).for_each(|row| sort(layers, &mut places, row, true));
        } else {
            (0..layers.rows.len().saturating_sub(1)).rev().for_each(|row| sort(layers, &mut places, row, false));
        }
        if layers.spots.len() <= MAX_EXCHANGED {
            exchange(layers, &mut places);
        }
        let count = crossings(layers);
        if count < least {
            least = count;
            best.clone_from(&layers.rows);
        }
    }
    layers.rows = best;
}

/// The index of each spot in its row.
pub(super) fn places(layers: &Layers) -> Vec<usize> {
    let mut places = vec![0; layers.spots.len()];
    for row in &layers.rows {
        for (place, &spot) in row.iter().enumerate() {
            places[spot] = place;
        }
    }
    places
}

/// Sorts a row by the mean place of the neighbours above, or of those below.
fn sort(layers: &mut Layers, places: &mut [usize], row: usize, from_above: bool) {
    let other = &layers.rows[if from_above { row - 1 } else { row + 1 }];
    let links = if from_above { &layers.above } else { &layers.below };
    // A spot without neighbours stays where it is, in proportion.
    let stretch = other.len() as f64 / layers.rows[row].len().max(1) as f64;
    let mut keyed: Vec<(f64, usize)> = Vec::with_capacity(layers.rows[row].len());
    for (place, &spot) in layers.rows[row].iter().enumerate() {
        let neighbours = &links[spot];
        let sum: usize = neighbours.iter().map(|&neighbour| places[neighbour]).sum();
        let key = if neighbours.is_empty() { place as f64 * stretch } else { sum as f64 / neighbours.len() as f64 };
        keyed.push((key, spot));
    }
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    layers.rows[row] = keyed.into_iter().map(|(_, spot)| spot).collect();
    for (place, &spot) in layers.rows[row].iter().enumerate() {
        places[spot] = place;
    }
}

/// Exchanges neighbours in a row wherever that removes crossings, once over all rows.
fn exchange(layers: &mut Layers, places: &mut [usize]) {
    for row in 0..layers.rows.len() {
        for left in 1..layers.rows[row].len() {
            let (a, b) = (layers.rows[row][left - 1], layers.rows[row][left]);
            let count = |a: usize, b: usize| {
                inversions(&layers.above[a], &layers.above[b], places)
                    + inversions(&layers.below[a], &layers.below[b], places)
            };
            if count(b, a) < count(a, b) {
                layers.rows[row].swap(left - 1, left);
                places.swap(a, b);
            }
        }
    }
}

/// Crossings of the links of a spot with those of another to its right.
fn inversions(left: &[usize], right: &[usize], places: &[usize]) -> usize {
    left.iter().map(|&a| right.iter().filter(|&&b| places[b] < places[a]).count()).sum()
}

/// All crossings of links between neighbouring rows, counted with a Fenwick tree (Barth, Jünger and Mutzel 2002).
fn crossings(layers: &Layers) -> usize {
    let places = places(layers);
    let mut total = 0;
    for row in layers.rows.windows(2) {
        let mut tree = vec![0_usize; row[1].len() + 1];
        let mut seen = 0;
        for &upper in &row[0] {
            let mut ends: Vec<usize> = layers.below[upper].iter().map(|&lower| places[lower]).collect();
            ends.sort_unstable();
            for &end in &ends {
                // Those seen so far that end further to the right.
                total += seen - prefix(&tree, end + 1);
            }
            for end in ends {
                add(&mut tree, end + 1);
                seen += 1;
            }
        }
    }
    total
}

fn prefix(tree: &[usize], mut index: usize) -> usize {
    let mut sum = 0;
    while index > 0 {
        sum += tree[index];
        index &= index - 1;
    }
    sum
}

fn add(tree: &mut [usize], mut index: usize) {
    while index < tree.len() {
        tree[index] += 1;
        index += index & index.wrapping_neg();
    }
}
