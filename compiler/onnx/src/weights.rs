//! The values of a network's parameters in a safetensors file, and from the initialisers of an ONNX file.
//!
//! Names are those of the tensor graph, which are stable: `<node>.<operator><k>.<parameter>`, as in `body.3.conv2.weight`, where `<parameter>`
//! is `weight`, `bias`, `running_mean`, `running_var`, `gate` or `value`; those of a scaling block begin with
//! `<node>.scale.<producer>`. Extents are those of the graph, outermost first. Values are written as `F32`; `F16`, `BF16` and `F64` are read
//! as well.

mod initializers;

use cnasc_ir::tensor::{ParamSpec, TensorGraph};
use cnasc_ir::weights::Weights;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, View};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Debug;

pub use initializers::read as read_initializers;

/// The most names that an error lists.
const MAX_LISTED: usize = 20;

/// Why there is no file, or no weights in one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// The file is not what it should be, or can't hold this.
    #[error("{0}")]
    Form(String),
    /// Its tensors are not those of the network: what is wrong, each with the tensor's name.
    #[error("{}", list(.0))]
    Unfit(Vec<String>),
}

fn list(problems: &[String]) -> String {
    let mut text = problems.iter().take(MAX_LISTED).cloned().collect::<Vec<_>>().join("; ");
    if problems.len() > MAX_LISTED {
        text.push_str(&format!("; and {} more", problems.len() - MAX_LISTED));
    }
    text
}

/// One parameter as the file takes it.
struct Written<'a> {
    shape: Vec<usize>,
    values: &'a [f32],
}

impl View for Written<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        4 * self.values.len()
    }
}

/// The file of weights that fit their graph.
///
/// # Errors
/// Where they do not, or there are more names than the format can hold.
pub fn write(graph: &TensorGraph, weights: &Weights) -> Result<Vec<u8>, WeightsError> {
    if !weights.fits(graph) {
        return Err(WeightsError::Form("the values are not those of the network".to_owned()));
    }
    let written = graph.params.iter().zip(&weights.tensors).map(|(spec, values)| {
        let shape = spec.extents.iter().map(|&extent| extent as usize).collect();
        (spec.name.as_str(), Written { shape, values })
    });
    safetensors::serialize(written, None).map_err(|error| WeightsError::Form(error.to_string()))
}

/// The values of all parameters of a graph, from a file, as hostile input.
///
/// # Errors
/// Where the file is broken, or its tensors are not those of the graph: all that is wrong is listed.
pub fn read(bytes: &[u8], graph: &TensorGraph) -> Result<Weights, WeightsError> {
    let file = SafeTensors::deserialize(bytes);
    let file = file.map_err(|error| WeightsError::Form(format!("is no safetensors file: {error}")))?;
    let mut problems = Vec::new();
    let mut tensors = Vec::with_capacity(graph.params.len());
    for spec in &graph.params {
        match file.tensor(&spec.name).map_err(|_| "is missing".to_owned()).and_then(|view| values(&view, spec)) {
            Ok(values) => tensors.push(values),
            Err(problem) => problems.push(format!("`{}` {problem}", spec.name)),
        }
    }
    let known: BTreeSet<&str> = graph.params.iter().map(|spec| spec.name.as_str()).collect();
    let mut strangers: Vec<&str> = file.names().into_iter().filter(|name| !known.contains(name)).collect();
    strangers.sort_unstable();
    problems.extend(strangers.iter().map(|name| format!("`{}` is no parameter of the network", shown(name))));
    if problems.is_empty() { Ok(Weights { tensors }) } else { Err(WeightsError::Unfit(problems)) }
}

/// A name of a file, escaped and cut so that it can be shown.
fn shown(name: &str) -> String {
    name.escape_debug().take(100).collect()
}

fn values(view: &TensorView<'_>, spec: &ParamSpec) -> Result<Vec<f32>, String> {
    if !view.shape().iter().copied().eq(spec.extents.iter().map(|&extent| extent as usize)) {
        return Err(extents_differ(&view.shape(), spec));
    }
    let bytes = view.data();
    match view.dtype() {
        Dtype::F32 => Ok(elements(bytes, f32::from_le_bytes)),
        Dtype::F64 => Ok(elements(bytes, |bytes| f64::from_le_bytes(bytes) as f32)),
        Dtype::F16 => Ok(elements(bytes, |bytes| half::f16::from_le_bytes(bytes).to_f32())),
        Dtype::BF16 => Ok(elements(bytes, |bytes| half::bf16::from_le_bytes(bytes).to_f32())),
        other => Err(format!("has elements of type {other:?}, not F32, F16, BF16 or F64")),
    }
}

fn extents_differ(found: &impl Debug, spec: &ParamSpec) -> String {
    format!("has the extents {found:?}, the network's has {:?}", spec.extents)
}

/// One value for each `N` bytes; what is left over at the end is no value.
fn elements<const N: usize>(bytes: &[u8], from: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|&chunk| from(chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnasc_ir::op::ParamRole;

    fn spec(name: &str, extents: &[u32]) -> ParamSpec {
        ParamSpec { name: name.to_owned(), role: ParamRole::Weight, extents: extents.to_vec() }
    }

    fn graph(params: Vec<ParamSpec>) -> TensorGraph {
        TensorGraph { steps: Vec::new(), params, nodes: 0 }
    }

    #[test]
    fn what_is_written_is_read() {
        let graph = graph(vec![spec("b.conv1.weight", &[2, 1, 1, 3]), spec("a.conv1.bias", &[2])]);
        let weights = Weights { tensors: vec![vec![1.0, -2.5, 3.0, 0.0, f32::MAX, 1e-40], vec![7.0, 8.0]] };
        let bytes = write(&graph, &weights).expect("they fit");
        assert_eq!(read(&bytes, &graph), Ok(weights.clone()));
        let other = self::graph(vec![spec("b.conv1.weight", &[2, 3]), spec("c", &[1])]);
        let error = read(&bytes, &other).expect_err("they do not fit");
        insta::assert_snapshot!(error, @"`b.conv1.weight` has the extents [2, 1, 1, 3], the network's has [2, 3]; `c` is missing; `a.conv1.bias` is no parameter of the network");
        assert!(write(&other, &weights).is_err());
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end], &graph).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn halves_and_doubles_are_read() {
        let view = |dtype, bytes: &[u8]| {
            let view = TensorView::new(dtype, vec![2], bytes).expect("so many bytes");
            safetensors::serialize([("w", view)], None).expect("it can be written")
        };
        let graph = graph(vec![spec("w", &[2])]);
        let halves: Vec<u8> = [1.5, -2.0].iter().flat_map(|&value| half::f16::from_f32(value).to_le_bytes()).collect();
        let doubles: Vec<u8> = [1.5_f64, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let wanted = Ok(Weights { tensors: vec![vec![1.5, -2.0]] });
        assert_eq!(read(&view(Dtype::F16, &halves), &graph), wanted);
        assert_eq!(read(&view(Dtype::F64, &doubles), &graph), wanted);
        let error = read(&view(Dtype::I32, &[0; 8]), &graph).expect_err("whole numbers");
        insta::assert_snapshot!(error, @"`w` has elements of type I32, not F32, F16, BF16 or F64");
    }
}
