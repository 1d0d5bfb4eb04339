//! What a group's owner and the mirrors of its handles say to each other.

use callboard_core::Address;
use serde::{Deserialize, Serialize};

use super::roll::News;
use crate::actor::{ActorRef, Message, ReplyTo};

/// To the owner.
#[derive(Serialize, Deserialize)]
#[serde(bound(serialize = "", deserialize = "M: Message"))]
pub(super) enum Ask<M: Message> {
    /// Answered with the group's version from then on.
    Join(ActorRef<M>, ReplyTo<u64>),
    Leave(Address, ReplyTo<u64>),
    Mirror(ActorRef<Told<M>>),
    /// From the owner's own timer: those mirrors that had no room may have some.
    Again,
}

/// To a mirror, in order.
#[derive(Serialize, Deserialize)]
#[serde(bound(serialize = "", deserialize = "M: Message"))]
pub(super) enum Told<M: Message> {
    News(News<ActorRef<M>>),
    /// From the mirror itself: the owner is to be asked.
    Begin,
}
