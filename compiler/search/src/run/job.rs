//! The work of a run, which depends on nothing else.

use crate::candidate::{Candidate, Drawn, Evaluated, Proposal};
use crate::look::Look;
use crate::study::Study;

/// A piece of work that depends on nothing else.
#[derive(Debug)]
pub struct Job<'a> {
    pub(super) study: Study<'a>,
    pub(super) task: Task<'a>,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Task<'a> {
    /// Drawing and counting.
    Draw(Proposal),
    /// What a look says of what was drawn.
    Judge(Box<Drawn>, Look<'a>),
    /// What a further look says, of what is drawn again for that.
    Again(Box<Candidate>, Look<'a>),
}

/// What a job gave.
#[derive(Debug)]
pub struct Done(pub(super) Result<Box<Drawn>, Evaluated>);

impl Job<'_> {
    /// The candidate that it is about.
    #[must_use]
    pub fn candidate(&self) -> u64 {
        match &self.task {
            Task::Draw(proposal) => proposal.index,
            Task::Judge(drawn, _) => drawn.candidate.proposal.index,
            Task::Again(candidate, _) => candidate.proposal.index,
        }
    }

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

impl Done {
    /// What was judged; of a candidate that was only drawn, what a bug of ours would be reported as.
    pub(super) fn verdict(self) -> Evaluated {
        self.0.err().unwrap_or_else(|| Evaluated::impossible("it was not judged".to_owned()))
    }
}
