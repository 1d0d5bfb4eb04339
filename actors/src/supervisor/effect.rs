//! What goes into the machine beside the time, and what comes out of it.

use std::fmt;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::spec::Faulty;

/// A child of one supervisor, which never has another of the same number. They are in the order of starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChildId(pub(crate) u64);

/// A command that waits for its answer. Whoever runs the machine gives the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ticket(pub(crate) u64);

/// Which child a command is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which<'a> {
    #[cfg_attr(not(any(test, fuzzing)), expect(dead_code, reason = "users name their children"))]
    Id(ChildId),
    Name(&'a str),
}

/// How a life ended, as far as it matters for what follows. The reason itself is only carried along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum How {
    /// It had nothing more to do.
    Normal,
    /// It was asked to end.
    Shutdown,
    /// An error, a panic, a signal, or it was killed.
    Abnormal,
}

/// What is known of a child from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Its first start, or one that was asked for, is under way or about to be.
    Starting,
    Running,
    /// It has failed, or was stopped because of another, and is to be started again.
    Restarting,
    Stopping,
    /// Known, and not there.
    Down,
}

/// What a supervisor has come to know or wants done. They are to be carried out in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect<R> {
    /// Start it. `started`, `start_failed` or `ended` of this attempt is awaited. A restart has its name already.
    Start { child: ChildId, attempt: u64, is_restart: bool },
    /// Ask it to end, also if it is still being started. Its end, or that it failed to start, is awaited.
    Stop { child: ChildId, attempt: u64 },
    /// Kill it, also if it is still being started. Its end, or that it failed to start, is awaited.
    Kill { child: ChildId, attempt: u64 },
    /// Call `tick` then. It takes the place of an earlier one.
    WakeAt(Instant),
    /// The one answer to a command.
    Answer { ticket: Ticket, result: Result<ChildId, Refusal<R>> },
    /// This life is over and another is to follow: the name stays the child's, and who watches is told that.
    Restarting { child: ChildId, attempt: u64 },
    /// This life, the latest, is over and none follows unless somebody asks: the name is free.
    Final { child: ChildId, attempt: u64 },
    /// The child is not known any more, and never comes back. What is kept of it can go.
    Forget { child: ChildId },
    /// A line for logs.
    Report(Report<R>),
    /// All children that it was to begin with have started.
    Begun,
    /// All children are gone, and so is the supervisor. After it there are only answers to commands that came too late.
    Ended { why: Conclusion<R> },
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Refusal<R> {
    #[error("there is no such child")]
    NotFound,
    #[error(transparent)]
    Faulty(Faulty),
    /// It runs, so it is neither to be started nor to be deleted.
    #[error("the child is running")]
    Running,
    /// Its first start, or one that was asked for, is under way or about to be.
    #[error("the child is starting")]
    Starting,
    /// It has failed, or was stopped because of another, and is to be started again.
    #[error("the child is restarting")]
    Restarting,
    #[error("the child is stopping")]
    Stopping,
    /// The start that this command asked for failed.
    #[error("the child did not start")]
    StartFailed(R),
    /// The child was stopped before it had started.
    #[error("the child was stopped before it had started")]
    Stopped,
    /// The supervisor is about to end, or has.
    #[error("the supervisor is ending")]
    Ending,
}

/// Why a supervisor ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Conclusion<R> {
    /// It was asked to.
    Asked,
    /// It was killed, and its children with it.
    Killed,
    /// More restarts than are allowed.
    TooManyRestarts,
    /// Significant children have ended by themselves; this one was the last.
    Significant { child: ChildId },
    /// It could not begin: this child did not start.
    StartFailed { child: ChildId, name: String, why: R },
}

impl<R> Conclusion<R> {
    /// How its own life ended, for whoever supervises it.
    pub(crate) fn how(&self) -> How {
        match self {
            Conclusion::Asked | Conclusion::TooManyRestarts | Conclusion::Significant { .. } => How::Shutdown,
            Conclusion::Killed | Conclusion::StartFailed { .. } => How::Abnormal,
        }
    }
}

/// What happened to a child, and what is done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report<R> {
    pub(crate) child: ChildId,
    pub(crate) name: String,
    pub(crate) event: Event<R>,
    pub(crate) done: Done,
}

/// What happened to a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event<R> {
    Ended {
        how: How,
        why: R,
    },
    StartFailed {
        why: R,
    },
    /// It had not ended in time.
    Overdue,
}

/// What is done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// It is started again, at the earliest after this time.
    StartsAgain { after: Duration },
    /// It stays ended.
    StaysDown,
    /// It is killed.
    Killed,
    /// The supervisor ends: there were too many restarts.
    TooManyRestarts,
    /// The supervisor ends, as it could not begin.
    EndsAll,
}

impl<R: fmt::Display> fmt::Display for Report<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "child {:?} ", self.name)?;
        match &self.event {
            Event::Ended { how: How::Normal, why } => write!(f, "ended ({why})")?,
            Event::Ended { how: How::Shutdown, why } => write!(f, "was shut down ({why})")?,
            Event::Ended { how: How::Abnormal, why } => write!(f, "failed ({why})")?,
            Event::StartFailed { why } => write!(f, "did not start ({why})")?,
            Event::Overdue => f.write_str("did not end in time")?,
        }
        match self.done {
            Done::StartsAgain { after: Duration::ZERO } => f.write_str("; it is started again"),
            Done::StartsAgain { after } => write!(f, "; it is started again in {after:?}"),
            Done::StaysDown => f.write_str("; it stays down"),
            Done::Killed => f.write_str("; it is killed"),
            Done::TooManyRestarts => f.write_str("; too many restarts, so all are stopped"),
            Done::EndsAll => f.write_str("; all are stopped"),
        }
    }
}
