//! The drawing of candidates shared with other processes: each works on a part of a batch, and all go on with the records of the whole.
//!
//! Every process that searches a study proposes the same batches, for what is proposed depends on records alone. So nobody has to lead: whoever
//! has nothing recorded of some candidates of a batch asks which of them are its own ([`Run::wanted`]), does these ([`Run::share`]) and is
//! given the records of the others ([`Run::recall`]).

use super::{Held, Run, Stage};
use crate::candidate::Proposal;
use crate::look::Look;
use crate::record::{Fate, Guest, Record};
use crate::run::job::{Done, Job, Task};
use cnasc_ir::program::Cost;
use std::collections::BTreeMap;

/// A part of a batch under way.
#[derive(Debug)]
pub struct Share<'r, 'a> {
    run: &'r Run<'a>,
    proposals: Vec<Proposal>,
    records: Vec<Record>,
    /// The places of records that are to be judged.
    judging: Vec<usize>,
}

impl<'a> Run<'a> {
    /// The candidates of the batch under way of which nothing is recorded; none where no more are drawn, and [`Run::ask`] goes on from
    /// there. At each candidate that begins a batch and of which nothing is recorded, `guest` is asked whether it is one. It is
    /// told of the candidate's number, and whether there will be a batch if not.
    ///
    /// # Errors
    /// Those of `guest`.
    pub fn wanted<E>(
        &mut self,
        mut guest: impl FnMut(u64, bool) -> Result<Option<Guest>, E>,
    ) -> Result<Option<Vec<Proposal>>, E> {
        while self.stage == Stage::Draw && self.strayed.is_none() {
            if self.proposed.is_empty() {
                if !self.recorded.contains_key(&self.drawn) {
                    let more = self.guests.others(self.drawn) < self.limit;
                    self.guests.waiting.extend(guest(self.drawn, more)?);
                }
                self.propose();
                if self.proposed.is_empty() {
                    return Ok(None);
                }
            }
            let missing = self.missing();
            if !missing.is_empty() {
                return Ok(Some(missing));
            }
            self.settle();
        }
        Ok(None)
    }

    /// The name of the guest that this candidate of the batch under way is.
    #[must_use]
    pub fn guest(&self, index: u64) -> Option<u64> {
        self.guests.name(index)
    }

    /// Whether it is settled what concurrency scores are relative to, where candidates have any; a whole batch of one process settles it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.unit.is_some() || !self.looks[0].needs(Cost::Score)
    }

    /// Begins to work on these of the candidates that are wanted; gives the jobs of drawing them.
    #[must_use]
    pub fn share(&self, proposals: Vec<Proposal>) -> (Share<'_, 'a>, Vec<Job<'a>>) {
        let draw = |proposal: &Proposal| Job { study: self.study, task: Task::Draw(proposal.clone()) };
        let jobs = proposals.iter().map(draw).collect();
        (Share { run: self, proposals, records: Vec::new(), judging: Vec::new() }, jobs)
    }

    /// Ends the drawing: what is recorded of the batch under way counts up to the first candidate of which nothing is.
    pub fn cut(&mut self) {
        if self.stage == Stage::Draw {
            self.missing();
            self.settle();
            self.limit = self.guests.others(self.drawn);
            self.guests.waiting.clear();
        }
    }

    /// Looks up those of the batch of which nothing was recorded; gives those of which still nothing is.
    fn missing(&mut self) -> Vec<Proposal> {
        let proposed = std::mem::take(&mut self.proposed);
        let look_up = |(proposal, record)| match record {
            Some(record) => (proposal, Some(record)),
            None => self.recall_one(proposal),
        };
        self.proposed = proposed.into_iter().map(look_up).collect();
        self.proposed.iter().filter(|(_, record)| record.is_none()).map(|(proposal, _)| proposal.clone()).collect()
    }

    /// Takes in a batch by its records.
    fn settle(&mut self) {
        self.tell(Vec::new());
        let held = std::mem::take(&mut self.held);
        let judge = |held: Held| {
            let look = self.first_look(held.index());
            held.judge(&self.guests, look, &mut Vec::new())
        };
        self.judging = held.into_iter().map(judge).collect();
        self.tell(Vec::new());
    }
}

impl<'a> Share<'_, 'a> {
    /// What came of drawing, in the order of the jobs; where there are fewer, the others are left to whoever comes later. Gives the jobs of
    /// judging.
    pub fn drawn(&mut self, done: Vec<Done>) -> Vec<Job<'a>> {
        // What is recorded of this batch is not taken in yet.
        let recorded = self.run.proposed.iter().rev().filter_map(|(_, record)| record.as_ref());
        let key = |record: &Record| Some((record.form.clone().or(record.hash.clone())?, record.proposal.index));
        let mut here: BTreeMap<String, u64> = recorded.filter_map(key).collect();
        let mut jobs = Vec::new();
        for (proposal, done) in std::mem::take(&mut self.proposals).into_iter().zip(done) {
            let (index, guest) = (proposal.index, self.run.guests.name(proposal.index));
            let record = match done.0 {
                Ok(drawn) => {
                    let form = drawn.form.clone();
                    let (arguments, hash) = (drawn.candidate.arguments.clone(), drawn.candidate.hash.clone());
                    let key = form.as_ref().unwrap_or(&hash);
                    let first = self.run.first.get(key).or_else(|| here.get(key)).copied();
                    // Others may have done a later one with this network: this one is the first then.
                    let first = first.filter(|&first| first < index);
                    if first.is_none() {
                        here.insert(key.clone(), index);
                        self.judging.push(self.records.len());
                        let look: Look<'a> = self.run.first_look(index).clone();
                        jobs.push(Job { study: self.run.study, task: Task::Judge(drawn, look) });
                    }
                    let fate = Fate::Duplicate(first.unwrap_or(index));
                    Record { proposal, arguments, hash: Some(hash), form, fate, guest }
                }
                Err(verdict) => {
                    let (arguments, fate) = (BTreeMap::new(), Fate::Judged(verdict));
                    Record { proposal, arguments, hash: None, form: None, fate, guest }
                }
            };
            self.records.push(record);
        }
        jobs
    }

    /// What came of judging; gives the records.
    #[must_use]
    pub fn judged(mut self, done: Vec<Done>) -> Vec<Record> {
        for (place, done) in self.judging.into_iter().zip(done) {
            self.records[place].fate = Fate::Judged(done.verdict());
        }
        self.records
    }
}
