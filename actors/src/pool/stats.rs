//! What a pool counts: how each worker spent its time, and which tasks were the slowest.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use comfy_table::Table;

use super::crew::WorkerId;
use super::work::Outcomes;

/// The most workers that have ended of which a pool still has the figures; those of earlier ones are summed up.
const MAX_ENDED: usize = 64;

/// What a pool counts of one worker.
#[derive(Clone, Debug)]
struct Counts {
    started: Instant,
    ready: Option<Instant>,
    ended: Option<Instant>,
    tasks: u64,
    failed: u64,
    worked: Duration,
}

/// What a pool counts.
#[derive(Debug, Default)]
pub(super) struct Figures {
    workers: BTreeMap<WorkerId, Counts>,
    /// Of those that are not in the table any more.
    gone: u64,
    gone_tasks: u64,
    gone_failed: u64,
    gone_worked: Duration,
}

impl Figures {
    pub(super) fn starts(&mut self, worker: WorkerId) {
        let counts = Counts {
            started: Instant::now(),
            ready: None,
            ended: None,
            tasks: 0,
            failed: 0,
            worked: Duration::ZERO,
        };
        self.workers.insert(worker, counts);
    }

    pub(super) fn ready(&mut self, worker: WorkerId) {
        if let Some(counts) = self.workers.get_mut(&worker) {
            counts.ready = Some(Instant::now());
        }
    }

    pub(super) fn told(&mut self, worker: WorkerId, outcomes: &Outcomes) {
        if let Some(counts) = self.workers.get_mut(&worker) {
            counts.tasks += u64::from(outcomes.count);
            counts.failed += outcomes.errors.len() as u64;
            counts.worked += Duration::from_nanos(outcomes.nanos);
        }
    }

    pub(super) fn ended(&mut self, worker: WorkerId) {
        if let Some(counts) = self.workers.get_mut(&worker) {
            // One that was given up ends once more when it does.
            counts.ended.get_or_insert_with(Instant::now);
        }
        let ended = self.workers.iter().filter(|(_, counts)| counts.ended.is_some());
        if ended.clone().count() > MAX_ENDED
            && let Some((first, _)) = ended.map(|(id, counts)| (*id, counts.ended)).min_by_key(|(id, _)| *id)
            && let Some(counts) = self.workers.remove(&first)
        {
            self.gone += 1;
            self.gone_tasks += counts.tasks;
            self.gone_failed += counts.failed;
            self.gone_worked += counts.worked;
        }
    }

    pub(super) fn stats(&self, waiting: usize) -> PoolStats {
        let now = Instant::now();
        let workers = self.workers.iter().map(|(number, counts)| {
            let until = counts.ended.unwrap_or(now);
            let ready = counts.ready.unwrap_or(until);
            let alive = until.saturating_duration_since(ready);
            WorkerStats {
                number: *number,
                starting: ready.saturating_duration_since(counts.started),
                working: counts.worked,
                waiting: alive.saturating_sub(counts.worked),
                tasks: counts.tasks,
                failed: counts.failed,
                is_alive: counts.ended.is_none(),
            }
        });
        PoolStats {
            workers: workers.collect(),
            waiting,
            earlier_workers: self.gone,
            earlier_tasks: self.gone_tasks,
            earlier_failed: self.gone_failed,
            earlier_working: self.gone_worked,
        }
    }
}

/// How one worker has spent its time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// The worker's number.
    pub number: u64,
    /// From the decision to start it until its initializer had run; until its end if it never came so far.
    pub starting: Duration,
    /// Spent in tasks, and in decoding and encoding for them, as far as told.
    pub working: Duration,
    /// The rest of its life.
    pub waiting: Duration,
    /// How many tasks it has told of, failed ones included.
    pub tasks: u64,
    /// How many of them failed there, by a panic or by what could not be encoded or decoded.
    pub failed: u64,
    /// Whether it has not ended.
    pub is_alive: bool,
}

/// What [`Pool::stats`](super::Pool::stats) tells. Its `Display` is a table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Each worker that is there, and the last that have ended, by number.
    pub workers: Vec<WorkerStats>,
    /// How many tasks wait and no worker has them.
    pub waiting: usize,
    /// How many workers had ended before those.
    pub earlier_workers: u64,
    /// How many tasks these did.
    pub earlier_tasks: u64,
    /// How many of them failed there.
    pub earlier_failed: u64,
    /// How long they worked.
    pub earlier_working: Duration,
}

impl PoolStats {
    /// How many tasks workers have told of, failed ones included. What died with a worker is not among them.
    pub fn tasks(&self) -> u64 {
        self.earlier_tasks + self.workers.iter().map(|worker| worker.tasks).sum::<u64>()
    }
}

impl fmt::Display for PoolStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.set_header(["worker", "starting", "working", "waiting", "tasks", "failed", ""]);
        for worker in &self.workers {
            table.add_row([
                worker.number.to_string(),
                format!("{:.1?}", worker.starting),
                format!("{:.1?}", worker.working),
                format!("{:.1?}", worker.waiting),
                worker.tasks.to_string(),
                worker.failed.to_string(),
                if worker.is_alive { String::new() } else { "ended".to_owned() },
            ]);
        }
        if self.earlier_workers > 0 {
            table.add_row([
                format!("{} earlier", self.earlier_workers),
                String::new(),
                format!("{:.1?}", self.earlier_working),
                String::new(),
                self.earlier_tasks.to_string(),
                self.earlier_failed.to_string(),
                "ended".to_owned(),
            ]);
        }
        write!(f, "{table}")
    }
}
