//! The strategy `tpe`: tree-structured Parzen estimators (Bergstra, Bardenet, Bengio and Kégl, NeurIPS 2011), over all variables together and
//! for several objectives (Ozaki, Tanigaki, Watanabe and Onishi, GECCO 2020): the best are those that dominate most, and each of them
//! counts by how much no other of them does.
//!
//! What was seen is split into the few best and the rest. Points are drawn from a mixture of kernels around the best, and the one is proposed
//! where the density of the best is largest relative to that of the rest. A kernel covers the variables that exist in its observation; on
//! others it is as wide as the domain. Of the rest, what came long ago counts less. What is proposed and not judged yet counts with the
//! rest, so that one request does not repeat itself.

use super::genes::{Genes, Genome, at, graph, normal, position};
use super::{Observed, Verdict, order};
use crate::candidate::Proposal;
use crate::pareto;
use cnasc_base::{Rng, Seed};
use cnasc_expand::space::Setting;
use cnasc_ir::program::Domain;

/// How many points are proposed between two learnings; part of the method, for else the number of threads would be.
const AT_ONCE: usize = 4;

/// The most observations that count as the best, and which share of all.
const MOST_GOOD: usize = 25;
const GOOD: f64 = 0.1;

/// Among as many of all that was seen the best are looked for, so that not all is held against all each time.
const ELITE: usize = 4 * MOST_GOOD;

/// As many observations are remembered; older ones are forgotten but for the elite, so that a long study does not slow down.
const MEMORY: usize = 1000 + ELITE;

/// As many of the rest count fully; those before them by their place.
const RECENT: usize = 25;

/// What one of the best counts at least.
const LEAST: f64 = 1e-12;

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
    /// What is remembered of them, in their order.
    all: Vec<Observed>,
    /// The places of the elite among them, in their order.
    elite: Vec<usize>,
}

/// One observation as a kernel: a position or an alternative of each variable that exists.
#[derive(Debug, Clone)]
struct Kernel(Vec<Option<Setting>>);

/// A mixture of kernels, each with its weight, and a uniform one of weight one.
struct Mixture<'a> {
    genes: &'a Genes,
    kernels: Vec<Kernel>,
    weights: Vec<f64>,
    width: f64,
}

impl Tpe {
    pub(super) fn new(startup: u64, candidates: u64, stream: Seed) -> Self {
        let startup = usize::try_from(startup).unwrap_or(usize::MAX);
        Self { startup, candidates, stream, rounds: 0, seen: 0, all: Vec::new(), elite: Vec::new() }
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
        let good = self.best();
        let kernel = |&place: &usize| Kernel::of(genes, &self.all[place].genome.settings);
        let weights = weights(&good.iter().map(|&place| &self.all[place].verdict).collect::<Vec<_>>());
        let best = Mixture::new(genes, good.iter().map(kernel).collect(), weights);
        let mut rest: Vec<Kernel> =
            (0..self.all.len()).filter(|place| !good.contains(place)).map(|place| kernel(&place)).collect();
        let mut proposed = Vec::new();
        for _ in 0..count {
            let recent = ramp(rest.len());
            let others = Mixture::new(genes, rest, recent);
            let settings = self.promising(&best, &others, &mut rng);
            rest = others.kernels;
            rest.push(Kernel::of(genes, &settings));
            proposed.push(Genome { settings, graph: graph(&mut rng), edits: Vec::new() });
        }
        proposed
    }

    pub(super) fn tell(&mut self, observed: impl Iterator<Item = Observed>) {
        let before = self.all.len();
        self.all.extend(observed);
        self.seen += self.all.len() - before;
        self.elite.extend(before..self.all.len());
        if self.elite.len() > ELITE {
            self.elite = self.among_elite(ELITE, pareto::best);
            self.elite.sort_unstable();
        }
        self.forget();
    }

    /// The places of the `count` best of the elite.
    fn among_elite(&self, count: usize, choose: fn(&[Vec<f64>], usize) -> Vec<usize>) -> Vec<usize> {
        let elite: Vec<&Observed> = self.elite.iter().map(|&place| &self.all[place]).collect();
        order::best_by(&elite, count, choose).into_iter().map(|place| self.elite[place]).collect()
    }

    /// The places of those that count as the best.
    fn best(&self) -> Vec<usize> {
        let count = ((self.seen as f64 * GOOD).ceil() as usize).clamp(1, MOST_GOOD);
        self.among_elite(count, pareto::largest)
    }

    /// Drops the oldest that are too many.
    fn forget(&mut self) {
        let mut old = self.all.len().saturating_sub(MEMORY);
        if old == 0 {
            return;
        }
        let (mut place, mut elite) = (0, Vec::new());
        let all = std::mem::take(&mut self.all);
        for (before, observed) in all.into_iter().enumerate() {
            let best = self.elite.get(place) == Some(&before);
            place += usize::from(best);
            if best {
                elite.push(self.all.len());
            } else if old > 0 {
                old -= 1;
                continue;
            }
            self.all.push(observed);
        }
        self.elite = elite;
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
    fn new(genes: &'a Genes, kernels: Vec<Kernel>, weights: Vec<f64>) -> Self {
        let count = kernels.len() as f64;
        let axes = genes.variables.len() as f64;
        let scott = libm::pow(count.max(1.0), -1.0 / (axes + 4.0));
        // Kernels narrower than the mean distance of as many points would only ever repeat these.
        let width = (WIDTH * scott).max(1.0 / (count + 1.0).min(100.0));
        Self { genes, kernels, weights, width }
    }

    fn draw(&self, rng: &mut Rng) -> Vec<Setting> {
        let kernel = self.pick(rng);
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

    /// A kernel by its weight, or none for the uniform one.
    fn pick(&self, rng: &mut Rng) -> Option<&Kernel> {
        let mut left = rng.unit() * (self.weights.iter().sum::<f64>() + 1.0);
        let place = self.weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        place.and_then(|place| self.kernels.get(place))
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
        let all = self.kernels.iter().zip(&self.weights);
        let sum: f64 = all.map(|(kernel, weight)| weight * self.kernel(kernel, &point)).sum();
        libm::log((sum + 1.0) / (self.weights.iter().sum::<f64>() + 1.0))
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

/// What each of the best counts: how much of what they dominate no other dominates, relative to the most; what misses constraints nothing
/// where another keeps them. All count alike with one objective, where only the first would count, and with more than three.
fn weights(best: &[&Verdict]) -> Vec<f64> {
    let values: Vec<Vec<f64>> = best.iter().map(|verdict| order::objectives(verdict).to_vec()).collect();
    let kept: Vec<usize> = (0..values.len()).filter(|&place| !values[place].is_empty()).collect();
    let points: Vec<Vec<f64>> = kept.iter().map(|&place| values[place].clone()).collect();
    let equal = vec![1.0; best.len()];
    if !matches!(points.first().map(Vec::len), Some(2 | 3)) {
        return equal;
    }
    let bound = pareto::bound(&points);
    let whole = pareto::hypervolume(&points, &bound);
    let alone = |place: usize| {
        let others: Vec<Vec<f64>> = [&points[..place], &points[place + 1..]].concat();
        whole - pareto::hypervolume(&others, &bound)
    };
    let alone: Vec<f64> = (0..points.len()).map(alone).collect();
    let most = alone.iter().copied().fold(0.0, f64::max);
    if most <= 0.0 {
        return equal;
    }
    let mut weights = vec![0.0; best.len()];
    kept.iter().zip(alone).for_each(|(&place, alone)| weights[place] = (alone / most).max(LEAST));
    weights
}

/// What each of the rest counts: the last ones fully, those before them the less the earlier they stand.
fn ramp(count: usize) -> Vec<f64> {
    let early = count.saturating_sub(RECENT);
    let least = 1.0 / count.max(1) as f64;
    let rise = (1.0 - least) / (early.max(2) - 1) as f64;
    (0..count).map(|place| if place < early { least + rise * place as f64 } else { 1.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnasc_ir::program::Cost;

    #[test]
    fn the_best_count_by_what_they_alone_dominate() {
        let kept = |x: f64, y: f64| Verdict::Kept(vec![x, y]);
        let missed = Verdict::Missed { cost: Cost::Count, violation: 0.5 };
        let (a, b, c) = (kept(0.0, 2.0), kept(1.0, 1.0), kept(2.0, 0.0));
        let found = weights(&[&a, &missed, &b, &c]);
        // Below 2.2 in both, the middle one dominates one by one alone, the others 0.2 by one.
        let expected = [0.2, 0.0, 1.0, 0.2];
        assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12), "{found:?}");
        assert_eq!(weights(&[&missed, &missed]), [1.0, 1.0]);
        assert_eq!(weights(&[&Verdict::Kept(vec![1.0]), &Verdict::Kept(vec![2.0])]), [1.0, 1.0]);
        assert_eq!(weights(&[&b, &b]), [1.0, 1.0], "neither dominates anything alone");
    }

    #[test]
    fn early_ones_count_less() {
        assert_eq!(ramp(25), [1.0; 25]);
        assert!(ramp(0).is_empty());
        let found = ramp(30);
        let expected = (0..5).map(|place| 1.0 / 30.0 + f64::from(place) * (29.0 / 30.0) / 4.0);
        assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12), "{found:?}");
        assert_eq!(found[5..], [1.0; 25]);
    }

    #[test]
    fn the_oldest_are_forgotten_but_for_the_elite() {
        let mut tpe = Tpe::new(1, 1, Seed::new(1));
        let count = MEMORY + 50;
        let observed: Vec<Observed> = (0..count)
            .map(|value| Observed {
                genome: Genome { settings: Vec::new(), graph: value as u64, edits: Vec::new() },
                verdict: Verdict::Kept(vec![value as f64]),
            })
            .collect();
        observed.chunks(50).for_each(|some| tpe.tell(some.iter().cloned()));
        let kept: Vec<usize> = tpe.all.iter().map(|observed| observed.genome.graph as usize).collect();
        assert_eq!(kept, (0..ELITE).chain(ELITE + 50..count).collect::<Vec<_>>());
        assert_eq!(tpe.elite, (0..ELITE).collect::<Vec<_>>());
        assert_eq!(tpe.best(), (0..MOST_GOOD).collect::<Vec<_>>());
    }
}
