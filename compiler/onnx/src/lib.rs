//! ONNX models in and out.
//!
//! [`proto`] holds the messages of an ONNX file; [`export`] writes them from a tensor graph.

pub mod export;
pub mod proto;
