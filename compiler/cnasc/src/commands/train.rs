//! `cnasc train FILE --data DIR -o DIR`: a network learns to classify images.

#[cfg(feature = "train")]
mod events;
#[cfg(feature = "train")]
pub mod learn;
#[cfg(feature = "train")]
mod metrics;
#[cfg(feature = "train")]
pub mod recipe;

use crate::Session;
use crate::cli::TrainArgs;
use crate::failure::{Exit, Failure};

/// Trains.
#[cfg(feature = "train")]
pub fn run(session: &mut Session, args: &TrainArgs) -> Result<Exit, Failure> {
    learn::run(session, args)
}

/// Says that this program was built without it.
#[cfg(not(feature = "train"))]
pub fn run(_: &mut Session, _: &TrainArgs) -> Result<Exit, Failure> {
    use crate::failure::codes;
    let message = "this program was built without training";
    let note = "build it with the cargo feature `train`: `cargo build --release --features train`";
    Err(Failure::usage(cnasc_base::Diagnostic::error(codes::ABSENT, message).note(note)))
}
