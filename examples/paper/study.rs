//! From a search of a source file to what its draws measure: a program, a search's name and a number of samples → one [`Sample`] a
//! draw. Draw k has the search's seed plus k, as `cnasc score --item NAME -n` counts them. Both cores draw; the order of
//! the results is that of the draws.

use crate::published::UNITS;
use cnasc_base::{Diagnostic, Seed};
use cnasc_expand::space::Setting;
use cnasc_ir::architecture::Role;
use cnasc_ir::fleet::{Backend, Device, Link};
use cnasc_ir::program::Search;
use cnasc_ir::score::Score;
use cnasc_ir::{Fleet, Program};
use cnasc_place::{ScoreOptions, Strategy, Workload, plan, score, structure};
use cnasc_search::{Counts, draw};
use std::collections::BTreeMap;

/// The numbers of units of Figure 12.
pub const WORKERS: [u32; 4] = [2, 4, 6, 8];

/// What one network measures.
pub struct Sample {
    /// Parameters and sizes.
    pub counts: Counts,
    /// Blocks of each depth.
    pub widths: Vec<u32>,
    /// On [`UNITS`] equal units.
    pub scores: Vec<Score>,
    /// Entropy of the loads of the paper's own placement on [`WORKERS`] units and one that merges.
    pub entropies: Vec<f64>,
}

impl Sample {
    /// FLOPs of the fullest of the units of `scores[index]`: what computing takes, where nothing is waited for.
    pub fn fullest(&self, index: usize) -> f64 {
        let score = &self.scores[index];
        score.delta_w * self.counts.flops as f64 / f64::from(score.devices)
    }
}

/// The search called `name`.
pub fn search<'a>(program: &'a Program, name: &str) -> Result<&'a Search, Diagnostic> {
    let missing = || Diagnostic::error(cnasc::failure::codes::ITEM, format!("there is no search `{name}`"));
    program.searches.iter().find(|search| search.name == name).ok_or_else(missing)
}

/// Draws and measures.
pub fn samples(program: &Program, name: &str, count: u64) -> Result<Vec<Sample>, Diagnostic> {
    let search = search(program, name)?;
    in_parallel(count, |index| sample(program, search, &BTreeMap::new(), index))
}

/// `work` of each number below `count`, in order.
pub fn in_parallel<T: Send>(
    count: u64,
    work: impl Fn(u64) -> Result<T, Diagnostic> + Sync,
) -> Result<Vec<T>, Diagnostic> {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let work = &work;
    let shares: Vec<Result<Vec<T>, Diagnostic>> = std::thread::scope(|scope| {
        let share = |first| move || (first..count).step_by(threads as usize).map(work).collect();
        let running: Vec<_> = (0..threads).map(|first| scope.spawn(share(first))).collect();
        running.into_iter().map(|thread| thread.join().expect("the work returns its errors")).collect()
    });
    let mut shares: Vec<std::vec::IntoIter<T>> =
        shares.into_iter().map(|share| share.map(Vec::into_iter)).collect::<Result<_, _>>()?;
    let next = |index| shares[(index % threads) as usize].next().expect("a share has every one of its numbers");
    Ok((0..count).map(next).collect())
}

/// Draw `index` with some of the search's variables fixed.
pub fn sample(
    program: &Program,
    search: &Search,
    settings: &BTreeMap<String, Setting>,
    index: u64,
) -> Result<Sample, Diagnostic> {
    let number = search.seed + index;
    let drawn = draw(program, &search.over, settings, number)?.architecture;
    let workload = Workload::sketch(&drawn).expect("the network is verified");
    let counted = structure::counted(&workload);
    let options = ScoreOptions::new(Seed::new(number).child("score"));
    Ok(Sample {
        counts: Counts::new(&workload),
        widths: structure::widths(workload.dag(), &counted),
        scores: UNITS.iter().map(|&units| score(&workload, units, &options)).collect(),
        entropies: WORKERS.iter().map(|&workers| entropy(&workload, workers)).collect(),
    })
}

/// The paper's placement on so many equal units and one more that merges; its loads are the blocks' work.
fn entropy(workload: &Workload, workers: u32) -> f64 {
    let device = Device {
        name: "unit".to_owned(),
        kind: "unit".to_owned(),
        compute: 1e9,
        memory: 1e15,
        cores: 1,
        backend: Backend::Jit,
        power: None,
    };
    let fleet = Fleet::uniform("units", workers as usize + 1, &device, Link { rate: 1e9, latency: 0.0 });
    let placed = plan(workload, &fleet, Strategy::Components, &Seed::new(0)).expect("the units have memory and links");
    let mut loads = vec![0; workers as usize];
    for (node, cost) in workload.costs().iter().enumerate().filter(|(_, cost)| cost.role == Role::Block) {
        if let Some(load) = loads.get_mut(placed.device_of[node].index()) {
            *load += cost.flops;
        }
    }
    structure::entropy(&loads)
}

/// Mean and standard deviation.
pub fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    let square = values.map(|value| (value - mean) * (value - mean)).sum::<f64>() / (count - 1.0).max(1.0);
    (mean, square.sqrt())
}

/// The value below which the given share of them lies.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1) as f64;
    values.get((share * last).round() as usize).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_quantiles_by_hand() {
        assert_eq!(moments([2.0, 4.0, 6.0].into_iter()), (4.0, 2.0));
        assert_eq!(quantile(&mut [3.0, 1.0, 2.0], 0.5), 2.0);
        assert_eq!(quantile(&mut [3.0, 1.0, 2.0], 0.01), 1.0);
    }

    #[test]
    fn results_come_in_the_order_of_their_numbers() {
        for count in [0, 1, 7] {
            assert_eq!(in_parallel(count, Ok).expect("nothing fails"), (0..count).collect::<Vec<_>>());
        }
    }
}
