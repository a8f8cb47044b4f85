//! Means, sums and greatest values over axes.

use super::super::call::Call;
use super::super::constant::elements;
use super::super::error::{Problem, lack};
use super::super::values::{Tensor, Value, extent};
use cnasc_ir::op::{Axes, Axis, Reduce, Reduction};
use cnasc_ir::{Op, Shape};

/// `ReduceMean`, `ReduceSum` and `ReduceMax`: axes side by side go where they are; else those that go are brought behind those that stay.
pub(super) fn reduce(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let to = match call.op {
        "ReduceSum" => Reduction::Sum,
        "ReduceMax" => Reduction::Max,
        _ => Reduction::Mean,
    };
    let tensor = call.tensor(0)?;
    let rank = tensor.dims.len();
    let keep = call.attributes.int("keepdims", 1)? != 0;
    let mut gone = match call.ints(1, "axes")? {
        Some(said) if !said.is_empty() => call.axes(&said, rank)?,
        _ if call.attributes.flag("noop_with_empty_axes")? => return Ok(vec![Value::Tensor(tensor)]),
        _ => (0..rank).collect(),
    };
    gone.sort_unstable();
    let stays: Vec<usize> = (0..rank).filter(|axis| !gone.contains(axis)).collect();
    let size = |axes: &[usize]| elements(&axes.iter().map(|&axis| tensor.dims[axis]).collect::<Vec<_>>());
    let count = size(&gone)?;
    if count == 0 {
        return lack("reduces nothing");
    }
    let first = gone.first().copied().unwrap_or(0);
    let side_by_side = gone.last().is_none_or(|&last| last + 1 - first == gone.len());
    let (before, behind) = stays.split_at(stays.partition_point(|&axis| axis < first));
    let step = if side_by_side && size(behind)? > 1 {
        let shape = Shape::new(extent(size(before)?)?, extent(count)?, extent(size(behind)?)?);
        let input = call.shaped(&tensor, shape)?;
        let axes = [Axis::Rows].into_iter().collect();
        call.add(Op::Reduce(Reduce { to, axes }), vec![input], Vec::new())?
    } else {
        let order: Vec<usize> = stays.iter().chain(&gone).copied().collect();
        let turned = call.permuted(&tensor, &order)?;
        let last = gone.last().map_or(1, |&axis| tensor.dims[axis]);
        let shape = Shape::new(extent(size(&stays)?)?, extent(count / last)?, extent(last)?);
        let input = call.shaped(&turned, shape)?;
        let op = if to == Reduction::Mean { Op::GlobalAvg } else { Op::Reduce(Reduce { to, axes: Axes::PLANE }) };
        call.add(op, vec![input], Vec::new())?
    };
    let dims = if keep {
        (0..rank).map(|axis| if gone.contains(&axis) { 1 } else { tensor.dims[axis] }).collect()
    } else {
        stays.iter().map(|&axis| tensor.dims[axis]).collect()
    };
    Ok(vec![Value::Tensor(Tensor { step, dims })])
}
