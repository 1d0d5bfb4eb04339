//! A buffer of each thread to encode into or to decode from.

use std::cell::Cell;

thread_local! {
    /// A buffer to encode into or to decode from, taken while in use: a nested use gets a fresh one.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Scratch memory up to this size is kept by a thread.
const KEPT_SCRATCH_BYTES: usize = 1024 * 1024;

/// Runs `with` with an empty buffer. A part of its caller, so that what it returns is written once.
#[inline(always)]
pub(crate) fn with_scratch<R>(with: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let mut scratch = SCRATCH.take();
    scratch.clear();
    let result = with(&mut scratch);
    if scratch.capacity() <= KEPT_SCRATCH_BYTES {
        SCRATCH.set(scratch);
    }
    result
}
