//! Watts–Strogatz: a ring on which each vertex is joined to the k/2 nearest on either side; then, round by round for
//! i = 1 … k/2 and vertex by vertex, the edge to the i-th vertex clockwise is rewired with a probability, to a vertex drawn uniformly from
//! those that are neither the vertex itself nor its neighbours. N·k/2 edges in all.

use super::{Edge, id};
use cnasc_base::Rng;

/// Draws with an even 2 ≤ `around` < `nodes`.
pub(super) fn draw(nodes: usize, around: usize, rewired: f64, rng: &mut Rng) -> Vec<Edge> {
    let mut near = ring(nodes, around);
    for step in 1..=around / 2 {
        for vertex in 0..nodes {
            let free = nodes - near[vertex].len();
            if rng.chance(rewired) && free > 0 {
                let target = nth_absent(&near[vertex], rng.below(free));
                rewire(&mut near, vertex, (vertex + step) % nodes, target);
            }
        }
    }
    let mut edges = Vec::with_capacity(nodes * (around / 2));
    for (vertex, near) in near.iter().enumerate() {
        let vertex = id(vertex);
        edges.extend(near.iter().filter(|&&other| other > vertex).map(|&other| (vertex, other)));
    }
    edges
}

/// For each vertex its neighbours and itself, ascending.
fn ring(nodes: usize, around: usize) -> Vec<Vec<u32>> {
    let half = around / 2;
    (0..nodes)
        .map(|vertex| {
            let mut near: Vec<u32> = (0..=around).map(|step| id((vertex + nodes - half + step) % nodes)).collect();
            near.sort_unstable();
            near
        })
        .collect()
}

/// The `n`-th number from 0 that is not in the ascending list: as many places further as present numbers lie before it.
fn nth_absent(present: &[u32], n: usize) -> u32 {
    // `present[k] − k` numbers are absent below the k-th present one, which never falls with k.
    let (mut low, mut high) = (0, present.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        if present[middle] as usize - middle <= n {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    id(n + low)
}

fn rewire(near: &mut [Vec<u32>], vertex: usize, from: usize, to: u32) {
    remove(&mut near[vertex], id(from));
    remove(&mut near[from], id(vertex));
    insert(&mut near[vertex], to);
    insert(&mut near[to as usize], id(vertex));
}

fn remove(ascending: &mut Vec<u32>, number: u32) {
    if let Ok(at) = ascending.binary_search(&number) {
        ascending.remove(at);
    }
}

fn insert(ascending: &mut Vec<u32>, number: u32) {
    if let Err(at) = ascending.binary_search(&number) {
        ascending.insert(at, number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_numbers_are_counted_from_zero() {
        for present in [&[][..], &[0], &[0, 1, 2], &[3], &[0, 2, 3, 7], &[1, 4, 5, 6]] {
            let absent: Vec<u32> = (0..20).filter(|number| !present.contains(number)).collect();
            let found: Vec<u32> = (0..absent.len()).map(|n| nth_absent(present, n)).collect();
            assert_eq!(found, absent, "{present:?}");
        }
    }
}
