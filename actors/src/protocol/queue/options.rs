//! What a queue is created with.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::owner::{Order, Settings};
use super::wire::Amount;

/// What a queue holds if nothing else is said.
const DEFAULT_ITEMS: u64 = 1 << 20;
const DEFAULT_BYTES: u64 = 256 << 20;

/// How a queue is created.
///
/// By default it holds a million items (1,048,576) and 256 MiB of them as encoded, and redelivers without limit.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct QueueOptions {
    pub(super) settings: Settings,
}

impl Default for QueueOptions {
    fn default() -> Self {
        let capacity = Amount { items: DEFAULT_ITEMS, bytes: DEFAULT_BYTES };
        Self { settings: Settings { capacity, max_attempts: None, order: Order::Fifo } }
    }
}

impl QueueOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// A queue that holds at most so many items; zero counts as one.
    ///
    /// Items count until a `get` has returned them, also while they are prefetched.
    #[must_use]
    #[doc(alias = "maxsize")]
    pub fn capacity(mut self, items: u64) -> Self {
        self.settings.capacity.items = items.max(1);
        self
    }

    /// A queue whose items take at most so many bytes, as encoded. A larger item is refused, so zero refuses all.
    #[must_use]
    pub fn capacity_bytes(mut self, bytes: u64) -> Self {
        self.settings.capacity.bytes = bytes;
        self
    }

    /// After so many attempts a leased item that comes back becomes a dead letter; zero counts as one.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.settings.max_attempts = NonZeroU32::new(attempts.max(1));
        self
    }
}
