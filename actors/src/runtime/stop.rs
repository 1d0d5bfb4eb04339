//! What shall happen at a time, and being asked to stop.

use std::sync::Arc;
use std::time::Instant;

use callboard_core::Slot;

use super::Runtime;
use crate::control::{CONTROL, Control};
use crate::peer::Peer;
use crate::wait::Waiter;

/// Whether this node has been asked to end, and who waits for that.
#[derive(Default)]
pub(super) struct StopAsked {
    asked: bool,
    waiters: Vec<Arc<Waiter>>,
}

impl Runtime {
    /// Has the cell at `slot` ticked at `at`.
    pub(crate) fn tick_at(&self, at: Instant, slot: Slot) {
        let sooner = {
            let mut timers = self.timers.lock();
            let sooner = timers.next_at().is_none_or(|next| at < next);
            timers.insert(at, slot);
            sooner
        };
        if sooner {
            self.wake_loop();
        }
    }

    pub(crate) fn stop_asked(&self) {
        let mut stop = self.stop.lock();
        stop.asked = true;
        for waiter in stop.waiters.drain(..) {
            waiter.notify();
        }
    }

    pub(crate) fn is_stop_asked(&self) -> bool {
        self.stop.lock().asked
    }

    /// Waits until this node is asked to stop; whether it was, within `deadline`.
    pub(crate) fn wait_for_stop(self: &Arc<Self>, deadline: Option<Instant>) -> bool {
        let waiter = Waiter::new();
        {
            let mut stop = self.stop.lock();
            if stop.asked {
                return true;
            }
            stop.waiters.push(Arc::clone(&waiter));
        }
        let asked = self.wait(&waiter, deadline, None);
        self.stop.lock().waiters.retain(|w| !Arc::ptr_eq(w, &waiter));
        asked
    }

    /// Sends a control message that overtakes waiting data.
    pub(crate) fn control_now(&self, peer: &Peer, message: &Control) {
        let mut body = Vec::with_capacity(16);
        callboard_core::encode_into(message, &mut body).expect("our own messages can be encoded");
        peer.cast_control(self, CONTROL, &body);
        peer.flush(self);
    }
}
