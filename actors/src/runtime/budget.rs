//! How many workers a pool has by default.

use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use super::Runtime;

thread_local! {
    /// The share of a thread that is itself a worker; zero for all others.
    static OF_THREAD: Cell<usize> = const { Cell::new(0) };
}

#[derive(Default)]
pub(super) struct Budget {
    /// How many workers a pool has here by default; zero for as many as there are processors.
    workers: AtomicUsize,
    has_warned: AtomicBool,
}

impl Runtime {
    /// Says once that a pool has more workers than there are processors.
    pub(crate) fn warn_of_many_workers(&self, workers: usize, processors: usize) {
        if !self.budget.has_warned.swap(true, Relaxed) {
            self.complain(&format!(
                "a pool of {workers} workers on {processors} processors: fine for tasks that wait, slower for those that compute"
            ));
        }
    }

    /// A pool that this thread makes has so many workers by default: its share of its pool's.
    pub(crate) fn set_budget_of_thread(workers: usize) {
        OF_THREAD.set(workers);
    }

    /// A pool of this process has so many workers by default: its share of its pool's.
    pub(crate) fn set_budget(&self, workers: usize) {
        self.budget.workers.store(workers, Relaxed);
    }

    /// How many workers a pool has by default: the share given, or as many as this process may use processors.
    pub(crate) fn budget(&self) -> usize {
        let of_thread = OF_THREAD.get();
        let share = if of_thread == 0 { self.budget.workers.load(Relaxed) } else { of_thread };
        match share {
            0 => crate::process::processor_count(),
            share => share,
        }
    }
}
