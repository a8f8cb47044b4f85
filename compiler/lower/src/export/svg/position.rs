//! Ordered rows → coordinates: rows far enough apart for their lines, and within a row spots as near to their neighbours' mean as
//! their order and distances allow, which is an isotonic regression for each row (pool adjacent violators).

use super::layer::Layers;
use super::straighten::straighten;

/// Width of a node's box.
pub(super) const BOX_WIDTH: f64 = 78.0;
/// Height of a node's box.
pub(super) const BOX_HEIGHT: f64 = 38.0;

/// Sweeps over all rows; long lines are straight after so many.
const SWEEPS: usize = 40;

/// Where everything is: x of each spot's centre and y of each row's upper edge, from 0.
#[derive(Debug)]
pub(super) struct Positions {
    /// By spot.
    pub(super) x: Vec<f64>,
    /// By row.
    pub(super) y: Vec<f64>,
    /// Of all boxes and lines together.
    pub(super) width: f64,
    /// Of all rows together.
    pub(super) height: f64,
}

/// Places all spots.
pub(super) fn position(layers: &Layers) -> Positions {
    let mut x = vec![0.0; layers.spots.len()];
    for row in &layers.rows {
        let offsets = offsets(layers, row);
        let middle = offsets.last().copied().unwrap_or(0.0) / 2.0;
        for (&spot, offset) in row.iter().zip(offsets) {
            x[spot] = offset - middle;
        }
    }
    for sweep in 0..SWEEPS {
        // One side at a time straightens long lines quickly; both at once, in the last sweeps, balances them.
        let both = sweep + 8 >= SWEEPS;
        if sweep.is_multiple_of(2) {
            layers.rows.iter().for_each(|row| settle(layers, row, &mut x, true, both));
        } else {
            layers.rows.iter().rev().for_each(|row| settle(layers, row, &mut x, both, true));
        }
    }
    straighten(layers, &mut x);
    let half = |spot: usize| if layers.spots[spot].bend { 2.0 } else { BOX_WIDTH / 2.0 };
    let least = x.iter().enumerate().map(|(spot, x)| x - half(spot)).fold(f64::INFINITY, f64::min);
    let greatest = x.iter().enumerate().map(|(spot, x)| x + half(spot)).fold(f64::NEG_INFINITY, f64::max);
    x.iter_mut().for_each(|x| *x -= least);
    let y = rows(layers, &x);
    let height = y.last().copied().unwrap_or(0.0) + BOX_HEIGHT;
    Positions { x, y, width: greatest - least, height }
}

/// The y of each row: the further the lines between two rows run sideways, the further apart they are.
fn rows(layers: &Layers, x: &[f64]) -> Vec<f64> {
    let mut y = Vec::with_capacity(layers.rows.len());
    let mut next = 0.0;
    for row in &layers.rows {
        y.push(next);
        let spans = row.iter().flat_map(|&spot| layers.below[spot].iter().map(move |&to| (x[to] - x[spot]).abs()));
        let widest = spans.fold(0.0, f64::max);
        next += BOX_HEIGHT + (26.0 + 0.09 * widest).min(80.0);
    }
    y
}

/// How far each spot of a row is from the first at least.
fn offsets(layers: &Layers, row: &[usize]) -> Vec<f64> {
    let mut offsets = vec![0.0; row.len()];
    for index in 1..row.len() {
        offsets[index] = offsets[index - 1] + distance(layers, row[index - 1], row[index]);
    }
    offsets
}

/// The least distance between two spots that stand side by side.
pub(super) fn distance(layers: &Layers, left: usize, right: usize) -> f64 {
    match (layers.spots[left].bend, layers.spots[right].bend) {
        (false, false) => BOX_WIDTH + 14.0,
        (true, true) => 9.0,
        _ => BOX_WIDTH / 2.0 + 11.0,
    }
}

/// Moves the spots of a row as near to the mean of their neighbours as their distances allow.
fn settle(layers: &Layers, row: &[usize], x: &mut [f64], above: bool, below: bool) {
    let offsets = offsets(layers, row);
    // Runs of spots that touch: (Σ weight, Σ weight·wish, how many).
    let mut runs: Vec<(f64, f64, usize)> = Vec::with_capacity(row.len());
    for (&spot, offset) in row.iter().zip(&offsets) {
        let (weight, wish) = wish(layers, spot, x, above, below);
        let mut run = (weight, weight * (wish - offset), 1);
        while let Some(&last) = runs.last() {
            if last.1 * run.0 <= run.1 * last.0 {
                break;
            }
            run = (run.0 + last.0, run.1 + last.1, run.2 + last.2);
            runs.pop();
        }
        runs.push(run);
    }
    let mut spots = row.iter().zip(offsets);
    for (weight, sum, count) in runs {
        for (&spot, offset) in spots.by_ref().take(count) {
            x[spot] = sum / weight + offset;
        }
    }
}

/// Where a spot would be, and how much it matters: bends more than nodes, so that long lines are straight (Gansner et al. 1993).
pub(super) fn wish(layers: &Layers, spot: usize, x: &[f64], above: bool, below: bool) -> (f64, f64) {
    let (mut weight, mut sum) = (0.0, 0.0);
    let sides = [(above, &layers.above[spot]), (below, &layers.below[spot])];
    for &other in sides.into_iter().filter(|(used, _)| *used).flat_map(|(_, links)| links) {
        let link = match (layers.spots[spot].bend, layers.spots[other].bend) {
            (true, true) => 8.0,
            (false, false) => 1.0,
            _ => 2.0,
        };
        weight += link;
        sum += link * x[other];
    }
    if weight > 0.0 { (weight, sum / weight) } else { (0.01, x[spot]) }
}
