//! The bytes of a tensor: `[height][channels / 16][width][16]` fp32, channels padded to a multiple of 16 with zeros.
//!
//! Sixteen channels are one AVX-512 register, two of AVX2, four of NEON and of SSE. One row of all channels is contiguous, so that rows can be
//! computed and sent one by one. The lanes above the last channel are zero in every tensor: kernels may rely on it and must keep it.

use cnasc_ir::Shape;

/// Channels of one block.
pub const LANES: usize = 16;

/// Blocks of `shape`.
#[must_use]
pub fn blocks(shape: Shape) -> usize {
    (shape.channels as usize).div_ceil(LANES)
}

/// Floats that a tensor of `shape` takes, padding included.
#[must_use]
pub fn len(shape: Shape) -> usize {
    blocks(shape) * LANES * shape.height as usize * shape.width as usize
}

/// The place of one element.
#[must_use]
pub fn index(shape: Shape, channel: usize, row: usize, column: usize) -> usize {
    let width = shape.width as usize;
    ((row * blocks(shape) + channel / LANES) * width + column) * LANES + channel % LANES
}

/// From plain order (channel, row, column) to blocked; `plain` has [`Shape::elements`] values, `blocked` [`len`].
///
/// # Panics
/// Where a slice has another length.
pub fn to_blocked(shape: Shape, plain: &[f32], blocked: &mut [f32]) {
    assert_eq!(blocked.len(), len(shape), "the blocked slice fits the shape");
    blocked.fill(0.0);
    for_each(shape, plain.len(), |from, to| blocked[to] = plain[from]);
}

/// From blocked order to plain; the inverse of [`to_blocked`].
///
/// # Panics
/// Where a slice has another length.
pub fn to_plain(shape: Shape, blocked: &[f32], plain: &mut [f32]) {
    assert_eq!(blocked.len(), len(shape), "the blocked slice fits the shape");
    for_each(shape, plain.len(), |to, from| plain[to] = blocked[from]);
}

/// Takes the lanes that pad channels out of a tensor, which is how it travels: an image of three channels is 5.3 times as large with them.
/// `packed` has [`Shape::elements`] values, row by row as `blocked` has them.
///
/// # Panics
/// Where a slice has another length.
pub fn pack(shape: Shape, blocked: &[f32], packed: &mut [f32]) {
    let rows = Rows::of(shape, blocked.len(), packed.len());
    for (from, to) in blocked.chunks_exact(rows.blocked).zip(packed.chunks_exact_mut(rows.packed)) {
        let ((from, ragged_from), (to, ragged_to)) = (from.split_at(rows.whole), to.split_at_mut(rows.whole));
        to.copy_from_slice(from);
        for (from, to) in ragged_from.chunks_exact(LANES).zip(ragged_to.chunks_exact_mut(rows.lanes)) {
            to.copy_from_slice(&from[..rows.lanes]);
        }
    }
}

/// Puts the lanes that pad channels back, as zeros; the inverse of [`pack`].
///
/// # Panics
/// Where a slice has another length.
pub fn unpack(shape: Shape, packed: &[f32], blocked: &mut [f32]) {
    let rows = Rows::of(shape, blocked.len(), packed.len());
    for (from, to) in packed.chunks_exact(rows.packed).zip(blocked.chunks_exact_mut(rows.blocked)) {
        let ((from, ragged_from), (to, ragged_to)) = (from.split_at(rows.whole), to.split_at_mut(rows.whole));
        to.copy_from_slice(from);
        for (from, to) in ragged_from.chunks_exact(rows.lanes).zip(ragged_to.chunks_exact_mut(LANES)) {
            to[..rows.lanes].copy_from_slice(from);
            to[rows.lanes..].fill(0.0);
        }
    }
}

/// Whether a tensor has lanes that pad its channels.
#[must_use]
pub fn is_padded(shape: Shape) -> bool {
    !(shape.channels as usize).is_multiple_of(LANES)
}

/// The floats of a row: of all its blocks, of all its channels, and of the blocks that channels fill; and the channels of a last block.
struct Rows {
    blocked: usize,
    packed: usize,
    whole: usize,
    lanes: usize,
}

impl Rows {
    fn of(shape: Shape, blocked_len: usize, packed_len: usize) -> Self {
        assert_eq!(blocked_len, len(shape), "the blocked slice fits the shape");
        assert_eq!(packed_len as u64, shape.elements(), "the packed slice fits the shape");
        let (channels, width) = (shape.channels as usize, shape.width as usize);
        let whole = channels / LANES * LANES * width;
        // No block is ragged where the remainder is 0, and then nothing is cut into pieces of this many lanes.
        let lanes = (channels % LANES).max(1);
        Self { blocked: blocks(shape) * LANES * width, packed: channels * width, whole, lanes }
    }
}

/// Calls `visit(plain index, blocked index)` for every element.
fn for_each(shape: Shape, plain_len: usize, mut visit: impl FnMut(usize, usize)) {
    assert_eq!(plain_len as u64, shape.elements(), "the plain slice fits the shape");
    let (height, width) = (shape.height as usize, shape.width as usize);
    let mut plain = 0;
    for channel in 0..shape.channels as usize {
        for row in 0..height {
            let start = index(shape, channel, row, 0);
            for column in 0..width {
                visit(plain, start + column * LANES);
                plain += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocked_and_back() {
        let shape = Shape::new(19, 3, 5);
        let plain: Vec<f32> = (0..shape.elements()).map(|value| value as f32 + 1.0).collect();
        let mut blocked = vec![7.0; len(shape)];
        to_blocked(shape, &plain, &mut blocked);
        assert_eq!(blocked[index(shape, 17, 2, 4)], plain[(17 * 3 + 2) * 5 + 4]);
        let zeros = blocked.iter().filter(|&&value| value == 0.0).count();
        assert_eq!(zeros, (32 - 19) * 15, "every padded lane is zero");
        let mut back = vec![0.0; plain.len()];
        to_plain(shape, &blocked, &mut back);
        assert_eq!(back, plain);
    }

    #[test]
    fn packed_and_back() {
        for channels in [1, 3, 15, 16, 19, 32, 33] {
            let shape = Shape::new(channels, 3, 5);
            let plain: Vec<f32> = (0..shape.elements()).map(|value| value as f32 + 1.0).collect();
            let mut blocked = vec![7.0; len(shape)];
            to_blocked(shape, &plain, &mut blocked);
            let mut packed = vec![7.0; plain.len()];
            pack(shape, &blocked, &mut packed);
            let expected: Vec<f32> = blocked.iter().copied().filter(|&value| value != 0.0).collect();
            assert_eq!(packed, expected, "all values in their order, and no padding, of {channels} channels");
            let mut back = vec![7.0; blocked.len()];
            unpack(shape, &packed, &mut back);
            assert_eq!(back, blocked);
            assert_eq!(is_padded(shape), packed.len() != blocked.len());
        }
    }
}
