//! Who tells accuracy and measures: training, programs of the user's, kernels and clocks are no affair of this crate.

use crate::candidate::{Draw, Figures};
use cnasc_base::Diagnostic;
use cnasc_ir::Fleet;
use cnasc_ir::program::Accuracy;
use std::fmt::Debug;

/// Tells how well networks classify, and how soon they answer. Several threads ask at once.
pub trait Teller: Debug + Sync {
    /// The accuracy of a network in this way, the same for the same network; its figures are what is known of it by now.
    ///
    /// # Errors
    /// Why it can't be told of this one: the candidate counts as no network.
    fn accuracy(&self, way: &Accuracy, network: &Draw, known: &Figures) -> Result<f64, Diagnostic>;

    /// Seconds that an inference of a network takes where it really runs, placed on this fleet. Where that is a clock's word it is never the
    /// same twice: what was told counts, however often the study is taken up.
    ///
    /// # Errors
    /// Why it can't be told of this one: the candidate counts as no network.
    fn latency(&self, network: &Draw, fleet: &Fleet) -> Result<f64, Diagnostic>;
}

/// Tells nothing, for searches that do not ask.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Teller for Silent {
    fn accuracy(&self, _: &Accuracy, _: &Draw, _: &Figures) -> Result<f64, Diagnostic> {
        Err(Diagnostic::error(crate::study::PLACE, "nobody is there to tell accuracy"))
    }

    fn latency(&self, _: &Draw, _: &Fleet) -> Result<f64, Diagnostic> {
        Err(Diagnostic::error(crate::study::PLACE, "nobody is there to measure"))
    }
}
