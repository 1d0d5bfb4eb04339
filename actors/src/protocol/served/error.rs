//! What can go wrong with a call of a method.

use callboard_core::BodyError;
use callboard_ipc::CodeError;

use super::mailbox::MAX_CALLS;
use crate::call::CallError;
use crate::process::SpawnError;

/// Why a method returned no value.
#[derive(Debug, thiserror::Error)]
pub enum ServedError {
    /// The object has ended with its node, or that node's connection broke. Whether the method has run is not known.
    #[error("the object's process has ended")]
    Disconnected,
    /// It had not returned within the timeout. If it had not begun it will not; else it goes on, and its value is dropped.
    #[error("the method did not return in time")]
    TimedOut,
    /// It panicked. The object stays as the panic left it, and serves on.
    #[error("the method panicked: {0}")]
    Panicked(String),
    /// As many calls as may wait for the object, 1,024, wait already, or 64 MiB wait for its process, which does not read.
    #[error("as much waits for the object already as may: {MAX_CALLS} calls, or 64 MiB")]
    Full,
    /// The arguments can't be encoded.
    #[error("the arguments can't be sent to another process")]
    Arguments(#[source] BodyError),
    /// The arguments take more bytes, as encoded, than a message may.
    #[error("the arguments take {bytes} bytes, more than can be sent")]
    TooLarge {
        /// As encoded.
        bytes: usize,
    },
    /// The method does not belong to the main program, so the object's process could not find it.
    #[error("the method can't be called in another process")]
    Function(#[source] CodeError),
    /// The object's process could not run the method, or send what it returned.
    #[error("the call was refused: {0}")]
    Refused(String),
    /// What the method returned can't be read.
    #[error("the value can't be read: {0}")]
    BadValue(String),
    /// The [`Reply`](crate::Reply) has given what the method returned, or an error, before.
    #[error("the reply has been taken already")]
    Taken,
}

impl From<CallError> for ServedError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::TimedOut => ServedError::TimedOut,
            CallError::Gone | CallError::Disconnected => ServedError::Disconnected,
            CallError::BadReply(why) => ServedError::BadValue(why),
        }
    }
}

impl From<SpawnError> for ServedError {
    fn from(error: SpawnError) -> Self {
        match error {
            SpawnError::Arguments(error) => ServedError::Arguments(error),
            SpawnError::TooLarge { bytes } => ServedError::TooLarge { bytes },
            SpawnError::Function(error) => ServedError::Function(error),
            other => ServedError::Refused(other.to_string()),
        }
    }
}
