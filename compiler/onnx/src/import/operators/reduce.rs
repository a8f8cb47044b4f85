//! Means over axes.

use super::super::call::Call;
use super::super::constant::elements;
use super::super::error::{Problem, lack};
use super::super::values::{Tensor, Value, extent};
use cnasc_ir::{Op, Shape};

/// `ReduceMean`: the axes that go are brought behind those that stay, where they are a plane of which the mean is taken.
pub(super) fn mean(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
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
    let order: Vec<usize> = stays.iter().chain(&gone).copied().collect();
    let turned = call.permuted(&tensor, &order)?;
    let size = |axes: &[usize]| elements(&axes.iter().map(|&axis| tensor.dims[axis]).collect::<Vec<_>>());
    let (channels, plane) = (extent(size(&stays)?)?, size(&gone)?);
    let last = gone.last().map_or(1, |&axis| tensor.dims[axis]);
    if plane == 0 {
        return lack("takes the mean of nothing");
    }
    let shape = Shape::new(channels, extent(plane / last)?, extent(last)?);
    let input = call.shaped(&turned, shape)?;
    let step = call.add(Op::GlobalAvg, vec![input], Vec::new())?;
    let dims = if keep {
        (0..rank).map(|axis| if gone.contains(&axis) { 1 } else { tensor.dims[axis] }).collect()
    } else {
        stays.iter().map(|&axis| tensor.dims[axis]).collect()
    };
    Ok(vec![Value::Tensor(Tensor { step, dims })])
}
