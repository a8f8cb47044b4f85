//! Training: a network's tensor graph, batch norm not folded, × images with their classes → weights that classify them.
//!
//! Gradients are those of the tensor library burn; operators that it is slow at have kernels of their own here. What a run
//! comes to is decided by its [`Settings`], among them the seed, the images and the weights it begins with: the number of threads changes
//! nothing, and a run that goes on from a [`checkpoint`] makes the same bytes as one that was never interrupted.
//!
//! This crate reads no file and no clock: whoever calls it does.

mod augment;
mod backend;
mod block;
pub mod checkpoint;
pub mod data;
mod init;
mod join;
mod lanes;
mod layout;
mod linear;
mod network;
mod noise;
mod operator;
mod optimizer;
mod plan;
mod pool;
mod product;
pub mod proxy;
mod room;
mod schedule;
mod trainer;

pub use augment::Augment;
pub use init::initial_weights;
pub use network::{Network, Outcome};
pub use noise::{Lots, Noise};
pub use optimizer::{Memory, Optimizer};
pub use schedule::Schedule;
pub use trainer::{Epoch, Evaluation, Settings, State, Trainer, evaluate, prepared};

use cnasc_ir::architecture::NodeId;

/// Why there is no training.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TrainError {
    /// An operator has no gradient here.
    #[error("training lacks {operator}")]
    Lacks {
        /// The node that it belongs to.
        node: NodeId,
        /// The operator.
        operator: String,
    },
    /// The network, the images and the settings don't fit each other.
    #[error("{0}")]
    Unfit(String),
    /// What is asked for is not to be had.
    #[error("training has not {0}")]
    Absent(String),
    /// The loss is no number any more.
    #[error("the loss of step {step} is {loss}: it has diverged")]
    Diverged {
        /// Counted from the first of the run.
        step: u64,
        /// The loss.
        loss: f32,
    },
}
