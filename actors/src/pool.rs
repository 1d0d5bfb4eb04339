//! Pools: functions run on worker processes or threads, with futures for what comes of them.
//!
//! [`Pool`] is what users hold. `submission` and `mapping` encode and hand in, `task` is where an outcome comes to; `machine` decides who
//! works on what (pure, on the time it is told), `cell` puts that to work, `starter` starts workers, `worker` is one, `wire` what they say.
//!
//! ```
//! use callboard::pool::PoolOptions;
//!
//! # callboard::test_door!();
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let node = callboard::Node::start()?;
//! let pool = node.pool(PoolOptions::new().workers(2))?;
//! let task = pool.submit(|n: u64| n * n, 7)?;
//! assert_eq!(task.result()?, 49);
//! assert_eq!(pool.map(|n: u64| n * n, 1..=5)?, [1, 4, 9, 16, 25]);
//! # Ok(())
//! # }
//! ```

mod cell;
mod crew;
mod error;
mod inbox;
mod inner;
mod lender;
mod line;
mod machine;
mod mapping;
mod nested;
mod options;
#[cfg(feature = "progress")]
mod progress;
mod reports;
mod retry;
mod starter;
mod stats;
mod submission;
mod task;
mod waits;
mod wire;
mod work;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};

pub use self::error::{JoinedWithin, PoolError, RunError, SubmitError, TaskError};
pub use self::mapping::{Mapping, Ordered, Progress, Unordered};
pub use self::options::PoolOptions;
pub use self::retry::{FailureKind, Retries};
pub use self::stats::{PoolStats, SlowTask, WorkerStats};
pub use self::submission::Submission;
pub use self::task::{Task, TaskState};
pub use self::waits::{AsCompleted, Until, as_completed, wait};
pub use self::worker::Worker;

use self::cell::PoolCell;
use self::inner::{Inline, Inner};
use self::lender::Lender;
#[cfg(any(test, fuzzing))]
pub(crate) use self::machine::fuzz;
use self::machine::{Machine, State};
use self::starter::{Launch, serve};
use self::submission::Function;
#[cfg(any(test, fuzzing))]
pub(crate) use self::wire::{TRIPS, fuzz as fuzz_heads};
use self::work::Terms;
use self::worker::Setup;
use crate::node::Node;
pub use crate::pipeline::Workers;
use crate::process::panics::note_those_of_tasks;

/// How long a pool that is dropped waits for its killed workers to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// Workers that run functions: processes, threads, or the calling thread.
///
/// It is always known which worker has which task. A worker that is killed fails the task that it runs, with the reason, or
/// that is tried again, as its [`Retries`] say. Values of earlier tasks outlive it, told or not; tasks that it has not begun are done by
/// others, the worker is replaced, and the pool goes on. Nothing here waits for ever: each task is settled once, whoever dies.
///
/// Functions are `fn(A) -> R`: plain functions, and closures that capture nothing. What one would capture travels in `A`, as a
/// tuple for several arguments. Handles of queues, dicts and so on are values and travel too; so do ends of pipes, in a task
/// that is handed in by itself.
///
/// A task of a pool of threads or of an inline pool may wait for other tasks of that pool: its thread does them itself, within, if they
/// have not begun; a worker is lent to it for that, with its initializer and a state of its own. A task that waits so for itself has
/// [`TaskError::WaitsForItself`]. What tasks wait for in other ways, in a queue or for an event, the pool does not see: if
/// every worker waits for what only another task of the pool will do, in processes or threads, that one never begins. Such pools need
/// more workers than tasks that wait, or those need timeouts.
///
/// Dropped, it ends at once: what waits and what runs is [cancelled](TaskError::Cancelled), workers are killed. To have
/// everything done first, [`shutdown`](Self::shutdown).
///
/// Source: `multiprocessing.Pool`, `ThreadPool`, and the executors of `concurrent.futures` of Python.
#[doc(alias = "Executor")]
#[doc(alias = "ProcessPoolExecutor")]
pub struct Pool {
    inner: Arc<Inner>,
    terms: Terms,
    max: usize,
    tasks_a_life: Option<u64>,
}

impl Node {
    /// Makes a pool, whose workers begin at once, in the background.
    ///
    /// # Errors
    ///
    /// [`PoolError`]: what is wrong with the options. That no worker can begin is told by the tasks.
    pub fn pool(&self, options: PoolOptions) -> Result<Pool, PoolError> {
        Pool::start(self, options)
    }
}

impl Pool {
    fn start(node: &Node, options: PoolOptions) -> Result<Self, PoolError> {
        let runtime = Arc::clone(node.runtime());
        let rules = options.rules(runtime.budget())?;
        let (max, tasks_a_life, terms, mode) = (rules.max, rules.tasks_a_life, options.terms, options.mode);
        let processors = crate::process::processor_count();
        if max > processors {
            runtime.warn_of_many_workers(max, processors);
        }
        let initializer = options.initializer.transpose().map_err(PoolError::Initializer)?;
        let (starter, wanted) = channel();
        let machine = Machine::new(rules, callboard_ipc::random_u64());
        let name = options.name.unwrap_or_else(|| "worker".to_owned());
        let cell = PoolCell::create(&runtime, name.clone(), machine, Some(starter));
        let setup = Setup {
            pool: cell.address,
            worker: 0,
            initializer,
            memory_bytes: options.memory_bytes.filter(|_| mode == Workers::Processes),
            budget: (runtime.budget() / max).max(1),
        };
        let launch = Arc::new(Launch {
            node: node.downgrade(),
            runtime: Arc::clone(&runtime),
            name,
            env: options.env,
            setup,
            processors: options.processors,
            describe: options.describe,
            is_process: mode == Workers::Processes,
        });
        let lender = (mode != Workers::Processes).then(|| Lender::new(&launch));
        if mode != Workers::Processes {
            note_those_of_tasks();
        }
        let inline = if mode == Workers::Inline {
            Some(Inline::new(launch, wanted))
        } else {
            let of = Arc::downgrade(&cell);
            let thread = std::thread::Builder::new().name("callboard-pool".to_owned());
            if let Err(error) = thread.spawn(move || serve(&launch, &of, &wanted)) {
                runtime.remove_cell(cell.address.slot);
                return Err(PoolError::Thread(error));
            }
            None
        };
        cell.run(&runtime, |machine, effects| machine.keep_up(Instant::now(), effects));
        let inner = Inner { runtime, cell, inline, lender, call_backs: Mutex::default() };
        Ok(Self { inner: Arc::new(inner), terms, max, tasks_a_life })
    }

    /// Hands in `f(args)`, waiting for room if too many tasks wait.
    ///
    /// ```
    /// # use callboard::pool::PoolOptions;
    /// # callboard::test_door!();
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let node = callboard::Node::start()?;
    /// # let pool = node.pool(PoolOptions::new().workers(1))?;
    /// let area = |(width, height): (u64, u64)| width * height;
    /// assert_eq!(pool.submit(area, (6, 7))?.result()?, 42);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`SubmitError`], but never [`SubmitError::Full`].
    #[doc(alias = "apply_async")]
    pub fn submit<A, R>(&self, f: fn(A) -> R, args: A) -> Result<Task<R>, SubmitError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.task(f, args).submit()
    }

    /// As [`submit`](Self::submit), for a function that is given the [`Worker`] it runs on.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    pub fn submit_to_worker<A, R>(&self, f: fn(&mut Worker, A) -> R, args: A) -> Result<Task<R>, SubmitError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        self.task_on_worker(f, args).submit()
    }

    /// A task to be handed in on terms of its own.
    pub fn task<A, R>(&self, f: fn(A) -> R, args: A) -> Submission<'_, A, R> {
        Submission::new(self, Function::Plain(f), args)
    }

    /// The same for a function that is given the [`Worker`] it runs on.
    pub fn task_on_worker<A, R>(&self, f: fn(&mut Worker, A) -> R, args: A) -> Submission<'_, A, R> {
        Submission::new(self, Function::OfWorker(f), args)
    }

    /// Runs `f(args)` on a worker and waits for the value.
    ///
    /// # Errors
    ///
    /// [`RunError`].
    pub fn apply<A, R>(&self, f: fn(A) -> R, args: A) -> Result<R, RunError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
    {
        Ok(self.submit(f, args)?.result()?)
    }

    /// `f` of each input, to be handed in on terms of its own, and taken in one of several ways.
    pub fn each<A, R, I>(&self, f: fn(A) -> R, inputs: I) -> Mapping<'_, A, R, I::IntoIter>
    where
        I: IntoIterator<Item = A>,
    {
        Mapping::new(self, Function::Plain(f), inputs.into_iter())
    }

    /// The same for a function that is given the [`Worker`] it runs on.
    pub fn each_on_worker<A, R, I>(
        &self,
        f: fn(&mut Worker, A) -> R,
        inputs: I,
    ) -> Mapping<'_, A, R, I::IntoIter>
    where
        I: IntoIterator<Item = A>,
    {
        Mapping::new(self, Function::OfWorker(f), inputs.into_iter())
    }

    /// `f` of each input, in their order. The first that fails ends it: what has not begun is not done.
    ///
    /// For inputs of several sources zip them; for several arguments `f` takes a tuple.
    ///
    /// # Errors
    ///
    /// [`RunError`], of the first input that failed.
    #[doc(alias = "starmap")]
    pub fn map<A, R, I>(&self, f: fn(A) -> R, inputs: I) -> Result<Vec<R>, RunError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        I: IntoIterator<Item = A>,
    {
        self.each(f, inputs).collect()
    }

    /// The most workers it has.
    pub fn max_workers(&self) -> usize {
        self.max
    }

    /// The ids of the workers that are processes, by worker; those that are starting may be missing.
    pub fn pids(&self) -> Vec<u32> {
        let state = self.inner.cell.state.lock();
        let mut pids: Vec<(u64, u32)> =
            state.processes.iter().map(|(worker, process)| (*worker, process.pid())).collect();
        drop(state);
        pids.sort_unstable();
        pids.into_iter().map(|(_, pid)| pid).collect()
    }

    /// What it has counted.
    pub fn stats(&self) -> PoolStats {
        let state = self.inner.cell.state.lock();
        state.figures.stats(state.machine.waiting_tasks)
    }

    /// Takes no more tasks. Those it has are done, and then its workers end.
    pub fn close(&self) {
        self.inner.cell.run(&self.inner.runtime, |machine, effects| {
            if machine.state == State::Open {
                machine.state = State::Draining;
                machine.keep_up(Instant::now(), effects);
                effects.change();
            }
        });
        self.inner.runtime.flush_listed();
    }

    /// Waits until a closed pool has done everything, its workers are gone, and all [`on_done`](Task::on_done) calls were made.
    /// Of one that is not closed, for as long as nobody closes it.
    ///
    /// # Errors
    ///
    /// A task of this pool that runs on this thread (of a pool of threads, or inline) is told at once: it would wait for itself.
    pub fn join(&self) -> Result<(), JoinedWithin> {
        if self.inner.is_within() {
            return Err(JoinedWithin);
        }
        self.inner.wait_over(None);
        self.join_call_backs();
        Ok(())
    }

    /// As [`join`](Self::join), up to `timeout`; whether everything was done by then, which is false at once where that has an error. The calls
    /// are waited for as long as they take.
    pub fn join_timeout(&self, timeout: Duration) -> bool {
        if self.inner.is_within() {
            return false;
        }
        let is_over = self.inner.wait_over(Some(timeout));
        if is_over {
            self.join_call_backs();
        }
        is_over
    }

    fn join_call_backs(&self) {
        if let Some(thread) = self.inner.end_call_backs() {
            // It catches the panics of what it calls.
            let _ = thread.join();
        }
    }

    /// Has everything done that was handed in, for up to `timeout`, then ends; whether everything was done. What was not is
    /// [cancelled](TaskError::Cancelled), and workers that still run are killed.
    pub fn shutdown(self, timeout: Duration) -> bool {
        self.close();
        self.join_timeout(timeout)
    }

    /// Ends now: takes no more tasks, cancels those that wait and those that run, kills its workers.
    #[doc(alias = "terminate")]
    pub fn abort(&self) {
        self.inner.cell.run(&self.inner.runtime, |machine, effects| machine.abort(Instant::now(), effects));
        self.inner.runtime.flush_listed();
        self.inner.make_calls();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.abort();
        self.inner.wait_over(Some(GONE_WITHIN));
        self.inner.cell.close_starter();
        self.inner.end_call_backs();
        self.inner.runtime.remove_cell(self.inner.cell.address.slot);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool(at most {} workers)", self.max)
    }
}
