//! What is asked of a counter and what it answers.

use serde::{Deserialize, Serialize};

use crate::protocol::object::{AboutCasts, Refused};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Answered with the value after it, `Is`, or `Overflow`.
    Add(i64),
    /// The same.
    Sub(i64),
    /// Answered with the value, `Is`.
    Get,
    /// Answered with the value before it, `Is`.
    Set(i64),
    /// Answered with the value before it, `Is`: it was changed if that is as expected.
    CompareAndSwap { expected: i64, new: i64 },
    /// Answered with the value, `Is`, once it is so large, or has been since.
    WaitAtLeast(i64),
    /// Answered with `Refused`.
    Casts(AboutCasts),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    Is(i64),
    Overflow,
    Refused(Refused),
}
