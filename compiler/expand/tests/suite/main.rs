//! Expansion against closed forms, the paper's figures, pinned drawings and properties.

mod programs;

mod cost;
mod distributions;
mod drawings;
mod findings;
mod graphs;
mod hashes;
mod properties;
mod spaces;
