//! What a barrier is created with.

use std::num::NonZeroU64;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A barrier of no parties would let nobody through, and stop nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a barrier has at least one party")]
pub struct NoParties;

/// How many parties a barrier waits for, and how long each waits if it does not say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BarrierOptions {
    pub(super) parties: NonZeroU64,
    pub(super) timeout: Option<Duration>,
}

impl BarrierOptions {
    /// A barrier that opens when `parties` wait there.
    ///
    /// # Errors
    ///
    /// [`NoParties`] for zero.
    pub fn new(parties: usize) -> Result<Self, NoParties> {
        let parties = NonZeroU64::new(parties as u64).ok_or(NoParties)?;
        Ok(Self { parties, timeout: None })
    }

    /// How long a [`wait`](super::Barrier::wait) without a timeout of its own waits. As long as it takes, by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}
