//! Measures the forms of a network's kernels, each within whole inferences, where its data comes from the caches that it comes from in earnest.
//!
//! Network → the same program once in the usual form and once in another one, run in turns → for each kernel the form with the least time.

use super::form::{Form, Forms};
use super::kernel::Kernel;
use super::{Jit, Options, compile_with, fused};
use crate::micro::Isa;
use crate::tuning::{self, Tuned};
use crate::{CompileError, Executable};
use cnasc_bundle::Share;
use cnasc_ir::fleet::Backend;
use cnasc_ir::{TensorGraph, TensorId, Weights};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What another form must win, so that noise does not choose; the usual one is never lost by it.
const GAIN: f64 = 0.97;
/// For how long two forms are compared, where that makes no more and no fewer turns than these.
const BUDGET: Duration = Duration::from_millis(400);
const TURNS: std::ops::RangeInclusive<u32> = 7..=200;

/// A kernel with all its calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// By which a [`Tuning`](crate::tuning::Tuning) knows it.
    pub key: String,
    /// How often an inference calls it.
    pub calls: u32,
    /// What was found.
    pub tuned: Tuned,
}

/// Measures the kernels of a network on one thread of this CPU, in some seconds. `image` is blocked.
///
/// # Errors
/// Where the network can't be compiled.
///
/// # Panics
/// Where the image has not the size of the network's.
pub fn tune(graph: &TensorGraph, weights: &Weights, image: &[f32]) -> Result<Vec<Measured>, CompileError> {
    let share = Share::whole(graph, Backend::Jit);
    let kernels = fused(graph, weights, &share, Isa::best())?;
    let start = |form| {
        let options = Options { forms: Forms::All(form), ..Options::default() };
        Ok::<_, CompileError>(Subject::new(compile_with(graph, weights, &share, options)?, image))
    };
    let mut usual = start(Form::Usual)?;
    let mut best: Vec<(Form, f64)> = vec![(Form::Usual, 1.0); kernels.len()];
    for form in Form::OTHERS {
        if !kernels.iter().any(|kernel| differs(form, kernel)) {
            continue;
        }
        let ratios = compare(&mut usual, &mut start(form)?, &kernels);
        for ((kernel, best), ratio) in kernels.iter().zip(&mut best).zip(ratios) {
            if differs(form, kernel) && ratio < best.1.min(GAIN) {
                *best = (form, ratio);
            }
        }
    }
    if usual.least.is_empty() {
        // Nothing had two forms.
        usual.turn();
    }
    Ok(measured(graph, &usual, &kernels, &best))
}

/// Whether the form is another one than the usual for this kernel.
pub fn differs(form: Form, kernel: &Kernel) -> bool {
    let (one, other) = (form.of(kernel), Form::Usual.of(kernel));
    one != other && (one.name(), one.table()) != (other.name(), other.table())
}

/// A program, and the least that each of its calls took.
struct Subject<'a> {
    jit: Jit,
    image: &'a [f32],
    steps: Vec<TensorId>,
    least: Vec<f64>,
}

impl<'a> Subject<'a> {
    fn new(jit: Jit, image: &'a [f32]) -> Self {
        Self { jit, image, steps: Vec::new(), least: Vec::new() }
    }

    fn turn(&mut self) {
        self.jit.tensor_mut(TensorId(0)).copy_from_slice(self.image);
        // The whole network is one action.
        let spent = self.jit.profile(0);
        self.least.resize(spent.len(), f64::INFINITY);
        self.least.iter_mut().zip(&spent).for_each(|(least, spent)| *least = least.min(spent.seconds));
        self.steps = spent.into_iter().map(|spent| spent.step).collect();
    }

    /// By call, the mean over all calls of its kernel.
    fn means(&self, kernels: &[Kernel]) -> Vec<f64> {
        let mut sums: BTreeMap<&Kernel, (f64, f64)> = BTreeMap::new();
        for (kernel, least) in kernels.iter().zip(&self.least) {
            let entry = sums.entry(kernel).or_default();
            *entry = (entry.0 + least, entry.1 + 1.0);
        }
        kernels.iter().map(|kernel| sums[kernel].0 / sums[kernel].1).collect()
    }
}

/// By call, the other's time over the usual one's.
fn compare(usual: &mut Subject<'_>, other: &mut Subject<'_>, kernels: &[Kernel]) -> Vec<f64> {
    // Whatever else the machine does, it does to both: earlier turns of the usual one don't count here.
    let before = std::mem::take(&mut usual.least);
    let (start, mut turns) = (Instant::now(), 0);
    while turns < *TURNS.start() || turns < *TURNS.end() && start.elapsed() < BUDGET {
        usual.turn();
        other.turn();
        turns += 1;
    }
    let ratios =
        other.means(kernels).into_iter().zip(usual.means(kernels)).map(|(other, usual)| other / usual.max(1e-9));
    let ratios = ratios.collect();
    usual.least.iter_mut().zip(before).for_each(|(least, before)| *least = least.min(before));
    ratios
}

fn measured(graph: &TensorGraph, usual: &Subject<'_>, kernels: &[Kernel], best: &[(Form, f64)]) -> Vec<Measured> {
    let mut found: BTreeMap<&Kernel, Measured> = BTreeMap::new();
    let means = usual.means(kernels);
    for (((kernel, &(form, ratio)), mean), &step) in kernels.iter().zip(best).zip(means).zip(&usual.steps) {
        let entry = found.entry(kernel).or_insert_with(|| {
            let step = graph.step(step);
            let usual_nanoseconds = mean * 1e9;
            let tuned = Tuned {
                kernel: format!("{} {} {}", kernel.name(), step.op, step.shape),
                form,
                nanoseconds: usual_nanoseconds * ratio,
                usual_nanoseconds,
            };
            Measured { key: tuning::key(kernel), calls: 0, tuned }
        });
        entry.calls += 1;
    }
    found.into_values().collect()
}
