//! What becomes of the message that an actor had in hand when it failed.

use std::fmt;

use callboard_core::encode_into;
use serde::{Deserialize, Serialize};

use super::handle::{ActorRef, Message};
use super::mailbox::Next;
use crate::scope;

/// What becomes of the message that an actor has in hand when its code fails: returns an error or panics.
///
/// By default it is gone, as in Erlang, and whoever waits for its reply is told. To be kept it is encoded before it is handled, which costs
/// that on the actor's own node. A message with rights to reply or ends of pipes in it moves and can't be kept; nor can any when the
/// actor's process is killed. What can't be kept, or has been handled often enough and goes nowhere else, is told on standard error.
#[derive(Serialize, Deserialize)]
#[serde(bound(serialize = "", deserialize = "M: Message"))]
pub struct InHand<M> {
    again: u32,
    dead_letters: Option<ActorRef<M>>,
}

impl<M> InHand<M> {
    /// The next life of an actor that its supervisor starts again [in the same process](crate::ChildSpec::actor) handles it once more, so often at most.
    pub fn again(times: u32) -> Self {
        Self { again: times, dead_letters: None }
    }

    /// That actor gets it, if it has room.
    pub fn dead_letter(to: ActorRef<M>) -> Self {
        Self { again: 0, dead_letters: Some(to) }
    }

    /// That actor gets it when it has been handled often enough.
    #[must_use]
    pub fn then(mut self, to: ActorRef<M>) -> Self {
        self.dead_letters = Some(to);
        self
    }

    pub(super) fn times(&self) -> u32 {
        self.again
    }

    pub(super) fn dead_letters(&self) -> Option<&ActorRef<M>> {
        self.dead_letters.as_ref()
    }
}

impl<M> Clone for InHand<M> {
    fn clone(&self) -> Self {
        Self { again: self.again, dead_letters: self.dead_letters.clone() }
    }
}

impl<M> fmt::Debug for InHand<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InHand({} times, then {:?})", self.again, self.dead_letters)
    }
}

/// A message that is kept while it is handled.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// None if it can't be kept.
    pub(super) bytes: Option<Vec<u8>>,
    /// How often it has been handled before.
    pub(super) times: u32,
}

impl Held {
    /// One that can't be kept.
    pub(super) fn not_kept() -> Option<Self> {
        Some(Held { bytes: None, times: 0 })
    }

    /// Keeps what comes next; `bytes` are those of an encoded one. None if it is no message.
    pub(super) fn keep<M: Message>(next: &Next<M>, bytes: &[u8]) -> Option<Self> {
        match next {
            Next::Moved { message, .. } => {
                let mut bytes = Vec::new();
                let encoded = scope::plain(|| encode_into(message, &mut bytes));
                Some(Held { bytes: encoded.is_ok().then_some(bytes), times: 0 })
            }
            Next::Encoded { head, rights } => {
                let can_be = head.replies.is_empty() && rights.is_empty();
                Some(Held { bytes: can_be.then(|| bytes.to_vec()), times: 0 })
            }
            Next::Again(held) => Some(held.clone()),
            Next::News(_) => None,
        }
    }
}
