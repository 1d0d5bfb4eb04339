//! What is asked of an event and what it answers.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Answered once it is done.
    Set,
    /// Answered once it is done.
    Clear,
    /// Answered with how it is.
    Look,
    /// Answered once it is set, or has been since.
    Wait,
}

/// Whether the event is set, after what was asked was done. To `Wait` it says true, also if it was cleared at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IsSet(pub(crate) bool);
