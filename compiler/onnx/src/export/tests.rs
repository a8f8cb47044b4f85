//! Models of small graphs, looked at node by node.

use super::*;
use crate::proto::{Extent, Node};
use cnasc_ir::Shape;
use cnasc_ir::architecture::NodeId;
use cnasc_ir::op::{
    Axis, Coordinates, Fill, Gate, Interpolation, Op, Pad, ParamRole, Reduce, Reduction, Reshape, Resize, Rounding,
    Slice, Slide, Transpose, Window,
};
use cnasc_ir::tensor::{ParamId, ParamSpec, Step, TensorId};

/// A graph with one step a node, of these operators and inputs; parameters count up.
fn graph(image: Shape, steps: &[(Op, &[u32])]) -> (TensorGraph, Weights, Vec<String>) {
    let input = Step { op: Op::Input, inputs: Vec::new(), params: Vec::new(), shape: image, node: NodeId(0) };
    let mut graph = TensorGraph { steps: vec![input], params: Vec::new(), nodes: steps.len() as u32 + 1 };
    let mut weights = Weights::default();
    for (op, inputs) in steps {
        let inputs: Vec<TensorId> = inputs.iter().copied().map(TensorId).collect();
        let shapes: Vec<Shape> = inputs.iter().map(|&input| graph.step(input).shape).collect();
        let node = NodeId::new(graph.steps.len());
        let mut params = Vec::new();
        for (role, extents) in op.params(&shapes) {
            let name = format!("n{}.{}1.{}", node.0, op.name(), role.suffix());
            let spec = ParamSpec { name, role, extents };
            let counting = |place: u64| place as f32 * 0.5 + if role == ParamRole::Variance { 1.0 } else { -0.5 };
            weights.tensors.push((0..spec.elements()).map(counting).collect());
            params.push(ParamId::new(graph.params.len()));
            graph.params.push(spec);
        }
        let shape = op.output(&shapes).expect("the operators fit");
        graph.steps.push(Step { op: op.clone(), inputs, params, shape, node });
    }
    let nodes = (0..=steps.len()).map(|node| if node == 0 { "image".to_owned() } else { format!("n{node}") }).collect();
    (graph, weights, nodes)
}

fn model(image: Shape, steps: &[(Op, &[u32])], gates: Gates) -> Model {
    let (graph, weights, nodes) = graph(image, steps);
    export(Network { name: "net", nodes: &nodes, graph: &graph, weights: &weights }, gates).expect("it is small")
}

/// One line a node: `out = Op(in, in) {setting=…}`.
fn lines(model: &Model) -> Vec<String> {
    let graph = model.graph.as_ref().expect("a model has a graph");
    graph.node.iter().map(line).collect()
}

fn line(node: &Node) -> String {
    let settings: Vec<String> = node
        .attribute
        .iter()
        .map(|one| match one.r#type {
            1 => format!("{}={}", one.name, one.f),
            2 => format!("{}={}", one.name, one.i),
            3 => format!("{}={}", one.name, String::from_utf8_lossy(&one.s)),
            _ => format!("{}={:?}", one.name, one.ints),
        })
        .collect();
    let call = format!("{} = {}({})", node.output.join(", "), node.op_type, node.input.join(", "));
    [call].into_iter().chain(settings).collect::<Vec<_>>().join(" ")
}

fn extents(model: &Model, name: &str) -> Vec<i64> {
    let graph = model.graph.as_ref().expect("a model has a graph");
    let infos = graph.input.iter().chain(&graph.output).chain(&graph.value_info);
    let info = infos.into_iter().find(|info| info.name == name).expect("the tensor is declared");
    let shape = info.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref()?.shape.as_ref()).expect("with a shape");
    let extent = |dim: &crate::proto::Dimension| match dim.value {
        Some(Extent::Value(value)) => value,
        _ => -1,
    };
    shape.dim.iter().map(extent).collect()
}

fn values(model: &Model, name: &str) -> Vec<f32> {
    let graph = model.graph.as_ref().expect("a model has a graph");
    let tensor = graph.initializer.iter().find(|tensor| tensor.name == name).expect("the constant is there");
    let bytes = tensor.raw_data.chunks(4);
    bytes.map(|four| f32::from_le_bytes(four.try_into().expect("four bytes"))).collect()
}

#[test]
fn a_file_reads_as_it_was_written() {
    let conv = Op::Conv { window: Window::same(3, 2), groups: 1, channels: 4, bias: true };
    let model = model(Shape::new(3, 7, 7), &[(conv, &[0]), (Op::Relu, &[1])], Gates::Together);
    assert_eq!(Model::decode(&encode(&model)[..]).expect("it was just written"), model);
    insta::assert_snapshot!(lines(&model).join("\n"), @r"
    n1 = Conv(image, n1.conv1.weight, n1.conv1.bias) kernel_shape=[3, 3] strides=[2, 2] pads=[1, 1, 1, 1] dilations=[1, 1] group=1
    n2 = Relu(n1)
    ");
    assert_eq!(extents(&model, "n2"), [1, 4, 4, 4]);
    assert_eq!(values(&model, "n1.conv1.bias"), [-0.5, 0.0, 0.5, 1.0]);
}

#[test]
fn gates_are_split_or_apart() {
    let sum = |gate| [(Op::Relu, &[0][..]), (Op::WeightedSum { gate }, &[0, 1][..])];
    let image = Shape::new(2, 3, 3);
    insta::assert_snapshot!(lines(&model(image, &sum(Gate::SigmoidWeights), Gates::Together)).join("\n"), @r"
    n1 = Relu(image)
    n2.weighted_sum1.open = Sigmoid(n2.weighted_sum1.gate)
    n2.weighted_sum1.gate1, n2.weighted_sum1.gate2 = Split(n2.weighted_sum1.open, n2.weighted_sum1.sizes) axis=0
    n2.weighted_sum1.term1 = Mul(image, n2.weighted_sum1.gate1)
    n2.weighted_sum1.term2 = Mul(n1, n2.weighted_sum1.gate2)
    n2 = Add(n2.weighted_sum1.term1, n2.weighted_sum1.term2)
    ");
    let apart = model(image, &sum(Gate::Plain), Gates::Apart);
    insta::assert_snapshot!(lines(&apart).join("\n"), @r"
    n1 = Relu(image)
    n2.weighted_sum1.term1 = Mul(image, n2.weighted_sum1.gate1)
    n2.weighted_sum1.term2 = Mul(n1, n2.weighted_sum1.gate2)
    n2 = Add(n2.weighted_sum1.term1, n2.weighted_sum1.term2)
    ");
    assert_eq!(values(&apart, "n2.weighted_sum1.gate2"), [0.0]);
    insta::assert_snapshot!(lines(&model(image, &sum(Gate::SigmoidInputs), Gates::Apart)).join("\n"), @r"
    n1 = Relu(image)
    n2.weighted_sum1.open1 = Sigmoid(image)
    n2.weighted_sum1.term1 = Mul(n2.weighted_sum1.open1, n2.weighted_sum1.gate1)
    n2.weighted_sum1.open2 = Sigmoid(n1)
    n2.weighted_sum1.term2 = Mul(n2.weighted_sum1.open2, n2.weighted_sum1.gate2)
    n2 = Add(n2.weighted_sum1.term1, n2.weighted_sum1.term2)
    ");
}

#[test]
fn what_follows_a_linear_layer_is_flat_until_an_image_is_needed() {
    let linear = Op::Linear { outputs: 5, bias: false };
    let conv = Op::Conv { window: Window::same(1, 1), groups: 1, channels: 2, bias: false };
    let steps = [(linear, &[0][..]), (Op::Relu, &[1]), (conv, &[2]), (Op::GlobalAvg, &[2]), (Op::Sum, &[2, 4])];
    let model = model(Shape::new(2, 3, 3), &steps, Gates::Together);
    insta::assert_snapshot!(lines(&model).join("\n"), @r"
    n1.linear1.row = Flatten(image) axis=1
    n1 = Gemm(n1.linear1.row, n1.linear1.weight) transB=1
    n2 = Relu(n1)
    n3.conv1.image = Reshape(n2, n3.conv1.extents)
    n3 = Conv(n3.conv1.image, n3.conv1.weight) kernel_shape=[1, 1] strides=[1, 1] pads=[0, 0, 0, 0] dilations=[1, 1] group=1
    n4.global_avg1.image = Reshape(n2, n4.global_avg1.extents)
    n4 = GlobalAveragePool(n4.global_avg1.image)
    n5.sum1.image = Reshape(n2, n5.sum1.extents)
    n5 = Add(n5.sum1.image, n4)
    ");
    assert_eq!(extents(&model, "n2"), [1, 5]);
    assert_eq!(extents(&model, "n5"), [1, 5, 1, 1]);
}

/// Padding that counts in part becomes part of the image; what no window reaches is left out.
#[test]
fn means_over_padding() {
    let slide = |before, after| Slide { before, after, ..Slide::new(3, 2, 0) };
    let window = Window { rows: slide(1, 3), columns: slide(1, 1) };
    let pool = |counted| [(Op::AvgPool { window, counted }, &[0][..])];
    let image = Shape::new(1, 6, 5);
    for (counted, expect) in [
        (
            [0, 0, 0, 0],
            "n1 = AveragePool(image) kernel_shape=[3, 3] strides=[2, 2] pads=[1, 1, 2, 1] count_include_pad=0",
        ),
        (
            [1, 1, 3, 1],
            "n1 = AveragePool(image) kernel_shape=[3, 3] strides=[2, 2] pads=[1, 1, 2, 1] count_include_pad=1",
        ),
        (
            [1, 0, 0, 1],
            "n1.avgpool1.padded = Pad(image, n1.avgpool1.sides) ; n1 = AveragePool(n1.avgpool1.padded) kernel_shape=[3, 3] strides=[2, 2] pads=[0, 1, 2, 0] count_include_pad=0",
        ),
    ] {
        assert_eq!(lines(&model(image, &pool(counted), Gates::Together)).join(" ; "), expect, "{counted:?}");
    }
}

#[test]
fn names_that_collide_get_a_tilde() {
    let (graph, weights, mut nodes) = graph(Shape::new(1, 2, 2), &[(Op::Relu, &[0]), (Op::Relu, &[1])]);
    "n2.relu1".clone_into(&mut nodes[1]);
    let network = Network { name: "net", nodes: &nodes, graph: &graph, weights: &weights };
    let model = export(network, Gates::Together).expect("it is small");
    let names: Vec<&str> = model.graph.iter().flat_map(|graph| &graph.node).map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["n2.relu1.relu1", "n2.relu1~"]);
    let too_few = Network { nodes: &nodes[1..], ..network };
    let error = export(too_few, Gates::Together).expect_err("a name is missing");
    assert_eq!(error.to_string(), "`net`: has 3 nodes, 2 names were given");
}

#[test]
fn every_operator_is_written() {
    let conv = Op::Conv { window: Window::same(3, 1), groups: 2, channels: 2, bias: false };
    let dilated = Slide { dilation: 2, ..Slide::new(2, 1, 0) };
    let wide = Op::AvgPool { window: Window { rows: dilated, columns: dilated }, counted: [0; 4] };
    let steps = [
        (conv, &[0][..]),
        (Op::BatchNorm, &[1]),
        (Op::Sigmoid, &[2]),
        (Op::max_pool(2, 1), &[3]),
        (wide, &[4]),
        (Op::Concat { axis: Axis::Columns }, &[5, 5]),
        (Op::Mean, &[6, 6, 6]),
        (Op::Sum, &[7]),
        (Op::GlobalAvg, &[8]),
        (Op::Linear { outputs: 2, bias: true }, &[9]),
    ];
    let model = model(Shape::new(2, 6, 6), &steps, Gates::Together);
    assert_eq!(model.opset_import[0].version, 19, "dilated means need version 19");
    insta::assert_snapshot!(lines(&model).join("\n"), @r"
    n1 = Conv(image, n1.conv1.weight) kernel_shape=[3, 3] strides=[1, 1] pads=[1, 1, 1, 1] dilations=[1, 1] group=2
    n2 = BatchNormalization(n1, n2.bn1.weight, n2.bn1.bias, n2.bn1.running_mean, n2.bn1.running_var) epsilon=0.00001
    n3 = Sigmoid(n2)
    n4 = MaxPool(n3) kernel_shape=[2, 2] strides=[1, 1] pads=[0, 0, 0, 0] dilations=[1, 1]
    n5 = AveragePool(n4) kernel_shape=[2, 2] strides=[1, 1] pads=[0, 0, 0, 0] dilations=[2, 2] count_include_pad=0
    n6 = Concat(n5, n5) axis=3
    n7.mean1.sum.sum1 = Add(n6, n6)
    n7.mean1.sum = Add(n7.mean1.sum.sum1, n6)
    n7 = Mul(n7.mean1.sum, n7.mean1.share)
    n8 = Identity(n7)
    n9 = GlobalAveragePool(n8)
    n10.linear1.row = Flatten(n9) axis=1
    n10 = Gemm(n10.linear1.row, n10.linear1.weight, n10.linear1.bias) transB=1
    ");
}

#[test]
fn element_by_element() {
    let steps = [
        (Op::Clip { min: 0.0, max: 6.0 }, &[0][..]),
        (Op::LeakyRelu { slope: 0.1 }, &[1]),
        (Op::HardSwish, &[2]),
        (Op::HardSigmoid { alpha: 0.2, beta: 0.5 }, &[3]),
        (Op::Softmax { axis: Axis::Rows }, &[4]),
        (Op::Lrn { size: 5, alpha: 1e-4, beta: 0.75, bias: 2.0 }, &[5]),
        (Op::Constant { shape: Shape::new(2, 1, 1) }, &[6]),
        (Op::Div, &[6, 7]),
        (Op::Sub, &[8, 7]),
    ];
    let model = model(Shape::new(2, 3, 3), &steps, Gates::Together);
    insta::assert_snapshot!(lines(&model).join("\n"), @r"
    n1 = Clip(image, n1.clip1.min, n1.clip1.max)
    n2 = LeakyRelu(n1) alpha=0.1
    n3 = HardSwish(n2)
    n4 = HardSigmoid(n3) alpha=0.2 beta=0.5
    n5 = Softmax(n4) axis=2
    n6 = LRN(n5) alpha=0.0001 beta=0.75 bias=2 size=5
    n7 = Reshape(n7.constant1.value, n7.constant1.extents)
    n8 = Div(n6, n7)
    n9 = Sub(n8, n7)
    ");
    assert_eq!(values(&model, "n1.clip1.max"), [6.0]);
}

#[test]
fn movement() {
    let slice = |count, start, step| Op::Slice(Slice { axis: Axis::Rows, start, count, step });
    let pad = |sides: [u32; 3], fill| Op::Pad(Pad { before: sides, after: sides, fill });
    let steps = [
        (slice(2, 1, 2), &[0][..]),
        (slice(4, 3, -1), &[0]),
        (pad([0, 1, 2], Fill::Constant(-1.0)), &[2]),
        (pad([0, 0, 2], Fill::Reflect), &[0]),
        (pad([0, 0, 3], Fill::Reflect), &[0]),
        (Op::Transpose(Transpose { axes: [Axis::Columns, Axis::Channels, Axis::Rows] }), &[0]),
        (Op::Reshape(Reshape { shape: Shape::new(24, 1, 1) }), &[6]),
    ];
    let model = model(Shape::new(2, 4, 3), &steps, Gates::Together);
    insta::assert_snapshot!(lines(&model).join("\n"), @r"
    n1 = Slice(image, n1.slice1.starts, n1.slice1.ends, n1.slice1.axes, n1.slice1.steps)
    n2 = Slice(image, n2.slice1.starts, n2.slice1.ends, n2.slice1.axes, n2.slice1.steps)
    n3 = Pad(n2, n3.pad1.sides, n3.pad1.fill) mode=constant
    n4 = Pad(image, n4.pad1.sides) mode=reflect
    n5.pad1.padded_channels = Gather(image, n5.pad1.channels) axis=1
    n5.pad1.padded_rows = Gather(n5.pad1.padded_channels, n5.pad1.rows) axis=2
    n5 = Gather(n5.pad1.padded_rows, n5.pad1.columns) axis=3
    n6 = Transpose(image) perm=[0, 3, 1, 2]
    n7 = Reshape(n6, n7.reshape1.extents)
    ");
    let graph = model.graph.as_ref().expect("a model has a graph");
    let whole = |name: &str| -> Vec<i64> {
        let tensor = graph.initializer.iter().find(|tensor| tensor.name == name).expect("the constant is there");
        tensor.raw_data.chunks(8).map(|eight| i64::from_le_bytes(eight.try_into().expect("eight bytes"))).collect()
    };
    assert_eq!([whole("n1.slice1.starts"), whole("n1.slice1.ends"), whole("n1.slice1.steps")], [[1], [4], [2]]);
    assert_eq!([whole("n2.slice1.starts"), whole("n2.slice1.ends")], [[3], [i64::MIN + 1]]);
    assert_eq!(whole("n5.pad1.columns"), [1, 2, 1, 0, 1, 2, 1, 0, 1]);
}

#[test]
fn images_and_matrices() {
    let window = Window::square(2, 2, 0);
    let image = Shape::new(4, 6, 6);
    let linear = Resize::to(image, (9, 12), Coordinates::AlignCorners, Interpolation::Linear);
    let nearest = Resize::to(image, (4, 5), Coordinates::Asymmetric, Interpolation::Nearest(Rounding::Floor));
    let steps = [
        (Op::Resize(linear), &[0][..]),
        (Op::Resize(Resize { scales: [0.8, 0.9], ..nearest }), &[0]),
        (Op::Resize(Resize { scales: [0.5, 0.9], ..nearest }), &[0]),
        (Op::ConvTranspose { window, more: [1, 0], groups: 2, channels: 6, bias: true }, &[0]),
        (Op::MatMul, &[0, 0]),
        (Op::Reduce(Reduce { to: Reduction::Sum, axes: [Axis::Rows].into_iter().collect() }), &[0]),
        (Op::Reduce(Reduce { to: Reduction::Mean, axes: Axis::ALL.into_iter().collect() }), &[0]),
    ];
    let model = model(image, &steps, Gates::Together);
    insta::assert_snapshot!(lines(&model).join("\n"), @r"
    n1 = Resize(image, , n1.resize1.scales) coordinate_transformation_mode=align_corners mode=linear
    n2 = Resize(image, , n2.resize1.scales) coordinate_transformation_mode=asymmetric mode=nearest nearest_mode=floor
    n3 = Resize(image, , , n3.resize1.sizes) coordinate_transformation_mode=asymmetric mode=nearest nearest_mode=floor
    n4 = ConvTranspose(image, n4.conv_transpose1.weight, n4.conv_transpose1.bias) kernel_shape=[2, 2] strides=[2, 2] pads=[0, 0, 0, 0] dilations=[1, 1] group=2 output_padding=[1, 0]
    n5 = MatMul(image, image)
    n6 = ReduceSum(image, n6.reduce1.axes) keepdims=1
    n7 = ReduceMean(image, n7.reduce1.axes) keepdims=1
    ");
    assert_eq!(values(&model, "n2.resize1.scales"), [1.0, 1.0, 0.8, 0.9]);
    assert_eq!(model.opset_import[0].version, 18);
}
