//! One node being taken in: its inputs by kind, its settings, and the steps that it becomes.

use super::attribute::Attributes;
use super::constant::{Budget, Constant};
use super::error::{Problem, lack, wrong};
use super::model::label;
use super::order::{self, Turn};
use super::steps::{StepId, Steps};
use super::values::{Tensor, Value, around, axis_of, extent, natural};
use super::{Files, Name};
use crate::proto;
use cnasc_ir::op::{Axis, Reshape, Slice, Transpose};
use cnasc_ir::{Op, Shape};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What is known while nodes are taken in one after the other.
pub(super) struct Importer<'f, 'g> {
    /// The version of ONNX's own operators.
    pub opset: i64,
    /// What names stand for, of constants those that were read.
    pub values: BTreeMap<String, Value>,
    /// Initialisers that were not read yet: many never are.
    constants: BTreeMap<String, proto::Tensor>,
    pub steps: Steps,
    pub files: &'f mut Files<'g>,
    pub budget: Budget,
}

impl<'f, 'g> Importer<'f, 'g> {
    pub(super) fn new(
        opset: i64,
        constants: BTreeMap<String, proto::Tensor>,
        steps: Steps,
        files: &'f mut Files<'g>,
        max_elements: u64,
    ) -> Self {
        Self { opset, values: BTreeMap::new(), constants, steps, files, budget: Budget::new(max_elements) }
    }

    /// What a name stands for.
    pub(super) fn value(&mut self, name: &str) -> Result<Value, Problem> {
        if let Some(tensor) = self.constants.remove(name) {
            let constant = Constant::read(tensor, self.files, &mut self.budget)?;
            self.values.insert(name.to_owned(), Value::Constant(constant));
        }
        // Names are checked before: one that is not there belongs to a node that could not be taken in.
        Ok(self.values.get(name).cloned().unwrap_or(Value::Missing))
    }
}

/// One node.
pub(super) struct Call<'a, 'f, 'g> {
    pub importer: &'a mut Importer<'f, 'g>,
    pub attributes: Attributes<'a>,
    /// The operator's name, by which those that are much alike are told apart.
    pub op: &'a str,
    /// Of its steps.
    name: Name,
    /// Those that are left out are none.
    inputs: Vec<Option<Value>>,
    /// Number of outputs that have a name.
    pub outputs: usize,
}

impl<'a, 'f, 'g> Call<'a, 'f, 'g> {
    pub(super) fn new(importer: &'a mut Importer<'f, 'g>, node: &'a proto::Node) -> Result<Self, Problem> {
        let mut inputs = Vec::with_capacity(node.input.len());
        for name in &node.input {
            inputs.push(if name.is_empty() { None } else { Some(importer.value(name)?) });
        }
        let (attributes, name) = (Attributes::of(node), Rc::from(label(node)));
        Ok(Self { importer, attributes, op: &node.op_type, name, inputs, outputs: node.output.len() })
    }

    /// For steps that no node of the model asks for.
    pub(super) fn bare(importer: &'a mut Importer<'f, 'g>, name: &str) -> Self {
        Self { importer, attributes: Attributes::none(), op: "", name: Rc::from(name), inputs: Vec::new(), outputs: 1 }
    }

    /// Whether it reads what could not be taken in.
    pub(super) fn is_missing(&self) -> bool {
        self.inputs.iter().flatten().any(|input| matches!(input, Value::Missing))
    }

    /// All inputs; none may be left out.
    pub(super) fn all(&self) -> Result<Vec<Value>, Problem> {
        match self.inputs.iter().cloned().collect::<Option<Vec<_>>>() {
            Some(all) if !all.is_empty() => Ok(all),
            _ => wrong("leaves out an input that it needs"),
        }
    }

    /// An input that must be there.
    pub(super) fn input(&self, index: usize) -> Result<Value, Problem> {
        match self.optional(index) {
            Some(value) => Ok(value),
            None => wrong(format!("leaves out input {index}, which it needs")),
        }
    }

    /// An input, if it is there.
    pub(super) fn optional(&self, index: usize) -> Option<Value> {
        self.inputs.get(index).cloned().flatten()
    }

    /// An input that is computed.
    pub(super) fn tensor(&self, index: usize) -> Result<Tensor, Problem> {
        match self.input(index)? {
            Value::Tensor(tensor) => Ok(tensor),
            _ => lack(format!("reads a constant as input {index}, which is taken in where it is computed")),
        }
    }

    /// An input that is known.
    pub(super) fn constant(&self, index: usize) -> Result<Constant, Problem> {
        match self.input(index)? {
            Value::Constant(constant) => Ok(constant),
            _ => lack(format!("computes its input {index}, which is taken in where it is a constant")),
        }
    }

    /// An input that is known, if it is there.
    pub(super) fn optional_constant(&self, index: usize) -> Result<Option<Constant>, Problem> {
        if self.optional(index).is_none() { Ok(None) } else { self.constant(index).map(Some) }
    }

    /// An input of real numbers, as many as `count`.
    pub(super) fn floats(&mut self, index: usize, count: u64) -> Result<Rc<Vec<f32>>, Problem> {
        let values = self.constant(index)?.to_floats(&mut self.importer.budget)?;
        if values.len() as u64 == count {
            Ok(values)
        } else {
            wrong(format!("has {} numbers as input {index} where {count} belong", values.len()))
        }
    }

    /// Whole numbers that newer versions take as an input and older ones as a setting.
    pub(super) fn ints(&self, index: usize, attribute: &str) -> Result<Option<Vec<i64>>, Problem> {
        if let Some(constant) = self.optional_constant(index)? {
            return Ok(Some(constant.to_ints()?.to_vec()));
        }
        Ok(self.attributes.ints(attribute)?.map(<[i64]>::to_vec))
    }

    /// A setting that names an axis of `rank`; a negative one counts from the end.
    pub(super) fn axis(&self, name: &str, default: i64, rank: usize) -> Result<usize, Problem> {
        let said = self.attributes.int(name, default)?;
        Ok(self.axes(&[said], rank)?[0])
    }

    /// Axes of `rank`, none twice; negative ones count from the end.
    pub(super) fn axes(&self, said: &[i64], rank: usize) -> Result<Vec<usize>, Problem> {
        let mut axes = Vec::with_capacity(said.len().min(rank));
        for &axis in said {
            let from_start = if axis < 0 { axis.saturating_add_unsigned(rank as u64) } else { axis };
            match usize::try_from(from_start) {
                Ok(found) if found < rank && !axes.contains(&found) => axes.push(found),
                _ => return wrong(format!("names axis {axis} of {rank}, or one twice")),
            }
        }
        Ok(axes)
    }

    /// Adds a step.
    pub(super) fn add(&mut self, op: Op, inputs: Vec<StepId>, params: Vec<Rc<Vec<f32>>>) -> Result<StepId, Problem> {
        self.importer.steps.add(&self.name, op, inputs, params)
    }

    /// The elements of a tensor as these extents.
    pub(super) fn shaped(&mut self, tensor: &Tensor, shape: Shape) -> Result<StepId, Problem> {
        let found = self.importer.steps.shape(tensor.step);
        if found == shape {
            return Ok(tensor.step);
        }
        if found.elements() != shape.elements() {
            return wrong(format!("reads {found} as {shape}"));
        }
        self.add(Op::Reshape(Reshape { shape }), vec![tensor.step], Vec::new())
    }

    /// A tensor as extents of which one is its axis `axis`, and which that is: its own, where one is.
    pub(super) fn along(&mut self, tensor: &Tensor, axis: usize) -> Result<(StepId, Axis), Problem> {
        let parts = around(&tensor.dims, axis)?;
        if let Some(found) = axis_of(self.importer.steps.shape(tensor.step), parts) {
            return Ok((tensor.step, found));
        }
        let [before, along, behind] = parts;
        let (shape, axis) = if before == 1 {
            (Shape::new(extent(along)?, 1, extent(behind)?), Axis::Channels)
        } else {
            (Shape::new(extent(before)?, extent(along)?, extent(behind)?), Axis::Rows)
        };
        Ok((self.shaped(tensor, shape)?, axis))
    }
}

/// Moving elements: what needs no computation.
impl Call<'_, '_, '_> {
    /// Tensors one behind the other along axis `axis`.
    pub(super) fn joined(&mut self, tensors: &[Tensor], axis: usize) -> Result<Tensor, Problem> {
        let [first, rest @ ..] = tensors else { return wrong("joins nothing") };
        let mut dims = first.dims.clone();
        let (step, along) = self.along(first, axis)?;
        let shape = self.importer.steps.shape(step);
        let mut steps = vec![step];
        for tensor in rest {
            let alike = |place: usize| place == axis || tensor.dims[place] == dims[place];
            if tensor.dims.len() != dims.len() || !(0..dims.len()).all(alike) {
                return wrong(format!("joins {:?} and {:?}", first.dims, tensor.dims));
            }
            steps.push(self.shaped(tensor, shape.with(along, extent(tensor.dims[axis])?))?);
            dims[axis] += tensor.dims[axis];
        }
        let step = self.add(Op::Concat { axis: along }, steps, Vec::new())?;
        Ok(Tensor { step, dims })
    }

    /// `count` places of axis `axis` from `start` on.
    pub(super) fn part(&mut self, tensor: &Tensor, axis: usize, start: u64, count: u64) -> Result<Tensor, Problem> {
        let part = Slice { axis: Axis::Channels, start: extent(start)?, count: extent(count)?, step: 1 };
        self.cut(tensor, axis, &part)
    }

    /// Places of axis `axis`; the axis of `part` is not looked at.
    pub(super) fn cut(&mut self, tensor: &Tensor, axis: usize, part: &Slice) -> Result<Tensor, Problem> {
        let mut dims = tensor.dims.clone();
        dims[axis] = u64::from(part.count);
        if dims == tensor.dims && part.step == 1 {
            return Ok(tensor.clone());
        }
        let (step, along) = self.along(tensor, axis)?;
        let step = self.add(Op::Slice(Slice { axis: along, ..*part }), vec![step], Vec::new())?;
        Ok(Tensor { step, dims })
    }

    /// Axes in another order: `order` names the old axis of each new one.
    pub(super) fn permuted(&mut self, tensor: &Tensor, order: &[usize]) -> Result<Tensor, Problem> {
        let dims: Vec<u64> = order.iter().map(|&axis| tensor.dims[axis]).collect();
        let mut step = tensor.step;
        let found = self.importer.steps.shape(step);
        let turns = match order::direct(found, &tensor.dims, order, natural(&dims).ok()) {
            Some(turn) => vec![turn],
            None => order::turns(&tensor.dims, order),
        };
        for Turn { extents: [a, b, c], axes } in turns {
            let shape = Shape::new(extent(a)?, extent(b)?, extent(c)?);
            let input = self.shaped(&Tensor { step, dims: Vec::new() }, shape)?;
            step = self.add(Op::Transpose(Transpose { axes }), vec![input], Vec::new())?;
        }
        Ok(Tensor { step, dims })
    }
}
