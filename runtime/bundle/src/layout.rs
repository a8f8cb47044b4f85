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
}
