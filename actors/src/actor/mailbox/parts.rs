//! What goes into a mailbox and comes out of it.

use std::sync::Arc;
use std::time::Instant;

use callboard_core::Slot;

use crate::actor::in_hand::Held;
use crate::actor::news::News;
use crate::actor::wire::{self, Head};
use crate::hook::Hook;
use crate::parcel::Rights;
use crate::peer::Peer;

/// What a mailbox holds of one sending node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::actor) struct Load {
    pub(in crate::actor) messages: u64,
    pub(in crate::actor) bytes: u64,
}

/// The most that may wait, of each sending node.
#[derive(Clone, Copy, Debug)]
pub(in crate::actor) struct Capacity {
    pub(in crate::actor) messages: u64,
    /// Of this node.
    pub(in crate::actor) moved: u64,
    /// For those that come encoded.
    pub(in crate::actor) bytes: u64,
    /// Of all nodes together, and the oldest make room for the newest.
    pub(in crate::actor) drops_oldest: bool,
}

impl Capacity {
    /// What waits of a node with what has come now, of which the last message has so many bytes, if there was room for that.
    pub(super) fn admits(
        &self,
        load: Load,
        last: u64,
        mut waiting: Load,
        handled: Load,
    ) -> Result<Load, String> {
        waiting.messages += load.messages;
        waiting.bytes += load.bytes;
        // What has come needs no room any more where the oldest make it.
        let untold = if self.drops_oldest { load } else { waiting };
        if untold.messages + handled.messages > self.messages.max(wire::FIRST_MESSAGES) {
            return Err("a node sent more messages to an actor than there is room for".to_owned());
        }
        // The last one may be of any size.
        if untold.bytes + handled.bytes - last > self.bytes {
            return Err("a node sent more bytes to an actor than there is room for".to_owned());
        }
        Ok(waiting)
    }
}

/// The next message.
pub(in crate::actor) enum Next<M> {
    Moved {
        message: M,
        deadline: Option<Instant>,
    },
    /// Its bytes are in the buffer that was given.
    Encoded {
        head: Head,
        rights: Rights,
    },
    /// Its bytes are its own.
    Again(Held),
    News(News),
}

/// A message that had to make room for another.
pub(in crate::actor) enum Dropped<M> {
    Moved(M),
    /// With those rights to reply in it.
    Encoded(Vec<wire::Right>),
}

/// Room that a sender on another node is to be told of.
pub(in crate::actor) struct Room {
    pub(in crate::actor) peer: Arc<Peer>,
    pub(in crate::actor) slot: Slot,
    pub(in crate::actor) load: Load,
}

/// What was in a mailbox when its actor ended.
pub(in crate::actor) struct Closed<M> {
    pub(in crate::actor) moved: Vec<M>,
    /// Rights to reply in messages that nobody will decode.
    pub(in crate::actor) replies: Vec<wire::Right>,
    /// What a former life had in hand.
    pub(in crate::actor) again: Vec<Held>,
    pub(in crate::actor) senders: Vec<(Arc<Peer>, Slot)>,
    pub(in crate::actor) hooks: Vec<Hook>,
}
