//! Waiting until a node that has been asked for is there.

use super::Peer;
use crate::hook::{Hook, Poll};
use crate::standing::Sought;

/// That a peer has its connection, or has ended.
pub(crate) struct Met<'a>(pub(crate) &'a Peer);

impl Poll for Met<'_> {
    fn sought(&self) -> Sought {
        Sought::node("a connection to", self.0.id)
    }

    fn poll(&self, hook: &Hook) -> bool {
        let mut meeting = self.0.meeting.lock();
        // What `met` is told of is visible before it takes this lock.
        let met = self.0.connection.get().is_some() || self.0.has_ended();
        if !met {
            meeting.add(hook);
        }
        met
    }

    fn forget(&self, hook: &Hook) {
        self.0.meeting.lock().remove(hook);
    }
}
