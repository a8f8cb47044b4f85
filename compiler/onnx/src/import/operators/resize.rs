//! `Resize` of rows and columns.

use super::super::call::Call;
use super::super::error::{Problem, lack, shown, wrong};
use super::super::values::{Tensor, Value, extent};
use super::windows::Images;
use cnasc_ir::Op;
use cnasc_ir::op::{Coordinates, Interpolation, Resize, Rounding};

/// `Resize`, and `Upsample`, as it was called before version 10.
pub(super) fn resize(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let images = Images::of(call.tensor(0)?)?;
    let found = images.tensor.dims.clone();
    let wanted = wanted(call, &found)?;
    let stays = |axis: usize| wanted[axis].0 == found[axis] && wanted[axis].1.to_bits() == 1.0_f64.to_bits();
    if (0..found.len()).all(stays) {
        return Ok(vec![Value::Tensor(images.tensor)]);
    }
    let (rows, columns) = match wanted[2..] {
        [columns] => ((1, 1.0), columns),
        [rows, columns] => (rows, columns),
        _ => return lack(format!("resizes images of {} axes of space; one and two are taken in", found.len() - 2)),
    };
    if !stays(0) || !stays(1) {
        return lack("resizes the batch or the channels");
    }
    let (coordinates, interpolation) = mode(call)?;
    let resize = Resize {
        height: extent(rows.0)?,
        width: extent(columns.0)?,
        scales: [rows.1 as f32, columns.1 as f32],
        coordinates,
        interpolation,
    };
    let input = call.shaped(&images.tensor, images.shape()?)?;
    let step = call.add(Op::Resize(resize), vec![input], Vec::new())?;
    let dims = wanted.iter().map(|&(size, _)| size).collect();
    Ok(vec![Value::Tensor(Tensor { step, dims })])
}

/// The new extent of each axis, and how much longer it is than the old one.
fn wanted(call: &Call<'_, '_, '_>, found: &[u64]) -> Result<Vec<(u64, f64)>, Problem> {
    let old = call.importer.opset < 11;
    let axes = match call.attributes.ints("axes")? {
        Some(said) => call.axes(said, found.len())?,
        None => (0..found.len()).collect(),
    };
    let mut all: Vec<(u64, f64)> = found.iter().map(|&extent| (extent, 1.0)).collect();
    let sizes = if old { None } else { call.optional_constant(3)?.filter(|sizes| sizes.len() > 0) };
    if let Some(sizes) = sizes {
        let sizes = sizes.to_ints()?;
        if sizes.len() != axes.len() || sizes.iter().any(|&size| size < 0) {
            return wrong(format!("has the sizes {sizes:?} for {} axes", axes.len()));
        }
        let ratio = |(&axis, &size): (&usize, &i64)| size as f64 / found[axis] as f64;
        let ratios = axes.iter().zip(sizes.iter()).map(ratio);
        let common = match call.attributes.text("keep_aspect_ratio_policy", "stretch")? {
            "not_larger" => Some(ratios.fold(f64::INFINITY, f64::min)),
            "not_smaller" => Some(ratios.fold(0.0, f64::max)),
            _ => None,
        };
        for (&axis, &size) in axes.iter().zip(sizes.iter()) {
            all[axis] = match common {
                Some(scale) => ((scale * found[axis] as f64).round() as u64, scale),
                None => (size.unsigned_abs(), size as f64 / found[axis] as f64),
            };
        }
        return Ok(all);
    }
    let scales: Result<Vec<f32>, Problem> = match call.optional_constant(if old { 1 } else { 2 })? {
        Some(scales) => (0..usize::try_from(scales.len()).unwrap_or(0)).map(|at| scales.float_at(at)).collect(),
        None => Ok(call.attributes.floats("scales")?.unwrap_or_default().to_vec()),
    };
    let scales = scales?;
    if scales.len() != axes.len() || scales.iter().any(|&scale| scale.is_nan() || scale <= 0.0) {
        return wrong(format!("has the scales {scales:?} for {} axes", axes.len()));
    }
    for (&axis, &scale) in axes.iter().zip(&scales) {
        let scale = f64::from(scale);
        all[axis] = ((scale * found[axis] as f64).floor() as u64, scale);
    }
    Ok(all)
}

/// How places of the output are found in the input, and the value there.
fn mode(call: &Call<'_, '_, '_>) -> Result<(Coordinates, Interpolation), Problem> {
    let attributes = call.attributes;
    if attributes.flag("antialias")? || attributes.flag("exclude_outside")? {
        return lack("has antialias or exclude_outside");
    }
    // Version 10 has one rule.
    let old = call.importer.opset < 11;
    let coordinates =
        match attributes.text("coordinate_transformation_mode", if old { "asymmetric" } else { "half_pixel" })? {
            "half_pixel" => Coordinates::HalfPixel,
            "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
            "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
            "asymmetric" => Coordinates::Asymmetric,
            "align_corners" => Coordinates::AlignCorners,
            other => return lack(format!("finds coordinates by `{}`", shown(other))),
        };
    let rounding = match attributes.text("nearest_mode", if old { "floor" } else { "round_prefer_floor" })? {
        "round_prefer_floor" => Rounding::PreferFloor,
        "round_prefer_ceil" => Rounding::PreferCeil,
        "floor" => Rounding::Floor,
        "ceil" => Rounding::Ceil,
        other => return wrong(format!("finds the nearest place by `{}`", shown(other))),
    };
    let interpolation = match attributes.text("mode", "nearest")? {
        "nearest" => Interpolation::Nearest(rounding),
        "linear" | "bilinear" => Interpolation::Linear,
        other => return lack(format!("is of mode `{}`; nearest and linear are taken in", shown(other))),
    };
    Ok((coordinates, interpolation))
}
