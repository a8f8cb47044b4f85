//! Expansion against closed forms, the paper's figures, pinned drawings and properties.

mod programs;

mod audit;
mod distributions;
mod drawings;
mod findings;
mod graphs;
mod hashes;
mod language;
mod properties;
mod spaces;
mod testing;
