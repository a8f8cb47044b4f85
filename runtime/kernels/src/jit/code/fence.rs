//! Memory between pages that can't be touched, for the tests: a kernel that reads or writes outside what it was given ends the process.
//!
//! What is asked for ends where a page ends, so that the first byte behind it is out of reach; before it the rest of its first page is
//! within reach. [`Buffer::fence`] takes the pages between the parts of a buffer away as well.

use super::{ALIGNMENT, Buffer, Layout};
use std::ops::Range;
use std::ptr::{self, NonNull};

/// Pages are of this many bytes or of a part of it, on all systems that the tests run on.
pub const PAGE: usize = 1 << 14;

/// Zeroed memory for so many bytes: the mapping, where the bytes start, and the mapping's layout.
pub fn allocate(bytes: usize) -> Option<(NonNull<u8>, NonNull<u8>, Layout)> {
    let inside = bytes.checked_next_multiple_of(PAGE)?;
    let layout = Layout::from_size_align(inside.checked_add(2 * PAGE)?, PAGE).ok()?;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping, at an address of the system's choice.
    let memory = unsafe { libc::mmap(ptr::null_mut(), layout.size(), libc::PROT_NONE, flags, -1, 0) };
    if memory == libc::MAP_FAILED {
        return None;
    }
    let memory = NonNull::new(memory.cast::<u8>())?;
    // What is no multiple of the alignment ends a little before the page does.
    let shift = (inside - bytes) / ALIGNMENT as usize * ALIGNMENT as usize;
    // SAFETY: the pages between the first and the last of the mapping, and a place in them.
    let (result, start) = unsafe {
        let first = memory.add(PAGE);
        let result = libc::mprotect(first.as_ptr().cast(), inside, libc::PROT_READ | libc::PROT_WRITE);
        (result, first.add(shift))
    };
    assert_eq!(result, 0, "pages become accessible");
    Some((memory, start, layout))
}

/// # Safety
/// The memory came from [`allocate`] with this layout and is freed once.
pub unsafe fn free(memory: *mut u8, layout: Layout) {
    // SAFETY: the caller's: this is the start of the mapping, and its length.
    let result = unsafe { libc::munmap(memory.cast(), layout.size()) };
    assert_eq!(result, 0, "the mapping is given back");
}

impl Buffer {
    /// Takes away all whole pages outside these floats, which are in order. Pages are of the size of the system where they are smaller.
    pub fn fence(&mut self, kept: &[Range<usize>]) {
        let address = self.start.as_ptr() as usize;
        let ends = kept.iter().map(|range| range.end).chain([self.floats]);
        let mut from = 0;
        let starts = kept.iter().map(|range| range.start).chain([self.floats]);
        for (start, end) in starts.zip(ends) {
            let first = (address + 4 * from).next_multiple_of(PAGE);
            let last = (address + 4 * start) / PAGE * PAGE;
            if first < last {
                // SAFETY: whole pages of this buffer's mapping, which nothing but generated code looks at from now on.
                let result = unsafe { libc::mprotect(first as *mut libc::c_void, last - first, libc::PROT_NONE) };
                assert_eq!(result, 0, "pages become inaccessible");
            }
            from = end;
        }
    }
}
