//! What is asked of a list and what it answers. Values are opaque bytes; indices count from zero.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::error::ListError;
use crate::protocol::object::{AboutCasts, FunctionError, Refused};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Answered with the length, `Number`.
    Push(ByteBuf),
    /// Answered with the length.
    PushFront(ByteBuf),
    /// All or none. Answered with the length.
    Extend(Vec<ByteBuf>),
    Insert {
        at: u64,
        value: ByteBuf,
    },
    /// Answered with a `Value`, as all that take or look at one.
    Pop,
    PopFront,
    Remove(u64),
    Get(u64),
    Last,
    Set {
        at: u64,
        value: ByteBuf,
    },
    Swap(u64, u64),
    Reverse,
    Len,
    /// Drops what lies beyond.
    Truncate(u64),
    /// Answered with `Values`.
    Slice {
        from: u64,
        to: u64,
    },
    /// Answered with `Values`, which are the list's no longer.
    TakeAll,
    /// Answered with `Found`.
    Position(ByteBuf),
    /// Answered with a `Number`.
    Count(ByteBuf),
    /// Removes the first of its kind. Answered with `Found`: where it was.
    RemoveValue(ByteBuf),
    /// Answered with `Done`, or `Value` with what is there instead.
    CompareAndSwap {
        at: u64,
        expected: ByteBuf,
        new: ByteBuf,
    },
    /// Runs a function on one element. Answered with a `Value`: its result.
    Update {
        at: u64,
        name: String,
        args: ByteBuf,
    },
    /// Runs a function on all elements. Answered with a `Value`: its result.
    Apply {
        name: String,
        args: ByteBuf,
    },
    /// Answered with a `Page`; the first one without a cursor.
    Page(Option<Cursor>),
    /// Answered with `Refused`.
    Casts(AboutCasts),
    /// Answered with a `Report`.
    Look,
    /// Answered with a `Report` once there has been a change after that one.
    Watch {
        after: u64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    Done,
    Value(Option<ByteBuf>),
    Values(Vec<ByteBuf>),
    Number(u64),
    Found(Option<u64>),
    Page { values: Vec<ByteBuf>, next: Option<Cursor> },
    Refused(Refused),
    Report { version: u64, len: u64 },
    Failed(Fault),
}

/// How far an iteration has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    pub(crate) epoch: u64,
    pub(crate) position: u64,
    /// How many shifts the position takes into account.
    pub(crate) shifts: u64,
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fault {
    Full,
    TooLarge,
    OutOfBounds { index: u64, len: u64 },
    Changed,
    Function(FunctionError),
}

impl From<FunctionError> for Fault {
    fn from(error: FunctionError) -> Self {
        Fault::Function(error)
    }
}

impl From<Fault> for ListError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Full => ListError::Full,
            Fault::TooLarge => ListError::TooLarge,
            Fault::OutOfBounds { index, len } => {
                ListError::OutOfBounds { index: to_usize(index), len: to_usize(len) }
            }
            Fault::Changed => ListError::Changed,
            Fault::Function(error) => ListError::Function(error),
        }
    }
}

pub(super) fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
