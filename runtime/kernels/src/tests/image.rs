//! Reductions, resizing, transposed convolutions and products, over many shapes, each compared with the oracle.

use super::net::{Net, agrees, conv};
use cnasc_ir::op::{Axes, Axis, Coordinates, Interpolation, Reduce, Reduction, Resize, Rounding, Slide, Window};
use cnasc_ir::{Op, Shape, TensorId};
use proptest::prelude::*;

const IMAGE: TensorId = TensorId(0);

fn shapes() -> impl Strategy<Value = Shape> {
    (1..=40_u32, 1..=7_u32, 1..=7_u32).prop_map(|(channels, height, width)| Shape::new(channels, height, width))
}

fn coordinates() -> impl Strategy<Value = Coordinates> {
    prop::sample::select(vec![
        Coordinates::HalfPixel,
        Coordinates::PytorchHalfPixel,
        Coordinates::HalfPixelSymmetric,
        Coordinates::AlignCorners,
        Coordinates::Asymmetric,
    ])
}

fn interpolations() -> impl Strategy<Value = Interpolation> {
    let roundings = vec![Rounding::PreferFloor, Rounding::PreferCeil, Rounding::Floor, Rounding::Ceil];
    prop_oneof![Just(Interpolation::Linear), prop::sample::select(roundings).prop_map(Interpolation::Nearest)]
}

fn slides() -> impl Strategy<Value = Slide> {
    (1..=4_u32, 1..=3_u32, 1..=2_u32, 0..=5_u32, 0..=5_u32)
        .prop_map(|(kernel, stride, dilation, before, after)| Slide { kernel, stride, dilation, before, after })
}

/// The operator alone on the image, or between convolutions, the one behind it with a border.
fn check(image: Shape, op: Op, between: bool) -> Result<(), TestCaseError> {
    let mut net = Net::new(image, 1);
    let input = if between { net.add(conv(3, image.channels), &[IMAGE]) } else { IMAGE };
    let Some(found) = net.try_add(op, &[input]) else { return Ok(()) };
    if between {
        let relu = net.add(Op::Relu, &[found]);
        net.add(conv(3, 5), &[relu]);
    }
    agrees(&net, 3).map_err(TestCaseError::fail)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn reductions(image in shapes(), which in 1..8_u8, to in 0..3_usize, between: bool) {
        let axes: Axes = Axis::ALL.into_iter().filter(|&axis| which >> axis.index() & 1 == 1).collect();
        let to = [Reduction::Mean, Reduction::Sum, Reduction::Max][to];
        check(image, Op::Reduce(Reduce { to, axes }), between)?;
    }

    #[test]
    fn resizings(
        image in shapes(), height in 1..=15_u32, width in 1..=15_u32, coordinates in coordinates(), by in interpolations(),
        scales in prop::option::of((0.2..4.0_f32, 0.2..4.0_f32)), between: bool,
    ) {
        let mut resize = Resize::to(image, (height, width), coordinates, by);
        if let Some((rows, columns)) = scales {
            resize.scales = [rows, columns];
        }
        check(image, Op::Resize(resize), between)?;
    }

    #[test]
    fn transposed_convolutions(
        plane in (1..=6_u32, 1..=6_u32), groups in 1..=3_u32, per_group in (1..=7_u32, 1..=7_u32), rows in slides(), columns in slides(),
        more in prop::array::uniform2(0..=2_u32), bias: bool, between: bool,
    ) {
        let image = Shape::new(groups * per_group.0, plane.0, plane.1);
        let window = Window { rows, columns };
        check(image, Op::ConvTranspose { window, more, groups, channels: groups * per_group.1, bias }, between)?;
    }

    #[test]
    fn transposed_depthwise(image in shapes(), rows in slides(), columns in slides(), bias: bool) {
        let (window, groups) = (Window { rows, columns }, image.channels);
        check(image, Op::ConvTranspose { window, more: [0; 2], groups, channels: groups, bias }, false)?;
    }

    #[test]
    fn products(channels in 1..=40_u32, extents in prop::array::uniform3(1..=7_u32), between: bool) {
        let [height, inner, width] = extents;
        let mut net = Net::new(Shape::new(channels, 2, 3), 1);
        let start = if between { net.add(conv(3, channels), &[IMAGE]) } else { IMAGE };
        let matrices = [(height, inner), (inner, width)].map(|(height, width)| {
            let resize = Resize::to(Shape::new(channels, 2, 3), (height, width), Coordinates::HalfPixel, Interpolation::Linear);
            net.add(Op::Resize(resize), &[start])
        });
        net.add(Op::MatMul, &matrices);
        agrees(&net, 3).map_err(TestCaseError::fail)?;
    }

    /// What a file may claim is refused or works, and nothing panics.
    #[test]
    fn hostile_numbers(image in shapes(), numbers: [u32; 8], scales: [f32; 2], coordinates in coordinates(), by in interpolations()) {
        let [height, width, kernel, stride, dilation, before, after, groups] = numbers;
        let slide = Slide { kernel, stride, dilation, before, after };
        let window = Window { rows: slide, columns: slide };
        let resize = Resize { height, width, scales, coordinates, interpolation: by };
        for op in [
            Op::Resize(resize),
            Op::Resize(Resize { height: height % 64, width: width % 64, ..resize }),
            Op::ConvTranspose { window, more: [before, after], groups, channels: height, bias: true },
        ] {
            let valid = op.output(&[image]).map_or(true, Shape::is_valid);
            prop_assert!(valid, "{op}");
            // Where it was refused too, an estimate may be asked for.
            for place in [0, 1, height.wrapping_sub(1)] {
                let between = resize.between(Axis::Rows, place, image.height);
                prop_assert!(between.high < image.height && between.low <= between.high && (0.0..=1.0).contains(&between.part));
            }
        }
    }
}
