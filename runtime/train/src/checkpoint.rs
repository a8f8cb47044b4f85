//! A run on disk, to go on with: [`State`] ↔ the bytes of a safetensors file.
//!
//! Tensors are `weights/NAME`, `average/NAME`, `first/NAME` and `second/NAME` of the parameter NAME, each one row; of what a run has not,
//! there are none. The one entry of metadata, `run`, has a line each: the version, the epoch, the step, the best accuracy's bits and
//! epoch, and what the run is of.

use crate::State;
use crate::optimizer::Memory;
use cnasc_ir::{TensorGraph, Weights};
use safetensors::tensor::{Dtype, SafeTensors, View};
use std::borrow::Cow;
use std::collections::HashMap;

const VERSION: &str = "cnasc run 1";

/// Values as the file takes them.
struct Row<'a> {
    values: &'a [f32],
    shape: [usize; 1],
}

impl View for Row<'_> {
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

/// The file of a run; `identity` is a line that says what it is of, so that it is not gone on with as another.
///
/// # Errors
/// Where the format has no room for it.
pub fn write(graph: &TensorGraph, state: &State, identity: &str) -> Result<Vec<u8>, String> {
    let (best, at) = state.best.map_or(("none".to_owned(), 0), |(best, at)| (best.to_bits().to_string(), at));
    let lines = format!("{VERSION}\n{}\n{}\n{best}\n{at}\n{}", state.epoch, state.step, one_line(identity));
    let parts = [
        ("weights", &state.weights.tensors),
        ("average", &state.average.tensors),
        ("first", &state.memory.first),
        ("second", &state.memory.second),
    ];
    let rows = parts.iter().flat_map(|(part, tensors)| {
        let named = graph.params.iter().zip(tensors.iter()).filter(|(_, values)| !values.is_empty());
        named.map(move |(spec, values)| (format!("{part}/{}", spec.name), Row { values, shape: [values.len()] }))
    });
    safetensors::serialize(rows, Some(HashMap::from([("run".to_owned(), lines)]))).map_err(|error| error.to_string())
}

/// The run of a file that [`write`](fn@write) made for the same graph and `identity`, as hostile input. `fresh` is the same run before its first
/// epoch: what it remembers, the file must have as well.
///
/// # Errors
/// Where it is damaged, or of another run.
pub fn read(bytes: &[u8], graph: &TensorGraph, identity: &str, fresh: &State) -> Result<State, String> {
    let damaged = |error: safetensors::SafeTensorError| format!("is no checkpoint: {error}");
    let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let lines = metadata.metadata().as_ref().and_then(|entries| entries.get("run")).cloned().unwrap_or_default();
    let mut lines = lines.split('\n');
    if lines.next() != Some(VERSION) {
        return Err(format!("is no checkpoint of this version, which begins with `{VERSION}`"));
    }
    let mut next = || lines.next().unwrap_or_default();
    let (epoch, step, best, at, of) = (next(), next(), next(), next(), next());
    if of != one_line(identity) {
        return Err(format!("is of another run: `{}`, this one is `{}`", of.escape_debug(), one_line(identity)));
    }
    let misread = || "is no checkpoint: it does not say how far it is".to_owned();
    let at = at.parse().map_err(|_| misread())?;
    let best = if best == "none" { None } else { Some((f32::from_bits(best.parse().map_err(|_| misread())?), at)) };
    let part = |name: &str, like: &[Vec<f32>]| tensors(&file, graph, name, like);
    let state = State {
        weights: Weights { tensors: part("weights", &fresh.weights.tensors)? },
        average: Weights { tensors: part("average", &fresh.average.tensors)? },
        memory: Memory { first: part("first", &fresh.memory.first)?, second: part("second", &fresh.memory.second)? },
        epoch: epoch.parse().map_err(|_| misread())?,
        step: step.parse().map_err(|_| misread())?,
        best,
    };
    Ok(state)
}

/// One tensor a parameter, of the lengths of `like`.
fn tensors(
    file: &SafeTensors<'_>,
    graph: &TensorGraph,
    part: &str,
    like: &[Vec<f32>],
) -> Result<Vec<Vec<f32>>, String> {
    let values = graph.params.iter().zip(like).map(|(spec, like)| {
        if like.is_empty() {
            return Ok(Vec::new());
        }
        let name = format!("{part}/{}", spec.name);
        let view = file.tensor(&name).map_err(|_| format!("lacks the tensor `{name}`"))?;
        if view.dtype() != Dtype::F32 || view.data().len() != 4 * like.len() {
            return Err(format!("has a tensor `{name}` of another size"));
        }
        Ok(view.data().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
    });
    values.collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
