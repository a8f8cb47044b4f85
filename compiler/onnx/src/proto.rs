//! The messages of an ONNX file, with the field numbers of `onnx.proto` (IR version 11).
//!
//! Only what is read or written here has a field; a reader skips all others. Nothing is checked: a file may say anything.

use prost::{Enumeration, Message};

/// A file: one graph, and what it needs to be understood.
#[derive(Clone, PartialEq, Message)]
pub struct Model {
    /// The version of these messages.
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    /// The program that wrote it.
    #[prost(string, tag = "2")]
    pub producer_name: String,
    /// Its version.
    #[prost(string, tag = "3")]
    pub producer_version: String,
    /// For people.
    #[prost(string, tag = "6")]
    pub doc_string: String,
    /// The computation.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    /// Which version of each operator set the nodes mean.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSet>,
    /// Named texts.
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<Entry>,
    /// Functions that nodes may call.
    #[prost(message, repeated, tag = "25")]
    pub functions: Vec<Function>,
    /// Sets of devices that nodes are placed on (IR version 11).
    #[prost(message, repeated, tag = "26")]
    pub configuration: Vec<DeviceConfiguration>,
}

/// A key and a value.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct Entry {
    /// The key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// A version of an operator set; the empty domain is ONNX's own.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct OperatorSet {
    /// Whose operators.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// Which version.
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// A function of the model; known by its name alone, because none are read.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct Function {
    /// What nodes call it.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// Nodes in an order in which they can be computed, and the tensors they start from.
#[derive(Clone, PartialEq, Message)]
pub struct Graph {
    /// The computation, each after those it reads.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    /// Its name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Constants, parameters among them.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<Tensor>,
    /// For people.
    #[prost(string, tag = "10")]
    pub doc_string: String,
    /// What is given; before IR version 4 this lists the initialisers too.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    /// What is asked for.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
    /// Types of tensors in between, as far as known.
    #[prost(message, repeated, tag = "13")]
    pub value_info: Vec<ValueInfo>,
    /// Constants that are mostly zero; only counted, because none are read.
    #[prost(message, repeated, tag = "15")]
    pub sparse_initializer: Vec<SparseTensor>,
}

/// A constant that is mostly zero; without fields, because none are read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Message)]
pub struct SparseTensor {}

/// One operator.
#[derive(Clone, PartialEq, Message)]
pub struct Node {
    /// Names of the tensors it reads; an empty name is an input left out.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// Names of the tensors it makes; an empty name is an output not wanted.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// Its name, for people; may be empty.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Which operator.
    #[prost(string, tag = "4")]
    pub op_type: String,
    /// Its settings.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
    /// For people.
    #[prost(string, tag = "6")]
    pub doc_string: String,
    /// Which operator set, as in [`OperatorSet::domain`].
    #[prost(string, tag = "7")]
    pub domain: String,
    /// Where it runs (IR version 11).
    #[prost(message, repeated, tag = "10")]
    pub device_configurations: Vec<NodeDeviceConfiguration>,
}

/// A setting of an operator.
#[derive(Clone, PartialEq, Message)]
pub struct Attribute {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// A real number.
    #[prost(float, tag = "2")]
    pub f: f32,
    /// A whole number.
    #[prost(int64, tag = "3")]
    pub i: i64,
    /// A text, UTF-8 by convention.
    #[prost(bytes = "vec", tag = "4")]
    pub s: Vec<u8>,
    /// A tensor.
    #[prost(message, optional, tag = "5")]
    pub t: Option<Tensor>,
    /// Real numbers.
    #[prost(float, repeated, packed = "false", tag = "7")]
    pub floats: Vec<f32>,
    /// Whole numbers.
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    /// Texts.
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub strings: Vec<Vec<u8>>,
    /// Which of the fields counts.
    #[prost(enumeration = "AttributeKind", tag = "20")]
    pub r#type: i32,
}

/// Which field of an [`Attribute`] counts; kinds that are not read have no name here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum AttributeKind {
    /// Not said.
    Undefined = 0,
    /// `f`
    Float = 1,
    /// `i`
    Int = 2,
    /// `s`
    Text = 3,
    /// `t`
    Tensor = 4,
    /// `floats`
    Floats = 6,
    /// `ints`
    Ints = 7,
    /// `strings`
    Texts = 8,
}

/// A constant.
#[derive(Clone, PartialEq, Message)]
pub struct Tensor {
    /// Its extents.
    #[prost(int64, repeated, tag = "1")]
    pub dims: Vec<i64>,
    /// What its elements are.
    #[prost(enumeration = "ElementKind", tag = "2")]
    pub data_type: i32,
    /// Elements, where they are floats.
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    /// Elements, where they are integers of up to 32 bits, booleans or half floats.
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    /// Elements, where they are 64-bit integers.
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    /// Its name.
    #[prost(string, tag = "8")]
    pub name: String,
    /// Elements of any kind, little-endian.
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
    /// Elements, where they are doubles.
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
    /// Elements, where they are unsigned and of 32 or 64 bits.
    #[prost(uint64, repeated, tag = "11")]
    pub uint64_data: Vec<u64>,
    /// Where the elements lie, if [`Tensor::data_location`] is 1: `location`, `offset`, `length`.
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<Entry>,
    /// 0: the elements are here; 1: in another file.
    #[prost(int32, tag = "14")]
    pub data_location: i32,
}

/// What the elements of a tensor are; kinds that are not read have no name here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum ElementKind {
    /// Not said.
    Undefined = 0,
    /// IEEE single.
    Float = 1,
    /// 8 bits.
    Uint8 = 2,
    /// 8 bits.
    Int8 = 3,
    /// 32 bits.
    Int32 = 6,
    /// 64 bits.
    Int64 = 7,
    /// Truth values.
    Bool = 9,
    /// IEEE half.
    Float16 = 10,
    /// IEEE double.
    Double = 11,
    /// Half of a single.
    Bfloat16 = 16,
}

/// A tensor's name and type.
#[derive(Clone, PartialEq, Message)]
pub struct ValueInfo {
    /// The name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The type.
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<Type>,
    /// For people.
    #[prost(string, tag = "3")]
    pub doc_string: String,
}

/// A type; none but tensors are read.
#[derive(Clone, PartialEq, Message)]
pub struct Type {
    /// Of a tensor.
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorType>,
}

/// Elements and extents.
#[derive(Clone, PartialEq, Message)]
pub struct TensorType {
    /// What its elements are.
    #[prost(enumeration = "ElementKind", tag = "1")]
    pub elem_type: i32,
    /// Its extents, if known.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShape>,
}

/// Extents, each perhaps unknown.
#[derive(Clone, PartialEq, Message)]
pub struct TensorShape {
    /// From the outermost.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

/// One extent.
#[derive(Clone, PartialEq, Message)]
pub struct Dimension {
    /// A number or a name; neither where nothing is known.
    #[prost(oneof = "Extent", tags = "1, 2")]
    pub value: Option<Extent>,
}

/// What is known of an extent.
#[derive(Clone, PartialEq, Eq, Hash, prost::Oneof)]
pub enum Extent {
    /// The number.
    #[prost(int64, tag = "1")]
    Value(i64),
    /// A name for a number that is not known.
    #[prost(string, tag = "2")]
    Name(String),
}

/// A named set of devices.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct DeviceConfiguration {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// How many.
    #[prost(int32, tag = "2")]
    pub num_devices: i32,
    /// Their names.
    #[prost(string, repeated, tag = "3")]
    pub device: Vec<String>,
}

/// Where a node runs, in one [`DeviceConfiguration`].
#[derive(Clone, PartialEq, Message)]
pub struct NodeDeviceConfiguration {
    /// The configuration's name.
    #[prost(string, tag = "1")]
    pub configuration_id: String,
    /// Where its tensors lie.
    #[prost(message, repeated, tag = "2")]
    pub sharding_spec: Vec<ShardingSpec>,
    /// The stage of a pipeline that it belongs to.
    #[prost(int32, optional, tag = "3")]
    pub pipeline_stage: Option<i32>,
}

/// Where one tensor lies; without sharded axes, whole on each device named.
#[derive(Clone, PartialEq, Message)]
pub struct ShardingSpec {
    /// The tensor's name.
    #[prost(string, tag = "1")]
    pub tensor_name: String,
    /// Numbers of devices in the configuration.
    #[prost(int64, repeated, tag = "2")]
    pub device: Vec<i64>,
}
