//! A search with its seed: what may be asked of it, and what came of all its candidates.

use crate::candidate::Candidate;
use crate::teller::{Silent, Teller};
use cnasc_base::{Code, Diagnostic, Diagnostics, Location};
use cnasc_ir::Fleet;
use cnasc_ir::program::{Constraint, Cost, Make, Measure, Objective, Program, Search};
use std::collections::BTreeMap;

/// The code of a network that does not fit the fleet.
pub const PLACE: Code = Code("E0608");
/// The code of accuracy that is asked for while nothing tells it.
pub const UNTOLD: Code = Code("E0616");
/// The code of energy that is asked for on devices of unknown power.
pub const POWERLESS: Code = Code("E0617");

/// All of the above.
pub const CODES: &[Code] = &[PLACE, UNTOLD, POWERLESS];

/// A search that can be run.
#[derive(Debug, Clone, Copy)]
pub struct Study<'a> {
    pub(crate) program: &'a Program,
    pub(crate) search: &'a Search,
    pub(crate) seed: u64,
    pub(crate) teller: &'a dyn Teller,
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
    /// How many of these pass on to the next look; of the last one none.
    pub passed: u64,
}

impl<'a> Study<'a> {
    /// The study of `search` with `seed`.
    ///
    /// # Errors
    /// Where it asks for accuracy that nothing tells, or for energy on devices of unknown power.
    pub fn new(program: &'a Program, search: &'a Search, seed: u64) -> Result<Self, Diagnostics> {
        let mut wrong = Diagnostics::default();
        let asks = |objectives: &[Objective], constraints: &[Constraint], measure: Measure| {
            let objectives = objectives.iter().map(|of| (of.measure, of.location));
            let constraints = constraints.iter().map(|of| (of.measure, of.location));
            objectives.chain(constraints).find(|(asked, _)| *asked == measure).map(|(_, location)| location)
        };
        let own = (&search.objectives[..], &search.constraints[..], search.accuracy.as_ref());
        let looks = search
            .fidelities
            .iter()
            .map(|of| (&of.objectives[..], &of.constraints[..], of.accuracy.as_ref().or(search.accuracy.as_ref())));
        let looks: Vec<_> = looks.chain([own]).collect();
        let untold = looks.iter().filter(|(.., accuracy)| accuracy.is_none());
        if let Some(location) = untold.into_iter().find_map(|(a, b, _)| asks(a, b, Measure::Accuracy)) {
            wrong.push(untold_accuracy(location));
        }
        let fleet = &program.fleets[search.on.index()];
        if let Some(location) = looks.iter().find_map(|(a, b, _)| asks(a, b, Measure::Energy))
            && let Some(device) = fleet.devices.iter().find(|device| device.power.is_none())
        {
            let found = Diagnostic::error(POWERLESS, format!("the power of device `{}` is not declared", device.name));
            let found = found.label(location, "needs the power of each device");
            wrong.push(found.note("a `device` says it by `power 5 W`, which it takes while it computes"));
        }
        if wrong.has_errors() { Err(wrong) } else { Ok(Self { program, search, seed, teller: &Silent }) }
    }

    /// The same with somebody who tells accuracy.
    #[must_use]
    pub fn told_by(self, teller: &'a dyn Teller) -> Self {
        Self { teller, ..self }
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

fn untold_accuracy(location: Location) -> Diagnostic {
    let found =
        Diagnostic::error(UNTOLD, "nothing tells the accuracy of a candidate").label(location, "asked for here");
    found.note("`accuracy trained(NAME)` trains each as that training says, `accuracy proxy(synflow)` looks at the untrained network, and `accuracy command(\"PROGRAM\")` asks a program of yours")
}
