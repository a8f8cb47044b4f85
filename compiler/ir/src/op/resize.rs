//! Resizing of images: rows and columns taken again at other distances.
//!
//! Along each axis an output place has a coordinate in the input ([`Coordinates`]); the value there is that of the nearest place or lies
//! between the two around it. Coordinates are 32-bit numbers, as in the runtimes that models are made for: which place is nearest hangs
//! on how a quotient like 3/0.6 is rounded.

use super::Axis;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Other extents of rows and columns, with values in between.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resize {
    /// Rows of the output.
    pub height: u32,
    /// Columns of the output.
    pub width: u32,
    /// Output places an input place, of rows and of columns, as coordinates are reckoned with; the extents may be rounded.
    pub scales: [f32; 2],
    /// Where an output place lies in the input.
    pub coordinates: Coordinates,
    /// The value there.
    pub interpolation: Interpolation,
}

/// Where output place x lies, with the scale s, the extent n of the input and m of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coordinates {
    /// (x + 1/2)/s − 1/2.
    HalfPixel,
    /// The same, and 0 where m = 1.
    PytorchHalfPixel,
    /// The same from the middle: n/2 · (1 − m/(s·n)) + (x + 1/2)/s − 1/2.
    HalfPixelSymmetric,
    /// x · (n − 1)/(m − 1), and 0 where m = 1.
    AlignCorners,
    /// x/s.
    Asymmetric,
}

/// The value between places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// That of the nearest place.
    Nearest(Rounding),
    /// On the line between those of the two places around it, along rows and columns.
    Linear,
}

/// Which place is the nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// The nearer one, the lower of two as near.
    PreferFloor,
    /// The nearer one, the upper of two as near.
    PreferCeil,
    /// The one below.
    Floor,
    /// The one above.
    Ceil,
}

/// Scales lie between this and one over it: beyond any in use, and far enough from overflow.
const LEAST_SCALE: f32 = 1e-6;

/// Two places and how much of the second there is in between.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Between {
    /// The place below.
    pub low: u32,
    /// The place above; the same where there is none.
    pub high: u32,
    /// The part of `high`, 0 to 1; the rest is `low`'s.
    pub part: f32,
}

impl Resize {
    /// To `height` × `width` by the ratio of the extents.
    #[must_use]
    pub fn to(input: Shape, (height, width): (u32, u32), coordinates: Coordinates, by: Interpolation) -> Self {
        let ratio = |to: u32, from: u32| to as f32 / from.max(1) as f32;
        let scales = [ratio(height, input.height), ratio(width, input.width)];
        Self { height, width, scales, coordinates, interpolation: by }
    }

    /// The places around output place `place` of an axis of `extent`; both the same where the nearest is taken.
    #[must_use]
    pub fn between(&self, axis: Axis, place: u32, extent: u32) -> Between {
        let (scale, places) = match axis {
            Axis::Channels => (1.0, extent),
            Axis::Rows => (self.scales[0], self.height),
            Axis::Columns => (self.scales[1], self.width),
        };
        let last = extent.saturating_sub(1);
        let at = self.coordinates.of(place, scale, extent, places);
        let on_axis = |at: f32| if at > 0.0 { (at as u32).min(last) } else { 0 };
        match self.interpolation {
            Interpolation::Nearest(rounding) => {
                let low = on_axis(rounding.round(at));
                Between { low, high: low, part: 0.0 }
            }
            Interpolation::Linear => {
                let at = at.max(0.0).min(last as f32);
                let low = on_axis(at.floor());
                Between { low, high: (low + 1).min(last), part: at - low as f32 }
            }
        }
    }

    pub(super) fn output(&self, input: Shape) -> Result<Shape, String> {
        let bounds = LEAST_SCALE..=LEAST_SCALE.recip();
        if let Some(scale) = self.scales.iter().find(|scale| !bounds.contains(scale)) {
            return Err(format!("needs scales of {LEAST_SCALE:e} to {:e}, found {scale}", bounds.end()));
        }
        Ok(Shape::new(input.channels, self.height, self.width))
    }
}

impl Coordinates {
    fn of(self, place: u32, scale: f32, extent: u32, places: u32) -> f32 {
        let (at, from, to) = (place as f32, extent as f32, places as f32);
        let half_pixel = (at + 0.5) / scale - 0.5;
        match self {
            Self::HalfPixel => half_pixel,
            Self::PytorchHalfPixel => {
                if places > 1 {
                    half_pixel
                } else {
                    0.0
                }
            }
            Self::HalfPixelSymmetric => from / 2.0 * (1.0 - to / (scale * from)) + half_pixel,
            Self::AlignCorners => {
                if places > 1 {
                    at * (from - 1.0) / (to - 1.0)
                } else {
                    0.0
                }
            }
            Self::Asymmetric => at / scale,
        }
    }
}

impl Rounding {
    fn round(self, at: f32) -> f32 {
        match self {
            Self::PreferFloor => (at - 0.5).ceil(),
            Self::PreferCeil => (at + 0.5).floor(),
            Self::Floor => at.floor(),
            Self::Ceil => at.ceil(),
        }
    }
}

impl fmt::Display for Resize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "resize {}x{} ", self.height, self.width)?;
        f.write_str(match self.interpolation {
            Interpolation::Linear => "linear",
            Interpolation::Nearest(Rounding::PreferFloor) => "nearest",
            Interpolation::Nearest(Rounding::PreferCeil) => "nearest (prefer ceil)",
            Interpolation::Nearest(Rounding::Floor) => "nearest (floor)",
            Interpolation::Nearest(Rounding::Ceil) => "nearest (ceil)",
        })?;
        f.write_str(match self.coordinates {
            Coordinates::HalfPixel => "",
            Coordinates::PytorchHalfPixel => " pytorch_half_pixel",
            Coordinates::HalfPixelSymmetric => " half_pixel_symmetric",
            Coordinates::AlignCorners => " align_corners",
            Coordinates::Asymmetric => " asymmetric",
        })
    }
}
