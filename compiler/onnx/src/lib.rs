//! ONNX models in and out.
//!
//! [`proto`] holds the messages of an ONNX file; [`export`] writes them from a tensor graph; [`weights`] writes and reads the values of
//! its parameters.

pub mod export;
pub mod proto;
pub mod weights;
