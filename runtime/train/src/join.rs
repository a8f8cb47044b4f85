//! Weighted sums of several tensors as one operator, with kernels of our own for values and gradients: one pass over the inputs instead of two
//! for each of them.

use crate::block::{Threads, vectorised};
use crate::layout::{numbers, owned, side_by_side, tensor};
use crate::room::{Part, Room};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_backend::{BackendTypes, TensorData};
use burn_flex::{Flex, FlexTensor};
use burn_tensor::Tensor;
use pulp::{Arch, Simd, WithSimd};
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rayon::slice::ParallelSlice;

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
        let inputs = inputs.into_iter().map(|x| side_by_side(&x.try_into_primitive::<Flex>().expect(made_on)));
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
    let values: Vec<FlexTensor> = inputs.iter().map(|x| side_by_side(x.primitive())).collect();
    let weights = weights.primitive().to_contiguous();
    let output = forward(&values, numbers(&weights), threads);
    let kept = Kept { inputs: inputs.to_vec(), values, weights, threads: threads.clone() };
    match Step.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(kept, output),
        OpsKind::UnTracked(step) => step.finish(output),
    }
}

/// What the gradient needs of the values.
#[derive(Debug, Clone)]
struct Kept {
    /// What the gradients belong to.
    inputs: Vec<Learnt>,
    /// The same as numbers.
    values: Vec<FlexTensor>,
    weights: FlexTensor,
    threads: Threads,
}

#[derive(Debug)]
struct Step;

impl<const N: usize> Backward<Flex, N> for Step {
    type State = Kept;

    fn backward(self, ops: Ops<Kept, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = side_by_side(&gradients.consume::<Flex>(&ops.node));
        let Kept { inputs, values, weights, threads } = ops.state;
        let of_weights = ops.parents.get(inputs.len()).cloned().flatten();
        // What other steps left of an input's gradient is added to in its place: a node has several consumers, and each sum of two would be
        // another way through memory.
        let count = numbers(&gradient).len();
        let mut sums: Vec<Option<Room>> = Vec::with_capacity(inputs.len());
        for (x, node) in inputs.iter().zip(&ops.parents) {
            let there = |_| gradients.remove::<Flex>(x).map_or_else(Vec::new, owned);
            sums.push(node.as_ref().map(there).map(|there| Room::behind(there, count)));
        }
        let parts =
            backward(numbers(&gradient), &values, (&mut sums, numbers(&weights)), of_weights.is_some(), &threads);
        for (sum, node) in sums.into_iter().zip(&ops.parents) {
            if let (Some(sum), Some(node)) = (sum, node) {
                gradients.register::<Flex>(node.id, like(&gradient, sum.into_numbers()));
            }
        }
        if let Some(node) = of_weights {
            let of_input = |input: usize| parts.iter().map(|part| part[input]).sum::<f64>() as f32;
            let found: Vec<f32> = (0..inputs.len()).map(of_input).collect();
            let extents = [found.len()];
            gradients.register::<Flex>(node.id, FlexTensor::from_data(TensorData::new(found, extents)));
        }
    }
}

/// Adds weightⱼ · gradient to each sum that is wanted, and gives Σ gradient · xⱼ where these are, by parts that don't depend on the number of
/// threads.
fn backward(
    gradient: &[f32],
    values: &[FlexTensor],
    (sums, weights): (&mut [Option<Room>], &[f32]),
    are_products_wanted: bool,
    threads: &Threads,
) -> Vec<[f64; MOST]> {
    let mut parts: Vec<Vec<Share<'_>>> = (0..gradient.len().div_ceil(PART)).map(|_| Vec::new()).collect();
    for (((input, sum), &weight), x) in sums.iter_mut().enumerate().zip(weights).zip(values) {
        let mut rooms = sum.as_mut().map(|sum| sum.parts(PART).into_iter());
        for (share, x) in parts.iter_mut().zip(numbers(x).chunks(PART)) {
            let sum = rooms.as_mut().and_then(Iterator::next);
            share.push(Share { input, weight, sum, x });
        }
    }
    threads.install(|| {
        let parts = parts.into_par_iter().zip(gradient.par_chunks(PART));
        let of_part = |(shares, gradient): (Vec<Share<'_>>, &[f32])| {
            let mut products = [0.0; MOST];
            for share in shares {
                if are_products_wanted {
                    products[share.input] = Arch::new().dispatch(Product { a: gradient, b: share.x });
                }
                let Share { weight, sum: Some(sum), .. } = share else { continue };
                let sum = sum.open();
                vectorised(|| sum.iter_mut().zip(gradient).for_each(|(sum, &from)| *sum += weight * from));
            }
            products
        };
        parts.map(of_part).collect()
    })
}

/// One input's part of what a join's gradient comes to.
struct Share<'a> {
    input: usize,
    weight: f32,
    sum: Option<Part<'a>>,
    x: &'a [f32],
}

fn forward(inputs: &[FlexTensor], weights: &[f32], threads: &Threads) -> FlexTensor {
    let rows: Vec<&[f32]> = inputs.iter().map(numbers).collect();
    let mut output = Room::new(rows[0].len());
    threads.install(|| {
        output.parts(PART).into_par_iter().enumerate().for_each(|(index, to)| {
            let to = to.open();
            for (row, weight) in rows.iter().zip(weights) {
                let from = &row[index * PART..];
                vectorised(|| to.iter_mut().zip(from).for_each(|(to, &from)| *to += weight * from));
            }
        });
    });
    like(&inputs[0], output.into_numbers())
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

fn like(other: &FlexTensor, values: Vec<f32>) -> FlexTensor {
    tensor(values, other.layout().shape().dims())
}
