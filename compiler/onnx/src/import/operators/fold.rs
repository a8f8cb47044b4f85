//! What is known without an image: constants, extents, and what exporters compute from them.

use super::super::call::Call;
use super::super::constant::{Constant, MAX_INTS, Values, elements, extents};
use super::super::error::{Problem, lack, wrong};
use super::super::values::{Tensor, Value, extent};
use super::broadcast::{common, sources};
use cnasc_ir::op::{Axis, Slice};
use std::rc::Rc;

/// `Constant`
pub(super) fn constant(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let attributes = call.attributes;
    let made = if let Some(tensor) = attributes.tensor("value")? {
        call.importer.budget.take(tensor.float_data.len() as u64)?;
        Constant::read(tensor.clone(), call.importer.files, &mut call.importer.budget)?
    } else if attributes.has("value_float") {
        Constant { dims: Vec::new(), values: Values::Fill(attributes.float("value_float", 0.0)?) }
    } else if let Some(floats) = attributes.floats("value_floats")? {
        Constant { dims: vec![floats.len() as u64], values: Values::Floats(Rc::new(floats.to_vec())) }
    } else if attributes.has("value_int") {
        Constant { dims: Vec::new(), values: Values::Ints(Rc::new(vec![attributes.int("value_int", 0)?])) }
    } else if let Some(ints) = attributes.ints("value_ints")? {
        Constant::ints(ints.to_vec())
    } else {
        return lack("holds neither a dense tensor nor numbers");
    };
    Ok(vec![Value::Constant(made)])
}

/// `ConstantOfShape`
pub(super) fn constant_of_shape(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let dims = extents(&call.constant(0)?.to_ints()?)?;
    let count = elements(&dims)?;
    let values = match call.attributes.tensor("value")? {
        None => Values::Fill(0.0),
        Some(tensor) => {
            let only = Constant::read(tensor.clone(), call.importer.files, &mut call.importer.budget)?;
            if only.is_float() {
                Values::Fill(only.to_float()?)
            } else if count <= MAX_INTS {
                Values::Ints(Rc::new(vec![only.to_int()?; usize::try_from(count).unwrap_or(0)]))
            } else {
                return wrong(format!("makes {count} whole numbers; up to {MAX_INTS} are read"));
            }
        }
    };
    Ok(vec![Value::Constant(Constant { dims, values })])
}

/// `Shape` and `Size`
pub(super) fn shape(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let value = call.input(0)?;
    let dims: Vec<i64> = value.dims().iter().map(|&extent| i64::try_from(extent).unwrap_or(i64::MAX)).collect();
    if call.op == "Size" {
        let size = i64::try_from(elements(value.dims())?).unwrap_or(i64::MAX);
        return Ok(vec![Value::Constant(Constant { dims: Vec::new(), values: Values::Ints(Rc::new(vec![size])) })]);
    }
    let rank = i64::try_from(dims.len()).unwrap_or(i64::MAX);
    let bound = |said: i64| {
        let from_start = if said < 0 { said.saturating_add(rank) } else { said };
        usize::try_from(from_start.clamp(0, rank)).unwrap_or(0)
    };
    let (start, end) = (bound(call.attributes.int("start", 0)?), bound(call.attributes.int("end", rank)?));
    Ok(vec![Value::Constant(Constant::ints(dims[start..end.max(start)].to_vec()))])
}

/// `Gather` at places that are known.
pub(super) fn gather(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let value = call.input(0)?;
    let axis = call.axis("axis", 0, value.dims().len())?;
    let indices = call.constant(1)?;
    let whole = value.dims()[axis];
    let bound = i64::try_from(whole).unwrap_or(i64::MAX);
    let mut taken = Vec::new();
    for &said in indices.to_ints()?.iter() {
        let place = if said < 0 { said.saturating_add(bound) } else { said };
        match u64::try_from(place) {
            Ok(place) if place < whole => taken.push(place),
            _ => return wrong(format!("takes place {said} of an extent of {whole}")),
        }
    }
    let mut dims = value.dims().to_vec();
    dims.splice(axis..=axis, indices.dims.iter().copied());
    let value = match value {
        Value::Constant(constant) => Value::Constant(constant.taken(axis, &taken, &mut call.importer.budget)?),
        Value::Tensor(tensor) => Value::Tensor(picked(call, &tensor, axis, &taken)?),
        Value::Missing => Value::Missing,
    };
    elements(&dims)?;
    Ok(vec![value.with_dims(dims)])
}

/// Places of one axis in any order: runs that lie side by side, joined.
fn picked(call: &mut Call<'_, '_, '_>, tensor: &Tensor, axis: usize, taken: &[u64]) -> Result<Tensor, Problem> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &place in taken {
        match runs.last_mut() {
            Some((start, count)) if *start + *count == place => *count += 1,
            _ => runs.push((place, 1)),
        }
    }
    if runs.is_empty() {
        return lack("makes an empty tensor");
    }
    let mut parts = Vec::with_capacity(runs.len());
    for (start, count) in runs {
        let part = Slice { axis: Axis::Channels, start: extent(start)?, count: extent(count)?, step: 1 };
        parts.push(call.cut(tensor, axis, &part)?);
    }
    match parts.as_slice() {
        [only] => Ok(only.clone()),
        several => call.joined(several, axis),
    }
}

/// `Cast`: of constants to whole or real numbers, of tensors to any kind of real numbers, which changes nothing here.
pub(super) fn cast(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    /// Single, half, double, the upper half of a single.
    const REAL: [i64; 4] = [1, 10, 11, 16];
    let to_real = REAL.contains(&call.attributes.int("to", 0)?);
    match call.input(0)? {
        Value::Tensor(tensor) if to_real => Ok(vec![Value::Tensor(tensor)]),
        Value::Tensor(_) => lack("makes whole numbers of what is computed"),
        Value::Constant(constant) => {
            let values = match &constant.values {
                Values::Ints(values) if to_real => {
                    Values::Floats(Rc::new(values.iter().map(|&value| value as f32).collect()))
                }
                Values::Floats(values) if !to_real => {
                    if values.len() as u64 > MAX_INTS {
                        return wrong(format!("makes {} whole numbers; up to {MAX_INTS} are read", values.len()));
                    }
                    Values::Ints(Rc::new(values.iter().map(|&value| value as i64).collect()))
                }
                Values::Fill(value) if !to_real => {
                    let count = constant.len();
                    if count > MAX_INTS {
                        return wrong(format!("makes {count} whole numbers; up to {MAX_INTS} are read"));
                    }
                    Values::Ints(Rc::new(vec![*value as i64; usize::try_from(count).unwrap_or(0)]))
                }
                same => same.clone(),
            };
            Ok(vec![Value::Constant(Constant { dims: constant.dims, values })])
        }
        Value::Missing => Ok(vec![Value::Missing]),
    }
}

/// `Expand` of constants, and of tensors that have the extents already.
pub(super) fn expand(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let asked = extents(&call.constant(1)?.to_ints()?)?;
    let value = call.input(0)?;
    let dims = common(value.dims(), &asked)?;
    match value {
        Value::Constant(constant) => {
            let places = sources(&constant.dims, &dims);
            Ok(vec![Value::Constant(constant.clone().picked(dims.clone(), places, &mut call.importer.budget)?)])
        }
        Value::Tensor(tensor) if elements(&dims)? == elements(&tensor.dims)? => {
            Ok(vec![Value::Tensor(Tensor { step: tensor.step, dims })])
        }
        Value::Tensor(_) => lack("repeats what is computed"),
        Value::Missing => Ok(vec![Value::Missing]),
    }
}

/// `Floor` and `Ceil` of constants.
pub(super) fn round(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let constant = call.constant(0)?;
    let round = if call.op == "Floor" { f32::floor } else { f32::ceil };
    let values = match &constant.values {
        Values::Floats(values) => {
            call.importer.budget.take(values.len() as u64)?;
            Values::Floats(Rc::new(values.iter().map(|&value| round(value)).collect()))
        }
        Values::Fill(value) => Values::Fill(round(*value)),
        Values::Ints(_) => return wrong("rounds whole numbers"),
    };
    Ok(vec![Value::Constant(Constant { dims: constant.dims, values })])
}
