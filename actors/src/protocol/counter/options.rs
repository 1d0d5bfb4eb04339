//! What a counter is created with.

use serde::{Deserialize, Serialize};

/// How a counter is created: at zero, unless it is to begin at another [`value`](Self::value).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct CounterOptions {
    pub(super) value: i64,
}

impl CounterOptions {
    /// A counter that begins at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// A counter that begins at `value`.
    #[must_use]
    pub fn value(mut self, value: i64) -> Self {
        self.value = value;
        self
    }
}
