//! Element-wise steps as calls.

use super::{Call, Lowering};
use crate::CompileError;
use crate::jit::activation::{Activation, Bits};
use crate::jit::arithmetic::Binary;
use crate::jit::constants::Piece;
use crate::jit::copy::Copy;
use crate::jit::kernel::Kernel;
use crate::jit::lrn::Lrn;
use crate::jit::softmax::Softmax;
use crate::jit::view::View;
use cnasc_bundle::layout;
use cnasc_ir::op::{Arithmetic, Axis};
use cnasc_ir::tensor::Step;
use cnasc_ir::{Op, TensorId};

impl Lowering<'_> {
    /// Two tensors; equal shapes that are added are a sum, which has more ways to be fast.
    pub(super) fn arithmetic(
        &mut self,
        step: &Step,
        output: TensorId,
        function: Arithmetic,
        activation: Activation,
    ) -> Result<(), CompileError> {
        let alike = self.graph.step(step.inputs[0]).shape == self.graph.step(step.inputs[1]).shape;
        if alike && function == Arithmetic::Add {
            return self.sum(step, output, None, false, activation);
        }
        let target = self.over(step, output)?;
        let inputs = [self.read(step.inputs[0]), self.read(step.inputs[1])];
        let views = inputs.map(|buffer| self.program.buffers[buffer]);
        let kernel =
            Kernel::Binary(Binary { function, inputs: views, output: self.program.buffers[target], activation });
        self.calls.push(Call { kernel, inputs: inputs.to_vec(), output: target, weights: None, step: self.step });
        Ok(())
    }

    pub(super) fn softmax(&mut self, step: &Step, output: TensorId, axis: Axis) -> Result<(), CompileError> {
        self.mapped(step, output, |input, output| Kernel::Softmax(Softmax { axis, input, output }))
    }

    pub(super) fn lrn(&mut self, step: &Step, output: TensorId) -> Result<(), CompileError> {
        let Op::Lrn { size, alpha, beta, bias } = step.op else { return Ok(()) };
        let [alpha, beta, bias] = [alpha, beta, bias].map(Bits::new);
        self.mapped(step, output, |input, output| Kernel::Lrn(Lrn { input, output, size, alpha, beta, bias }))
    }

    /// A call on one tensor, which the result may be written over.
    fn mapped(
        &mut self,
        step: &Step,
        output: TensorId,
        kernel: impl Fn(View, View) -> Kernel,
    ) -> Result<(), CompileError> {
        let target = self.over(step, output)?;
        let input = self.read(step.inputs[0]);
        let kernel = kernel(self.program.buffers[input], self.program.buffers[target]);
        self.calls.push(Call { kernel, inputs: vec![input], output: target, weights: None, step: self.step });
        Ok(())
    }

    /// A stored tensor is copied each time, since memory is used again within an inference.
    pub(super) fn constant(&mut self, step: &Step, output: TensorId) -> Result<(), CompileError> {
        let target = self.make(output)?;
        let mut values = vec![0.0; layout::len(step.shape)];
        layout::to_blocked(step.shape, self.weights.of(step.params[0]), &mut values);
        let weights = Some(self.section(Piece::Words(values.into_iter().map(f32::to_bits).collect())));
        let copy = Copy::new(View::plain(step.shape), self.program.buffers[target], 0);
        let kernel = Kernel::Constant(copy);
        self.calls.push(Call { kernel, inputs: Vec::new(), output: target, weights, step: self.step });
        Ok(())
    }
}
