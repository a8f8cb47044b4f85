//! What crosses crates: the command line end to end, conformance of backends on drawn networks, determinism, and tidiness.
//!
//! Each of these is a file in `tests/tests`; this library holds what several of them need.

#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

pub mod peers;
pub mod placed;
pub mod program;
