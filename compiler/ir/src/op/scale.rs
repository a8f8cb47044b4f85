//! A tensor times what operators make of it, as squeeze-and-excite blocks have it.

use super::elementwise::broadcast;
use super::{Op, ParamRole};
use crate::shape::Shape;
use std::fmt;

/// The shape that each operator takes, and at the end the factor's.
fn along(by: &[Op], input: Shape) -> Result<Vec<Shape>, String> {
    let mut shapes = vec![input];
    let mut shape = input;
    for op in by {
        shape = op.output(&[shape]).map_err(|error| format!("can't be made: {error}"))?;
        shapes.push(shape);
    }
    Ok(shapes)
}

/// Each operator with the shapes that it takes and gives; nothing where they don't fit.
fn steps(by: &[Op], input: Shape) -> impl Iterator<Item = (&Op, Shape, Shape)> {
    let shapes = along(by, input).unwrap_or_default();
    let pairs: Vec<(Shape, Shape)> = shapes.windows(2).map(|pair| (pair[0], pair[1])).collect();
    by.iter().zip(pairs).map(|(op, (from, to))| (op, from, to))
}

/// The input's shape, which the factor must not enlarge.
pub(super) fn output(by: &[Op], input: Shape) -> Result<Shape, String> {
    let factor = along(by, input)?.pop().unwrap_or(input);
    match broadcast(input, factor) {
        Ok(shape) if shape == input => Ok(input),
        _ => Err(format!("makes a factor of {factor} for {input}: its extents must be equal or 1")),
    }
}

pub(super) fn each_param(by: &[Op], input: Shape, show: &mut dyn FnMut(ParamRole, &[u32])) {
    steps(by, input).for_each(|(op, from, _)| op.each_param(&[from], show));
}

pub(super) fn macs(by: &[Op], input: Shape) -> u64 {
    steps(by, input).fold(0, |sum: u64, (op, from, to)| sum.saturating_add(op.macs(&[from], to)))
}

/// With the products at the end.
pub(super) fn flops(by: &[Op], input: Shape) -> u64 {
    steps(by, input).fold(input.elements(), |sum: u64, (op, from, to)| sum.saturating_add(op.flops(&[from], to)))
}

pub(super) fn write(by: &[Op], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("scale(")?;
    for (index, op) in by.iter().enumerate() {
        write!(f, "{}{op}", if index == 0 { "" } else { ", " })?;
    }
    f.write_str(")")
}
