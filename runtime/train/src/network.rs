//! A tensor graph that can be trained: weights × a batch → loss and gradients, or what it says of the images.

use crate::block::Threads;
use crate::operator::{self, Pass, Statistics, extents, numbers};
use crate::plan::{Task, tasks};
use crate::{Lots, Noise, TrainError, backend};
use burn_tensor::{DType, Device, Tensor, TensorData, activation};
use cnasc_base::Seed;
use cnasc_ir::op::ParamRole;
use cnasc_ir::{Op, Shape, TensorGraph, TensorId, Weights};

/// How much of a batch's mean and variance goes into the stored ones.
const MOMENTUM: f32 = 0.1;

/// A graph whose operators all have gradients.
#[derive(Debug)]
pub struct Network {
    graph: TensorGraph,
    tasks: Vec<Task>,
    /// For each task the tensors that none behind it reads.
    last_read: Vec<Vec<TensorId>>,
    threads: Threads,
    /// Where it is computed.
    device: Device,
    /// Whether by burn's own operators alone.
    is_by_burn: bool,
    /// What convolutions and linear layers are computed in where that is not single precision.
    half: Option<DType>,
    /// The classes' values before a softmax that may end the network: losses take their logarithm at once, which is more exact.
    logits: TensorId,
}

/// What one batch taught.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Mean cross-entropy in nats.
    pub loss: f32,
    /// Values of each image's classes, before softmax; images one after the other.
    pub logits: Vec<f32>,
    /// By parameter, as [`Weights`] has them; of statistics, what they become.
    pub gradients: Vec<Vec<f32>>,
}

impl Network {
    /// A verified graph that was lowered and not folded, to be computed on so many threads.
    ///
    /// # Errors
    /// Where an operator has no gradient here, the output is not a row of classes, or threads can't be had.
    pub fn new(graph: &TensorGraph, threads: usize) -> Result<Self, TrainError> {
        if let Some(step) = graph.steps.iter().skip(1).find(|step| !operator::is_known(&step.op)) {
            return Err(TrainError::Lacks { node: step.node, operator: step.op.to_string() });
        }
        let output = graph.step(graph.output());
        if output.shape.plane() != 1 {
            return Err(TrainError::Unfit(format!(
                "its output is {}; training needs one number a class, as `global_avg -> linear(CLASSES)` gives",
                output.shape
            )));
        }
        let logits = match output.op {
            Op::Softmax { .. } => output.inputs[0],
            _ => graph.output(),
        };
        let threads = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let threads = threads.map_err(|error| TrainError::Unfit(format!("no threads can be had: {error}")))?;
        let tasks = tasks(graph, logits);
        let last_read = last_read(graph, &tasks, logits);
        let (threads, device) = (threads.into(), Device::flex());
        let graph = graph.clone();
        Ok(Self { graph, tasks, last_read, threads, device, is_by_burn: false, half: None, logits })
    }

    /// The same network with every step computed by burn's own operators, on one thread: to compare kernels of our own with.
    #[must_use]
    pub fn by_burn(mut self) -> Self {
        self.tasks = (1..=self.logits.index()).map(|index| Task::Step(TensorId::new(index))).collect();
        self.last_read = last_read(&self.graph, &self.tasks, self.logits);
        self.is_by_burn = true;
        self
    }

    /// The same network computed by burn on the first GPU that it finds, where single runs may differ in the last bits.
    ///
    /// # Errors
    /// Where there is none, or this build has none in it.
    pub fn on_gpu(self) -> Result<Self, TrainError> {
        Ok(Self { device: backend::gpu()?, ..self.by_burn() })
    }

    /// The same network with the products of convolutions and linear layers, forth and back, in bfloat16: weights, sums over images and norms
    /// stay in single precision.
    ///
    /// # Errors
    /// Where it is computed by kernels of our own, or its device has no such numbers.
    pub fn mixed(self) -> Result<Self, TrainError> {
        if !self.is_by_burn {
            let what = "mixed precision on the CPU, where its kernels compute in single precision";
            return Err(TrainError::Absent(what.to_owned()));
        }
        Ok(Self { half: Some(backend::half(&self.device)?), ..self })
    }

    /// What it takes.
    #[must_use]
    pub fn input(&self) -> Shape {
        self.graph.steps[0].shape
    }

    /// How many classes it tells apart.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.graph.step(self.logits).shape.channels as usize
    }

    /// The graph.
    #[must_use]
    pub fn graph(&self) -> &TensorGraph {
        &self.graph
    }

    /// Loss and gradients of a batch of `targets.len() / classes` images, for what each image should be: the share of each class, of
    /// which the sum is 1.
    #[must_use]
    pub fn learn(&self, weights: &Weights, images: Vec<f32>, targets: Vec<f32>) -> Outcome {
        self.learn_with(weights, images, targets, Noise::default().drawn(&Seed::new(0)))
    }

    /// The same with parts left out by `lots`.
    #[must_use]
    pub fn learn_with(&self, weights: &Weights, images: Vec<f32>, targets: Vec<f32>, lots: Lots) -> Outcome {
        // All of it on the threads, which would otherwise be woken for every operator.
        self.threads.install(|| self.learn_here(weights, images, targets, lots))
    }

    fn learn_here(&self, weights: &Weights, images: Vec<f32>, targets: Vec<f32>, lots: Lots) -> Outcome {
        let device = self.device.clone().autodiff();
        let count = targets.len() / self.classes();
        let params = self.params(weights, &device, true);
        let images = self.images(images, count, &device);
        let (logits, statistics) = self.forward((&params, weights), &device, images, Some(lots), &mut |_, _| ());
        let targets = Tensor::<2>::from_data(TensorData::new(targets, [count, self.classes()]), &device);
        let loss = (activation::log_softmax(logits.clone(), 1) * targets).sum().div_scalar(-(count as f32));
        let mut gradients = loss.backward();
        let gradient = |(param, values): (&Tensor<1>, &Vec<f32>)| {
            let found = param.grad_remove(&mut gradients);
            found.map_or_else(|| vec![0.0; values.len()], numbers)
        };
        let mut gradients: Vec<Vec<f32>> = params.iter().zip(&weights.tensors).map(gradient).collect();
        for Statistics { params: [mean, variance], mean: new_mean, variance: new_variance, count } in statistics {
            // Stored variances are estimates of the whole set's, so that the squares are divided by one less.
            let unbiased = count as f32 / count.saturating_sub(1).max(1) as f32;
            gradients[mean.index()] = towards(weights.of(mean), &new_mean, 1.0);
            gradients[variance.index()] = towards(weights.of(variance), &new_variance, unbiased);
        }
        Outcome { loss: numbers(loss)[0], logits: numbers(logits), gradients }
    }

    /// Values of the classes of so many images, before softmax, with the stored statistics.
    #[must_use]
    pub fn classify(&self, weights: &Weights, images: Vec<f32>) -> Vec<f32> {
        let device = self.device.clone();
        let count = images.len() / self.input().elements() as usize;
        let params = self.params(weights, &device, false);
        let images = self.images(images, count, &device);
        numbers(self.forward((&params, weights), &device, images, None, &mut |_, _| ()).0)
    }

    /// So many images as the first tensor.
    pub(crate) fn images(&self, values: Vec<f32>, count: usize, device: &Device) -> Tensor<4> {
        Tensor::from_data(TensorData::new(values, extents(count, self.input())), device)
    }

    /// Every parameter as a tensor, with a gradient where it is learnt and `are_learnt` says so.
    pub(crate) fn params(&self, weights: &Weights, device: &Device, are_learnt: bool) -> Vec<Tensor<1>> {
        let params = self.graph.params.iter().zip(&weights.tensors);
        params
            .map(|(spec, values)| {
                let param = Tensor::from_data(TensorData::new(values.clone(), [values.len()]), device);
                if are_learnt && is_learnt(spec.role) { param.require_grad() } else { param }
            })
            .collect()
    }

    /// The classes' values, and what batch norms found; `observe` is told of every step's output that comes to be, which inside
    /// a block of our own kernels those of its parts do not.
    pub(crate) fn forward(
        &self,
        (params, weights): (&[Tensor<1>], &Weights),
        device: &Device,
        images: Tensor<4>,
        lots: Option<Lots>,
        observe: &mut dyn FnMut(TensorId, &Tensor<4>),
    ) -> (Tensor<2>, Vec<Statistics>) {
        let graph = &self.graph;
        let threads = (!self.is_by_burn).then_some(&self.threads);
        let half = self.half;
        let mut pass = Pass { graph, params, weights, device, threads, half, lots, statistics: Vec::new() };
        let mut tensors: Vec<Option<Tensor<4>>> = vec![None; graph.steps.len()];
        let [count, ..] = images.dims();
        tensors[0] = Some(images);
        for (place, task) in self.tasks.iter().enumerate() {
            match task {
                &Task::Step(id) => {
                    let step = graph.step(id);
                    let take = |input: &TensorId| tensors[input.index()].clone().expect("steps are in order");
                    let inputs: Vec<Tensor<4>> = step.inputs.iter().map(take).collect();
                    self.give_up(&mut tensors, place);
                    let made = pass.apply(step, inputs);
                    observe(id, &made);
                    tensors[id.index()] = Some(made);
                }
                &Task::Same { of, id } => {
                    let made = tensors[of.index()].clone().expect("steps are in order");
                    self.give_up(&mut tensors, place);
                    observe(id, &made);
                    tensors[id.index()] = Some(made);
                }
                Task::Block { block, input, parts, output } => {
                    let x = tensors[input.index()].clone().expect("steps are in order");
                    self.give_up(&mut tensors, place);
                    let made = pass.block((block, parts), &self.threads, x);
                    observe(*output, &made);
                    tensors[output.index()] = Some(made);
                }
            }
        }
        let logits = tensors[self.logits.index()].take().expect("the last step was computed");
        (logits.reshape([count, self.classes()]), pass.statistics)
    }

    /// Forgets the tensors that no task behind the one at `place` reads, so that burn may write over them.
    fn give_up(&self, tensors: &mut [Option<Tensor<4>>], place: usize) {
        for &input in &self.last_read[place] {
            tensors[input.index()] = None;
        }
    }
}

/// Whether training changes it by its gradient.
pub fn is_learnt(role: ParamRole) -> bool {
    role.is_trained() && role != ParamRole::Constant
}

/// For each task the tensors that it is the last to read.
fn last_read(graph: &TensorGraph, tasks: &[Task], logits: TensorId) -> Vec<Vec<TensorId>> {
    let mut read = vec![false; graph.steps.len()];
    read[logits.index()] = true;
    let mut last: Vec<Vec<TensorId>> = tasks
        .iter()
        .rev()
        .map(|task| {
            let inputs = match task {
                Task::Step(id) => graph.step(*id).inputs.as_slice(),
                Task::Same { of: input, .. } | Task::Block { input, .. } => std::slice::from_ref(input),
            };
            inputs.iter().copied().filter(|input| !std::mem::replace(&mut read[input.index()], true)).collect()
        })
        .collect();
    last.reverse();
    last
}

fn towards(stored: &[f32], new: &[f32], factor: f32) -> Vec<f32> {
    stored.iter().zip(new).map(|(stored, new)| stored + MOMENTUM * (new * factor - stored)).collect()
}
