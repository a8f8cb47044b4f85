//! The strategy `tpe`: tree-structured Parzen estimators (Bergstra, Bardenet, Bengio and Kégl, NeurIPS 2011), over all variables together and
//! for several objectives (Ozaki, Tanigaki, Watanabe and Onishi, GECCO 2020, without its weights).
//!
//! What was seen is split into the few best and the rest. Points are drawn from a mixture of kernels around the best, and the one is proposed
//! where the density of the best is largest relative to that of the rest. A kernel covers the variables that exist in its observation; on
//! others it is as wide as the domain. What is proposed and not judged yet counts with the rest, so that one request does not repeat itself.

use super::genes::{Genes, Genome, at, graph, normal, position};
use super::{Observed, order};
use crate::candidate::Proposal;
use cnasc_base::{Rng, Seed};
use cnasc_expand::space::Setting;
use cnasc_ir::program::Domain;
use std::collections::VecDeque;

/// How many points are proposed between two learnings; part of the method, for else the number of threads would be.
const AT_ONCE: usize = 4;

/// The most observations that count as the best, and which share of all.
const MOST_GOOD: usize = 25;
const GOOD: f64 = 0.1;

/// As many of the best are remembered as such, so that some take the places of those that are beaten.
const ELITE: usize = 4 * MOST_GOOD;

/// As many observations as are remembered beside these; older ones are forgotten, so that a long study does not slow down.
const REST: usize = 1000;

/// The width of kernels for one observation (Scott's rule shrinks it with more).
const WIDTH: f64 = 0.2;

#[derive(Debug)]
pub(super) struct Tpe {
    startup: usize,
    candidates: u64,
    stream: Seed,
    rounds: u64,
    /// How many were judged.
    seen: usize,
    /// The best.
    elite: Vec<Observed>,
    /// The others, in their order.
    rest: VecDeque<Observed>,
}

/// One observation as a kernel: a position or an alternative of each variable that exists.
#[derive(Debug, Clone)]
struct Kernel(Vec<Option<Setting>>);

/// A mixture of equal kernels and a uniform one.
struct Mixture<'a> {
    genes: &'a Genes,
    kernels: Vec<Kernel>,
    width: f64,
}

impl Tpe {
    pub(super) fn new(startup: u64, candidates: u64, stream: Seed) -> Self {
        let startup = usize::try_from(startup).unwrap_or(usize::MAX);
        Self { startup, candidates, stream, rounds: 0, seen: 0, elite: Vec::new(), rest: VecDeque::new() }
    }

    /// What an earlier run proposed is not found again.
    pub(super) fn ask(
        &mut self,
        genes: &Genes,
        room: usize,
        earlier: &[&Proposal],
        fresh: impl Fn(&Genes, usize) -> Genome,
    ) -> Vec<Genome> {
        let missing = self.startup.saturating_sub(self.seen);
        if missing > 0 {
            return (0..missing.min(room)).map(|offset| fresh(genes, offset)).collect();
        }
        let mut rng = self.stream.nth(self.rounds).rng();
        self.rounds += 1;
        let count = AT_ONCE.min(room);
        if let Some(earlier) = earlier.get(..count) {
            return earlier.iter().map(|proposal| genes.known(proposal.seed, &proposal.settings)).collect();
        }
        let kernel = |observed: &Observed| Kernel::of(genes, &observed.genome.settings);
        let good = order::best(&self.elite, self.good());
        let best = Mixture::new(genes, good.iter().map(|&place| kernel(&self.elite[place])).collect());
        let beaten = (0..self.elite.len()).filter(|place| !good.contains(place)).map(|place| &self.elite[place]);
        let mut rest: Vec<Kernel> = beaten.chain(&self.rest).map(kernel).collect();
        let mut proposed = Vec::new();
        for _ in 0..count {
            let others = Mixture::new(genes, rest);
            let settings = self.promising(&best, &others, &mut rng);
            rest = others.kernels;
            rest.push(Kernel::of(genes, &settings));
            proposed.push(Genome { settings, graph: graph(&mut rng) });
        }
        proposed
    }

    pub(super) fn tell(&mut self, observed: impl Iterator<Item = Observed>) {
        let before = self.elite.len();
        self.elite.extend(observed);
        self.seen += self.elite.len() - before;
        if self.elite.len() <= ELITE {
            return;
        }
        let mut kept = vec![false; self.elite.len()];
        order::best(&self.elite, ELITE).into_iter().for_each(|place| kept[place] = true);
        for (observed, kept) in std::mem::take(&mut self.elite).into_iter().zip(kept) {
            if kept {
                self.elite.push(observed);
            } else {
                self.rest.push_back(observed);
            }
        }
        let old = self.rest.len().saturating_sub(REST);
        self.rest.drain(..old);
    }

    /// How many count as the best.
    fn good(&self) -> usize {
        ((self.seen as f64 * GOOD).ceil() as usize).clamp(1, MOST_GOOD).min(self.elite.len())
    }

    /// The best of some draws.
    fn promising(&self, best: &Mixture<'_>, others: &Mixture<'_>, rng: &mut Rng) -> Vec<Setting> {
        let mut found = best.draw(rng);
        let mut gain = best.density(&found) - others.density(&found);
        for _ in 1..self.candidates {
            let drawn = best.draw(rng);
            let here = best.density(&drawn) - others.density(&drawn);
            if here > gain {
                (found, gain) = (drawn, here);
            }
        }
        found
    }
}

impl Kernel {
    fn of(genes: &Genes, settings: &[Setting]) -> Self {
        let exists = genes.exists(settings);
        Self(settings.iter().zip(exists).map(|(setting, exists)| exists.then_some(*setting)).collect())
    }
}

impl<'a> Mixture<'a> {
    fn new(genes: &'a Genes, kernels: Vec<Kernel>) -> Self {
        let count = kernels.len() as f64;
        let axes = genes.variables.len() as f64;
        let scott = libm::pow(count.max(1.0), -1.0 / (axes + 4.0));
        // Kernels narrower than the mean distance of as many points would only ever repeat these.
        let width = (WIDTH * scott).max(1.0 / (count + 1.0).min(100.0));
        Self { genes, kernels, width }
    }

    fn draw(&self, rng: &mut Rng) -> Vec<Setting> {
        let kernel = self.kernels.get(rng.below(self.kernels.len() + 1));
        let mut settings = Vec::with_capacity(self.genes.variables.len());
        for (axis, variable) in self.genes.variables.iter().enumerate() {
            let centre = kernel.and_then(|kernel| kernel.0[axis]);
            settings.push(match (&variable.domain, centre) {
                (Domain::Choice(alternatives), Some(centre)) if !rng.chance(self.other(alternatives.len())) => centre,
                (Domain::Choice(alternatives), _) => Setting::Choice(rng.below(alternatives.len())),
                (_, Some(centre)) => at(variable, self.near(position(variable, centre), rng)),
                (_, None) => at(variable, rng.unit()),
            });
        }
        settings
    }

    /// A draw of the normal distribution around `centre` cut to 0..1.
    fn near(&self, centre: f64, rng: &mut Rng) -> f64 {
        // At least two in five draws are within, wherever the centre is; what never is stays at the centre.
        let mut draws = (0..64).map(|_| centre + self.width * normal(rng));
        draws.find(|drawn| (0.0..=1.0).contains(drawn)).unwrap_or(centre)
    }

    /// How likely a kernel of a choice draws afresh: less with more observations.
    fn other(&self, alternatives: usize) -> f64 {
        let alternatives = alternatives as f64;
        alternatives / (self.kernels.len() as f64 + 1.0 + alternatives)
    }

    /// The logarithm of the density at `settings`, relative to the uniform one.
    fn density(&self, settings: &[Setting]) -> f64 {
        let point = Kernel::of(self.genes, settings);
        let sum: f64 = self.kernels.iter().map(|kernel| self.kernel(kernel, &point)).sum();
        libm::log((sum + 1.0) / (self.kernels.len() as f64 + 1.0))
    }

    fn kernel(&self, kernel: &Kernel, point: &Kernel) -> f64 {
        let axes = self.genes.variables.iter().zip(&kernel.0).zip(&point.0);
        axes.map(|((variable, centre), here)| match (&variable.domain, centre, here) {
            (Domain::Choice(alternatives), Some(centre), Some(here)) => {
                let other = self.other(alternatives.len());
                other + if centre == here { (1.0 - other) * alternatives.len() as f64 } else { 0.0 }
            }
            (_, Some(centre), Some(here)) => {
                let centre = position(variable, *centre);
                let away = (position(variable, *here) - centre) / self.width;
                let below = |end: f64| 0.5 * (1.0 + libm::erf((end - centre) / self.width / std::f64::consts::SQRT_2));
                let height = libm::exp(-0.5 * away * away) / (self.width * std::f64::consts::TAU.sqrt());
                height / (below(1.0) - below(0.0))
            }
            _ => 1.0,
        })
        .product()
    }
}
