//! Epochs: a network, images and settings → a [`State`] that learns, epoch after epoch.

use crate::data::Images;
use crate::network::is_learnt;
use crate::optimizer::{Memory, Optimizer, clip};
use crate::{Augment, Network, Noise, Schedule, TrainError};
use cnasc_base::Seed;
use cnasc_base::random::Rng;
use cnasc_ir::Weights;
use cnasc_ir::architecture::Preprocess;

/// Everything that decides what a run comes to, but for the network, the images and the weights it begins with.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How often every image is seen.
    pub epochs: u32,
    /// Images a step.
    pub batch: usize,
    /// How weights follow gradients.
    pub optimizer: Optimizer,
    /// The greatest learning rate.
    pub rate: f32,
    /// What becomes of it.
    pub schedule: Schedule,
    /// Epochs in which the rate grows from nothing; may be a part of one.
    pub warmup: f32,
    /// Weight decay; see [`Optimizer::apply`] for what it spares.
    pub decay: f32,
    /// Share of the target that all classes get alike, Szegedy et al., CVPR 2016.
    pub smoothing: f32,
    /// Both parameters of the beta distribution by which pairs of images are mixed, Zhang et al., "mixup", ICLR 2018; 0 for not at all, at
    /// most 1.
    pub mixup: f32,
    /// What is done to images.
    pub augment: Augment,
    /// What is left out by lot.
    pub noise: Noise,
    /// The most length that all gradients together may have.
    pub clip: Option<f32>,
    /// Share of the averaged weights that stays each step, where they are averaged: these are then evaluated and kept.
    pub average: Option<f32>,
    /// Epochs without a better accuracy after which it ends.
    pub patience: Option<u32>,
    /// What all draws grow from.
    pub seed: u64,
}

/// A run between two epochs.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// As the optimizer has them.
    pub weights: Weights,
    /// Averages of them; without tensors where none are asked for.
    pub average: Weights,
    /// The optimizer's.
    pub memory: Memory,
    /// Epochs done.
    pub epoch: u32,
    /// Steps done.
    pub step: u64,
    /// The best share of right answers so far, and after which epoch it was; see [`State::judge`].
    pub best: Option<(f32, u32)>,
}

/// What an epoch came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Epoch {
    /// Mean over the images as they were shown.
    pub loss: f32,
    /// Share of right answers to them while it learnt.
    pub accuracy: f32,
    /// The last step's learning rate.
    pub rate: f32,
}

/// How well a network does on images that are shown as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Mean cross-entropy in nats.
    pub loss: f32,
    /// Share of right answers.
    pub accuracy: f32,
    /// The answer to each image.
    pub classes: Vec<usize>,
}

/// Everything that a run reads.
#[derive(Debug, Clone, Copy)]
pub struct Trainer<'a> {
    network: &'a Network,
    settings: &'a Settings,
    preprocess: &'a Preprocess,
    images: &'a Images,
}

impl<'a> Trainer<'a> {
    /// A run that fits together.
    ///
    /// # Errors
    /// Where the images are not the network's, or a setting is out of bounds.
    pub fn new(
        network: &'a Network,
        settings: &'a Settings,
        preprocess: &'a Preprocess,
        images: &'a Images,
    ) -> Result<Self, TrainError> {
        let unfit = |problem: String| Err(TrainError::Unfit(problem));
        if images.shape != network.input() || images.is_empty() {
            return unfit(format!(
                "{} images of {}, the network takes {}",
                images.len(),
                images.shape,
                network.input()
            ));
        }
        if images.classes() > network.classes() {
            return unfit(format!("the images have {} classes, the network {}", images.classes(), network.classes()));
        }
        if !preprocess.fits(images.shape.channels) {
            return unfit("its preprocessing is not that of its channels".to_owned());
        }
        let within = [
            (settings.batch >= 1, "a batch of at least one image"),
            (settings.rate > 0.0 && settings.rate.is_finite(), "a learning rate above 0"),
            (settings.decay >= 0.0 && settings.decay.is_finite(), "a weight decay of at least 0"),
            ((0.0..1.0).contains(&settings.smoothing), "a label smoothing from 0 to below 1"),
            ((0.0..=1.0).contains(&settings.mixup), "a mixup from 0 to 1"),
            (settings.warmup >= 0.0 && settings.warmup.is_finite(), "a warm-up of at least 0 epochs"),
            ((0.0..=1.0).contains(&settings.noise.edge), "a probability of leaving out edges from 0 to 1"),
            ((0.0..=1.0).contains(&settings.noise.path), "a probability of leaving out paths from 0 to 1"),
            ((0.0..1.0).contains(&settings.noise.dropout), "a dropout from 0 to below 1"),
            (settings.clip.is_none_or(|clip| clip > 0.0), "a clipping length above 0"),
            (settings.average.is_none_or(|share| (0.0..1.0).contains(&share)), "an averaging share from 0 to below 1"),
        ];
        match within.iter().find(|(holds, _)| !holds) {
            Some((_, wanted)) => unfit(format!("training needs {wanted}")),
            None => Ok(Self { network, settings, preprocess, images }),
        }
    }

    /// Steps of an epoch: images that fill no batch wait for another epoch, unless there is but one batch.
    #[must_use]
    pub fn steps(&self) -> u64 {
        (self.images.len() / self.batch()) as u64
    }

    fn batch(&self) -> usize {
        self.settings.batch.min(self.images.len())
    }

    /// The run before its first epoch.
    #[must_use]
    pub fn begin(&self, weights: Weights) -> State {
        let average = if self.settings.average.is_some() { weights.clone() } else { Weights::default() };
        let memory = self.settings.optimizer.memory(self.network.graph());
        State { weights, average, memory, epoch: 0, step: 0, best: None }
    }

    /// Whether nothing is left to learn: all epochs are done, or it has got no better for long.
    #[must_use]
    pub fn is_done(&self, state: &State) -> bool {
        let is_stuck = |patience: u32| state.best.is_some_and(|(_, at)| state.epoch >= at + patience);
        state.epoch >= self.settings.epochs || self.settings.patience.is_some_and(is_stuck)
    }

    /// One epoch; `progress` is told of every step done.
    ///
    /// # Errors
    /// Where the loss is no finite number any more; `state` is then of no use.
    pub fn epoch(&self, state: &mut State, progress: &mut dyn FnMut(u64)) -> Result<Epoch, TrainError> {
        let (mut loss, mut right, mut rate) = (0.0_f64, 0_usize, 0.0);
        let seed = Seed::new(self.settings.seed).child("epoch").nth(state.epoch.into());
        let mut order: Vec<usize> = (0..self.images.len()).collect();
        seed.child("order").rng().shuffle(&mut order);
        for (index, chosen) in order.chunks_exact(self.batch()).enumerate() {
            let seed = seed.child("batch").nth(index as u64);
            let (images, targets) = self.load(chosen, &seed);
            let lots = self.settings.noise.drawn(&seed.child("noise"));
            let mut outcome = self.network.learn_with(&state.weights, images, targets, lots);
            if !outcome.loss.is_finite() {
                return Err(TrainError::Diverged { step: state.step, loss: outcome.loss });
            }
            loss += f64::from(outcome.loss);
            let answers = outcome.logits.chunks_exact(self.network.classes()).map(largest);
            right +=
                answers.zip(chosen).filter(|(class, image)| *class == usize::from(self.images.labels[**image])).count();
            rate = self.rate(state.step);
            self.update(state, &mut outcome.gradients, rate);
            progress(index as u64 + 1);
        }
        state.epoch += 1;
        let steps = self.steps().max(1);
        let seen = steps as f32 * self.batch() as f32;
        Ok(Epoch { loss: (loss / steps as f64) as f32, accuracy: right as f32 / seen, rate })
    }

    fn rate(&self, step: u64) -> f32 {
        let Settings { epochs, rate, schedule, warmup, .. } = self.settings;
        let per_epoch = self.steps();
        let warmup = (f64::from(*warmup) * per_epoch as f64) as u64;
        schedule.rate(*rate, step, per_epoch * u64::from(*epochs), per_epoch, warmup)
    }

    fn update(&self, state: &mut State, gradients: &mut [Vec<f32>], rate: f32) {
        let graph = self.network.graph();
        if let Some(most) = self.settings.clip {
            clip(graph, gradients, most);
        }
        let Self { settings: Settings { optimizer, decay, average, .. }, .. } = self;
        optimizer.apply(graph, &mut state.weights, &mut state.memory, gradients, (rate, *decay, state.step));
        state.step += 1;
        if let Some(share) = *average {
            // Averages of the first steps would be of nothing but where it began.
            let share = share.min((1.0 + state.step as f32) / (10.0 + state.step as f32));
            for ((average, weights), spec) in
                state.average.tensors.iter_mut().zip(&state.weights.tensors).zip(&graph.params)
            {
                if is_learnt(spec.role) {
                    average
                        .iter_mut()
                        .zip(weights)
                        .for_each(|(average, &weight)| *average += (1.0 - share) * (weight - *average));
                } else {
                    average.clone_from(weights);
                }
            }
        }
    }

    /// The network's input and targets for the chosen images.
    fn load(&self, chosen: &[usize], seed: &Seed) -> (Vec<f32>, Vec<f32>) {
        let classes = self.network.classes();
        let even = self.settings.smoothing / classes as f32;
        let mut images = Vec::with_capacity(chosen.len() * self.images.shape.elements() as usize);
        let mut targets = vec![even; chosen.len() * classes];
        let mut rng = seed.rng();
        for (&index, targets) in chosen.iter().zip(targets.chunks_exact_mut(classes)) {
            let pixels = self.settings.augment.apply(self.images.shape, self.images.image(index), &mut rng);
            prepare(self.preprocess, self.images.shape.plane() as usize, &pixels, &mut images);
            targets[usize::from(self.images.labels[index])] += 1.0 - self.settings.smoothing;
        }
        if self.settings.mixup > 0.0 {
            let share = beta(self.settings.mixup, &mut seed.child("mixup").rng());
            mix(&mut images, chosen.len(), share);
            mix(&mut targets, chosen.len(), share);
        }
        (images, targets)
    }
}

impl State {
    /// The weights to be used: averages, where there are any.
    #[must_use]
    pub fn result(&self) -> &Weights {
        if self.average.tensors.is_empty() { &self.weights } else { &self.average }
    }

    /// Takes down an accuracy after an epoch; says whether it is the best so far.
    pub fn judge(&mut self, accuracy: f32) -> bool {
        let is_best = self.best.is_none_or(|(best, _)| accuracy > best);
        if is_best {
            self.best = Some((accuracy, self.epoch));
        }
        is_best
    }
}

/// How well a network with these weights does on `images`, taken `batch` at a time.
#[must_use]
pub fn evaluate(
    network: &Network,
    weights: &Weights,
    preprocess: &Preprocess,
    images: &Images,
    batch: usize,
) -> Evaluation {
    let (mut classes, mut loss) = (Vec::with_capacity(images.len()), 0.0);
    let indices: Vec<usize> = (0..images.len()).collect();
    for chosen in indices.chunks(batch.max(1)) {
        let mut values = Vec::new();
        for &index in chosen {
            prepare(preprocess, images.shape.plane() as usize, images.image(index), &mut values);
        }
        let logits = network.classify(weights, values);
        for (&index, logits) in chosen.iter().zip(logits.chunks_exact(network.classes())) {
            loss += cross_entropy(logits, images.labels[index].into());
            classes.push(largest(logits));
        }
    }
    let right = classes.iter().zip(&images.labels).filter(|(class, label)| **class == usize::from(**label)).count();
    let count = images.len().max(1) as f64;
    Evaluation { loss: (loss / count) as f32, accuracy: (right as f64 / count) as f32, classes }
}

/// Images as the network takes them, one after the other.
#[must_use]
pub fn prepared(preprocess: &Preprocess, images: &Images) -> Vec<f32> {
    let mut values = Vec::with_capacity(images.pixels.len());
    for index in 0..images.len() {
        prepare(preprocess, images.shape.plane() as usize, images.image(index), &mut values);
    }
    values
}

fn cross_entropy(logits: &[f32], label: usize) -> f64 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| libm::exp(f64::from(logit - most))).sum();
    libm::log(sum) - f64::from(logits[label] - most)
}

/// (pixel − mean) / deviation of each channel, as devices prepare images.
fn prepare(preprocess: &Preprocess, plane: usize, pixels: &[u8], to: &mut Vec<f32>) {
    let of = |values: &[f32], channel: usize| if values.len() == 1 { values[0] } else { values[channel] };
    for (channel, pixels) in pixels.chunks_exact(plane).enumerate() {
        let (mean, deviation) = (of(&preprocess.mean, channel), of(&preprocess.deviation, channel));
        to.extend(pixels.iter().map(|&pixel| (f32::from(pixel) / 255.0 - mean) / deviation));
    }
}

/// Each of `count` equal parts becomes `share` of itself and the rest of its opposite, counted from the end.
fn mix(values: &mut [f32], count: usize, share: f32) {
    let size = values.len() / count;
    for index in 0..count / 2 {
        let (front, back) = values.split_at_mut((count - 1 - index) * size);
        for (a, b) in front[index * size..][..size].iter_mut().zip(back) {
            (*a, *b) = (share * *a + (1.0 - share) * *b, share * *b + (1.0 - share) * *a);
        }
    }
}

/// A draw of the beta distribution with both parameters `alpha`, 0 < `alpha` ≤ 1: Jöhnk, Metrika 8, 1964.
fn beta(alpha: f32, rng: &mut Rng) -> f32 {
    loop {
        let [x, y] = [rng.unit(), rng.unit()].map(|unit| libm::pow(unit, 1.0 / f64::from(alpha)));
        if x + y <= 1.0 && x + y > 0.0 {
            return (x / (x + y)) as f32;
        }
    }
}

/// The place of the largest; the first of equals.
fn largest(values: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}
