//! What is waited for of a supervisor: the answer to a command, that it has begun, its end.

use parking_lot::Mutex;

use super::cell::SupervisorCell;
use super::effect::{ChildId, Refusal};
use crate::actor::Exit;
use crate::hook::{Hook, Hooks, Poll};
use crate::standing::{Awaited, Sought};

/// What came of a command.
pub(super) type Answered = Result<ChildId, Refusal<Exit>>;

#[derive(Default)]
pub(super) struct Answer {
    state: Mutex<(Option<Answered>, Hooks)>,
}

impl Answer {
    pub(super) fn fill(&self, answer: Answered) {
        let mut state = self.state.lock();
        state.0 = Some(answer);
        state.1.notify_all();
    }

    pub(super) fn take(&self) -> Option<Answered> {
        self.state.lock().0.take()
    }
}

impl Poll for Answer {
    fn sought(&self) -> Sought {
        Sought::plain("what comes of a command to a supervisor")
    }

    fn poll(&self, hook: &Hook) -> bool {
        let mut state = self.state.lock();
        if state.0.is_none() {
            state.1.add(hook);
        }
        state.0.is_some()
    }

    fn forget(&self, hook: &Hook) {
        self.state.lock().1.remove(hook);
    }
}

impl Poll for SupervisorCell {
    fn sought(&self) -> Sought {
        Sought::here("the end of", "supervisor", self.slot)
    }

    fn poll(&self, hook: &Hook) -> bool {
        let mut inner = self.state.lock();
        if inner.over.is_none() {
            inner.hooks.add(hook);
        }
        inner.over.is_some()
    }

    fn forget(&self, hook: &Hook) {
        self.state.lock().hooks.remove(hook);
    }
}

impl SupervisorCell {
    /// What somebody waits for who waits for it.
    pub(super) fn as_awaited(&self) -> Awaited {
        Awaited { name: self.name.clone(), parties: Vec::new() }
    }
}

/// That a supervisor has begun, or ended.
pub(super) struct Beginning<'a>(pub(super) &'a SupervisorCell);

impl Poll for Beginning<'_> {
    fn sought(&self) -> Sought {
        Sought::here("the beginning of", "supervisor", self.0.slot)
    }

    fn poll(&self, hook: &Hook) -> bool {
        let mut inner = self.0.state.lock();
        let is_ready = inner.has_begun || inner.over.is_some();
        if !is_ready {
            inner.hooks.add(hook);
        }
        is_ready
    }

    fn forget(&self, hook: &Hook) {
        self.0.state.lock().hooks.remove(hook);
    }
}
