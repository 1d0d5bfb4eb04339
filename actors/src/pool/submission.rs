//! A task before it is handed in: what it runs, and on what terms.

use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_core::{Slot, push_encoded};
use serde::{Serialize, de::DeserializeOwned};

use super::Pool;
use super::cell::Sink;
use super::error::SubmitError;
use super::retry::Retries;
use super::task::{Settled, Task};
use super::work::{Terms, Work};
use super::worker::Worker;
use crate::parcel::Rights;
use crate::process::SpawnError;
use crate::process::entry::check_sent;
use crate::process::routine::{self, Routine};
use crate::scope::{self, Departing};

/// A function with the type of its value, as it will be found by workers.
pub(super) enum Function<A, R> {
    Plain(fn(A) -> R),
    OfWorker(fn(&mut Worker, A) -> R),
}

impl<A: DeserializeOwned, R: Serialize> Function<A, R> {
    pub(super) fn routine(&self, check: Option<fn(&R) -> bool>) -> Result<Routine, SpawnError> {
        match self {
            Function::Plain(f) => routine::routine::<Worker, A, R>(*f, check),
            Function::OfWorker(f) => routine::routine_of_worker::<Worker, A, R>(*f, check),
        }
    }
}

/// A task that is about to be handed in, by [`Pool::task`].
///
/// ```
/// use std::time::Duration;
/// use callboard::pool::{PoolOptions, Retries};
///
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let node = callboard::Node::start()?;
/// let pool = node.pool(PoolOptions::new().workers(2))?;
/// let double = |n: u64| n * 2;
/// let task = pool.task(double, 21).priority(5).time_limit(Duration::from_secs(10)).retries(Retries::up_to(2)).submit()?;
/// assert_eq!(task.result()?, 42);
/// # Ok(())
/// # }
/// ```
#[must_use = "a task is not handed in before `submit`"]
pub struct Submission<'p, A, R> {
    pool: &'p Pool,
    function: Function<A, R>,
    args: A,
    terms: Terms,
    check: Option<fn(&R) -> bool>,
}

impl<'p, A, R> Submission<'p, A, R> {
    pub(super) fn new(pool: &'p Pool, function: Function<A, R>, args: A) -> Self {
        Self { pool, function, args, terms: pool.terms, check: None }
    }

    /// Tasks of a higher priority are done before those of a lower one that wait; zero unless it is set. One that a worker has
    /// already, for lack of others, is not taken back from it.
    pub fn priority(mut self, priority: i32) -> Self {
        self.terms.priority = priority;
        self
    }

    /// How long it may run. Then its worker is killed, and replaced, and it fails with [`TaskError::TimedOut`](super::TaskError::TimedOut),
    /// or is tried again. The time runs from when a worker without other work gets it; a worker that does not even begin,
    /// since it is stopped, is replaced after the same time, and the task waits again.
    ///
    /// Such tasks are handed to workers one at a time, a round trip each.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.terms.limit = Some(limit);
        self
    }

    /// When it is tried again.
    pub fn retries(mut self, retries: Retries) -> Self {
        self.terms.retries = retries;
        self
    }

    /// Has it tried again, as often as its [`retries`](Self::retries) allow, when `unsatisfied` says so of its value: called by
    /// the worker. The last value counts, whatever it is.
    pub fn retry_if(mut self, unsatisfied: fn(&R) -> bool) -> Self {
        self.check = Some(unsatisfied);
        self
    }
}

impl<A, R> Submission<'_, A, R>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    /// Hands it in, waiting for room if too many tasks wait.
    ///
    /// # Errors
    ///
    /// [`SubmitError`], but never [`SubmitError::Full`].
    pub fn submit(self) -> Result<Task<R>, SubmitError> {
        self.submit_until(None)
    }

    /// Hands it in if there is room now.
    ///
    /// # Errors
    ///
    /// [`SubmitError`].
    pub fn try_submit(self) -> Result<Task<R>, SubmitError> {
        self.submit_until(Some(Instant::now()))
    }

    /// Hands it in, waiting up to `timeout` for room.
    ///
    /// # Errors
    ///
    /// [`SubmitError`].
    pub fn submit_timeout(self, timeout: Duration) -> Result<Task<R>, SubmitError> {
        self.submit_until(Instant::now().checked_add(timeout))
    }

    fn submit_until(self, deadline: Option<Instant>) -> Result<Task<R>, SubmitError> {
        let Self { pool, function, args, terms, check } = self;
        let routine = function.routine(check)?;
        let (args, rights, departing) = encode(&args)?;
        let work = Work { function: pool.inner.number_of(routine), args, rights, count: 1 };
        let settled = Arc::new(Settled::default());
        let sink = Arc::clone(&settled) as Sink;
        let mut slot = Slot::default();
        pool.inner.submit(&mut vec![work], terms, (&sink, 0), deadline, |placed| slot = placed)?;
        departing.depart();
        Ok(Task::new(&pool.inner, slot, settled))
    }
}

/// One task's arguments as a byte string, and what leaves with them.
fn encode<A: Serialize>(args: &A) -> Result<(Vec<u8>, Rights, Departing), SubmitError> {
    let mut bytes = Vec::with_capacity(16);
    let (encoded, departing) = scope::collect(|| push_encoded(&mut bytes, args));
    encoded.map_err(SubmitError::Arguments)?;
    check_sent(bytes.len(), &departing)?;
    let rights = departing.rights().map_err(SubmitError::Arguments)?;
    Ok((bytes, rights, departing))
}
