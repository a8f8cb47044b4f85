//! Windows that move over an image: their arithmetic, and how they are written.
//!
//! Along each axis, output place `o` sees the input places `o·stride − before + t·dilation` for `t` in `0..kernel`; places outside the
//! image are padding. In JSON a window is the fields `kernel`, `stride`, `padding` and `dilation` of its operator: a number where all sides
//! agree, else `[rows, columns]` or `[top, left, bottom, right]`. A dilation of 1 is left out, and for pools a padding of 0.

use super::MAX_WINDOW;
use crate::shape::Shape;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::ops::Range;

/// A window along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slide {
    /// Taps.
    pub kernel: u32,
    /// From one output place to the next.
    pub stride: u32,
    /// From one tap to the next.
    pub dilation: u32,
    /// Places added before the image.
    pub before: u32,
    /// Places added behind the image.
    pub after: u32,
}

/// A window over rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// How it moves down.
    pub rows: Slide,
    /// How it moves to the right.
    pub columns: Slide,
}

impl Slide {
    /// Without dilation, with `padding` on both ends.
    #[must_use]
    pub const fn new(kernel: u32, stride: u32, padding: u32) -> Self {
        Self { kernel, stride, dilation: 1, before: padding, after: padding }
    }

    /// Input places from the first tap to the last, both counted; nothing for a window of no taps.
    #[must_use]
    pub fn extent(&self) -> u64 {
        u64::from(self.kernel.saturating_sub(1)) * u64::from(self.dilation) + u64::from(self.kernel.min(1))
    }

    /// Number of output places on an image of `extent`; none where the window does not fit on it and its padding.
    #[must_use]
    pub fn places(&self, extent: u32) -> Option<u32> {
        let padded = u64::from(extent) + u64::from(self.before) + u64::from(self.after);
        let steps = padded.checked_sub(self.extent())?.checked_div(u64::from(self.stride))? + 1;
        u32::try_from(steps).ok()
    }

    /// Number of output places where this slide goes the other way, as in a transposed convolution: one input place spreads over
    /// a window, and `extra` places are added behind.
    ///
    /// # Errors
    /// Where a number is out of bounds, or nothing is left.
    pub fn transposed(&self, extent: u32, extra: u32) -> Result<u32, String> {
        self.check()?;
        if extra >= self.stride.max(self.dilation) {
            return Err("needs an output padding below its stride or its dilation".to_owned());
        }
        let whole = u64::from(extent.saturating_sub(1)) * u64::from(self.stride) + self.extent() + u64::from(extra);
        let cut = u64::from(self.before) + u64::from(self.after);
        if whole <= cut {
            return Err(format!("leaves nothing: its padding takes {cut} of {whole}"));
        }
        u32::try_from(whole - cut).map_err(|_| "gives too large an image".to_owned())
    }

    /// Bounds that keep every sum here, and in what kernels compute from it, far from overflow.
    fn check(&self) -> Result<(), String> {
        if self.kernel == 0 || self.stride == 0 || self.dilation == 0 {
            return Err("needs a kernel, a stride and a dilation of at least 1".to_owned());
        }
        let numbers = [self.kernel, self.stride, self.dilation, self.before, self.after];
        if numbers.iter().any(|&number| number > MAX_WINDOW) {
            return Err(format!("needs a kernel, a stride, a dilation and a padding of at most {MAX_WINDOW}"));
        }
        Ok(())
    }

    /// The input place of the first tap at output place `place`, counted from the image's first: negative in the padding.
    #[must_use]
    pub fn start(&self, place: u32) -> i64 {
        i64::from(place) * i64::from(self.stride) - i64::from(self.before)
    }

    /// The taps at output place `place` that lie on an image of `extent`, or on the image and so many places before and after it.
    #[must_use]
    pub fn inside(&self, place: u32, extent: u32, (before, after): (u32, u32)) -> Range<u32> {
        let (start, dilation) = (self.start(place), i64::from(self.dilation.max(1)));
        let taps = |distance: i64| u32::try_from(distance.max(0)).unwrap_or(u32::MAX).min(self.kernel);
        // The first tap at or behind a place, as i64::div_ceil would give it.
        let from = |edge: i64| taps((edge - start + dilation - 1).div_euclid(dilation));
        let first = from(-i64::from(before));
        first..from(i64::from(extent) + i64::from(after)).max(first)
    }

    /// Whether some output place on an image of `extent` sees nothing but padding.
    #[must_use]
    pub fn sees_padding_alone(&self, extent: u32, places: u32) -> bool {
        // Only windows that begin before the image can miss it between two taps; those that begin behind it miss it anyway.
        let early = self.before.div_ceil(self.stride.max(1)).min(places);
        let mut suspects = (0..early).chain(places.checked_sub(1));
        suspects.any(|place| self.inside(place, extent, (0, 0)).is_empty())
    }
}

impl Window {
    /// A square window without dilation, with `padding` on all four sides.
    #[must_use]
    pub const fn square(kernel: u32, stride: u32, padding: u32) -> Self {
        let slide = Slide::new(kernel, stride, padding);
        Self { rows: slide, columns: slide }
    }

    /// The window of a convolution that keeps the size of an image where its stride is 1 and its kernel odd.
    #[must_use]
    pub const fn same(kernel: u32, stride: u32) -> Self {
        Self::square(kernel, stride, kernel / 2)
    }

    /// Its height and width in taps.
    #[must_use]
    pub fn kernel(&self) -> (u32, u32) {
        (self.rows.kernel, self.columns.kernel)
    }

    /// Number of taps.
    #[must_use]
    pub fn taps(&self) -> u64 {
        u64::from(self.rows.kernel) * u64::from(self.columns.kernel)
    }

    /// Top, left, bottom, right.
    #[must_use]
    pub fn padding(&self) -> [u32; 4] {
        [self.rows.before, self.columns.before, self.rows.after, self.columns.after]
    }

    /// Height and width of the output on an image of `input`.
    ///
    /// # Errors
    /// Where a number is out of bounds, or the window does not fit.
    pub fn output(&self, input: Shape) -> Result<(u32, u32), String> {
        let places = |slide: &Slide, extent: u32| {
            slide.check()?;
            let misfit = || format!("does not fit an image of {input}: its window of {} is larger", slide.extent());
            slide.places(extent).ok_or_else(misfit)
        };
        Ok((places(&self.rows, input.height)?, places(&self.columns, input.width)?))
    }

    /// The part of the text form behind the operator's name: `3`, `3/2`, `1x7`, `3/2x1`, and, where they differ from what is usual,
    /// dilation and padding.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, usual: Usual) -> fmt::Result {
        let strides = (self.rows.stride, self.columns.stride);
        if !usual.kernel_said {
            f.write_str(&pair(self.kernel()))?;
        }
        if strides != usual.stride {
            write!(f, "/{}", pair(strides))?;
        }
        let dilations = (self.rows.dilation, self.columns.dilation);
        if dilations != (1, 1) {
            write!(f, " dilation {}", pair(dilations))?;
        }
        let (rows, columns) = usual.padding;
        if self.padding() == [rows, columns, rows, columns] {
            Ok(())
        } else {
            write!(f, " pad {}", sides(self.padding()))
        }
    }
}

/// What the text form of a window leaves out.
#[derive(Clone, Copy)]
pub(super) struct Usual {
    pub kernel_said: bool,
    pub stride: (u32, u32),
    pub padding: (u32, u32),
}

fn pair((rows, columns): (u32, u32)) -> String {
    if rows == columns { rows.to_string() } else { format!("{rows}x{columns}") }
}

/// Four sides as text: one number where they agree.
pub(super) fn sides(padding: [u32; 4]) -> String {
    let [top, left, bottom, right] = padding;
    if padding == [top; 4] { top.to_string() } else { format!("{top},{left},{bottom},{right}") }
}

/// A window as the fields of its operator.
#[derive(Serialize, Deserialize)]
struct Written {
    kernel: Both,
    stride: Both,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    padding: Option<Sides>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dilation: Option<Both>,
}

/// Rows and columns.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Both {
    One(u32),
    Two([u32; 2]),
}

/// Top, left, bottom, right; one number where they agree.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
enum Sides {
    One(u32),
    Four([u32; 4]),
}

impl From<(u32, u32)> for Both {
    fn from((rows, columns): (u32, u32)) -> Self {
        if rows == columns { Self::One(rows) } else { Self::Two([rows, columns]) }
    }
}

impl From<Both> for [u32; 2] {
    fn from(written: Both) -> Self {
        match written {
            Both::One(both) => [both; 2],
            Both::Two(two) => two,
        }
    }
}

impl From<[u32; 4]> for Sides {
    fn from(four: [u32; 4]) -> Self {
        if four == [four[0]; 4] { Self::One(four[0]) } else { Self::Four(four) }
    }
}

impl From<Sides> for [u32; 4] {
    fn from(written: Sides) -> Self {
        match written {
            Sides::One(all) => [all; 4],
            Sides::Four(four) => four,
        }
    }
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Window, D::Error> {
    let written = Written::deserialize(deserializer)?;
    let (kernel, stride) = (<[u32; 2]>::from(written.kernel), <[u32; 2]>::from(written.stride));
    let dilation = written.dilation.map_or([1; 2], Into::into);
    let padding: [u32; 4] = written.padding.map_or([0; 4], Into::into);
    let slide = |axis: usize| Slide {
        kernel: kernel[axis],
        stride: stride[axis],
        dilation: dilation[axis],
        before: padding[axis],
        after: padding[axis + 2],
    };
    Ok(Window { rows: slide(0), columns: slide(1) })
}

fn write<S: Serializer>(window: &Window, padding: Option<Sides>, serializer: S) -> Result<S::Ok, S::Error> {
    let dilation = (window.rows.dilation, window.columns.dilation);
    let written = Written {
        kernel: window.kernel().into(),
        stride: (window.rows.stride, window.columns.stride).into(),
        padding,
        dilation: (dilation != (1, 1)).then(|| dilation.into()),
    };
    written.serialize(serializer)
}

/// The window of a convolution: its padding is always written.
pub(super) mod padded {
    use super::{Deserializer, Serializer, Window};

    pub fn serialize<S: Serializer>(window: &Window, serializer: S) -> Result<S::Ok, S::Error> {
        super::write(window, Some(window.padding().into()), serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Window, D::Error> {
        super::read(deserializer)
    }
}

/// The window of a pool: its padding is written where there is some.
pub(super) mod bare {
    use super::{Deserializer, Serializer, Window};

    pub fn serialize<S: Serializer>(window: &Window, serializer: S) -> Result<S::Ok, S::Error> {
        let padding = window.padding();
        super::write(window, (padding != [0; 4]).then(|| padding.into()), serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Window, D::Error> {
        super::read(deserializer)
    }
}

/// Whether nothing is added behind rows and columns.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(super) fn none_more(more: &[u32; 2]) -> bool {
    *more == [0; 2]
}

/// Four sides that are left out where all are zero.
pub(super) mod counted {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Sides};

    pub fn none(sides: &[u32; 4]) -> bool {
        *sides == [0; 4]
    }

    pub fn serialize<S: Serializer>(sides: &[u32; 4], serializer: S) -> Result<S::Ok, S::Error> {
        Sides::from(*sides).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u32; 4], D::Error> {
        Sides::deserialize(deserializer).map(Into::into)
    }
}
