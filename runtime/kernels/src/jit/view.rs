//! How a buffer holds a tensor: the blocked layout of [`cnasc_bundle::layout`] with, where it helps, a border of zeros.
//!
//! A tensor that padded convolutions read is stored `[H + 2b][C/16][W + 2b][16]`, its outermost `b` rows and columns zero, so that
//! no kernel has to ask whether a tap lies on the image. What leaves the device has no border. What is concatenated is written where it is to be: as some
//! blocks of a longer tensor. An image of few channels that gets a border by being copied is copied without most of its empty lanes.

use cnasc_bundle::layout::{self, LANES};
use cnasc_ir::Shape;
use cnasc_ir::op::Window;

/// A tensor's shape and the border around it. All distances are in floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct View {
    /// Of the tensor itself.
    pub shape: Shape,
    /// Zero rows and columns on each side.
    pub border: u32,
    /// Where it is some channels of a longer tensor: the tensor's blocks, and the block at which these start.
    pub within: Option<(u32, u32)>,
    /// Whether pixels have [`NARROW`](Self::NARROW) lanes only, which hold all channels; what few kernels read and write.
    pub narrow: bool,
}

impl View {
    /// Without a border: the bytes that are exchanged.
    pub fn plain(shape: Shape) -> Self {
        Self { shape, border: 0, within: None, narrow: false }
    }

    /// So many channels of this one from that block on, in the same buffer.
    pub fn channels_from(&self, block: u32, channels: u32) -> Self {
        let blocks = self.within.map_or_else(|| layout::blocks(self.shape) as u32, |(blocks, _)| blocks);
        let first = self.within.map_or(0, |(_, first)| first);
        let shape = Shape { channels, ..self.shape };
        Self { shape, border: self.border, within: Some((blocks, first + block)), narrow: false }
    }

    /// Whether two views of one buffer have no float in common.
    pub fn is_apart(&self, other: &Self) -> bool {
        let range = |view: &Self| {
            let first = view.within.map_or(0, |(_, first)| u64::from(first));
            (first, first + view.blocks())
        };
        let ((first, end), (other_first, other_end)) = (range(self), range(other));
        end <= other_first || other_end <= first
    }

    pub fn blocks(&self) -> u64 {
        layout::blocks(self.shape) as u64
    }

    pub fn height(&self) -> u64 {
        u64::from(self.shape.height)
    }

    pub fn width(&self) -> u64 {
        u64::from(self.shape.width)
    }

    /// From a pixel to the next in its row, unless it is narrow.
    pub const PIXEL: u64 = LANES as u64;

    /// The same of a narrow one.
    pub const NARROW: u64 = 4;

    /// From a pixel to the next in its row.
    pub fn pixel(&self) -> u64 {
        if self.narrow { Self::NARROW } else { Self::PIXEL }
    }

    /// From a block of channels to the next.
    pub fn block_pitch(&self) -> u64 {
        (self.width() + 2 * u64::from(self.border)) * self.pixel()
    }

    /// From a row to the next.
    pub fn row_pitch(&self) -> u64 {
        self.within.map_or(self.blocks(), |(blocks, _)| u64::from(blocks)) * self.block_pitch()
    }

    /// Of the first lane of the tensor's top left pixel.
    pub fn origin(&self) -> u64 {
        u64::from(self.border) * (self.row_pitch() + self.pixel()) + self.start()
    }

    /// Of the first lane of the first pixel that a window with this padding sees; the border must hold the padding.
    pub fn corner(&self, window: &Window) -> u64 {
        let (top, left) = (self.border - window.rows.before, self.border - window.columns.before);
        u64::from(top) * self.row_pitch() + u64::from(left) * self.pixel() + self.start()
    }

    /// Of the first block in its row.
    fn start(&self) -> u64 {
        self.within.map_or(0, |(_, first)| u64::from(first)) * self.block_pitch()
    }

    /// All floats of the buffer, border included.
    pub fn len(&self) -> u64 {
        (self.height() + 2 * u64::from(self.border)).saturating_mul(self.row_pitch())
    }

    /// Channels of the last block that are padding.
    pub fn spare_lanes(&self) -> u64 {
        self.blocks() * Self::PIXEL - u64::from(self.shape.channels)
    }
}
