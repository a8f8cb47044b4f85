//! Blocks in burn: its tensors in and out, and a step of its gradients that calls our kernels.

use super::kernel::{Params, Values};
use super::{Block, Threads};
use crate::layout::{numbers, owned, side_by_side, tensor};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_backend::{BackendTypes, TensorData};
use burn_flex::{Flex, FlexTensor};
use burn_tensor::Tensor;
use std::sync::Arc;

type Learning = Autodiff<Flex, NoCheckpointing>;
type Learnt = <Learning as BackendTypes>::FloatTensorPrimitive;

/// What comes out of a block.
pub struct Applied {
    /// The output.
    pub output: Tensor<4>,
    /// Mean and variance of each channel, where batch norm took the batch's.
    pub statistics: Option<[Vec<f32>; 2]>,
}

/// A block on a batch, for parameters in the order of [`Params`], without elements where it has none. With `stored` statistics nothing is
/// learnt.
///
/// # Panics
/// Where the tensors are not burn's on its backend `flex`, on which all are made.
pub fn apply(
    block: &Arc<Block>,
    threads: &Threads,
    x: Tensor<4>,
    params: [Tensor<1>; 4],
    stored: Option<[Vec<f32>; 2]>,
) -> Applied {
    if let Some([mean, variance]) = stored {
        let made_on = "tensors are made on this backend";
        let x = side_by_side(&x.try_into_primitive::<Flex>().expect(made_on));
        let params = params.map(|param| numbers(&param.try_into_primitive::<Flex>().expect(made_on)).to_vec());
        let values = block.forward(numbers(&x), views(&params), Some([&mean, &variance]), threads);
        let output = Tensor::from_primitive::<Flex>(block.tensor(values.output));
        return Applied { output, statistics: None };
    }
    let made_on = "tensors are made with gradients on this backend";
    let x = x.try_into_primitive::<Learning>().expect(made_on);
    let params = params.map(|param| param.try_into_primitive::<Learning>().expect(made_on));
    let (output, statistics) = learn(block, threads, &x, &params);
    Applied { output: Tensor::from_primitive::<Learning>(output), statistics }
}

fn learn(block: &Arc<Block>, threads: &Threads, x: &Learnt, params: &[Learnt; 4]) -> (Learnt, Option<[Vec<f32>; 2]>) {
    let [depthwise, dense, scale, shift] = params;
    let nodes = [x.node(), depthwise.node(), dense.node(), scale.node(), shift.node()];
    let input = side_by_side(x.primitive());
    let params = params.each_ref().map(|param| numbers(&param.primitive().to_contiguous()).to_vec());
    let mut values = block.forward(numbers(&input), views(&params), None, threads);
    let output = block.tensor(std::mem::take(&mut values.output));
    let statistics = block.norm.then(|| [values.mean.clone(), values.variance.clone()]);
    let (params, values) = (Arc::new(params), Arc::new(values));
    let kept = Kept { block: block.clone(), threads: threads.clone(), x: x.clone(), input, params, values };
    let output = match Step.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(kept, output),
        OpsKind::UnTracked(step) => step.finish(output),
    };
    (output, statistics)
}

/// What the gradient needs of the values.
#[derive(Debug, Clone)]
struct Kept {
    block: Arc<Block>,
    threads: Threads,
    /// What the input's gradient belongs to.
    x: Learnt,
    /// The same as numbers.
    input: FlexTensor,
    params: Arc<[Vec<f32>; 4]>,
    values: Arc<Values>,
}

#[derive(Debug)]
struct Step;

impl Backward<Flex, 5> for Step {
    type State = Kept;

    fn backward(self, ops: Ops<Kept, 5>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = side_by_side(&gradients.consume::<Flex>(&ops.node));
        let Kept { block, threads, x, input, params, values } = ops.state;
        // What other steps left of the input's gradient is added to in its place.
        let is_input_wanted = ops.parents[0].is_some();
        let there = is_input_wanted.then(|| gradients.remove::<Flex>(&x).map_or_else(Vec::new, owned));
        let found = block.backward((numbers(&input), views(&params), &values), numbers(&gradient), there, &threads);
        let [of_input, params @ ..] = ops.parents;
        if let Some(node) = of_input {
            gradients.register::<Flex>(node.id, tensor(found.input, input.layout().shape().dims()));
        }
        let row = |values: Vec<f32>| {
            let extents = [values.len()];
            FlexTensor::from_data(TensorData::new(values, extents))
        };
        let all = [found.depthwise, found.dense, found.scale, found.shift].map(row);
        for (node, gradient) in params.into_iter().zip(all) {
            if let Some(node) = node {
                gradients.register::<Flex>(node.id, gradient);
            }
        }
    }
}

impl Block {
    /// The output of a batch as burn's tensor.
    fn tensor(&self, values: Vec<f32>) -> FlexTensor {
        let [channels, height, width] = self.output;
        let images = values.len() / (channels * height * width);
        tensor(values, [images, channels, height, width])
    }
}

fn views(params: &[Vec<f32>; 4]) -> Params<'_> {
    let [depthwise, dense, scale, shift] = params;
    Params { depthwise, dense, scale, shift }
}
