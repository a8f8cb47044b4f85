//! The only unsafe code: memory that generated code works in, and calls into it.
//!
//! [`Buffer`] is zeroed, aligned memory; [`Code`] owns a module's machine code and frees it; [`Machine`] puts both together
//! and calls a driver. Everything that generated code reads or writes is reached from the two pointers given to a driver.

#![allow(unsafe_code, reason = "generated code is reached through raw pointers, and its memory is freed by hand")]

#[cfg(all(test, unix))]
mod fence;

use super::team::{Apart, Members, Team};
use crate::CompileError;
use crate::memory::ALIGNMENT;
use cranelift_jit::JITModule;
use cranelift_module::FuncId;
use std::alloc::Layout;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// Zeroed floats at a multiple of [`ALIGNMENT`] bytes.
#[derive(Debug)]
pub struct Buffer {
    start: NonNull<f32>,
    floats: usize,
    /// What was asked for, `start` lying somewhere in it.
    memory: NonNull<u8>,
    layout: Layout,
}

/// From so many bytes on, memory is asked for in large pages: weights are read once in an inference, and each small page that is walked into costs
/// a look-up and ends what the processor fetches ahead.
#[cfg(not(all(test, unix)))]
const LARGE: usize = 4 << 20;
/// What large pages usually are.
#[cfg(not(all(test, unix)))]
const LARGE_PAGE: usize = 2 << 20;
/// The greatest alignment that the allocator gives without clearing memory by hand that is zero already.
#[cfg(not(all(test, unix)))]
const EASY: usize = 16;

// SAFETY: a buffer is the only owner of its memory, as a `Box<[f32]>` would be.
unsafe impl Send for Buffer {}
// SAFETY: shared, it only gives its floats to read, and its address.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// Asks for `floats` zeroes; `what` names them in the error.
    pub fn zeroed(floats: u64, what: &'static str) -> Result<Self, CompileError> {
        let failed = || CompileError::Memory { what, bytes: floats.saturating_mul(4) };
        let count = usize::try_from(floats).map_err(|_| failed())?;
        let bytes = count.max(1).checked_mul(size_of::<f32>()).ok_or_else(failed)?;
        let (memory, start, layout) = allocate(bytes).ok_or_else(failed)?;
        Ok(Self { start: start.cast(), floats: count, memory, layout })
    }

    /// All of it.
    pub fn floats(&self) -> &[f32] {
        // SAFETY: `start` is aligned memory for so many floats, zeroed at first, that lives as long as `self`; generated code
        // writes to it only during `Machine::run`, which borrows the buffer exclusively.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.floats) }
    }

    /// All of it, to write to.
    pub fn floats_mut(&mut self) -> &mut [f32] {
        // SAFETY: as for `floats`, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.floats) }
    }

    /// Its size.
    pub fn bytes(&self) -> u64 {
        4 * self.floats as u64
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: `memory` came from `allocate` with this layout and is freed once.
        unsafe { free(self.memory.as_ptr(), self.layout) };
    }
}

/// Zeroed memory for so many bytes: what is to be freed, where the bytes start, and the layout to free it with. In tests they lie between pages
/// that can't be touched.
#[cfg(not(all(test, unix)))]
fn allocate(bytes: usize) -> Option<(NonNull<u8>, NonNull<u8>, Layout)> {
    let alignment = if bytes >= LARGE { LARGE_PAGE } else { ALIGNMENT as usize };
    let layout = Layout::from_size_align(bytes.checked_add(alignment)?, EASY).ok()?;
    // SAFETY: the layout's size is not zero.
    let memory = NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) })?;
    let shift = memory.addr().get().next_multiple_of(alignment) - memory.addr().get();
    // SAFETY: the shift is less than the alignment, by which the memory is longer than what is used of it.
    let start = unsafe { memory.add(shift) };
    if bytes >= LARGE {
        ask_for_large_pages(start, bytes);
    }
    Some((memory, start, layout))
}

/// # Safety
/// The memory came from [`allocate`] with this layout and is freed once.
#[cfg(not(all(test, unix)))]
unsafe fn free(memory: *mut u8, layout: Layout) {
    // SAFETY: the caller's.
    unsafe { std::alloc::dealloc(memory, layout) };
}

#[cfg(all(test, unix))]
pub use fence::PAGE;
#[cfg(all(test, unix))]
use fence::{allocate, free};

/// A wish: where the system has none to give, small ones do.
#[cfg(not(all(test, unix)))]
fn ask_for_large_pages(start: NonNull<u8>, bytes: usize) {
    // SAFETY: the range is ours, and the advice changes nothing of what it holds.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, bytes);
}

/// A module whose functions are finished; its memory is freed with it.
struct Code {
    module: Option<JITModule>,
}

impl Drop for Code {
    fn drop(&mut self) {
        if let Some(module) = self.module.take() {
            // SAFETY: pointers to the code are kept by the `Machine` that owns this, which is being dropped and so is not
            // running, and never leave it.
            unsafe { module.free_memory() };
        }
    }
}

/// What a driver takes: the arena and the constants, both at the alignment of a [`Buffer`].
type Driver = unsafe extern "C" fn(arena: *mut f32, constants: *const f32, scratch: *mut f32);

/// A driver to be called once other threads are so far.
struct Segment {
    driver: Driver,
    /// Number of a thread, and how many of its segments must be done.
    waits: Vec<(usize, u32)>,
}

/// A function of the module with what it waits for.
pub struct Planned {
    pub function: FuncId,
    pub waits: Vec<(usize, u32)>,
}

/// Drivers with the memory that they work in.
pub struct Machine {
    // Stopped before the code goes.
    team: Team,
    // Kept for its memory, which `actions` point into.
    _code: Code,
    /// By action and thread.
    actions: Vec<Vec<Vec<Segment>>>,
    /// By thread, segments done in this action.
    progress: Vec<Apart<AtomicU32>>,
    arena: Buffer,
    constants: Buffer,
    /// By thread.
    scratch: Vec<Buffer>,
}

/// Where the buffers start, for all threads.
#[derive(Clone, Copy)]
struct Starts {
    arena: *mut f32,
    constants: *const f32,
}

// SAFETY: these are addresses; what is done with them is argued where it is done.
unsafe impl Sync for Starts {}

impl Machine {
    /// Takes over a module with all definitions finished. `actions` are, by action and thread, some of its functions, with the signature of a driver,
    /// compiled for the sizes of the buffers, of which `scratch` are the threads'. Two drivers that touch the same memory, one writing, are on one
    /// thread or ordered by waits.
    pub fn new(
        module: JITModule,
        actions: Vec<Vec<Vec<Planned>>>,
        arena: Buffer,
        constants: Buffer,
        scratch: Vec<Buffer>,
    ) -> Result<Self, CompileError> {
        let segment = |planned: Planned| {
            let address = module.get_finalized_function(planned.function);
            // SAFETY: the address is the start of a finished function that was declared with the host's calling convention
            // and three pointers, as `Driver` is.
            let driver = unsafe { std::mem::transmute::<*const u8, Driver>(address) };
            Segment { driver, waits: planned.waits }
        };
        let thread = |list: Vec<Planned>| list.into_iter().map(segment).collect();
        let actions = actions.into_iter().map(|action| action.into_iter().map(thread).collect()).collect();
        let team = Team::new(scratch.len()).map_err(|error| CompileError::Code(error.to_string()))?;
        let progress = scratch.iter().map(|_| Apart::default()).collect();
        Ok(Self { team, actions, _code: Code { module: Some(module) }, progress, arena, constants, scratch })
    }

    /// Calls the drivers of an action.
    pub fn run(&mut self, action: usize) {
        let Self { team, actions, progress, arena, constants, scratch, .. } = self;
        let starts = Starts { arena: arena.start.as_ptr(), constants: constants.start.as_ptr() };
        let threads = &actions[action];
        let alone = threads[1..].iter().all(Vec::is_empty);
        let work = |thread: usize, members: Option<&Members<'_>>| {
            let starts = &starts;
            for (done, segment) in (1..).zip(&threads[thread]) {
                if let Some(members) = members {
                    for &(other, count) in &segment.waits {
                        members.wait(thread, || progress[other].0.load(Ordering::SeqCst) >= count);
                    }
                }
                // SAFETY: the code is alive, since `_code` is; the driver was compiled for buffers of these sizes and reaches nothing
                // outside them; the buffers are borrowed exclusively for the call, and threads keep out of each other's way as `new`
                // demands. Generated code calls nothing but itself and microkernels, and can't unwind.
                unsafe { (segment.driver)(starts.arena, starts.constants, scratch[thread].start.as_ptr()) };
                if let Some(members) = members {
                    progress[thread].0.store(done, Ordering::SeqCst);
                    members.tell(thread);
                }
            }
        };
        if alone {
            work(0, None);
            return;
        }
        progress.iter().for_each(|progress| progress.0.store(0, Ordering::Relaxed));
        team.run(&|thread, members| work(thread, Some(members)));
    }

    /// Nanoseconds of each segment of an action, one after the other on this thread in an order that keeps all waits.
    pub fn profile(&mut self, action: usize) -> Vec<Vec<u64>> {
        let threads = &self.actions[action];
        let mut times: Vec<Vec<u64>> = threads.iter().map(|_| Vec::new()).collect();
        while let Some(thread) = (0..threads.len()).find(|&thread| {
            let next = threads[thread].get(times[thread].len());
            next.is_some_and(|next| next.waits.iter().all(|&(other, count)| times[other].len() >= count as usize))
        }) {
            let segment = &threads[thread][times[thread].len()];
            let start = Instant::now();
            // SAFETY: as in `run`, with one thread alone.
            unsafe {
                (segment.driver)(
                    self.arena.start.as_ptr(),
                    self.constants.start.as_ptr(),
                    self.scratch[0].start.as_ptr(),
                );
            }
            times[thread].push(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
        times
    }

    pub fn arena(&self) -> &Buffer {
        &self.arena
    }

    pub fn arena_mut(&mut self) -> &mut Buffer {
        &mut self.arena
    }

    /// Bytes beside the tensors, of all threads together.
    pub fn scratch_bytes(&self) -> u64 {
        self.scratch.iter().map(Buffer::bytes).sum()
    }

    /// Takes all memory between these floats of the arena away, which are in order; whole pages only.
    #[cfg(all(test, unix))]
    pub fn fence(&mut self, tensors: &[std::ops::Range<usize>]) {
        self.arena.fence(tensors);
    }

    pub fn constants(&self) -> &Buffer {
        &self.constants
    }
}
