//! `Resize`: each axis on its own, as every place of the output is a sum of a few of the input.
//!
//! Where the output repeats each place, or takes every so-manieth, that is what is done. Else the axis is brought to the front, where the sums
//! are a convolution that sees one pixel.

use super::super::call::Call;
use super::super::constant::elements;
use super::super::error::{Problem, lack, shown, wrong};
use super::super::values::{Tensor, Value, extent};
use cnasc_ir::op::{Axis, Fill, Pad, Slice, Window};
use cnasc_ir::{Op, Shape};
use std::rc::Rc;

/// Which places of the input a place of the output is made of, each with its factor; two at most.
type Taps = Vec<[(u64, f64); 2]>;

/// `Resize`, and `Upsample`, as it was called before version 10.
pub(super) fn resize(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let mut tensor = call.tensor(0)?;
    let found = tensor.dims.clone();
    let wanted = wanted(call, &found)?;
    let mode = Mode::of(call)?;
    for (axis, &(size, scale)) in wanted.iter().enumerate() {
        if size == found[axis] && scale.to_bits() == 1.0_f64.to_bits() {
            continue;
        }
        if size == 0 {
            return lack("makes an empty tensor");
        }
        extent(size)?;
        call.importer.budget.take(size)?;
        let taps = mode.taps(found[axis], size, scale);
        tensor = along(call, &tensor, axis, &taps)?;
    }
    Ok(vec![Value::Tensor(tensor)])
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

/// How places of the output are found in the input.
struct Mode {
    linear: bool,
    /// The name of the rule for coordinates.
    coordinates: String,
    /// The name of the rule for the nearest place.
    nearest: String,
}

impl Mode {
    fn of(call: &Call<'_, '_, '_>) -> Result<Self, Problem> {
        let attributes = call.attributes;
        let linear = match attributes.text("mode", "nearest")? {
            "nearest" => false,
            "linear" | "bilinear" => true,
            other => return lack(format!("is of mode `{}`; nearest and linear are taken in", shown(other))),
        };
        if attributes.flag("antialias")? || attributes.flag("exclude_outside")? {
            return lack("has antialias or exclude_outside");
        }
        // Version 10 has one rule.
        let old = call.importer.opset < 11;
        let coordinates =
            attributes.text("coordinate_transformation_mode", if old { "asymmetric" } else { "half_pixel" })?;
        let nearest = attributes.text("nearest_mode", if old { "floor" } else { "round_prefer_floor" })?;
        let known = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "asymmetric", "align_corners"];
        if !known.contains(&coordinates) {
            return lack(format!("finds coordinates by `{}`", shown(coordinates)));
        }
        if !["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"].contains(&nearest) {
            return wrong(format!("finds the nearest place by `{}`", shown(nearest)));
        }
        Ok(Self { linear, coordinates: coordinates.to_owned(), nearest: nearest.to_owned() })
    }

    fn taps(&self, old: u64, new: u64, scale: f64) -> Taps {
        let last = old.saturating_sub(1);
        let clamped = |place: f64| (place.max(0.0) as u64).min(last);
        let tap = |at: u64| {
            let place = self.place(at as f64, old as f64, new as f64, scale);
            if self.linear {
                let low = place.floor();
                [(clamped(low), 1.0 - (place - low)), (clamped(low + 1.0), place - low)]
            } else {
                [(clamped(self.round(place)), 1.0), (0, 0.0)]
            }
        };
        (0..new).map(tap).collect()
    }

    /// Where a place of the output lies in the input.
    fn place(&self, at: f64, old: f64, new: f64, scale: f64) -> f64 {
        match self.coordinates.as_str() {
            "asymmetric" => at / scale,
            "align_corners" if new > 1.0 => at * (old - 1.0) / (new - 1.0),
            "align_corners" => 0.0,
            "pytorch_half_pixel" if new <= 1.0 => 0.0,
            "half_pixel_symmetric" => {
                let adjustment = new / (scale * old);
                old / 2.0 * (1.0 - adjustment) + (at + 0.5) / scale - 0.5
            }
            _ => (at + 0.5) / scale - 0.5,
        }
    }

    fn round(&self, place: f64) -> f64 {
        match self.nearest.as_str() {
            "floor" => place.floor(),
            "ceil" => place.ceil(),
            "round_prefer_ceil" => (place + 0.5).floor(),
            _ => (place - 0.5).ceil(),
        }
    }
}

/// One axis made of places of itself.
fn along(call: &mut Call<'_, '_, '_>, tensor: &Tensor, axis: usize, taps: &Taps) -> Result<Tensor, Problem> {
    let (old, new) = (tensor.dims[axis], taps.len() as u64);
    let single: Vec<u64> =
        taps.iter().filter(|tap| tap[0].1.to_bits() == 1.0_f64.to_bits()).map(|tap| tap[0].0).collect();
    if single.len() == taps.len() {
        let times = new / old;
        if times * old == new && single.iter().enumerate().all(|(at, &place)| at as u64 / times == place) {
            return repeated(call, tensor, axis, times);
        }
        let step = if let [first, second, ..] = *single.as_slice() { second.wrapping_sub(first) } else { 1 };
        let even = step > 0 && single.windows(2).all(|pair| pair[0].checked_add(step) == Some(pair[1]));
        if even {
            let step = i32::try_from(extent(step)?).unwrap_or(i32::MAX);
            let part = Slice { axis: Axis::Channels, start: extent(single[0])?, count: extent(new)?, step };
            return call.cut(tensor, axis, &part);
        }
    }
    let size = elements(&[old, new])?;
    call.importer.budget.take(size)?;
    let mut weight = vec![0.0_f64; usize::try_from(size).unwrap_or(0)];
    for (at, tap) in taps.iter().enumerate() {
        for &(place, factor) in tap {
            weight[at * old as usize + place as usize] += factor;
        }
    }
    // The axis in front, the others behind it.
    let rank = tensor.dims.len();
    let order: Vec<usize> = std::iter::once(axis).chain((0..rank).filter(|&other| other != axis)).collect();
    let turned = call.permuted(tensor, &order)?;
    let rest: Vec<u64> = turned.dims[1..].to_vec();
    let (inner, rows) = (rest.last().copied().unwrap_or(1), elements(&rest[..rest.len().saturating_sub(1)])?);
    let input = call.shaped(&turned, Shape::new(extent(old)?, extent(rows)?, extent(inner)?))?;
    let op = Op::Conv { window: Window::square(1, 1, 0), groups: 1, channels: extent(new)?, bias: false };
    let weight = Rc::new(weight.into_iter().map(|factor| factor as f32).collect());
    let step = call.add(op, vec![input], vec![weight])?;
    let mut dims = turned.dims;
    dims[0] = new;
    let mut back: Vec<usize> = (1..rank).collect();
    back.insert(axis, 0);
    call.permuted(&Tensor { step, dims }, &back)
}

/// Each place of an axis so many times.
fn repeated(call: &mut Call<'_, '_, '_>, tensor: &Tensor, axis: usize, times: u64) -> Result<Tensor, Problem> {
    let mut dims = tensor.dims.clone();
    dims[axis] *= times;
    if times == 1 {
        return Ok(tensor.clone());
    }
    let (before, behind) = (elements(&tensor.dims[..=axis])?, elements(&tensor.dims[axis + 1..])?);
    let mut pad = Pad { before: [0; 3], after: [0; 3], fill: Fill::Edge };
    let lines = if behind == 1 {
        // As rows of one place each, because there may be more of them than channels.
        let outer = elements(&tensor.dims[..axis])?;
        let (rows, inner) = (tensor.dims[axis], *tensor.dims[..axis].last().unwrap_or(&1));
        pad.after[Axis::Columns.index()] = extent(times - 1)?;
        Shape::new(extent(outer / inner.max(1))?, extent(elements(&[inner, rows])?)?, 1)
    } else {
        pad.after[Axis::Rows.index()] = extent(times - 1)?;
        Shape::new(extent(before)?, 1, extent(behind)?)
    };
    let input = call.shaped(tensor, lines)?;
    let step = call.add(Op::Pad(pad), vec![input], Vec::new())?;
    Ok(Tensor { step, dims })
}
