//! When a task that has failed is tried again.

use std::time::Duration;

use crate::supervisor::{Backoff, BackoffError};

/// What a task failed of, as far as [`Retries`] tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// Its worker ended under it.
    Death,
    /// It panicked.
    Panic,
    /// It ran for longer than its time limit.
    TimeLimit,
    /// It returned a value that would not do, by [`retry_if`](super::Submission::retry_if).
    Unsatisfied,
}

const KINDS: usize = 4;

/// When a task that has failed is tried again, and how often.
///
/// None by default: a task whose worker was killed may have done half of what it does, so to do it again is for whoever knows
/// that this is harmless. What can't be decoded or encoded is never tried again.
///
/// All kinds of failure share one number of tries and one back-off, but for those that are given their own:
///
/// ```
/// use std::time::Duration;
/// use callboard::pool::{FailureKind, Retries};
/// use callboard::Backoff;
///
/// let after_a_death = Retries::up_to(3).on_panic(false).on_time_limit(false);
/// let patient = Retries::up_to(5).backoff(Backoff::new(Duration::from_millis(10), Duration::from_secs(1)));
/// // A value that will not do is asked for again up to a hundred times, once a second; a panic is tried again once.
/// let poll = patient
///     .on(FailureKind::Unsatisfied, 100)
///     .backoff_on(FailureKind::Unsatisfied, Backoff::new(Duration::from_secs(1), Duration::from_secs(1)))
///     .on(FailureKind::Panic, 1);
/// # let _ = (after_a_death, poll);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Retries {
    most: u32,
    waits: Option<Waits>,
    /// What kinds have for themselves, in their order.
    own: [Own; KINDS],
    /// What was wrong with the first back-off that was.
    wrong: Option<BackoffError>,
}

/// What a kind of failure has for itself.
#[derive(Clone, Copy, Debug)]
struct Own {
    most: Option<u32>,
    waits: Option<Waits>,
}

impl Own {
    const NONE: Self = Self { most: None, waits: None };
}

impl Default for Own {
    fn default() -> Self {
        Self::NONE
    }
}

/// A back-off in seconds and shares. Each task that waits has five of them, so they are short.
#[derive(Clone, Copy, Debug)]
struct Waits {
    initial: f32,
    max: f32,
    factor: f32,
    jitter: f32,
}

impl Waits {
    fn new(backoff: &Backoff) -> Self {
        let (initial, max, factor, jitter) = backoff.parts();
        let (initial, max) = (initial.as_secs_f32(), max.as_secs_f32());
        Self { initial, max, factor: factor as f32, jitter: jitter as f32 }
    }

    /// The wait after so many failures.
    fn wait(&self, failures: u32, chance: &mut fastrand::Rng) -> Duration {
        let time = |seconds| Duration::try_from_secs_f32(seconds).unwrap_or(Duration::MAX);
        let backoff = Backoff::new(time(self.initial), time(self.max));
        backoff.factor(self.factor.into()).jitter(self.jitter.into()).wait(failures, chance)
    }
}

/// How many times a task has failed, by kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tries([u32; KINDS]);

impl Tries {
    pub(super) fn count(&mut self, kind: FailureKind) {
        let tries = &mut self.0[kind as usize];
        *tries = tries.saturating_add(1);
    }
}

impl Retries {
    /// No task is tried again.
    pub const NONE: Self = Self { most: 0, waits: None, own: [Own::NONE; KINDS], wrong: None };

    /// Tries a task up to `most` times again: when its worker died, when it panicked, when it ran for too long, and when its value
    /// would not do. At once, unless there is a [`backoff`](Self::backoff).
    #[must_use]
    pub fn up_to(most: u32) -> Self {
        Self { most, ..Self::NONE }
    }

    /// Tries a task up to `most` times again for failures of that kind, which are counted by themselves then; zero for never.
    #[must_use]
    pub fn on(mut self, kind: FailureKind, most: u32) -> Self {
        self.own[kind as usize].most = Some(most);
        self
    }

    fn on_or_not(mut self, kind: FailureKind, yes: bool) -> Self {
        self.own[kind as usize].most = if yes { None } else { Some(0) };
        self
    }

    /// Whether a task is tried again whose worker ended under it; yes unless it is set.
    #[must_use]
    pub fn on_death(self, yes: bool) -> Self {
        self.on_or_not(FailureKind::Death, yes)
    }

    /// Whether a task is tried again that panicked; yes unless it is set.
    #[must_use]
    pub fn on_panic(self, yes: bool) -> Self {
        self.on_or_not(FailureKind::Panic, yes)
    }

    /// Whether a task is tried again that ran for longer than its time limit; yes unless it is set.
    #[must_use]
    pub fn on_time_limit(self, yes: bool) -> Self {
        self.on_or_not(FailureKind::TimeLimit, yes)
    }

    /// How long a task waits before it is tried again. What the back-off says of being reset does not count here.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.waits = Some(self.waits_of(&backoff));
        self
    }

    /// How long a task waits after a failure of that kind: longer with each one of the kind. The others wait by the common
    /// [`backoff`](Self::backoff).
    #[must_use]
    pub fn backoff_on(mut self, kind: FailureKind, backoff: Backoff) -> Self {
        self.own[kind as usize].waits = Some(self.waits_of(&backoff));
        self
    }

    fn waits_of(&mut self, backoff: &Backoff) -> Waits {
        self.wrong = self.wrong.or(backoff.check().err());
        Waits::new(backoff)
    }

    /// The most times that a task is tried again, for failures of whatever kinds.
    #[cfg(test)]
    pub(super) fn most(&self) -> u32 {
        self.most + self.own.iter().filter_map(|own| own.most).sum::<u32>()
    }

    /// Says whether waits can be made from it.
    pub(super) fn check(&self) -> Result<(), BackoffError> {
        self.wrong.map_or(Ok(()), Err)
    }

    /// How long to wait before trying again what has failed so often, the last time of that kind; none if it is not tried again.
    pub(super) fn wait(
        &self,
        tries: &Tries,
        last: FailureKind,
        chance: &mut fastrand::Rng,
    ) -> Option<Duration> {
        let own = &self.own[last as usize];
        // Those kinds count together that have nothing of their own.
        let together = |has_own: fn(&Own) -> bool| {
            let counts = tries.0.iter().zip(&self.own).filter(|(_, own)| !has_own(own));
            counts.fold(0_u32, |sum, (count, _)| sum.saturating_add(*count))
        };
        let alone = tries.0[last as usize];
        let may = match own.most {
            Some(most) => alone <= most,
            None => together(|own| own.most.is_some()) <= self.most,
        };
        let wait = || match (&own.waits, &self.waits) {
            (Some(waits), _) => waits.wait(alone, chance),
            (None, Some(waits)) => waits.wait(together(|own| own.waits.is_some()), chance),
            (None, None) => Duration::ZERO,
        };
        may.then(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [FailureKind; KINDS] =
        [FailureKind::Death, FailureKind::Panic, FailureKind::TimeLimit, FailureKind::Unsatisfied];

    /// Fails in those ways until it is tried no more; the waits in milliseconds.
    fn waits(retries: Retries, failures: &[FailureKind]) -> Vec<u128> {
        let (mut tries, mut chance) = (Tries::default(), fastrand::Rng::with_seed(1));
        let mut waits = Vec::new();
        for kind in failures {
            tries.count(*kind);
            let Some(wait) = retries.wait(&tries, *kind, &mut chance) else { break };
            // A float is a little less or more.
            waits.push((wait + Duration::from_micros(10)).as_millis());
        }
        waits
    }

    fn backoff(millis: u64) -> Backoff {
        Backoff::new(Duration::from_millis(millis), Duration::from_secs(60)).jitter(0.0)
    }

    #[test]
    fn kinds_without_anything_of_their_own_share_number_and_back_off() {
        let retries = Retries::up_to(4).backoff(backoff(10));
        assert_eq!(waits(retries, &[ALL, ALL].concat()), [10, 20, 40, 80]);
        assert_eq!(waits(Retries::up_to(2), &ALL), [0, 0]);
        assert_eq!(waits(Retries::NONE, &ALL), [0; 0]);
    }

    #[test]
    fn a_kind_with_its_own_back_off_waits_by_it_and_the_others_by_the_common_one() {
        let [death, panic, limit, _] = ALL;
        let retries = Retries::up_to(9).backoff_on(death, backoff(1000)).backoff(backoff(10));
        assert_eq!(waits(retries, &[death, panic, death, limit, panic]), [1000, 10, 2000, 20, 40]);
        let only = Retries::up_to(9).backoff_on(death, backoff(1000));
        assert_eq!(
            waits(only, &[panic, death, panic]),
            [0, 1000, 0],
            "without a common one the rest does not wait"
        );
    }

    #[test]
    fn a_kind_with_its_own_number_is_counted_by_itself() {
        let [death, panic, limit, unsatisfied] = ALL;
        let retries = Retries::up_to(1).on(unsatisfied, 3).on(panic, 0);
        let three = [unsatisfied, unsatisfied, unsatisfied];
        assert_eq!(waits(retries, &[&three[..], &[death, unsatisfied]].concat()).len(), 4);
        assert_eq!(waits(retries, &[&three[..], &[death, limit]].concat()).len(), 4);
        assert_eq!(waits(retries, &[death, panic]).len(), 1);
        assert_eq!(
            waits(retries.on_panic(true), &[panic, unsatisfied, panic]).len(),
            2,
            "with the others again"
        );
    }

    #[test]
    fn a_back_off_that_makes_no_waits_is_told_of_whichever_it_is() {
        let wrong = backoff(10).factor(0.5);
        assert_eq!(Retries::up_to(1).backoff(wrong).check(), Err(BackoffError::Factor));
        assert_eq!(
            Retries::up_to(1).backoff_on(FailureKind::Panic, wrong).check(),
            Err(BackoffError::Factor)
        );
        assert_eq!(Retries::up_to(1).backoff(backoff(10)).check(), Ok(()));
    }

    #[test]
    fn waits_of_any_length_stay_what_they_are() {
        let year = Duration::from_secs(365 * 24 * 3600);
        let long = Retries::up_to(1).backoff(Backoff::new(year, Duration::MAX).jitter(0.0));
        let mut tries = Tries::default();
        tries.count(FailureKind::Death);
        let wait = long.wait(&tries, FailureKind::Death, &mut fastrand::Rng::with_seed(1)).unwrap();
        assert!(wait.abs_diff(year) < Duration::from_secs(10), "{wait:?}");
        // No task that waits shall cost much more for what few need.
        assert!(size_of::<Retries>() <= 144, "{} bytes", size_of::<Retries>());
    }
}
