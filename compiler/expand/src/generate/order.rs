//! Undirected graph → DAG. By index each edge goes from the smaller number to the larger. By depth-first order the nodes are
//! first renumbered as a depth-first walk of the undirected graph meets them, smaller numbers first, component after component.

use super::{Dag, Edge, id};
use cnasc_ir::program::Order;

pub(super) fn direct(nodes: usize, edges: &[Edge], order: Order) -> Dag {
    let origin = match order {
        Order::Index => (0..nodes).map(id).collect(),
        Order::Dfs => depth_first(nodes, edges),
    };
    let mut number = vec![0_u32; nodes];
    for (new, &old) in origin.iter().enumerate() {
        number[old as usize] = id(new);
    }
    let ends = |&(a, b): &Edge| {
        let (a, b) = (number[a as usize], number[b as usize]);
        (a.min(b), a.max(b))
    };
    let mut degrees = vec![0_usize; nodes];
    for edge in edges {
        degrees[ends(edge).1 as usize] += 1;
    }
    let mut predecessors: Vec<Vec<u32>> = degrees.into_iter().map(Vec::with_capacity).collect();
    for edge in edges {
        let (from, to) = ends(edge);
        predecessors[to as usize].push(from);
    }
    for inputs in &mut predecessors {
        inputs.sort_unstable();
    }
    Dag { nodes, predecessors, origin }
}

/// The nodes in depth-first order.
fn depth_first(nodes: usize, edges: &[Edge]) -> Vec<u32> {
    let mut near: Vec<Vec<u32>> = vec![Vec::new(); nodes];
    for &(a, b) in edges {
        near[a as usize].push(b);
        near[b as usize].push(a);
    }
    for neighbours in &mut near {
        // Descending, so that the smallest is popped first.
        neighbours.sort_unstable_by(|a, b| b.cmp(a));
    }
    let mut met = vec![false; nodes];
    let mut order = Vec::with_capacity(nodes);
    // An own stack instead of recursion: a path may be as long as the graph.
    let mut path = Vec::new();
    for start in (0..nodes).map(id) {
        if !met[start as usize] {
            path.push(start);
        }
        while let Some(&last) = path.last() {
            if !met[last as usize] {
                met[last as usize] = true;
                order.push(last);
            }
            match near[last as usize].pop() {
                Some(next) if met[next as usize] => {}
                Some(next) => path.push(next),
                None => drop(path.pop()),
            }
        }
    }
    order
}
