//! A candidate as strategies see it: a setting for each variable of the space, and the number that its graph is drawn from.
//!
//! Every variable has a gene, whether or not it exists under the others, so that a choice which comes back finds what belonged to it.
//! A genome may have edits of that graph too. Numbers are seen as positions within `0..1` of their domain: evenly over steps, over a range, or over the logarithm of it.

use cnasc_base::{Rng, Seed};
use cnasc_expand::space::{SearchVariable, Setting};
use cnasc_ir::program::Domain;
use cnasc_ir::{Edit, EditKind};
use std::collections::BTreeMap;

/// How far a mutated number moves: the deviation of a normal distribution over positions. About a sixth of the domain: most steps stay in
/// the neighbourhood, and no corner is out of reach.
const STEP: f64 = 0.15;

/// How often a mutated number, or a graph that may be edited, is drawn anew instead.
const ANEW: f64 = 0.25;

/// What a candidate grows from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Genome {
    /// One for each variable of the space, those that do not exist included.
    pub(super) settings: Vec<Setting>,
    /// What its graph is drawn from.
    pub(super) graph: u64,
    /// What is changed in it then.
    pub(super) edits: Vec<Edit>,
}

/// The variables of a space.
#[derive(Debug)]
pub(super) struct Genes {
    pub(super) variables: Vec<SearchVariable>,
    /// How many edits a genome may have.
    edits: usize,
}

impl Genes {
    pub(super) fn new(variables: Vec<SearchVariable>, edits: u64) -> Self {
        Self { variables, edits: usize::try_from(edits).unwrap_or(usize::MAX) }
    }

    /// Whether every variable has values.
    pub(super) fn can_be_drawn(&self) -> bool {
        let mut rng = Seed::new(0).rng();
        self.variables.iter().all(|variable| variable.draw(&mut rng).is_ok())
    }

    /// What a candidate with this number is when all its variables are drawn.
    pub(super) fn random(&self, graph: u64) -> Genome {
        let space = Seed::new(graph).child("space");
        let draw = |variable: &SearchVariable| variable.draw(&mut space.child(&variable.name).rng());
        let settings = self.variables.iter().map(|variable| draw(variable).unwrap_or(Setting::Choice(0)));
        Genome { settings: settings.collect(), graph, edits: Vec::new() }
    }

    /// The same with some variables set.
    pub(super) fn with(&self, graph: u64, set: &BTreeMap<String, Setting>) -> Genome {
        let mut genome = self.random(graph);
        for (variable, setting) in self.variables.iter().zip(&mut genome.settings) {
            *setting = set.get(&variable.name).copied().unwrap_or(*setting);
        }
        genome
    }

    /// A genome of which those genes matter alone that exist.
    pub(super) fn known(&self, graph: u64, set: &BTreeMap<String, Setting>) -> Genome {
        let settings = self.variables.iter().map(|variable| set.get(&variable.name).copied());
        let settings = settings.map(|setting| setting.unwrap_or(Setting::Choice(0))).collect();
        Genome { settings, graph, edits: Vec::new() }
    }

    /// The settings of the variables that exist, by name.
    pub(super) fn named(&self, settings: &[Setting]) -> BTreeMap<String, Setting> {
        let exists = self.exists(settings);
        let all = self.variables.iter().zip(settings).zip(exists).filter(|(_, exists)| *exists);
        all.map(|((variable, setting), _)| (variable.name.clone(), *setting)).collect()
    }

    /// Which variables exist under these settings.
    pub(super) fn exists(&self, settings: &[Setting]) -> Vec<bool> {
        let mut exists: Vec<bool> = Vec::with_capacity(settings.len());
        for variable in &self.variables {
            exists.push(variable.condition.is_none_or(|condition| {
                exists[condition.variable] && settings[condition.variable] == Setting::Choice(condition.choice)
            }));
        }
        exists
    }

    /// Takes each gene from either parent. Edits go with the graph that they are of; of one graph's, the first are taken from this one and
    /// the others from the second.
    pub(super) fn cross(&self, child: &mut Genome, second: &Genome, rng: &mut Rng) {
        for (gene, other) in child.settings.iter_mut().zip(&second.settings) {
            if rng.chance(0.5) {
                *gene = *other;
            }
        }
        let same = child.graph == second.graph;
        if rng.chance(0.5) {
            child.graph = second.graph;
            if !same {
                child.edits.clone_from(&second.edits);
            }
        }
        if same && !(child.edits.is_empty() && second.edits.is_empty()) {
            let (ours, theirs) = (rng.below(child.edits.len() + 1), rng.below(second.edits.len() + 1));
            child.edits.truncate(ours);
            child.edits.extend(&second.edits[theirs..]);
            child.edits.truncate(self.edits);
        }
    }

    /// Changes each gene that exists with a probability that makes it one a child on average, the graph counted as a gene;
    /// changes one at least.
    pub(super) fn mutate(&self, genome: &mut Genome, rng: &mut Rng) {
        let exists = self.exists(&genome.settings);
        let living: Vec<usize> = (0..exists.len()).filter(|&gene| exists[gene]).collect();
        let share = 1.0 / (living.len() as f64 + 1.0);
        let mut changed = false;
        for &gene in &living {
            if rng.chance(share) {
                changed |= self.change(gene, &mut genome.settings, rng);
            }
        }
        if rng.chance(share) {
            self.change_graph(genome, rng);
            changed = true;
        }
        if !changed {
            let gene = rng.below(living.len() + 1);
            if gene == living.len() || !self.change(living[gene], &mut genome.settings, rng) {
                self.change_graph(genome, rng);
            }
        }
    }

    /// Another graph, in which edits of the one before have no meaning; mostly other edits instead, where there may be any.
    fn change_graph(&self, genome: &mut Genome, rng: &mut Rng) {
        if self.edits > 0 && !rng.chance(ANEW) {
            self.edit(&mut genome.edits, rng);
        } else {
            genome.graph = graph(rng);
            genome.edits.clear();
        }
    }

    /// One edit more, one less, or another one in its place.
    fn edit(&self, edits: &mut Vec<Edit>, rng: &mut Rng) {
        let new = Edit { kind: EditKind::ALL[rng.below(EditKind::ALL.len())], number: graph(rng) };
        let place = rng.below(edits.len() + 1);
        if place == edits.len() && edits.len() < self.edits {
            edits.push(new);
        } else if rng.chance(0.5) {
            edits.remove(place.min(edits.len() - 1));
        } else {
            let last = edits.len() - 1;
            edits[place.min(last)] = new;
        }
    }

    /// Another value of one variable; whether it has one.
    fn change(&self, gene: usize, settings: &mut [Setting], rng: &mut Rng) -> bool {
        let variable = &self.variables[gene];
        let before = settings[gene];
        settings[gene] = match (&variable.domain, before) {
            (Domain::Choice(alternatives), Setting::Choice(now)) if alternatives.len() > 1 => {
                let other = rng.below(alternatives.len() - 1);
                Setting::Choice(if other < now { other } else { other + 1 })
            }
            (Domain::Choice(_), _) => return false,
            (Domain::Ints { .. } | Domain::Reals { .. }, _) => {
                let anew = rng.chance(ANEW);
                let position = if anew { rng.unit() } else { position(variable, before) + STEP * normal(rng) };
                let moved = at(variable, reflect(position));
                if moved == before { beside(variable, before, rng) } else { moved }
            }
        };
        settings[gene] != before
    }
}

/// Where a number stands in its domain, within 0..1; of a choice, 0.
pub(super) fn position(variable: &SearchVariable, setting: Setting) -> f64 {
    match (&variable.domain, setting) {
        (Domain::Ints { low, step, .. }, Setting::Int(value)) => {
            let place = (value as f64 - *low as f64) / *step as f64;
            (place + 0.5) / count(variable).unwrap_or(1) as f64
        }
        (Domain::Reals { low, high, log: true, .. }, Setting::Real(value)) if low < high => {
            (libm::log(value) - libm::log(*low)) / (libm::log(*high) - libm::log(*low))
        }
        (Domain::Reals { low, step: Some(step), .. }, Setting::Real(value)) => {
            (((value - low) / step).round() + 0.5) / count(variable).unwrap_or(1) as f64
        }
        (Domain::Reals { low, high, .. }, Setting::Real(value)) if low < high => (value - low) / (high - low),
        _ => 0.0,
    }
}

/// The number at a position of its domain.
pub(super) fn at(variable: &SearchVariable, position: f64) -> Setting {
    let position = position.clamp(0.0, 1.0);
    match &variable.domain {
        Domain::Choice(_) => Setting::Choice(0),
        Domain::Reals { low, high, step, log: true } => {
            let value = libm::exp(libm::log(*low) + position * (libm::log(*high) - libm::log(*low)));
            let stepped = step.map_or(value, |step| low + ((value - low) / step).round() * step);
            // A step may lie past the end of the range.
            Setting::Real(if stepped > *high {
                *low + (stepped - low - step.unwrap_or(0.0))
            } else {
                stepped.max(*low)
            })
        }
        Domain::Reals { low, high, step: None, .. } => {
            Setting::Real((low + position * (high - low)).clamp(*low, *high))
        }
        Domain::Ints { .. } | Domain::Reals { .. } => {
            let count = count(variable).unwrap_or(1);
            let place = ((position * count as f64) as u64).min(count - 1);
            nth(variable, place).unwrap_or(Setting::Choice(0))
        }
    }
}

/// The value of this number of a counted range.
pub(super) fn nth(variable: &SearchVariable, place: u64) -> Option<Setting> {
    match &variable.domain {
        Domain::Choice(_) => usize::try_from(place).ok().map(Setting::Choice),
        Domain::Ints { low, step, .. } => {
            let place = i64::try_from(place).ok()?;
            Some(Setting::Int(low.saturating_add(place.saturating_mul(*step))))
        }
        Domain::Reals { low, high, step: Some(step), .. } => {
            Some(Setting::Real((low + place as f64 * step).min(*high)))
        }
        Domain::Reals { step: None, .. } => None,
    }
}

/// How many values a variable has, where they can be counted; at least one.
pub(super) fn count(variable: &SearchVariable) -> Option<u64> {
    match &variable.domain {
        Domain::Choice(alternatives) => Some(alternatives.len().max(1) as u64),
        Domain::Ints { low, high, step } => {
            u64::try_from((i128::from(*high) - i128::from(*low)) / i128::from(*step) + 1).ok()
        }
        // The rounding of the last step is that of the domain.
        Domain::Reals { low, high, step: Some(step), .. } => Some(((high - low) / step + 1e-9).floor() as u64 + 1),
        Domain::Reals { .. } => None,
    }
}

/// The next or the last value of a counted domain; the same where there is no other.
fn beside(variable: &SearchVariable, setting: Setting, rng: &mut Rng) -> Setting {
    let Some(count) = count(variable).filter(|count| *count > 1) else { return setting };
    let width = 1.0 / count as f64;
    let here = position(variable, setting);
    let up = if rng.chance(0.5) { width } else { -width };
    let beside = at(variable, here + up);
    if beside == setting { at(variable, here - up) } else { beside }
}

/// A number to draw a graph from; like all that are shown to people, of 53 bits, which JSON readers keep.
pub(super) fn graph(rng: &mut Rng) -> u64 {
    rng.bits() >> 11
}

/// A position that left 0..1 comes back as from a mirror.
pub(super) fn reflect(position: f64) -> f64 {
    let folded = position.rem_euclid(2.0);
    if folded > 1.0 { 2.0 - folded } else { folded }
}

/// A draw of the standard normal distribution (Box and Muller, Ann. Math. Statist. 29, 1958).
pub(super) fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * libm::log(1.0 - rng.unit())).sqrt();
    radius * libm::cos(std::f64::consts::TAU * rng.unit())
}
