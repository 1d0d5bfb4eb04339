//! The words by which a favourite and the others keep out of each other's way. `turn.rs` says how they are used.

#[cfg(not(all(test, loom)))]
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::atomic::{Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

#[cfg(all(test, loom))]
use loom::sync::atomic::{AtomicBool, AtomicU64};

use crate::fence;

/// No thread has come yet. No thread has this number.
const NOBODY_YET: u64 = 0;
/// Several threads have come. No thread has this number.
const NOBODY: u64 = u64::MAX;

#[derive(Debug, Default)]
pub(super) struct Favourite {
    /// Written only by who holds the lock.
    thread: AtomicU64,
    /// Written only by the favourite.
    is_inside: AtomicBool,
}

impl Favourite {
    /// Goes in, if `me` is the favourite.
    ///
    /// # Panics
    ///
    /// If it is inside already: any other lock would wait for itself for ever.
    #[inline]
    pub(super) fn enter(&self, me: u64) -> bool {
        if self.thread.load(Relaxed) != me {
            return false;
        }
        assert!(!self.is_inside.load(Relaxed), "a thread takes a turn twice");
        self.is_inside.store(true, Relaxed);
        fence::passed();
        if self.thread.load(Relaxed) == me {
            return true;
        }
        self.leave();
        false
    }

    #[inline]
    pub(super) fn leave(&self) {
        // With the acquire in `is_inside`.
        self.is_inside.store(false, Release);
    }

    /// Makes `me` the favourite, inside, if nobody has come yet. The lock must be held.
    pub(super) fn become_first(&self, me: u64) -> bool {
        if self.thread.load(Relaxed) != NOBODY_YET || !fence::is_registered() {
            return false;
        }
        self.is_inside.store(true, Relaxed);
        self.thread.store(me, Relaxed);
        true
    }

    /// There is no favourite from now on; whether there was one, which may be inside still. The lock must be held.
    pub(super) fn end(&self) -> bool {
        match self.thread.load(Relaxed) {
            NOBODY => false,
            NOBODY_YET => false,
            _ => {
                self.thread.store(NOBODY, Relaxed);
                fence::heavy();
                true
            }
        }
    }

    pub(super) fn is_inside(&self) -> bool {
        self.is_inside.load(Acquire)
    }
}
