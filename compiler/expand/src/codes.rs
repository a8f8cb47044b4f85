//! The codes of expansion, `E05xx`. Most of them are kept from users by the checker; those that depend on drawn or computed
//! numbers can only be found here.

use cnasc_base::Code;

/// A whole number left the range of 64 bits.
pub const OVERFLOW: Code = Code("E0501");
/// A division by zero.
pub const DIVISION_BY_ZERO: Code = Code("E0502");
/// A real result is infinite or no number, such as the logarithm of 0.
pub const NOT_FINITE: Code = Code("E0503");
/// A value of one kind stands where another is needed.
pub const KIND: Code = Code("E0504");
/// A variable or a parameter that this place does not have, such as `i` outside an edge.
pub const NOT_HERE: Code = Code("E0505");
/// A domain stands where a value is needed: nothing has chosen from it.
pub const NOT_CHOSEN: Code = Code("E0506");
/// An expression is nested deeper than this release evaluates.
pub const TOO_DEEP: Code = Code("E0507");

/// An edge's or a policy's probability is outside 0..1.
pub const PROBABILITY: Code = Code("E0510");
/// A graph has no nodes or more than the limit.
pub const NODES: Code = Code("E0511");
/// A graph has more edges than the limit.
pub const EDGES: Code = Code("E0512");
/// `attach m by degree` with an m that is not 1 … n − 1.
pub const ATTACH: Code = Code("E0513");
/// `lattice k` with a k that is odd, or not 2 … n − 1.
pub const LATTICE: Code = Code("E0514");

/// An operator's argument is below 1 or above its limit, or missing.
pub const ARGUMENT: Code = Code("E0520");
/// An `aggregate` that is not the first operator of its pipeline.
pub const AGGREGATE: Code = Code("E0521");
/// A node's operators do not fit the image or the channels that reach it.
pub const SHAPE: Code = Code("E0522");
/// The images that meet at a node can't be pooled to one size.
pub const JOIN: Code = Code("E0523");
/// A staging's growth or limit is out of bounds.
pub const GROWTH: Code = Code("E0524");
/// The input image is empty or too large.
pub const IMAGE: Code = Code("E0525");
/// The drawn network breaks a rule that every architecture keeps.
pub const ARCHITECTURE: Code = Code("E0526");

/// A setting names no search variable.
pub const NO_VARIABLE: Code = Code("E0530");
/// A setting is outside its variable's domain.
pub const OUTSIDE: Code = Code("E0531");
/// A domain has no values, or more than can be counted.
pub const DOMAIN: Code = Code("E0532");

/// All of the above, in order.
pub const ALL: &[Code] = &[
    OVERFLOW,
    DIVISION_BY_ZERO,
    NOT_FINITE,
    KIND,
    NOT_HERE,
    NOT_CHOSEN,
    TOO_DEEP,
    PROBABILITY,
    NODES,
    EDGES,
    ATTACH,
    LATTICE,
    ARGUMENT,
    AGGREGATE,
    SHAPE,
    JOIN,
    GROWTH,
    IMAGE,
    ARCHITECTURE,
    NO_VARIABLE,
    OUTSIDE,
    DOMAIN,
];
