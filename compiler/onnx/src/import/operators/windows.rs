//! Convolutions and pools: where their windows lie.

use super::super::call::Call;
use super::super::constant::elements;
use super::super::error::{Problem, lack, wrong};
use super::super::values::{Tensor, Value, extent};
use cnasc_ir::op::{MAX_WINDOW, Slide, Window};
use cnasc_ir::{Op, Shape};
use std::rc::Rc;

/// `Conv`
///
/// Several images in a batch are the channels of one, each with its own group, so that they stay apart.
pub(super) fn conv(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let images = Images::of(call.tensor(0)?)?;
    let weight = call.constant(1)?;
    let [outputs, per_group, kernel @ ..] = weight.dims.as_slice() else {
        return wrong("has a weight of fewer than two extents");
    };
    let groups = match u64::try_from(call.attributes.int("group", 1)?) {
        Ok(groups) if groups > 0 && outputs.is_multiple_of(groups) => groups,
        _ => return wrong("has a number of groups that does not divide its outputs"),
    };
    if per_group.checked_mul(groups) != Some(images.channels) {
        return wrong(format!("reads {} channels, its weight is for {per_group} in {groups} groups", images.channels));
    }
    if call.attributes.ints("kernel_shape")?.is_some_and(|said| !same(said, kernel)) {
        return wrong(format!("has a weight of {kernel:?} taps and says another kernel"));
    }
    let slides = slides(call, kernel, &images.spatial)?;
    let window = match slides.as_slice() {
        [columns] => Window { rows: columns.rows(), columns: columns.slide },
        [rows, columns] => Window { rows: rows.slide, columns: columns.slide },
        other => return lack(format!("moves along {} axes; one and two are taken in", other.len())),
    };
    let bias = call.optional(2).is_some();
    let mut params = vec![call.floats(1, weight.len())?];
    if bias {
        params.push(call.floats(2, *outputs)?);
    }
    for values in &mut params {
        *values = call.repeated(values, images.count)?;
    }
    let (channels, groups) = (extent(images.count * outputs)?, extent(images.count * groups)?);
    let input = call.shaped(&images.tensor, images.shape()?)?;
    let step = call.add(Op::Conv { window, groups, channels, bias }, vec![input], params)?;
    let mut dims = vec![images.count, *outputs];
    dims.extend(images.spatial.iter().zip(&slides).map(|(&extent, along)| along.places(extent)));
    Ok(vec![Value::Tensor(Tensor { step, dims })])
}

/// `MaxPool` and `AveragePool`; along three axes and more, one after the other: what is greatest, or the mean, of a box is that of
/// those of its rows.
pub(super) fn pool(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let images = Images::of(call.tensor(0)?)?;
    let Some(said) = call.attributes.ints("kernel_shape")? else { return wrong("does not say its kernel") };
    let Ok(kernel) = said.iter().map(|&taps| u64::try_from(taps)).collect::<Result<Vec<_>, _>>() else {
        return wrong(format!("has a kernel of {said:?}"));
    };
    let slides = slides(call, &kernel, &images.spatial)?;
    let mean = call.op == "AveragePool";
    let counts = mean && call.attributes.flag("count_include_pad")?;
    let Tensor { mut step, mut dims } = images.tensor;
    let mut axis = 0;
    while axis < slides.len() {
        // Two axes at once where they are the last.
        let (rows, columns) = match &slides[axis..] {
            [columns] => (None, Some(columns)),
            [rows, columns] => (Some(rows), Some(columns)),
            [rows, ..] => (Some(rows), None),
            [] => break,
        };
        let whole = Along::WHOLE;
        let (above, left) = (rows.unwrap_or(&whole), columns.unwrap_or(&whole));
        let window = Window { rows: above.slide, columns: left.slide };
        let first = 2 + axis;
        let next = first + usize::from(rows.is_some());
        let shape = Shape::new(product(&dims[..first])?, product(&dims[first..next])?, product(&dims[next..])?);
        let counted = [above.said.0, left.said.0, above.said.1, left.said.1];
        let op = match (mean, counts) {
            (false, _) => Op::MaxPool { window },
            (true, true) => Op::AvgPool { window, counted },
            (true, false) => Op::AvgPool { window, counted: [0; 4] },
        };
        let input = call.shaped(&Tensor { step, dims: dims.clone() }, shape)?;
        step = call.add(op, vec![input], Vec::new())?;
        for along in rows.into_iter().chain(columns) {
            dims[2 + axis] = along.places(dims[2 + axis]);
            axis += 1;
        }
    }
    Ok(vec![Value::Tensor(Tensor { step, dims })])
}

/// `GlobalAveragePool` and `GlobalMaxPool`
pub(super) fn global(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let images = Images::of(call.tensor(0)?)?;
    let shape = images.shape()?;
    let op = if call.op == "GlobalAveragePool" {
        Op::GlobalAvg
    } else {
        let whole = |extent: u32| Slide::new(extent, extent, 0);
        Op::MaxPool { window: Window { rows: whole(shape.height), columns: whole(shape.width) } }
    };
    let input = call.shaped(&images.tensor, shape)?;
    let step = call.add(op, vec![input], Vec::new())?;
    let mut dims = vec![1; images.tensor.dims.len()];
    (dims[0], dims[1]) = (images.count, images.channels);
    Ok(vec![Value::Tensor(Tensor { step, dims })])
}

/// A tensor of images: a batch, channels, and one extent or more of space.
pub(super) struct Images {
    pub tensor: Tensor,
    /// In the batch.
    pub count: u64,
    /// Of one image.
    pub channels: u64,
    pub spatial: Vec<u64>,
}

impl Images {
    pub(super) fn of(tensor: Tensor) -> Result<Self, Problem> {
        let [count, channels, spatial @ ..] = tensor.dims.as_slice() else {
            return wrong(format!("reads a tensor of {:?} as images", tensor.dims));
        };
        let (count, channels, spatial) = (*count, *channels, spatial.to_vec());
        Ok(Self { tensor, count, channels, spatial })
    }

    /// Channels of all images, one behind the other; all axes of space but the last are rows.
    pub(super) fn shape(&self) -> Result<Shape, Problem> {
        let channels = product(&[self.count, self.channels])?;
        match self.spatial.split_last() {
            None => Ok(Shape::new(channels, 1, 1)),
            Some((columns, rows)) => Ok(Shape::new(channels, product(rows)?, extent(*columns)?)),
        }
    }
}

impl Call<'_, '_, '_> {
    /// The values again and again.
    pub(super) fn repeated(&mut self, values: &Rc<Vec<f32>>, times: u64) -> Result<Rc<Vec<f32>>, Problem> {
        if times == 1 {
            return Ok(Rc::clone(values));
        }
        let count = elements(&[values.len() as u64, times])?;
        self.importer.budget.take(count)?;
        let times = usize::try_from(times).unwrap_or(usize::MAX);
        Ok(Rc::new(values.repeat(times)))
    }
}

fn product(dims: &[u64]) -> Result<u32, Problem> {
    extent(elements(dims)?)
}

fn same(said: &[i64], found: &[u64]) -> bool {
    said.len() == found.len() && said.iter().zip(found).all(|(&said, &found)| u64::try_from(said) == Ok(found))
}

/// A window along one axis.
struct Along {
    slide: Slide,
    /// The padding before and behind without what is added so that the last window fits.
    said: (u32, u32),
}

impl Along {
    /// One place after the other.
    const WHOLE: Self = Self { slide: Slide::new(1, 1, 0), said: (0, 0) };

    /// Of a tensor without rows: one row.
    fn rows(&self) -> Slide {
        Self::WHOLE.slide
    }

    fn places(&self, extent: u64) -> u64 {
        let places = u32::try_from(extent).ok().and_then(|extent| self.slide.places(extent));
        u64::from(places.unwrap_or(0))
    }
}

/// The windows that a node's settings say, one an axis of space.
fn slides(call: &Call<'_, '_, '_>, kernel: &[u64], spatial: &[u64]) -> Result<Vec<Along>, Problem> {
    if kernel.len() != spatial.len() {
        return wrong(format!("has a kernel of {} axes on images of {}", kernel.len(), spatial.len()));
    }
    let axes = spatial.len();
    let numbers = |name: &str, default: i64, count: usize| {
        let said = call.attributes.ints(name)?.map_or_else(|| vec![default; count], <[i64]>::to_vec);
        if said.len() == count { Ok(said) } else { wrong(format!("has {} {name} where {count} belong", said.len())) }
    };
    let (strides, dilations) = (numbers("strides", 1, axes)?, numbers("dilations", 1, axes)?);
    let auto = call.attributes.text("auto_pad", "NOTSET")?;
    let pads = if auto == "NOTSET" { numbers("pads", 0, 2 * axes)? } else { vec![0; 2 * axes] };
    let ceil = call.attributes.flag("ceil_mode")?;
    let mut all = Vec::with_capacity(axes);
    for axis in 0..axes {
        let taps = i64::try_from(kernel[axis]).unwrap_or(i64::MAX);
        let mut slide = Slide {
            kernel: number("kernel", taps, 1)?,
            stride: number("stride", strides[axis], 1)?,
            dilation: number("dilation", dilations[axis], 1)?,
            before: number("padding", pads[axis], 0)?,
            after: number("padding", pads[axis + axes], 0)?,
        };
        let extent = u64::from(extent(spatial[axis])?);
        match auto {
            "NOTSET" | "VALID" => {}
            "SAME_UPPER" | "SAME_LOWER" => keep(&mut slide, extent, auto == "SAME_UPPER")?,
            other => return wrong(format!("has the unknown padding `{}`", super::shown(other))),
        }
        let said = (slide.before, slide.after);
        if ceil {
            reach(&mut slide, extent)?;
        }
        all.push(Along { slide, said });
    }
    Ok(all)
}

fn number(what: &str, said: i64, least: i64) -> Result<u32, Problem> {
    match u32::try_from(said) {
        Ok(number) if said >= least && number <= MAX_WINDOW => Ok(number),
        _ => lack(format!("has a {what} of {said}; {least} to {MAX_WINDOW} are taken in")),
    }
}

/// Pads so that there are as many places as strides, the odd one behind where `upper`.
fn keep(slide: &mut Slide, extent: u64, upper: bool) -> Result<(), Problem> {
    let places = extent.div_ceil(u64::from(slide.stride));
    let reach = places.saturating_sub(1) * u64::from(slide.stride) + slide.extent();
    let total = reach.saturating_sub(extent);
    let (less, more) = (total / 2, total.div_ceil(2));
    let (before, after) = if upper { (less, more) } else { (more, less) };
    let padding = |side: u64| number("padding", i64::try_from(side).unwrap_or(i64::MAX), 0);
    (slide.before, slide.after) = (padding(before)?, padding(after)?);
    Ok(())
}

/// Pads behind so that the last window that begins on the image, or on the padding before it, has its place.
fn reach(slide: &mut Slide, extent: u64) -> Result<(), Problem> {
    let stride = u64::from(slide.stride);
    let padded = extent + u64::from(slide.before) + u64::from(slide.after);
    let Some(rest) = padded.checked_sub(slide.extent()) else { return Ok(()) };
    let mut last = rest.div_ceil(stride);
    if last * stride >= extent + u64::from(slide.before) {
        last -= 1;
    }
    let wanted = (last * stride + slide.extent()).saturating_sub(extent + u64::from(slide.before));
    slide.after = slide.after.max(number("padding", i64::try_from(wanted).unwrap_or(i64::MAX), 0)?);
    Ok(())
}
