//! Latencies of single operations, and their percentiles.

use std::time::Duration;

use crate::harness::Measured;

/// What each round trip took.
#[derive(Debug)]
pub(crate) struct Latencies {
    took_ns: Vec<u64>,
    /// How many operations a round trip is: one, or two if an operation is one way.
    ways: u64,
}

impl Latencies {
    pub(crate) fn new(count: u64, ways: u64) -> Self {
        Self { took_ns: Vec::with_capacity(count as usize), ways }
    }

    pub(crate) fn add(&mut self, took: Duration) {
        self.took_ns.push(took.as_nanos() as u64);
    }

    /// The time of all operations, without what lay between them, and the percentiles of one.
    pub(crate) fn measured(mut self) -> Measured {
        self.took_ns.sort_unstable();
        let operations = self.took_ns.len() as u64 * self.ways;
        let seconds = self.took_ns.iter().sum::<u64>() as f64 / 1e9;
        let at = |percent: usize| {
            let index = (self.took_ns.len() * percent / 100).min(self.took_ns.len().saturating_sub(1));
            self.took_ns.get(index).map_or(0.0, |ns| *ns as f64 / self.ways as f64 / 1e3)
        };
        let measured = Measured { operations, seconds, ..Measured::default() };
        measured.note("p50", at(50), "us").note("p99", at(99), "us")
    }
}
