//! Which node a value is being encoded or decoded for.
//!
//! Handles are plain serde values, and serde passes no context, so the node is named by a scope that lasts as long as
//! the guard. Scopes nest; the outer one is restored when the inner guard is dropped, also on unwind.

use std::cell::RefCell;
use std::sync::Arc;

use crate::runtime::Runtime;

thread_local! {
    static CURRENT: RefCell<Option<Arc<Runtime>>> = const { RefCell::new(None) };
}

/// Restores the outer scope when dropped.
pub(crate) struct Scope {
    outer: Option<Arc<Runtime>>,
}

impl Scope {
    pub(crate) fn enter(runtime: &Arc<Runtime>) -> Self {
        let outer = CURRENT.replace(Some(Arc::clone(runtime)));
        Self { outer }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        CURRENT.set(self.outer.take());
    }
}

/// The node of the innermost scope of this thread.
pub(crate) fn current() -> Option<Arc<Runtime>> {
    CURRENT.with_borrow(Clone::clone)
}
