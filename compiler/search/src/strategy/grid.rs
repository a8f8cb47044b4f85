//! The strategy `grid`: every combination of values once, ranges without a step by evenly spaced points.
//!
//! Combinations are counted, and visited in steps of about the golden section of their number, so that a budget which does not
//! reach them all sees all parts of the space. Variables that do not exist under the others do not multiply.

use super::genes::{Genes, at, count, nth};
use cnasc_expand::space::Setting;
use cnasc_ir::program::Domain;

/// Combinations are counted up to here; of a space with more, those that have a number below it are seen.
const MOST: u128 = 1 << 100;

#[derive(Debug)]
pub(super) struct Grid {
    /// How many values each variable takes.
    counts: Vec<u64>,
    /// How many combinations there are, and how far apart two that follow each other are.
    total: u128,
    stride: u128,
    /// How many networks are drawn for each.
    draws: u64,
    next: u128,
}

impl Grid {
    pub(super) fn new(genes: &Genes, points: u64, draws: u64) -> Self {
        let counts: Vec<u64> = genes.variables.iter().map(|variable| count(variable).unwrap_or(points)).collect();
        let mut grid = Self { counts, total: 1, stride: 1, draws, next: 0 };
        grid.total = grid.sizes(genes, None);
        grid.stride = stride(grid.total);
        grid
    }

    /// The next combinations.
    pub(super) fn ask(&mut self, genes: &Genes, room: usize) -> Vec<Vec<Setting>> {
        let all = self.total.saturating_mul(u128::from(self.draws));
        let last = self.next.saturating_add(room as u128).min(all);
        let places = self.next..last;
        self.next = last;
        places.map(|place| self.combination(genes, product(place % self.total, self.stride, self.total))).collect()
    }

    /// How many combinations the variables have that exist under an alternative, or always.
    fn sizes(&self, genes: &Genes, under: Option<(usize, usize)>) -> u128 {
        let here = |&variable: &usize| {
            genes.variables[variable].condition.map(|condition| (condition.variable, condition.choice)) == under
        };
        (0..self.counts.len())
            .filter(here)
            .fold(1_u128, |size, variable| size.saturating_mul(self.size(genes, variable)).min(MOST))
    }

    /// How many combinations one variable has with those that depend on it.
    fn size(&self, genes: &Genes, variable: usize) -> u128 {
        match &genes.variables[variable].domain {
            Domain::Choice(_) => {
                let choices =
                    (0..self.counts[variable]).map(|choice| self.sizes(genes, Some((variable, choice as usize))));
                choices.fold(0_u128, u128::saturating_add).min(MOST)
            }
            Domain::Ints { .. } | Domain::Reals { .. } => u128::from(self.counts[variable]),
        }
    }

    /// The combination of this number.
    fn combination(&self, genes: &Genes, number: u128) -> Vec<Setting> {
        let mut settings: Vec<Setting> = genes.variables.iter().map(|variable| at(variable, 0.0)).collect();
        self.spend(genes, None, number, &mut settings);
        settings
    }

    /// A number of a range: the value of this step, or of as many points from end to end.
    fn point(&self, genes: &Genes, variable: usize, place: u128) -> Setting {
        let (variable, points) = (&genes.variables[variable], self.counts[variable]);
        let between = || if points > 1 { place as f64 / (points - 1) as f64 } else { 0.5 };
        nth(variable, u64::try_from(place).unwrap_or(0)).unwrap_or_else(|| at(variable, between()))
    }

    /// Sets the variables under an alternative, or those that always exist, to what is left of a combination's number.
    fn spend(&self, genes: &Genes, under: Option<(usize, usize)>, mut number: u128, settings: &mut [Setting]) {
        for variable in 0..self.counts.len() {
            let condition = genes.variables[variable].condition.map(|condition| (condition.variable, condition.choice));
            if condition != under {
                continue;
            }
            let size = self.size(genes, variable);
            let mut digit = number % size;
            number /= size;
            if !matches!(genes.variables[variable].domain, Domain::Choice(_)) {
                settings[variable] = self.point(genes, variable, digit);
                continue;
            }
            for choice in 0..self.counts[variable] as usize {
                let size = self.sizes(genes, Some((variable, choice)));
                if digit < size {
                    settings[variable] = Setting::Choice(choice);
                    self.spend(genes, Some((variable, choice)), digit, settings);
                    break;
                }
                digit -= size;
            }
        }
    }
}

/// About the golden section of `total`, and prime to it.
fn stride(total: u128) -> u128 {
    let about = total / 1_000_000 * 618_034 + total % 1_000_000 * 618_034 / 1_000_000;
    (about.max(1)..).find(|&stride| gcd(stride, total) == 1).unwrap_or(1)
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// a · b modulo `modulus`, by doubling, for numbers whose product has no room.
fn product(a: u128, b: u128, modulus: u128) -> u128 {
    if let Some(product) = a.checked_mul(b) {
        return product % modulus;
    }
    let (mut left, mut term, mut sum) = (b, a % modulus, 0);
    while left > 0 {
        if left & 1 == 1 {
            sum = (sum + term) % modulus;
        }
        term = term * 2 % modulus;
        left >>= 1;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stride_meets_every_combination_once() {
        for total in 1..300_u128 {
            let step = stride(total);
            let mut met: Vec<u128> = (0..total).map(|place| product(place, step, total)).collect();
            met.sort_unstable();
            assert_eq!(met, (0..total).collect::<Vec<_>>());
        }
    }

    #[test]
    fn products_of_large_numbers_are_right() {
        let (a, b, modulus) = (MOST - 3, MOST - 5, MOST - 1);
        assert_eq!(product(a, b, modulus), 8, "(-2) · (-4)");
    }
}
