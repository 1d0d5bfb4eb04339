//! What becomes of a message for which an actor's mailbox has no room.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::handle::{ActorRef, Message};
use super::wire::NoRoom;

/// What becomes of a message for which there is no room in the mailbox.
///
/// Each message that is dropped is counted, in the actor's [`ActorStats::dropped`](super::ActorStats::dropped); those dropped by senders on other nodes when there is room for
/// them again. Whoever waits for its reply is told [`AskError::Gone`](super::AskError::Gone).
#[derive(Default, Serialize, Deserialize)]
#[serde(bound(serialize = "", deserialize = "M: Message"))]
#[non_exhaustive]
pub enum WhenFull<M> {
    /// Its sender waits.
    #[default]
    Wait,
    /// Its sender is told at once: [`CastError::Full`](super::CastError::Full).
    Fail,
    /// It is dropped.
    DropNewest,
    /// The oldest message makes room for it. The capacity is then one for all senders together, and none of them waits, but for
    /// an actor's process that takes nothing from its connection.
    DropOldest,
    /// That actor gets it, if it has room; else it is dropped.
    Divert(ActorRef<M>),
}

impl<M> WhenFull<M> {
    /// What a sender on another node does.
    pub(super) fn on_the_wire(&self) -> NoRoom {
        match self {
            // Those that come make room themselves.
            WhenFull::Wait | WhenFull::DropOldest => NoRoom::Wait,
            WhenFull::Fail => NoRoom::Fail,
            WhenFull::DropNewest => NoRoom::Drop,
            WhenFull::Divert(to) => NoRoom::Divert(to.at()),
        }
    }
}

impl<M> Clone for WhenFull<M> {
    fn clone(&self) -> Self {
        match self {
            WhenFull::Wait => WhenFull::Wait,
            WhenFull::Fail => WhenFull::Fail,
            WhenFull::DropNewest => WhenFull::DropNewest,
            WhenFull::DropOldest => WhenFull::DropOldest,
            WhenFull::Divert(to) => WhenFull::Divert(to.clone()),
        }
    }
}

impl<M> fmt::Debug for WhenFull<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.on_the_wire(), f)
    }
}
