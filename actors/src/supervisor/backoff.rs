//! How long a child that fails waits before it is started again.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How long a child that has failed waits before it is started again: longer with each failure in a row.
///
/// The first wait is `initial`, each further one `factor` times the one before, and none is longer than `max`. Part of
/// each is left to chance, so that children that failed together don't all come back at the same moment. A child that
/// lives for `reset_after` begins anew.
///
/// A wait does not replace the limit of restarts: each restart counts when the child has failed, and those that are
/// further apart than the supervisor's window are never too many.
///
/// ```
/// use std::time::Duration;
/// use callboard::Backoff;
///
/// let backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10)).factor(3.0).jitter(0.5);
/// assert!(backoff.check().is_ok());
/// assert!(backoff.factor(0.5).check().is_err());
/// ```
#[doc(alias = "retry")]
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
    factor: f64,
    jitter: f64,
    reset_after: Duration,
}

/// What is wrong with a [`Backoff`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BackoffError {
    /// There is no wait to begin with, and no multiple of it is longer.
    #[error("the first wait is zero")]
    NoInitial,
    /// `initial` is longer than `max`.
    #[error("the first wait is longer than the longest")]
    MaxBelowInitial,
    /// `factor` is below 1, infinite or no number.
    #[error("the factor is not a number from 1 on")]
    Factor,
    /// `jitter` is not within 0 and 1.
    #[error("the jitter is not a share between 0 and 1")]
    Jitter,
    /// Every life would be long enough to begin anew.
    #[error("the life after which the waits begin anew is zero")]
    NoReset,
}

impl Backoff {
    /// Waits from `initial` up to `max`. Each is twice the one before, a fifth of it is left to chance, and a life of
    /// 30 s begins anew.
    pub fn new(initial: Duration, max: Duration) -> Self {
        Self { initial, max, factor: 2.0, jitter: 0.2, reset_after: Duration::from_secs(30) }
    }

    /// How many times as long as the one before each wait is: 2 unless it is set, at least 1.
    #[must_use]
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// The share of each wait that is left to chance, from 0 to 1: a wait is at least `1 - jitter` of what it would be,
    /// and never longer than that. 0.2 unless it is set.
    #[must_use]
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = share;
        self
    }

    /// How long a child has to live for its next failure to count as the first: 30 s unless it is set.
    #[must_use]
    pub fn reset_after(mut self, life: Duration) -> Self {
        self.reset_after = life;
        self
    }

    /// Says whether waits can be made from it. A supervisor asks before it begins.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong: [`BackoffError`].
    pub fn check(&self) -> Result<(), BackoffError> {
        if self.initial.is_zero() {
            return Err(BackoffError::NoInitial);
        }
        if self.max < self.initial {
            return Err(BackoffError::MaxBelowInitial);
        }
        if !self.factor.is_finite() || self.factor < 1.0 {
            return Err(BackoffError::Factor);
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(BackoffError::Jitter);
        }
        if self.reset_after.is_zero() {
            return Err(BackoffError::NoReset);
        }
        Ok(())
    }

    /// First and longest wait, factor and jitter.
    pub(crate) fn parts(&self) -> (Duration, Duration, f64, f64) {
        (self.initial, self.max, self.factor, self.jitter)
    }

    /// Whether a child that has lived so long begins anew.
    pub(super) fn is_reset_by(&self, life: Duration) -> bool {
        life >= self.reset_after
    }

    /// The wait after so many failures in a row, from 1 on.
    pub(crate) fn wait(&self, failures: u32, chance: &mut fastrand::Rng) -> Duration {
        let power = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        // Beyond what a float holds this is infinite, and cut to `max` like everything else.
        let full = (self.initial.as_secs_f64() * self.factor.powi(power)).min(self.max.as_secs_f64());
        let share = 1.0 - self.jitter * chance.f64();
        Duration::try_from_secs_f64(full * share).map_or(self.max, |wait| wait.min(self.max))
    }
}
