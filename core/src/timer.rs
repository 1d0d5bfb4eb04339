//! Things that shall happen at a time, earliest first. Time is passed in.

use std::collections::BTreeMap;
use std::time::Instant;

/// One entry of [`Timers`], to cancel it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerKey {
    at: Instant,
    number: u64,
}

/// Values and the times they are due at. Equal times keep the order of insertion.
#[derive(Debug)]
pub struct Timers<T> {
    due: BTreeMap<TimerKey, T>,
    next_number: u64,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self { due: BTreeMap::new(), next_number: 0 }
    }
}

impl<T> Timers<T> {
    /// Adds a value that is due at `at`.
    pub fn insert(&mut self, at: Instant, value: T) -> TimerKey {
        let key = TimerKey { at, number: self.next_number };
        self.next_number += 1;
        self.due.insert(key, value);
        key
    }

    /// Removes a value; none if it was due or cancelled before.
    pub fn cancel(&mut self, key: TimerKey) -> Option<T> {
        self.due.remove(&key)
    }

    /// When the first value is due.
    pub fn next_at(&self) -> Option<Instant> {
        self.due.first_key_value().map(|(key, _)| key.at)
    }

    /// Removes the first value that is due at `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<T> {
        let first = self.due.first_entry()?;
        (first.key().at <= now).then(|| first.remove())
    }

    /// How many values wait.
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }
}
