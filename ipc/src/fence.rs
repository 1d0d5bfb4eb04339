//! Fences of which one side pays for both.
//!
//! Two parties that each write a word and then read the other's must not both miss what the other wrote. A full fence between
//! the two on each side sees to that, and waits until the written line has come over from the other core. But of the two one is
//! at work and comes by millions of times a second, and the other is about to sleep. So the one at work only has to pass a light
//! fence, and who is about to sleep has the kernel make a heavy one: a full fence on every core that runs a thread of a process
//! that has [registered](register), by `membarrier(2)`, in about a microsecond.
//! Threads that run nowhere at that moment have passed one when they were taken off their core.
//!
//! # Why that is enough
//!
//! ```text
//! at work                         about to sleep
//! L1  write what there is         H1  write that it waits
//! L2  light                       H2  heavy
//! L3  look whether it waits       H3  look once more whether there is anything
//! ```
//!
//! The kernel's fence stands at some place among the instructions of whoever is at work. If it stands before L3, then L3 comes
//! after H1 and sees that somebody waits. If it stands after L3, it stands after L1 too, as the compiler keeps their order, so H3
//! sees what was written.
//!
//! Nothing has to be agreed on: a process that has not registered makes its own full fence at each L2, whatever the other is,
//! and H2 is right for both. Words that the other side fills with rubbish change nothing of this.

use std::sync::atomic::Ordering::SeqCst;

/// Passes between a write and a look, where the other side, rarely, makes a [`heavy`] one.
#[inline]
pub(crate) fn light() {
    if is_registered() {
        passed();
    } else {
        full();
    }
}

#[cfg(not(all(test, loom)))]
mod kernel {
    use std::sync::atomic::Ordering::{Relaxed, SeqCst};
    use std::sync::atomic::{AtomicBool, compiler_fence};
    use std::time::Duration;

    use rustix::thread::{MembarrierCommand, membarrier, membarrier_query};

    /// What the kernel knows of this process too, and will not forget.
    static IS_REGISTERED: AtomicBool = AtomicBool::new(false);

    /// Longer by far than any core keeps a finished write to itself.
    const WRITTEN_AFTER: Duration = Duration::from_millis(1);

    /// Has the kernel make the full fences of this process's threads when others ask for them; whether it does.
    ///
    /// A microsecond while there is one thread, some 20 ms if there are more.
    pub fn register() -> bool {
        if membarrier(MembarrierCommand::RegisterGlobalExpedited).is_ok() {
            IS_REGISTERED.store(true, Relaxed);
        }
        is_registered()
    }

    /// Whether this process could [register](register).
    pub(crate) fn is_offered() -> bool {
        membarrier_query().contains_command(MembarrierCommand::RegisterGlobalExpedited)
    }

    /// [Registers](register) if this process has no other thread yet, which would make it take long.
    pub fn register_if_alone() {
        if !is_registered() && crate::process::thread_count().is_ok_and(|count| count == 1) {
            register();
        }
    }

    /// Whether a thread of this process need not make full fences.
    #[inline]
    pub(crate) fn is_registered() -> bool {
        IS_REGISTERED.load(Relaxed)
    }

    /// The compiler keeps the order; the kernel makes the fence when it is needed.
    #[inline]
    pub(crate) fn passed() {
        compiler_fence(SeqCst);
    }

    /// A full fence here and in every thread that is just passing a [`light`](super::light) one.
    pub(crate) fn heavy() {
        super::full();
        if membarrier(MembarrierCommand::GlobalExpedited).is_err() {
            // This process has been forbidden to ask, by a filter for system calls perhaps; others may have registered.
            std::thread::sleep(WRITTEN_AFTER);
        }
    }
}

/// A model knows no kernel: both sides make the fence.
#[cfg(all(test, loom))]
mod kernel {
    /// There is nothing to do.
    pub fn register() -> bool {
        true
    }

    /// There is nothing to offer.
    pub(crate) fn is_offered() -> bool {
        true
    }

    /// There is nothing to do.
    pub fn register_if_alone() {}

    pub(crate) fn is_registered() -> bool {
        true
    }

    pub(crate) fn passed() {
        super::full();
    }

    pub(crate) fn heavy() {
        super::full();
    }
}

pub(crate) use kernel::is_offered;
pub(crate) use kernel::{heavy, is_registered, passed};
pub use kernel::{register, register_if_alone};

fn full() {
    #[cfg(not(all(test, loom)))]
    std::sync::atomic::fence(SeqCst);
    #[cfg(all(test, loom))]
    loom::sync::atomic::fence(SeqCst);
}
