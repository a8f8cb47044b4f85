//! A search with its seed: what may be asked of it, and what came of all its candidates.

use crate::candidate::{self, Candidate, Evaluated};
use crate::pareto;
use cnasc_base::{Code, Diagnostic, Diagnostics};
use cnasc_ir::Fleet;
use cnasc_ir::program::{Make, Measure, Program, Search, Strategy};
use cnasc_ir::score::Exponents;
use cnasc_place::score::with_unit;
use std::collections::{BTreeMap, BTreeSet};

/// The code of a network that does not fit the fleet.
pub const PLACE: Code = Code("E0608");
/// The code of a search strategy that is checked, but not run by this release.
pub const STRATEGY_LATER: Code = Code("E0910");
/// The code of a measure that is checked, but not computed by this release.
pub const MEASURE_LATER: Code = Code("E0911");

/// All of the above.
pub const CODES: &[Code] = &[PLACE, STRATEGY_LATER, MEASURE_LATER];

/// A search that can be run.
#[derive(Debug, Clone, Copy)]
pub struct Study<'a> {
    pub(crate) program: &'a Program,
    pub(crate) search: &'a Search,
    pub(crate) seed: u64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Distinct networks that keep every constraint, best first: front after front, each in ascending order of the first
    /// objective. At least as many as asked for, where there are so many.
    pub ranked: Vec<Candidate>,
    /// How many of them, from the first, nothing else beats in every objective.
    pub front: usize,
    /// Candidates that keep every constraint, networks drawn twice counted once.
    pub feasible: u64,
    /// Candidates whose network had been drawn before.
    pub duplicates: u64,
    /// How many broke which constraint first.
    pub broken: BTreeMap<Measure, u64>,
    /// How many gave no network, by what was said of them.
    pub impossible: BTreeMap<String, u64>,
    /// U_c, in bytes: the smallest communication of any edge in the study, which all its scores are relative to.
    pub unit: u64,
}

impl<'a> Study<'a> {
    /// The study of `search` with `seed`.
    ///
    /// # Errors
    /// Names each part of it that this release checks but can't run yet.
    pub fn new(program: &'a Program, search: &'a Search, seed: u64) -> Result<Self, Diagnostics> {
        let mut later = Diagnostics::default();
        if let Strategy::Later { name, location, .. } = &search.strategy {
            let found = Diagnostic::error(STRATEGY_LATER, format!("the strategy `{name}` is not there yet"));
            later.push(found.label(*location, "checked, but not run by this release").suggest(
                *location,
                "random",
                "draw each candidate independently",
            ));
        }
        let objectives = search.objectives.iter().map(|objective| (objective.measure, objective.location));
        let constraints = search.constraints.iter().map(|constraint| (constraint.measure, constraint.location));
        for (measure, location) in objectives.chain(constraints) {
            let (word, why) = match measure {
                Measure::Accuracy => ("accuracy", "needs training"),
                Measure::Energy => ("energy", "needs the power of devices"),
                _ => continue,
            };
            let found = Diagnostic::error(MEASURE_LATER, format!("`{word}` can't be measured yet"));
            later.push(found.label(location, format!("{why}, which is not there yet")));
        }
        if later.has_errors() { Err(later) } else { Ok(Self { program, search, seed }) }
    }

    /// The program that the search belongs to.
    #[must_use]
    pub fn program(&self) -> &'a Program {
        self.program
    }

    /// The space that is searched.
    #[must_use]
    pub fn over(&self) -> &'a Make {
        &self.search.over
    }

    /// The fleet that networks are placed on.
    #[must_use]
    pub fn fleet(&self) -> &'a Fleet {
        &self.program.fleets[self.search.on.index()]
    }

    /// n of the concurrency score.
    pub(crate) fn devices(&self) -> u32 {
        u32::try_from(self.fleet().devices.len()).expect("a fleet has at most 256 devices")
    }

    /// Candidate `index`, a pure function of the study and the index.
    #[must_use]
    pub fn evaluate(&self, index: u64) -> Evaluated {
        candidate::evaluate(self, index)
    }

    /// Ranks all that was evaluated, in the order of the indices; `enough` is how many ranked candidates the caller wants.
    #[must_use]
    pub fn conclude(&self, evaluated: Vec<Evaluated>, enough: usize) -> Outcome {
        let mut outcome = Outcome {
            ranked: Vec::new(),
            front: 0,
            feasible: 0,
            duplicates: 0,
            broken: BTreeMap::new(),
            impossible: BTreeMap::new(),
            unit: 0,
        };
        let mut seen = BTreeSet::new();
        let mut candidates: Vec<Candidate> = Vec::new();
        for evaluated in evaluated {
            match evaluated {
                Evaluated::Feasible(candidate) if seen.insert(candidate.hash.clone()) => candidates.push(*candidate),
                Evaluated::Feasible(_) => outcome.duplicates += 1,
                Evaluated::Infeasible { broken, .. } => *outcome.broken.entry(broken).or_default() += 1,
                Evaluated::Impossible(why) => *outcome.impossible.entry(why.message).or_default() += 1,
            }
        }
        outcome.feasible = candidates.len() as u64;
        outcome.unit = candidates.iter().map(|candidate| candidate.figures.score.unit).min().unwrap_or(0);
        for candidate in &mut candidates {
            let score = &mut candidate.figures.score;
            *score = with_unit(score, outcome.unit, Exponents::PAPER);
        }
        self.rank(candidates, enough, &mut outcome);
        outcome
    }

    fn rank(&self, candidates: Vec<Candidate>, enough: usize, outcome: &mut Outcome) {
        let values: Vec<Vec<f64>> = candidates.iter().map(|candidate| self.objectives(candidate)).collect();
        outcome.front = pareto::front(&values).len();
        let order = pareto::ranking(&values, enough.max(outcome.front));
        let mut candidates: Vec<Option<Candidate>> = candidates.into_iter().map(Some).collect();
        outcome.ranked = order.into_iter().filter_map(|index| candidates[index].take()).collect();
    }

    /// A candidate's objectives, all to be minimised.
    fn objectives(&self, candidate: &Candidate) -> Vec<f64> {
        let objectives = self.search.objectives.iter();
        let value = |measure| candidate.figures.value(measure).unwrap_or(f64::INFINITY);
        objectives
            .map(|objective| if objective.maximize { -value(objective.measure) } else { value(objective.measure) })
            .collect()
    }
}
