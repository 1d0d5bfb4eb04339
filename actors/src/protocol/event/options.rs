//! What an event is created with.

use serde::{Deserialize, Serialize};

/// How an event is created: cleared, unless it is to begin [`set`](Self::set).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct EventOptions {
    pub(super) is_set: bool,
}

impl EventOptions {
    /// An event that begins cleared.
    pub fn new() -> Self {
        Self::default()
    }

    /// An event that begins set.
    #[must_use]
    pub fn set(mut self) -> Self {
        self.is_set = true;
        self
    }
}
