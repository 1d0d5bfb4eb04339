//! What a supervisor's cell does with a child, whatever it is, and what it hears of it.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use super::cell::SupervisorCell;
use super::effect::{ChildId, Effect, How};
use super::machine::Machine;
use crate::actor::Exit;
use crate::runtime::Runtime;
use crate::tree::KidIs;

/// A child, as its supervisor handles it. Each start has a number.
pub(crate) trait Kid: Send + Sync {
    /// That start comes next: what is asked from here on is for it.
    fn is_to_start(&self, attempt: u64);

    /// Starts it, on a thread of its own, and tells what came of it.
    fn start(&self, runtime: &Arc<Runtime>, attempt: u64);

    /// Asks it to end, also while it starts.
    fn stop(&self, runtime: &Arc<Runtime>, attempt: u64);

    /// Ends it without asking, on a thread of its own, also while it starts.
    fn kill(&self, runtime: &Arc<Runtime>, attempt: u64);

    /// Its life is over, and another follows.
    fn restarts(&self, _runtime: &Arc<Runtime>, _attempt: u64) {}

    /// Its life is over, and none follows unless somebody asks.
    fn is_over(&self, _runtime: &Arc<Runtime>, _attempt: u64) {}

    /// What it is just now.
    fn is(&self) -> KidIs;
}

/// Where a child tells what becomes of it.
#[derive(Clone)]
pub(crate) struct Told {
    supervisor: Weak<SupervisorCell>,
    /// Set before it is told to start.
    child: Arc<OnceLock<ChildId>>,
}

impl Told {
    /// That child's, once it has a number.
    pub(super) fn new(supervisor: Weak<SupervisorCell>) -> Self {
        Self { supervisor, child: Arc::default() }
    }

    pub(super) fn is_for(&self, child: ChildId) {
        let _ = self.child.set(child);
    }

    fn tell(&self, with: impl FnOnce(&mut Machine<Exit>, ChildId, Instant) -> Vec<Effect<Exit>>) {
        if let (Some(supervisor), Some(child)) = (self.supervisor.upgrade(), self.child.get()) {
            supervisor.input(|machine, now| with(machine, *child, now));
        }
    }

    pub(crate) fn started(&self, attempt: u64) {
        self.tell(|machine, child, now| machine.started(child, attempt, now));
    }

    pub(crate) fn start_failed(&self, attempt: u64, why: Exit) {
        self.tell(|machine, child, now| machine.start_failed(child, attempt, why, now));
    }

    pub(crate) fn ended(&self, attempt: u64, why: Exit) {
        let how = match why {
            Exit::Normal => How::Normal,
            Exit::Shutdown => How::Shutdown,
            _ => How::Abnormal,
        };
        self.ended_so(attempt, how, why);
    }

    pub(super) fn ended_so(&self, attempt: u64, how: How, why: Exit) {
        self.tell(|machine, child, now| machine.ended(child, attempt, how, why, now));
    }
}
