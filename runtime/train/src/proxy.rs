//! Figures of an untrained network that are to tell how well it will learn: graph × first weights × one batch → a number, more being better.
//!
//! All look at the network before its first step, and cost about as much as one. They are computed by burn's own operators, step by
//! step, since some look at what is between the steps. How well each tells is measured by `examples/paper`: `docs/training.md`.

mod matrix;

use crate::operator::numbers;
use crate::{Network, Noise, TrainError};
use burn_tensor::Device;
use cnasc_base::Seed;
use cnasc_base::random::Rng;
use cnasc_ir::op::ParamRole;
use cnasc_ir::{Op, TensorGraph, TensorId, Weights};
use matrix::Triangle;

/// A figure that is had without training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Proxy {
    /// Sum over the parameters of their gradients' lengths, Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", ICLR 2021.
    GradNorm,
    #[default]
    /// Logarithm of the sum of θ · ∂R/∂θ, where all weights are positive, batch norms do nothing, and R is the sum of the outputs for an image
    /// of ones: how much flows through all paths, Tanaka et al., NeurIPS 2020.
    Synflow,
    /// Logarithm of the determinant of the images' kernel, which counts the ReLUs that two images agree in: how well they are told apart,
    /// Mellor et al., "Neural Architecture Search without Training", ICML 2021. The least there is where two images agree in all.
    Naswot,
    /// How little the gradients of the outputs with respect to different images are correlated, by the eigenvalues of their correlations: the
    /// first version of the same paper.
    JacobCov,
    /// Logarithm of how far what the classifier sees moves when noise is moved a little, with the deviations that batch norms divide by put
    /// back, Lin et al., "Zen-NAS", ICCV 2021.
    Zen,
}

/// Images to look at a network with.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// As the network takes them, one after the other.
    pub images: &'a [f32],
    /// Of each its class.
    pub classes: &'a [usize],
    /// For proxies that draw noise.
    pub seed: u64,
}

/// Added to eigenvalues of correlations, as Mellor et al. do.
const CORRELATION_FLOOR: f64 = 1e-5;
/// How far noise is moved, Lin et al.
const MOVED: f32 = 0.01;
/// The image of ones is so much fainter, and the outcome as much greater, since sums over all paths of a deep network leave single precision.
const FAINT: f32 = 1e-18;

impl Proxy {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::GradNorm, Self::Synflow, Self::Naswot, Self::JacobCov, Self::Zen];

    /// As it is called in papers.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::GradNorm => "grad_norm",
            Self::Synflow => "synflow",
            Self::Naswot => "naswot",
            Self::JacobCov => "jacob_cov",
            Self::Zen => "zen",
        }
    }

    /// The figure; minus infinity is the least.
    ///
    /// # Errors
    /// Where the network can't be trained, or the batch is not of its images and classes.
    pub fn measure(self, graph: &TensorGraph, weights: &Weights, batch: Batch) -> Result<f64, TrainError> {
        let network = Network::new(graph, 1)?.by_burn();
        let count = batch.classes.len();
        let fits = batch.images.len() == count * network.input().elements() as usize;
        if count < 2 || !fits || batch.classes.iter().any(|&class| class >= network.classes()) {
            return Err(TrainError::Unfit(
                "a proxy needs two or more of the network's images with their classes".to_owned(),
            ));
        }
        Ok(match self {
            Self::GradNorm => grad_norm(&network, weights, batch),
            Self::Synflow => synflow(&network, weights),
            Self::Naswot => naswot(&network, weights, batch),
            Self::JacobCov => jacob_cov(&network, weights, batch),
            Self::Zen => zen(&network, weights, batch),
        })
    }
}

fn grad_norm(network: &Network, weights: &Weights, batch: Batch) -> f64 {
    let classes = network.classes();
    let mut targets = vec![0.0; batch.classes.len() * classes];
    batch.classes.iter().enumerate().for_each(|(image, class)| targets[image * classes + class] = 1.0);
    let outcome = network.learn(weights, batch.images.to_vec(), targets);
    let learnt = outcome.gradients.iter().zip(&network.graph().params).filter(|(_, spec)| spec.role.is_trained());
    learnt.map(|(gradient, _)| length(gradient)).sum()
}

fn synflow(network: &Network, weights: &Weights) -> f64 {
    let positive = |(values, role): (&Vec<f32>, ParamRole)| match role {
        ParamRole::Scale | ParamRole::Variance => vec![1.0; values.len()],
        ParamRole::Bias | ParamRole::Shift | ParamRole::Mean => vec![0.0; values.len()],
        _ => values.iter().map(|value| value.abs()).collect(),
    };
    let roles = network.graph().params.iter().map(|spec| spec.role);
    let weights = Weights { tensors: weights.tensors.iter().zip(roles).map(positive).collect() };
    let device = Device::flex().autodiff();
    let params = network.params(&weights, &device, true);
    let image = network.images(vec![FAINT; network.input().elements() as usize], 1, &device);
    let (outputs, _) = network.forward((&params, &weights), &device, image, None, &mut |_, _| ());
    let mut gradients = outputs.sum().backward();
    let mut sum = 0.0;
    for ((param, values), spec) in params.iter().zip(&weights.tensors).zip(&network.graph().params) {
        // Batch norms do nothing here, so that theirs is no part of it; what is added is 0.
        if matches!(spec.role, ParamRole::Scale | ParamRole::Shift | ParamRole::Bias) {
            continue;
        }
        let Some(gradient) = param.grad_remove(&mut gradients) else { continue };
        sum += values
            .iter()
            .zip(numbers(gradient))
            .map(|(&value, slope)| f64::from(value) * f64::from(slope))
            .sum::<f64>();
    }
    libm::log(sum) - libm::log(f64::from(FAINT))
}

fn naswot(network: &Network, weights: &Weights, batch: Batch) -> f64 {
    let count = batch.classes.len();
    let mut codes: Vec<Vec<u64>> = vec![Vec::new(); count];
    let mut bits = 0;
    let mut observe = |id: TensorId, made: &burn_tensor::Tensor<4>| {
        if !matches!(network.graph().step(id).op, Op::Relu | Op::Clip { .. }) {
            return;
        }
        let values = numbers(made.clone());
        let each = values.len() / count;
        bits += each;
        for (code, values) in codes.iter_mut().zip(values.chunks_exact(each)) {
            let word = |part: &[f32]| part.iter().fold(0, |word, &value| word << 1 | u64::from(value > 0.0));
            code.extend(values.chunks(64).map(word));
        }
    };
    learning(network, weights, batch.images, &mut observe);
    let differ = |a: &[u64], b: &[u64]| a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones() as usize).sum::<usize>();
    let kernel = |row: usize, column: usize| (bits - differ(&codes[row], &codes[column])) as f64;
    Triangle::of(count, kernel).map_or(f64::NEG_INFINITY, |triangle| triangle.log_determinant())
}

fn jacob_cov(network: &Network, weights: &Weights, batch: Batch) -> f64 {
    let device = Device::flex().autodiff();
    let params = network.params(weights, &device, false);
    let count = batch.classes.len();
    let images = network.images(batch.images.to_vec(), count, &device).require_grad();
    let lots = Noise::default().drawn(&Seed::new(0));
    let (outputs, _) = network.forward((&params, weights), &device, images.clone(), Some(lots), &mut |_, _| ());
    let mut gradients = outputs.sum().backward();
    let Some(slopes) = images.grad_remove(&mut gradients).map(numbers) else { return f64::NEG_INFINITY };
    let rows: Vec<Vec<f64>> = slopes.chunks_exact(slopes.len() / count).map(standardised).collect();
    let correlation = |row: usize, column: usize| {
        let own = if row == column { CORRELATION_FLOOR } else { 0.0 };
        own + rows[row].iter().zip(&rows[column]).map(|(a, b)| a * b).sum::<f64>()
    };
    // Σ log v + 1/v over the eigenvalues: the determinant's logarithm and the inverse's trace.
    let triangle = Triangle::of(count, correlation);
    triangle.map_or(f64::NEG_INFINITY, |triangle| -triangle.log_determinant() - triangle.trace_of_inverse())
}

/// With mean 0 and length 1, so that products are correlations; 0 where it never varies.
fn standardised(values: &[f32]) -> Vec<f64> {
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len().max(1) as f64;
    let centred: Vec<f64> = values.iter().map(|&value| f64::from(value) - mean).collect();
    let length = centred.iter().map(|value| value * value).sum::<f64>().sqrt();
    centred.into_iter().map(|value| if length > 0.0 { value / length } else { 0.0 }).collect()
}

fn zen(network: &Network, weights: &Weights, batch: Batch) -> f64 {
    let mut rng = Seed::new(batch.seed).child("zen").rng();
    let mut noise = || -> Vec<f32> { (0..batch.images.len()).map(|_| normal(&mut rng)).collect() };
    let (still, step) = (noise(), noise());
    let moved: Vec<f32> = still.iter().zip(step).map(|(value, step)| value + MOVED * step).collect();
    let feature = seen_by_classifier(network.graph());
    let seen = |images: &[f32]| {
        let mut seen = Vec::new();
        let variances = learning(network, weights, images, &mut |id, made| {
            if id == feature {
                seen = numbers(made.clone());
            }
        });
        (seen, variances)
    };
    let ((still, variances), (moved, _)) = (seen(&still), seen(&moved));
    let each = (still.len() / batch.classes.len()).max(1);
    let differences: Vec<f32> = still.iter().zip(moved).map(|(still, moved)| moved - still).collect();
    let distance = differences.chunks(each).map(length).sum::<f64>() / batch.classes.len() as f64;
    let deviations: f64 = variances
        .iter()
        .map(|channels| {
            let mean = channels.iter().map(|&value| f64::from(value)).sum::<f64>() / channels.len().max(1) as f64;
            0.5 * libm::log(mean)
        })
        .sum();
    libm::log(distance) + deviations
}

/// What the last pooling over the whole image takes, or else the last linear layer, or else the output.
fn seen_by_classifier(graph: &TensorGraph) -> TensorId {
    let last =
        |wanted: fn(&Op) -> bool| graph.steps.iter().rev().find(|step| wanted(&step.op)).map(|step| step.inputs[0]);
    last(|op| matches!(op, Op::GlobalAvg))
        .or_else(|| last(|op| matches!(op, Op::Linear { .. })))
        .unwrap_or(graph.output())
}

/// A pass as in learning, without gradients; gives the variances of every batch norm's channels.
fn learning(
    network: &Network,
    weights: &Weights,
    images: &[f32],
    observe: &mut dyn FnMut(TensorId, &burn_tensor::Tensor<4>),
) -> Vec<Vec<f32>> {
    let device = Device::flex();
    let params = network.params(weights, &device, false);
    let count = images.len() / network.input().elements() as usize;
    let images = network.images(images.to_vec(), count, &device);
    let lots = Noise::default().drawn(&Seed::new(0));
    let (_, statistics) = network.forward((&params, weights), &device, images, Some(lots), observe);
    statistics.into_iter().map(|found| found.variance).collect()
}

/// Box and Muller, Annals of Mathematical Statistics 29, 1958.
fn normal(rng: &mut Rng) -> f32 {
    let (radius, angle) = (1.0 - rng.unit(), rng.unit());
    ((-2.0 * libm::log(radius)).sqrt() * libm::cos(std::f64::consts::TAU * angle)) as f32
}

fn length(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>().sqrt()
}
