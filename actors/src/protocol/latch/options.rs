//! What a latch is created with.

use serde::{Deserialize, Serialize};

/// How far a latch is to be counted down until it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatchOptions {
    pub(super) count: u64,
}

impl LatchOptions {
    /// A latch that opens when it has been counted down `count` times. With zero it begins open.
    pub fn new(count: u64) -> Self {
        Self { count }
    }
}
