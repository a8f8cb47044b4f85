//! What crosses crates: the command line end to end, conformance of backends on drawn networks, determinism, and tidiness.
//!
//! Each of these is a file in `tests/tests`; this library is empty.
