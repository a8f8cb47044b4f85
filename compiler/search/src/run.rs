//! A study under way: which jobs are next, and what their results mean. Whoever runs it may do the jobs of one request in any
//! order and on any number of threads; the outcome is the same.
//!
//! Candidates go in batches of a fixed size through two steps, so that nothing dear is spent on what a cheap figure forbids and
//! nothing twice on one network: all of a batch are drawn and counted, networks that were drawn before are set aside, and the others
//! are judged by the first look. Once the budget is drawn, the best of each look are judged by the next one; of the last look's best all
//! figures are completed.

use crate::candidate::{Candidate, Drawn, Evaluated, Proposal};
use crate::look::Look;
use crate::pareto;
use crate::study::{Looked, Outcome, Study};
use cnasc_ir::score::Exponents;
use cnasc_place::score::with_unit;
use std::collections::{BTreeMap, BTreeSet};

/// How many candidates are drawn at once: few enough to be held in memory with their networks, many enough that threads which
/// wait for the last of them lose little.
const BATCH: u64 = 128;

/// A piece of work that depends on nothing else.
#[derive(Debug)]
pub struct Job<'a> {
    study: Study<'a>,
    task: Task<'a>,
}

#[derive(Debug)]
enum Task<'a> {
    Draw(Proposal),
    Judge(Box<Drawn>, Look<'a>),
    Again(Box<Candidate>, Look<'a>),
}

/// What a job gave.
#[derive(Debug)]
pub struct Done(Result<Box<Drawn>, Evaluated>);

impl Job<'_> {
    /// Does it: the same for the same job wherever and whenever.
    #[must_use]
    pub fn run(self) -> Done {
        let Self { study, task } = self;
        Done(match task {
            Task::Draw(proposal) => Drawn::new(&study, proposal).map(Box::new),
            Task::Judge(drawn, look) => Err(drawn.judge(&study, &look)),
            Task::Again(candidate, look) => Err(match Drawn::new(&study, candidate.proposal) {
                Ok(mut drawn) => {
                    drawn.candidate.figures = candidate.figures;
                    drawn.judge(&study, &look)
                }
                Err(impossible) => impossible,
            }),
        })
    }
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Candidates are drawn.
    Draw,
    /// Those that were drawn are judged by the first look.
    Judge,
    /// Those that passed the looks before are judged by this one.
    Look(usize),
    /// All figures of the best are computed.
    Whole,
    /// There is nothing left to do.
    Done,
}

/// A study under way.
#[derive(Debug)]
pub struct Run<'a> {
    study: Study<'a>,
    looks: Vec<Look<'a>>,
    limit: u64,
    enough: usize,
    stage: Stage,
    drawn: u64,
    seen: BTreeSet<String>,
    held: Vec<Drawn>,
    /// Candidates that keep the constraints of the look that is being taken.
    passed: Vec<Candidate>,
    outcome: Outcome,
}

impl<'a> Run<'a> {
    /// Begins to look at `limit` candidates; `enough` is how many ranked ones the caller wants to have all figures of.
    #[must_use]
    pub fn new(study: &Study<'a>, limit: u64, enough: usize) -> Self {
        Self {
            study: *study,
            looks: Look::all(study),
            limit,
            enough,
            stage: Stage::Draw,
            drawn: 0,
            seen: BTreeSet::new(),
            held: Vec::new(),
            passed: Vec::new(),
            outcome: Outcome::default(),
        }
    }

    /// How many candidates have been drawn.
    #[must_use]
    pub fn drawn(&self) -> u64 {
        self.drawn
    }

    /// How many keep the constraints of the look that is being taken, so far.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.passed.len()
    }

    /// Whether candidates are still being drawn, so that the run may be cut short.
    #[must_use]
    pub fn draws(&self) -> bool {
        self.stage == Stage::Draw
    }

    /// The next jobs; none where the run is over.
    pub fn ask(&mut self) -> Vec<Job<'a>> {
        loop {
            let tasks: Vec<Task<'a>> = match self.stage {
                Stage::Draw => (self.drawn..self.limit.min(self.drawn.saturating_add(BATCH)))
                    .map(|index| Task::Draw(crate::random::propose(self.study.seed, index)))
                    .collect(),
                Stage::Judge => {
                    let look = &self.looks[0];
                    self.held.drain(..).map(|drawn| Task::Judge(Box::new(drawn), look.clone())).collect()
                }
                Stage::Look(place) => {
                    let look = &self.looks[place];
                    self.passed.drain(..).map(|candidate| Task::Again(Box::new(candidate), look.clone())).collect()
                }
                Stage::Whole => {
                    let best = self.outcome.ranked.iter();
                    best.map(|candidate| Task::Again(Box::new(candidate.clone()), Look::whole())).collect()
                }
                Stage::Done => return Vec::new(),
            };
            if !tasks.is_empty() {
                return tasks.into_iter().map(|task| Job { study: self.study, task }).collect();
            }
            self.next();
        }
    }

    /// What came of the jobs asked for last, in their order. While candidates are drawn there may be fewer: then these were the
    /// last ones.
    pub fn tell(&mut self, done: Vec<Done>) {
        match self.stage {
            Stage::Draw => {
                let asked = self.limit.min(self.drawn.saturating_add(BATCH)) - self.drawn;
                self.drawn += done.len() as u64;
                if (done.len() as u64) < asked {
                    self.limit = self.drawn;
                }
                done.into_iter().for_each(|done| self.take_in(done));
                self.stage = Stage::Judge;
            }
            Stage::Judge | Stage::Look(_) => {
                self.looked().judged += done.len() as u64;
                done.into_iter().for_each(|done| self.take_in(done));
                self.next();
            }
            Stage::Whole => {
                let whole = done.into_iter().filter_map(|done| match done.0 {
                    Err(Evaluated::Feasible(candidate)) => Some(*candidate),
                    _ => None,
                });
                // A network that was judged without a placement may have none: it stays as it was.
                let mut whole: BTreeMap<u64, Candidate> =
                    whole.map(|candidate| (candidate.proposal.index, candidate)).collect();
                for candidate in &mut self.outcome.ranked {
                    if let Some(whole) = whole.remove(&candidate.proposal.index) {
                        *candidate = whole;
                    }
                }
                self.next();
            }
            Stage::Done => {}
        }
    }

    /// What was found; of a run that is not over, nothing yet.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        self.outcome
    }

    fn take_in(&mut self, done: Done) {
        match done.0 {
            Ok(drawn) if self.seen.insert(drawn.candidate.hash.clone()) => self.held.push(*drawn),
            Ok(_) => self.outcome.duplicates += 1,
            Err(Evaluated::Feasible(candidate)) => self.passed.push(*candidate),
            Err(Evaluated::Infeasible { broken, .. }) => *self.outcome.broken.entry(broken).or_default() += 1,
            Err(Evaluated::Impossible(why)) => *self.outcome.impossible.entry(why.message).or_default() += 1,
        }
    }

    /// The figures of the look that is being taken.
    fn looked(&mut self) -> &mut Looked {
        let place = match self.stage {
            Stage::Look(place) => place,
            _ => 0,
        };
        if self.outcome.looks.len() <= place {
            self.outcome.looks.resize(place + 1, Looked::default());
        }
        &mut self.outcome.looks[place]
    }

    /// Goes on to the stage behind this one.
    fn next(&mut self) {
        self.stage = match self.stage {
            Stage::Judge => Stage::Draw,
            Stage::Draw => self.close(0),
            Stage::Look(place) => self.close(place),
            Stage::Whole => {
                self.outcome.unit = share_unit(&mut self.outcome.ranked);
                Stage::Done
            }
            Stage::Done => Stage::Done,
        };
    }

    /// Ends the look at `place`: its best pass on.
    fn close(&mut self, place: usize) -> Stage {
        let passed = self.passed.len() as u64;
        self.looked().feasible = passed;
        share_unit(&mut self.passed);
        let look = &self.looks[place];
        let values: Vec<Vec<f64>> = self.passed.iter().map(|candidate| look.objectives(candidate)).collect();
        let mut candidates: Vec<Option<Candidate>> = self.passed.drain(..).map(Some).collect();
        let mut take = |order: Vec<usize>| order.into_iter().filter_map(|at| candidates[at].take()).collect();
        match look.keep {
            Some(keep) => {
                let mut best = pareto::best(&values, usize::try_from(keep).unwrap_or(usize::MAX));
                best.sort_unstable();
                self.passed = take(best);
                Stage::Look(place + 1)
            }
            None => {
                self.outcome.feasible = passed;
                self.outcome.front = pareto::front(&values).len();
                self.outcome.ranked = take(pareto::ranking(&values, self.enough.max(self.outcome.front)));
                Stage::Whole
            }
        }
    }
}

/// Rates all scores relative to the smallest communication of any edge among these networks; gives that.
fn share_unit(candidates: &mut [Candidate]) -> u64 {
    let scores = candidates.iter().filter_map(|candidate| candidate.figures.score.as_ref());
    let unit = scores.map(|score| score.unit).min().unwrap_or(0);
    for candidate in candidates {
        if let Some(score) = &mut candidate.figures.score {
            *score = with_unit(score, unit, Exponents::PAPER);
        }
    }
    unit
}
