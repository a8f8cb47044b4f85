//! The looks of a search as a study sees them: trials have the values of the last one's objectives, and what each look said of the first of its own as
//! an intermediate value.

use cnasc_ir::program::{Objective, Search};
use cnasc_ir::score::Exponents;
use cnasc_place::score::with_unit;
use cnasc_search::{Brackets, Figures};

/// The looks of a search, its own last.
#[derive(Debug)]
pub struct Looks {
    objectives: Vec<Vec<Objective>>,
    brackets: Brackets,
    exponents: Exponents,
    /// Whether anything must hold of a candidate.
    pub constrained: bool,
}

impl Looks {
    /// Those of a search.
    pub fn of(search: &Search) -> Self {
        let fidelities = search.fidelities.iter().map(|fidelity| &fidelity.objectives);
        let objectives = fidelities.chain([&search.objectives]).cloned().collect();
        let mut constraints =
            search.fidelities.iter().flat_map(|fidelity| &fidelity.constraints).chain(&search.constraints);
        Self {
            objectives,
            brackets: Brackets::of_search(search),
            exponents: search.score.exponents,
            constrained: constraints.next().is_some(),
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.objectives.len()
    }

    /// The objectives of a look.
    pub fn objectives(&self, look: usize) -> &[Objective] {
        &self.objectives[look]
    }

    /// The search's own objectives.
    pub fn own(&self) -> &[Objective] {
        self.objectives(self.count() - 1)
    }

    /// The look that a candidate begins at.
    pub fn start(&self, candidate: u64) -> usize {
        self.brackets.start(candidate)
    }

    /// Whether nothing is judged behind this look.
    pub fn is_last(&self, look: usize) -> bool {
        look + 1 == self.count()
    }

    /// The values of a look's objectives, the worst of what is not known; scores are relative to `unit`.
    pub fn values(&self, look: usize, figures: &Figures, unit: Option<u64>) -> Vec<f64> {
        let mut figures = figures.clone();
        if let (Some(score), Some(unit)) = (&mut figures.score, unit) {
            *score = with_unit(score, unit, self.exponents);
        }
        let value = |objective: &Objective| {
            let worst = if objective.maximize { f64::NEG_INFINITY } else { f64::INFINITY };
            figures.value(objective.measure).unwrap_or(worst)
        };
        self.objectives(look).iter().map(value).collect()
    }

    /// The same, all to be minimised.
    pub fn minimised(&self, look: usize, figures: &Figures, unit: Option<u64>) -> Vec<f64> {
        let objectives = self.objectives(look).iter();
        let signed = |(objective, value): (&Objective, f64)| if objective.maximize { -value } else { value };
        objectives.zip(self.values(look, figures, unit)).map(signed).collect()
    }
}
