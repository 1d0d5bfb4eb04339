//! What can go wrong when a latch is counted down.

use crate::protocol::object::ObjectError;

/// Why a latch was not counted down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LatchError {
    /// It would have gone below zero: somebody counts more often than was planned. The latch is as it was.
    #[error("the latch has {left} left, and is not counted down below zero")]
    BelowZero {
        /// What is left; zero if it is open.
        left: u64,
    },
    /// The latch has ended with its owner's node, or that node's connection broke. Whether it was counted down just then is not known.
    #[error("the latch's owner has ended")]
    Disconnected,
    /// The owner did not answer within 60 s: its process is stopped or very busy. It counts down as soon as it goes on.
    #[error("the latch's owner does not answer")]
    Unresponsive,
}

impl From<ObjectError> for LatchError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Disconnected => LatchError::Disconnected,
            ObjectError::Unresponsive => LatchError::Unresponsive,
        }
    }
}
