//! What tells the accuracy of a candidate of a search.

use super::TrainingId;

/// Where [`Measure::Accuracy`](super::Measure::Accuracy) comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Accuracy {
    /// The network learns as a declaration says, and is tested.
    Trained {
        /// The declaration.
        by: TrainingId,
        /// Instead of those of the declaration.
        epochs: Option<u64>,
    },
    /// A figure of the untrained network that tells how well it may learn. No share: it may have any value, more being better.
    Proxy {
        /// One of [`Accuracy::PROXIES`].
        name: &'static str,
        /// The folder of images that it looks at, as written: relative to the file that says so.
        data: Option<String>,
    },
    /// A program of the user's is asked.
    Command {
        /// Its name and its arguments; at least one word.
        words: Vec<String>,
        /// Seconds after which it is ended, above 0.
        within: f64,
    },
}

impl Accuracy {
    /// The proxies there are.
    pub const PROXIES: [&'static str; 5] = ["grad_norm", "synflow", "naswot", "jacob_cov", "zen"];
}
