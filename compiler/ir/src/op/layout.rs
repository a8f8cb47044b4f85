//! Operators that move elements and compute nothing: slices, padding, transposition, other extents.
//!
//! Along each axis every place of an output names the place of the input that it takes; backends share that arithmetic (`source`). What
//! a file claims is checked by `output`, after which none of it overflows.

use super::Axis;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Some places of one axis, at even distances; a negative step goes backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// Along which.
    pub axis: Axis,
    /// The first place taken.
    pub start: u32,
    /// How many are taken.
    pub count: u32,
    /// From one to the next; not zero.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub step: i32,
}

fn one() -> i32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(step: &i32) -> bool {
    *step == 1
}

impl Slice {
    /// The places from `start` to before `end`.
    #[must_use]
    pub const fn range(axis: Axis, start: u32, end: u32) -> Self {
        Self { axis, start, count: end.saturating_sub(start), step: 1 }
    }

    /// What ONNX's `Slice` takes of an axis of `extent`: negative bounds count from the end, bounds beyond it are moved to it.
    ///
    /// # Errors
    /// Where the step is zero or nothing is left.
    pub fn between(axis: Axis, extent: u32, start: i64, end: i64, step: i64) -> Result<Self, String> {
        let extent = i64::from(extent);
        let from_end = |bound: i64| if bound < 0 { bound.saturating_add(extent) } else { bound };
        let (low, high) = if step < 0 { (-1, extent - 1) } else { (0, extent) };
        let start = from_end(start).clamp(low.max(0), high);
        let length = i128::from(from_end(end).clamp(low, high)) - i128::from(start);
        let step_wide = i128::from(step);
        if step == 0 {
            return Err("needs a step that is not zero".to_owned());
        }
        if length.signum() != step_wide.signum() {
            return Err("leaves nothing of the axis".to_owned());
        }
        let count = (length.abs() - 1) / step_wide.abs() + 1;
        // A step that is longer than the axis takes one place, whatever it is.
        let step = if count == 1 { 1 } else { i32::try_from(step).map_err(|_| "has too great a step".to_owned())? };
        let number = |value: i128| u32::try_from(value).map_err(|_| "does not lie on the axis".to_owned());
        Ok(Self { axis, start: number(i128::from(start))?, count: number(count)?, step })
    }

    /// The place of the input that output place `place` takes.
    #[must_use]
    pub fn source(&self, place: u32) -> u32 {
        let place = i64::from(self.start) + i64::from(place) * i64::from(self.step);
        u32::try_from(place).unwrap_or(0)
    }

    pub(super) fn output(&self, input: Shape) -> Result<Shape, String> {
        let extent = input.extent(self.axis);
        if self.step == 0 || self.count == 0 {
            return Err("needs a step that is not zero and a place to take".to_owned());
        }
        let last = i128::from(self.start) + i128::from(self.count - 1) * i128::from(self.step);
        if self.start >= extent || last < 0 || last >= i128::from(extent) {
            return Err(format!("goes from {} to {last}, beyond the {extent} {} of {input}", self.start, self.axis));
        }
        Ok(input.with(self.axis, self.count))
    }
}

/// Places added before and after each axis.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pad {
    /// Before the first channel, row and column.
    pub before: [u32; 3],
    /// Behind the last channel, row and column.
    pub after: [u32; 3],
    /// What they hold.
    #[serde(default, skip_serializing_if = "Fill::is_zero")]
    pub fill: Fill,
}

/// What padding holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// This number, which is finite.
    Constant(f32),
    /// The tensor mirrored at its first and last places, which are not repeated; to and fro where the padding is longer than that.
    Reflect,
    /// The first or last place again and again.
    Edge,
    /// The tensor again from its other end.
    Wrap,
}

impl Default for Fill {
    fn default() -> Self {
        Self::Constant(0.0)
    }
}

impl Fill {
    fn is_zero(&self) -> bool {
        *self == Self::Constant(0.0)
    }
}

impl Pad {
    /// Zeros around the rows and columns of every channel: top, left, bottom, right.
    #[must_use]
    pub const fn zeros([top, left, bottom, right]: [u32; 4]) -> Self {
        Self { before: [0, top, left], after: [0, bottom, right], fill: Fill::Constant(0.0) }
    }

    /// The place of an axis of `extent` that output place `place` takes; none where it holds the constant.
    #[must_use]
    pub fn source(&self, axis: Axis, place: u32, extent: u32) -> Option<u32> {
        let (extent, place) = (i64::from(extent), i64::from(place) - i64::from(self.before[axis.index()]));
        let place = match self.fill {
            Fill::Constant(_) => Some(place).filter(|place| (0..extent).contains(place)),
            Fill::Edge => Some(place.clamp(0, extent - 1)),
            Fill::Wrap => Some(place.rem_euclid(extent)),
            Fill::Reflect => {
                // To the last place and back is a period; one place alone is its own mirror.
                let period = (2 * (extent - 1)).max(1);
                let place = place.rem_euclid(period);
                Some(if place < extent { place } else { period - place })
            }
        };
        place.and_then(|place| u32::try_from(place).ok())
    }

    pub(super) fn output(&self, input: Shape) -> Result<Shape, String> {
        if let Fill::Constant(value) = self.fill
            && !value.is_finite()
        {
            return Err(format!("needs a finite number to fill with, found {value}"));
        }
        let padded = |shape: Shape, axis: Axis| {
            let (before, after) = (self.before[axis.index()], self.after[axis.index()]);
            shape.with(axis, input.extent(axis).saturating_add(before).saturating_add(after))
        };
        Ok(Axis::ALL.into_iter().fold(input, padded))
    }
}

/// Axes in another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transpose {
    /// For the output's channels, rows and columns, the input's axis that becomes them; each once.
    pub axes: [Axis; 3],
}

impl Transpose {
    pub(super) fn output(&self, input: Shape) -> Result<Shape, String> {
        let mut sorted = self.axes;
        sorted.sort_unstable();
        if sorted != Axis::ALL {
            return Err("needs each of the three axes once".to_owned());
        }
        let [channels, height, width] = self.axes.map(|axis| input.extent(axis));
        Ok(Shape::new(channels, height, width))
    }
}

/// The same elements in the order channel, row, column with other extents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reshape {
    /// The extents.
    pub shape: Shape,
}

impl Reshape {
    pub(super) fn output(&self, input: Shape) -> Result<Shape, String> {
        // A file may claim extents whose product is beyond any number here.
        if self.shape.is_valid() && self.shape.elements() != input.elements() {
            let found = self.shape.elements();
            return Err(format!("needs as many elements as {input}: {}, not {found}", input.elements()));
        }
        Ok(self.shape)
    }
}

impl fmt::Display for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { axis, start, count, step } = *self;
        if step == 1 {
            write!(f, "slice {axis} {start}..{}", u64::from(start) + u64::from(count))
        } else {
            write!(f, "slice {axis} {count} from {start} by {step}")
        }
    }
}

impl fmt::Display for Pad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pad")?;
        for axis in Axis::ALL {
            let sides = (self.before[axis.index()], self.after[axis.index()]);
            if sides != (0, 0) {
                write!(f, " {axis} {},{}", sides.0, sides.1)?;
            }
        }
        match self.fill {
            Fill::Constant(0.0) => Ok(()),
            Fill::Constant(value) => write!(f, " with {value}"),
            Fill::Reflect => f.write_str(" reflect"),
            Fill::Edge => f.write_str(" edge"),
            Fill::Wrap => f.write_str(" wrap"),
        }
    }
}

impl fmt::Display for Transpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [channels, rows, columns] = self.axes;
        write!(f, "transpose {channels},{rows},{columns}")
    }
}

impl fmt::Display for Reshape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reshape {}", self.shape)
    }
}
