//! One child: its plan, and where it is in its lives.

use std::time::Instant;

use super::effect::{Refusal, Ticket};
use super::spec::Plan;

/// On whose account a child is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The supervisor begins; if it does not start, the supervisor ends.
    Begin,
    /// Somebody added it; if it does not start, it is forgotten.
    Added(Ticket),
    /// Somebody wants it back; if it does not start, it stays down.
    Asked(Ticket),
    /// It has run before; if it does not start, that is one more failure.
    Again,
}

/// What becomes of a child that is being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It is stopped because of another: it is started again, unless it is temporary.
    Again,
    /// It is stopped for its own sake, or the supervisor ends.
    Down,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Life {
    /// Not there, and not to be started.
    Down,
    /// Not there, and to be started when its turn has come, but not before `until`.
    Waiting {
        until: Option<Instant>,
    },
    /// Told to start, and not yet heard of.
    Starting,
    Running {
        since: Instant,
    },
    /// Asked to end or killed, and not yet heard of. It may not have started.
    Stopping {
        since: Option<Instant>,
        kill_at: Option<Instant>,
        is_killed: bool,
        next: Next,
    },
}

impl Life {
    /// There is something that can end.
    pub(super) fn is_there(&self) -> bool {
        !matches!(self, Life::Down | Life::Waiting { .. })
    }

    /// When time itself does something to it.
    pub(super) fn due(&self) -> Option<Instant> {
        match self {
            Life::Waiting { until } => *until,
            Life::Stopping { kill_at, .. } => *kill_at,
            Life::Down | Life::Starting | Life::Running { .. } => None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Child {
    pub(super) plan: Plan,
    pub(super) life: Life,
    pub(super) cause: Cause,
    /// The number of its latest start; 0 if there was none.
    pub(super) attempt: u64,
    /// It has been started, and no end has been told as final since: the name is its own.
    pub(super) is_held: bool,
    /// Failures in a row.
    pub(super) failures: u32,
    /// Who waits for its end.
    pub(super) waiters: Vec<Ticket>,
}

impl Child {
    /// One that is to be started.
    pub(super) fn new(plan: Plan, cause: Cause) -> Self {
        let life = Life::Waiting { until: None };
        Self { plan, life, cause, attempt: 0, is_held: false, failures: 0, waiters: Vec::new() }
    }

    /// The supervisor has not begun before this one has started.
    pub(super) fn is_awaited(&self) -> bool {
        let is_wanted = match self.life {
            Life::Waiting { .. } | Life::Starting => true,
            Life::Stopping { next, .. } => next == Next::Again,
            Life::Down | Life::Running { .. } => false,
        };
        is_wanted && self.cause == Cause::Begin
    }

    /// A significant child that runs or will.
    pub(super) fn is_active_significant(&self) -> bool {
        self.plan.is_significant && !matches!(self.life, Life::Down)
    }

    /// Who waits for its start, if somebody does. They have to be answered.
    pub(super) fn take_starter(&mut self) -> Option<Ticket> {
        match self.cause {
            Cause::Added(ticket) | Cause::Asked(ticket) => {
                self.cause = Cause::Again;
                Some(ticket)
            }
            Cause::Begin | Cause::Again => None,
        }
    }

    /// Why it can be neither started nor deleted now, if so.
    pub(super) fn refusal<R>(&self) -> Option<Refusal<R>> {
        match self.life {
            Life::Down => None,
            Life::Running { .. } => Some(Refusal::Running),
            Life::Stopping { next: Next::Down, .. } => Some(Refusal::Stopping),
            _ if self.cause == Cause::Again => Some(Refusal::Restarting),
            _ => Some(Refusal::Starting),
        }
    }
}
