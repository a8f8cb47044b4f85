//! From a space of networks to the best of them.
//!
//! A [`Study`] is a typed search with a seed. A [`Run`] of it hands out jobs and is told what they gave: the strategy proposes
//! candidates ([`strategy`]), `expand` and `place` make and score them ([`candidate`]), constraints are decided from the
//! cheapest figure to the dearest ([`constraint`]), the best of each [`look`] pass on to the next, and those of the last are ranked
//! ([`pareto`]). A job is a pure function of the study and its proposal, so any number of threads may do the jobs of one request in any
//! order, and the outcome is the same. What came of each candidate is a [`Record`]; a run that is given those of an earlier one does not do
//! that work again, nor what later looks said ([`Further`]). This crate starts no thread, reads no clock and writes no file.

pub mod candidate;
pub mod canonical;
pub mod constraint;
pub mod look;
pub mod pareto;
pub mod record;
pub mod run;
pub mod strategy;
pub mod study;
pub mod teller;

pub use candidate::{Candidate, Counts, Draw, Figures, Placed, Proposal, draw};
pub use record::{Fate, Further, Guest, Record};
pub use run::{Brackets, Done, Job, Run};
pub use study::{Looked, Outcome, Study};
pub use teller::{Silent, Teller};
