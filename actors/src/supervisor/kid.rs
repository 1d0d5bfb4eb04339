//! What a supervisor's cell does with a child, whatever it is, and what it hears of it.

use std::sync::{Arc, Weak};

use super::cell::SupervisorCell;
use super::effect::{ChildId, How};
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
    child: ChildId,
}

impl Told {
    pub(super) fn new(supervisor: Weak<SupervisorCell>, child: ChildId) -> Self {
        Self { supervisor, child }
    }

    pub(crate) fn started(&self, attempt: u64) {
        if let Some(supervisor) = self.supervisor.upgrade() {
            supervisor.input(|machine, now| machine.started(self.child, attempt, now));
        }
    }

    pub(crate) fn start_failed(&self, attempt: u64, why: Exit) {
        if let Some(supervisor) = self.supervisor.upgrade() {
            supervisor.input(|machine, now| machine.start_failed(self.child, attempt, why, now));
        }
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
        if let Some(supervisor) = self.supervisor.upgrade() {
            supervisor.input(|machine, now| machine.ended(self.child, attempt, how, why, now));
        }
    }
}
