//! A search with its seed: what may be asked of it, and what came of all its candidates.

use crate::candidate::Candidate;
use cnasc_base::{Code, Diagnostic, Diagnostics};
use cnasc_ir::Fleet;
use cnasc_ir::program::{Cost, Make, Measure, Program, Search, Strategy};
use std::collections::BTreeMap;

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
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// Distinct networks that keep every constraint, best first: front after front, each in ascending order of the first
    /// objective. At least as many as asked for, where there are so many. They have all their figures.
    pub ranked: Vec<Candidate>,
    /// How many of them, from the first, nothing else beats in every objective.
    pub front: usize,
    /// Distinct networks that keep every constraint, of those that the last look saw.
    pub feasible: u64,
    /// Candidates whose network had been drawn before.
    pub duplicates: u64,
    /// How many broke which constraint first.
    pub broken: BTreeMap<Measure, u64>,
    /// How many gave no network, by what was said of them.
    pub impossible: BTreeMap<String, u64>,
    /// U_c, in bytes: the smallest communication of any edge among the ranked networks, which their scores are relative to.
    pub unit: u64,
    /// What each look saw, the search's own last.
    pub looks: Vec<Looked>,
}

/// What one look saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Looked {
    /// How many distinct networks it judged.
    pub judged: u64,
    /// How many of them keep its constraints.
    pub feasible: u64,
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
            later.push(
                found
                    .label(*location, "checked, but not run by this release")
                    .note("`fidelity` sections say which candidates dear looks are spent on, under any strategy"),
            );
        }
        let objectives = search.objectives.iter().map(|objective| (objective.measure, objective.location));
        let constraints = search.constraints.iter().map(|constraint| (constraint.measure, constraint.location));
        let fidelities = search.fidelities.iter().flat_map(|fidelity| {
            let objectives = fidelity.objectives.iter().map(|objective| (objective.measure, objective.location));
            objectives.chain(fidelity.constraints.iter().map(|constraint| (constraint.measure, constraint.location)))
        });
        for (measure, location) in objectives.chain(constraints).chain(fidelities) {
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

    /// Whether all that candidates are judged by is counted in the network, so that it can't depend on the names and the order of nodes:
    /// partitions and placements are found by heuristics, which may do better on one order than on another.
    pub(crate) fn counts_alone(&self) -> bool {
        let fidelities = self.search.fidelities.iter().all(|fidelity| fidelity.cost() == Cost::Count);
        fidelities && self.search.cost() == Cost::Count
    }

    /// n of the concurrency score.
    pub(crate) fn devices(&self) -> u32 {
        u32::try_from(self.fleet().devices.len()).expect("a fleet has at most 256 devices")
    }
}
