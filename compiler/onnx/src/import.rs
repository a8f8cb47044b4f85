//! An ONNX model → an architecture and its weights.
//!
//! The stations, each a module: `wire` and `model` take bytes to a graph whose nodes stand in order, `constant` gives the values of
//! initialisers, `operators` and the modules below it turn each node into `steps`, computing at once what depends on no image, and `nodes`
//! gathers steps into the nodes of an architecture.
//!
//! A tensor of the model has any number of extents, one of the architecture has three. Both hold the same elements in the same row-major
//! order; which three extents an operator needs is said where it is used, and a reshape is put there only where they differ. So `Reshape`,
//! `Flatten`, `Squeeze` and `Unsqueeze` cost nothing.
//!
//! A file is hostile input: nothing in it makes this panic, read a file that [`Files`] would not give, or take more memory than
//! [`Options::max_elements`] says.

mod attribute;
mod call;
mod constant;
mod error;
mod model;
mod nodes;
mod operators;
mod order;
mod steps;
mod values;
mod wire;

#[cfg(test)]
mod tests;

pub use error::{ImportError, Lack};

use call::{Call, Importer};
use cnasc_ir::{Architecture, Shape, Weights};
use constant::elements;
use error::{Problem, lack, shown};
use model::{Input, Source};
use std::collections::BTreeMap;
use std::rc::Rc;
use steps::{StepId, Steps};
use values::{Tensor, Value, natural};

/// What an import is told beside the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What the network is called; letters that a name may not have are replaced.
    pub name: String,
    /// Extents of inputs, instead of those that the file says or leaves open; the first is the batch, which is 1.
    pub shapes: BTreeMap<String, Vec<u64>>,
    /// The most elements of all constants that are made or copied.
    pub max_elements: u64,
}

/// A part of a file beside the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct External<'a> {
    /// Its path, relative to the model's folder, as the model says it: it may say anything.
    pub location: &'a str,
    /// Where the part begins, in bytes.
    pub offset: u64,
    /// Its bytes.
    pub length: u64,
}

/// Reads a part of a file beside the model, or says why not, as the end of a sentence.
pub type Files<'a> = dyn FnMut(&External<'_>) -> Result<Vec<u8>, String> + 'a;

/// A tensor's name in the model, and its extents.
pub type Named = (String, Vec<u64>);

/// A network that was a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The network. Its image is the model's input; several inputs are taken flat, one behind the other.
    pub architecture: Architecture,
    /// The values of its parameters, in the order of its tensor graph's.
    pub weights: Weights,
    /// What the model takes: names and extents.
    pub inputs: Vec<Named>,
    /// What it gives: names and extents. Several outputs are given flat, one behind the other.
    pub outputs: Vec<Named>,
}

/// Takes a model in.
///
/// # Errors
/// Where the file is no model, or asks for operators that are not there: all of them are listed.
pub fn import(bytes: &[u8], options: &Options, files: &mut Files<'_>) -> Result<Imported, ImportError> {
    let source = model::decode(bytes)?;
    let inputs = given(&source.inputs, &options.shapes)?;
    let image = image(&inputs)?;
    let Source { opset, name, nodes, constants, outputs, .. } = source;
    let mut importer = Importer::new(opset, constants, Steps::new(image), files, options.max_elements);
    importer.take(&inputs)?;
    let lacks = operators::convert(&mut importer, &nodes, &outputs)?;
    if !lacks.is_empty() {
        return Err(ImportError::Lacking(lacks));
    }
    let (answer, outputs) = importer.answer(&outputs)?;
    let name = if options.name.is_empty() { name } else { options.name.clone() };
    let Importer { steps, mut budget, .. } = importer;
    let (architecture, weights) = nodes::gather(&name, steps, answer, &mut budget)?;
    Ok(Imported { architecture, weights, inputs, outputs })
}

/// Names and extents of the inputs, those that the file leaves open filled in.
fn given(inputs: &[Input], shapes: &BTreeMap<String, Vec<u64>>) -> Result<Vec<Named>, ImportError> {
    if let Some(unknown) = shapes.keys().find(|name| inputs.iter().all(|input| input.name != **name)) {
        let known: Vec<_> = inputs.iter().map(|input| format!("`{}`", shown(&input.name))).collect();
        let message = format!("has no input `{}` to be given a shape; it reads {}", shown(unknown), known.join(", "));
        return Err(ImportError::Malformed(message));
    }
    let mut all = Vec::new();
    for input in inputs {
        all.push((input.name.clone(), extents_of(input, shapes.get(&input.name))?));
    }
    Ok(all)
}

/// The extents of one input; a first one that is left open is the batch.
fn extents_of(input: &Input, asked: Option<&Vec<u64>>) -> Result<Vec<u64>, Problem> {
    /// The kinds of real numbers: single, half, double, the upper half of a single.
    const REAL: [i32; 4] = [1, 10, 11, 16];
    let name = shown(&input.name);
    if !REAL.contains(&input.kind) {
        return lack(format!("takes `{name}`, whose elements are no real numbers (type {})", input.kind));
    }
    if let Some(asked) = asked {
        elements(asked)?;
        return Ok(asked.clone());
    }
    let Some(dims) = &input.dims else {
        return lack(format!("does not say which shape input `{name}` has: give it by --shape {name}=1x3x224x224"));
    };
    let mut extents = Vec::new();
    for (place, extent) in dims.iter().enumerate() {
        // Some exporters write an open batch as 0 or -1.
        let extent = extent.filter(|&extent| place > 0 || extent > 0);
        match extent.map(u64::try_from) {
            Some(Ok(extent)) => extents.push(extent),
            None if place == 0 => extents.push(1),
            _ => {
                return lack(format!(
                    "leaves extent {place} of input `{name}` open: give its shape by --shape {name}=1x3x224x224"
                ));
            }
        }
    }
    elements(&extents)?;
    Ok(extents)
}

/// The shape of the image that holds all inputs.
fn image(inputs: &[Named]) -> Result<Shape, Problem> {
    let shape = match inputs {
        [] => return lack("takes no image"),
        [(_, dims)] => natural(dims)?,
        several => {
            let sum = several.iter().map(|(_, dims)| elements(dims)).sum::<Result<u64, _>>()?;
            natural(&[sum])?
        }
    };
    if shape.is_valid() { Ok(shape) } else { lack(format!("takes an image of {shape}, which is empty or too large")) }
}

impl Importer<'_, '_> {
    /// The inputs as values.
    fn take(&mut self, inputs: &[Named]) -> Result<(), Problem> {
        if let [(name, dims)] = inputs {
            let tensor = Tensor { step: Steps::IMAGE, dims: dims.clone() };
            self.values.insert(name.clone(), Value::Tensor(tensor));
            return Ok(());
        }
        let mut start = 0;
        for (name, dims) in inputs {
            let whole = Tensor { step: Steps::IMAGE, dims: vec![u64::from(self.steps.shape(Steps::IMAGE).channels)] };
            let count = elements(dims)?;
            let mut call = Call::bare(self, name);
            let part = call.part(&whole, 0, start, count)?;
            self.values.insert(name.clone(), Value::Tensor(Tensor { step: part.step, dims: dims.clone() }));
            start += count;
        }
        Ok(())
    }

    /// The step that makes what is asked for, and its names and extents.
    fn answer(&mut self, outputs: &[String]) -> Result<(StepId, Vec<Named>), Problem> {
        let mut named = Vec::new();
        let mut tensors = Vec::new();
        for name in outputs {
            match self.value(name)? {
                Value::Tensor(tensor) => {
                    named.push((name.clone(), tensor.dims.clone()));
                    tensors.push(tensor);
                }
                _ => return lack(format!("gives `{}`, which does not depend on any image", shown(name))),
            }
        }
        if let [only] = tensors.as_slice() {
            return Ok((only.step, named));
        }
        let mut flat = Vec::new();
        for tensor in tensors {
            let dims = vec![elements(&tensor.dims)?];
            flat.push(Tensor { step: tensor.step, dims });
        }
        let joined = Call::bare(self, "answer").joined(&flat, 0)?;
        Ok((joined.step, named))
    }
}

/// Names of steps are shared by those that one node becomes.
type Name = Rc<str>;
