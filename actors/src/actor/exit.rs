//! How an actor's life ended.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Why an actor ended.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Exit {
    /// It stopped itself, or was asked to: [`Context::stop`](super::Context::stop), [`ActorRef::stop`](super::ActorRef::stop),
    /// [`ActorRef::drain`](super::ActorRef::drain).
    #[error("it stopped")]
    Normal,
    /// Its `start` or `handle` returned an error.
    #[error("it failed: {0}")]
    Failed(Failure),
    /// Its code panicked, with this message.
    #[error("it panicked: {0}")]
    Panicked(String),
    /// [`ActorRef::kill`](super::ActorRef::kill).
    #[error("it was killed")]
    Killed,
}
