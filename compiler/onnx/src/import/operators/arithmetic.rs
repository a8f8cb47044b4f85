//! Sums, differences, products and quotients.

use super::super::call::Call;
use super::super::constant::{Constant, MAX_INTS, Values, elements};
use super::super::error::{Problem, lack, wrong};
use super::super::values::{Tensor, Value, natural};
use super::broadcast::{aligned, common, shapes, sources, spread};
use cnasc_ir::{Op, Shape};
use std::rc::Rc;

/// What is computed of two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Add,
    Sub,
    Mul,
    Div,
}

impl Kind {
    fn op(self) -> Op {
        match self {
            Self::Add => Op::Add,
            Self::Sub => Op::Sub,
            Self::Mul => Op::Mul,
            Self::Div => Op::Div,
        }
    }

    fn float(self, a: f32, b: f32) -> f32 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
        }
    }

    /// Of whole numbers; none where it can't be computed.
    fn int(self, a: i64, b: i64) -> Option<i64> {
        match self {
            Self::Add => a.checked_add(b),
            Self::Sub => a.checked_sub(b),
            Self::Mul => a.checked_mul(b),
            Self::Div => a.checked_div(b),
        }
    }
}

/// `Add`, `Sub`, `Mul` and `Div`
pub(super) fn binary(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let kind = match call.op {
        "Sub" => Kind::Sub,
        "Mul" => Kind::Mul,
        "Div" => Kind::Div,
        _ => Kind::Add,
    };
    let (left, right) = (call.input(0)?, call.input(1)?);
    Ok(vec![compute(call, kind, left, right)?])
}

/// `Sum` and `Mean` of any number of tensors.
pub(super) fn several(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let all = call.all()?;
    let mean = call.op == "Mean";
    let mut tensors = Vec::new();
    for value in &all {
        tensors.extend(if let Value::Tensor(tensor) = value { Some(tensor.clone()) } else { None });
    }
    if tensors.len() == all.len() && tensors.iter().all(|tensor| tensor.dims == tensors[0].dims) {
        let op = if mean { Op::Mean } else { Op::Sum };
        let [first, ..] = tensors.as_slice() else { return wrong("reads nothing") };
        let shape = call.importer.steps.shape(first.step);
        let mut steps = Vec::with_capacity(tensors.len());
        for tensor in &tensors {
            steps.push(call.shaped(tensor, shape)?);
        }
        let step = call.add(op, steps, Vec::new())?;
        return Ok(vec![Value::Tensor(Tensor { step, dims: tensors[0].dims.clone() })]);
    }
    let count = all.len();
    let mut rest = all.into_iter();
    let Some(mut sum) = rest.next() else { return wrong("reads nothing") };
    for value in rest {
        sum = compute(call, Kind::Add, sum, value)?;
    }
    if mean {
        let divisor = Constant { dims: Vec::new(), values: Values::Fill(count as f32) };
        sum = compute(call, Kind::Div, sum, Value::Constant(divisor))?;
    }
    Ok(vec![sum])
}

/// What a tensor plus another is, both of which may be constants.
pub(super) fn added(call: &mut Call<'_, '_, '_>, left: Value, right: Value) -> Result<Value, Problem> {
    compute(call, Kind::Add, left, right)
}

fn compute(call: &mut Call<'_, '_, '_>, kind: Kind, left: Value, right: Value) -> Result<Value, Problem> {
    let dims = common(left.dims(), right.dims())?;
    match (left, right) {
        (Value::Constant(left), Value::Constant(right)) => folded(call, kind, &left, &right, dims),
        (Value::Tensor(left), Value::Constant(right)) => {
            if let Some(done) = affine(call, kind, &left, &right, &dims, false)? {
                return Ok(done);
            }
            let right = call.stored(&right, &left)?;
            tensors(call, kind, &left, &right, dims)
        }
        (Value::Constant(left), Value::Tensor(right)) => {
            if let Some(done) = affine(call, kind, &right, &left, &dims, true)? {
                return Ok(done);
            }
            let left = call.stored(&left, &right)?;
            tensors(call, kind, &left, &right, dims)
        }
        (Value::Tensor(left), Value::Tensor(right)) => tensors(call, kind, &left, &right, dims),
        _ => Ok(Value::Missing),
    }
}

/// Of two constants.
fn folded(
    call: &mut Call<'_, '_, '_>,
    kind: Kind,
    left: &Constant,
    right: &Constant,
    dims: Vec<u64>,
) -> Result<Value, Problem> {
    let count = elements(&dims)?;
    let extents = dims.clone();
    let places = sources(&left.dims, &extents).zip(sources(&right.dims, &extents));
    let values = match (&left.values, &right.values) {
        (Values::Ints(left), Values::Ints(right)) => {
            if count > MAX_INTS {
                return wrong(format!("makes {count} whole numbers; up to {MAX_INTS} are read"));
            }
            let compute = |(a, b): (usize, usize)| kind.int(left[a], right[b]);
            match places.map(compute).collect::<Option<Vec<_>>>() {
                Some(values) => Values::Ints(Rc::new(values)),
                None => return wrong("divides by zero, or makes a number of more than 64 bits"),
            }
        }
        (Values::Fill(left), Values::Fill(right)) => Values::Fill(kind.float(*left, *right)),
        (Values::Ints(_), _) | (_, Values::Ints(_)) => return wrong("reads whole and real numbers"),
        _ => {
            call.importer.budget.take(count)?;
            let mut values = Vec::new();
            for (a, b) in places {
                values.push(kind.float(left.float_at(a)?, right.float_at(b)?));
            }
            Values::Floats(Rc::new(values))
        }
    };
    Ok(Value::Constant(Constant { dims, values }))
}

/// A constant that is one number a channel becomes a factor and a summand, which a convolution before it can take up.
fn affine(
    call: &mut Call<'_, '_, '_>,
    kind: Kind,
    tensor: &Tensor,
    constant: &Constant,
    dims: &[u64],
    constant_first: bool,
) -> Result<Option<Value>, Problem> {
    // The tensor itself is broadcast, or the constant is the dividend.
    if elements(&tensor.dims)? != elements(dims)? || (kind == Kind::Div && constant_first) {
        return Ok(None);
    }
    let shape = call.importer.steps.shape(tensor.step);
    let Some(values) = by_channel(constant, dims, shape)? else { return Ok(None) };
    let numbers = |of: &dyn Fn(f32) -> f32| values.iter().map(|&value| of(value)).collect::<Vec<f32>>();
    let (factor, summand) = match kind {
        Kind::Add => (numbers(&|_| 1.0), values),
        Kind::Sub if constant_first => (numbers(&|_| -1.0), values),
        Kind::Sub => (numbers(&|_| 1.0), numbers(&|value| -value)),
        Kind::Mul => (numbers(&|value| value), vec![0.0; values.len()]),
        Kind::Div => (numbers(&|value| 1.0 / value), vec![0.0; values.len()]),
    };
    let step = call.affine(tensor.step, factor, summand)?;
    Ok(Some(Value::Tensor(Tensor { step, dims: dims.to_vec() })))
}

/// The constant's number for each channel of `shape`, which holds the elements of `dims`, if it has one alone for each.
fn by_channel(constant: &Constant, dims: &[u64], shape: Shape) -> Result<Option<Vec<f32>>, Problem> {
    let channels = u64::from(shape.channels);
    let mut leading = 0;
    let mut product = 1;
    // Axes of one place behind those of the channels belong to them as well: they change nothing.
    while leading < dims.len() && (product < channels || dims[leading] == 1) {
        product *= dims[leading];
        leading += 1;
    }
    let own = aligned(&constant.dims, dims.len());
    if constant.len() != 1 && (product != channels || own[leading..].iter().any(|&extent| extent != 1)) {
        return Ok(None);
    }
    if constant.len() == 1 {
        let value = constant.float_at(0)?;
        return Ok(Some(vec![value; shape.channels as usize]));
    }
    let own = Constant { dims: own[..leading].to_vec(), values: constant.values.clone() };
    spread(&own, &dims[..leading]).map(Some)
}

/// Of two tensors that are computed.
fn tensors(
    call: &mut Call<'_, '_, '_>,
    kind: Kind,
    left: &Tensor,
    right: &Tensor,
    dims: Vec<u64>,
) -> Result<Value, Problem> {
    let found = [left, right].map(|tensor| call.importer.steps.shape(tensor.step));
    let alike = left.dims == right.dims && found[0] == found[1];
    let [first, second] = if alike { found } else { shapes(&left.dims, &right.dims, &dims)? };
    let inputs = vec![call.shaped(left, first)?, call.shaped(right, second)?];
    let op = if kind == Kind::Add && first == second { Op::Sum } else { kind.op() };
    let step = call.add(op, inputs, Vec::new())?;
    Ok(Value::Tensor(Tensor { step, dims }))
}

impl Call<'_, '_, '_> {
    /// A constant as a tensor that is there once `beside` is.
    pub(super) fn stored(&mut self, constant: &Constant, beside: &Tensor) -> Result<Tensor, Problem> {
        let shape = natural(&constant.dims)?;
        if !shape.is_valid() {
            return lack(format!("reads a constant of {:?}, which is empty or too large", constant.dims));
        }
        let values = constant.to_floats(&mut self.importer.budget)?;
        let step = self.add(Op::Constant { shape }, vec![beside.step], vec![values])?;
        Ok(Tensor { step, dims: constant.dims.clone() })
    }
}
