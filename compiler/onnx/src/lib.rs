//! ONNX models in and out.
//!
//! [`proto`] holds the messages of an ONNX file.

pub mod proto;
