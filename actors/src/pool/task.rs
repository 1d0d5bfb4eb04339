//! A task as whoever submitted it holds it.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Waker};
use std::time::{Duration, Instant};

use callboard_core::{ByteStrings, Slot};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

use super::cell::{Call, Target};
use super::error::TaskError;
use super::inner::Inner;
use super::machine::{Cancel, Place, Wanted, Wish};
use super::work::Outcomes;
use crate::hook::{Hook, Hooks, Poll};
use crate::parcel::Parcel;
use crate::standing::Sought;
use crate::wait_any::{Pollable, Sealed, WaitAny, Waitable};

/// How long a cancellation waits for the worker's word.
const ASK_FOR: Duration = Duration::from_secs(1);

/// What came of a task, encoded.
pub(super) type Outcome = Result<Parcel, TaskError>;

type Callback = Box<dyn FnOnce(Outcome) + Send>;

#[derive(Default)]
struct Settling {
    outcome: Option<Outcome>,
    is_settled: bool,
    hooks: Hooks,
    callback: Option<Callback>,
    waker: Option<Waker>,
}

/// Where a task's outcome comes to.
#[derive(Default)]
pub(super) struct Settled(Mutex<Settling>);

impl Target for Settled {
    fn settled(&self, _: u64, outcomes: Outcomes, calls: &mut Vec<Call>) {
        if !outcomes.again.is_empty() {
            return;
        }
        let outcome = match outcomes.errors.into_iter().next() {
            Some((_, error)) => Err(error),
            None => match ByteStrings::new(&outcomes.values).next() {
                Some(Ok(value)) => {
                    Ok(Parcel { bytes: ByteBuf::from(value.to_vec()), rights: outcomes.rights })
                }
                _ => Err(TaskError::BadValue("the report has none".to_owned())),
            },
        };
        self.settle(outcome, calls);
    }
}

impl Settled {
    fn settle(&self, outcome: Outcome, calls: &mut Vec<Call>) {
        let mut settling = self.0.lock();
        if std::mem::replace(&mut settling.is_settled, true) {
            return;
        }
        settling.hooks.notify_all();
        if let Some(waker) = settling.waker.take() {
            calls.push(Box::new(|| waker.wake()));
        }
        match settling.callback.take() {
            Some(callback) => calls.push(Box::new(|| callback(outcome))),
            None => settling.outcome = Some(outcome),
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        self.0.lock().is_settled
    }
}

impl Poll for Settled {
    fn sought(&self) -> Sought {
        Sought::plain("a task of a pool")
    }

    fn poll(&self, hook: &Hook) -> bool {
        let mut settling = self.0.lock();
        if !settling.is_settled {
            settling.hooks.add(hook);
        }
        settling.is_settled
    }

    fn forget(&self, hook: &Hook) {
        self.0.lock().hooks.remove(hook);
    }
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskState {
    /// It waits for a worker, or in a worker's inbox, or to be tried again.
    Pending,
    /// Its function runs.
    Running,
    /// It has a value or has failed.
    Done,
}

/// A task that was handed to a [`Pool`](super::Pool): its value, or why there is none, comes here, exactly once.
///
/// Dropped, the task is done all the same, and what comes of it is for nobody. It is no error to ask from several threads
/// how it stands; the value is taken once.
///
/// It is a [`Future`] too, for any executor: ready when the task is done. (Not for a task of an inline pool before it
/// has been done: nobody would do it.)
///
/// Source: `Future` of Python's `concurrent.futures`, `AsyncResult` of its `multiprocessing`.
#[doc(alias = "Future")]
#[doc(alias = "AsyncResult")]
#[must_use = "what comes of a task is for whoever keeps it; drop it if that is nobody"]
pub struct Task<R> {
    pool: Arc<Inner>,
    slot: Slot,
    settled: Arc<Settled>,
    value: PhantomData<fn() -> R>,
}

impl<R> Task<R> {
    pub(super) fn new(pool: &Arc<Inner>, slot: Slot, settled: Arc<Settled>) -> Self {
        Self { pool: Arc::clone(pool), slot, settled, value: PhantomData }
    }

    /// Whether it has a value or has failed. Never waits.
    #[doc(alias = "done")]
    #[doc(alias = "ready")]
    pub fn is_done(&self) -> bool {
        self.settled.is_settled()
    }

    /// Where it stands just now. Never waits.
    pub fn state(&self) -> TaskState {
        if self.is_done() {
            return TaskState::Done;
        }
        let runs =
            self.pool.cell.run(&self.pool.runtime, |machine, effects| machine.runs(self.slot, effects));
        match runs {
            Some(true) => TaskState::Running,
            Some(false) => TaskState::Pending,
            // Tried again under another number, or settled just now.
            None if self.is_done() => TaskState::Done,
            None => TaskState::Pending,
        }
    }

    /// Has the task not run, if it has not begun; whether it was cancelled: then it fails with [`TaskError::Cancelled`]. False if
    /// it runs or is done: it goes on, and its value counts.
    ///
    /// Waits a round trip if a worker has it already, and a second at most: false then if the worker has not answered, and it
    /// may be cancelled all the same.
    pub fn cancel(&self) -> bool {
        self.cancel_how(false)
    }

    /// Has the task not run, or no longer: if it has begun its worker is killed, and replaced; no other task suffers from that.
    /// Whether it was cancelled; false if it is done.
    ///
    /// Waits until that is sure, and ten seconds at most. A thread can't be killed: the task fails at once, its function goes on for
    /// nobody, and the thread ends when that returns.
    pub fn kill(&self) -> bool {
        self.cancel_how(true)
    }

    /// Whether it is done, and has no value.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.settled.0.lock().outcome, Some(Err(_)))
    }

    /// A set to wait with.
    pub(super) fn set(&self) -> WaitAny {
        WaitAny::on(&self.pool.runtime)
    }

    /// Has the set tell of what there is to do for it here, if it is not done.
    pub(super) fn work_in(&self, any: &mut WaitAny) {
        if let Some(work) = self.pool.work_for(self.slot).filter(|_| !self.is_done()) {
            any.add_poll(work);
        }
    }

    /// Does the tasks of an inline pool, or within another of its pool the task itself; whether that has been done here.
    pub(super) fn do_here(&self) -> bool {
        self.pool.work_inline();
        !self.is_done() && self.pool.do_here(Wanted::Unit(self.slot))
    }

    /// Whether it runs on this very thread, so that whoever asks here runs within it.
    pub(super) fn is_around(&self) -> bool {
        !self.is_done() && self.pool.is_around(self.slot)
    }

    fn cancel_how(&self, kill: bool) -> bool {
        let runtime = &self.pool.runtime;
        let asked = self
            .pool
            .cell
            .run(runtime, |machine, effects| machine.cancel(self.slot, kill, Instant::now(), effects));
        runtime.flush_listed();
        match asked {
            Cancel::Cancelled => true,
            Cancel::Runs => false,
            Cancel::Over => self.was_cancelled(),
            Cancel::Asked => {
                let patience = if kill { ASK_FOR * 10 } else { ASK_FOR };
                runtime.wait_until(&Answered { task: self, kill }, Some(Instant::now() + patience));
                self.was_cancelled()
            }
        }
    }

    fn was_cancelled(&self) -> bool {
        matches!(self.settled.0.lock().outcome, Some(Err(TaskError::Cancelled)))
    }
}

/// That the worker has said whether it gives a task back.
struct Answered<'a, R> {
    task: &'a Task<R>,
    kill: bool,
}

impl<R> Poll for Answered<'_, R> {
    fn sought(&self) -> Sought {
        let Task { pool, slot, .. } = self.task;
        Sought::part_of("the cancellation of", "task", pool.cell.address.slot, *slot)
    }

    fn poll(&self, hook: &Hook) -> bool {
        let Task { pool, slot, settled, .. } = self.task;
        let answered = pool.cell.poll(hook, |state| {
            let unit = state.machine.units.get(*slot);
            unit.is_none_or(|unit| {
                !self.kill && (unit.wish == Wish::ToBeDone || !matches!(unit.place, Place::Held(..)))
            })
        });
        answered || settled.poll(hook)
    }

    fn forget(&self, hook: &Hook) {
        self.task.pool.cell.forget(hook);
        self.task.settled.forget(hook);
    }
}

impl<R: DeserializeOwned> Task<R> {
    /// Waits for what comes of it.
    ///
    /// # Errors
    ///
    /// [`TaskError`] says why there is no value.
    #[doc(alias = "get")]
    pub fn result(mut self) -> Result<R, TaskError> {
        if self.is_around() {
            return Err(TaskError::WaitsForItself);
        }
        self.wait_until(None);
        self.take().unwrap_or(Err(TaskError::Cancelled))
    }

    /// Waits up to `timeout` for what comes of it; none if nothing has by then, and the task goes on. Zero means do not wait.
    ///
    /// # Errors
    ///
    /// [`TaskError`] says why there is no value: that is told once, as a value is, and afterwards it is
    /// [`TaskError::Cancelled`].
    pub fn result_timeout(&mut self, timeout: Duration) -> Result<Option<R>, TaskError> {
        if !self.wait_until(Instant::now().checked_add(timeout)) {
            return Ok(None);
        }
        self.take().unwrap_or(Err(TaskError::Cancelled)).map(Some)
    }

    fn wait_until(&mut self, deadline: Option<Instant>) -> bool {
        self.pool.wait(&*self.settled, Wanted::Unit(self.slot), deadline)
    }

    fn take(&mut self) -> Option<Result<R, TaskError>> {
        let outcome = self.settled.0.lock().outcome.take()?;
        Some(self.pool.read(outcome))
    }

    /// Has `f` called with what comes of it, as soon as it has, on a thread that the pool has for that: one such call after the
    /// other, in the order in which tasks are done. A panic of `f` is written to standard error and harms nobody. Of an inline
    /// pool the call comes on the thread that does the task.
    #[doc(alias = "add_done_callback")]
    pub fn on_done(self, f: impl FnOnce(Result<R, TaskError>) + Send + 'static)
    where
        R: 'static,
    {
        let pool = Arc::downgrade(&self.pool);
        let callback: Callback = Box::new(move |outcome| {
            // Without the pool nobody could read it, nor is there a thread.
            if let Some(pool) = pool.upgrade() {
                let reads = Arc::clone(&pool);
                pool.call_back(Box::new(move || f(reads.read(outcome))));
            }
        });
        let mut settling = self.settled.0.lock();
        if settling.is_settled {
            // None if it was taken before.
            let outcome = settling.outcome.take().unwrap_or(Err(TaskError::Cancelled));
            drop(settling);
            callback(outcome);
            self.pool.make_calls();
        } else {
            settling.callback = Some(callback);
        }
    }
}

impl<R: DeserializeOwned> Future for Task<R> {
    type Output = Result<R, TaskError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> task::Poll<Self::Output> {
        {
            let mut settling = self.settled.0.lock();
            if !settling.is_settled {
                settling.waker = Some(context.waker().clone());
                return task::Poll::Pending;
            }
        }
        task::Poll::Ready(self.take().unwrap_or(Err(TaskError::Cancelled)))
    }
}

impl<R> Unpin for Task<R> {}

impl<R> fmt::Debug for Task<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Task<{}>({:?})", std::any::type_name::<R>(), self.state())
    }
}

impl<R> Sealed for Task<R> {
    fn pollable(&self) -> Pollable {
        let sought = Sought::part_of("", "task", self.pool.cell.address.slot, self.slot);
        Pollable::new(&self.pool.runtime, Arc::new(ThisTask(Arc::clone(&self.settled), sought)))
    }
}

/// That this very task is done.
struct ThisTask(Arc<Settled>, Sought);

impl Poll for ThisTask {
    fn sought(&self) -> Sought {
        self.1
    }

    fn poll(&self, hook: &Hook) -> bool {
        self.0.poll(hook)
    }

    fn forget(&self, hook: &Hook) {
        self.0.forget(hook);
    }
}

/// Ready once the task is done, for good. Of an inline pool only [`wait`](super::wait) and the like do it.
impl<R> Waitable for Task<R> {}
