//! Why a task has no value, and why one was not taken.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::retry::FailureKind;
use super::work::Fault;
use crate::process::{ChildPanic, JoinError, SpawnError};
use crate::supervisor::BackoffError;
use callboard_core::BodyError;

/// Why a task has no value. Each task has its own reason; no other task fails of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TaskError {
    /// Its function panicked. The worker goes on.
    ///
    /// In threads and inline the hook for panics prints it too, as it does any panic. Place and backtrace come by a hook of this
    /// crate's there, which the first such pool of a program sets, and which calls the one that was there before. A program
    /// that sets its own hook later, without calling the one that it finds, has errors with an empty place. The backtrace is
    /// there if `RUST_BACKTRACE` asks for one; of processes it always is.
    #[error(transparent)]
    Panicked(ChildPanic),
    /// Its worker ended while it ran it, or before it had told of the value.
    #[error("{}: {why}", if *.had_returned { "its worker ended before it could tell the value" } else { "its worker ended while it ran it" })]
    Died {
        /// The process; none if the worker was a thread.
        pid: Option<u32>,
        /// How it ended.
        why: JoinError,
        /// The function had returned, and the value went with the worker: it was killed in between, or had nowhere to keep the value.
        had_returned: bool,
    },
    /// It ran for longer than its time limit, and its worker was ended.
    #[error("it ran for longer than {0:?}")]
    TimedOut(Duration),
    /// It was cancelled, or its pool was aborted or dropped.
    #[error("it was cancelled")]
    Cancelled,
    /// Whoever waits for it runs within it, on the same thread: it would wait for ever.
    #[error("it is waited for by what runs within it")]
    WaitsForItself,
    /// The arguments don't decode in the worker; of one input among many also, that they can't be sent.
    #[error("the arguments can't be read by the worker: {0}")]
    Arguments(String),
    /// What the function returned can't be encoded, or is too large to be sent.
    #[error("the value can't be sent by the worker: {0}")]
    Value(String),
    /// The value does not decode here.
    #[error("the value can't be read: {0}")]
    BadValue(String),
    /// The pool can get no worker: its initializer fails again and again, or no process can be started.
    #[error("the pool has no workers: {0}")]
    Broken(String),
}

impl TaskError {
    /// What kind of failure it is; none for one after which nothing is tried again.
    pub(super) fn kind(&self) -> Option<FailureKind> {
        match self {
            TaskError::Panicked(_) => Some(FailureKind::Panic),
            TaskError::Died { .. } => Some(FailureKind::Death),
            TaskError::TimedOut(_) => Some(FailureKind::TimeLimit),
            _ => None,
        }
    }
}

impl From<Fault> for TaskError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Panicked(panic) => TaskError::Panicked(panic),
            Fault::Arguments(why) => TaskError::Arguments(why),
            Fault::Value(why) => TaskError::Value(why),
            // Its value stands beside it, and is what the task came to.
            Fault::Unsatisfied => TaskError::Value("it will not do".to_owned()),
        }
    }
}

/// Why a task was not taken. Nothing of it is done.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The pool takes no more: it was closed, shut down or aborted, or its node has ended.
    #[error("the pool takes no more tasks")]
    Closed,
    /// The pool can get no worker; see [`TaskError::Broken`].
    #[error("the pool has no workers: {0}")]
    Broken(String),
    /// There was no room for another waiting task.
    #[error("the pool has no room for another task")]
    Full,
    /// The arguments can't be encoded, the function is not part of the main program, or they are too large.
    #[error(transparent)]
    Call(#[from] SpawnError),
    /// The arguments can't be encoded.
    #[error("the arguments can't be sent to a worker")]
    Arguments(#[source] BodyError),
    /// Its time limit is zero.
    #[error("no task ends within a time limit of zero")]
    NoTime,
    /// The waits between tries can't be made.
    #[error("its retries")]
    Retries(#[from] BackoffError),
}

/// Why there is no value: the task was not taken, or failed.
#[derive(Debug, Error)]
pub enum RunError {
    /// It was not taken.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// It failed.
    #[error(transparent)]
    Task(#[from] TaskError),
}

/// Why there is no pool.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PoolError {
    /// What is wrong with its options.
    #[error("a pool can't be made so: {0}")]
    Options(String),
    /// The initializer can't be sent to a worker.
    #[error("the initializer can't be run by a worker")]
    Initializer(#[source] SpawnError),
    /// The system gives no thread.
    #[error("the pool's own thread can't be started")]
    Thread(#[source] std::io::Error),
}

/// A task waits for the end of its own pool, which waits for the end of the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[error("a task can't wait for the end of its own pool")]
pub struct JoinedWithin;
