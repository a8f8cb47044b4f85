//! Weighted sums of several tensors as one operator, with kernels of our own for values and gradients: one pass over the inputs instead of two
//! for each of them.

use crate::block::{Threads, vectorised};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_backend::{BackendTypes, TensorData};
use burn_flex::{Flex, FlexTensor};
use burn_tensor::Tensor;
use pulp::{Arch, Simd, WithSimd};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::{ParallelSlice, ParallelSliceMut};

type Learning = Autodiff<Flex, NoCheckpointing>;
type Learnt = <Learning as BackendTypes>::FloatTensorPrimitive;

/// The most inputs of one operator; of more, sums are summed.
const MOST: usize = 8;

/// Elements that a thread takes at a time: a few rows of as many in the inner caches.
const PART: usize = 1 << 13;

/// Σ weightⱼ · xⱼ of tensors of one shape, by a row of weights. Nothing is learnt of tensors without gradients.
///
/// # Panics
/// Where the tensors are not burn's on its backend `flex`, on which all are made.
pub fn apply(inputs: Vec<Tensor<4>>, weights: &Tensor<1>, threads: &Threads) -> Tensor<4> {
    let mut sums = Vec::new();
    let mut first = 0;
    let mut rest = inputs.into_iter().peekable();
    while rest.peek().is_some() {
        let some: Vec<Tensor<4>> = rest.by_ref().take(MOST).collect();
        let behind = first + some.len();
        sums.push(weighted(some, weights.clone().slice(first..behind), threads));
        first = behind;
    }
    sums.into_iter().reduce(|sum, other| sum + other).expect("the graph is verified: this operator has an input")
}

fn weighted(inputs: Vec<Tensor<4>>, weights: Tensor<1>, threads: &Threads) -> Tensor<4> {
    let made_on = "tensors are made on this backend";
    if !inputs[0].is_autodiff() {
        let weights = weights.try_into_primitive::<Flex>().expect(made_on).to_contiguous();
        let inputs = inputs.into_iter().map(|x| x.try_into_primitive::<Flex>().expect(made_on).to_contiguous());
        let inputs: Vec<FlexTensor> = inputs.collect();
        return Tensor::from_primitive::<Flex>(forward(&inputs, numbers(&weights), threads));
    }
    let weights = weights.try_into_primitive::<Learning>().expect(made_on);
    let inputs: Vec<Learnt> = inputs.into_iter().map(|x| x.try_into_primitive::<Learning>().expect(made_on)).collect();
    // The number of parents is part of burn's type of a step.
    let output = match inputs.len() {
        1 => learn::<2>(&inputs, &weights, threads),
        2 => learn::<3>(&inputs, &weights, threads),
        3 => learn::<4>(&inputs, &weights, threads),
        4 => learn::<5>(&inputs, &weights, threads),
        5 => learn::<6>(&inputs, &weights, threads),
        6 => learn::<7>(&inputs, &weights, threads),
        7 => learn::<8>(&inputs, &weights, threads),
        _ => learn::<9>(&inputs, &weights, threads),
    };
    Tensor::from_primitive::<Learning>(output)
}

fn learn<const N: usize>(inputs: &[Learnt], weights: &Learnt, threads: &Threads) -> Learnt {
    let nodes = std::array::from_fn::<_, N, _>(|index| inputs.get(index).unwrap_or(weights).node());
    let values: Vec<FlexTensor> = inputs.iter().map(|x| x.primitive().to_contiguous()).collect();
    let weights = weights.primitive().to_contiguous();
    let output = forward(&values, numbers(&weights), threads);
    let kept = Kept { inputs: values, weights, threads: threads.clone() };
    match Step.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(kept, output),
        OpsKind::UnTracked(step) => step.finish(output),
    }
}

/// What the gradient needs of the values.
#[derive(Debug, Clone)]
struct Kept {
    inputs: Vec<FlexTensor>,
    weights: FlexTensor,
    threads: Threads,
}

#[derive(Debug)]
struct Step;

impl<const N: usize> Backward<Flex, N> for Step {
    type State = Kept;

    fn backward(self, ops: Ops<Kept, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let Kept { inputs, weights, threads } = ops.state;
        let (count, mut parents) = (inputs.len(), ops.parents.into_iter());
        for (node, &weight) in parents.by_ref().take(count).zip(numbers(&weights)) {
            let Some(node) = node else { continue };
            let scaled = if weight == 1.0 { gradient.clone() } else { scale(&gradient, weight, &threads) };
            gradients.register::<Flex>(node.id, scaled);
        }
        if let Some(node) = parents.next().flatten() {
            let of_weights: Vec<f32> =
                inputs.iter().map(|x| product(numbers(&gradient), numbers(x), &threads)).collect();
            gradients.register::<Flex>(node.id, FlexTensor::from_data(TensorData::new(of_weights, [count])));
        }
    }
}

fn forward(inputs: &[FlexTensor], weights: &[f32], threads: &Threads) -> FlexTensor {
    let rows: Vec<&[f32]> = inputs.iter().map(numbers).collect();
    let mut output = vec![0.0; rows[0].len()];
    threads.install(|| {
        output.par_chunks_mut(PART).enumerate().for_each(|(index, to)| {
            for (row, &weight) in rows.iter().zip(weights) {
                let from = &row[index * PART..];
                vectorised(|| to.iter_mut().zip(from).for_each(|(to, &from)| *to += weight * from));
            }
        });
    });
    like(&inputs[0], output)
}

fn scale(gradient: &FlexTensor, weight: f32, threads: &Threads) -> FlexTensor {
    let from = numbers(gradient);
    let mut scaled = vec![0.0; from.len()];
    threads.install(|| {
        scaled.par_chunks_mut(PART).zip(from.par_chunks(PART)).for_each(|(to, from)| {
            vectorised(|| to.iter_mut().zip(from).for_each(|(to, &from)| *to = weight * from));
        });
    });
    like(gradient, scaled)
}

/// Σ a·b, by parts that don't depend on the number of threads.
fn product(a: &[f32], b: &[f32], threads: &Threads) -> f32 {
    let of_part = |(a, b): (&[f32], &[f32])| Arch::new().dispatch(Product { a, b });
    let parts: Vec<f64> = threads.install(|| a.par_chunks(PART).zip(b.par_chunks(PART)).map(of_part).collect());
    parts.iter().sum::<f64>() as f32
}

/// Σ a·b. A job and not a closure, so that it is computed on wide vectors.
struct Product<'a> {
    a: &'a [f32],
    b: &'a [f32],
}

impl WithSimd for Product<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        const LANES: usize = 16;
        let ((a, a_rest), (b, b_rest)) = (self.a.as_chunks::<LANES>(), self.b.as_chunks::<LANES>());
        let mut sums = [0.0_f32; LANES];
        for (a, b) in a.iter().zip(b) {
            sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
        }
        let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
        f64::from(sums.iter().sum::<f32>() + rest)
    }
}

fn like(tensor: &FlexTensor, values: Vec<f32>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, tensor.layout().shape().clone()))
}

/// The elements of a tensor that is contiguous.
fn numbers(tensor: &FlexTensor) -> &[f32] {
    &tensor.storage::<f32>()[tensor.layout().start_offset()..][..tensor.layout().num_elements()]
}
