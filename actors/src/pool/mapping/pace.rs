//! How large a mapping's chunks are, and how far it reads ahead.

use std::time::Duration;

/// What a chunk shall take, as far as can be told before.
const CHUNK_TIME: Duration = Duration::from_micros(500);
const MAX_CHUNK: usize = 4096;
/// How many chunks there are for each worker, on their way or in its hands.
const CHUNKS_A_WORKER: usize = 4;

/// How large chunks are, and how many are under way.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    pub(super) fixed: Option<usize>,
    pub(super) ahead: Option<usize>,
    workers: usize,
    /// No worker does more in its life.
    most: usize,
    chunk: usize,
}

impl Pace {
    pub(super) fn new(workers: usize, tasks_a_life: Option<u64>) -> Self {
        let most = tasks_a_life.and_then(|tasks| usize::try_from(tasks).ok()).unwrap_or(usize::MAX);
        Self { fixed: None, ahead: None, workers, most, chunk: 1 }
    }

    /// How many inputs the next chunk has, if so many are left.
    pub(super) fn next(&self, left: Option<u64>) -> usize {
        let chunk = self.fixed.unwrap_or(self.chunk);
        // The last ones are spread over all workers.
        let fair = left.map_or(usize::MAX, |left| (left as usize / (self.workers * 2)).max(1));
        let chunk = if self.fixed.is_some() { chunk } else { chunk.min(fair) };
        chunk.min(self.ahead.unwrap_or(usize::MAX)).min(self.most)
    }

    /// How many inputs may be beyond those whose values were taken.
    pub(super) fn window(&self) -> usize {
        let chunk = self.fixed.unwrap_or(self.chunk);
        // Small chunks travel together.
        let busy = chunk.saturating_mul(self.workers * CHUNKS_A_WORKER);
        let busy = if self.fixed.is_some() { busy.max(self.workers * self.chunk * 2) } else { busy };
        self.ahead.unwrap_or(busy)
    }

    /// Learns from so many inputs that took so long.
    pub(super) fn measured(&mut self, count: u32, nanos: u64) {
        let one = (nanos / u64::from(count.max(1))).max(1);
        let fits = (CHUNK_TIME.as_nanos() as u64 / one).clamp(1, MAX_CHUNK as u64) as usize;
        self.chunk = if fits < self.chunk { fits } else { fits.min(self.chunk * 2) };
    }
}
