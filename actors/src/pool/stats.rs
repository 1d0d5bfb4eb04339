//! What a pool counts: how each worker spent its time, and which tasks were the slowest.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use comfy_table::Table;

use super::crew::WorkerId;
use super::work::Outcomes;
use crate::protocol::message_pack::readable;

/// The most workers that have ended of which a pool still has the figures; those of earlier ones are summed up.
const MAX_ENDED: usize = 64;
/// How many of the slowest tasks a pool keeps.
const SLOWEST: usize = 5;
/// How much of their arguments is shown.
const ARGS_CHARS: usize = 80;
/// How long the tasks of a report may have taken together before its last one began: a worker that finds two milliseconds gone
/// since its last report makes one, and its clock moves every ten at least.
const BEFORE_LAST: Duration = Duration::from_millis(12);

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
    /// The slowest first.
    slowest: Vec<SlowTask>,
    /// What another has to be above to be one of them.
    quickest_of_them: Duration,
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

    /// How long the last task of a report has taken at least, if that makes it one of the slowest. Those before it are lighter than
    /// [`BEFORE_LAST`], or the report would have left before.
    pub(super) fn slow(&self, outcomes: &Outcomes) -> Option<Duration> {
        let nanos = Duration::from_nanos(outcomes.nanos);
        let took = if outcomes.count == 1 { nanos } else { nanos.saturating_sub(BEFORE_LAST) };
        (took > self.quickest_of_them).then_some(took)
    }

    /// Takes it up, with its arguments as encoded.
    pub(super) fn add_slow(&mut self, worker: WorkerId, took: Duration, args: &[u8]) {
        let place = self.slowest.partition_point(|slow| slow.took >= took);
        self.slowest.insert(place, SlowTask { took, worker, args: readable(args, ARGS_CHARS) });
        if self.slowest.len() > SLOWEST {
            self.slowest.truncate(SLOWEST);
        }
        if let Some(last) = self.slowest.get(SLOWEST - 1) {
            self.quickest_of_them = last.took;
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
            slowest: self.slowest.clone(),
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

/// One of the slowest tasks of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlowTask {
    /// How long it took, decoding and encoding included. Of one that travelled in a chunk with others up to 12 ms less.
    pub took: Duration,
    /// Its worker's number.
    pub worker: u64,
    /// Its arguments, much as JSON, cut to 80 characters: a struct is the list of its fields, `()` is `null`.
    pub args: String,
}

/// What [`Pool::stats`](super::Pool::stats) tells. Its `Display` is a table of workers, and one of the slowest tasks.
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
    /// The five tasks that took the longest, the slowest first, failed ones included. What died with a worker is not among them.
    pub slowest: Vec<SlowTask>,
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
        write!(f, "{table}")?;
        if self.slowest.is_empty() {
            return Ok(());
        }
        let mut table = Table::new();
        table.set_header(["slowest", "worker", "arguments"]);
        for slow in &self.slowest {
            table.add_row([format!("{:.1?}", slow.took), slow.worker.to_string(), slow.args.clone()]);
        }
        write!(f, "\n{table}")
    }
}
