//! What can go wrong with a list.

use callboard_core::BodyError;
use thiserror::Error;

use crate::protocol::object::{FunctionError, ObjectError};

/// Why a list did not do what was asked. Where nothing else is said it is as it was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ListError {
    /// The list has ended with its owner's node, or that node's connection broke. Whether what was asked just then was
    /// done is not known.
    #[error("the list's owner has ended")]
    Disconnected,
    /// The owner did not answer within 60 s: its process is stopped or very busy. What was asked is done as soon as it goes
    /// on.
    #[error("the list's owner does not answer")]
    Unresponsive,
    /// A value given can't be encoded.
    #[error("the value can't be encoded")]
    Encode(#[source] BodyError),
    /// An element is no value of the list's type. What was asked was done: an element that was to be taken out is gone.
    #[error("an element can't be decoded")]
    Decode(#[source] BodyError),
    /// The list has no room for it, in elements or in bytes.
    #[error("the list is full")]
    Full,
    /// A value alone is larger than the list's capacity in bytes; or what was to travel is more than a message
    /// holds, 256 KiB less than 256 MiB.
    #[error("more than the list may ever hold, or a message")]
    TooLarge,
    /// There is no element at that index.
    #[error("index {index} of a list of {len} elements")]
    OutOfBounds {
        /// The index asked for.
        index: usize,
        /// How many elements there are.
        len: usize,
    },
    /// The elements were put into another order as a whole, or too many came and went, while they were iterated over.
    #[error("the list has changed too much to go on")]
    Changed,
    /// So many casts of this node were refused since its last flush, for want of room.
    #[error("{0} casts to the list were refused")]
    Lost(u64),
    /// A registered function came to nothing.
    #[error(transparent)]
    Function(#[from] FunctionError),
}

impl From<ObjectError> for ListError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Disconnected => ListError::Disconnected,
            ObjectError::Unresponsive => ListError::Unresponsive,
        }
    }
}
