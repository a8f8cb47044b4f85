//! How far a search is, on one line of a terminal.

use super::show::word;
use crate::Session;
use crate::output::{bytes, count, milliseconds};
use cnasc_ir::program::{Measure, Objective};
use cnasc_search::pareto::Front;
use indicatif::{ProgressBar, ProgressStyle};

/// The line: candidates so far and a second, what was found, and the time that is left; hidden where nobody would see it. `limit` is how many
/// candidates there will be, where that is known.
pub fn line(session: &Session, limit: Option<u64>) -> ProgressBar {
    if !session.output.shows_progress() {
        return ProgressBar::hidden();
    }
    let bar = limit.map_or_else(ProgressBar::no_length, ProgressBar::new);
    let template = match limit {
        Some(_) => "{bar:20} {pos}/{len} candidates, {per_sec}, {eta} left; {msg}",
        None => "{spinner} {pos} candidates, {per_sec}, {elapsed}; {msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// What was found so far: how many keep the constraints, how many of them nothing beats, and the best value of each objective.
pub fn found(kept: u64, front: &Front, objectives: &[Objective]) -> String {
    let mut text = format!("{kept} kept, front of {}", front.items().len());
    for (objective, least) in objectives.iter().zip(front.ideal()) {
        let value = if objective.maximize { -least } else { least };
        text.push_str(&format!(", {} {}", word(objective.measure), figure(objective.measure, value)));
    }
    text
}

/// A figure for people, with its unit.
pub fn figure(measure: Measure, value: f64) -> String {
    match measure {
        Measure::Latency | Measure::MeasuredLatency => format!("{} ms", milliseconds(value)),
        Measure::Memory | Measure::Communication => bytes(value as u64),
        Measure::Params | Measure::Flops | Measure::Macs | Measure::Depth | Measure::Width | Measure::Nodes => {
            count(value as u64)
        }
        Measure::ConcurrencyScore => format!("{value:.3}"),
        // Of a share its hundredths of a percent; a proxy may have any size.
        Measure::Accuracy if value.abs() <= 1.0 => format!("{value:.4}"),
        Measure::Accuracy => format!("{value:.4e}"),
        Measure::Energy => format!("{:.3} mJ", value * 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnasc_base::{FileId, Location};

    #[test]
    fn the_best_of_each_objective_is_told() {
        let location = Location::new(FileId(0), 0, 0);
        let objective = |measure, maximize| Objective { measure, maximize, location };
        let objectives = [objective(Measure::Latency, false), objective(Measure::Params, true)];
        let mut front = Front::default();
        assert_eq!(found(0, &front, &objectives), "0 kept, front of 0");
        front.insert(vec![0.002, -1500.0]);
        front.insert(vec![0.004, -2500.0]);
        front.insert(vec![0.005, -2000.0]);
        assert_eq!(found(3, &front, &objectives), "3 kept, front of 2, latency 2.00 ms, params 2.5 K");
    }
}
