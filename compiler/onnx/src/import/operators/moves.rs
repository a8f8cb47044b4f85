//! What moves elements and computes nothing: other extents, parts, joins, orders, paddings.

use super::super::call::Call;
use super::super::constant::{Constant, MAX_RANK, elements};
use super::super::error::{Problem, lack, wrong};
use super::super::values::{Tensor, Value, around, axis_of, extent};
use super::broadcast::places;
use cnasc_ir::Op;
use cnasc_ir::op::{Axis, Fill, Pad, Slice};

/// `Reshape`, `Flatten`, `Squeeze` and `Unsqueeze`: the elements keep their order, so that nothing is computed.
pub(super) fn reshape(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let value = call.input(0)?;
    let found = value.dims().to_vec();
    let dims = match call.op {
        "Flatten" => flattened(call, &found)?,
        "Squeeze" => squeezed(call, &found)?,
        "Unsqueeze" => unsqueezed(call, &found)?,
        _ => reshaped(call, &found)?,
    };
    if dims.len() > MAX_RANK || elements(&dims)? != elements(&found)? {
        return wrong(format!("makes {dims:?} of {found:?}"));
    }
    Ok(vec![value.with_dims(dims)])
}

fn flattened(call: &Call<'_, '_, '_>, found: &[u64]) -> Result<Vec<u64>, Problem> {
    let rank = i64::try_from(found.len()).unwrap_or(i64::MAX);
    let said = call.attributes.int("axis", 1)?;
    let axis = if said < 0 { said + rank } else { said };
    if !(0..=rank).contains(&axis) {
        return wrong(format!("flattens at axis {said} of {found:?}"));
    }
    let (before, behind) = found.split_at(usize::try_from(axis).unwrap_or(0));
    Ok(vec![elements(before)?, elements(behind)?])
}

fn squeezed(call: &Call<'_, '_, '_>, found: &[u64]) -> Result<Vec<u64>, Problem> {
    let axes = match call.ints(1, "axes")? {
        Some(axes) => call.axes(&axes, found.len())?,
        None => (0..found.len()).filter(|&axis| found[axis] == 1).collect(),
    };
    if let Some(&axis) = axes.iter().find(|&&axis| found[axis] != 1) {
        return wrong(format!("squeezes axis {axis} of {found:?}, which is longer than 1"));
    }
    Ok((0..found.len()).filter(|axis| !axes.contains(axis)).map(|axis| found[axis]).collect())
}

fn unsqueezed(call: &Call<'_, '_, '_>, found: &[u64]) -> Result<Vec<u64>, Problem> {
    let Some(axes) = call.ints(1, "axes")? else { return wrong("does not say its axes") };
    let rank = found.len() + axes.len();
    if rank > MAX_RANK {
        return wrong(format!("makes a tensor of {rank} extents"));
    }
    let axes = call.axes(&axes, rank)?;
    let mut rest = found.iter();
    let each = (0..rank).map(|axis| if axes.contains(&axis) { Some(1) } else { rest.next().copied() });
    Ok(each.flatten().collect())
}

fn reshaped(call: &Call<'_, '_, '_>, found: &[u64]) -> Result<Vec<u64>, Problem> {
    let Some(said) = call.ints(1, "shape")? else { return wrong("does not say its shape") };
    let allow_zero = call.attributes.flag("allowzero")?;
    let mut dims = Vec::with_capacity(said.len());
    let mut open = None;
    for (axis, &extent) in said.iter().enumerate() {
        dims.push(match extent {
            -1 if open.is_none() => {
                open = Some(axis);
                1
            }
            0 if !allow_zero => match found.get(axis) {
                Some(&kept) => kept,
                None => return wrong(format!("keeps extent {axis} of {found:?}")),
            },
            _ => match u64::try_from(extent) {
                Ok(extent) => extent,
                Err(_) => return wrong(format!("has the shape {said:?}")),
            },
        });
    }
    if let Some(axis) = open {
        let (all, others) = (elements(found)?, elements(&dims)?);
        if others == 0 || all % others != 0 {
            return wrong(format!("makes {said:?} of {found:?}"));
        }
        dims[axis] = all / others;
    }
    Ok(dims)
}

/// `Concat`
pub(super) fn concat(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let all = call.all()?;
    let axis = call.axis("axis", 1, all[0].dims().len())?;
    let Some(beside) = all.iter().find_map(|value| if let Value::Tensor(tensor) = value { Some(tensor) } else { None })
    else {
        return Ok(vec![Value::Constant(constants(call, &all, axis)?)]);
    };
    let beside = beside.clone();
    let mut tensors = Vec::with_capacity(all.len());
    for value in all {
        match value {
            Value::Tensor(tensor) => tensors.push(tensor),
            Value::Constant(constant) if constant.len() == 0 => {}
            Value::Constant(constant) => tensors.push(call.stored(&constant, &beside)?),
            Value::Missing => return Ok(vec![Value::Missing]),
        }
    }
    match tensors.as_slice() {
        [only] => Ok(vec![Value::Tensor(only.clone())]),
        several => Ok(vec![Value::Tensor(call.joined(several, axis)?)]),
    }
}

/// Constants one behind the other.
fn constants(call: &mut Call<'_, '_, '_>, all: &[Value], axis: usize) -> Result<Constant, Problem> {
    let mut parts = Vec::with_capacity(all.len());
    let mut dims = all[0].dims().to_vec();
    dims[axis] = 0;
    for value in all {
        let Value::Constant(part) = value else { return wrong("joins what is not known") };
        let alike = |place: usize| place == axis || part.dims[place] == dims[place];
        if part.dims.len() != dims.len() || !(0..dims.len()).all(alike) {
            return wrong(format!("joins {:?} and {:?}", all[0].dims(), part.dims));
        }
        dims[axis] = dims[axis].saturating_add(part.dims[axis]);
        parts.push(part);
    }
    Constant::joined(&parts, dims, axis, &mut call.importer.budget)
}

/// `Transpose`
pub(super) fn transpose(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let value = call.input(0)?;
    let rank = value.dims().len();
    let order: Vec<usize> = match call.attributes.ints("perm")? {
        None => (0..rank).rev().collect(),
        Some(said) => said.iter().map(|&axis| usize::try_from(axis).unwrap_or(usize::MAX)).collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..rank) {
        return wrong(format!("orders {rank} axes by {order:?}"));
    }
    match value {
        Value::Tensor(tensor) => Ok(vec![Value::Tensor(call.permuted(&tensor, &order)?)]),
        Value::Constant(constant) => {
            let strides = strides(&constant.dims);
            let dims: Vec<u64> = order.iter().map(|&axis| constant.dims[axis]).collect();
            let steps = order.iter().map(|&axis| strides[axis]).collect();
            let turned = constant.picked(dims.clone(), places(steps, &dims), &mut call.importer.budget)?;
            Ok(vec![Value::Constant(turned)])
        }
        Value::Missing => Ok(vec![Value::Missing]),
    }
}

/// Elements from one place of an axis to the next.
pub(super) fn strides(dims: &[u64]) -> Vec<u64> {
    let mut strides = vec![1; dims.len()];
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis];
    }
    strides
}

/// `Slice`
pub(super) fn slice(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let mut value = call.input(0)?;
    let rank = value.dims().len();
    let (Some(starts), Some(ends)) = (call.ints(1, "starts")?, call.ints(2, "ends")?) else {
        return wrong("does not say where it starts and ends");
    };
    let axes = match call.ints(3, "axes")? {
        Some(axes) => call.axes(&axes, rank)?,
        None => (0..starts.len()).collect(),
    };
    let steps = call.ints(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] || axes.iter().any(|&axis| axis >= rank) {
        return wrong("has starts, ends, axes and steps of different numbers");
    }
    for (index, &axis) in axes.iter().enumerate() {
        let whole = extent(value.dims()[axis])?;
        if steps[index] == 0 {
            return wrong("has a step of zero");
        }
        match Slice::between(Axis::Channels, whole, starts[index], ends[index], steps[index]) {
            Ok(part) => value = call.cut_value(value, axis, &part)?,
            Err(_) if matches!(value, Value::Constant(_)) => {
                value = call.cut_value(value, axis, &Slice { axis: Axis::Channels, start: 0, count: 0, step: 1 })?;
            }
            Err(problem) => return lack(problem),
        }
    }
    Ok(vec![value])
}

/// `Split`
pub(super) fn split(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let value = call.input(0)?;
    let axis = call.axis("axis", 0, value.dims().len())?;
    let whole = value.dims()[axis];
    let outputs = call.outputs as u64;
    let sizes = match call.ints(1, "split")? {
        Some(sizes) => sizes,
        None => {
            let size = whole.div_ceil(outputs.max(1));
            let sizes = (0..outputs).map(|index| whole.saturating_sub(index * size).min(size));
            sizes.map(|size| i64::try_from(size).unwrap_or(i64::MAX)).collect()
        }
    };
    let total = sizes.iter().try_fold(0_u64, |sum, &size| sum.checked_add(u64::try_from(size).ok()?));
    if total != Some(whole) || sizes.len() as u64 != outputs {
        return wrong(format!("splits an extent of {whole} into {outputs} parts of {sizes:?}"));
    }
    let mut parts = Vec::with_capacity(sizes.len());
    let mut start = 0;
    for size in sizes {
        let count = extent(size.unsigned_abs())?;
        if count == 0 && matches!(value, Value::Tensor(_)) {
            return lack("makes an empty tensor");
        }
        parts.push(call.cut_value(value.clone(), axis, &Slice { axis: Axis::Channels, start, count, step: 1 })?);
        start += count;
    }
    Ok(parts)
}

/// `Pad`
pub(super) fn pad(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let mut tensor = call.tensor(0)?;
    let rank = tensor.dims.len();
    let Some(pads) = call.ints(1, "pads")? else { return wrong("does not say how much it adds") };
    let axes = match call.ints(3, "")? {
        Some(axes) => call.axes(&axes, rank)?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return wrong(format!("has {} pads for {} axes", pads.len(), axes.len()));
    }
    let fill = match call.attributes.text("mode", "constant")? {
        "constant" => Fill::Constant(match call.optional_constant(2)? {
            Some(value) => value.to_float()?,
            None => call.attributes.float("value", 0.0)?,
        }),
        "reflect" => Fill::Reflect,
        "edge" => Fill::Edge,
        "wrap" => Fill::Wrap,
        other => return wrong(format!("has the unknown mode `{}`", super::shown(other))),
    };
    let (before, after) = pads.split_at(axes.len());
    // What is taken away goes first, as far as no padding can see it.
    for (index, &axis) in axes.iter().enumerate() {
        let (less_before, less_after) = (before[index].min(0).unsigned_abs(), after[index].min(0).unsigned_abs());
        if less_before > 0 || less_after > 0 {
            if !matches!(fill, Fill::Constant(_)) && (before[index] > 0 || after[index] > 0) {
                return lack("takes away at one end what it copies to the other");
            }
            let left = tensor.dims[axis].checked_sub(less_before).and_then(|rest| rest.checked_sub(less_after));
            match left {
                Some(left) if left > 0 => tensor = call.part(&tensor, axis, less_before, left)?,
                _ => return lack("takes everything away"),
            }
        }
    }
    let mut added = Vec::with_capacity(axes.len());
    for (index, &axis) in axes.iter().enumerate() {
        let more = |pad: i64| extent(pad.max(0).unsigned_abs());
        added.push((axis, more(before[index])?, more(after[index])?));
    }
    Ok(vec![Value::Tensor(call.padded(&tensor, &added, fill)?)])
}

impl Call<'_, '_, '_> {
    /// Places of one axis of a tensor or a constant; the axis of `part` is not looked at.
    pub(super) fn cut_value(&mut self, value: Value, axis: usize, part: &Slice) -> Result<Value, Problem> {
        match value {
            Value::Tensor(tensor) => Ok(Value::Tensor(self.cut(&tensor, axis, part)?)),
            Value::Constant(constant) => {
                let (start, step, count) = (i64::from(part.start), i64::from(part.step), i64::from(part.count));
                let taken: Vec<u64> = (0..count).filter_map(|at| u64::try_from(start + at * step).ok()).collect();
                Ok(Value::Constant(constant.taken(axis, &taken, &mut self.importer.budget)?))
            }
            Value::Missing => Ok(Value::Missing),
        }
    }

    /// Places added along axes, each said once.
    fn padded(&mut self, tensor: &Tensor, added: &[(usize, u32, u32)], fill: Fill) -> Result<Tensor, Problem> {
        let mut dims = tensor.dims.clone();
        let added: Vec<_> = added.iter().copied().filter(|&(_, before, after)| before > 0 || after > 0).collect();
        for &(axis, before, after) in &added {
            dims[axis] += u64::from(before) + u64::from(after);
        }
        let shape = self.importer.steps.shape(tensor.step);
        let mut pad = Pad { before: [0; 3], after: [0; 3], fill };
        let mut all = true;
        for &(axis, before, after) in &added {
            match axis_of(shape, around(&tensor.dims, axis)?) {
                Some(found) if pad.before[found.index()] == 0 && pad.after[found.index()] == 0 => {
                    pad.before[found.index()] = before;
                    pad.after[found.index()] = after;
                }
                _ => all = false,
            }
        }
        if added.is_empty() {
            return Ok(tensor.clone());
        }
        if all {
            let step = self.add(Op::Pad(pad), vec![tensor.step], Vec::new())?;
            return Ok(Tensor { step, dims });
        }
        // One axis after the other gives the same.
        let mut padded = tensor.clone();
        for &(axis, before, after) in &added {
            let (step, along) = self.along(&padded, axis)?;
            let mut pad = Pad { before: [0; 3], after: [0; 3], fill };
            (pad.before[along.index()], pad.after[along.index()]) = (before, after);
            padded.step = self.add(Op::Pad(pad), vec![step], Vec::new())?;
            padded.dims[axis] += u64::from(before) + u64::from(after);
        }
        Ok(padded)
    }
}
