//! Steps that move elements, as gathers: slices, padding, transposition, other extents, joined rows and columns.

use super::super::gather::{Fill, Gather, Reshape, Walk};
use super::super::kernel::Kernel;
use super::{Call, Lowering};
use crate::CompileError;
use cnasc_ir::TensorId;
use cnasc_ir::op::{self, Axis, Pad, Slice, Transpose};
use cnasc_ir::tensor::Step;

impl Lowering<'_> {
    pub(super) fn slice(&mut self, step: &Step, output: TensorId, slice: &Slice) -> Result<(), CompileError> {
        let walk = |axis, extent| Walk::of(axis, (0..extent).map(|place| slice.source(place)));
        let from = self.graph.step(step.inputs[0]).shape;
        let walks = Axis::ALL.map(|axis| {
            if axis == slice.axis { walk(axis, slice.count) } else { Walk::whole(axis, from.extent(axis)) }
        });
        self.gather_whole(step, output, walks)
    }

    pub(super) fn pad(&mut self, step: &Step, output: TensorId, pad: &Pad) -> Result<(), CompileError> {
        let (from, to) = (self.graph.step(step.inputs[0]).shape, step.shape);
        let op::Fill::Constant(value) = pad.fill else {
            let walks = Axis::ALL.map(|axis| {
                let source = |place| pad.source(axis, place, from.extent(axis));
                Walk::of(axis, (0..to.extent(axis)).filter_map(source))
            });
            return self.gather_whole(step, output, walks);
        };
        let input = self.read(step.inputs[0]);
        let target = self.make(output)?;
        self.fill(target, value);
        let walks = Axis::ALL.map(|axis| {
            let start = pad.before[axis.index()];
            Walk { start, ..Walk::whole(axis, from.extent(axis)) }
        });
        self.gather(input, target, walks);
        Ok(())
    }

    pub(super) fn transpose(
        &mut self,
        step: &Step,
        output: TensorId,
        transpose: &Transpose,
    ) -> Result<(), CompileError> {
        let from = self.graph.step(step.inputs[0]).shape;
        self.gather_whole(step, output, transpose.axes.map(|axis| Walk::whole(axis, from.extent(axis))))
    }

    pub(super) fn reshape(&mut self, step: &Step, output: TensorId) -> Result<(), CompileError> {
        let input = self.read(step.inputs[0]);
        let target = self.make(output)?;
        let (from, to) = (self.program.buffers[input], self.program.buffers[target]);
        if from.shape == to.shape {
            self.copy(input, target, 0);
        } else {
            self.call(Kernel::Reshape(Reshape { input: from, output: to }), vec![input], target);
        }
        Ok(())
    }

    /// Joins along rows or columns.
    pub(super) fn join(&mut self, step: &Step, output: TensorId, along: Axis) -> Result<(), CompileError> {
        let target = self.make(output)?;
        let mut start = 0;
        for &tensor in &step.inputs {
            let input = self.read(tensor);
            let shape = self.graph.step(tensor).shape;
            let walks = Axis::ALL.map(|axis| {
                let start = if axis == along { start } else { 0 };
                Walk { start, ..Walk::whole(axis, shape.extent(axis)) }
            });
            self.gather(input, target, walks);
            start += shape.extent(along);
        }
        Ok(())
    }

    /// A step that is one gather.
    pub(super) fn gather_whole(&mut self, step: &Step, output: TensorId, walks: [Walk; 3]) -> Result<(), CompileError> {
        let input = self.read(step.inputs[0]);
        let target = self.make(output)?;
        self.gather(input, target, walks);
        Ok(())
    }

    pub(super) fn gather(&mut self, input: usize, output: usize, walks: [Walk; 3]) {
        let gather = Gather { input: self.program.buffers[input], output: self.program.buffers[output], walks };
        self.call(Kernel::Gather(gather), vec![input], output);
    }

    pub(super) fn fill(&mut self, buffer: usize, value: f32) {
        let fill = Fill { view: self.program.buffers[buffer], value: value.to_bits() };
        self.call(Kernel::Fill(fill), Vec::new(), buffer);
    }

    pub(super) fn call(&mut self, kernel: Kernel, inputs: Vec<usize>, output: usize) {
        self.calls.push(Call { kernel, inputs, output, weights: None, step: self.step });
    }
}
