//! The looks that candidates are judged by: the fidelities of a search in their order, then the search's own objectives.

use crate::candidate::{Candidate, Figures};
use crate::study::Study;
use cnasc_ir::program::{Accuracy, Constraint, Cost, Measure, Objective};

/// One way of judging candidates.
#[derive(Debug, Clone)]
pub struct Look<'a> {
    /// What is better.
    pub objectives: &'a [Objective],
    /// What must hold, as far as it is known at this cost.
    pub constraints: Vec<&'a Constraint>,
    /// What tells accuracy in it.
    pub accuracy: Option<&'a Accuracy>,
    /// That of the dearest figure that is computed.
    pub cost: Cost,
    /// How many candidates pass at most, where the search says; the last look has no bound.
    pub keep: Option<u64>,
    /// Whether all figures are computed, asked for or not.
    whole: bool,
}

impl<'a> Look<'a> {
    /// The looks of a study, at least one.
    pub(crate) fn all(study: &Study<'a>) -> Vec<Self> {
        let search = study.search;
        let fidelity = search.fidelities.iter().map(|fidelity| {
            let cost = fidelity.cost();
            // Limits of the search's accuracy say nothing of another one.
            let other = |measure| measure == Measure::Accuracy && fidelity.accuracy.is_some();
            let early = search.constraints.iter().filter(|of| of.measure.cost() <= cost && !other(of.measure));
            Self {
                objectives: &fidelity.objectives,
                constraints: fidelity.constraints.iter().chain(early).collect(),
                accuracy: fidelity.accuracy.as_ref().or(search.accuracy.as_ref()),
                cost,
                keep: fidelity.keep,
                whole: false,
            }
        });
        let last = Self {
            objectives: &search.objectives,
            constraints: search.constraints.iter().collect(),
            accuracy: search.accuracy.as_ref(),
            cost: search.cost(),
            keep: None,
            whole: false,
        };
        fidelity.chain([last]).collect()
    }

    /// Every figure that the compiler computes, whatever it says.
    pub(crate) fn whole() -> Look<'static> {
        Look { objectives: &[], constraints: Vec::new(), accuracy: None, cost: Cost::Plan, keep: None, whole: true }
    }

    /// Whether figures of this cost count in it.
    pub(crate) fn needs(&self, cost: Cost) -> bool {
        let objectives = self.objectives.iter().map(|objective| objective.measure);
        let constraints = self.constraints.iter().map(|constraint| constraint.measure);
        self.whole || objectives.chain(constraints).any(|measure| measure.cost() == cost)
    }

    /// A candidate's objectives, all to be minimised.
    pub(crate) fn objectives(&self, candidate: &Candidate) -> Vec<f64> {
        self.values(&candidate.figures)
    }

    /// The objectives as these figures have them, all to be minimised.
    pub(crate) fn values(&self, figures: &Figures) -> Vec<f64> {
        // What is not known is the worst, in whichever direction.
        let signed = |objective: &Objective| {
            let value = figures.value(objective.measure);
            value.map_or(f64::INFINITY, |value| if objective.maximize { -value } else { value })
        };
        self.objectives.iter().map(signed).collect()
    }
}
