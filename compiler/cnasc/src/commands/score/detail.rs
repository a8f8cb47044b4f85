//! What `cnasc score --detail` adds to a network: its shape, and the partition that its score stands for.

use crate::output::{bytes, count, table};
use cnasc_place::score::partitions;
use cnasc_place::{Hypergraph, ScoreOptions, Workload, structure};
use serde::Serialize;

/// The structural measures of one network.
#[derive(Debug, Serialize)]
pub struct Detail {
    /// Blocks on the longest path, those of input and output not counted.
    longest_path: u32,
    /// Blocks of each depth, from depth 1.
    widths: Vec<u32>,
    /// Edges between blocks by the depths that they span, from 1.
    edge_lengths: Vec<u32>,
    /// The one whose partition has the least score.
    #[serde(flatten)]
    chosen: Split,
    /// Of every ε; a shared U_c may prefer another one than the network's own does.
    #[serde(skip)]
    splits: Vec<Split>,
}

/// A partition over equal units.
#[derive(Debug, Clone, Serialize)]
struct Split {
    epsilon: f64,
    /// FLOPs of each unit.
    loads: Vec<u64>,
    /// Normalised Shannon entropy of the loads: 1 where all are equal.
    entropy: f64,
    /// Bytes from the row's unit to the column's.
    traffic: Vec<Vec<u64>>,
}

impl Detail {
    /// Of `workload` on `devices` units, as the score with these options has it.
    pub fn new(workload: &Workload, devices: u32, options: &ScoreOptions) -> Self {
        let counted = structure::counted(workload);
        let split = |(epsilon, found): (f64, cnasc_place::Partition)| Split {
            epsilon,
            entropy: structure::entropy(&found.loads),
            traffic: structure::traffic(workload, &found.part_of, found.loads.len()),
            loads: found.loads,
        };
        let graph = Hypergraph::of_blocks(workload);
        let splits: Vec<Split> = partitions(&graph, devices, options).into_iter().map(split).collect();
        Self {
            longest_path: structure::longest_path(workload.dag(), &counted),
            widths: structure::widths(workload.dag(), &counted),
            edge_lengths: structure::edge_lengths(workload.dag(), &counted),
            chosen: splits.first().cloned().expect("there is a partition for every epsilon"),
            splits,
        }
    }

    /// Takes the partition of `epsilon`, one of those that were tried.
    pub fn choose(&mut self, epsilon: f64) {
        if let Some(split) = self.splits.iter().find(|split| split.epsilon == epsilon) {
            self.chosen = split.clone();
        }
    }

    /// A few lines and a table.
    pub fn for_people(&self) -> String {
        let list = |values: &[u32]| values.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        let Split { epsilon, loads, entropy, traffic } = &self.chosen;
        let units: Vec<String> = (0..loads.len()).map(|unit| format!("to {unit}")).collect();
        let mut headings = vec!["unit", "work", "share"];
        headings.extend(units.iter().map(String::as_str));
        let total = loads.iter().sum::<u64>().max(1) as f64;
        let row = |(unit, (load, sends)): (usize, (&u64, &Vec<u64>))| {
            let mut cells = vec![unit.to_string(), count(*load), format!("{:.1} %", 100.0 * *load as f64 / total)];
            cells.extend(sends.iter().map(|&sent| if sent == 0 { "–".to_owned() } else { bytes(sent) }));
            cells
        };
        let rows: Vec<Vec<String>> = loads.iter().zip(traffic).enumerate().map(row).collect();
        format!(
            "blocks by depth: {}\nlongest path: {} blocks; edges by the depths they span: {}\n\
             partition at ε {epsilon}, entropy of the loads {entropy:.3}; what the row's unit sends:\n{}",
            list(&self.widths),
            self.longest_path,
            list(&self.edge_lengths),
            table(&headings, &[0], &rows),
        )
    }
}
