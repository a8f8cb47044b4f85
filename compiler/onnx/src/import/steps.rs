//! The operators of the intermediate representation that a model becomes, one a step, before they are gathered into nodes.

use super::error::{Problem, lack, wrong};
use cnasc_ir::{Op, Shape};
use std::rc::Rc;

/// A step of [`Steps`], and the tensor that it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StepId(pub usize);

/// One operator applied.
#[derive(Debug)]
pub(super) struct Step {
    pub op: Op,
    pub inputs: Vec<StepId>,
    /// In the order of [`Op::params`].
    pub params: Vec<Rc<Vec<f32>>>,
    pub shape: Shape,
    /// Of the model's node that it comes from.
    pub name: Rc<str>,
}

/// Steps, each behind those that it reads; the image is the first.
#[derive(Debug)]
pub(super) struct Steps {
    list: Vec<Step>,
}

impl Steps {
    /// The image alone.
    pub(super) fn new(image: Shape) -> Self {
        let name = Rc::from("image");
        Self { list: vec![Step { op: Op::Input, inputs: Vec::new(), params: Vec::new(), shape: image, name }] }
    }

    pub(super) fn of(&self, id: StepId) -> &Step {
        &self.list[id.0]
    }

    pub(super) fn shape(&self, id: StepId) -> Shape {
        self.of(id).shape
    }

    /// The image.
    pub(super) const IMAGE: StepId = StepId(0);

    pub(super) fn into_list(self) -> Vec<Step> {
        self.list
    }

    /// Adds an operator; what does not fit its inputs is a lack, because files may ask for what ONNX has and the operator has not.
    pub(super) fn add(
        &mut self,
        name: &Rc<str>,
        op: Op,
        inputs: Vec<StepId>,
        params: Vec<Rc<Vec<f32>>>,
    ) -> Result<StepId, Problem> {
        let shapes: Vec<Shape> = inputs.iter().map(|&input| self.shape(input)).collect();
        let shape = op.output(&shapes).or_else(|error| lack(format!("can't be expressed: {error}")))?;
        let wanted = op.params(&shapes);
        let count = |extents: &[u32]| extents.iter().map(|&extent| u64::from(extent)).product::<u64>();
        let fits = wanted.len() == params.len()
            && wanted.iter().zip(&params).all(|((_, extents), values)| values.len() as u64 == count(extents));
        if !fits {
            let sizes: Vec<usize> = params.iter().map(|values| values.len()).collect();
            return wrong(format!("has parameters of {sizes:?} elements, which do not fit `{op}` on {shapes:?}"));
        }
        if self.list.len() >= cnasc_ir::architecture::MAX_NODES {
            return lack("is one of too many operators");
        }
        let id = StepId(self.list.len());
        self.list.push(Step { op, inputs, params, shape, name: Rc::clone(name) });
        Ok(id)
    }
}
