//! Operators that move elements, over many shapes and arrangements, each compared with the oracle.

use super::net::{Net, agrees, conv};
use cnasc_ir::op::{Axis, Fill, Pad, Reshape, Slice, Transpose};
use cnasc_ir::{Op, Shape, TensorId};
use proptest::prelude::*;

const IMAGE: TensorId = TensorId(0);

fn shapes() -> impl Strategy<Value = Shape> {
    (1..=50_u32, 1..=9_u32, 1..=9_u32).prop_map(|(channels, height, width)| Shape::new(channels, height, width))
}

fn axes() -> impl Strategy<Value = Axis> {
    prop::sample::select(Axis::ALL.to_vec())
}

fn fills() -> impl Strategy<Value = Fill> {
    let constant = (-3_i8..=3).prop_map(|value| Fill::Constant(f32::from(value)));
    prop_oneof![constant, Just(Fill::Reflect), Just(Fill::Edge), Just(Fill::Wrap)]
}

/// The operator alone on the image, or between convolutions, the one behind it with a border.
fn check(image: Shape, op: Op, between: bool) -> Result<(), TestCaseError> {
    let mut net = Net::new(image, 1);
    let input = if between { net.add(conv(3, image.channels), &[IMAGE]) } else { IMAGE };
    let Some(moved) = net.try_add(op, &[input]) else { return Ok(()) };
    if between {
        let relu = net.add(Op::Relu, &[moved]);
        net.add(conv(3, 5), &[relu]);
    }
    agrees(&net, 3).map_err(TestCaseError::fail)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn slices(image in shapes(), axis in axes(), start in -60..=60_i64, end in -60..=60_i64, step in -4..=4_i64, between: bool) {
        let Ok(slice) = Slice::between(axis, image.extent(axis), start, end, step) else { return Ok(()) };
        prop_assert!(Op::Slice(slice).output(&[image]).is_ok(), "{slice} of {image}");
        check(image, Op::Slice(slice), between)?;
    }

    #[test]
    fn slices_of_whole_blocks(image in shapes(), start in 0..3_u32, count in 1..=50_u32) {
        check(image, Op::Slice(Slice::range(Axis::Channels, 16 * start, 16 * start + count)), false)?;
    }

    #[test]
    fn pads(
        image in shapes(), before in prop::array::uniform3(0..=20_u32), after in prop::array::uniform3(0..=20_u32), fill in fills(),
        planes: bool, between: bool,
    ) {
        let keep = |mut sides: [u32; 3]| {
            if planes {
                sides[0] = 0;
            }
            sides
        };
        check(image, Op::Pad(Pad { before: keep(before), after: keep(after), fill }), between)?;
    }

    #[test]
    fn transpositions(image in shapes(), order in 0..6_usize, between: bool) {
        let [c, r, w] = Axis::ALL;
        let axes = [[c, r, w], [c, w, r], [r, c, w], [r, w, c], [w, c, r], [w, r, c]][order];
        check(image, Op::Transpose(Transpose { axes }), between)?;
    }

    #[test]
    fn reshapes(factors in prop::array::uniform6(1..=4_u32), order in any::<[u8; 6]>(), between: bool) {
        let extents = |order: &[usize; 6]| {
            let product = |range: std::ops::Range<usize>| order[range].iter().map(|&index| factors[index]).product();
            Shape::new(product(0..2), product(2..4), product(4..6))
        };
        let mut turned = [0, 1, 2, 3, 4, 5];
        turned.sort_by_key(|&index| order[index]);
        check(extents(&[0, 1, 2, 3, 4, 5]), Op::Reshape(Reshape { shape: extents(&turned) }), between)?;
    }

    #[test]
    fn joins(image in shapes(), axis in axes(), others in prop::collection::vec(1..=5_u32, 0..4)) {
        let mut net = Net::new(image, 2);
        let mut pieces = vec![IMAGE];
        for count in others {
            let count = count.min(image.extent(axis));
            pieces.push(net.add(Op::Slice(Slice::range(axis, 0, count)), &[IMAGE]));
        }
        net.add(Op::Concat { axis }, &pieces);
        agrees(&net, 3).map_err(TestCaseError::fail)?;
    }

    /// What a file may claim is refused or works, and nothing panics.
    #[test]
    fn hostile_slices_and_pads(image in shapes(), axis in axes(), start: u32, count: u32, step: i32, sides: [u32; 6], shape: [u32; 3]) {
        let [a, b, c, d, e, f] = sides;
        let [channels, height, width] = shape;
        let ops = [
            Op::Slice(Slice { axis, start, count, step }),
            Op::Pad(Pad { before: [a, b, c], after: [d, e, f], fill: Fill::Reflect }),
            Op::Reshape(Reshape { shape: Shape::new(channels, height, width) }),
        ];
        for op in ops {
            let valid = op.output(&[image]).map_or(true, Shape::is_valid);
            prop_assert!(valid, "{op}");
        }
    }
}

/// A channel shuffle of two groups, as ShuffleNet has it: split the channels, swap the two axes, join them.
#[test]
fn a_channel_shuffle() {
    let mut net = Net::new(Shape::new(48, 5, 6), 3);
    let split = net.add(Op::Reshape(Reshape { shape: Shape::new(2, 24, 30) }), &[IMAGE]);
    let axes = [Axis::Rows, Axis::Channels, Axis::Columns];
    let swapped = net.add(Op::Transpose(Transpose { axes }), &[split]);
    let joined = net.add(Op::Reshape(Reshape { shape: Shape::new(48, 5, 6) }), &[swapped]);
    net.add(conv(3, 8), &[joined]);
    agrees(&net, 4).unwrap();
}
