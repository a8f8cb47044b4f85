//! How tensors travel, as a word of the command line.

use clap::{Args, ValueEnum};
use cnasc_ir::Fleet;
use cnasc_ir::fleet::Precision;

/// How tensors travel.
#[derive(Debug, Args)]
pub struct TransferArgs {
    /// In which precision tensors go from device to device, instead of what the fleet declares: f16 halves the bytes and rounds
    /// to 11 bits.
    #[arg(long, value_enum)]
    pub transfer: Option<TransferArg>,
}

/// Precisions on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TransferArg {
    /// As computed.
    F32,
    /// Half of it.
    F16,
}

impl TransferArgs {
    /// `fleet`, sending as asked.
    #[must_use]
    pub fn of(&self, fleet: Fleet) -> Fleet {
        let transfer = self.transfer.map_or(fleet.transfer, Precision::from);
        Fleet { transfer, ..fleet }
    }
}

impl From<TransferArg> for Precision {
    fn from(arg: TransferArg) -> Self {
        match arg {
            TransferArg::F32 => Self::F32,
            TransferArg::F16 => Self::F16,
        }
    }
}
