//! Extents that are brought to each other: of two tensors whose elements meet, and of a constant.

use super::super::constant::{Constant, MAX_RANK, elements};
use super::super::error::{Problem, lack, wrong};
use super::super::values::extent;
use cnasc_ir::Shape;

/// The extents of what is computed of tensors of these extents: from the last axis on, equal or 1.
pub(super) fn common(left: &[u64], right: &[u64]) -> Result<Vec<u64>, Problem> {
    let rank = left.len().max(right.len());
    let (a, b) = (aligned(left, rank), aligned(right, rank));
    let mut dims = Vec::with_capacity(rank);
    for (&a, &b) in a.iter().zip(&b) {
        dims.push(match (a, b) {
            _ if a == b => a,
            (1, other) | (other, 1) => other,
            _ => return wrong(format!("reads tensors of {left:?} and {right:?}, which do not fit each other")),
        });
    }
    elements(&dims)?;
    Ok(dims)
}

/// Extents with as many ones before them as make `rank`.
pub(super) fn aligned(dims: &[u64], rank: usize) -> Vec<u64> {
    let mut aligned = vec![1; rank.saturating_sub(dims.len())];
    aligned.extend(dims);
    aligned
}

/// The three extents each of two tensors that are broadcast to `dims`, so that the same happens axis by axis.
pub(super) fn shapes(left: &[u64], right: &[u64], dims: &[u64]) -> Result<[Shape; 2], Problem> {
    let (a, b) = (aligned(left, dims.len()), aligned(right, dims.len()));
    for groups in [natural(dims), fewest(&a, &b)].into_iter().flatten() {
        let alike = |operand: &[u64]| {
            groups.iter().all(|group| {
                let own: u64 = operand[group.clone()].iter().product();
                own == 1 || operand[group.clone()] == dims[group.clone()]
            })
        };
        if alike(&a) && alike(&b) {
            return Ok([shape(&a, &groups)?, shape(&b, &groups)?]);
        }
    }
    lack(format!("broadcasts {left:?} and {right:?} along more than three axes"))
}

type Groups = [std::ops::Range<usize>; 3];

fn shape(dims: &[u64], groups: &Groups) -> Result<Shape, Problem> {
    let [channels, rows, columns] = groups.clone().map(|group| dims[group].iter().product());
    Ok(Shape::new(extent(channels)?, extent(rows)?, extent(columns)?))
}

/// The axes as [`values::natural`](super::super::values::natural) has them.
fn natural(dims: &[u64]) -> Option<Groups> {
    let rank = dims.len();
    let first = usize::from(dims.first() == Some(&1));
    Some(match rank - first {
        0 | 1 => [0..rank, rank..rank, rank..rank],
        2 => [0..rank - 1, rank - 1..rank - 1, rank - 1..rank],
        _ => [0..rank - 2, rank - 2..rank - 1, rank - 1..rank],
    })
}

/// Axes that lie side by side together where the same happens along them, if there are three such groups at most.
fn fewest(a: &[u64], b: &[u64]) -> Option<Groups> {
    let mut ends: Vec<usize> = Vec::new();
    let mut before = None;
    for (axis, (&a, &b)) in a.iter().zip(b).enumerate() {
        if a == 1 && b == 1 {
            continue;
        }
        let kind = (a == 1, b == 1);
        if before.is_some_and(|before| before != kind) {
            ends.push(axis);
        }
        before = Some(kind);
    }
    let rank = a.len();
    match ends.as_slice() {
        [] => Some([0..rank, rank..rank, rank..rank]),
        [one] => Some([0..*one, *one..*one, *one..rank]),
        [one, two] => Some([0..*one, *one..*two, *two..rank]),
        _ => None,
    }
}

/// The places in a tensor of `from` that the elements of one of `to`, in their order, are taken from; an extent of 1 of `from` counts
/// for all places. `to` has as many extents, or more.
pub(super) fn sources<'a>(from: &[u64], to: &'a [u64]) -> impl Iterator<Item = usize> + 'a {
    let from = aligned(from, to.len());
    let mut strides = vec![0_u64; to.len()];
    let mut stride = 1;
    for axis in (0..to.len()).rev() {
        if from[axis] != 1 {
            strides[axis] = stride;
        }
        stride *= from[axis];
    }
    places(strides, to)
}

/// The places that a walk over `extents` in row-major order visits, `strides` apart along each axis.
pub(super) fn places(strides: Vec<u64>, extents: &[u64]) -> impl Iterator<Item = usize> + '_ {
    let count: u64 = extents.iter().product();
    let mut at = [0_u64; MAX_RANK];
    let mut place = 0_u64;
    (0..count).map(move |_| {
        let found = usize::try_from(place).unwrap_or(usize::MAX);
        for axis in (0..extents.len()).rev() {
            at[axis] += 1;
            place += strides[axis];
            if at[axis] < extents[axis] {
                break;
            }
            place -= strides[axis] * extents[axis];
            at[axis] = 0;
        }
        found
    })
}

/// The elements of a constant, broadcast to `dims`.
pub(super) fn spread(constant: &Constant, dims: &[u64]) -> Result<Vec<f32>, Problem> {
    let mut values = Vec::new();
    for place in sources(&constant.dims, dims) {
        values.push(constant.float_at(place)?);
    }
    Ok(values)
}
