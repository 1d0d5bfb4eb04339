//! Which node a value is being encoded or decoded for.
//!
//! Handles are plain serde values, and serde passes no context, so the node is named by a scope that lasts as long as
//! the closure given to [`enter`]. Scopes nest; the outer one is restored when the closure has ended, also by a panic.

use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::runtime::Runtime;

thread_local! {
    static CURRENT: Cell<Option<NonNull<Arc<Runtime>>>> = const { Cell::new(None) };
}

/// Restores the outer scope, also on unwind.
struct Restore(Option<NonNull<Arc<Runtime>>>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Runs `with` in a scope that names `runtime`. Costs two writes: it is entered for every item.
pub(crate) fn enter<R>(runtime: &Arc<Runtime>, with: impl FnOnce() -> R) -> R {
    let _restore = Restore(CURRENT.replace(Some(NonNull::from(runtime))));
    with()
}

/// The node of the innermost scope of this thread.
pub(crate) fn current() -> Option<Arc<Runtime>> {
    let current = CURRENT.get()?;
    // SAFETY: `enter` borrows the `Arc` it points to until `with` has returned or unwound, and takes the pointer away
    // before that borrow ends; the pointer never leaves the thread.
    Some(Arc::clone(unsafe { current.as_ref() }))
}
