//! What can go wrong with a queue, one closed enum for each verb.

use std::fmt;

use callboard_core::BodyError;
use thiserror::Error;

use super::producer::Refused;

/// Why an item was not put. The item comes back.
#[derive(Clone, PartialEq, Eq, Error)]
pub enum PutError<T> {
    /// There was no room, or none within the timeout. The item is not in the queue.
    #[error("the queue is full")]
    Full(T),
    /// The queue is closed.
    #[error("the queue is closed")]
    Closed(T),
    /// The queue has ended with its owner's node, or that node's connection broke.
    #[error("the queue's owner has ended")]
    Disconnected(T),
    /// The owner did not answer: its process is stopped or very busy. The item may or may not have been put.
    #[error("the queue's owner does not answer; the item may or may not have been put")]
    Unresponsive(T),
    /// The item alone is larger than the queue's capacity in bytes, or than any item may be: 256 KiB less than 256 MiB.
    #[error("the item is larger than the queue may ever hold")]
    TooLarge(T),
    /// The item can't be encoded.
    #[error("the item can't be encoded")]
    Encode(T, #[source] BodyError),
}

/// Says what happened, not the item, which need not be printable.
impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PutError::Full(_) => "Full(..)",
            PutError::Closed(_) => "Closed(..)",
            PutError::Disconnected(_) => "Disconnected(..)",
            PutError::Unresponsive(_) => "Unresponsive(..)",
            PutError::TooLarge(_) => "TooLarge(..)",
            PutError::Encode(_, error) => return write!(f, "Encode(.., {error:?})"),
        })
    }
}

impl<T> PutError<T> {
    /// The item that was not put.
    pub fn into_item(self) -> T {
        match self {
            PutError::Full(item)
            | PutError::Closed(item)
            | PutError::Disconnected(item)
            | PutError::Unresponsive(item)
            | PutError::TooLarge(item)
            | PutError::Encode(item, _) => item,
        }
    }
}

/// Why a put did not succeed, without the item.
pub(super) enum NotPut {
    Encode(BodyError),
    Refused(Refused),
}

impl NotPut {
    pub(super) fn with<T>(self, item: T) -> PutError<T> {
        match self {
            NotPut::Encode(error) => PutError::Encode(item, error),
            NotPut::Refused(Refused::Full) => PutError::Full(item),
            NotPut::Refused(Refused::Closed) => PutError::Closed(item),
            NotPut::Refused(Refused::Disconnected | Refused::DisconnectedMeanwhile) => {
                PutError::Disconnected(item)
            }
            NotPut::Refused(Refused::Unresponsive) => PutError::Unresponsive(item),
            NotPut::Refused(Refused::TooLarge) => PutError::TooLarge(item),
        }
    }
}

/// Why `get` returned no item.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GetError {
    /// The queue is closed and drained: the end of the stream.
    #[error("the queue is closed and empty")]
    Closed,
    /// No item came within the timeout.
    #[error("no item came in time")]
    TimedOut,
    /// The queue has ended with its owner's node, or that node's connection broke.
    #[error("the queue's owner has ended")]
    Disconnected,
    /// An item came that is no value of the queue's type. That item is gone; the next may be fine.
    #[error("an item can't be decoded")]
    Decode(#[source] BodyError),
    /// This node consumes more queues of one other node than a connection has counters for: 1,008, and a queue that is
    /// also leased from takes two. Drop handles, or have a node between own some of the queues.
    #[error("too many queues of one node are consumed here")]
    TooManyQueues,
    /// This node holds 32,768 leases of the queue already. Settle or drop some.
    #[error("too many leases of this queue are held here")]
    TooManyLeases,
}

/// Why `try_get` returned no item.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TryGetError {
    /// There is none now.
    #[error("the queue is empty")]
    Empty,
    /// The queue is closed and drained: the end of the stream.
    #[error("the queue is closed and empty")]
    Closed,
    /// The queue has ended with its owner's node, or that node's connection broke.
    #[error("the queue's owner has ended")]
    Disconnected,
    /// The owner did not answer: its process is stopped or very busy.
    #[error("the queue's owner does not answer")]
    Unresponsive,
    /// An item came that is no value of the queue's type. That item is gone; the next may be fine.
    #[error("an item can't be decoded")]
    Decode(#[source] BodyError),
    /// This node consumes more queues of one other node than a connection has counters for: 1,008, and a queue that is
    /// also leased from takes two. Drop handles, or have a node between own some of the queues.
    #[error("too many queues of one node are consumed here")]
    TooManyQueues,
}

/// Why a question to the queue has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueueError {
    /// The queue has ended with its owner's node, or that node's connection broke.
    #[error("the queue's owner has ended")]
    Disconnected,
    /// The owner did not answer in time: its process is stopped or very busy.
    #[error("the queue's owner does not answer")]
    Unresponsive,
}

/// Why a lease could not be settled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LeaseError {
    /// The lease had ended before: its time was over, and the item went back to the queue.
    #[error("the lease had ended before")]
    Expired,
    /// The queue has ended with its owner's node, or that node's connection broke.
    #[error("the queue's owner has ended")]
    Disconnected,
    /// The owner did not answer: whether the lease is settled is not known.
    #[error("the queue's owner does not answer; whether the lease is settled is not known")]
    Unresponsive,
}
