//! Which workers of pools are at work on this thread, one within the other: a task that waits for another of its own pool may have
//! that done here, and one that waits for itself would wait for ever.

use std::cell::RefCell;

use callboard_core::Address;

use super::crew::WorkerId;

thread_local! {
    static AT_WORK: RefCell<Vec<(Address, WorkerId)>> = const { RefCell::new(Vec::new()) };
}

/// A worker is at work here, until this is dropped.
pub(super) struct AtWork(());

impl AtWork {
    pub(super) fn begin(pool: Address, worker: WorkerId) -> Self {
        AT_WORK.with_borrow_mut(|all| all.push((pool, worker)));
        Self(())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        AT_WORK.with_borrow_mut(|all| _ = all.pop());
    }
}

/// Whether this thread runs a task of that pool.
pub(super) fn is_within(pool: Address) -> bool {
    AT_WORK.with_borrow(|all| all.iter().any(|(of, _)| *of == pool))
}

/// Whether that worker is at work on this thread.
pub(super) fn is_here(pool: Address, worker: WorkerId) -> bool {
    AT_WORK.with_borrow(|all| all.contains(&(pool, worker)))
}
