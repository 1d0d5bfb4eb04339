//! What can go wrong with a counter.

use thiserror::Error;

use crate::protocol::object::ObjectError;

/// Why a counter did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CounterError {
    /// The counter has ended with its owner's node, or that node's connection broke. Whether what was asked just then was
    /// done is not known.
    #[error("the counter's owner has ended")]
    Disconnected,
    /// The owner did not answer within 60 s: its process is stopped or very busy. What was asked is done as soon as it goes
    /// on.
    #[error("the counter's owner does not answer")]
    Unresponsive,
    /// The sum is no `i64`. The counter is as it was.
    #[error("the counter would overflow")]
    Overflow,
    /// So many casts of this node were refused since its last flush, since the sum would have been no `i64`.
    #[error("{0} casts to the counter were refused")]
    Lost(u64),
}

impl From<ObjectError> for CounterError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Disconnected => CounterError::Disconnected,
            ObjectError::Unresponsive => CounterError::Unresponsive,
        }
    }
}
