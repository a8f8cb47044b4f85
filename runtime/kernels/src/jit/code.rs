//! The only unsafe code: memory that generated code works in, and calls into it.
//!
//! [`Buffer`] is zeroed, aligned memory; [`Code`] owns a module's machine code and frees it; [`Machine`] puts both together
//! and calls a driver. Everything that generated code reads or writes is reached from the two pointers given to a driver.

#![allow(unsafe_code, reason = "generated code is reached through raw pointers, and its memory is freed by hand")]

use crate::CompileError;
use crate::memory::ALIGNMENT;
use cranelift_jit::JITModule;
use cranelift_module::FuncId;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

/// Zeroed floats at a multiple of [`ALIGNMENT`] bytes.
#[derive(Debug)]
pub struct Buffer {
    start: NonNull<f32>,
    floats: usize,
    layout: Layout,
}

// SAFETY: a buffer is the only owner of its memory, as a `Box<[f32]>` would be.
unsafe impl Send for Buffer {}

impl Buffer {
    /// Asks for `floats` zeroes; `what` names them in the error.
    pub fn zeroed(floats: u64, what: &'static str) -> Result<Self, CompileError> {
        let failed = || CompileError::Memory { what, bytes: floats.saturating_mul(4) };
        let count = usize::try_from(floats).map_err(|_| failed())?;
        let bytes = count.max(1).checked_mul(size_of::<f32>()).ok_or_else(failed)?;
        let layout = Layout::from_size_align(bytes, ALIGNMENT as usize).map_err(|_| failed())?;
        // SAFETY: the layout's size is not zero.
        let start = unsafe { alloc_zeroed(layout) };
        let start = NonNull::new(start.cast::<f32>()).ok_or_else(failed)?;
        Ok(Self { start, floats: count, layout })
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
        // SAFETY: `start` came from `alloc_zeroed` with this layout and is freed once.
        unsafe { dealloc(self.start.as_ptr().cast::<u8>(), self.layout) };
    }
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

/// Drivers with the memory that they work in.
pub struct Machine {
    // Kept for its memory, which `drivers` point into.
    _code: Code,
    drivers: Vec<Vec<Driver>>,
    arena: Buffer,
    constants: Buffer,
    scratch: Buffer,
}

impl Machine {
    /// Takes over a module with all definitions finished. `drivers` are, by action, some of its functions, with the signature of a driver,
    /// compiled for the sizes of `arena` and `constants`.
    pub fn new(module: JITModule, drivers: &[Vec<FuncId>], arena: Buffer, constants: Buffer, scratch: Buffer) -> Self {
        let entry = |&id: &FuncId| {
            let address = module.get_finalized_function(id);
            // SAFETY: the address is the start of a finished function that was declared with the host's calling convention
            // and two pointers, as `Driver` is.
            unsafe { std::mem::transmute::<*const u8, Driver>(address) }
        };
        let drivers = drivers.iter().map(|list| list.iter().map(entry).collect()).collect();
        Self { drivers, _code: Code { module: Some(module) }, arena, constants, scratch }
    }

    /// Calls the drivers of an action.
    pub fn run(&mut self, action: usize) {
        for function in &self.drivers[action] {
            // SAFETY: the code is alive, since `_code` is; the driver was compiled for buffers of these sizes and reaches nothing
            // outside them; both are borrowed exclusively for the call. Generated code has no calls out of its module and can't unwind.
            unsafe { function(self.arena.start.as_ptr(), self.constants.start.as_ptr(), self.scratch.start.as_ptr()) };
        }
    }

    pub fn arena(&self) -> &Buffer {
        &self.arena
    }

    pub fn arena_mut(&mut self) -> &mut Buffer {
        &mut self.arena
    }

    pub fn scratch(&self) -> &Buffer {
        &self.scratch
    }

    pub fn constants(&self) -> &Buffer {
        &self.constants
    }
}
