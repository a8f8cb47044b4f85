//! A drawn graph with edges moved, added and dropped.
//!
//! Every edge goes from a smaller to a larger node, before and after, so the graph stays acyclic. An edge is taken away only where its
//! first node has another successor and its second another predecessor: nodes that took from others and gave to others go on doing so.
//! An edit for which the graph has no place changes nothing.

use super::{Dag, MAX_EDGES, id};
use cnasc_base::{Rng, Seed};
use cnasc_ir::edit::{Edit, EditKind};

/// An edge's ends, the smaller node first.
type Ends = (usize, usize);

impl Dag {
    /// Applies an edit, which draws the edge from its own number.
    pub fn edit(&mut self, edit: Edit) {
        let rng = &mut Seed::new(edit.number).child("edge").rng();
        match edit.kind {
            EditKind::Move => self.move_one(rng),
            EditKind::Add => self.add_one(rng),
            EditKind::Drop => self.drop_one(rng),
        }
    }

    fn drop_one(&mut self, rng: &mut Rng) {
        let given = self.successor_counts();
        let spare = |&(from, to): &Ends| given[from] > 1 && self.predecessors[to].len() > 1;
        let edges: Vec<Ends> = self.edges().filter(spare).collect();
        if let Some(&edge) = pick(&edges, rng) {
            self.take_away(edge);
        }
    }

    fn add_one(&mut self, rng: &mut Rng) {
        let edges: usize = self.predecessors.iter().map(Vec::len).sum();
        let absent = self.nodes * (self.nodes - 1) / 2 - edges;
        if absent == 0 || edges >= MAX_EDGES {
            return;
        }
        let mut place = rng.below(absent);
        for to in 0..self.nodes {
            let here = to - self.predecessors[to].len();
            if place < here {
                let from = self.absent(to).nth(place);
                return from.into_iter().for_each(|from| self.put((from, to)));
            }
            place -= here;
        }
    }

    /// The one end stays, the other goes to a node to which there is no edge yet.
    fn move_one(&mut self, rng: &mut Rng) {
        let given = self.successor_counts();
        // Which end of which edge moves.
        let ends = self.edges().flat_map(|edge| [(edge, true), (edge, false)]);
        let free = |&((from, to), first): &(Ends, bool)| {
            if first {
                given[from] > 1 && self.predecessors[to].len() < to
            } else {
                self.predecessors[to].len() > 1 && given[from] < self.nodes - 1 - from
            }
        };
        let movable: Vec<(Ends, bool)> = ends.filter(free).collect();
        let Some(&((from, to), first)) = pick(&movable, rng) else { return };
        let others: Vec<usize> = if first {
            self.absent(to).collect()
        } else {
            (from + 1..self.nodes).filter(|&other| self.predecessors[other].binary_search(&id(from)).is_err()).collect()
        };
        if let Some(&other) = pick(&others, rng) {
            self.take_away((from, to));
            self.put(if first { (other, to) } else { (from, other) });
        }
    }

    fn edges(&self) -> impl Iterator<Item = Ends> + '_ {
        let of =
            |(to, inputs): (usize, &'_ Vec<u32>)| inputs.iter().map(|&from| (from as usize, to)).collect::<Vec<Ends>>();
        self.predecessors.iter().enumerate().flat_map(of)
    }

    /// For each node how many take from it.
    fn successor_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.nodes];
        self.predecessors.iter().flatten().for_each(|&from| counts[from as usize] += 1);
        counts
    }

    /// The nodes before `to` that it does not take from.
    fn absent(&self, to: usize) -> impl Iterator<Item = usize> + '_ {
        (0..to).filter(move |&from| self.predecessors[to].binary_search(&id(from)).is_err())
    }

    fn take_away(&mut self, (from, to): Ends) {
        self.predecessors[to].retain(|&input| input as usize != from);
    }

    fn put(&mut self, (from, to): Ends) {
        let inputs = &mut self.predecessors[to];
        let place = inputs.partition_point(|&input| (input as usize) < from);
        inputs.insert(place, id(from));
    }
}

fn pick<'a, T>(items: &'a [T], rng: &mut Rng) -> Option<&'a T> {
    if items.is_empty() { None } else { Some(&items[rng.below(items.len())]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dag(predecessors: &[&[u32]]) -> Dag {
        let nodes = predecessors.len();
        Dag {
            nodes,
            predecessors: predecessors.iter().map(|of| of.to_vec()).collect(),
            origin: (0..id(nodes)).collect(),
        }
    }

    fn edited(mut dag: Dag, kind: EditKind, number: u64) -> Vec<Vec<u32>> {
        dag.edit(Edit { kind, number });
        dag.predecessors
    }

    #[test]
    fn where_one_edge_can_be_taken_it_is_that() {
        // 0 gives to 1 and 2, which takes from both: 0 -> 2 alone can be spared.
        let triangle = || dag(&[&[], &[0], &[0, 1]]);
        for number in 0..20 {
            assert_eq!(edited(triangle(), EditKind::Drop, number), [vec![], vec![0], vec![1]]);
            assert_eq!(edited(triangle(), EditKind::Add, number), triangle().predecessors, "it is whole");
            assert_eq!(edited(triangle(), EditKind::Move, number), triangle().predecessors, "no other place is free");
            let path = || dag(&[&[], &[0], &[1]]);
            assert_eq!(edited(path(), EditKind::Drop, number), path().predecessors, "each edge is the only one");
            assert_eq!(edited(path(), EditKind::Add, number), triangle().predecessors);
            assert_eq!(edited(dag(&[&[]]), EditKind::Add, number), [Vec::<u32>::new()]);
        }
    }

    #[test]
    fn edits_find_every_place() {
        // A path of four with 0 -> 2: new are 0 -> 3 and 1 -> 3.
        let graph = || dag(&[&[], &[0], &[0, 1], &[2]]);
        let mut found: Vec<Vec<Vec<u32>>> = (0..50).map(|number| edited(graph(), EditKind::Add, number)).collect();
        found.sort();
        found.dedup();
        assert_eq!(
            found,
            [vec![vec![], vec![0], vec![0, 1], vec![0, 2]], vec![vec![], vec![0], vec![0, 1], vec![1, 2]],]
        );
        // 0 -> 2 may become 0 -> 3; 1 -> 2 may become 1 -> 3; no first end can move: 2 takes from all before it, and 3's from 2 alone.
        let mut found: Vec<Vec<Vec<u32>>> = (0..50).map(|number| edited(graph(), EditKind::Move, number)).collect();
        found.sort();
        found.dedup();
        assert_eq!(found, [vec![vec![], vec![0], vec![0], vec![1, 2]], vec![vec![], vec![0], vec![1], vec![0, 2]],]);
    }
}
