//! Operators that move elements: shapes, what is refused, how they are written.

use cnasc_ir::Shape;
use cnasc_ir::op::{Axis, Fill, Op, Pad, Reshape, Slice, Transpose};

fn written(op: &Op) -> String {
    let json = serde_json::to_string(op).expect("operators are written");
    assert_eq!(serde_json::from_str::<Op>(&json).expect("what is written is read"), *op);
    format!("{op} | {json}")
}

fn slice(axis: Axis, start: u32, count: u32, step: i32) -> Op {
    Op::Slice(Slice { axis, start, count, step })
}

#[test]
fn shapes() {
    let image = Shape::new(8, 5, 7);
    let output = |op: Op| op.output(&[image]).expect("it fits");
    assert_eq!(output(slice(Axis::Columns, 6, 3, -3)), Shape::new(8, 5, 3));
    let pad = Pad { before: [1, 2, 3], after: [0, 4, 5], fill: Fill::Edge };
    assert_eq!(output(Op::Pad(pad)), Shape::new(9, 11, 15));
    assert_eq!(output(Op::Pad(Pad::zeros([1, 2, 3, 4]))), Shape::new(8, 9, 13));
    let axes = [Axis::Columns, Axis::Channels, Axis::Rows];
    assert_eq!(output(Op::Transpose(Transpose { axes })), Shape::new(7, 8, 5));
    let flat = Shape::new(280, 1, 1);
    assert_eq!(output(Op::Reshape(Reshape { shape: flat })), flat);
    for op in [slice(Axis::Rows, 0, 1, 1), Op::Pad(pad), Op::Reshape(Reshape { shape: flat })] {
        assert!(op.params(&[image]).is_empty());
        assert_eq!(op.flops(&[image], output(op.clone())), 0);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let image = Shape::new(8, 5, 7);
    let error = |op: Op| op.output(&[image]).expect_err("does not fit").to_string();
    insta::assert_snapshot!(error(slice(Axis::Rows, 2, 4, 1)), @"slice rows 2..6 goes from 2 to 5, beyond the 5 rows of 8x5x7");
    insta::assert_snapshot!(error(slice(Axis::Rows, 2, 4, -1)), @"slice rows 4 from 2 by -1 goes from 2 to -1, beyond the 5 rows of 8x5x7");
    insta::assert_snapshot!(error(slice(Axis::Rows, u32::MAX, u32::MAX, i32::MAX)), @"slice rows 4294967295 from 4294967295 by 2147483647 goes from 4294967295 to 9223372032559808513, beyond the 5 rows of 8x5x7");
    insta::assert_snapshot!(error(slice(Axis::Rows, 0, 1, 0)), @"slice rows 1 from 0 by 0 needs a step that is not zero and a place to take");
    insta::assert_snapshot!(error(slice(Axis::Rows, 0, 0, 1)), @"slice rows 0..0 needs a step that is not zero and a place to take");
    let pad = |before, fill| Op::Pad(Pad { before, after: [0; 3], fill });
    insta::assert_snapshot!(error(pad([0, u32::MAX, 0], Fill::Edge)), @"pad rows 4294967295,0 edge would give a tensor of 8x4294967295x7, which is empty or too large");
    insta::assert_snapshot!(error(pad([0, 1, 0], Fill::Constant(f32::NAN))), @"pad rows 1,0 with NaN needs a finite number to fill with, found NaN");
    insta::assert_snapshot!(error(Op::Transpose(Transpose { axes: [Axis::Rows, Axis::Rows, Axis::Columns] })), @"transpose rows,rows,columns needs each of the three axes once");
    insta::assert_snapshot!(error(Op::Reshape(Reshape { shape: Shape::new(8, 6, 6) })), @"reshape 8x6x6 needs as many elements as 8x5x7: 280, not 288");
    insta::assert_snapshot!(error(Op::Reshape(Reshape { shape: Shape::new(u32::MAX, u32::MAX, u32::MAX) })), @"reshape 4294967295x4294967295x4294967295 would give a tensor of 4294967295x4294967295x4294967295, which is empty or too large");
}

#[test]
fn texts() {
    insta::assert_snapshot!(written(&slice(Axis::Channels, 3, 4, 1)), @r#"slice channels 3..7 | {"op":"slice","axis":"channels","start":3,"count":4}"#);
    insta::assert_snapshot!(written(&slice(Axis::Columns, 6, 4, -2)), @r#"slice columns 4 from 6 by -2 | {"op":"slice","axis":"columns","start":6,"count":4,"step":-2}"#);
    insta::assert_snapshot!(written(&Op::Pad(Pad::zeros([1, 2, 3, 4]))), @r#"pad rows 1,3 columns 2,4 | {"op":"pad","before":[0,1,2],"after":[0,3,4]}"#);
    insta::assert_snapshot!(written(&Op::Pad(Pad { before: [1, 0, 0], after: [0; 3], fill: Fill::Constant(0.5) })), @r#"pad channels 1,0 with 0.5 | {"op":"pad","before":[1,0,0],"after":[0,0,0],"fill":{"constant":0.5}}"#);
    insta::assert_snapshot!(written(&Op::Pad(Pad { before: [0, 1, 0], after: [0, 2, 0], fill: Fill::Reflect })), @r#"pad rows 1,2 reflect | {"op":"pad","before":[0,1,0],"after":[0,2,0],"fill":"reflect"}"#);
    let axes = [Axis::Columns, Axis::Channels, Axis::Rows];
    insta::assert_snapshot!(written(&Op::Transpose(Transpose { axes })), @r#"transpose columns,channels,rows | {"op":"transpose","axes":["columns","channels","rows"]}"#);
    insta::assert_snapshot!(written(&Op::Reshape(Reshape { shape: Shape::new(280, 1, 1) })), @r#"reshape 280x1x1 | {"op":"reshape","shape":[280,1,1]}"#);
    assert!(serde_json::from_str::<Op>(r#"{"op":"slice","axis":"rows","start":1,"count":2,"size":3}"#).is_err());
    assert!(serde_json::from_str::<Op>(r#"{"op":"slice","axis":"rows","start":-1,"count":2}"#).is_err());
    assert!(serde_json::from_str::<Op>(r#"{"op":"pad","before":[0,1],"after":[0,0,0]}"#).is_err());
}
