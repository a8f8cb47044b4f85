//! Random workloads with the proportions of drawn networks, for tests and benchmarks that need no generator, staging or
//! lowering. Input: a seed and a number of nodes; output: a [`Workload`]. Not a model of any published family.

use crate::dag::{Dag, Rows};
use crate::workload::{Cost, Workload};
use cnasc_base::random::{Rng, Seed};
use cnasc_ir::architecture::Role;

/// The image, a stem, blocks that take one to four of the twelve nodes before them, and a gather: `nodes` in all, at least 4.
/// Blocks halve their resolution and double their channels at two random depths each third of the network.
#[must_use]
pub fn workload(seed: &Seed, nodes: usize) -> Workload {
    let nodes = nodes.max(4);
    let mut rng = seed.child("sample").rng();
    let mut lists: Vec<Vec<u32>> = vec![vec![], vec![0]];
    for block in 2..nodes - 1 {
        lists.push(draw_inputs(&mut rng, block));
    }
    let mut consumed = vec![false; nodes];
    for &from in lists.iter().flatten() {
        consumed[from as usize] = true;
    }
    lists.push((0_u32..).zip(&consumed[..nodes - 1]).filter(|(_, used)| !**used).map(|(node, _)| node).collect());
    let mut inputs = Rows::with_capacity(nodes, 4 * nodes);
    let mut costs = Vec::with_capacity(nodes);
    for (index, list) in lists.into_iter().enumerate() {
        costs.push(draw_cost(&mut rng, index, nodes, list.len() as u64));
        inputs.push(list);
    }
    let dag = Dag::new(inputs).expect("inputs were drawn from earlier nodes, ascending");
    Workload::from_costs(dag, costs).expect("only the image has no inputs and only the gather no consumers")
}

fn draw_inputs(rng: &mut Rng, block: usize) -> Vec<u32> {
    let reach = (block - 1).min(12);
    let mut inputs: Vec<u32> = (0..1 + rng.below(4))
        .map(|_| u32::try_from(block - 1 - rng.below(reach)).expect("a sample has few nodes"))
        .collect();
    inputs.sort_unstable();
    inputs.dedup();
    inputs
}

/// Channels double and the plane quarters at each third; FLOPs are those of a separable convolution, give or take a half.
fn draw_cost(rng: &mut Rng, index: usize, nodes: usize, inputs: u64) -> Cost {
    let stage = (3 * index / nodes).min(2) + usize::from(rng.chance(0.2));
    let (channels, plane) = (32_u64 << stage, (28_u64 * 28) >> (2 * stage));
    let spread = 512 + rng.below(1024) as u64;
    let elements = channels * plane;
    let block = Cost {
        flops: elements * (2 * channels + 18 + 2 * inputs) * spread / 1024,
        bytes: 4 * elements,
        weights: 4 * channels * (channels + 9),
        scratch: 8 * elements,
        ..Cost::of(Role::Block)
    };
    match index {
        0 => Cost { bytes: 4 * 3 * 56 * 56, ..Cost::of(Role::Input) },
        1 => Cost { role: Role::Pipeline, ..block },
        _ if index + 1 == nodes => Cost { role: Role::Gather, flops: elements * inputs, weights: 0, ..block },
        _ => block,
    }
}
