//! What is left out by lot while a network learns, so that it does not lean on any part of it: joined inputs, and inputs of linear layers.

use cnasc_base::Seed;
use cnasc_base::random::Rng;

/// How much is left out.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Noise {
    /// The probability that a node with several inputs does without one of them for a step, Xie et al., "Exploring Randomly Wired Neural Networks
    /// for Image Recognition", ICCV 2019: they do so with 0.1.
    pub edge: f32,
    /// The probability of each input of a linear layer to be 0, the others growing in turn, Srivastava et al., JMLR 2014.
    pub dropout: f32,
}

impl Noise {
    /// The lots of one step.
    #[must_use]
    pub fn drawn(self, seed: &Seed) -> Lots {
        Lots { noise: self, rng: seed.rng() }
    }
}

/// A stream of lots.
#[derive(Debug, Clone)]
pub struct Lots {
    noise: Noise,
    rng: Rng,
}

impl Lots {
    /// Which of several inputs of a node is left out, if any.
    pub fn edge(&mut self, inputs: usize) -> Option<usize> {
        // Nodes of one input take no lot, since they have nothing to do without.
        (inputs > 1 && self.noise.edge > 0.0 && self.rng.chance(self.noise.edge.into())).then(|| self.rng.below(inputs))
    }

    /// A factor for each of so many elements, where any is to be left out.
    pub fn dropout(&mut self, elements: usize) -> Option<Vec<f32>> {
        let probability = self.noise.dropout;
        let mut factor = || if self.rng.chance(probability.into()) { 0.0 } else { 1.0 / (1.0 - probability) };
        (probability > 0.0).then(|| (0..elements).map(|_| factor()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_is_left_out_as_is_said() {
        let mut lots = Noise { edge: 0.25, dropout: 0.5 }.drawn(&Seed::new(1));
        let left_out: Vec<usize> = (0..4000).filter_map(|_| lots.edge(4)).collect();
        assert!(left_out.len().abs_diff(1000) < 100, "{}", left_out.len());
        assert!((0..4).all(|input| left_out.iter().filter(|&&other| other == input).count().abs_diff(250) < 60));
        assert_eq!((0..100).find_map(|_| lots.edge(1)), None, "a node keeps its only input");
        let factors = lots.dropout(4000).expect("some are left out");
        assert!(factors.iter().all(|factor| [0.0, 2.0].contains(factor)));
        assert!((factors.iter().sum::<f32>() / 4000.0 - 1.0).abs() < 0.05, "the mean stays");
    }

    #[test]
    fn nothing_is_left_out_where_nothing_is_said() {
        let mut lots = Noise::default().drawn(&Seed::new(1));
        assert_eq!((lots.edge(5), lots.dropout(5)), (None, None));
    }
}
