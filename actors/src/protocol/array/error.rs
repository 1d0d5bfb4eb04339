//! What can go wrong with an array.

use std::ops::Range;

use crate::protocol::shared::LockError;

/// Why a part of an array was not read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArrayError {
    /// The part is not wholly within the array.
    #[error("elements {} to {} of an array of {len}", range.start, range.end)]
    OutOfRange {
        /// The part asked for; its end is not in it.
        range: Range<usize>,
        /// How many elements the array has.
        len: usize,
    },
    /// What was to be copied has another number of elements than the part.
    #[error("{found} elements where {expected} were expected")]
    WrongLength {
        /// How many the part has.
        expected: usize,
        /// How many there were.
        found: usize,
    },
    /// It can't be reached, or this thread has a guard of that part.
    #[error(transparent)]
    Lock(#[from] LockError),
}
