//! Architecture → rows of spots: each node in the row of its depth, and bends where an edge passes rows on its way.
//!
//! A node's output is one tensor however many consumers it has, so all its edges share one line that runs down from row to row and
//! that each consumer branches off from. Rows have a greatest width; what does not fit goes one row further down, those with the
//! longest way to the answer first (list scheduling after Coffman and Graham 1972).

use cnasc_ir::architecture::{Architecture, NodeId};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// The most nodes of one row: as many as can be read on a page.
const MAX_ROW: usize = 12;
/// With more bends than this, edges are drawn straight through other rows: nobody could follow them anyway.
const MAX_BENDS: usize = 20_000;

/// A place in a row: a node, or a bend of the line of a node's output. A node's number is its spot's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    /// The row.
    pub(super) row: usize,
    /// Whether it is a bend.
    pub(super) bend: bool,
}

/// Where everything is, without coordinates.
#[derive(Debug)]
pub(super) struct Layers {
    /// Nodes first, in their order, then bends.
    pub(super) spots: Vec<Spot>,
    /// The spots of each row from left to right.
    pub(super) rows: Vec<Vec<usize>>,
    /// By spot, those of the row above that it is linked to.
    pub(super) above: Vec<Vec<usize>>,
    /// By spot, those of the row below that it is linked to.
    pub(super) below: Vec<Vec<usize>>,
    /// By node, the bends of its line from the row below it on.
    bends: Vec<Vec<usize>>,
}

impl Layers {
    /// The rows of a verified architecture, each in the order of the nodes.
    pub(super) fn new(architecture: &Architecture) -> Self {
        let row_of = rows(architecture);
        let consumers = architecture.consumers();
        let height = row_of.iter().max().map_or(0, |&last| last + 1);
        let spots: Vec<Spot> = row_of.iter().map(|&row| Spot { row, bend: false }).collect();
        let mut layers = Self {
            rows: vec![Vec::new(); height],
            above: Vec::new(),
            below: Vec::new(),
            bends: vec![Vec::new(); spots.len()],
            spots,
        };
        layers.add_bends(&consumers);
        for (index, spot) in layers.spots.iter().enumerate() {
            layers.rows[spot.row].push(index);
        }
        layers.above = vec![Vec::new(); layers.spots.len()];
        layers.below = layers.above.clone();
        for (from, consumers) in consumers.iter().enumerate() {
            for &to in consumers {
                layers.link(from, to.index());
            }
        }
        for links in layers.above.iter_mut().chain(&mut layers.below) {
            links.sort_unstable();
            links.dedup();
        }
        layers
    }

    /// The spots that the edge from one node to another passes, both included.
    pub(super) fn path(&self, from: usize, to: usize) -> Vec<usize> {
        let between = self.spots[to].row - self.spots[from].row - 1;
        let mut path = vec![from];
        path.extend(self.bends[from].iter().take(between));
        path.push(to);
        path
    }

    fn add_bends(&mut self, consumers: &[Vec<NodeId>]) {
        let farthest = |from: usize| consumers[from].iter().map(|to| self.spots[to.index()].row).max();
        let ends: Vec<usize> = (0..consumers.len()).map(|from| farthest(from).unwrap_or(0)).collect();
        let needed: usize =
            ends.iter().enumerate().map(|(from, &end)| end.saturating_sub(self.spots[from].row + 1)).sum();
        if needed > MAX_BENDS {
            return;
        }
        for (from, end) in ends.into_iter().enumerate() {
            for row in self.spots[from].row + 1..end {
                self.bends[from].push(self.spots.len());
                self.spots.push(Spot { row, bend: true });
            }
        }
    }

    fn link(&mut self, from: usize, to: usize) {
        for pair in self.path(from, to).windows(2) {
            // Without bends an edge may pass over rows; only neighbouring rows are arranged by their links.
            if self.spots[pair[1]].row == self.spots[pair[0]].row + 1 {
                self.below[pair[0]].push(pair[1]);
                self.above[pair[1]].push(pair[0]);
            }
        }
    }
}

/// The row of each node.
fn rows(architecture: &Architecture) -> Vec<usize> {
    let consumers = architecture.consumers();
    let mut to_answer = vec![0_usize; consumers.len()];
    for index in (0..consumers.len()).rev() {
        let longest = consumers[index].iter().map(|to| to_answer[to.index()] + 1).max();
        to_answer[index] = longest.unwrap_or(0);
    }
    let mut waiting: Vec<usize> = architecture.nodes.iter().map(|node| node.inputs.len()).collect();
    let mut ready = BTreeSet::from([(Reverse(to_answer[0]), 0)]);
    let mut row_of = vec![0; consumers.len()];
    let mut row = 0;
    while !ready.is_empty() {
        let placed: Vec<usize> = (0..MAX_ROW).map_while(|_| ready.pop_first()).map(|(_, index)| index).collect();
        for index in placed {
            row_of[index] = row;
            for to in &consumers[index] {
                waiting[to.index()] -= 1;
                if waiting[to.index()] == 0 {
                    ready.insert((Reverse(to_answer[to.index()]), to.index()));
                }
            }
        }
        row += 1;
    }
    row_of
}
