//! Chance that can be run again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The variable that holds the seed of a run to be repeated.
const SEED: &str = "CALLBOARD_SEED";

/// Numbers that look random; the seed is printed, so that a run can be repeated.
///
/// ```
/// use callboard::testing::Random;
///
/// let mut random = Random::from_seed(7);
/// let mut again = Random::from_seed(random.seed());
/// assert_eq!(random.below(1000), again.below(1000));
/// ```
///
/// What a program of several processes does also hangs on when each of them runs: the same seed makes the same choices, not the same
/// schedule.
///
/// Source: SplitMix64, Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
#[derive(Debug)]
pub struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    /// Begins with the seed in the variable `CALLBOARD_SEED`, or with one from the clock, and prints it on standard error: test runners show
    /// that of tests that fail.
    ///
    /// # Panics
    ///
    /// If there is something else than a number in that variable.
    #[expect(clippy::new_without_default, reason = "it looks at the clock")]
    #[track_caller]
    pub fn new() -> Self {
        let seed = match std::env::var(SEED) {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("{SEED}={text} is no number")),
            Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| now.as_nanos() as u64),
        };
        eprintln!("{SEED}={seed}");
        Self::from_seed(seed)
    }

    /// Begins with `seed`, for a part of a test, or another process, that has been given it.
    pub fn from_seed(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    /// What it began with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`. Zero if that is zero.
    pub fn below(&mut self, end: u64) -> u64 {
        // The high half of the product: as even as the modulus, to within one in 2^64 / end.
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// A time of less than `longest`.
    pub fn time(&mut self, longest: Duration) -> Duration {
        Duration::from_nanos(self.below(longest.as_nanos() as u64))
    }

    /// One of `all`.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[track_caller]
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        assert!(!all.is_empty(), "there is nothing to pick from");
        &all[self.below(all.len() as u64) as usize]
    }
}
