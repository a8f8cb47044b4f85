//! Node after node → steps: which function takes in which operator, and what is said of those that none does.

mod activations;
mod arithmetic;
mod broadcast;
mod fold;
mod linear;
mod moves;
mod norm;
mod reduce;
mod resize;
mod transposed;
mod windows;

use super::call::{Call, Importer};
use super::constant::elements;
use super::error::{ImportError, Lack, Problem, lack, shown, wrong};
use super::model::{is_own, label};
use super::values::Value;
use crate::proto::Node;
use std::collections::BTreeSet;

/// Takes one node in; gives its outputs, those left out at the end that are not taken in.
type Operator = fn(&mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem>;

/// Takes the nodes in, in their order; gives all that is not there.
pub(super) fn convert(
    importer: &mut Importer<'_, '_>,
    nodes: &[Node],
    outputs: &[String],
) -> Result<Vec<Lack>, ImportError> {
    let read: BTreeSet<&str> = nodes.iter().flat_map(|node| &node.input).chain(outputs).map(String::as_str).collect();
    let mut lacks = Vec::new();
    for node in nodes {
        let problem = match one(importer, node) {
            Ok(values) => bind(importer, node, values, &read).err(),
            Err(problem) => Some(problem),
        };
        let (name, op) = (shown(label(node)), shown(&node.op_type));
        match problem {
            None => {}
            Some(Problem::Lack(what)) => {
                let op = if is_own(&node.domain) { op } else { format!("{}::{op}", shown(&node.domain)) };
                lacks.push(Lack { node: name, op, what });
                for output in &node.output {
                    importer.values.entry(output.clone()).or_insert(Value::Missing);
                }
            }
            Some(Problem::Stop(ImportError::Malformed(text))) => {
                return Err(ImportError::Malformed(format!("node `{name}` ({op}): {text}")));
            }
            Some(Problem::Stop(error)) => return Err(error),
        }
    }
    Ok(lacks)
}

fn one(importer: &mut Importer<'_, '_>, node: &Node) -> Result<Vec<Value>, Problem> {
    let Some(operator) = find(node) else { return lack("is not taken in") };
    let mut call = Call::new(importer, node)?;
    if call.is_missing() {
        // Said already of what it reads.
        return Ok(vec![Value::Missing; node.output.len()]);
    }
    operator(&mut call)
}

/// Gives the outputs their names.
fn bind(
    importer: &mut Importer<'_, '_>,
    node: &Node,
    values: Vec<Value>,
    read: &BTreeSet<&str>,
) -> Result<(), Problem> {
    let count = values.len();
    for (name, value) in node.output.iter().zip(values) {
        if let Value::Tensor(tensor) = &value
            && elements(&tensor.dims)? != importer.steps.shape(tensor.step).elements()
        {
            return wrong(format!("does not give a tensor of {:?}", tensor.dims));
        }
        importer.values.insert(name.clone(), value);
    }
    match node.output.iter().enumerate().skip(count).find(|(_, name)| read.contains(name.as_str())) {
        None => Ok(()),
        Some((index, name)) => {
            lack(format!("is asked for its output {index}, `{}`, which is not taken in", shown(name)))
        }
    }
}

fn find(node: &Node) -> Option<Operator> {
    if !is_own(&node.domain) {
        return None;
    }
    Some(match node.op_type.as_str() {
        "Conv" => windows::conv,
        "ConvTranspose" => transposed::conv_transpose,
        "MaxPool" | "AveragePool" => windows::pool,
        "GlobalAveragePool" | "GlobalMaxPool" => windows::global,
        "BatchNormalization" => norm::batch_norm,
        "LRN" => norm::lrn,
        "Softmax" => norm::softmax,
        "ReduceMean" | "ReduceSum" | "ReduceMax" => reduce::reduce,
        "Resize" | "Upsample" => resize::resize,
        "Gemm" => linear::gemm,
        "MatMul" => linear::mat_mul,
        "Add" | "Sub" | "Mul" | "Div" => arithmetic::binary,
        "Sum" | "Mean" => arithmetic::several,
        "Relu" | "LeakyRelu" | "Sigmoid" | "HardSigmoid" | "HardSwish" => activations::unary,
        "Clip" => activations::clip,
        "Identity" | "Dropout" => activations::identity,
        "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => moves::reshape,
        "Concat" => moves::concat,
        "Transpose" => moves::transpose,
        "Slice" => moves::slice,
        "Split" => moves::split,
        "Pad" => moves::pad,
        "Constant" => fold::constant,
        "ConstantOfShape" => fold::constant_of_shape,
        "Shape" | "Size" => fold::shape,
        "Gather" => fold::gather,
        "Cast" => fold::cast,
        "Expand" => fold::expand,
        "Floor" | "Ceil" => fold::round,
        _ => return None,
    })
}
