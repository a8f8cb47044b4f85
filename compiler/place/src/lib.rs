//! Architecture and fleet to plan and score: who computes what, in which order, what is sent when, and how well a network
//! distributes at all.
//!
//! The stations, in the order in which data flows: [`workload`] (what each node costs) → [`hypergraph`] → [`mod@partition`] →
//! [`mod@score`] (with [`structure`]), and [`workload`] → [`strategy`] (with [`schedule`], [`memory`], [`simulate`],
//! [`bound`] and [`exact`]) → a plan that [`mod@verify`] accepts. This crate never sees source text, a file, a clock or a thread: the same
//! seed gives the same bytes on every machine.

pub mod dag;
pub mod workload;

pub mod hypergraph;
pub mod partition;

pub mod score;
pub mod structure;

pub mod bound;
pub mod energy;
pub mod exact;
pub mod memory;
pub mod schedule;
pub mod simulate;
pub mod strategy;
pub mod verify;

pub mod sample;

pub use energy::energy;
pub use hypergraph::Hypergraph;
pub use partition::{Effort, Partition, partition};
pub use score::{ScoreOptions, score};
pub use strategy::{Pin, PlaceError, Strategy, plan, plan_pinned};
pub use verify::verify;
pub use workload::Workload;
