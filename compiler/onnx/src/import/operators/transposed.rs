//! `ConvTranspose`: the pixels are moved apart by the strides, with zeros between, and a convolution goes over them one by one, with
//! its kernel turned round.

use super::super::call::Call;
use super::super::constant::Constant;
use super::super::error::{Problem, lack, wrong};
use super::super::steps::StepId;
use super::super::values::{Tensor, Value, extent};
use super::windows::Images;
use cnasc_ir::op::{Axis, Fill, MAX_WINDOW, Pad, Slice, Slide, Window};
use cnasc_ir::{Op, Shape};
use std::rc::Rc;

/// What happens along one axis of space.
struct Spread {
    kernel: u32,
    stride: u32,
    dilation: u32,
    /// Places added, or taken away where negative, before and behind the pixels moved apart and the zeros behind the last of them.
    around: (i64, i64),
}

/// `ConvTranspose`
pub(super) fn conv_transpose(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let images = Images::of(call.tensor(0)?)?;
    let weight = call.constant(1)?;
    let [inputs, per_group, kernel @ ..] = weight.dims.as_slice() else {
        return wrong("has a weight of fewer than two extents");
    };
    let groups = match u64::try_from(call.attributes.int("group", 1)?) {
        Ok(groups) if groups > 0 && inputs.is_multiple_of(groups) => groups,
        _ => return wrong("has a number of groups that does not divide its channels"),
    };
    if *inputs != images.channels || kernel.len() != images.spatial.len() {
        return wrong(format!("reads {} channels, its weight of {:?} does not fit", images.channels, weight.dims));
    }
    let spreads = spreads(call, kernel, &images.spatial)?;
    let outputs = per_group.saturating_mul(groups);
    let (rows, columns) = match spreads.as_slice() {
        [columns] => (None, columns),
        [rows, columns] => (Some(rows), columns),
        other => return lack(format!("moves along {} axes; one and two are taken in", other.len())),
    };
    let turned = turned(call, &weight, groups)?;
    let bias = call.optional(2).is_some();
    let mut params = vec![turned];
    if bias {
        params.push(call.floats(2, outputs)?);
    }
    for values in &mut params {
        *values = call.repeated(values, images.count)?;
    }
    let mut step = call.shaped(&images.tensor, images.shape()?)?;
    step = apart(call, step, Axis::Columns, columns.stride)?;
    step = fitted(call, step, Axis::Columns, columns.around)?;
    if let Some(rows) = rows {
        step = apart(call, step, Axis::Rows, rows.stride)?;
        step = fitted(call, step, Axis::Rows, rows.around)?;
    }
    let slide = |one: &Spread| Slide { dilation: one.dilation, ..Slide::new(one.kernel, 1, 0) };
    let window = Window { rows: rows.map_or(Slide::new(1, 1, 0), slide), columns: slide(columns) };
    let (channels, groups) =
        (extent(outputs.saturating_mul(images.count))?, extent(groups.saturating_mul(images.count))?);
    let step = call.add(Op::Conv { window, groups, channels, bias }, vec![step], params)?;
    let shape = call.importer.steps.shape(step);
    let mut dims = vec![images.count, outputs];
    dims.extend(rows.map(|_| u64::from(shape.height)));
    dims.push(u64::from(shape.width));
    Ok(vec![Value::Tensor(Tensor { step, dims })])
}

/// The weight of the convolution: outputs first, and the taps of each kernel from the last to the first.
fn turned(call: &mut Call<'_, '_, '_>, weight: &Constant, groups: u64) -> Result<Rc<Vec<f32>>, Problem> {
    let values = weight.to_floats(&mut call.importer.budget)?;
    call.importer.budget.take(weight.len())?;
    let taps: usize = weight.dims[2..].iter().product::<u64>().try_into().unwrap_or(usize::MAX);
    let [inputs, outputs, groups] = [weight.dims[0], weight.dims[1], groups].map(|count| count as usize);
    let inner = inputs / groups;
    let mut turned = Vec::with_capacity(values.len());
    for group in 0..groups {
        for output in 0..outputs {
            for input in 0..inner {
                let start = ((group * inner + input) * outputs + output) * taps;
                turned.extend(values[start..start + taps].iter().rev());
            }
        }
    }
    Ok(Rc::new(turned))
}

fn spreads(call: &Call<'_, '_, '_>, kernel: &[u64], spatial: &[u64]) -> Result<Vec<Spread>, Problem> {
    let axes = spatial.len();
    let numbers = |name: &str, default: i64, count: usize| {
        let said = call.attributes.ints(name)?.map_or_else(|| vec![default; count], <[i64]>::to_vec);
        let fits = said.len() == count && said.iter().all(|number| (0..=i64::from(MAX_WINDOW)).contains(number));
        if fits { Ok(said) } else { lack(format!("has the {name} {said:?} where {count} numbers belong")) }
    };
    let (strides, dilations) = (numbers("strides", 1, axes)?, numbers("dilations", 1, axes)?);
    let (pads, extra) = (numbers("pads", 0, 2 * axes)?, numbers("output_padding", 0, axes)?);
    let auto = call.attributes.text("auto_pad", "NOTSET")?;
    let said = call.attributes.ints("output_shape")?.map(|said| said[said.len().saturating_sub(axes)..].to_vec());
    if said.as_ref().is_some_and(|said| said.len() != axes) {
        return wrong("has an output shape of another number of axes");
    }
    let mut all = Vec::with_capacity(axes);
    for axis in 0..axes {
        let (stride, dilation) = (strides[axis], dilations[axis]);
        let (taps, places) = (i64::from(extent(kernel[axis])?), i64::from(extent(spatial[axis])?));
        let window = (taps - 1) * dilation + 1;
        let whole = stride * (places - 1) + extra[axis] + window;
        let wanted = match (&said, auto) {
            (Some(said), _) => Some(said[axis]),
            (None, "SAME_UPPER" | "SAME_LOWER") => Some(places * stride),
            _ => None,
        };
        let (before, after) = match wanted.map(|wanted| whole.saturating_sub(wanted)) {
            None => (pads[axis], pads[axis + axes]),
            Some(total) if total < 0 => (0, total),
            Some(total) if auto == "SAME_UPPER" => (total / 2, total - total / 2),
            Some(total) => (total - total / 2, total / 2),
        };
        let behind = (window - 1).saturating_sub(after).saturating_add(extra[axis] - (stride - 1));
        all.push(Spread {
            kernel: extent(kernel[axis])?,
            stride: extent(stride.unsigned_abs())?,
            dilation: extent(dilation.unsigned_abs())?,
            around: ((window - 1).saturating_sub(before), behind),
        });
    }
    Ok(all)
}

/// `stride` − 1 zeros behind each place of an axis.
fn apart(call: &mut Call<'_, '_, '_>, step: StepId, axis: Axis, stride: u32) -> Result<StepId, Problem> {
    if stride == 0 {
        return wrong("has a stride of 0");
    }
    if stride == 1 {
        return Ok(step);
    }
    let Shape { channels, height, width } = call.importer.steps.shape(step);
    let (lines, done) = match axis {
        Axis::Rows => (
            Shape::new(extent(u64::from(channels) * u64::from(height))?, 1, width),
            Shape::new(channels, extent(u64::from(height) * u64::from(stride))?, width),
        ),
        _ => (
            Shape::new(channels, extent(u64::from(height) * u64::from(width))?, 1),
            Shape::new(channels, height, extent(u64::from(width) * u64::from(stride))?),
        ),
    };
    let lines = call.shaped(&Tensor { step, dims: Vec::new() }, lines)?;
    let mut pad = Pad { before: [0; 3], after: [0; 3], fill: Fill::Constant(0.0) };
    pad.after[axis.index()] = stride - 1;
    let step = call.add(Op::Pad(pad), vec![lines], Vec::new())?;
    call.shaped(&Tensor { step, dims: Vec::new() }, done)
}

/// Places added, or taken away where negative, at both ends of an axis.
fn fitted(
    call: &mut Call<'_, '_, '_>,
    mut step: StepId,
    axis: Axis,
    (before, behind): (i64, i64),
) -> Result<StepId, Problem> {
    let size = i64::from(call.importer.steps.shape(step).extent(axis));
    let (start, end) = (before.saturating_neg().max(0), size.saturating_add(behind.min(0)));
    if start >= end {
        return lack("takes everything away by its padding");
    }
    if (start, end) != (0, size) {
        let slice = Slice::range(axis, extent(start.unsigned_abs())?, extent(end.unsigned_abs())?);
        step = call.add(Op::Slice(slice), vec![step], Vec::new())?;
    }
    let (before, behind) = (extent(before.max(0).unsigned_abs())?, extent(behind.max(0).unsigned_abs())?);
    if (before, behind) == (0, 0) {
        return Ok(step);
    }
    let mut pad = Pad { before: [0; 3], after: [0; 3], fill: Fill::Constant(0.0) };
    (pad.before[axis.index()], pad.after[axis.index()]) = (before, behind);
    call.add(Op::Pad(pad), vec![step], Vec::new())
}
