//! How an actor's life ended.

use callboard_core::Address;
use serde::{Deserialize, Serialize};

use super::error::StartActorError;
use crate::failure::Failure;
use crate::process::{JoinError, OutOfMemory};

/// Why an actor ended.
///
/// Source: the exit reasons of Erlang, typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Exit {
    /// It stopped itself, or was asked to: [`Context::stop`](super::Context::stop), [`ActorRef::stop`](super::ActorRef::stop),
    /// [`ActorRef::drain`](super::ActorRef::drain).
    #[error("it stopped")]
    Normal,
    /// Its code returned an error, or somebody had it [exit](super::ActorRef::exit).
    #[error("it failed: {0}")]
    Failed(Failure),
    /// Its code panicked, with this message.
    #[error("it panicked: {0}")]
    Panicked(String),
    /// [`ActorRef::kill`](super::ActorRef::kill), or its supervisor, when it had not ended in time; to those on its own node also the
    /// end of that.
    #[error("it was killed")]
    Killed,
    /// Its supervisor asked it to end, or its own process was asked to: no failure either.
    #[error("it was shut down")]
    Shutdown,
    /// An actor to which it was linked ended with a failure.
    #[error("it was linked to {from}: {why}")]
    Linked {
        /// The one that had failed first.
        from: Address,
        /// How that ended. Never `Linked` itself.
        why: Box<Exit>,
    },
    /// There was no actor any more when it was to be watched; how it had ended is not known.
    #[error("there was no such actor any more")]
    NotThere,
    /// A process that a supervisor keeps was ended by this signal.
    #[error("its process was ended by signal {0}")]
    Signalled(i32),
    /// A process that a supervisor keeps ran out of memory.
    #[error("its process ran out of memory: {0}")]
    OutOfMemory(OutOfMemory),
    /// A process that a supervisor keeps ended by itself with this exit code, before its function returned.
    #[error("its process ended with exit code {0}")]
    Exited(i32),
    /// The actor's node has ended, or the connection to it broke.
    #[error("its node has ended")]
    Disconnected,
}

impl From<JoinError> for Exit {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::Signalled { signal, .. } => Exit::Signalled(signal),
            JoinError::OutOfMemory { how, .. } => Exit::OutOfMemory(how),
            JoinError::Exited(code) => Exit::Exited(code),
            JoinError::Panicked(panic) => Exit::Panicked(format!("{} at {}", panic.message, panic.place)),
            error => Exit::Failed(Failure::from(error)),
        }
    }
}

/// How the life of one ended that did not start.
impl From<&StartActorError> for Exit {
    fn from(error: &StartActorError) -> Self {
        match error {
            StartActorError::Failed(failure) => Exit::Failed(failure.clone()),
            StartActorError::Panicked(text) => Exit::Panicked(text.clone()),
            StartActorError::Process(error) => Exit::from(error.clone()),
            error => Exit::Failed(Failure::from(error)),
        }
    }
}

impl Exit {
    /// Whether that was in order: [`Normal`](Self::Normal) or [`Shutdown`](Self::Shutdown).
    pub fn is_normal(&self) -> bool {
        matches!(self, Exit::Normal | Exit::Shutdown)
    }

    /// As one that was linked to it ends: a chain of links names the first.
    pub(super) fn of_linked(self, from: Address) -> Self {
        match self {
            Exit::Linked { .. } => self,
            why => Exit::Linked { from, why: Box::new(why) },
        }
    }
}
