//! What shall happen at a time, and being asked to stop.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Weak};
use std::time::Instant;

use callboard_core::{Readiness, Slot, Source, TimerKey, Wants};
use callboard_ipc::StopSignals;

use super::Runtime;
use crate::control::{CONTROL, Control};
use crate::hook::{Hook, Hooks, Poll};
use crate::peer::{Peer, encoded};
use crate::standing::Sought;

/// Whether this node has been asked to end, and who waits for that.
#[derive(Default)]
pub(super) struct StopAsked {
    asked: bool,
    hooks: Hooks,
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
    /// Has the cell at `slot` ticked at `at`, unless that is taken back.
    pub(crate) fn tick_at(&self, at: Instant, slot: Slot) -> TimerKey {
        let (key, sooner) = {
            let mut timers = self.timers.lock();
            let sooner = timers.next_at().is_none_or(|next| at < next);
            (timers.insert(at, slot), sooner)
        };
        if sooner {
            self.wake_loop();
        }
        key
    }

    pub(crate) fn cancel_tick(&self, tick: TimerKey) {
        self.timers.lock().cancel(tick);
    }

    /// How many ticks stand in its list.
    #[cfg(test)]
    pub(crate) fn ticks(&self) -> usize {
        self.timers.lock().len()
    }

    pub(crate) fn stop_asked(&self) {
        let mut stop = self.stop.lock();
        stop.asked = true;
        stop.hooks.notify_all();
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

    /// Waits until this node is asked to stop; whether it was, within `deadline`.
    pub(crate) fn wait_for_stop(self: &Arc<Self>, deadline: Option<Instant>) -> bool {
        self.wait_until(&StopOf(Arc::clone(self)), deadline)
    }

    /// Sends a control message that overtakes waiting data.
    pub(crate) fn control_now(&self, peer: &Peer, message: &Control) {
        peer.cast_control(self, CONTROL, &encoded(message));
        peer.flush(self);
    }
}

/// That a node is asked to stop, as something to wait for.
pub(crate) struct StopOf(pub(crate) Arc<Runtime>);

impl Poll for StopOf {
    fn sought(&self) -> Sought {
        Sought::plain("a request to end").idle()
    }

    fn poll(&self, hook: &Hook) -> bool {
        let mut stop = self.0.stop.lock();
        if !stop.asked {
            stop.hooks.add(hook);
        }
        stop.asked
    }

    fn forget(&self, hook: &Hook) {
        self.0.stop.lock().hooks.remove(hook);
    }
}
