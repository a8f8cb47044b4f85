//! The strategy `nsga2` (Deb, Pratap, Agarwal and Meyarivan, IEEE Trans. Evol. Comput. 6 (2), 2002): generations of one size; of parents and
//! children together the best live on, front after front, the lonely before the crowded; constraints by how far they are missed.

use super::genes::{Genes, Genome};
use super::{Observed, order};
use cnasc_base::{Rng, Seed};
use std::collections::VecDeque;

/// How often a child has two parents.
const CROSSOVER: f64 = 0.9;

#[derive(Debug)]
pub(super) struct Nsga2 {
    population: usize,
    stream: Seed,
    generation: u64,
    /// The best so far, best first, at most a population.
    parents: Vec<Observed>,
    /// What this generation gave so far.
    children: Vec<Observed>,
    /// What of it has not been asked for yet.
    queue: VecDeque<Genome>,
}

impl Nsga2 {
    pub(super) fn new(population: u64, stream: Seed) -> Self {
        let population = usize::try_from(population).unwrap_or(usize::MAX);
        Self { population, stream, generation: 0, parents: Vec::new(), children: Vec::new(), queue: VecDeque::new() }
    }

    pub(super) fn ask(&mut self, genes: &Genes, room: usize, fresh: impl Fn(&Genes, usize) -> Genome) -> Vec<Genome> {
        if self.parents.is_empty() {
            let missing = self.population.saturating_sub(self.children.len());
            if missing > 0 {
                return (0..missing.min(room)).map(|offset| fresh(genes, offset)).collect();
            }
        }
        if self.queue.is_empty() {
            self.breed(genes);
        }
        self.queue.drain(..room.min(self.queue.len())).collect()
    }

    pub(super) fn tell(&mut self, observed: impl Iterator<Item = Observed>) {
        self.children.extend(observed);
    }

    /// Chooses who lives on, and makes the next generation's children.
    fn breed(&mut self, genes: &Genes) {
        let mut all = std::mem::take(&mut self.parents);
        all.append(&mut self.children);
        let best = order::best(&all, self.population);
        let mut all: Vec<Option<Observed>> = all.into_iter().map(Some).collect();
        self.parents = best.into_iter().filter_map(|at| all[at].take()).collect();
        let mut rng = self.stream.nth(self.generation).rng();
        self.generation += 1;
        self.queue = (0..self.population).map(|_| self.child(genes, &mut rng)).collect();
    }

    fn child(&self, genes: &Genes, rng: &mut Rng) -> Genome {
        let first = self.parent(rng);
        let mut child = first.clone();
        if rng.chance(CROSSOVER) {
            let second = self.parent(rng);
            genes.cross(&mut child, second, rng);
        }
        genes.mutate(&mut child, rng);
        child
    }

    /// The better of two: parents stand in the order of their selection.
    fn parent(&self, rng: &mut Rng) -> &Genome {
        let (a, b) = (rng.below(self.parents.len()), rng.below(self.parents.len()));
        &self.parents[a.min(b)].genome
    }
}
