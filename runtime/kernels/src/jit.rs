//! Kernels generated for the CPU at hand, through cranelift, with every extent, stride and trip count fixed in the code.
//!
//! Tensor graph × weights × share → [`Jit`]: `lower` turns steps into kernel calls on buffers, [`crate::memory`] places the buffers, `driver` generates
//! a function for each distinct kernel and drivers that call them, `code` runs them. Kernels use vectors of four floats, which every
//! supported CPU has; tensors between kernels keep the blocked layout, with a border of zeros where a padded convolution reads (`view`).

mod activation;
mod arithmetic;
mod code;
mod constants;
mod conv;
mod copy;
mod cost;
mod count;
mod depthwise;
mod driver;
mod emit;
mod form;
mod functions;
mod fuse;
mod gather;
mod gemm;
mod interpolate;
pub(crate) mod kernel;
mod lives;
mod lower;
mod lrn;
mod node;
mod pool;
mod product;
mod rows;
mod schedule;
mod softmax;
mod sum;
mod team;
mod tiles;
mod tune;
mod view;
mod winograd;

use crate::check::check;
use crate::memory::{self, Item};
use crate::micro::Isa;
use crate::{CompileError, Executable, Memory, Spent, tuning};
use cnasc_bundle::Share;
use cnasc_ir::{TensorGraph, TensorId, Weights};
use code::{Buffer, Machine, Planned};
use constants::{Section, constants};
use driver::{CodeOptions, Generator, Places};
pub use form::Form;
use form::Forms;
use kernel::Kernel;
use lower::{Call, Program};
use schedule::Task;
use std::collections::BTreeMap;
use std::ops::Range;
pub use tune::{Measured, tune};

/// With several threads, a buffer's place is given away only so many calls after its last use: otherwise a call on one thread would wait for
/// another only because of where its result lies.
const LINGER: u32 = 6;

/// How to compile; the tests vary it.
#[derive(Debug, Clone, Copy)]
struct Options {
    code: CodeOptions,
    forms: Forms<'static>,
    /// Threads that an action is spread over, the caller's among them; at least 1.
    threads: usize,
    /// Gives every buffer a place of its own with so many floats before and behind it that nothing should touch.
    guard: u64,
    /// Moves every buffer so that it ends at a multiple of so many floats; at most `guard`, which keeps them apart.
    ends: u64,
}

impl Default for Options {
    fn default() -> Self {
        let code =
            CodeOptions { optimize: false, verify: cfg!(any(test, debug_assertions)), cpu: None, isa: Isa::best() };
        Self { code, forms: Forms::Tuned(tuning::installed()), threads: 1, guard: 0, ends: 1 }
    }
}

/// A share as machine code.
pub struct Jit {
    machine: Machine,
    /// By tensor, its place in the arena; only for those at the border of the share.
    tensors: Vec<Option<Range<usize>>>,
    /// By action and thread, what is called.
    calls: Parts,
    code_bytes: u64,
    #[cfg(test)]
    guards: Vec<Range<usize>>,
}

/// Generates the kernels of `share` of `graph`.
///
/// # Errors
/// Where the parts don't fit each other, the graph has steps that folding should have removed, memory can't be had, or there
/// is no code generator for this CPU.
pub fn compile(graph: &TensorGraph, weights: &Weights, share: &Share) -> Result<Jit, CompileError> {
    let threads = share.threads.max(1) as usize;
    compile_with(graph, weights, share, Options { threads, ..Options::default() })
}

/// Every way in which this CPU can compute the share, each with its name: generated code alone, the microkernels of each instruction set in each form, and
/// the fastest of them by several threads.
#[cfg(test)]
pub(crate) fn compile_each(
    graph: &TensorGraph,
    weights: &Weights,
    share: &Share,
) -> Result<Vec<(String, Jit)>, CompileError> {
    let mut ways = vec![(None, 1, Form::Usual), (Isa::best(), 2, Form::Usual), (Isa::best(), 3, Form::Usual)];
    for isa in Isa::found() {
        let kernels = fused(graph, weights, share, Some(isa))?;
        let has = |form: &Form| kernels.iter().any(|kernel| tune::differs(*form, kernel));
        let forms = std::iter::once(Form::Usual).chain(Form::OTHERS.into_iter().filter(has));
        ways.extend(forms.map(|form| (Some(isa), 1, form)));
    }
    ways.into_iter()
        .map(|(isa, threads, form)| {
            let code = CodeOptions { isa, ..Options::default().code };
            let options = Options { code, forms: Forms::All(form), threads, ..Options::default() };
            let name = format!("{isa:?}, {threads} threads, form {form:?}");
            Ok((name, compile_with(graph, weights, share, options)?))
        })
        .collect()
}

fn compile_with(graph: &TensorGraph, weights: &Weights, share: &Share, options: Options) -> Result<Jit, CompileError> {
    let border = check(graph, weights, share)?;
    let mut program = lower::lower(graph, weights, share, &border, options.code.isa)?;
    let visible: Vec<usize> = border.ids().filter_map(|id| program.buffer_of[id.index()]).collect();
    fuse::fuse(&mut program, &visible);
    let measured = options.forms.nanoseconds(&program);
    form::apply(&mut program, options.forms);
    program.timeline = lives::lives(&program, share, graph.output(), if options.threads > 1 { LINGER } else { 0 });
    let places = place(&program, options.guard);
    let guard = options.guard;
    let arena_len = (places.bytes / 4 + 2 * guard).next_multiple_of(options.ends);
    let buffers: Vec<u64> = places
        .offsets
        .iter()
        .zip(&program.buffers)
        .map(|(offset, view)| moved(offset / 4 + guard, view.len(), options.ends))
        .collect();
    let ranges: Vec<Range<u64>> =
        buffers.iter().zip(&program.buffers).map(|(&start, view)| start..start + view.len()).collect();
    let costs = measured.unwrap_or_else(|| cost::of(&program));
    let plans: Vec<_> = program
        .actions
        .iter()
        .zip(&costs)
        .map(|(calls, costs)| schedule::schedule(calls, costs, &ranges, options.threads))
        .collect();
    let parts = parts(&program, &plans);
    let tables = tables(&mut program.sections, &parts);
    let arena = Buffer::zeroed(arena_len, "the arena")?;
    let scratch = parts.iter().flatten().flatten().map(|call| call.kernel.scratch()).max().unwrap_or(0);
    let scratch = (0..options.threads).map(|_| Buffer::zeroed(scratch, "the arena")).collect::<Result<_, _>>()?;
    let (constants, sections) = constants(&program.sections, options.threads)?;

    let mut generator = Generator::new(options.code)?;
    let found = Places { buffers: &buffers, sections: &sections, tables: &tables };
    let planned = drivers(&mut generator, &found, &parts, plans)?;
    let (module, code_bytes) = generator.finish()?;

    // What lies between calls that became one has no place.
    #[cfg(test)]
    let used = (0..program.buffers.len()).filter(|buffer| {
        visible.contains(buffer) || program.actions.iter().flatten().any(|call| call.touches(*buffer))
    });
    let range = |buffer: usize| ranges[buffer].start as usize..ranges[buffer].end as usize;
    let tensors = graph.ids().map(|id| program.buffer_of[id.index()].filter(|_| border.has(id)).map(range)).collect();
    Ok(Jit {
        machine: Machine::new(module, planned, arena, constants, scratch)?,
        calls: parts,
        tensors,
        code_bytes,
        #[cfg(test)]
        guards: used.map(range).collect(),
    })
}

/// The kernels of a share as one thread calls them, in no form yet.
fn fused(graph: &TensorGraph, weights: &Weights, share: &Share, isa: Option<Isa>) -> Result<Vec<Kernel>, CompileError> {
    let border = check(graph, weights, share)?;
    let mut program = lower::lower(graph, weights, share, &border, isa)?;
    let visible: Vec<usize> = border.ids().filter_map(|id| program.buffer_of[id.index()]).collect();
    fuse::fuse(&mut program, &visible);
    Ok(program.actions.into_iter().flatten().map(|call| call.kernel).collect())
}

/// By action and thread, the calls as they are made: whole, or some rows of one.
type Parts = Vec<Vec<Vec<Call>>>;

fn parts(program: &Program<'_>, plans: &[Vec<Vec<Task>>]) -> Parts {
    let of = |calls: &[Call], task: &Task| {
        let call = calls[task.call].clone();
        match task.rows {
            Some(rows) => Call { kernel: call.kernel.part(rows), ..call },
            None => call,
        }
    };
    let action = |calls: &Vec<Call>, plan: &Vec<Vec<Task>>| {
        plan.iter().map(|tasks| tasks.iter().map(|task| of(calls, task)).collect()).collect()
    };
    program.actions.iter().zip(plans).map(|(calls, plan)| action(calls, plan)).collect()
}

/// A function for each call, with what it waits for.
fn drivers(
    generator: &mut Generator,
    places: &Places<'_>,
    parts: &Parts,
    plans: Vec<Vec<Vec<Task>>>,
) -> Result<Vec<Vec<Vec<Planned>>>, CompileError> {
    let mut list = |calls: &[Call], tasks: Vec<Task>| -> Result<Vec<Planned>, CompileError> {
        let driver =
            |(call, task): (&Call, Task)| Ok(Planned { function: generator.driver(call, places)?, waits: task.waits });
        calls.iter().zip(tasks).map(driver).collect()
    };
    let action = |(threads, plan): (&Vec<Vec<Call>>, Vec<Vec<Task>>)| {
        threads.iter().zip(plan).map(|(calls, tasks)| list(calls, tasks)).collect()
    };
    parts.iter().zip(plans).map(action).collect()
}

/// Adds the tables of all kernels to the constants; returns the section of each.
fn tables(sections: &mut Vec<Section<'_>>, parts: &Parts) -> BTreeMap<Kernel, usize> {
    let mut found = BTreeMap::new();
    for call in parts.iter().flatten().flatten() {
        if !found.contains_key(&call.kernel) {
            let table = call.kernel.table();
            if !table.is_empty() {
                found.insert(call.kernel.clone(), sections.len());
                sections.push(table.into());
            }
        }
    }
    found
}

fn place(program: &Program<'_>, guard: u64) -> memory::Placement {
    if guard == 0 {
        return memory::plan(program.timeline.items());
    }
    let apart: Vec<Item> = program
        .timeline
        .items()
        .iter()
        .map(|item| Item { bytes: item.bytes + 8 * guard, first: 0, last: u32::MAX })
        .collect();
    memory::plan(&apart)
}

/// Where a buffer of `len` floats starts that ends at a multiple of `ends` and not before `start`.
fn moved(start: u64, len: u64, ends: u64) -> u64 {
    (start + len).next_multiple_of(ends) - len
}

impl Jit {
    fn range(&self, id: TensorId) -> Range<usize> {
        self.tensors[id.index()].clone().expect("only tensors at the border of the share are asked for")
    }
}

impl Executable for Jit {
    fn run(&mut self, action: usize) {
        self.machine.run(action);
    }

    fn tensor(&self, id: TensorId) -> &[f32] {
        &self.machine.arena().floats()[self.range(id)]
    }

    fn tensor_mut(&mut self, id: TensorId) -> &mut [f32] {
        let range = self.range(id);
        &mut self.machine.arena_mut().floats_mut()[range]
    }

    fn profile(&mut self, action: usize) -> Vec<Spent> {
        let times = self.machine.profile(action);
        let calls = self.calls[action].iter().flatten();
        let spent = |(call, time): (&Call, u64)| Spent {
            step: call.step,
            kernel: call.kernel.name(),
            seconds: time as f64 / 1e9,
        };
        calls.zip(times.into_iter().flatten()).map(spent).collect()
    }

    fn memory(&self) -> Memory {
        let arena = self.machine.arena().bytes() + self.machine.scratch_bytes();
        Memory { arena, weights: self.machine.constants().bytes(), code: self.code_bytes }
    }
}

#[cfg(test)]
mod tests;
