//! One thread for all that is done to a connection, which zenoh must be told before it starts.
//!
//! zenoh 1.10 reads and writes a TLS connection in two tasks without a lock between them (eclipse-zenoh/zenoh, 2557), which its TLS library does
//! not allow: where two threads run them at once, memory is overwritten, and a member that refuses connections ends. Tasks that share one
//! thread never run at once.

use super::NetError;

/// Where zenoh reads how many threads it has.
const VARIABLE: &str = "ZENOH_RUNTIME";

/// All that happens to a connection is up to the thread that sends.
const ONE_THREAD: &str = "(rx: (handover: tx), acc: (handover: tx), net: (handover: tx))";

/// Says so to zenoh, unless the program was started with the variable set. [`Net::join`](super::Net::join) refuses TLS without it.
///
/// # Safety
/// No other thread of the program reads or writes environment variables meanwhile: it is called first in `main`.
#[allow(unsafe_code, reason = "zenoh takes this from its environment alone")]
pub unsafe fn prepare() {
    if std::env::var_os(VARIABLE).is_none() {
        // SAFETY: the caller's.
        unsafe { std::env::set_var(VARIABLE, ONE_THREAD) };
    }
}

/// Whether it was said.
pub(super) fn check() -> Result<(), NetError> {
    let said = std::env::var(VARIABLE).unwrap_or_default();
    let said: String = said.chars().filter(|letter| !letter.is_whitespace()).collect();
    if said.contains("rx:(handover:tx") && !said.contains("tx:(worker") {
        return Ok(());
    }
    let message =
        format!("zenoh reads and writes TLS by several threads, which is not safe: set {VARIABLE}='{ONE_THREAD}'");
    Err(NetError::Settings(message))
}
