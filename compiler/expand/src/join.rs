//! Scaling blocks (paper.md, Figure 4b): inputs of unequal shapes → inputs of one shape.
//!
//! Max pooling brings each image down to the smallest among them, then a 1×1 convolution without bias brings each input up to
//! the largest channel count; inputs that are concatenated keep their channels. Pooling halves (2×2 with step 2) as often as
//! needed. Where halving misses the size, as after a strided convolution of an odd image, one pooling takes its place whose step
//! is ⌊h/t⌋ and whose window is h − (t − 1)·step, for height h and target t: it ends exactly at the image's edge.

use crate::pipeline::{MAX_KERNEL, projection};
use cnasc_ir::architecture::Join;
use cnasc_ir::op::Op;
use cnasc_ir::{NodeId, Shape};

/// Two images that no pooling brings to one size.
#[derive(Debug)]
pub(crate) struct Mismatch {
    pub(crate) from: NodeId,
    pub(crate) shape: Shape,
    /// Height and width that were to be reached.
    pub(crate) target: (u32, u32),
}

/// Inputs brought to one shape.
pub(crate) struct Met {
    pub(crate) joins: Vec<Join>,
    /// The inputs' shapes behind their scaling blocks.
    pub(crate) shapes: Vec<Shape>,
    /// The largest channel count among the inputs.
    pub(crate) channels: u32,
}

/// Scales `inputs`, of which there is at least one; channels only where `project` says so.
pub(crate) fn meet(inputs: &[(NodeId, Shape)], project: bool) -> Result<Met, Mismatch> {
    let least = |extent: fn(&Shape) -> u32| inputs.iter().map(|(_, shape)| extent(shape)).min().unwrap_or(1);
    let target = (least(|shape| shape.height), least(|shape| shape.width));
    let channels = inputs.iter().map(|(_, shape)| shape.channels).max().unwrap_or(1);
    let mut met = Met { joins: Vec::with_capacity(inputs.len()), shapes: Vec::with_capacity(inputs.len()), channels };
    for &(from, shape) in inputs {
        let mut scale = pooling(shape, target).ok_or(Mismatch { from, shape, target })?;
        let mut scaled = Shape::new(shape.channels, target.0, target.1);
        if project && shape.channels != channels {
            scale.push(projection(channels));
            scaled.channels = channels;
        }
        met.joins.push(Join { from, scale });
        met.shapes.push(scaled);
    }
    Ok(met)
}

/// The poolings that bring an image to the target's height and width.
fn pooling(shape: Shape, target: (u32, u32)) -> Option<Vec<Op>> {
    let mut halvings = 0;
    let mut size = (shape.height, shape.width);
    while size.0 > target.0 && size.1 > target.1 {
        size = (size.0 / 2, size.1 / 2);
        halvings += 1;
    }
    if size == target {
        return Some(vec![Op::max_pool(2, 2); halvings]);
    }
    let (stride, kernel) = window(shape.height, target.0)?;
    let same = window(shape.width, target.1)? == (stride, kernel);
    (same && i64::from(kernel) <= MAX_KERNEL).then(|| vec![Op::max_pool(kernel, stride)])
}

/// Step and window that take `extent` to `target` exactly.
fn window(extent: u32, target: u32) -> Option<(u32, u32)> {
    let stride = extent.checked_div(target)?;
    Some((stride, extent - (target - 1) * stride))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scaling of an image of `size`² with 4 channels that meets one of `target`² with `channels`.
    fn check(size: u32, target: u32, channels: u32, expect: &str) {
        let inputs = [(NodeId(1), Shape::new(4, size, size)), (NodeId(2), Shape::new(channels, target, target))];
        let met = meet(&inputs, true).expect("square images always meet");
        assert_eq!(cnasc_ir::text::pipeline(&met.joins[0].scale), expect);
        assert!(met.joins[1].scale.is_empty());
        let shape = cnasc_ir::architecture::pipe(&met.joins[0].scale, &[inputs[0].1]);
        assert_eq!(shape, Ok(met.shapes[0]), "the recorded shape is the one that the operators give");
    }

    #[test]
    fn halves_then_projects() {
        check(28, 28, 4, "");
        check(28, 14, 4, "maxpool2");
        check(28, 7, 8, "maxpool2 -> maxpool2 -> pointwise 8");
        check(7, 3, 4, "maxpool2");
        check(28, 28, 8, "pointwise 8");
    }

    #[test]
    fn pools_at_once_where_halving_misses() {
        check(7, 4, 4, "maxpool4/1");
        check(28, 9, 4, "maxpool4/3");
        check(27, 9, 8, "maxpool3 -> pointwise 8");
    }

    #[test]
    fn concatenated_inputs_keep_their_channels() {
        let inputs = [(NodeId(1), Shape::new(4, 8, 8)), (NodeId(2), Shape::new(6, 4, 4))];
        let met = meet(&inputs, false).expect("8 halves to 4");
        assert_eq!(met.shapes, [Shape::new(4, 4, 4), Shape::new(6, 4, 4)]);
        assert_eq!(met.channels, 6);
    }

    #[test]
    fn unlike_images_do_not_meet() {
        let inputs = [(NodeId(1), Shape::new(4, 14, 28)), (NodeId(2), Shape::new(4, 28, 14))];
        let mismatch = meet(&inputs, true).err().expect("neither side can shrink alone");
        assert_eq!(mismatch.target, (14, 14));
    }
}
