//! What can be wrong with starting an actor, and with sending to one.

use std::fmt;

use callboard_core::BodyError;

use crate::failure::Failure;
use crate::names::NameError;
use crate::process::{JoinError, SpawnError};

/// Why a message was not sent. Each has it.
///
/// An error whatever the message is, so that `?` works for messages that can't be printed.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum CastError<M> {
    /// There is no room in the mailbox, or was none in time.
    #[error("the actor's mailbox is full")]
    Full(M),
    /// The actor has ended, or is about to.
    #[error("the actor has ended")]
    Gone(M),
    /// The actor's node has ended, or the connection to it broke.
    #[error("the actor's node has ended")]
    Disconnected(M),
    /// It can't be encoded, which it must be for an actor on another node.
    #[error("the message can't be sent")]
    Encode(M, #[source] BodyError),
    /// It takes more bytes than a message may, some 256 MiB, or holds more than 255 rights to reply.
    #[error("the message is larger than what can be sent")]
    TooLarge(M),
}

impl<M> fmt::Debug for CastError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CastError::Full(_) => f.write_str("Full(..)"),
            CastError::Gone(_) => f.write_str("Gone(..)"),
            CastError::Disconnected(_) => f.write_str("Disconnected(..)"),
            CastError::Encode(_, error) => f.debug_tuple("Encode").field(error).finish_non_exhaustive(),
            CastError::TooLarge(_) => f.write_str("TooLarge(..)"),
        }
    }
}

impl<M> CastError<M> {
    /// The message that was not sent.
    pub fn into_message(self) -> M {
        match self {
            CastError::Full(message)
            | CastError::Gone(message)
            | CastError::Disconnected(message)
            | CastError::Encode(message, _)
            | CastError::TooLarge(message) => message,
        }
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The actor has ended, or dropped the right to reply without a reply.
    #[error("the actor has ended, or did not answer")]
    Gone,
    /// The node of whoever had the right to reply has ended. Whether the message was handled is not known.
    #[error("the node of the actor called has ended")]
    Disconnected,
    /// No reply came in time. Whether the message was handled is not known.
    #[error("no answer within the deadline; whether the message was handled is not known")]
    TimedOut,
    /// There is no room in the mailbox, and the actor wants its senders told.
    #[error("the actor's mailbox is full")]
    Full,
    /// The message can't be encoded.
    #[error("the message can't be sent")]
    Encode(#[source] BodyError),
    /// The message takes more bytes than one may.
    #[error("the message is larger than what can be sent")]
    TooLarge,
    /// The answer could not be read.
    #[error("the answer could not be read: {0}")]
    BadReply(String),
    /// An actor that calls itself would wait for itself.
    #[error("an actor called itself, and would wait for itself")]
    Itself,
    /// The answer has been taken before.
    #[error("the answer has been taken before")]
    Taken,
}

impl<M> From<CastError<M>> for AskError {
    fn from(error: CastError<M>) -> Self {
        match error {
            CastError::Full(_) => AskError::Full,
            CastError::Gone(_) => AskError::Gone,
            CastError::Disconnected(_) => AskError::Disconnected,
            CastError::Encode(_, error) => AskError::Encode(error),
            CastError::TooLarge(_) => AskError::TooLarge,
        }
    }
}

/// Why an actor did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartActorError {
    /// Its `start` returned an error.
    #[error("the actor did not start: {0}")]
    Failed(Failure),
    /// Its `start` panicked, with this message.
    #[error("the actor panicked as it started: {0}")]
    Panicked(String),
    /// The system has no room for a thread of its own.
    #[error("there is no thread for the actor")]
    Thread(#[source] std::io::Error),
    /// No process of its own could be started.
    #[error("there is no process for the actor")]
    Spawn(#[from] SpawnError),
    /// Its process ended before it had started there.
    #[error("the actor's process ended: {0}")]
    Process(JoinError),
    /// The name can't be given to it.
    #[error(transparent)]
    Name(#[from] NameError),
}
