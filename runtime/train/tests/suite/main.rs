//! Training as a whole: gradients against differences, runs that learn, and runs that go on.

mod gradients;
mod graphs;
mod proxies;
mod runs;
