//! What is asked of a barrier and what it answers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::BrokenBy;
use super::options::BarrierOptions;

/// By `key`, a number drawn for it, a wait is known to its other questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Answered once all have come, or it is broken. Who `acts` acts before that if it comes last.
    Wait { key: u64, acts: bool, timeout: Option<Duration> },
    /// Whether that wait is to act. Answered when it is known.
    Turn { key: u64 },
    /// It has.
    Acted { key: u64 },
    /// It could not.
    Panicked { key: u64 },
    /// Answered once it is broken.
    Abort,
    /// Answered once it is whole.
    Reset,
    /// Answered with how it is.
    Look,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// All have come; the asker was that one, counted from zero.
    Passed(u64),
    Broken(BrokenBy),
    /// To `Turn`.
    Act,
    /// To `Turn`.
    DoNotAct,
    Done,
    Is {
        options: BarrierOptions,
        waiting: u64,
        broken: Option<BrokenBy>,
    },
}
