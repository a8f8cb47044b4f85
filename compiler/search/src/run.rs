//! A study under way: which jobs are next, and what their results mean. Whoever runs it may do the jobs of one request in any
//! order and on any number of threads; the outcome is the same.
//!
//! Candidates go in batches of a fixed size through two steps, so that nothing dear is spent on what a cheap figure forbids and
//! nothing twice on one network: all of a batch are drawn and counted, networks that were drawn before are set aside, and the others
//! are judged by the first look. Once the budget is drawn, the best of each look are judged by the next one; of the last look's best all
//! figures are completed. A strategy that learns is told after each batch how the first look judged it, a network that was drawn before as
//! it was then.

use crate::candidate::{Candidate, Drawn, Evaluated, Proposal};
use crate::look::Look;
use crate::pareto;
use crate::strategy::{Proposer, Verdict};
use crate::study::{Looked, Outcome, Study};
use cnasc_expand::space;
use cnasc_ir::score::Exponents;
use cnasc_place::score::with_unit;
use std::collections::BTreeMap;

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
    proposer: Proposer,
    drawn: u64,
    /// How many were asked for last.
    asked: usize,
    /// Which candidate a network was drawn as first, by its hash.
    first: BTreeMap<String, u64>,
    /// The same of each candidate of this batch.
    batch: Vec<u64>,
    held: Vec<Drawn>,
    /// Which candidates are being judged.
    judging: Vec<u64>,
    /// How each was judged, where the strategy learns.
    verdicts: BTreeMap<u64, Verdict>,
    /// What concurrency scores are relative to for the strategy: the smallest communication of the first batch that has any.
    unit: Option<u64>,
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
            proposer: Proposer::new(&study.search.strategy, space::variables(study.program, study.over()), study.seed),
            drawn: 0,
            asked: 0,
            first: BTreeMap::new(),
            batch: Vec::new(),
            held: Vec::new(),
            judging: Vec::new(),
            verdicts: BTreeMap::new(),
            unit: None,
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
                Stage::Draw => {
                    let proposed = self.proposer.ask(BATCH.min(self.limit - self.drawn));
                    self.asked = proposed.len();
                    proposed.into_iter().map(Task::Draw).collect()
                }
                Stage::Judge => {
                    let look = &self.looks[0];
                    self.judging = self.held.iter().map(|drawn| drawn.candidate.proposal.index).collect();
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
                if done.len() < self.asked {
                    self.limit = self.drawn + done.len() as u64;
                }
                done.into_iter().for_each(|done| self.take_drawn(done));
                self.stage = Stage::Judge;
            }
            Stage::Judge | Stage::Look(_) => {
                if self.stage == Stage::Judge && self.proposer.learns() {
                    self.note(&done);
                }
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

    /// Holds a candidate to be judged where its network is a new one.
    fn take_drawn(&mut self, done: Done) {
        let index = self.drawn;
        self.drawn += 1;
        match done.0 {
            Ok(drawn) => {
                let first = *self.first.entry(drawn.candidate.hash.clone()).or_insert(index);
                self.batch.push(first);
                if first == index {
                    self.held.push(*drawn);
                } else {
                    self.outcome.duplicates += 1;
                }
            }
            Err(_) => {
                self.batch.push(index);
                self.take_in(done);
            }
        }
    }

    /// Writes down for the strategy how candidates were judged.
    fn note(&mut self, done: &[Done]) {
        if self.unit.is_none() {
            let scores = done.iter().filter_map(|done| match &done.0 {
                Err(Evaluated::Feasible(candidate)) => candidate.figures.score.as_ref(),
                _ => None,
            });
            self.unit = scores.map(|score| score.unit).min();
        }
        for (&index, done) in self.judging.iter().zip(done) {
            let verdict = match &done.0 {
                Err(Evaluated::Feasible(candidate)) => {
                    Verdict::Kept(self.looks[0].objectives(&rated(candidate, self.unit)))
                }
                Err(Evaluated::Infeasible { violation, broken }) => {
                    Verdict::Missed { cost: broken.cost(), violation: *violation }
                }
                Err(Evaluated::Impossible(_)) | Ok(_) => Verdict::Nothing,
            };
            self.verdicts.insert(index, verdict);
        }
    }

    /// Tells the strategy how this batch was judged.
    fn teach(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        if self.proposer.learns() {
            // What was not judged gave no network.
            let verdict = |first: &u64| self.verdicts.get(first).cloned().unwrap_or(Verdict::Nothing);
            self.proposer.tell(batch.iter().map(verdict).collect());
        }
    }

    fn take_in(&mut self, done: Done) {
        match done.0 {
            Ok(drawn) => self.held.push(*drawn),
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
            Stage::Judge => {
                self.teach();
                Stage::Draw
            }
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

/// A candidate with its score relative to `unit`.
fn rated(candidate: &Candidate, unit: Option<u64>) -> Candidate {
    let mut candidate = candidate.clone();
    if let (Some(score), Some(unit)) = (&mut candidate.figures.score, unit) {
        *score = with_unit(score, unit, Exponents::PAPER);
    }
    candidate
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
