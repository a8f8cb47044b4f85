//! Tail probabilities of the distributions that an audit compares with, and their masses.
//!
//! Incomplete gamma functions by their series and continued fraction (Abramowitz and Stegun, 6.5.29 and 6.5.31), the normal tail
//! by the complementary error function, binomials by the logarithm of their masses.

/// The most terms of a series or a fraction; it has converged long before.
const TERMS: usize = 10_000;

/// Relative precision of series and fractions.
const PRECISION: f64 = 1e-15;

/// The probability that a normal variable lies at least `z` standard deviations from its mean, on either side.
pub(super) fn normal_two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// The probability that a χ² variable with `freedom` degrees is at least `x`.
pub(super) fn chi_square_above(x: f64, freedom: f64) -> f64 {
    1.0_f64.min(upper_gamma(freedom / 2.0, x / 2.0))
}

/// The probability that a Poisson variable with this mean is at least `count`.
pub(super) fn poisson_at_least(count: f64, mean: f64) -> f64 {
    if count <= 0.0 {
        1.0
    } else if mean <= 0.0 {
        0.0
    } else if mean < count + 1.0 {
        // The series keeps the digits of small results, which 1 − … would lose.
        gamma_series(count, mean)
    } else {
        1.0 - upper_gamma(count, mean)
    }
}

/// The exact two-sided binomial test, as R's `binom.test`: the probability of all outcomes that are no more likely than the found
/// one.
pub(super) fn binomial_two_sided(found: u64, trials: u64, share: f64) -> f64 {
    if share <= 0.0 || share >= 1.0 {
        let sure = if share <= 0.0 { 0 } else { trials };
        return if found == sure { 1.0 } else { 0.0 };
    }
    let at_found = binomial_ln_mass(found, trials, share);
    // Masses that are equal but for rounding belong to the tail.
    let limit = at_found + 1e-7;
    let tail: f64 = (0..=trials)
        .map(|count| binomial_ln_mass(count, trials, share))
        .filter(|mass| *mass <= limit)
        .map(libm::exp)
        .sum();
    tail.min(1.0)
}

fn binomial_ln_mass(count: u64, trials: u64, share: f64) -> f64 {
    let (k, n) = (count as f64, trials as f64);
    let ways = libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0);
    ways + k * libm::log(share) + (n - k) * libm::log1p(-share)
}

/// The probability of each number of successes among independent trials of their own probabilities.
pub(super) fn successes(probabilities: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut masses = vec![1.0];
    for p in probabilities {
        masses.push(0.0);
        for count in (1..masses.len()).rev() {
            masses[count] = masses[count] * (1.0 - p) + masses[count - 1] * p;
        }
        masses[0] *= 1.0 - p;
    }
    masses
}

/// Γ(a, x) / Γ(a) for a > 0, x ≥ 0.
fn upper_gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    if x < a + 1.0 {
        return 1.0 - gamma_series(a, x);
    }
    // The continued fraction by Lentz's method.
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut fraction = d;
    for term in 1..=TERMS {
        let term = term as f64;
        let step = -term * (term - a);
        b += 2.0;
        d = 1.0 / nonzero(step * d + b, TINY);
        c = nonzero(b + step / c, TINY);
        fraction *= d * c;
        if (d * c - 1.0).abs() < PRECISION {
            break;
        }
    }
    gamma_factor(a, x) * fraction
}

/// γ(a, x) / Γ(a) by its series, for x < a + 1.
fn gamma_series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut at) = (1.0 / a, 1.0 / a, a);
    for _ in 0..TERMS {
        at += 1.0;
        term *= x / at;
        sum += term;
        if term < sum * PRECISION {
            break;
        }
    }
    gamma_factor(a, x) * sum
}

/// xᵃ e⁻ˣ / Γ(a).
fn gamma_factor(a: f64, x: f64) -> f64 {
    libm::exp(a * libm::log(x) - x - libm::lgamma(a))
}

fn nonzero(value: f64, tiny: f64) -> f64 {
    if value.abs() < tiny { tiny } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of R 4: `2 * pnorm(-z)`, `pchisq(x, df, lower = FALSE)`, `ppois(k - 1, mean, lower = FALSE)`, `binom.test`.
    #[test]
    fn known_values() {
        let check = |found: f64, expect: f64| {
            assert!((found - expect).abs() <= 1e-9 * expect.abs().max(1e-300), "{found}, expected {expect}");
        };
        check(normal_two_sided(0.0), 1.0);
        check(normal_two_sided(-1.959_963_984_540_054), 0.05);
        check(normal_two_sided(8.0), 1.244_192_114_854_356_8e-15);
        check(chi_square_above(3.841_458_820_694_124, 1.0), 0.05);
        check(chi_square_above(18.307_038_053_275_146, 10.0), 0.05);
        check(chi_square_above(2.0, 2.0), libm::exp(-1.0));
        check(poisson_at_least(0.0, 3.0), 1.0);
        check(poisson_at_least(1.0, 2.0), 1.0 - libm::exp(-2.0));
        check(poisson_at_least(3.0, 1e-3), libm::exp(-1e-3) * 1e-9 / 6.0 * (1.0 + 1e-3 / 4.0 + 1e-6 / 20.0));
        check(binomial_two_sided(5, 10, 0.5), 1.0);
        check(binomial_two_sided(0, 10, 0.5), 2.0 / 1024.0);
        check(binomial_two_sided(1, 10, 0.5), 22.0 / 1024.0);
        check(binomial_two_sided(0, 3, 0.75), 1.0 / 64.0);
        check(binomial_two_sided(3, 3, 1.0), 1.0);
        check(binomial_two_sided(2, 3, 1.0), 0.0);
    }

    #[test]
    fn both_forms_of_the_gamma_function_meet() {
        for a in [0.5, 1.0, 3.0, 40.0, 500.0] {
            for x in [a * 0.7, a + 0.999, a + 1.001, a * 1.5] {
                let (above, below) = (upper_gamma(a, x), upper_gamma(a, x * (1.0 + 1e-9)));
                assert!(above >= below && above - below < 1e-6, "Γ({a}, {x}): {above}, {below}");
            }
        }
    }

    #[test]
    fn successes_of_equal_trials_are_binomial() {
        let masses = successes(std::iter::repeat_n(0.3, 20));
        assert_eq!(masses.len(), 21);
        for (count, mass) in masses.iter().enumerate() {
            let expect = libm::exp(binomial_ln_mass(count as u64, 20, 0.3));
            assert!((mass - expect).abs() < 1e-14, "{count}: {mass}, expected {expect}");
        }
        assert_eq!(successes([1.0, 0.0, 1.0].into_iter()), [0.0, 0.0, 1.0, 0.0]);
    }
}
