//! What can go wrong with a register.

use callboard_core::BodyError;
use thiserror::Error;

use crate::protocol::object::{FunctionError, ObjectError};

/// Why a register did not do what was asked. Where nothing else is said it is as it was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegisterError {
    /// The register has ended with its owner's node, or that node's connection broke. Whether what was asked just then was
    /// done is not known.
    #[error("the register's owner has ended")]
    Disconnected,
    /// The owner did not answer within 60 s: its process is stopped or very busy. What was asked is done as soon as it goes
    /// on.
    #[error("the register's owner does not answer")]
    Unresponsive,
    /// A value given can't be encoded.
    #[error("the value can't be encoded")]
    Encode(#[source] BodyError),
    /// What it holds, or held, is no value of its type. What was asked was done.
    #[error("the value can't be decoded")]
    Decode(#[source] BodyError),
    /// What was to travel is more than a message holds: 256 KiB less than 256 MiB.
    #[error("more than a message may hold")]
    TooLarge,
    /// A registered function came to nothing.
    #[error(transparent)]
    Function(#[from] FunctionError),
}

impl From<ObjectError> for RegisterError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Disconnected => RegisterError::Disconnected,
            ObjectError::Unresponsive => RegisterError::Unresponsive,
        }
    }
}
