//! The most that numbers of a program may be. Expansion keeps the same limits; here constants are held to them early.

use cnasc_ir::Shape;

/// A number that has bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    /// What it is of: "a kernel's side".
    pub(crate) what: &'static str,
    pub(crate) least: i64,
    pub(crate) most: i64,
}

impl Limit {
    pub(crate) fn allows(self, value: i64) -> bool {
        (self.least..=self.most).contains(&value)
    }
}

const fn limit(what: &'static str, least: i64, most: i64) -> Limit {
    Limit { what, least, most }
}

pub(crate) const NODES: Limit = limit("the number of a graph's nodes", 1, 100_000);
pub(crate) const KERNEL: Limit = limit("a kernel's side", 1, 64);
pub(crate) const STRIDE: Limit = limit("a stride", 1, 64);
pub(crate) const PADDING: Limit = limit("a padding", 0, 63);
pub(crate) const CHANNELS: Limit = limit("a number of channels", 1, 65_536);
pub(crate) const LRN_SIZE: Limit = limit("the size of a normalisation", 1, 4_096);
pub(crate) const OUTPUTS: Limit = limit("a number of outputs", 1, 65_536);
pub(crate) const EXTENT: Limit = limit("an image's extent", 1, Shape::MAX_EXTENT as i64);
pub(crate) const CORES: Limit = limit("a number of cores", 1, 4_096);
pub(crate) const DEVICES: Limit = limit("the number of a fleet's devices", 1, cnasc_ir::fleet::MAX_DEVICES as i64);
pub(crate) const SETTING: Limit = limit("a strategy's setting", 1, 1_000_000);
pub(crate) const SEED: Limit = limit("a seed", 0, i64::MAX);
pub(crate) const SAMPLES: Limit = limit("a number of samples", 1, 1_000_000);
pub(crate) const KEEP: Limit = limit("how many candidates a fidelity keeps", 1, 1_000_000_000);
pub(crate) const EPOCHS: Limit = limit("a number of epochs", 1, 100_000);
pub(crate) const BATCH: Limit = limit("a number of images", 1, 65_536);
pub(crate) const IMAGES: Limit = limit("a number of images", 0, 1_000_000_000);
pub(crate) const SHIFT: Limit = limit("a number of pixels", 0, 64);
pub(crate) const CUTOUT: Limit = limit("a number of pixels", 0, 256);
pub(crate) const BUDGET: Limit = limit("a number of candidates", 1, 1_000_000_000);

pub(crate) const REPEATS: Limit = limit("how often sections are repeated", 0, 1_000);
pub(crate) const DEPTH: Limit = limit("a depth", 0, 100_000);

/// The most depths that a policy lists; each is a level of its rule.
pub(crate) const DEPTHS: usize = 128;
/// The most files of a program beside the standard library's.
pub(crate) const FILES: usize = 256;
/// The most bytes that these have together.
pub(crate) const FILE_BYTES: usize = 16 << 20;
/// The most edges of a graph that is read.
pub(crate) const GRAPH_EDGES: usize = 1_000_000;
/// As many operators are passed in the search for an image that does not fit.
pub(crate) const SHAPE_STEPS: usize = 10_000;
/// The most parameters of a declaration.
pub(crate) const PARAMETERS: usize = 256;
/// For as many unknown names is the nearest known one looked for, which takes time in the number of names.
pub(crate) const LIKENESSES: usize = 256;
/// The longest budget in seconds: ten years.
pub(crate) const BUDGET_SECONDS: f64 = 315_360_000.0;
/// The greatest factor by which a node's channels may grow.
pub(crate) const GROWTH: f64 = 1_024.0;
/// How many declarations' defaults may be inside each other.
pub(crate) const DEFAULT_DEPTH: usize = 16;
/// How many levels of values may be inside each other, those of defaults that are needed on the way included: keeps the walk
/// within any thread's stack. A value as written may have 256.
pub(crate) const LEVELS: usize = 288;
/// How many levels of values a default may stand for.
pub(crate) const DEFAULT_LEVELS: usize = 128;
/// The most values that all defaults of a program together may stand for.
pub(crate) const DEFAULT_VALUES: usize = 1_000_000;
