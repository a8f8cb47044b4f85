//! What is worth keeping of a candidate, so that a study can go on later without doing anything twice.

use crate::candidate::{Candidate, Evaluated, Figures, Proposal};
use cnasc_expand::space::Setting;
use cnasc_ir::Edit;
use std::collections::BTreeMap;

/// A candidate as the first look left it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What reproduces it.
    pub proposal: Proposal,
    /// The values that its search variables took; empty where it gave no network.
    pub arguments: BTreeMap<String, String>,
    /// Its architecture's hash, where it gave a network.
    pub hash: Option<String>,
    /// What it has in common with isomorphic networks ([`crate::canonical`]), where those count as one.
    pub form: Option<String>,
    /// What became of it.
    pub fate: Fate,
    /// The name of the [`Guest`] that it was, where no strategy proposed it.
    pub guest: Option<u64>,
}

/// A candidate that someone else wants to be judged. It comes on top of a study's budget, and strategies learn from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Guest {
    /// What its record is found by.
    pub name: u64,
    /// What its graph, and the variables that are not set, are drawn from; of the study's choosing where absent.
    pub seed: Option<u64>,
    /// Settings within their domains; those of variables that do not exist under the others have no effect.
    pub settings: BTreeMap<String, Setting>,
    /// What is changed in its graphs, whether or not the strategy edits any.
    pub edits: Vec<Edit>,
}

/// What became of a candidate.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// The first look said so.
    Judged(Evaluated),
    /// Its network had been drawn before, as the candidate of this number.
    Duplicate(u64),
}

/// What a look behind a candidate's first one said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Further {
    /// The candidate's number.
    pub index: u64,
    /// The place of the look among all.
    pub look: usize,
    /// Its figures where it keeps the look's constraints, else what it was judged.
    pub verdict: Result<Figures, Evaluated>,
}

impl Record {
    /// The same of a proposal that gives the same candidate: one may name values that the other leaves to the seed.
    pub(crate) fn of(mut self, proposal: &Proposal) -> Self {
        if let Fate::Judged(Evaluated::Feasible(candidate)) = self.fate {
            let candidate = Candidate { proposal: proposal.clone(), ..*candidate };
            self.fate = Fate::Judged(Evaluated::Feasible(Box::new(candidate)));
        }
        Self { proposal: proposal.clone(), ..self }
    }
}
