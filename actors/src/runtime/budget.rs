//! How many workers a pool has by default.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use super::Runtime;

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

    /// A pool of this process has so many workers by default: its share of its pool's.
    pub(crate) fn set_budget(&self, workers: usize) {
        self.budget.workers.store(workers, Relaxed);
    }

    /// How many workers a pool has by default: the share given, or as many as this process may use processors.
    pub(crate) fn budget(&self) -> usize {
        match self.budget.workers.load(Relaxed) {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            share => share,
        }
    }
}
