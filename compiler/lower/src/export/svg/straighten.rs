//! Coordinates of rows → coordinates in which long lines are upright, as Brandes and Köpf (2001) ask for.
//!
//! The bends of one line become one block with one x, cut only where two lines cross on the way from a row to the next. Blocks then never
//! cross, so that "stands left of" orders them; they are set in this order from left to right, and move towards their neighbours as far
//! as the blocks beside them let them.

use super::layer::Layers;
use super::order::places;
use super::position::{distance, wish};
use petgraph::graph::{DiGraph, NodeIndex};

/// Sweeps over all blocks in both directions; what moves after so many moves by less than a pixel.
const SWEEPS: usize = 60;
/// The greatest numbers of rows that a block spans, tried in this order: upright lines take room.
const LENGTHS: [usize; 5] = [usize::MAX, 12, 6, 3, 2];
/// The width that all drawings may have, so that they can be read on a page.
const PAGE: f64 = 1320.0;

/// Moves spots so that lines are as upright as a page allows, or a tenth more than the width that there was.
pub(super) fn straighten(layers: &Layers, x: &mut Vec<f64>) {
    let limit = (1.1 * width(x)).max(PAGE);
    for length in LENGTHS {
        let moved = moved(layers, &Blocks::new(layers, length), x);
        if width(&moved) <= limit {
            *x = moved;
            return;
        }
    }
}

fn width(x: &[f64]) -> f64 {
    let (least, greatest) = x.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &x| (a.min(x), b.max(x)));
    greatest - least
}

/// Coordinates near `x` that give every block one.
fn moved(layers: &Layers, blocks: &Blocks, x: &[f64]) -> Vec<f64> {
    // Blocks start at their spots' mean and give way to the right, or to the left; both fit, and so does what lies between.
    let (mut left, mut right) = (x.to_vec(), x.to_vec());
    for (block, spots) in blocks.spots.iter().enumerate() {
        let mean = spots.iter().map(|&spot| x[spot]).sum::<f64>() / spots.len() as f64;
        blocks.set(block, mean, &mut left);
        blocks.set(block, mean, &mut right);
    }
    for &block in &blocks.order {
        let mean = left[blocks.spots[block][0]];
        blocks.set(block, mean.max(blocks.room(layers, block, &left).0), &mut left);
    }
    for &block in blocks.order.iter().rev() {
        let mean = right[blocks.spots[block][0]];
        blocks.set(block, mean.min(blocks.room(layers, block, &right).1), &mut right);
    }
    let mut x: Vec<f64> = left.iter().zip(right).map(|(left, right)| (left + right) / 2.0).collect();
    for sweep in 0..SWEEPS {
        let relax = |&block: &usize| blocks.relax(layers, block, &mut x);
        if sweep.is_multiple_of(2) {
            blocks.order.iter().rev().for_each(relax);
        } else {
            blocks.order.iter().for_each(relax);
        }
    }
    x
}

/// Spots that share an x.
struct Blocks {
    /// By block, from the uppermost down.
    spots: Vec<Vec<usize>>,
    /// The blocks, each behind those that stand left of it.
    order: Vec<usize>,
    /// By spot, what stands beside it in its row.
    beside: Vec<(Option<usize>, Option<usize>)>,
}

impl Blocks {
    /// Blocks of at most `length` spots.
    fn new(layers: &Layers, length: usize) -> Self {
        let mut block_of = vec![usize::MAX; layers.spots.len()];
        let mut spots: Vec<Vec<usize>> = Vec::new();
        let places = places(layers);
        let mut beside = vec![(None, None); layers.spots.len()];
        for row in &layers.rows {
            for &spot in row {
                if block_of[spot] == usize::MAX {
                    block_of[spot] = spots.len();
                    spots.push(vec![spot]);
                }
            }
            for (upper, lower) in upright(layers, &places, row) {
                let block = &mut spots[block_of[upper]];
                if block.len() < length {
                    block.push(lower);
                    block_of[lower] = block_of[upper];
                }
            }
            for pair in row.windows(2) {
                beside[pair[0]].1 = Some(pair[1]);
                beside[pair[1]].0 = Some(pair[0]);
            }
        }
        let mut left_of = DiGraph::<(), ()>::with_capacity(spots.len(), layers.spots.len());
        spots.iter().for_each(|_| {
            left_of.add_node(());
        });
        for pair in layers.rows.iter().flat_map(|row| row.windows(2)) {
            left_of.add_edge(NodeIndex::new(block_of[pair[0]]), NodeIndex::new(block_of[pair[1]]), ());
        }
        let order =
            petgraph::algo::toposort(&left_of, None).expect("curves that do not cross are ordered from left to right");
        Self { spots, order: order.into_iter().map(NodeIndex::index).collect(), beside }
    }

    fn set(&self, block: usize, value: f64, x: &mut [f64]) {
        for &spot in &self.spots[block] {
            x[spot] = value;
        }
    }

    /// The least and the greatest x that the blocks beside this one leave it.
    fn room(&self, layers: &Layers, block: usize, x: &[f64]) -> (f64, f64) {
        let mut room = (f64::NEG_INFINITY, f64::INFINITY);
        for &spot in &self.spots[block] {
            let (left, right) = self.beside[spot];
            if let Some(left) = left {
                room.0 = room.0.max(x[left] + distance(layers, left, spot));
            }
            if let Some(right) = right {
                room.1 = room.1.min(x[right] - distance(layers, spot, right));
            }
        }
        room
    }

    /// Moves a block towards the mean of its neighbours.
    fn relax(&self, layers: &Layers, block: usize, x: &mut [f64]) {
        let (mut weight, mut sum) = (0.0, 0.0);
        // The links of the bends of one block to each other pull it nowhere; those of its ends do.
        for &spot in &self.spots[block] {
            let (spot_weight, spot_wish) = wish(layers, spot, x, true, true);
            weight += spot_weight;
            sum += spot_weight * spot_wish;
        }
        let (least, greatest) = self.room(layers, block, x);
        // Rounding can leave a block a little less room than none.
        let value = (sum / weight).min(greatest).max(least);
        self.set(block, value, x);
    }
}

/// The links between bends from a row to the next that stay upright: the most that do not cross each other, which is a longest
/// increasing subsequence of their lower ends.
fn upright(layers: &Layers, places: &[usize], row: &[usize]) -> Vec<(usize, usize)> {
    let bends = row.iter().copied().filter(|&spot| layers.spots[spot].bend);
    let next = |upper: usize| layers.below[upper].iter().copied().find(|&lower| layers.spots[lower].bend);
    let links: Vec<(usize, usize)> = bends.filter_map(|upper| next(upper).map(|lower| (upper, lower))).collect();
    // For each length the link that ends the best sequence of it, and for each link the one before it.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; links.len()];
    for (index, &(_, lower)) in links.iter().enumerate() {
        let length = ends.partition_point(|&end| places[links[end].1] < places[lower]);
        before[index] = length.checked_sub(1).map(|shorter| ends[shorter]);
        if length == ends.len() {
            ends.push(index);
        } else {
            ends[length] = index;
        }
    }
    let last = ends.last().copied();
    let mut kept: Vec<(usize, usize)> =
        std::iter::successors(last, |&index| before[index]).map(|index| links[index]).collect();
    kept.reverse();
    kept
}
