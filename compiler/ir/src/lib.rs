//! The data between stations, and nothing that transforms it: typed program, architecture, tensor graph, weights, fleet,
//! plan and score, in the order in which data flows through them.
//!
//! Each type says what is known at its point. The only algorithms here are those that belong to the data: shape inference
//! of an operator, verification, the canonical hash, and text. This crate never draws a random number and never reads a file.

pub mod program;

pub mod architecture;
pub mod diff;
pub mod edit;
pub mod op;
pub mod shape;
pub mod split;
pub mod text;

pub mod tensor;
pub mod weights;

pub mod fleet;
pub mod plan;
pub mod score;

pub use architecture::{Architecture, NodeId};
pub use edit::{Edit, EditKind};
pub use fleet::{DeviceId, Fleet};
pub use op::Op;
pub use plan::Plan;
pub use program::Program;
pub use shape::Shape;
pub use split::Split;
pub use tensor::{TensorGraph, TensorId};
pub use weights::Weights;
