//! What a pool is made of.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;

use super::error::PoolError;
use super::machine::Rules;
use super::retry::Retries;
use super::work::Terms;
use super::worker::Worker;
use crate::failure::Failure;
use crate::pipeline::Workers;
use crate::process::entry::check_sent;
use crate::process::routine::{self, Routine};
use crate::process::{Describe, Spawn, SpawnError};

/// How much may wait for workers, unless it is set.
const CAPACITY: usize = 1 << 20;
const CAPACITY_BYTES: usize = 256 << 20;

/// What a [`Pool`](super::Pool) is made of. By default: processes, as many as this process may use processors, that live as long as the
/// pool.
///
/// ```
/// use std::time::Duration;
/// use callboard::pool::PoolOptions;
///
/// let _two_to_eight = PoolOptions::new().workers_between(2, 8).idle_timeout(Duration::from_secs(5));
/// let _threads = PoolOptions::new().threads().workers(4);
/// ```
#[derive(Debug, Default)]
pub struct PoolOptions {
    pub(super) mode: Workers,
    min: Option<usize>,
    max: Option<usize>,
    idle_for: Option<Duration>,
    tasks_a_life: Option<u64>,
    life: Option<Duration>,
    pub(super) memory_bytes: Option<u64>,
    pub(super) initializer: Option<Result<(Routine, ByteBuf), SpawnError>>,
    pub(super) env: Vec<(OsString, OsString)>,
    pub(super) processors: Vec<Vec<usize>>,
    pub(super) describe: Describe,
    pub(super) name: Option<String>,
    capacity: Option<(usize, usize)>,
    pub(super) terms: Terms,
}

impl PoolOptions {
    /// A pool of processes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Each worker is a process of its own: whatever happens to one harms no other, nor this process. This is the default.
    #[must_use]
    pub fn processes(mut self) -> Self {
        self.mode = Workers::Processes;
        self
    }

    /// Each worker is a thread of this process. Arguments and values are encoded all the same, so that what works here works in
    /// processes. A thread can't be killed: one that is given up goes on for nobody until its task returns.
    #[must_use]
    #[doc(alias = "ThreadPool")]
    #[doc(alias = "ThreadPoolExecutor")]
    pub fn threads(mut self) -> Self {
        self.mode = Workers::Threads;
        self
    }

    /// Tasks are done by whoever submits them, in the calling thread, before the submission returns; or, if they are submitted within
    /// a task or while another thread is at work, by that or by whoever waits for them first. For debugging: nothing is
    /// started, and a time limit does nothing.
    #[must_use]
    pub fn inline(mut self) -> Self {
        self.mode = Workers::Inline;
        self
    }

    /// How processes, threads or neither of both work, chosen at run time.
    #[must_use]
    pub fn mode(mut self, mode: Workers) -> Self {
        self.mode = mode;
        self
    }

    /// So many workers; at least one. More than there are processors are allowed, and a line on standard error says so once:
    /// tasks that wait are fine with it, tasks that compute are not.
    ///
    /// Without it there are as many as this process may use processors, by its affinity and its control group's quota. In a task of
    /// another pool there are as many as are that pool's share for one of its workers.
    #[must_use]
    #[doc(alias = "max_workers")]
    pub fn workers(mut self, count: usize) -> Self {
        (self.min, self.max) = (Some(count), Some(count));
        self
    }

    /// From `min` workers on, zero included, up to `max`: more are started as long as tasks wait, and end when they have been idle
    /// for the [`idle_timeout`](Self::idle_timeout).
    #[must_use]
    pub fn workers_between(mut self, min: usize, max: usize) -> Self {
        (self.min, self.max) = (Some(min), Some(max));
        self
    }

    /// How long a worker beyond the least number stays without work: 10 s unless it is set.
    #[must_use]
    pub fn idle_timeout(mut self, idle: Duration) -> Self {
        self.idle_for = Some(idle);
        self
    }

    /// Replaces a worker when it has done so many tasks; at least one.
    #[must_use]
    #[doc(alias = "maxtasksperchild")]
    #[doc(alias = "max_tasks_per_child")]
    pub fn tasks_per_worker(mut self, tasks: u64) -> Self {
        self.tasks_a_life = Some(tasks);
        self
    }

    /// Replaces a worker when it has lived for so long, after the task that it runs.
    #[must_use]
    pub fn worker_lifetime(mut self, life: Duration) -> Self {
        self.life = Some(life);
        self
    }

    /// Replaces a worker that takes more memory than this after a task, looked at 20 times a second at most. Only processes are replaced.
    #[must_use]
    pub fn worker_memory_bytes(mut self, bytes: u64) -> Self {
        self.memory_bytes = Some(bytes);
        self
    }

    /// Has each worker call `f(worker, args)` before its first task, for what its tasks need: see [`Worker::set_state`]. `f` is
    /// a plain function, or a closure that captures nothing; it may travel with `args`, ends of pipes apart.
    ///
    /// If it fails or panics the worker ends. After seven workers in a row that could not begin the pool gives up: all its
    /// tasks fail with [`TaskError::Broken`](super::TaskError::Broken), and the reason.
    #[must_use]
    pub fn initializer<A>(mut self, f: fn(&mut Worker, A) -> Result<(), Failure>, args: A) -> Self
    where
        A: Serialize + DeserializeOwned,
    {
        self.initializer = Some(prepare(f, &args));
        self
    }

    /// Sets a variable of the workers' environment. Not of threads: they share this process's.
    #[must_use]
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    /// Describes the workers' processes besides: limits, niceness, streams and whatever a [`Spawn`] can be told.
    ///
    /// ```
    /// use callboard::{Limit, pool::PoolOptions};
    ///
    /// let _ = PoolOptions::new().process(|worker| worker.limit(Limit::CoreBytes, 0).nice(5).stderr_forwarded());
    /// ```
    ///
    /// A pool of threads, or an inline one, refuses it. A worker that does not get what it asks for can't begin, nor can one whose output
    /// is captured: nobody could read that.
    #[must_use]
    pub fn process(
        mut self,
        describe: impl for<'n> Fn(Spawn<'n>) -> Spawn<'n> + Send + Sync + 'static,
    ) -> Self {
        self.describe = Describe(Some(Arc::new(describe)));
        self
    }

    /// Holds workers to processors, by their numbers: each worker to the next set, in turn. A worker that can't be held to its own
    /// can't begin. Not for inline pools.
    #[must_use]
    #[doc(alias = "cpu_ids")]
    pub fn processors(mut self, sets: impl IntoIterator<Item = Vec<usize>>) -> Self {
        self.processors = sets.into_iter().collect();
        self
    }

    /// The workers are called `name-1`, `name-2` and so on; `worker` unless it is set.
    #[must_use]
    #[doc(alias = "thread_name_prefix")]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How many tasks, and how many bytes of their arguments, may wait before whoever submits more has to; a million and 256 MiB
    /// unless it is set. Each at least one. Those that wait to be tried again count, what workers have does not.
    #[must_use]
    pub fn capacity(mut self, tasks: usize, bytes: usize) -> Self {
        self.capacity = Some((tasks, bytes));
        self
    }

    /// How long each task may run, unless it says otherwise itself: none by default. See
    /// [`Submission::time_limit`](super::Submission::time_limit).
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.terms.limit = Some(limit);
        self
    }

    /// When tasks are tried again, unless they say otherwise themselves: never by default.
    #[must_use]
    pub fn retries(mut self, retries: Retries) -> Self {
        self.terms.retries = retries;
        self
    }

    pub(super) fn rules(&self, budget: usize) -> Result<Rules, PoolError> {
        let wrong = |what: &str| Err(PoolError::Options(what.to_owned()));
        let (min, max) = (self.min.unwrap_or(budget), self.max.unwrap_or(budget));
        let (min, max) = if self.mode == Workers::Inline { (1, 1) } else { (min, max) };
        let (capacity, capacity_bytes) = self.capacity.unwrap_or((CAPACITY, CAPACITY_BYTES));
        match () {
            () if max == 0 => wrong("it has no workers: at least one is needed"),
            () if min > max => wrong("its least number of workers is above its greatest"),
            () if self.tasks_a_life == Some(0) => wrong("a worker that is replaced after no task does none"),
            () if self.life == Some(Duration::ZERO) => wrong("a worker that lives for no time does nothing"),
            () if self.name.as_ref().is_some_and(|name| name.contains('\0')) => {
                wrong("the name has a zero byte, which no name of a process or thread may have")
            }
            () if self.terms.limit == Some(Duration::ZERO) => {
                wrong("no task ends within a time limit of zero")
            }
            () if self.processors.iter().any(Vec::is_empty) => wrong("a set of processors is empty"),
            () if self.describe.0.is_some() && self.mode != Workers::Processes => {
                wrong("its workers are no processes, and it says how processes are to be")
            }
            () if capacity == 0 || capacity_bytes == 0 => wrong("nothing may wait: its capacity is zero"),
            () => {
                self.terms.retries.check().map_err(|error| PoolError::Options(error.to_string()))?;
                Ok(Rules {
                    min,
                    max,
                    idle_for: (min < max).then(|| self.idle_for.unwrap_or(Duration::from_secs(10))),
                    tasks_a_life: self.tasks_a_life,
                    life: self.life,
                    capacity,
                    capacity_bytes,
                })
            }
        }
    }
}

fn prepare<A>(
    f: fn(&mut Worker, A) -> Result<(), Failure>,
    args: &A,
) -> Result<(Routine, ByteBuf), SpawnError>
where
    A: Serialize + DeserializeOwned,
{
    let mut bytes = Vec::new();
    let encoded = crate::scope::plain(|| callboard_core::encode_into(args, &mut bytes));
    encoded.map_err(SpawnError::Arguments)?;
    let departing = crate::scope::Departing::default();
    check_sent(bytes.len(), &departing)?;
    Ok((routine::routine_of_worker(f, None)?, ByteBuf::from(bytes)))
}
