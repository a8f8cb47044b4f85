//! Who tells accuracy: training and programs of the user's are no affair of this crate.

use crate::candidate::{Draw, Figures};
use cnasc_base::Diagnostic;
use cnasc_ir::program::Accuracy;
use std::fmt::Debug;

/// Tells how well networks classify. Several threads ask at once; the same network must be told the same.
pub trait Teller: Debug + Sync {
    /// The accuracy of a network in this way; its figures are what is known of it by now.
    ///
    /// # Errors
    /// Why it can't be told of this one: the candidate counts as no network.
    fn accuracy(&self, way: &Accuracy, network: &Draw, known: &Figures) -> Result<f64, Diagnostic>;
}

/// Tells nothing, for searches that do not ask.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Teller for Silent {
    fn accuracy(&self, _: &Accuracy, _: &Draw, _: &Figures) -> Result<f64, Diagnostic> {
        Err(Diagnostic::error(crate::study::PLACE, "nobody is there to tell accuracy"))
    }
}
