//! What is left out by lot while a network learns, so that it does not lean on any part of it: joined inputs, for a step or
//! for single images, and inputs of linear layers.

use cnasc_base::Seed;
use cnasc_base::random::Rng;

/// How much is left out.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Noise {
    /// The probability that a node with several inputs does without one of them for a step, Xie et al., "Exploring Randomly Wired Neural Networks
    /// for Image Recognition", ICCV 2019: they do so with 0.1.
    pub edge: f32,
    /// The probability of each input of a join to be left out for an image, one of them staying and the others growing in turn: drop-path,
    /// Larsson et al., "FractalNet", ICLR 2017.
    pub path: f32,
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

    /// For each of the inputs of a join a factor for each image, where any is to be left out. The mean of each is 1.
    pub fn paths(&mut self, inputs: usize, images: usize) -> Option<Vec<Vec<f32>>> {
        let probability = f64::from(self.noise.path);
        if inputs < 2 || probability <= 0.0 {
            return None;
        }
        // An input stays by its own lot, or as the one that is saved where all would go.
        let stays = 1.0 - probability + (0..inputs).fold(1.0, |all, _| all * probability) / inputs as f64;
        let factor = (1.0 / stays) as f32;
        let mut factors = vec![vec![0.0; images]; inputs];
        for image in 0..images {
            let mut is_empty = true;
            for of_input in &mut factors {
                if !self.rng.chance(probability) {
                    of_input[image] = factor;
                    is_empty = false;
                }
            }
            if is_empty {
                factors[self.rng.below(inputs)][image] = factor;
            }
        }
        Some(factors)
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
        let mut lots = Noise { edge: 0.25, dropout: 0.5, ..Noise::default() }.drawn(&Seed::new(1));
        let left_out: Vec<usize> = (0..4000).filter_map(|_| lots.edge(4)).collect();
        assert!(left_out.len().abs_diff(1000) < 100, "{}", left_out.len());
        assert!((0..4).all(|input| left_out.iter().filter(|&&other| other == input).count().abs_diff(250) < 60));
        assert_eq!((0..100).find_map(|_| lots.edge(1)), None, "a node keeps its only input");
        let factors = lots.dropout(4000).expect("some are left out");
        assert!(factors.iter().all(|factor| [0.0, 2.0].contains(factor)));
        assert!((factors.iter().sum::<f32>() / 4000.0 - 1.0).abs() < 0.05, "the mean stays");
    }

    #[test]
    fn paths_keep_an_input_of_each_image_and_the_mean_of_each() {
        for (inputs, probability) in [(2, 0.5), (3, 0.9), (5, 0.2), (2, 1.0)] {
            let mut lots = Noise { path: probability, ..Noise::default() }.drawn(&Seed::new(3));
            let factors = lots.paths(inputs, 4000).expect("some are left out");
            assert!((0..4000).all(|image| factors.iter().any(|of| of[image] > 0.0)), "every image has an input");
            for of in &factors {
                let mean = of.iter().sum::<f32>() / 4000.0;
                assert!((mean - 1.0).abs() < 0.1, "{inputs} inputs, {probability}: {mean}");
            }
        }
        let mut lots = Noise { path: 0.5, ..Noise::default() }.drawn(&Seed::new(3));
        assert_eq!(lots.paths(1, 4), None, "a node keeps its only input");
    }

    #[test]
    fn nothing_is_left_out_where_nothing_is_said() {
        let mut lots = Noise::default().drawn(&Seed::new(1));
        assert_eq!((lots.edge(5), lots.paths(5, 5), lots.dropout(5)), (None, None, None));
    }
}
