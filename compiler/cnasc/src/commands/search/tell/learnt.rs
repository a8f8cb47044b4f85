//! Accuracy by training, and by what proxies say of the untrained network. Each candidate is computed on one thread: the search has the others.

use crate::commands::score::proxy::Looker;
use crate::commands::train::learn::{accuracy, afford};
use crate::commands::train::recipe::{DATA, Recipe};
use crate::failure::{Failure, codes};
use crate::pipeline;
use crate::sets::{self, Sets, Wanted};
use cnasc_base::Diagnostic;
use cnasc_ir::program::Accuracy;
use cnasc_ir::{Architecture, Program};
use cnasc_search::Draw;
use cnasc_train::proxy::Proxy;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What was made ready: each way once, and each folder of images once.
#[derive(Debug, Default)]
pub struct Learnt {
    ways: Vec<(Accuracy, Way)>,
    sets: BTreeMap<PathBuf, Sets>,
}

#[derive(Debug)]
enum Way {
    Trained(Box<Recipe>),
    Proxy(Looker),
}

impl Learnt {
    /// Reads the images that a way takes, for networks like the first one that could be drawn.
    ///
    /// # Errors
    /// Where there are none, or this program can't train as is asked.
    pub fn ready(
        &mut self,
        way: &Accuracy,
        source: &Path,
        program: &Program,
        first: Option<&Architecture>,
    ) -> Result<(), Failure> {
        let made = match way {
            Accuracy::Trained { by, epochs } => {
                let mut recipe = Recipe::said(&program.trainings[by.index()], source);
                if let Some(epochs) = epochs {
                    recipe.settings.epochs = u32::try_from(*epochs).unwrap_or(u32::MAX);
                }
                if let Some(first) = first {
                    afford(first, &recipe)?;
                }
                if !self.sets.contains_key(&recipe.data) {
                    let shape = first.map_or(sets::GLANCE.shape, Architecture::input);
                    let wanted = Wanted { shape, seed: recipe.settings.seed };
                    self.sets.insert(recipe.data.clone(), sets::read(&recipe.data, wanted)?);
                }
                Way::Trained(Box::new(recipe))
            }
            Accuracy::Proxy { name, data } => {
                let beside = |folder: &String| source.parent().unwrap_or(Path::new("")).join(folder);
                let folder = data.as_ref().map_or_else(|| PathBuf::from(DATA), beside);
                let proxy = Proxy::ALL.into_iter().find(|proxy| proxy.word() == *name);
                let proxy = proxy.expect("the language has the proxies that there are, which a test below holds");
                Way::Proxy(Looker::of(proxy, &folder)?)
            }
            Accuracy::Command { .. } => return Ok(()),
        };
        self.ways.push((way.clone(), made));
        Ok(())
    }

    /// What the way says of a network.
    ///
    /// # Errors
    /// Where the images or classes are not the network's, or it can't be trained, or does not learn.
    pub fn tell(&self, way: &Accuracy, network: &Draw) -> Result<f64, Diagnostic> {
        let Some((_, made)) = self.ways.iter().find(|(asked, _)| asked == way) else {
            return Err(Diagnostic::error(codes::UNTRAINABLE, "that accuracy was not made ready"));
        };
        let told = match made {
            Way::Trained(recipe) => accuracy(&network.architecture, recipe, &self.sets[&recipe.data]),
            Way::Proxy(looker) => pipeline::analyse(&network.architecture)
                .and_then(|(graph, _)| looker.tell(&network.architecture, &graph))
                .map(|told| told.value.unwrap_or(f64::MIN)),
        };
        told.map_err(Failure::first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_has_the_proxies_that_there_are() {
        assert_eq!(Proxy::ALL.map(Proxy::word), Accuracy::PROXIES);
    }
}
