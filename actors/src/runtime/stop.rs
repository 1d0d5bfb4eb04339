//! What shall happen at a time, and being asked to stop.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Weak};
use std::time::Instant;

use callboard_core::{Readiness, Slot, Source, Wants};
use callboard_ipc::StopSignals;

use super::Runtime;
use crate::control::{CONTROL, Control};
use crate::peer::{Peer, encoded};
use crate::wait::Waiter;

/// Whether this node has been asked to end, and who waits for that.
#[derive(Default)]
pub(super) struct StopAsked {
    asked: bool,
    waiters: Vec<Arc<Waiter>>,
    by_signals: bool,
}

/// Ctrl-C and SIGTERM, as requests to stop.
struct Signals {
    runtime: Weak<Runtime>,
    caught: StopSignals,
}

impl Source for Signals {
    fn ready(&self, _: Readiness) {
        if let Some(runtime) = self.runtime.upgrade() {
            runtime.stop_asked();
        }
    }
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

    /// Takes signals as requests to stop, from the first call on.
    pub(crate) fn stop_on_signals(self: &Arc<Self>) -> io::Result<()> {
        let mut stop = self.stop.lock();
        if !stop.by_signals {
            let signals = Arc::new(Signals { runtime: Arc::downgrade(self), caught: StopSignals::catch()? });
            self.reactor.register(signals.caught.as_fd(), Wants::Reading, Arc::clone(&signals) as _)?;
            stop.by_signals = true;
        }
        Ok(())
    }

    /// Has `waiter` notified when this node is asked to stop, until [`forget_stop`](Self::forget_stop).
    pub(crate) fn notify_stop(&self, waiter: &Arc<Waiter>) {
        self.stop.lock().waiters.push(Arc::clone(waiter));
    }

    pub(crate) fn forget_stop(&self, waiter: &Arc<Waiter>) {
        self.stop.lock().waiters.retain(|w| !Arc::ptr_eq(w, waiter));
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
        self.forget_stop(&waiter);
        asked
    }

    /// Sends a control message that overtakes waiting data.
    pub(crate) fn control_now(&self, peer: &Peer, message: &Control) {
        peer.cast_control(self, CONTROL, &encoded(message));
        peer.flush(self);
    }
}
