//! What is asked of a latch and what it answers.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Answered once it is done, or refused.
    CountDown(u64),
    /// Answered with what is left.
    Look,
    /// Answered once it is open.
    Wait,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// So much is left.
    Left(u64),
    /// Not so much was left, but this, and it still is.
    TooFew(u64),
}
