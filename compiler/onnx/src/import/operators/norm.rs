//! Normalisation: over a batch with stored statistics, across channels, along an axis.

use super::super::call::Call;
use super::super::error::{Problem, lack, wrong};
use super::super::steps::StepId;
use super::super::values::{Tensor, Value};
use super::windows::Images;
use cnasc_ir::Op;
use cnasc_ir::op::BATCH_NORM_EPSILON;
use std::rc::Rc;

/// `BatchNormalization`, with stored statistics.
pub(super) fn batch_norm(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let images = Images::of(call.tensor(0)?)?;
    if call.attributes.flag("training_mode")? {
        return lack("is in training mode");
    }
    if call.attributes.int("spatial", 1)? == 0 {
        return lack("has statistics for each pixel");
    }
    let mut params = Vec::with_capacity(4);
    for index in 1..5 {
        params.push(call.floats(index, images.channels)?);
    }
    let epsilon = call.attributes.float("epsilon", BATCH_NORM_EPSILON)?;
    if epsilon.to_bits() != BATCH_NORM_EPSILON.to_bits() {
        params = with_usual_epsilon(&params, epsilon);
    }
    for values in &mut params {
        *values = call.repeated(values, images.count)?;
    }
    let input = call.shaped(&images.tensor, images.shape()?)?;
    let step = call.add(Op::BatchNorm, vec![input], params)?;
    Ok(vec![Value::Tensor(Tensor { step, dims: images.tensor.dims })])
}

/// The same function with the epsilon that the intermediate representation has: statistics that change nothing, and a factor and a
/// summand that do everything.
fn with_usual_epsilon(params: &[Rc<Vec<f32>>], epsilon: f32) -> Vec<Rc<Vec<f32>>> {
    let factor = |channel: usize| {
        let variance = f64::from(params[3][channel]) + f64::from(epsilon);
        f64::from(params[0][channel]) / variance.sqrt()
    };
    let channels = 0..params[0].len();
    let shift = |channel: usize| f64::from(params[1][channel]) - f64::from(params[2][channel]) * factor(channel);
    affine_params(
        channels.clone().map(|channel| factor(channel) as f32).collect(),
        channels.map(|channel| shift(channel) as f32).collect(),
    )
}

/// The parameters of a batch norm that multiplies and adds and does nothing else.
fn affine_params(factor: Vec<f32>, summand: Vec<f32>) -> Vec<Rc<Vec<f32>>> {
    let channels = factor.len();
    let (mean, variance) = (vec![0.0; channels], vec![1.0 - BATCH_NORM_EPSILON; channels]);
    [factor, summand, mean, variance].map(Rc::new).to_vec()
}

impl Call<'_, '_, '_> {
    /// x · factor + summand for each channel of what a step makes.
    pub(super) fn affine(&mut self, step: StepId, factor: Vec<f32>, summand: Vec<f32>) -> Result<StepId, Problem> {
        self.importer.budget.take(4 * factor.len() as u64)?;
        self.add(Op::BatchNorm, vec![step], affine_params(factor, summand))
    }
}

/// `LRN`; image after image, because it looks at several channels.
pub(super) fn lrn(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let images = Images::of(call.tensor(0)?)?;
    let attributes = call.attributes;
    let Ok(size) = u32::try_from(attributes.int("size", 0)?) else { return wrong("has a negative size") };
    let (alpha, beta) = (attributes.float("alpha", 1e-4)?, attributes.float("beta", 0.75)?);
    let op = Op::Lrn { size, alpha, beta, bias: attributes.float("bias", 1.0)? };
    let mut done = Vec::new();
    for index in 0..images.count {
        let part = if images.count == 1 { images.tensor.clone() } else { call.part(&images.tensor, 0, index, 1)? };
        let part = Images::of(part)?;
        let input = call.shaped(&part.tensor, part.shape()?)?;
        let step = call.add(op.clone(), vec![input], Vec::new())?;
        done.push(Tensor { step, dims: part.tensor.dims });
    }
    let whole = if let [only] = done.as_slice() { only.clone() } else { call.joined(&done, 0)? };
    Ok(vec![Value::Tensor(whole)])
}

/// `Softmax`: along one axis, before version 13 over all from one on.
pub(super) fn softmax(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let tensor = call.tensor(0)?;
    let rank = tensor.dims.len();
    if rank == 0 {
        return wrong("reads a single number");
    }
    let last = call.importer.opset >= 13;
    let axis = call.axis("axis", if last { -1 } else { 1 }, rank)?;
    let flat = if last {
        tensor.clone()
    } else {
        let [before, behind] = [&tensor.dims[..axis], &tensor.dims[axis..]].map(|dims| dims.iter().product());
        Tensor { step: tensor.step, dims: vec![before, behind] }
    };
    let (step, axis) = call.along(&flat, if last { axis } else { 1 })?;
    let step = call.add(Op::Softmax { axis }, vec![step], Vec::new())?;
    Ok(vec![Value::Tensor(Tensor { step, dims: tensor.dims })])
}
