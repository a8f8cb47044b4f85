//! Functions of one element.

use super::super::call::Call;
use super::super::constant::{Constant, Values};
use super::super::error::{Problem, wrong};
use super::super::values::{Tensor, Value};
use cnasc_ir::Op;
use cnasc_ir::op::elementwise::MAX_NUMBER;
use std::rc::Rc;

/// `Relu`, `LeakyRelu`, `Sigmoid`, `HardSigmoid` and `HardSwish`
pub(super) fn unary(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let attributes = call.attributes;
    let op = match call.op {
        "LeakyRelu" => Op::LeakyRelu { slope: attributes.float("alpha", 0.01)? },
        "Sigmoid" => Op::Sigmoid,
        "HardSigmoid" => {
            Op::HardSigmoid { alpha: attributes.float("alpha", 0.2)?, beta: attributes.float("beta", 0.5)? }
        }
        "HardSwish" => Op::HardSwish,
        _ => Op::Relu,
    };
    if let (Op::Sigmoid, Value::Constant(constant)) = (&op, call.input(0)?) {
        return Ok(vec![Value::Constant(opened(call, &constant)?)]);
    }
    let tensor = call.tensor(0)?;
    call.map(op, &tensor)
}

/// The sigmoid of constants: what gates of weighted sums are written as.
fn opened(call: &mut Call<'_, '_, '_>, constant: &Constant) -> Result<Constant, Problem> {
    let values = constant.to_floats(&mut call.importer.budget)?;
    call.importer.budget.take(values.len() as u64)?;
    let sigmoid = |&value: &f32| (1.0 / (1.0 + libm::exp(-f64::from(value)))) as f32;
    let values = Values::Floats(Rc::new(values.iter().map(sigmoid).collect()));
    Ok(Constant { dims: constant.dims.clone(), values })
}

/// `Clip`; a bound that is left out is beyond any number in a network.
pub(super) fn clip(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let tensor = call.tensor(0)?;
    let bound = |index: usize, name: &str, default: f32| match call.optional_constant(index)? {
        Some(constant) => Constant::to_float(&constant),
        None => call.attributes.float(name, default),
    };
    let min = bound(1, "min", -MAX_NUMBER)?.max(-MAX_NUMBER);
    let max = bound(2, "max", MAX_NUMBER)?.min(MAX_NUMBER);
    if min.is_nan() || max.is_nan() {
        return wrong("has a bound that is no number");
    }
    if min == 0.0 && max == MAX_NUMBER {
        return call.map(Op::Relu, &tensor);
    }
    // Of bounds that cross, the greatest value wins.
    call.map(Op::Clip { min: min.min(max), max }, &tensor)
}

/// `Identity`, and `Dropout`, which does nothing but in training.
pub(super) fn identity(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    if call.op == "Dropout"
        && let Some(training) = call.optional_constant(2)?
        && training.to_int()? != 0
    {
        return super::lack("is in training mode");
    }
    Ok(vec![call.input(0)?])
}

impl Call<'_, '_, '_> {
    /// Adds a step that takes one tensor element by element, whatever its extents.
    pub(super) fn map(&mut self, op: Op, tensor: &Tensor) -> Result<Vec<Value>, Problem> {
        let step = self.add(op, vec![tensor.step], Vec::new())?;
        Ok(vec![Value::Tensor(Tensor { step, dims: tensor.dims.clone() })])
    }
}
