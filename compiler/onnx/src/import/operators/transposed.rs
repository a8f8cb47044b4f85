//! `ConvTranspose`: windows that spread each pixel over the output.

use super::super::call::Call;
use super::super::error::{Problem, lack, wrong};
use super::super::values::{Tensor, Value, extent};
use super::windows::Images;
use cnasc_ir::Op;
use cnasc_ir::op::{MAX_WINDOW, Slide, Window};

/// A window along one axis of space.
struct Spread {
    slide: Slide,
    /// Places added behind.
    more: u32,
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
    let bias = call.optional(2).is_some();
    let mut params = vec![call.floats(1, weight.len())?];
    if bias {
        params.push(call.floats(2, outputs)?);
    }
    for values in &mut params {
        *values = call.repeated(values, images.count)?;
    }
    let one = Spread { slide: Slide::new(1, 1, 0), more: 0 };
    let window = Window { rows: rows.unwrap_or(&one).slide, columns: columns.slide };
    let (channels, groups) =
        (extent(outputs.saturating_mul(images.count))?, extent(groups.saturating_mul(images.count))?);
    let more = [rows.unwrap_or(&one).more, columns.more];
    let input = call.shaped(&images.tensor, images.shape()?)?;
    let step = call.add(Op::ConvTranspose { window, more, groups, channels, bias }, vec![input], params)?;
    let shape = call.importer.steps.shape(step);
    let mut dims = vec![images.count, outputs];
    dims.extend(rows.map(|_| u64::from(shape.height)));
    dims.push(u64::from(shape.width));
    Ok(vec![Value::Tensor(Tensor { step, dims })])
}

/// What happens along each axis of space.
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
            Some(total) if total < 0 => (0, 0),
            Some(total) if auto == "SAME_UPPER" => (total / 2, total - total / 2),
            Some(total) => (total - total / 2, total / 2),
        };
        let more = extra[axis].saturating_add(wanted.map_or(0, |wanted| wanted.saturating_sub(whole).max(0)));
        let number = |number: i64| u32::try_from(number).ok().filter(|&number| number <= MAX_WINDOW);
        let numbers = (number(stride), number(dilation), number(before), number(after), number(more));
        let (Some(stride), Some(dilation), Some(before), Some(after), Some(more)) = numbers else {
            return lack(format!("pads by {before} and {after}, or adds {more} places behind"));
        };
        all.push(Spread { slide: Slide { kernel: extent(kernel[axis])?, stride, dilation, before, after }, more });
    }
    Ok(all)
}
