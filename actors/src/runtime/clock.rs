//! The time of a node's actors and supervisors: the system's, or one that a test moves by hand.
//!
//! Waits, and what other objects let expire, always go by the system's time.

use std::time::{Duration, Instant};

use callboard_core::{Slot, TimerKey, Timers};
use parking_lot::Mutex;

use super::Runtime;

/// How long a step of virtual time is waited for, until all actors have come to the end of what it led to.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);

/// A time that stands still until it is moved.
pub(crate) struct Virtual {
    state: Mutex<State>,
}

struct State {
    now: Instant,
    ticks: Timers<Slot>,
}

impl Virtual {
    fn new() -> Self {
        Self { state: Mutex::new(State { now: Instant::now(), ticks: Timers::default() }) }
    }
}

impl Runtime {
    /// Has time stand still for this node's actors and supervisors, from now on.
    pub(crate) fn stop_time(&self) {
        let _ = self.clock.set(Virtual::new());
    }

    /// The time of actors and supervisors.
    pub(crate) fn now(&self) -> Instant {
        self.clock.get().map_or_else(Instant::now, |clock| clock.state.lock().now)
    }

    /// As [`tick_at`](Self::tick_at), by the time of actors and supervisors.
    pub(crate) fn tick_by_clock(&self, at: Instant, slot: Slot) -> TimerKey {
        match self.clock.get() {
            Some(clock) => clock.state.lock().ticks.insert(at, slot),
            None => self.tick_at(at, slot),
        }
    }

    pub(crate) fn cancel_by_clock(&self, tick: TimerKey) {
        match self.clock.get() {
            Some(clock) => _ = clock.state.lock().ticks.cancel(tick),
            None => self.cancel_tick(tick),
        }
    }

    /// Moves a time that stands still, from one tick to the next, and waits after each until the actors have nothing more to do.
    pub(crate) fn advance(self: &std::sync::Arc<Self>, by: Duration) {
        let Some(clock) = self.clock.get() else { return };
        self.settle();
        let until = clock.state.lock().now + by;
        loop {
            let due = {
                let mut state = clock.state.lock();
                match state.ticks.next_at().filter(|at| *at <= until) {
                    Some(at) => state.now = state.now.max(at),
                    None => {
                        state.now = until;
                        return;
                    }
                }
                let now = state.now;
                state.ticks.pop_due(now)
            };
            if let Some(cell) = due.and_then(|slot| self.cell(slot)) {
                cell.tick(self);
            }
            self.settle();
        }
    }

    /// Waits until no actor has anything to do, or all that do wait for something.
    fn settle(&self) {
        let begun = Instant::now();
        while !self.workers.is_idle() && begun.elapsed() < SETTLED_WITHIN {
            std::thread::yield_now();
        }
    }
}
