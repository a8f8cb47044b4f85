//! The values of a network's parameters from the initialisers of an ONNX file.

use super::{WeightsError, elements, extents_differ};
use crate::proto::{ElementKind, Model, Tensor};
use cnasc_ir::tensor::{ParamSpec, TensorGraph};
use cnasc_ir::weights::Weights;
use prost::Message;
use std::collections::BTreeMap;

/// The values of all parameters of a graph from an ONNX file whose initialisers have their names, as [`crate::export`] writes them, as
/// hostile input. Constants of other names are no parameters, and not looked at.
///
/// # Errors
/// Where the file is broken, or a parameter is missing, of other extents, or not stored in the file itself: all that is wrong is listed.
pub fn read(bytes: &[u8], graph: &TensorGraph) -> Result<Weights, WeightsError> {
    let model = Model::decode(bytes).map_err(|error| WeightsError::Form(format!("is no ONNX file: {error}")))?;
    let stored = model.graph.map(|graph| graph.initializer).unwrap_or_default();
    let by_name: BTreeMap<&str, &Tensor> = stored.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let mut problems = Vec::new();
    let mut tensors = Vec::with_capacity(graph.params.len());
    for spec in &graph.params {
        let tensor = by_name.get(spec.name.as_str()).ok_or_else(|| "is missing".to_owned());
        match tensor.and_then(|tensor| values(tensor, spec)) {
            Ok(values) => tensors.push(values),
            Err(problem) => problems.push(format!("`{}` {problem}", spec.name)),
        }
    }
    if problems.is_empty() { Ok(Weights { tensors }) } else { Err(WeightsError::Unfit(problems)) }
}

fn values(tensor: &Tensor, spec: &ParamSpec) -> Result<Vec<f32>, String> {
    if !tensor.dims.iter().copied().eq(spec.extents.iter().map(|&extent| i64::from(extent))) {
        return Err(extents_differ(&tensor.dims, spec));
    }
    if tensor.data_location != 0 {
        return Err("lies in another file: store the model as one".to_owned());
    }
    let raw = tensor.raw_data.as_slice();
    let values = match ElementKind::try_from(tensor.data_type) {
        Ok(ElementKind::Float) if raw.is_empty() => tensor.float_data.clone(),
        Ok(ElementKind::Float) => elements(raw, f32::from_le_bytes),
        Ok(ElementKind::Double) if raw.is_empty() => tensor.double_data.iter().map(|&value| value as f32).collect(),
        Ok(ElementKind::Double) => elements(raw, |bytes| f64::from_le_bytes(bytes) as f32),
        Ok(ElementKind::Float16) if !raw.is_empty() => elements(raw, |bytes| half::f16::from_le_bytes(bytes).to_f32()),
        _ => return Err("has elements that are not real numbers of 16, 32 or 64 bits".to_owned()),
    };
    let wanted = spec.elements();
    if values.len() as u64 == wanted {
        Ok(values)
    } else {
        Err(format!("has {} values, its extents say {wanted}", values.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Graph;
    use cnasc_ir::op::ParamRole;

    fn graph(params: &[(&str, &[u32])]) -> TensorGraph {
        let spec = |&(name, extents): &(&str, &[u32])| ParamSpec {
            name: name.to_owned(),
            role: ParamRole::Weight,
            extents: extents.to_vec(),
        };
        TensorGraph { steps: Vec::new(), params: params.iter().map(spec).collect(), nodes: 0 }
    }

    fn tensor(name: &str, kind: ElementKind, raw_data: Vec<u8>) -> Tensor {
        Tensor { dims: vec![2], data_type: kind.into(), name: name.to_owned(), raw_data, ..Tensor::default() }
    }

    fn file(initializer: Vec<Tensor>) -> Vec<u8> {
        Model { graph: Some(Graph { initializer, ..Graph::default() }), ..Model::default() }.encode_to_vec()
    }

    #[test]
    fn every_way_to_store_real_numbers_is_read() {
        let raw = |values: [f32; 2]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let halves = [1.5, -2.0].iter().flat_map(|&value| half::f16::from_f32(value).to_le_bytes()).collect();
        let typed = Tensor { float_data: vec![5.0, 6.0], ..tensor("c", ElementKind::Float, Vec::new()) };
        let bytes = file(vec![
            tensor("b", ElementKind::Float16, halves),
            tensor("stranger", ElementKind::Int64, vec![0; 16]),
            typed,
            tensor("a", ElementKind::Float, raw([3.0, 4.0])),
        ]);
        let weights = read(&bytes, &graph(&[("a", &[2]), ("b", &[2]), ("c", &[2])]));
        assert_eq!(weights, Ok(Weights { tensors: vec![vec![3.0, 4.0], vec![1.5, -2.0], vec![5.0, 6.0]] }));
    }

    #[test]
    fn all_that_does_not_fit_is_listed() {
        let outside = Tensor { data_location: 1, ..tensor("d", ElementKind::Float, Vec::new()) };
        let bytes = file(vec![
            tensor("a", ElementKind::Float, vec![0; 12]),
            tensor("b", ElementKind::Int64, vec![0; 16]),
            tensor("c", ElementKind::Float, vec![0; 8]),
            outside,
        ]);
        let wanted = graph(&[("a", &[2]), ("b", &[2]), ("c", &[2, 1]), ("d", &[2]), ("e", &[2])]);
        let error = read(&bytes, &wanted).expect_err("nothing fits");
        insta::assert_snapshot!(error, @"`a` has 3 values, its extents say 2; `b` has elements that are not real numbers of 16, 32 or 64 bits; `c` has the extents [2], the network's has [2, 1]; `d` lies in another file: store the model as one; `e` is missing");
        for end in 1..bytes.len() {
            assert!(read(&bytes[..end], &wanted).is_err(), "cut at {end}");
        }
    }
}
