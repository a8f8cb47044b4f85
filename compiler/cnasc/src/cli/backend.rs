//! What executes a network, as a word of the command line.

use clap::ValueEnum;
use cnasc_ir::fleet::Backend;

/// What executes a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BackendArg {
    /// Kernels compiled for this CPU.
    Jit,
    /// Plain loops.
    Reference,
    /// The tensor library burn, where the program was built with its cargo feature.
    Burn,
}

impl From<BackendArg> for Backend {
    fn from(word: BackendArg) -> Self {
        match word {
            BackendArg::Jit => Self::Jit,
            BackendArg::Reference => Self::Reference,
            BackendArg::Burn => Self::Burn,
        }
    }
}
