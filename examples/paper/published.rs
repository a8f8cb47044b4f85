//! What the paper reports, read from the drawing coordinates of its figures (good to about one percent) and from its tables.
//! Rows are in the order of [`FAMILIES`].

/// The families, as the figures order them.
pub const FAMILIES: [&str; 5] = ["DP", "ER", "BA", "WS", "FB"];

/// Numbers of units of Figures 7 to 9.
pub const UNITS: [u32; 4] = [4, 6, 8, 10];

/// Figure 7: communication in MB at 40 blocks, a row a number of units.
pub const COMMUNICATION: [[f64; 5]; 4] = [
    [3.85, 5.36, 4.99, 3.85, 19.68],
    [5.24, 6.92, 6.72, 4.77, 22.04],
    [6.36, 7.74, 7.28, 5.31, 20.83],
    [7.40, 8.38, 7.88, 5.74, 20.96],
];

/// Figure 8: computation time over FB's.
pub const TIME: [[f64; 5]; 4] = [
    [0.180, 0.134, 0.107, 0.178, 1.0],
    [0.179, 0.131, 0.106, 0.184, 1.0],
    [0.178, 0.133, 0.106, 0.182, 1.0],
    [0.187, 0.132, 0.110, 0.182, 1.0],
];

/// Figure 9: CS at 40 blocks.
pub const CS_40: [[f64; 5]; 4] = [
    [1.40, 3.29, 2.30, 2.08, 11.8],
    [1.59, 3.67, 2.77, 2.39, 13.4],
    [1.80, 3.80, 2.78, 2.57, 13.6],
    [1.98, 3.93, 2.98, 2.79, 15.0],
];

/// Figure 9: CS at 80 blocks.
pub const CS_80: [[f64; 5]; 4] = [
    [1.27, 3.61, 2.33, 2.01, 11.8],
    [1.43, 4.02, 2.88, 2.26, 13.4],
    [1.54, 4.13, 2.79, 2.43, 13.6],
    [1.66, 4.25, 2.93, 2.58, 15.0],
];

/// Figure 10: depth and greatest width of one sample each, input and output vertex counted in the depth.
pub const SHAPES: [(f64, f64); 5] = [(15.0, 8.0), (11.0, 16.0), (15.0, 16.0), (26.0, 8.0), (38.0, 6.0)];

/// Figure 10: widths by depth of the samples for which they can be read: DP and ER.
pub const WIDTHS: [(&str, &[f64]); 2] = [
    ("DP", &[1.0, 8.0, 7.0, 6.0, 6.0, 5.0, 4.0, 3.0, 2.0, 4.0, 3.0, 2.0, 4.0, 2.0, 1.0]),
    ("ER", &[1.0, 15.0, 8.0, 12.0, 10.0, 16.0, 2.0, 5.0, 1.0, 1.0, 2.0]),
];

/// Figure 12: units, median and first percentile of the entropy of the loads.
pub const ENTROPY: [(u32, f64, f64); 4] = [(2, 1.0, 0.970), (4, 0.998, 0.774), (6, 0.978, 0.645), (8, 0.938, 0.559)];

/// Table IV: millions of parameters, mean and standard deviation, without FB: greedy, then probabilistic staging.
pub const PARAMETERS: [[(f64, f64); 4]; 2] = [
    [(35.03, 2.25), (48.63, 1.11), (48.33, 0.91), (42.03, 1.28)],
    [(26.69, 3.05), (46.03, 2.70), (45.63, 4.41), (36.44, 3.52)],
];

/// Table I, mean accuracy in percent on CIFAR-10: the baseline, and networks without staging.
#[cfg(feature = "train")]
pub const UNSTAGED: [f64; 2] = [80.70, 81.13];

/// Tables II and III, means on Flower-102: accuracy in percent and accuracy a million parameters, greedy and probabilistic staging.
#[cfg(feature = "train")]
pub const STAGINGS: [(f64, f64); 2] = [(82.01, 2.40), (84.58, 3.29)];

/// Table V, CIFAR-10: mean and best accuracy in percent, mean accuracy a parameter; the baseline, ER, BA, WS, DP.
#[cfg(feature = "train")]
pub const ACCURACY: [(f64, f64, f64); 5] =
    [(80.70, 80.70, 5.38), (81.33, 81.81, 4.94), (80.29, 81.66, 4.81), (79.89, 81.45, 4.75), (80.87, 82.47, 4.81)];
