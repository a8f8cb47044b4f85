//! Products of matrices.
//!
//! With a constant, a product is a linear layer where it has one row; of several rows it is a convolution over them that sees one pixel,
//! between two transpositions. What is computed on both sides, or several matrices, is a product of its own.

use super::super::call::Call;
use super::super::constant::{Constant, elements};
use super::super::error::{Problem, lack, wrong};
use super::super::values::{Tensor, Value, extent};
use super::arithmetic::added;
use super::broadcast::{aligned, common, places, spread};
use cnasc_ir::op::{Fill, Pad, Window};
use cnasc_ir::{Op, Shape};
use std::rc::Rc;

/// `Gemm`
pub(super) fn gemm(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    let attributes = call.attributes;
    let (alpha, beta) = (attributes.float("alpha", 1.0)?, attributes.float("beta", 1.0)?);
    let mut left = call.tensor(0)?;
    if left.dims.len() != 2 {
        return wrong(format!("reads a tensor of {:?} as a matrix", left.dims));
    }
    if attributes.flag("transA")? {
        left = call.permuted(&left, &[1, 0])?;
    }
    let weight = call.constant(1)?;
    let &[a, b] = weight.dims.as_slice() else {
        return wrong(format!("reads a constant of {:?} as a matrix", weight.dims));
    };
    let (inputs, outputs) = if attributes.flag("transB")? { (b, a) } else { (a, b) };
    let weight = if attributes.flag("transB")? {
        scaled(call, &weight, alpha)?
    } else {
        let turned = call.turned(&weight, [a, b])?;
        scaled(call, &turned, alpha)?
    };
    let bias = match call.optional(2) {
        None => None,
        Some(Value::Constant(bias)) if bias.len() == bias.dims.last().copied().unwrap_or(1) => {
            let row = Constant { dims: bias.dims.last().copied().into_iter().collect(), values: bias.values };
            call.importer.budget.take(outputs)?;
            if common(&row.dims, &[outputs])? != [outputs] {
                return wrong(format!("adds {:?} numbers to rows of {outputs}", row.dims));
            }
            Some(Rc::new(spread(&row, &[outputs])?.into_iter().map(|value| value * beta).collect()))
        }
        Some(other) => {
            if beta.to_bits() != 1.0_f32.to_bits() {
                return lack("multiplies a computed summand, or one for each row, by `beta`");
            }
            let product = dense(call, &left, weight, [inputs, outputs], None)?;
            return Ok(vec![added(call, Value::Tensor(product), other)?]);
        }
    };
    Ok(vec![Value::Tensor(dense(call, &left, weight, [inputs, outputs], bias)?)])
}

/// `MatMul`
pub(super) fn mat_mul(call: &mut Call<'_, '_, '_>) -> Result<Vec<Value>, Problem> {
    match (call.input(0)?, call.input(1)?) {
        (Value::Tensor(left), Value::Constant(right)) => {
            let (inputs, outputs) = match *right.dims.as_slice() {
                [inputs] => (inputs, 1),
                [ref outer @ .., inputs, outputs] if outer.iter().all(|&extent| extent == 1) => (inputs, outputs),
                _ => {
                    let right = call.stored(&right, &left)?;
                    return Ok(vec![Value::Tensor(product(call, &left, &right)?)]);
                }
            };
            let vector = right.dims.len() == 1;
            let outer = right.dims.len().saturating_sub(left.dims.len().max(2));
            let weight = call.turned(&right, [inputs, outputs])?;
            let weight = scaled(call, &weight, 1.0)?;
            let mut product = dense(call, &left, weight, [inputs, outputs], None)?;
            if vector {
                product.dims.pop();
            }
            product.dims.splice(0..0, std::iter::repeat_n(1, outer));
            Ok(vec![Value::Tensor(product)])
        }
        (Value::Constant(left), Value::Tensor(right)) => {
            let single = left.dims.iter().rev().skip(2).all(|&extent| extent == 1);
            let tensor = if single {
                columns(call, &left, &right)?
            } else {
                let left = call.stored(&left, &right)?;
                product(call, &left, &right)?
            };
            Ok(vec![Value::Tensor(tensor)])
        }
        (Value::Tensor(left), Value::Tensor(right)) => Ok(vec![Value::Tensor(product(call, &left, &right)?)]),
        _ => lack("multiplies constants"),
    }
}

/// Two matrices, or several, which are broadcast to each other.
fn product(call: &mut Call<'_, '_, '_>, left: &Tensor, right: &Tensor) -> Result<Tensor, Problem> {
    let (outer_left, rows, inner) = match *left.dims.as_slice() {
        [] => return wrong("reads a single number as a matrix"),
        [inner] => (&[][..], 1, inner),
        [ref outer @ .., rows, inner] => (outer, rows, inner),
    };
    let (outer_right, found, columns) = match *right.dims.as_slice() {
        [] => return wrong("reads a single number as a matrix"),
        [found] => (&[][..], found, 1),
        [ref outer @ .., found, columns] => (outer, found, columns),
    };
    if found != inner {
        return wrong(format!("multiplies matrices of {:?} and {:?}", left.dims, right.dims));
    }
    let mut dims = common(outer_left, outer_right)?;
    let count = elements(&dims)?;
    // One matrix on the right: the rows of all the others stand one below the other.
    let (batch, rows_at_once) =
        if elements(outer_right)? == 1 { (1, elements(&[count, rows])?) } else { (count, rows) };
    let first = spread_out(call, left, outer_left, &dims)?;
    let second = if batch == 1 { right.clone() } else { spread_out(call, right, outer_right, &dims)? };
    let batch = extent(batch)?;
    let (left_shape, right_shape) =
        (Shape::new(batch, extent(rows_at_once)?, extent(inner)?), Shape::new(batch, extent(inner)?, extent(columns)?));
    let inputs = vec![call.shaped(&first, left_shape)?, call.shaped(&second, right_shape)?];
    let step = call.add(Op::MatMul, inputs, Vec::new())?;
    dims.extend((left.dims.len() > 1).then_some(rows));
    dims.extend((right.dims.len() > 1).then_some(columns));
    Ok(Tensor { step, dims })
}

/// Matrices of `outer` extents, repeated to `dims` of them.
fn spread_out(call: &mut Call<'_, '_, '_>, tensor: &Tensor, outer: &[u64], dims: &[u64]) -> Result<Tensor, Problem> {
    let own = aligned(outer, dims.len());
    let mut behind: u64 = tensor.dims[outer.len()..].iter().product();
    let mut spread = tensor.clone();
    for axis in (0..dims.len()).rev() {
        if own[axis] != dims[axis] {
            let input = call.shaped(&spread, Shape::new(extent(own[..axis].iter().product())?, 1, extent(behind)?))?;
            let after = [0, extent(dims[axis].saturating_sub(1))?, 0];
            spread.step =
                call.add(Op::Pad(Pad { before: [0; 3], after, fill: Fill::Edge }), vec![input], Vec::new())?;
        }
        behind = elements(&[behind, dims[axis]])?;
    }
    Ok(spread)
}

/// A constant matrix times a computed one: a convolution that sees one pixel, with the columns as pixels.
fn columns(call: &mut Call<'_, '_, '_>, left: &Constant, right: &Tensor) -> Result<Tensor, Problem> {
    let (rows, inputs) = match *left.dims.as_slice() {
        [inputs] => (1, inputs),
        [ref outer @ .., rows, inputs] if outer.iter().all(|&extent| extent == 1) => (rows, inputs),
        _ => return lack(format!("multiplies by several matrices, of {:?}", left.dims)),
    };
    let (outer, found, columns) = match *right.dims.as_slice() {
        [found] => (&[][..], found, 1),
        [ref outer @ .., found, columns] => (outer, found, columns),
        [] => return wrong("reads a single number as a matrix"),
    };
    if found != inputs {
        return wrong(format!("multiplies matrices of {:?} and {:?}", left.dims, right.dims));
    }
    let mut dims = vec![1; left.dims.len().saturating_sub(right.dims.len().max(2))];
    dims.extend(outer);
    dims.extend((left.dims.len() > 1).then_some(rows));
    dims.extend((right.dims.len() > 1).then_some(columns));
    let weight = scaled(call, left, 1.0)?;
    let count: u64 = elements(outer)?;
    let input = call.shaped(right, Shape::new(extent(elements(&[count, inputs])?)?, 1, extent(columns)?))?;
    let (channels, groups) = (extent(elements(&[count, rows])?)?, extent(count)?);
    let weight = call.repeated(&weight, count)?;
    let op = Op::Conv { window: Window::square(1, 1, 0), groups, channels, bias: false };
    let step = call.add(op, vec![input], vec![weight])?;
    Ok(Tensor { step, dims })
}

/// The rows of a tensor times a matrix of `[outputs, inputs]`, and a summand for each output.
fn dense(
    call: &mut Call<'_, '_, '_>,
    tensor: &Tensor,
    weight: Rc<Vec<f32>>,
    [inputs, outputs]: [u64; 2],
    bias: Option<Rc<Vec<f32>>>,
) -> Result<Tensor, Problem> {
    let Some((&last, outer)) = tensor.dims.split_last() else { return wrong("reads a single number as a matrix") };
    if last != inputs {
        return wrong(format!("multiplies rows of {last} by a matrix for {inputs}"));
    }
    let rows = elements(outer)?;
    let has_bias = bias.is_some();
    let params = std::iter::once(weight).chain(bias).collect();
    let mut dims = outer.to_vec();
    dims.push(outputs);
    let outputs = extent(outputs)?;
    if rows == 1 {
        let step = call.add(Op::Linear { outputs, bias: has_bias }, vec![tensor.step], params)?;
        return Ok(Tensor { step, dims });
    }
    let turned = call.permuted(&Tensor { step: tensor.step, dims: vec![rows, inputs] }, &[1, 0])?;
    let input = call.shaped(&turned, Shape::new(extent(inputs)?, 1, extent(rows)?))?;
    let op = Op::Conv { window: Window::square(1, 1, 0), groups: 1, channels: outputs, bias: has_bias };
    let step = call.add(op, vec![input], params)?;
    let back = call.permuted(&Tensor { step, dims: vec![u64::from(outputs), rows] }, &[1, 0])?;
    Ok(Tensor { step: back.step, dims })
}

/// The numbers of a constant, each times `factor`.
fn scaled(call: &mut Call<'_, '_, '_>, constant: &Constant, factor: f32) -> Result<Rc<Vec<f32>>, Problem> {
    let values = constant.to_floats(&mut call.importer.budget)?;
    if factor.to_bits() == 1.0_f32.to_bits() {
        return Ok(values);
    }
    call.importer.budget.take(values.len() as u64)?;
    Ok(Rc::new(values.iter().map(|value| value * factor).collect()))
}

impl Call<'_, '_, '_> {
    /// The matrix with rows and columns exchanged.
    fn turned(&mut self, matrix: &Constant, [rows, columns]: [u64; 2]) -> Result<Constant, Problem> {
        let extents = [columns, rows];
        matrix.clone().picked(extents.to_vec(), places(vec![1, columns], &extents), &mut self.importer.budget)
    }
}
