//! When a task that has failed is tried again.

use std::time::Duration;

use crate::supervisor::Backoff;

/// When a task that has failed is tried again, and how often.
///
/// None by default: a task whose worker was killed may have done half of what it does, so to do it again is for whoever knows
/// that this is harmless. What can't be decoded or encoded is never tried again.
///
/// ```
/// use std::time::Duration;
/// use callboard::pool::Retries;
/// use callboard::Backoff;
///
/// let after_a_death = Retries::up_to(3).on_panic(false).on_time_limit(false);
/// let patient = Retries::up_to(5).backoff(Backoff::new(Duration::from_millis(10), Duration::from_secs(1)));
/// # let _ = (after_a_death, patient);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Retries {
    most: u32,
    not_on_death: bool,
    not_on_panic: bool,
    not_on_time_limit: bool,
    backoff: Option<Backoff>,
}

/// What a task failed of, as far as retries tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Death,
    Panic,
    TimeLimit,
    Unsatisfied,
    /// Never tried again.
    Other,
}

impl Retries {
    /// No task is tried again.
    pub const NONE: Self =
        Self { most: 0, not_on_death: false, not_on_panic: false, not_on_time_limit: false, backoff: None };

    /// Tries a task up to `most` times again: when its worker died, when it panicked, and when it ran for too long. At once,
    /// unless there is a [`backoff`](Self::backoff).
    #[must_use]
    pub fn up_to(most: u32) -> Self {
        Self { most, ..Self::NONE }
    }

    /// Whether a task is tried again whose worker ended under it; yes unless it is set.
    #[must_use]
    pub fn on_death(mut self, yes: bool) -> Self {
        self.not_on_death = !yes;
        self
    }

    /// Whether a task is tried again that panicked; yes unless it is set.
    #[must_use]
    pub fn on_panic(mut self, yes: bool) -> Self {
        self.not_on_panic = !yes;
        self
    }

    /// Whether a task is tried again that ran for longer than its time limit; yes unless it is set.
    #[must_use]
    pub fn on_time_limit(mut self, yes: bool) -> Self {
        self.not_on_time_limit = !yes;
        self
    }

    /// How long a task waits before it is tried again. What the back-off says of being reset does not count here.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = Some(backoff);
        self
    }

    #[cfg(test)]
    pub(super) fn most(&self) -> u32 {
        self.most
    }

    /// Says whether waits can be made from it.
    pub(super) fn check(&self) -> Result<(), crate::supervisor::BackoffError> {
        self.backoff.map_or(Ok(()), |backoff| backoff.check())
    }

    /// How long to wait before trying again what has been tried `tries` times; none if it is not tried again.
    pub(super) fn wait(&self, tries: u32, kind: Kind, chance: &mut fastrand::Rng) -> Option<Duration> {
        let may = match kind {
            Kind::Death => !self.not_on_death,
            Kind::Panic => !self.not_on_panic,
            Kind::TimeLimit => !self.not_on_time_limit,
            Kind::Unsatisfied => true,
            Kind::Other => false,
        };
        let wait = || self.backoff.map_or(Duration::ZERO, |backoff| backoff.wait(tries, chance));
        (may && tries <= self.most).then(wait)
    }
}
