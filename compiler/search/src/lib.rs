//! From a space of networks to the best of them.
//!
//! A [`Study`] is a typed search with a seed. Candidate number k is a pure function of the study and k: the strategy proposes it
//! ([`random`]), `expand`, `lower` and `place` make and score it ([`candidate`]), constraints are decided from the cheapest
//! figure to the dearest ([`constraint`]), and [`Study::conclude`] ranks what was found ([`pareto`]). So any number of threads
//! may evaluate candidates in any order, and the outcome is the same. This crate starts no thread, reads no clock and writes no file.

pub mod candidate;
pub mod constraint;
pub mod pareto;
pub mod random;
pub mod study;

pub use candidate::{Candidate, Counts, Draw, Evaluated, Figures, draw};
pub use study::{Outcome, Study};
