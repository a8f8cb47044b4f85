//! ONNX models in and out.
//!
//! [`proto`] holds the messages of an ONNX file; [`export`] writes them from a tensor graph, [`import`] reads them as an architecture with its
//! weights; [`weights`] writes and reads the values of parameters alone.

pub mod export;
pub mod import;
pub mod proto;
pub mod weights;
