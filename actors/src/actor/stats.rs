//! An actor's figures, which its cell tells whether or not its code runs.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::exit::Exit;

/// An actor's figures at one moment, from [`ActorRef::stats`](super::ActorRef::stats). Its own code is not asked, so that one that is stuck tells them too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ActorStats {
    /// Messages in the mailbox.
    pub waiting: u64,
    /// Bytes of those that came from other nodes.
    pub waiting_bytes: u64,
    /// How long the oldest message in the mailbox has waited, to a few milliseconds; zero if there is none.
    pub oldest: Duration,
    /// Messages taken out of the mailbox to be handled, all its lives long.
    pub handled: u64,
    /// Messages that were dropped for want of room.
    pub dropped: u64,
    /// How long its code has run. What it does just now counts when it has come to the end of some messages.
    pub busy: Duration,
    /// How often its supervisor has started it again.
    pub restarts: u32,
    /// How its last life ended; none in the first.
    pub last_exit: Option<Exit>,
}

impl fmt::Display for ActorStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { waiting, oldest, handled, dropped, busy, restarts, last_exit, .. } = self;
        write!(f, "{waiting} waiting")?;
        if !oldest.is_zero() {
            write!(f, " since {oldest:.1?}")?;
        }
        write!(f, ", {handled} handled, busy {busy:.1?}")?;
        if *dropped > 0 {
            write!(f, ", {dropped} dropped")?;
        }
        if *restarts > 0 {
            write!(f, ", {restarts} restarts")?;
        }
        match last_exit {
            Some(exit) => write!(f, ", before that {exit}"),
            None => Ok(()),
        }
    }
}

/// How long ago that was on the coarse clock.
pub(super) fn since(then: u64) -> Duration {
    Duration::from_nanos(callboard_ipc::coarse_nanos().saturating_sub(then))
}
