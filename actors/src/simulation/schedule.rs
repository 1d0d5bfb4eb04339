//! One schedule: its chance, its clock, and what has happened in it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::testing::Random;

/// How many of the last steps are kept for a violation.
const KEPT_STEPS: usize = 60;

#[derive(Debug)]
pub(crate) struct Schedule {
    chance: Random,
    begin: Instant,
    now: Instant,
    /// The last steps, where they are written down.
    steps: Option<VecDeque<String>>,
    /// Changes with each choice, so that two schedules can be compared.
    choices: u64,
}

impl Schedule {
    pub(crate) fn new(seed: u64) -> Self {
        let begin = Instant::now();
        Self { chance: Random::from_seed(seed), begin, now: begin, steps: None, choices: 0 }
    }

    /// One that writes down what happens.
    pub(crate) fn written(seed: u64) -> Self {
        Self { steps: Some(VecDeque::new()), ..Self::new(seed) }
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// The clock goes on to `at`; it never goes back.
    pub(crate) fn go_on_to(&mut self, at: Instant) {
        self.now = self.now.max(at);
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// A number below `end`; zero if that is zero.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        let number = self.chance.below(end);
        self.choices = self.choices.rotate_left(5) ^ number;
        number
    }

    /// A number of `range`.
    pub(crate) fn within(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.below(range.end - range.start)
    }

    /// A place in something of `len` places.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of `all`, each as often as its weight says.
    pub(crate) fn weighed<T: Copy>(&mut self, all: &[(u64, T)]) -> T {
        let mut dice = self.below(all.iter().map(|(weight, _)| weight).sum());
        for (weight, one) in all {
            match dice.checked_sub(*weight) {
                None => return *one,
                Some(rest) => dice = rest,
            }
        }
        unreachable!("it is below the sum of the weights")
    }

    /// One of `all`, of which there is one at least.
    pub(crate) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.index(all.len())]
    }

    /// How long a message takes: often no time, seldom long.
    pub(crate) fn delay(&mut self) -> Duration {
        let (from, to) =
            self.weighed(&[(5, (0, 1)), (3, (1, 1_000)), (2, (1_000, 30_000)), (1, (30_000, 600_000))]);
        Duration::from_micros(self.within(from..to))
    }

    /// Writes down a step, if that is wanted.
    pub(crate) fn note(&mut self, step: impl FnOnce() -> String) {
        let Some(steps) = &mut self.steps else { return };
        if steps.len() == KEPT_STEPS {
            steps.pop_front();
        }
        let at = self.now - self.begin;
        steps.push_back(format!("{:>10.3} ms  {}", at.as_secs_f64() * 1e3, step()));
    }

    pub(crate) fn steps(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().flatten().map(String::as_str)
    }

    /// Two schedules that have made the same choices have the same number here, and hardly any others.
    pub(crate) fn fingerprint(&self) -> (u64, Duration) {
        (self.choices, self.now - self.begin)
    }
}
