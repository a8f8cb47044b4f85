//! Means with intervals, tests of several differences, and correlations of ranks.

#![cfg_attr(not(feature = "train"), allow(dead_code, reason = "only what is trained has intervals"))]

use crate::study::moments;

/// A mean and half the width of its interval of 95 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The mean, or the difference of two.
    pub mean: f64,
    /// Half the interval.
    pub half: f64,
    /// How probable a mean as far from 0 would be, were the true one 0.
    pub chance: f64,
}

impl Interval {
    /// Of independent values of one distribution, near to normal.
    pub fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let count = values.clone().count() as f64;
        let (mean, deviation) = moments(values);
        Self::with(mean, deviation / count.max(1.0).sqrt(), count - 1.0)
    }

    /// Of the difference of two means, Welch, Biometrika 34, 1947.
    pub fn between(a: &[f64], b: &[f64]) -> Self {
        let [(mean_a, part_a), (mean_b, part_b)] = [a, b].map(|values| {
            let (mean, deviation) = moments(values.iter().copied());
            (mean, deviation * deviation / values.len().max(1) as f64)
        });
        let square = |part: f64, count: usize| part * part / (count as f64 - 1.0).max(1.0);
        let below = square(part_a, a.len()) + square(part_b, b.len());
        let freedom = if below > 0.0 { (part_a + part_b) * (part_a + part_b) / below } else { f64::INFINITY };
        Self::with(mean_a - mean_b, (part_a + part_b).sqrt(), freedom)
    }

    /// With the mean's own deviation, and its degrees of freedom.
    fn with(mean: f64, deviation: f64, freedom: f64) -> Self {
        let chance = if deviation > 0.0 { chance(mean / deviation, freedom) } else { f64::from(u8::from(mean == 0.0)) };
        Self { mean, half: student(freedom) * deviation, chance }
    }
}

/// The 97.5th percentile of Student's t with so many degrees of freedom, by the expansion in their inverse (Abramowitz and Stegun,
/// 26.7.5) from 4 on, where it errs by less than 0.5 %, and exact values below, each for what is at least as much.
fn student(freedom: f64) -> f64 {
    let exact = [12.706, 4.303, 3.182];
    if freedom < 4.0 {
        return exact[(freedom.max(1.0) as usize - 1).min(2)];
    }
    let x = 1.959_964_f64;
    let (cube, fifth) = (x * x * x, x * x * x * x * x);
    let (seventh, v) = (fifth * x * x, freedom);
    x + (cube + x) / (4.0 * v)
        + (5.0 * fifth + 16.0 * cube + 3.0 * x) / (96.0 * v * v)
        + (3.0 * seventh + 19.0 * fifth + 17.0 * cube - 15.0 * x) / (384.0 * v * v * v)
}

/// How probable |t| or more is by chance with so many degrees of freedom: the incomplete beta function of freedom/(freedom + t²)
/// with half the freedom and 1/2 (Abramowitz and Stegun, 26.7.1 and 26.5.27).
fn chance(t: f64, freedom: f64) -> f64 {
    // More than that is the normal distribution for every purpose here.
    let freedom = freedom.clamp(1.0, 1e6);
    incomplete_beta(freedom / (freedom + t * t), 0.5 * freedom, 0.5)
}

/// I_x(a, b), by the continued fraction of Abramowitz and Stegun, 26.5.8, from its last term up.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    // It converges fast below the mean alone.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(1.0 - x, b, a);
    }
    let term = |index: u32| {
        let m = f64::from(index / 2);
        if index.is_multiple_of(2) {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        }
    };
    let fraction = (1..=4_000).rev().fold(1.0, |below, index| 1.0 + term(index) / below);
    let front = a * libm::log(x) + b * libm::log1p(-x) + libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b);
    (libm::exp(front) / (a * fraction)).clamp(0.0, 1.0)
}

/// Chances of several differences → the same as they weigh among so many looks: Holm, Scandinavian Journal of Statistics 6, 1979.
pub fn holm(chances: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..chances.len()).collect();
    order.sort_by(|&a, &b| chances[a].total_cmp(&chances[b]));
    let (mut weighed, mut least) = (vec![0.0; chances.len()], 0.0_f64);
    for (place, &index) in order.iter().enumerate() {
        least = least.max(chances[index] * (chances.len() - place) as f64).min(1.0);
        weighed[index] = least;
    }
    weighed
}

/// Spearman's correlation: Pearson's of the ranks, equal values having the mean of theirs. 0 where either never varies.
pub fn spearman(pairs: &[(f64, f64)]) -> f64 {
    let (a, b) = (ranks(pairs.iter().map(|pair| pair.0)), ranks(pairs.iter().map(|pair| pair.1)));
    let mean = (pairs.len() as f64 - 1.0) / 2.0;
    let sum = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    let spread = (sum(&a, &a) * sum(&b, &b)).sqrt();
    if spread > 0.0 { sum(&a, &b) / spread } else { 0.0 }
}

fn ranks(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let values: Vec<f64> = values.collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for run in order.chunk_by(|&a, &b| values[a] == values[b]) {
        for &index in run {
            ranks[index] = start as f64 + (run.len() as f64 - 1.0) / 2.0;
        }
        start += run.len();
    }
    ranks
}

/// The interval of 95 % around Spearman's correlation of `count` pairs: normal in its area hyperbolic tangent with the variance
/// (1 + r²/2)/(count − 3), Bonett and Wright, Psychometrika 65, 2000. All from -1 to 1 where there are too few.
pub fn around(correlation: f64, count: usize) -> (f64, f64) {
    if count <= 3 {
        return (-1.0, 1.0);
    }
    let centre = libm::atanh(correlation.clamp(-0.999_999, 0.999_999));
    let half = 1.959_964 * ((1.0 + correlation * correlation / 2.0) / (count as f64 - 3.0)).sqrt();
    (libm::tanh(centre - half), libm::tanh(centre + half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (freedom, expect) in [(1.0, 12.706), (3.0, 3.182), (5.0, 2.571), (10.0, 2.228), (30.0, 2.042)] {
            assert!((student(freedom) / expect - 1.0).abs() < 5e-3, "{freedom}: {}", student(freedom));
        }
        assert!((student(f64::INFINITY) - 1.96).abs() < 1e-3);
    }

    #[test]
    fn intervals_by_hand() {
        let one = Interval::of([1.0, 2.0, 3.0].into_iter());
        // s = 1, t = 4.303 with two degrees of freedom.
        assert!((one.mean - 2.0).abs() < 1e-12 && (one.half - 4.303 / 3.0_f64.sqrt()).abs() < 1e-9);
        let two = Interval::between(&[1.0, 2.0, 3.0], &[2.0, 3.0, 4.0]);
        // Equal variances and sizes: four degrees of freedom, both means' variances 1/3.
        assert!((two.mean + 1.0).abs() < 1e-12 && (two.half - 2.776 * (2.0_f64 / 3.0).sqrt()).abs() < 2e-2);
    }

    #[test]
    fn spearman_by_hand() {
        let check = |pairs: &[(f64, f64)], expect: f64| assert!((spearman(pairs) - expect).abs() < 1e-12);
        check(&[(1.0, 10.0), (2.0, 100.0), (3.0, 1e9)], 1.0);
        check(&[(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)], -1.0);
        // d = 0, 1, 1, 0: 1 − 6·2/(4·15).
        check(&[(1.0, 1.0), (2.0, 3.0), (3.0, 2.0), (4.0, 4.0)], 0.8);
        // Ranks 0.5 0.5 2 against 0 1 2.
        check(&[(5.0, 1.0), (5.0, 2.0), (7.0, 3.0)], 1.5 / (1.5_f64 * 2.0).sqrt());
        check(&[(1.0, 1.0), (1.0, 2.0)], 0.0);
        check(&[], 0.0);
    }

    #[test]
    fn chances_are_those_of_closed_forms() {
        // One degree of freedom is Cauchy's distribution, two have an algebraic one.
        for t in [0.1_f64, 1.0, 4.0, 30.0] {
            assert!((chance(t, 1.0) - (1.0 - 2.0 * libm::atan(t) / std::f64::consts::PI)).abs() < 1e-9, "{t}");
            assert!((chance(t, 2.0) - (1.0 - t / (2.0 + t * t).sqrt())).abs() < 1e-9, "{t}");
        }
        assert!((chance(1.959_964, f64::INFINITY) - 0.05).abs() < 1e-4);
        assert!((chance(-2.228, 10.0) - 0.05).abs() < 1e-4);
    }

    #[test]
    fn holm_by_hand() {
        // Thrice the least, twice the next, and none below the one before it.
        assert_eq!(holm(&[0.5, 0.01, 0.02]), [0.5, 0.03, 0.04]);
        assert_eq!(holm(&[0.03, 0.02, 0.9]), [0.06, 0.06, 0.9]);
    }

    #[test]
    fn correlations_have_wide_intervals() {
        let (low, high) = around(0.5, 28);
        // atanh 0.5 = 0.5493, deviation √(1.125/25) = 0.2121.
        assert!((low - libm::tanh(0.5493 - 0.4158)).abs() < 1e-3 && (high - libm::tanh(0.5493 + 0.4158)).abs() < 1e-3);
        assert_eq!(around(0.9, 3), (-1.0, 1.0));
    }
}
