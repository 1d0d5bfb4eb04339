//! Making a loop thread return from its wait, at most one write a turn.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Wakes one event loop, from any thread.
#[derive(Debug)]
pub(crate) struct Waker {
    waker: mio::Waker,
    pending: AtomicBool,
}

impl Waker {
    pub(crate) fn new(registry: &mio::Registry, token: mio::Token) -> io::Result<Self> {
        Ok(Self { waker: mio::Waker::new(registry, token)?, pending: AtomicBool::new(false) })
    }

    pub(crate) fn wake(&self) -> io::Result<()> {
        // Ordering: what the caller published happened before this swap; the loop reads it after its own in
        // `woken`. Whoever swaps second sees the other's write.
        if self.pending.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.waker.wake()
    }

    /// Repeats a wake-up that reached the wrong thread.
    pub(crate) fn again(&self) -> io::Result<()> {
        self.waker.wake()
    }

    /// The loop has left its wait and will look at everything after this.
    pub(crate) fn woken(&self) {
        self.pending.swap(false, Ordering::AcqRel);
    }
}
