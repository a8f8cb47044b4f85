//! How long one inference takes: a fleet and an image → the median of single, warm inferences.

use crate::{FleetError, Local};

/// Seconds of single inferences.
#[derive(Debug, Clone, PartialEq)]
pub struct Latency {
    /// As many were shorter as longer.
    pub median: f64,
    /// The shortest.
    pub min: f64,
    /// The longest.
    pub max: f64,
    /// All, in the order in which they ran.
    pub runs: Vec<f64>,
}

/// Runs `warmup` inferences that are not counted and then at least one, `runs` in all, each begun when the one before has ended.
///
/// # Errors
/// Those of the fleet.
pub fn latency(fleet: &mut Local, image: &[f32], warmup: usize, runs: usize) -> Result<Latency, FleetError> {
    for _ in 0..warmup {
        fleet.infer(image)?;
    }
    let times = (0..runs.max(1)).map(|_| fleet.infer(image).map(|answer| answer.seconds));
    Ok(Latency::of(times.collect::<Result<_, _>>()?))
}

impl Latency {
    /// Of at least one time; of none all figures are zero.
    #[must_use]
    pub fn of(runs: Vec<f64>) -> Self {
        let mut sorted = runs.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
        let last = sorted.len().saturating_sub(1);
        Self { median: (at(last / 2) + at(last.div_ceil(2))) / 2.0, min: at(0), max: at(last), runs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_odd_and_even_numbers() {
        let figures = |runs: &[f64]| {
            let Latency { median, min, max, .. } = Latency::of(runs.to_vec());
            (median, min, max)
        };
        assert_eq!(figures(&[3.0, 1.0, 8.0]), (3.0, 1.0, 8.0));
        assert_eq!(figures(&[4.0, 1.0, 8.0, 2.0]), (3.0, 1.0, 8.0));
        assert_eq!(figures(&[5.0]), (5.0, 5.0, 5.0));
        assert_eq!(figures(&[]), (0.0, 0.0, 0.0));
    }
}
