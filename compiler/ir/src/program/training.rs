//! How a network is to learn: what a `training` declaration says, as far as it says it.

use cnasc_base::Location;

/// A recipe.
#[derive(Debug, Clone, PartialEq)]
pub struct Training {
    /// Its name.
    pub name: String,
    /// What it says.
    pub says: Learning,
    /// Where it was declared.
    pub location: Location,
}

/// How to learn. What is left open is for whoever trains to decide.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Learning {
    /// The folder of images, as written: relative to the file that says so.
    pub data: Option<String>,
    /// How weights follow gradients.
    pub optimizer: Option<Descent>,
    /// The greatest learning rate, above 0.
    pub rate: Option<f64>,
    /// What becomes of it.
    pub schedule: Option<Decline>,
    /// How often every image is seen.
    pub epochs: Option<u64>,
    /// What products are computed in.
    pub precision: Option<Precision>,
    /// Images a step.
    pub batch: Option<u64>,
    /// Epochs in which the rate grows from nothing.
    pub warmup: Option<f64>,
    /// Weight decay, at least 0.
    pub decay: Option<f64>,
    /// Label smoothing, from 0 to below 1.
    pub smoothing: Option<f64>,
    /// By how many pixels images are moved at most.
    pub shift: Option<u64>,
    /// Whether they are mirrored.
    pub flip: Option<bool>,
    /// The side in pixels of the square that is cut out of each.
    pub cutout: Option<u64>,
    /// The parameter of the beta distribution by which pairs are mixed, 0 to 1.
    pub mixup: Option<f64>,
    /// The probability that a node with several inputs does without one.
    pub edge_drop: Option<f64>,
    /// The probability that an input of a join is left out for an image, 0 to 1.
    pub path_drop: Option<f64>,
    /// The probability that an input of a linear layer is left out, from 0 to below 1.
    pub dropout: Option<f64>,
    /// The most length that gradients may have together, above 0.
    pub clip: Option<f64>,
    /// The share of averaged weights that stays each step, from 0 to below 1.
    pub average: Option<f64>,
    /// Epochs without a better accuracy after which it ends.
    pub patience: Option<u64>,
    /// How many training images are kept to judge by.
    pub hold_out: Option<u64>,
    /// How many training images are taken, the first ones.
    pub limit: Option<u64>,
    /// Its seed.
    pub seed: Option<u64>,
}

/// What products of convolutions and linear layers are computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Single precision, as all else.
    Single,
    /// bfloat16.
    Mixed,
}

/// How weights follow gradients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Descent {
    /// Stochastic gradient descent.
    Sgd {
        /// From 0 to below 1.
        momentum: Option<f64>,
    },
    /// Adam with decoupled weight decay.
    AdamW,
}

/// What becomes of the learning rate behind the warm-up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decline {
    /// Nothing.
    Constant,
    /// Half a cosine down to nothing.
    Cosine,
    /// Times `factor` after each `every` epochs.
    Steps {
        /// At least 1.
        every: u64,
        /// Between 0 and 1.
        factor: f64,
    },
}
