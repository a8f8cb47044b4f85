//! The shape of one image's tensor.

use crate::op::Axis;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Channels, height and width of an fp32 tensor of one image. A vector is `(n, 1, 1)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(u32, u32, u32)", into = "(u32, u32, u32)")]
pub struct Shape {
    /// Channels.
    pub channels: u32,
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
}

impl Shape {
    /// The greatest extent of any dimension and, squared, of the product: keeps every size in a `u64` of bytes.
    pub const MAX_EXTENT: u32 = 1 << 20;
    /// The most elements that a tensor may have.
    pub const MAX_ELEMENTS: u64 = 1 << 30;

    /// `channels` × `height` × `width`.
    #[must_use]
    pub fn new(channels: u32, height: u32, width: u32) -> Self {
        Self { channels, height, width }
    }

    /// The extent along an axis.
    #[must_use]
    pub fn extent(self, axis: Axis) -> u32 {
        match axis {
            Axis::Channels => self.channels,
            Axis::Rows => self.height,
            Axis::Columns => self.width,
        }
    }

    /// The same with another extent along one axis.
    #[must_use]
    pub fn with(mut self, axis: Axis, extent: u32) -> Self {
        match axis {
            Axis::Channels => self.channels = extent,
            Axis::Rows => self.height = extent,
            Axis::Columns => self.width = extent,
        }
        self
    }

    /// Number of elements.
    #[must_use]
    pub fn elements(self) -> u64 {
        u64::from(self.channels) * u64::from(self.height) * u64::from(self.width)
    }

    /// Elements of one channel.
    #[must_use]
    pub fn plane(self) -> u64 {
        u64::from(self.height) * u64::from(self.width)
    }

    /// Bytes as fp32, without any padding of a layout.
    #[must_use]
    pub fn bytes(self) -> u64 {
        4 * self.elements()
    }

    /// Whether every extent is at least one and the whole stays within the limits.
    #[must_use]
    pub fn is_valid(self) -> bool {
        let extents = [self.channels, self.height, self.width];
        extents.iter().all(|&extent| (1..=Self::MAX_EXTENT).contains(&extent)) && self.elements() <= Self::MAX_ELEMENTS
    }
}

impl From<(u32, u32, u32)> for Shape {
    fn from((channels, height, width): (u32, u32, u32)) -> Self {
        Self { channels, height, width }
    }
}

impl From<Shape> for (u32, u32, u32) {
    fn from(shape: Shape) -> Self {
        (shape.channels, shape.height, shape.width)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}
