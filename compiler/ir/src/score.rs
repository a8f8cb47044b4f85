//! How well a network distributes, as paper.md defines it.

use serde::{Deserialize, Serialize};

/// The concurrency score on `devices` equal units and everything it was made of. Lower is better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// n, the number of units.
    pub devices: u32,
    /// (δ_w^a · Λ′^b · η^c)^(1/3), eq. 4.
    pub cs: f64,
    /// max W_p / W_avg, at least 1.
    pub delta_w: f64,
    /// Λ′ = Λ / (U_c · n), where Λ is floored at `unit`.
    pub lambda: f64,
    /// longest path / (|V| / n), counted in blocks, eq. 2.
    pub eta: f64,
    /// Λ in bytes, eq. 3, not floored.
    pub communication: u64,
    /// U_c in bytes: the smallest communication of any edge.
    pub unit: u64,
    /// Whether nothing is sent, so that Λ had to be floored for the score not to vanish.
    pub floored: bool,
    /// The ε of the partition with the least score.
    pub epsilon: f64,
    /// Every ε tried, with δ_w, Λ in bytes, and CS.
    pub tried: Vec<Tried>,
}

/// The partition for one balance bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tried {
    /// The bound that the partition was asked to keep.
    pub epsilon: f64,
    /// The imbalance that it has.
    pub delta_w: f64,
    /// Λ in bytes.
    pub communication: u64,
    /// The score.
    pub cs: f64,
}

/// How scores are made, where a search or a user says so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scoring {
    /// Of eq. 4.
    pub exponents: Exponents,
    /// The one bound on W_p / W_avg that is tried, at least 1; several where absent.
    pub bound: Option<f64>,
}

impl Scoring {
    /// The least and the greatest exponent.
    pub const EXPONENT: (f64, f64) = (0.0, 10.0);
    /// The least and the greatest bound.
    pub const BOUND: (f64, f64) = (1.0, 1_000.0);
}

impl Default for Scoring {
    /// As the paper has it.
    fn default() -> Self {
        Self { exponents: Exponents::PAPER, bound: None }
    }
}

/// The exponents of eq. 4.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exponents {
    /// Of δ_w.
    pub a: f64,
    /// Of Λ′.
    pub b: f64,
    /// Of η.
    pub c: f64,
}

impl Exponents {
    /// a = c = 1, b = 1.5, as the paper uses.
    pub const PAPER: Self = Self { a: 1.0, b: 1.5, c: 1.0 };
}
