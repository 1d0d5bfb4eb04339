//! What is waited for at an end of a pipe. See `callboard_ipc::Rings` for why no wake-up is lost.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::end::End;
use super::wire::Head;
use crate::hook::{Hook, Poll};
use crate::standing::Sought;

/// That a message could be received, or none ever.
pub(super) struct Something(pub(super) Arc<End>);

impl Poll for Something {
    fn sought(&self) -> Sought {
        Sought::process("a message from", "pipe", self.0.other_holder())
    }

    fn poll(&self, hook: &Hook) -> bool {
        // What can't be watched is told by the receive.
        if self.0.has_something() || self.0.attach().is_err() {
            return true;
        }
        self.0.hooks.lock().add(hook);
        if let Some(raw) = &*self.0.inn.lock() {
            raw.rings().await_bytes();
        }
        let is_there = self.0.has_something();
        if is_there {
            self.forget(hook);
        }
        is_there
    }

    fn forget(&self, hook: &Hook) {
        self.0.hooks.lock().remove(hook);
    }
}

/// That a message could be sent, or none ever.
pub(super) struct Room<'a> {
    pub(super) end: &'a Arc<End>,
    pub(super) head: Head,
}

impl Room<'_> {
    pub(super) fn is_there(&self) -> bool {
        let out = self.end.out.lock();
        let ended = self.end.has_ended.load(Ordering::Acquire) || self.end.stands_still();
        out.as_ref().is_none_or(|raw| {
            ended || raw.rings().reader_has_closed() || raw.rings().has_room(self.head.need())
        })
    }
}

impl Poll for Room<'_> {
    fn sought(&self) -> Sought {
        Sought::process("room in", "pipe", self.end.other_holder())
    }

    fn poll(&self, hook: &Hook) -> bool {
        self.end.hooks.lock().add(hook);
        if let Some(raw) = &*self.end.out.lock() {
            raw.rings().await_room(self.head.need());
        }
        let is_there = self.is_there();
        if is_there {
            self.forget(hook);
        }
        is_there
    }

    fn forget(&self, hook: &Hook) {
        self.end.hooks.lock().remove(hook);
    }
}
