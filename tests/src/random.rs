//! Chance, and how often a test tries its luck.

use std::time::Duration;

/// Numbers that look random; the seed is printed, so that a round can be run again.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Begins with the seed in `STORM_SEED`, or with one from the clock.
    #[expect(clippy::new_without_default, reason = "it looks at the clock")]
    pub fn new() -> Self {
        let given = std::env::var("STORM_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.map_or(1, |now| now.as_nanos() as u64) | 1
        });
        eprintln!("STORM_SEED={seed}");
        Self(seed)
    }

    /// Begins with `seed`, for a part of a test that another has given it to.
    pub fn from_seed(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end.max(1)
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
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len() as u64) as usize]
    }
}

/// How many rounds a test runs: `few`, or as many as `STORM_ROUNDS` says.
pub fn rounds(few: u64) -> u64 {
    std::env::var("STORM_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(few)
}
