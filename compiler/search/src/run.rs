//! A study under way: which jobs are next, and what their results mean. Whoever runs it may do the jobs of one request in any
//! order and on any number of threads; the outcome is the same.
//!
//! Candidates go in batches of a fixed size through two steps, so that nothing dear is spent on what a cheap figure forbids and
//! nothing twice on one network: all of a batch are drawn and counted, networks that were drawn before are set aside, and the others
//! are judged by the first look. Once the budget is drawn, the best of each look are judged by the next one; of the last look's best all
//! figures are completed. A strategy that learns is told after each batch how the first look judged it, a network that was drawn before as
//! it was then. Candidates that an earlier run has recorded take the same way, but for the work.

mod brackets;
mod further;
mod guests;
mod job;
mod pass;
mod share;

use crate::candidate::{Candidate, Drawn, Evaluated, Figures, Proposal};
use crate::look::Look;
use crate::pareto::Front;
use crate::record::{Fate, Guest, Record};
use crate::strategy::{Proposer, Verdict};
use crate::study::{Looked, Outcome, Study};
use cnasc_base::Seed;
use cnasc_expand::space;
use cnasc_ir::program::Objective;
use cnasc_ir::score::Exponents;
use cnasc_place::score::with_unit;
use guests::Guests;
use job::Task;
use pass::share_unit;
use std::collections::{BTreeMap, VecDeque};

pub use brackets::Brackets;
pub use job::{Done, Job};
pub use share::Share;

/// How many candidates are drawn at once: few enough to be held in memory with their networks, many enough that threads which
/// wait for the last of them lose little.
const BATCH: u64 = 128;

/// A candidate with a new network.
#[derive(Debug)]
enum Held {
    /// To be judged.
    New(Box<Drawn>),
    /// Judged by an earlier run.
    Recorded(u64, Evaluated),
}

/// A candidate that is being judged.
#[derive(Debug)]
enum Judging {
    /// By a job; what is recorded of it when that is done.
    New(Box<Record>),
    /// By an earlier run.
    Recorded(u64, Evaluated),
}

impl Held {
    /// Its number.
    fn index(&self) -> u64 {
        match self {
            Self::New(drawn) => drawn.candidate.proposal.index,
            Self::Recorded(index, _) => *index,
        }
    }

    /// Adds the job of judging it, where it is one.
    fn judge<'a>(self, guests: &Guests, look: &Look<'a>, tasks: &mut Vec<Task<'a>>) -> Judging {
        match self {
            Self::New(drawn) => {
                let Candidate { proposal, arguments, hash, .. } = drawn.candidate.clone();
                let form = drawn.form.clone();
                tasks.push(Task::Judge(drawn, look.clone()));
                let fate = Fate::Duplicate(proposal.index);
                let guest = guests.name(proposal.index);
                Judging::New(Box::new(Record { proposal, arguments, hash: Some(hash), form, fate, guest }))
            }
            Self::Recorded(index, verdict) => Judging::Recorded(index, verdict),
        }
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
    brackets: Brackets,
    limit: u64,
    enough: usize,
    stage: Stage,
    proposer: Proposer,
    drawn: u64,
    guests: Guests,
    /// What was proposed last, and what was recorded of it.
    proposed: Vec<(Proposal, Option<Record>)>,
    /// What earlier runs recorded, by candidate.
    recorded: BTreeMap<u64, Record>,
    /// The first candidate of which something else is recorded than what is proposed.
    strayed: Option<u64>,
    /// What is new and has not been taken yet.
    records: Vec<Record>,
    /// Which candidate a network was drawn as first, by its hash, or by that of its canonical form.
    first: BTreeMap<String, u64>,
    /// The same of each candidate of this batch.
    batch: Vec<u64>,
    /// Those of this batch that are to be judged.
    held: Vec<Held>,
    /// Those that are being judged, and what is known of them.
    judging: Vec<Judging>,
    /// How each was judged, where the strategy learns.
    verdicts: BTreeMap<u64, Verdict>,
    /// What concurrency scores are relative to for the strategy: the smallest communication of the first batch that has any.
    unit: Option<u64>,
    /// Those that passed the looks before the one that is being taken, which has not judged them yet.
    waiting: VecDeque<Candidate>,
    /// What later looks said and is not taken in, by look and candidate.
    further: BTreeMap<(usize, u64), Result<Figures, Evaluated>>,
    /// Candidates that keep the constraints of the look that is being taken.
    passed: Vec<Candidate>,
    /// The objectives of the first look of what nothing beats so far.
    front: Front,
    outcome: Outcome,
}

impl<'a> Run<'a> {
    /// Begins to look at `limit` candidates; `enough` is how many ranked ones the caller wants to have all figures of.
    #[must_use]
    pub fn new(study: &Study<'a>, limit: u64, enough: usize) -> Self {
        Self {
            study: *study,
            looks: Look::all(study),
            brackets: Brackets::of_search(study.search),
            limit,
            enough,
            stage: Stage::Draw,
            proposer: Proposer::new(&study.search.strategy, space::variables(study.program, study.over()), study.seed),
            drawn: 0,
            guests: Guests::default(),
            proposed: Vec::new(),
            recorded: BTreeMap::new(),
            strayed: None,
            records: Vec::new(),
            first: BTreeMap::new(),
            batch: Vec::new(),
            held: Vec::new(),
            judging: Vec::new(),
            verdicts: BTreeMap::new(),
            unit: None,
            waiting: VecDeque::new(),
            further: BTreeMap::new(),
            passed: Vec::new(),
            front: Front::default(),
            outcome: Outcome::default(),
        }
    }

    /// Candidates to be judged next, on top of those of the strategy.
    pub fn invite(&mut self, guests: Vec<Guest>) {
        self.guests.waiting.extend(guests);
    }

    /// Gives what other runs of the study recorded, at any time; what is known already is not looked at.
    pub fn recall(&mut self, records: Vec<Record>) {
        let known = |index: u64| {
            let place = index.checked_sub(self.drawn).and_then(|place| usize::try_from(place).ok());
            place.is_none_or(|place| self.proposed.get(place).is_some_and(|(_, record)| record.is_some()))
        };
        let new = records.into_iter().map(|record| (record.proposal.index, record));
        let new: Vec<(u64, Record)> = new.filter(|(index, _)| !known(*index)).collect();
        self.recorded.extend(new);
    }

    /// The first candidate of which something else is recorded than what this study proposes: the records are of another one.
    #[must_use]
    pub fn strayed(&self) -> Option<u64> {
        self.strayed
    }

    /// What is to be recorded of the candidates that were judged since the last call, in their order; nothing while a batch is between its
    /// two steps.
    pub fn take_records(&mut self) -> Vec<Record> {
        if self.stage == Stage::Judge { Vec::new() } else { std::mem::take(&mut self.records) }
    }

    /// The next batch: a guest that came at this place before, or comes now; else what the strategy proposes.
    fn propose(&mut self) {
        let first = self.drawn;
        let guest = match self.recorded.get(&first) {
            Some(record) => {
                let Record { proposal, guest, .. } = record;
                let Proposal { seed, settings, edits, .. } = proposal.clone();
                guest.map(|name| Guest { name, seed: Some(seed), settings, edits })
            }
            None => self.guests.waiting.pop_front(),
        };
        let proposed = if let Some(Guest { name, seed, settings, edits }) = guest {
            let number = self.guests.names.len() as u64;
            let seed = seed.unwrap_or_else(|| Seed::new(self.study.seed).child("guests").nth(number).number());
            self.guests.names.insert(first, name);
            vec![self.proposer.host(seed, &settings, &edits)]
        } else {
            // A batch ends where a guest came in, as it did then.
            let mut known = self.recorded.range(first..first + BATCH);
            let room = known.find(|(_, record)| record.guest.is_some()).map_or(BATCH, |(guest, _)| guest - first);
            let known = (first..first + room).map_while(|index| self.recorded.get(&index));
            let known: Vec<&Proposal> = known.map(|record| &record.proposal).collect();
            self.proposer.ask(room.min(self.limit.saturating_sub(self.guests.others(first))), &known)
        };
        let numbered = (first..).zip(proposed).map(|(index, proposal)| Proposal { index, ..proposal });
        self.proposed = numbered.collect::<Vec<_>>().into_iter().map(|proposal| self.recall_one(proposal)).collect();
    }

    /// A proposal with what is recorded of it.
    fn recall_one(&mut self, proposal: Proposal) -> (Proposal, Option<Record>) {
        let Some(record) = self.recorded.remove(&proposal.index) else { return (proposal, None) };
        // A strategy that sets nothing leaves the values to the seed.
        let set = proposal.settings.is_empty() || proposal.settings == record.proposal.settings;
        if record.proposal.seed == proposal.seed && record.proposal.edits == proposal.edits && set {
            let record = record.of(&proposal);
            return (proposal, Some(record));
        }
        self.strayed = self.strayed.or(Some(proposal.index));
        (proposal, None)
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

    /// What no candidate beats so far in the objectives of the first look, all to be minimised. Concurrency scores are relative to the
    /// smallest edge of the first batch.
    #[must_use]
    pub fn front(&self) -> &Front {
        &self.front
    }

    /// The objectives of the first look.
    #[must_use]
    pub fn objectives(&self) -> &'a [Objective] {
        self.looks[0].objectives
    }

    /// Whether candidates are still being drawn, so that the run may be cut short.
    #[must_use]
    pub fn draws(&self) -> bool {
        self.stage == Stage::Draw
    }

    /// The next jobs; none where the run is over.
    pub fn ask(&mut self) -> Vec<Job<'a>> {
        self.ask_some(usize::MAX)
    }

    /// The same, of a later look so many at most.
    pub fn ask_some(&mut self, most: usize) -> Vec<Job<'a>> {
        loop {
            let tasks: Vec<Task<'a>> = match self.stage {
                Stage::Draw => {
                    self.propose();
                    let new = self.proposed.iter().filter(|(_, recorded)| recorded.is_none());
                    let tasks: Vec<Task<'a>> = new.map(|(proposal, _)| Task::Draw(proposal.clone())).collect();
                    if tasks.is_empty() && !self.proposed.is_empty() {
                        self.tell(Vec::new());
                        continue;
                    }
                    tasks
                }
                Stage::Judge => {
                    let mut tasks = Vec::new();
                    let held = std::mem::take(&mut self.held);
                    let judge = |held: Held| {
                        let look = self.first_look(held.index());
                        held.judge(&self.guests, look, &mut tasks)
                    };
                    self.judging = held.into_iter().map(judge).collect();
                    if tasks.is_empty() && !self.judging.is_empty() {
                        self.tell(Vec::new());
                        continue;
                    }
                    tasks
                }
                Stage::Look(place) => {
                    self.take_further(place, most);
                    let asked = self.waiting.iter().take(most).cloned();
                    asked.map(|candidate| Task::Again(Box::new(candidate), self.looks[place].clone())).collect()
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
                let mut done = done.into_iter();
                for (proposal, recorded) in std::mem::take(&mut self.proposed) {
                    match recorded {
                        Some(record) => self.take_recorded(record),
                        None => match done.next() {
                            Some(done) => self.take_drawn(proposal, done),
                            None => {
                                self.limit = self.guests.others(self.drawn);
                                self.guests.waiting.clear();
                                break;
                            }
                        },
                    }
                }
                self.stage = Stage::Judge;
            }
            Stage::Judge => {
                self.take_judged(done);
                self.next();
            }
            Stage::Look(place) => self.note_further(place, done),
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
    fn take_drawn(&mut self, proposal: Proposal, done: Done) {
        let index = self.drawn;
        let (arguments, hash, form, fate) = match done.0 {
            Ok(drawn) => {
                let Candidate { arguments, hash, .. } = drawn.candidate.clone();
                let first = self.first_of(drawn.form.as_ref().unwrap_or(&hash));
                if first == index {
                    self.held.push(Held::New(drawn));
                    return;
                }
                (arguments, Some(hash), drawn.form, Fate::Duplicate(first))
            }
            Err(verdict) => {
                self.batch.push(index);
                self.drawn += 1;
                self.take_in(verdict.clone());
                (BTreeMap::new(), None, None, Fate::Judged(verdict))
            }
        };
        let guest = self.guests.name(index);
        self.records.push(Record { proposal, arguments, hash, form, fate, guest });
    }

    /// Does with a recorded candidate what was done with it when it was new.
    fn take_recorded(&mut self, record: Record) {
        let index = self.drawn;
        match (&record.hash, record.fate) {
            (Some(hash), fate) => {
                let first = self.first_of(record.form.as_ref().unwrap_or(hash));
                match fate {
                    Fate::Judged(verdict) if first == index => self.held.push(Held::Recorded(index, verdict)),
                    Fate::Duplicate(_) if first == index => self.strayed = self.strayed.or(Some(index)),
                    Fate::Judged(_) | Fate::Duplicate(_) => {}
                }
            }
            (None, Fate::Judged(verdict)) => {
                self.batch.push(index);
                self.drawn += 1;
                self.take_in(verdict);
            }
            (None, Fate::Duplicate(_)) => self.strayed = self.strayed.or(Some(index)),
        }
    }

    /// Which candidate the network with this hash was drawn as first; the next candidate has it too.
    fn first_of(&mut self, hash: &str) -> u64 {
        let index = self.drawn;
        self.drawn += 1;
        let first = *self.first.entry(hash.to_owned()).or_insert(index);
        self.batch.push(first);
        if first != index {
            self.outcome.duplicates += 1;
        }
        first
    }

    /// Takes in how this batch was judged: what was recorded, and in its places what is new.
    fn take_judged(&mut self, done: Vec<Done>) {
        let judging = std::mem::take(&mut self.judging);
        let mut done = done.into_iter();
        let mut verdicts = Vec::with_capacity(judging.len());
        for judging in judging {
            match judging {
                Judging::Recorded(index, verdict) => verdicts.push((index, verdict)),
                Judging::New(mut record) => {
                    // Each job that was asked for is told of, so there is one.
                    let Some(verdict) = done.next().map(Done::verdict) else { break };
                    let index = record.proposal.index;
                    record.fate = Fate::Judged(verdict.clone());
                    self.records.push(*record);
                    verdicts.push((index, verdict));
                }
            }
        }
        self.records.sort_by_key(|record| record.proposal.index);
        for (index, _) in &verdicts {
            self.count_judged(self.brackets.start(*index), 1);
        }
        self.note(&verdicts);
        verdicts.into_iter().for_each(|(_, verdict)| self.take_in(verdict));
    }

    /// Writes down how candidates were judged: for whom it may concern, and for a strategy that learns.
    fn note(&mut self, verdicts: &[(u64, Evaluated)]) {
        if self.unit.is_none() {
            let scores = verdicts.iter().filter_map(|(_, verdict)| match verdict {
                Evaluated::Feasible(candidate) => candidate.figures.score.as_ref(),
                _ => None,
            });
            self.unit = scores.map(|score| score.unit).min();
        }
        for (index, verdict) in verdicts {
            let verdict = match verdict {
                Evaluated::Feasible(candidate) => {
                    let values =
                        self.looks[0].values(&rated(&candidate.figures, self.unit, self.study.search.score.exponents));
                    // Those that begin at a later look have other objectives.
                    if self.brackets.start(*index) == 0 {
                        self.front.insert(values.clone());
                    }
                    Verdict::Kept(values)
                }
                Evaluated::Infeasible { violation, broken } => {
                    Verdict::Missed { cost: broken.cost(), violation: *violation }
                }
                Evaluated::Impossible(_) => Verdict::Nothing,
            };
            if self.proposer.learns() {
                self.verdicts.insert(*index, verdict);
            }
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

    fn take_in(&mut self, verdict: Evaluated) {
        match verdict {
            Evaluated::Feasible(candidate) => self.passed.push(*candidate),
            Evaluated::Infeasible { broken, .. } => *self.outcome.broken.entry(broken).or_default() += 1,
            Evaluated::Impossible(why) => *self.outcome.impossible.entry(why.message).or_default() += 1,
        }
    }

    /// The look that a candidate begins at.
    fn first_look(&self, index: u64) -> &Look<'a> {
        &self.looks[self.brackets.start(index)]
    }

    /// The look that is being taken.
    fn place(&self) -> usize {
        self.later_look().unwrap_or_default()
    }

    fn count_judged(&mut self, place: usize, count: u64) {
        self.looked(place).judged += count;
    }

    /// The figures of a look.
    fn looked(&mut self, place: usize) -> &mut Looked {
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
                self.outcome.unit = share_unit(&mut self.outcome.ranked, self.study.search.score.exponents);
                Stage::Done
            }
            Stage::Done => Stage::Done,
        };
    }
}

/// Figures with their score relative to `unit`.
fn rated(figures: &Figures, unit: Option<u64>, exponents: Exponents) -> Figures {
    let mut figures = figures.clone();
    if let (Some(score), Some(unit)) = (&mut figures.score, unit) {
        *score = with_unit(score, unit, exponents);
    }
    figures
}
