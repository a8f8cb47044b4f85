//! Who tells the accuracy that a search asks for: programs of the user's, and, where this one can train, training and proxies; and who
//! measures.
//!
//! All that can be known to be missing is looked for before the search begins. What goes wrong with one candidate is written down as
//! what became of it, and the search goes on.

mod command;
#[cfg(feature = "train")]
mod learnt;
mod measured;

use super::workers::Quiet;
use crate::cli::SearchArgs;
use crate::failure::Failure;
use cnasc_base::Diagnostic;
use cnasc_ir::program::{Accuracy, Search};
use cnasc_ir::{Fleet, Program};
use cnasc_search::{Draw, Figures, Teller};
use command::Command;
#[cfg(feature = "train")]
use std::collections::BTreeMap;
use std::path::Path;

/// All ways to tell accuracy that a search has, made ready.
#[derive(Debug, Default)]
pub struct Tellers {
    commands: Vec<(Accuracy, Command)>,
    #[cfg(feature = "train")]
    learnt: learnt::Learnt,
    /// What measurements run in.
    pub quiet: Quiet,
}

impl Tellers {
    /// Makes ready what the search and its fidelities ask for.
    ///
    /// # Errors
    /// Where a program, a folder of images, or the ability to train is missing.
    pub fn find(args: &SearchArgs, program: &Program, search: &Search) -> Result<Self, Failure> {
        let mut found = Self::default();
        let fidelities = search.fidelities.iter().filter_map(|fidelity| fidelity.accuracy.as_ref());
        for way in search.accuracy.iter().chain(fidelities) {
            match way {
                Accuracy::Command { words, within } => {
                    let folder = args.file.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
                    found.commands.push((way.clone(), Command::find(words, *within, folder)?));
                }
                Accuracy::Trained { .. } | Accuracy::Proxy { .. } => found.learn(way, args, (program, search))?,
            }
        }
        Ok(found)
    }

    #[cfg(feature = "train")]
    fn learn(
        &mut self,
        way: &Accuracy,
        args: &SearchArgs,
        (program, search): (&Program, &Search),
    ) -> Result<(), Failure> {
        // The image of a family seldom depends on its variables; one that does not fit a candidate is told when that is trained.
        let first = (0..20).find_map(|seed| cnasc_search::draw(program, &search.over, &BTreeMap::new(), seed).ok());
        self.learnt.ready(way, &args.file, program, first.as_ref().map(|draw| &draw.architecture))
    }

    /// Says that this program can't.
    #[cfg(not(feature = "train"))]
    #[allow(clippy::unused_self, reason = "as with training")]
    fn learn(&mut self, _: &Accuracy, _: &SearchArgs, _: (&Program, &Search)) -> Result<(), Failure> {
        use crate::failure::codes;
        let message = "this program was built without training, which the search's `accuracy` takes";
        let note = "build it with the cargo feature `train`: `cargo build --release --features train`";
        Err(Failure::usage(Diagnostic::error(codes::ABSENT, message).note(note)))
    }
}

impl Teller for Tellers {
    fn accuracy(&self, way: &Accuracy, network: &Draw, known: &Figures) -> Result<f64, Diagnostic> {
        if let Some((_, command)) = self.commands.iter().find(|(asked, _)| asked == way) {
            return command.ask(network, known);
        }
        #[cfg(feature = "train")]
        return self.learnt.tell(way, network);
        #[cfg(not(feature = "train"))]
        Err(Diagnostic::error(crate::failure::codes::ABSENT, "nothing here tells that accuracy"))
    }

    fn latency(&self, network: &Draw, fleet: &Fleet) -> Result<f64, Diagnostic> {
        measured::latency(&network.architecture, fleet, &self.quiet).map_err(Failure::first)
    }
}
