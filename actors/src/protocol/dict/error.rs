//! What can go wrong with a dict.

use callboard_core::BodyError;
use thiserror::Error;

use super::wire::Refusal;
use crate::call::CallError;
use crate::protocol::object::{FunctionError, ObjectError};

/// Why a question to a [`Dict`](crate::Dict) or a [`Set`](crate::Set) has no answer.
///
/// Whatever is refused changes nothing. After [`Disconnected`](Self::Disconnected) and
/// [`Unresponsive`](Self::Unresponsive) it is not known whether what was asked is or will be done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DictError {
    /// The dict has ended with its owner's node, or that node's connection broke.
    #[error("the dict's owner has ended")]
    Disconnected,
    /// The owner did not answer within 60 s: its process is stopped or very busy. What was asked is done as soon as it goes
    /// on.
    #[error("the dict's owner does not answer")]
    Unresponsive,
    /// A key or a value can't be encoded. Nothing was asked.
    #[error("a key or a value can't be encoded")]
    Encode(#[source] BodyError),
    /// A key or a value is there that can't be decoded. What was asked has been done.
    #[error("a key or a value can't be decoded")]
    Decode(#[source] BodyError),
    /// There is no room for it, by entries or by bytes.
    #[error("the dict is full")]
    Full,
    /// An entry alone is larger than the dict's capacity in bytes, or a message larger than any may be: 256 KiB less than
    /// 256 MiB.
    #[error("more bytes than the dict or a message may hold")]
    TooLarge,
    /// The number would be out of its type's range, or the list longer than 4,294,967,295.
    #[error("the value would be out of range")]
    Overflow,
    /// What is there is of another type than expected, which the text names.
    #[error("of another kind than expected: {0}")]
    WrongKind(String),
    /// A registered function came to nothing.
    #[error(transparent)]
    Function(#[from] FunctionError),
    /// So many casts of this node were refused since its last flush: for want of room, or out of range.
    #[error("{0} casts to the dict were refused")]
    Lost(u64),
}

impl From<ObjectError> for DictError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Disconnected => DictError::Disconnected,
            ObjectError::Unresponsive => DictError::Unresponsive,
        }
    }
}

impl From<CallError> for DictError {
    fn from(error: CallError) -> Self {
        ObjectError::from(error).into()
    }
}

impl From<Refusal> for DictError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full => DictError::Full,
            Refusal::TooLarge => DictError::TooLarge,
            Refusal::Overflow => DictError::Overflow,
            Refusal::WrongKind(text) => DictError::WrongKind(text),
            Refusal::Function(error) => DictError::Function(error),
        }
    }
}

/// Why a watch tells no change.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DictWatchError {
    /// More keys were removed than the dict remembers, 1,024: which ones is not known. Take a snapshot; the watch goes on from
    /// here and tells whatever changes after this.
    #[error("more keys were removed than are remembered")]
    Lagged,
    /// The dict has ended with its owner's node, or that node's connection broke.
    #[error("the dict's owner has ended")]
    Disconnected,
    /// The owner did not answer within 60 s: its process is stopped or very busy.
    #[error("the dict's owner does not answer")]
    Unresponsive,
    /// A key or a value can't be decoded. This change is passed over; the next may be fine.
    #[error("a key or a value can't be decoded")]
    Decode(#[source] BodyError),
}

impl From<CallError> for DictWatchError {
    fn from(error: CallError) -> Self {
        match ObjectError::from(error) {
            ObjectError::Disconnected => DictWatchError::Disconnected,
            ObjectError::Unresponsive => DictWatchError::Unresponsive,
        }
    }
}
