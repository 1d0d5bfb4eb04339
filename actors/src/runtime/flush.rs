//! Which outboxes have something to write, and which peers something to read that nobody is looking at.

use std::sync::atomic::Ordering;

use callboard_core::NodeId;

use super::Runtime;

impl Runtime {
    pub(crate) fn list_to_flush(&self, peer: NodeId) {
        self.to_flush.lock().push(peer);
        self.any_to_flush.store(true, Ordering::Release);
    }

    /// Writes all outboxes that have something.
    pub(crate) fn flush_listed(&self) {
        loop {
            if !self.any_to_flush.swap(false, Ordering::AcqRel) {
                return;
            }
            let listed = std::mem::take(&mut *self.to_flush.lock());
            if listed.is_empty() {
                return;
            }
            for peer in listed.into_iter().filter_map(|id| self.peer(id)) {
                peer.flush(self);
            }
        }
    }

    /// Writes the outboxes whose readers wait; the others' leave with more.
    pub(crate) fn flush_listed_by_need(&self) {
        if !self.any_to_flush.load(Ordering::Acquire) {
            return;
        }
        let listed = self.to_flush.lock().clone();
        for peer in listed.into_iter().filter_map(|id| self.peer(id)) {
            peer.flush_by_need(self);
        }
    }

    /// Has the loop thread read on where a caller stopped.
    pub(crate) fn leave_to_loop(&self, peer: NodeId) {
        self.backlog.lock().push(peer);
        self.wake_loop();
    }
}
