//! The strategy `evolution`: regularised evolution (Real, Aggarwal, Huang and Le, AAAI 2019). The best of a sample of the population has a
//! mutated child; the child joins, and the oldest leaves. With several objectives the best of a sample is one that nothing in it beats.

use super::genes::{Genes, Genome};
use super::{Observed, order};
use cnasc_base::{Rng, Seed};
use std::collections::VecDeque;

/// How many children are made of one population, so that threads have work; part of the method, for else the number of threads would be.
const CHILDREN: usize = 8;

#[derive(Debug)]
pub(super) struct Evolution {
    population: usize,
    sample: usize,
    stream: Seed,
    /// How many times it was asked for children.
    rounds: u64,
    /// The living, the oldest first.
    living: VecDeque<Observed>,
}

impl Evolution {
    pub(super) fn new(population: u64, sample: u64, stream: Seed) -> Self {
        let size = |number| usize::try_from(number).unwrap_or(usize::MAX);
        Self { population: size(population), sample: size(sample), stream, rounds: 0, living: VecDeque::new() }
    }

    pub(super) fn ask(&mut self, genes: &Genes, room: usize, fresh: impl Fn(&Genes, usize) -> Genome) -> Vec<Genome> {
        let missing = self.population.saturating_sub(self.living.len());
        if missing > 0 {
            return (0..missing.min(room)).map(|offset| fresh(genes, offset)).collect();
        }
        let mut rng = self.stream.nth(self.rounds).rng();
        self.rounds += 1;
        let children = 0..CHILDREN.min(self.population).min(room);
        children
            .map(|_| {
                let mut child = self.parent(&mut rng).genome.clone();
                genes.mutate(&mut child, &mut rng);
                child
            })
            .collect()
    }

    pub(super) fn tell(&mut self, observed: impl Iterator<Item = Observed>) {
        self.living.extend(observed);
        let old = self.living.len().saturating_sub(self.population);
        self.living.drain(..old);
    }

    /// The winner of a tournament; a later one takes the title by beating it.
    fn parent(&self, rng: &mut Rng) -> &Observed {
        let mut best = rng.below(self.living.len());
        for _ in 1..self.sample.min(self.living.len()) {
            let other = rng.below(self.living.len());
            if order::beats(&self.living[other].verdict, &self.living[best].verdict) {
                best = other;
            }
        }
        &self.living[best]
    }
}
