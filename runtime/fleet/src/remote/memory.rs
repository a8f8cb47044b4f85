//! What a node does with memory that it has no use for any more: it gives it back to the system at once.
//!
//! The allocator keeps freed pages for a second, per thread, so that they need not be asked for again. A node has a dozen threads, takes
//! megabytes for each connection and each deployment, and runs for months: in the soak one of 57 MB came to 95 MB that way before it grew no
//! further. Given back at once it stays below 60.

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// `mi_option_purge_delay`, which the library leaves without a name: milliseconds; the same number in mimalloc 2 and 3.
const PURGE_DELAY: mi_option_t = 15;

/// From now on; of no effect where mimalloc is not the program's allocator.
///
/// # Safety
/// No other thread of the program takes or frees memory meanwhile: it is called in `main`, before threads are started.
#[allow(unsafe_code, reason = "the allocator is told by a function of C")]
pub unsafe fn give_back_at_once() {
    // SAFETY: it writes a number into a table of the allocator's, without a lock; the caller says that nobody reads it at that time.
    unsafe { mi_option_set(PURGE_DELAY, 0) };
}
