//! What a region is created with.

use serde::{Deserialize, Serialize};

/// How large a region is to be. Its memory begins zeroed, and its size does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionOptions {
    pub(super) size_bytes: usize,
}

impl RegionOptions {
    /// A region of so many bytes, 1 to `isize::MAX`.
    pub fn new(size_bytes: usize) -> Self {
        Self { size_bytes }
    }
}
