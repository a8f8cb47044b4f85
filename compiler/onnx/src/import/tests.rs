//! Models made here: what becomes of them, and what is said of those that are wrong.

use super::*;
use crate::proto::{
    Attribute, AttributeKind, Dimension, ElementKind, Entry, Extent, Graph, Model, Node, OperatorSet, Tensor as Stored,
    TensorShape, TensorType, Type, ValueInfo,
};
use cnasc_lower::lower;
use prost::Message;

fn node(op: &str, inputs: &[&str], output: &str, attribute: Vec<Attribute>) -> Node {
    let input = inputs.iter().map(|&name| name.to_owned()).collect();
    Node { op_type: op.to_owned(), input, output: vec![output.to_owned()], attribute, ..Node::default() }
}

fn ints(name: &str, values: &[i64]) -> Attribute {
    let (name, kind) = (name.to_owned(), AttributeKind::Ints);
    Attribute { name, r#type: kind as i32, ints: values.to_vec(), ..Attribute::default() }
}

fn int(name: &str, value: i64) -> Attribute {
    Attribute { name: name.to_owned(), r#type: AttributeKind::Int as i32, i: value, ..Attribute::default() }
}

fn floats(name: &str, dims: &[i64], values: Vec<f32>) -> Stored {
    let data_type = ElementKind::Float as i32;
    Stored { name: name.to_owned(), dims: dims.to_vec(), data_type, float_data: values, ..Stored::default() }
}

fn filled(name: &str, dims: &[i64]) -> Stored {
    let count = dims.iter().product::<i64>();
    floats(name, dims, (0..count).map(|at| at as f32 / 8.0 - 1.0).collect())
}

fn whole(name: &str, values: &[i64]) -> Stored {
    let (dims, data_type) = (vec![values.len() as i64], ElementKind::Int64 as i32);
    Stored { name: name.to_owned(), dims, data_type, int64_data: values.to_vec(), ..Stored::default() }
}

fn given(name: &str, dims: &[i64]) -> ValueInfo {
    let dim = dims.iter().map(|&extent| Dimension { value: Some(Extent::Value(extent)) }).collect();
    let tensor_type = TensorType { elem_type: ElementKind::Float as i32, shape: Some(TensorShape { dim }) };
    let r#type = Some(Type { tensor_type: Some(tensor_type) });
    ValueInfo { name: name.to_owned(), r#type, ..ValueInfo::default() }
}

/// A model that takes `x` and gives `y`.
fn model(image: &[i64], node: Vec<Node>, initializer: Vec<Stored>) -> Model {
    let (input, output) = (vec![given("x", image)], vec![ValueInfo { name: "y".to_owned(), ..ValueInfo::default() }]);
    let graph = Graph { name: "small".to_owned(), node, initializer, input, output, ..Graph::default() };
    let opset_import = vec![OperatorSet { domain: String::new(), version: 17 }];
    Model { ir_version: 8, graph: Some(graph), opset_import, ..Model::default() }
}

fn options() -> Options {
    Options { name: "net".to_owned(), shapes: BTreeMap::new(), max_elements: 1 << 20 }
}

fn take(model: &Model) -> Result<Imported, ImportError> {
    import(&model.encode_to_vec(), &options(), &mut |_| Err("there is none".to_owned()))
}

/// One line a node: what it reads, what it does, what comes out.
fn shown(model: &Model) -> String {
    let imported = take(model).unwrap_or_else(|error| panic!("{error}"));
    assert!(imported.weights.fits(&lower(&imported.architecture)), "each parameter has its values");
    let nodes = &imported.architecture.nodes;
    let line = |node: &cnasc_ir::architecture::Node| {
        let inputs: Vec<&str> = node.inputs.iter().map(|join| nodes[join.from.index()].name.as_str()).collect();
        let ops: Vec<String> = node.ops.iter().map(ToString::to_string).collect();
        format!("{} = {}({}) {}\n", node.name, ops.join(", "), inputs.join(", "), node.shape)
    };
    let outputs: Vec<String> = imported.outputs.iter().map(|(name, dims)| format!("{name} {dims:?}")).collect();
    nodes.iter().map(line).collect::<String>() + &outputs.join("\n")
}

fn error(model: &Model) -> String {
    take(model).expect_err("it is wrong").to_string()
}

fn conv(input: &str, weight: &str, output: &str) -> Node {
    node("Conv", &[input, weight], output, vec![ints("pads", &[1, 1, 1, 1])])
}

fn small() -> Model {
    let nodes = vec![
        conv("x", "w", "a"),
        node("BatchNormalization", &["a", "s", "b", "m", "v"], "c", Vec::new()),
        node("Relu", &["c"], "d", Vec::new()),
        node("MaxPool", &["d"], "e", vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])]),
        node("Flatten", &["e"], "f", Vec::new()),
        node("Gemm", &["f", "g"], "y", vec![int("transB", 1)]),
    ];
    let constants = vec![
        filled("w", &[4, 3, 3, 3]),
        filled("s", &[4]),
        filled("b", &[4]),
        filled("m", &[4]),
        floats("v", &[4], vec![1.0, 2.0, 0.5, 1.5]),
        filled("g", &[5, 36]),
    ];
    model(&[1, 3, 6, 6], nodes, constants)
}

#[test]
fn a_classifier() {
    insta::assert_snapshot!(shown(&small()), @r"
    image = () 3x6x6
    a = conv3 4, bn, relu(image) 4x6x6
    e = maxpool2(a) 4x3x3
    y = linear 5 -bias(e) 5x1x1
    y [1, 5]
    ");
}

#[test]
fn branches_and_constants() {
    let nodes = vec![
        node("Relu", &["x"], "a", Vec::new()),
        node("Add", &["a", "a"], "b", Vec::new()),
        node("Mul", &["b", "c"], "d", Vec::new()),
        node("Div", &["one", "d"], "e", Vec::new()),
        node("Concat", &["e", "d", "one"], "y", vec![int("axis", -1)]),
    ];
    let constants = vec![filled("c", &[4, 1, 1]), filled("one", &[1, 4, 2, 2])];
    insta::assert_snapshot!(shown(&model(&[1, 4, 2, 2], nodes, constants)), @r"
    image = () 4x2x2
    a = relu(image) 4x2x2
    a~2 = sum(a) 4x2x2
    b = sum, bn(a, a~2) 4x2x2
    e = constant 4x2x2(b) 4x2x2
    e~2 = div(e, b) 4x2x2
    y = constant 4x2x2(e~2) 4x2x2
    y~2 = concat columns(e~2, b, y) 4x2x6
    y [1, 4, 2, 6]
    ");
}

/// What exporters write to flatten: the extents of a tensor, taken apart and put together.
#[test]
fn extents_are_computed_while_importing() {
    let nodes = vec![
        node("Shape", &["x"], "s", Vec::new()),
        node("Gather", &["s", "zero"], "n", Vec::new()),
        node("Unsqueeze", &["n", "axis"], "u", Vec::new()),
        node("Concat", &["u", "rest"], "shape", vec![int("axis", 0)]),
        node("Reshape", &["x", "shape"], "y", Vec::new()),
    ];
    let mut zero = whole("zero", &[0]);
    zero.dims.clear();
    let constants = vec![zero, whole("axis", &[0]), whole("rest", &[-1])];
    insta::assert_snapshot!(shown(&model(&[1, 4, 2, 3], nodes, constants)), @r"
    image = () 4x2x3
    answer = sum(image) 4x2x3
    y [1, 24]
    ");
}

/// Channel shuffle and pixel shuffle.
#[test]
fn orders_of_axes() {
    let shuffle = |dims: &[i64], order: &[i64]| {
        let nodes = vec![
            node("Reshape", &["x", "split"], "a", Vec::new()),
            node("Transpose", &["a"], "b", vec![ints("perm", order)]),
            node("Reshape", &["b", "back"], "y", Vec::new()),
        ];
        shown(&model(&[1, 8, 3, 3], nodes, vec![whole("split", dims), whole("back", &[1, -1])]))
    };
    insta::assert_snapshot!(shuffle(&[1, 2, 4, 3, 3], &[0, 2, 1, 3, 4]), @r"
    image = () 8x3x3
    b = reshape 2x4x9, transpose rows,channels,columns(image) 4x2x9
    y [1, 72]
    ");
    insta::assert_snapshot!(shuffle(&[1, 2, 2, 2, 3, 3], &[0, 1, 4, 2, 5, 3]), @r"
    image = () 8x3x3
    b = reshape 2x36x1, transpose rows,channels,columns, reshape 4x3x6, transpose rows,channels,columns, reshape 6x12x1, transpose rows,channels,columns, reshape 2x3x12, transpose rows,channels,columns, reshape 6x12x1, transpose rows,channels,columns(image) 12x6x1
    y [1, 72]
    ");
    insta::assert_snapshot!(shuffle(&[1, 8, 3, 3], &[0, 2, 3, 1]), @r"
    image = () 8x3x3
    b = transpose rows,columns,channels(image) 3x3x8
    y [1, 72]
    ");
}

#[test]
fn batches_stay_apart() {
    let nodes = vec![
        conv("x", "w", "a"),
        node("Reshape", &["a", "rows"], "b", Vec::new()),
        node("MatMul", &["b", "g"], "c", Vec::new()),
        node("Softmax", &["c"], "y", Vec::new()),
    ];
    let constants = vec![filled("w", &[4, 1, 3, 3]), whole("rows", &[2, 16]), filled("g", &[16, 3])];
    insta::assert_snapshot!(shown(&model(&[2, 1, 2, 2], nodes, constants)), @r"
    image = () 2x2x2
    a = conv3 groups 2 8, reshape 2x16x1, transpose rows,channels,columns, reshape 16x1x2(image) 16x1x2
    c = pointwise 3, transpose columns,rows,channels(a) 2x1x3
    y = softmax columns(c) 2x1x3
    y [2, 3]
    ");
}

#[test]
fn matrices_that_are_computed_are_multiplied() {
    let nodes = vec![
        node("Transpose", &["x"], "a", vec![ints("perm", &[0, 1, 3, 2])]),
        node("MatMul", &["x", "a"], "b", Vec::new()),
        node("MatMul", &["one", "b"], "y", Vec::new()),
    ];
    insta::assert_snapshot!(shown(&model(&[1, 2, 3, 4], nodes, vec![filled("one", &[5, 1, 1, 3])])), @r"
    image = () 2x3x4
    a = transpose channels,columns,rows(image) 2x4x3
    b = matmul(image, a) 2x3x3
    y = constant 5x1x3, pad rows 0,1 edge, reshape 10x1x3(b) 10x1x3
    y~2 = reshape 1x1x18, pad rows 0,4 edge, reshape 10x3x3(b) 10x3x3
    y~3 = matmul(y, y~2) 10x1x3
    y [5, 2, 1, 3]
    ");
}

#[test]
fn everything_that_is_not_there_is_listed() {
    let nodes = vec![
        node("Erf", &["x"], "a", Vec::new()),
        node("Relu", &["a"], "b", Vec::new()),
        Node { domain: "com.example".to_owned(), name: "mine".to_owned(), ..node("Magic", &["x"], "c", Vec::new()) },
        node("Conv", &["x", "x"], "d", Vec::new()),
        node("Sum", &["b", "c", "d"], "y", Vec::new()),
    ];
    insta::assert_snapshot!(error(&model(&[1, 1, 4, 4], nodes, Vec::new())), @"node `a`: `Erf` is not taken in; node `mine`: `com.example::Magic` is not taken in; node `d`: `Conv` computes its input 1, which is taken in where it is a constant");
}

#[test]
fn open_extents_are_asked_for() {
    let mut open = small();
    let graph = open.graph.as_mut().expect("it has one");
    let tensor = graph.input[0].r#type.as_mut().and_then(|kind| kind.tensor_type.as_mut()).expect("it is a tensor");
    for place in [0, 2] {
        tensor.shape.as_mut().expect("it has a shape").dim[place].value = Some(Extent::Name("n".to_owned()));
    }
    insta::assert_snapshot!(error(&open), @"the model leaves extent 2 of input `x` open: give its shape by --shape x=1x3x224x224");
    let told = |shape: &[u64]| {
        let shapes = BTreeMap::from([("x".to_owned(), shape.to_vec())]);
        import(&open.encode_to_vec(), &Options { shapes, ..options() }, &mut |_| Err(String::new()))
    };
    assert_eq!(told(&[1, 3, 6, 6]).map(|imported| imported.architecture.input()), Ok(Shape::new(3, 6, 6)));
    insta::assert_snapshot!(told(&[1, 3, 7, 9]).expect_err("the layer has another size").to_string(), @"node `y` (Gemm): multiplies rows of 48 by a matrix for 36");
}

#[test]
fn contradictions_are_errors() {
    let with = |change: &dyn Fn(&mut Graph)| {
        let mut wrong = small();
        change(wrong.graph.as_mut().expect("it has one"));
        error(&wrong)
    };
    insta::assert_snapshot!(with(&|graph| graph.node[0].input[0] = "z".to_owned()), @"node `a` reads `z`, which nothing makes");
    insta::assert_snapshot!(with(&|graph| graph.node[0].input[0] = "d".to_owned()), @"node `a` is part of a cycle or behind one");
    insta::assert_snapshot!(with(&|graph| graph.node[1].output[0] = "a".to_owned()), @"node `a` makes `a`, which is there already");
    insta::assert_snapshot!(with(&|graph| graph.output.clear()), @"has no output");
    insta::assert_snapshot!(with(&|graph| graph.initializer.push(filled("w", &[1]))), @"gives constant `w` twice");
    insta::assert_snapshot!(with(&|graph| graph.initializer[0].dims[0] = 5), @"node `a` (Conv): constant `w`: has 108 elements, its extents [5, 3, 3, 3] need 135");
    insta::assert_snapshot!(with(&|graph| graph.initializer[0].dims = vec![1 << 40, 1 << 40]), @"node `a` (Conv): constant `w`: a tensor of [1099511627776, 1099511627776] is larger than any memory");
    insta::assert_snapshot!(with(&|graph| graph.initializer[0].dims[0] = -4), @"node `a` (Conv): constant `w`: a tensor has the extents [-4, 3, 3, 3]");
    insta::assert_snapshot!(with(&|graph| graph.initializer[0] = filled("w", &[4, 2, 3, 3])), @"node `a` (Conv): reads 3 channels, its weight is for 2 in 1 groups");
    insta::assert_snapshot!(with(&|graph| graph.initializer[0] = whole("w", &[1; 108])), @"node `a` (Conv): has a weight of fewer than two extents");
    insta::assert_snapshot!(with(&|graph| graph.initializer[0].data_type = 8), @"node `a`: `Conv` reads constant `w` of element type 8, which is not taken in");
    insta::assert_snapshot!(with(&|graph| graph.node[0].attribute[0].r#type = 1), @"node `a` (Conv): has a setting `pads` of another type than Ints");
    insta::assert_snapshot!(with(&|graph| graph.node[0].attribute[0] = ints("pads", &[1, 1])), @"node `a` (Conv): has 2 pads where 4 belong");
    insta::assert_snapshot!(with(&|graph| graph.node[0].attribute[0] = ints("pads", &[1, 1, 1, 1 << 40])), @"node `a`: `Conv` has a padding of 1099511627776; 0 to 4096 are taken in");
    insta::assert_snapshot!(with(&|graph| graph.node[3].attribute[0] = ints("kernel_shape", &[9, 2])), @"node `e`: `MaxPool` can't be expressed: maxpool9x2/2 does not fit an image of 4x6x6: its window of 9 is larger");
    insta::assert_snapshot!(with(&|graph| graph.node[3].attribute.clear()), @"node `e` (MaxPool): does not say its kernel");
    insta::assert_snapshot!(with(&|graph| graph.node[5].input.truncate(1)), @"node `y` (Gemm): leaves out input 1, which it needs");
    insta::assert_snapshot!(with(&|graph| graph.node[5].attribute.clear()), @"node `y` (Gemm): multiplies rows of 36 by a matrix for 5");
    let mut old = small();
    old.opset_import[0].version = 6;
    insta::assert_snapshot!(error(&old), @"means version 6 of ONNX's operators; versions 7 to 28 are read");
    insta::assert_snapshot!(error(&Model { graph: None, ..small() }), @"is an ONNX model without a graph");
}

#[test]
fn a_small_file_can_not_ask_for_all_memory() {
    let nodes = vec![node("ConstantOfShape", &["n"], "w", Vec::new()), conv("x", "w", "y")];
    let wanted = |extents: &[i64]| error(&model(&[1, 3, 6, 6], nodes.clone(), vec![whole("n", extents)]));
    insta::assert_snapshot!(wanted(&[1 << 20, 3, 3, 3]), @"the model's constants need more memory than is given");
    insta::assert_snapshot!(wanted(&[1 << 30, 1 << 30, 3, 3]), @"node `w` (ConstantOfShape): a tensor of [1073741824, 1073741824, 3, 3] is larger than any memory");
    insta::assert_snapshot!(wanted(&[1 << 10, -3, 3, 3]), @"node `w` (ConstantOfShape): a tensor has the extents [1024, -3, 3, 3]");
    // A million empty messages.
    let mut bytes = Vec::new();
    for _ in 0..1 << 20 {
        bytes.extend([0x0a, 0]);
    }
    let graph = [&[0x3a][..], &prost_length(bytes.len()), &bytes].concat();
    let found = import(&graph, &options(), &mut |_| Err(String::new())).expect_err("it is no model");
    insta::assert_snapshot!(found.to_string(), @"has more than 1048576 parts");
}

fn prost_length(mut length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes
}

#[test]
fn constants_may_lie_in_other_files() {
    let entry = |key: &str, value: &str| Entry { key: key.to_owned(), value: value.to_owned() };
    let mut outside = small();
    let graph = outside.graph.as_mut().expect("it has one");
    let values = std::mem::take(&mut graph.initializer[0].float_data);
    graph.initializer[0].data_location = 1;
    graph.initializer[0].external_data = vec![entry("location", "../w.bin"), entry("offset", "16")];
    let bytes = outside.encode_to_vec();
    let mut asked = Vec::new();
    let found = import(&bytes, &options(), &mut |part| {
        asked.push((part.location.to_owned(), part.offset, part.length));
        Ok(values.iter().flat_map(|value| value.to_le_bytes()).collect())
    });
    assert_eq!(found, take(&small()));
    assert_eq!(asked, [("../w.bin".to_owned(), 16, 4 * 108)]);
    insta::assert_snapshot!(error(&outside), @"constant `w` lies in `../w.bin`: there is none");
    let short = import(&bytes, &options(), &mut |_| Ok(vec![0; 7])).expect_err("it is too short");
    insta::assert_snapshot!(short.to_string(), @"node `a` (Conv): constant `w`: lies in another file that is too short");
}

/// Whatever happens to a file on the way, there is an answer and no panic.
#[test]
fn broken_files_are_errors() {
    let bytes = small().encode_to_vec();
    let ask = |bytes: &[u8]| import(bytes, &options(), &mut |part| Ok(vec![0; part.length.min(4096) as usize]));
    for end in 0..bytes.len() {
        assert!(ask(&bytes[..end]).is_err(), "cut at {end}");
    }
    let mut fine = 0;
    for place in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut broken = bytes.clone();
            broken[place] ^= flip;
            if let Ok(imported) = ask(&broken) {
                assert!(imported.weights.fits(&lower(&imported.architecture)), "byte {place}");
                fine += 1;
            }
        }
    }
    assert!(fine > 1000, "bytes of weights may be anything: {fine}");
}
