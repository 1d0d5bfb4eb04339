//! The restarts of the last while, which must not be too many.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Restarts within a time that slides along. It never holds more than one beyond the limit.
#[derive(Debug)]
pub(super) struct Window {
    max: usize,
    within: Duration,
    /// When each was, the oldest first.
    restarts: VecDeque<Instant>,
}

impl Window {
    pub(super) fn new(max_restarts: u32, within: Duration) -> Self {
        // Where it does not fit, memory ends before so many are counted.
        let max = usize::try_from(max_restarts).unwrap_or(usize::MAX);
        Self { max, within, restarts: VecDeque::new() }
    }

    /// Counts a restart. `false`: with it there are too many. One that is exactly `within` ago still counts.
    #[must_use]
    pub(super) fn count(&mut self, now: Instant) -> bool {
        while self.restarts.front().is_some_and(|oldest| now.duration_since(*oldest) > self.within) {
            self.restarts.pop_front();
        }
        self.restarts.push_back(now);
        self.restarts.len() <= self.max
    }
}
