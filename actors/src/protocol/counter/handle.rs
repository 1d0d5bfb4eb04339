//! The counter as users hold it.

use std::time::{Duration, Instant};

use callboard_core::encode_into;

use super::error::CounterError;
use super::options::CounterOptions;
use super::owner::CounterOwner;
use super::wire::{Ask, Reply};
use crate::protocol::object::{Asking, Handle, ObjectError, Swap, Typed, shared_object};
use crate::scratch::with_scratch;
use crate::wait_any::{Pollable, Sealed, Waitable};

/// A whole number, an `i64`, between any threads of any processes of a job.
///
/// The handle is a plain value, as that of a [`Queue`](crate::Queue): clone it, pass it to a child, open it by name. The
/// number lives in the process that created it until that process ends.
///
/// Each method is one step, which nothing comes between, so sums are exact; when it returns, the change is there for
/// everybody.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Counter, CounterOptions, Node};
///
/// fn work(_: &Node, done: Counter) {
///     done.add(1).ok();
/// }
///
/// let node = Node::start()?;
/// let done: Counter = node.create("/done", CounterOptions::new())?;
/// let children: Vec<_> = (0..4).map(|_| node.spawn("work", work, done.clone())).collect();
/// assert_eq!(done.wait_at_least(4)?, 4);
/// # drop(children);
/// # Ok(())
/// # }
/// ```
///
/// Source: `Value` of Python's `multiprocessing`, whose `+=` is two steps and loses updates.
#[doc(alias = "Value")]
pub struct Counter {
    handle: Handle<CounterOwner>,
}

shared_object!(Counter, CounterOptions);

impl Typed for Counter {
    type Owner = CounterOwner;

    fn of(handle: Handle<CounterOwner>) -> Self {
        Self { handle }
    }

    fn handle(&self) -> &Handle<CounterOwner> {
        &self.handle
    }

    fn type_name() -> String {
        "Counter".to_owned()
    }
}

impl Counter {
    /// Adds `by`; the sum.
    ///
    /// # Errors
    ///
    /// [`CounterError::Overflow`]; [`CounterError::Disconnected`] and [`CounterError::Unresponsive`], and then it may have
    /// been added.
    pub fn add(&self, by: i64) -> Result<i64, CounterError> {
        self.ask(Ask::Add(by))
    }

    /// Subtracts `by`; the difference.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn sub(&self, by: i64) -> Result<i64, CounterError> {
        self.ask(Ask::Sub(by))
    }

    /// The number.
    ///
    /// # Errors
    ///
    /// [`CounterError::Disconnected`], [`CounterError::Unresponsive`].
    #[doc(alias = "value")]
    pub fn get(&self) -> Result<i64, CounterError> {
        self.ask(Ask::Get)
    }

    /// Makes it `value`; what it was.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn set(&self, value: i64) -> Result<i64, CounterError> {
        self.ask(Ask::Set(value))
    }

    /// Makes it `new` if it is `expected`.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn compare_and_swap(&self, expected: i64, new: i64) -> Result<Swap<i64>, CounterError> {
        let before = self.ask(Ask::CompareAndSwap { expected, new })?;
        Ok(if before == expected { Swap::Done } else { Swap::Differs(before) })
    }

    /// Waits until the number is at least `least`, as long as that takes; what it was when it was so. That counts from when
    /// the owner has heard of the wait, also if the number is less soon after.
    ///
    /// # Errors
    ///
    /// [`CounterError::Disconnected`].
    pub fn wait_at_least(&self, least: i64) -> Result<i64, CounterError> {
        let reply = self.handle.ask_until(Ask::WaitAtLeast(least), None);
        number(reply.map_err(ObjectError::from)?)
    }

    /// Waits up to `timeout` until the number is at least `least`; none if it was not. Zero asks the owner once.
    ///
    /// # Errors
    ///
    /// [`CounterError::Disconnected`]. An owner that does not answer is no error, but with zero.
    pub fn wait_at_least_timeout(&self, least: i64, timeout: Duration) -> Result<Option<i64>, CounterError> {
        if timeout.is_zero() {
            return Ok(Some(self.get()?).filter(|value| *value >= least));
        }
        self.handle.ask_within(Ask::WaitAtLeast(least), timeout)?.map(number).transpose()
    }

    /// What [`WaitAny`](crate::WaitAny) waits for until the number is at least `least`.
    pub fn at_least(&self, least: i64) -> AtLeast {
        AtLeast { counter: self.clone(), least }
    }

    /// Adds `by` without waiting for the owner.
    ///
    /// `Ok` means that it is on its way, in order with all else that this node asks of the counter; what becomes of it
    /// [`flush`](Self::flush) tells. If this process is killed before, it may be gone with it. While 8 MiB wait on this node
    /// for the owner's, which does not keep up, a cast waits until the owner has them.
    ///
    /// # Errors
    ///
    /// [`CounterError::Disconnected`] if the owner is known to have ended; [`CounterError::Unresponsive`] if it has been so
    /// far behind for 60 s. This one is not on its way then.
    pub fn cast_add(&self, by: i64) -> Result<(), CounterError> {
        with_scratch(|bytes| {
            encode_into(&by, bytes).expect("a number can be encoded");
            Ok(self.handle.throw(bytes)?)
        })
    }

    /// Waits until the owner has all that this node has cast, by any thread and handle, as long as that takes.
    ///
    /// # Errors
    ///
    /// [`CounterError::Lost`] with the number of casts of this node that were refused since its last flush, since the sum would have been no `i64`.
    /// Each is told once, or twice to threads that flush at the same time; the others have been done.
    /// [`CounterError::Disconnected`]: what was cast is gone with the counter.
    pub fn flush(&self) -> Result<(), CounterError> {
        self.handle.flush(None, CounterError::Lost)
    }

    /// The same for at most `timeout`.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush); [`CounterError::Unresponsive`] if the owner has not answered by then: another flush tells all that
    /// this one would have told.
    pub fn flush_timeout(&self, timeout: Duration) -> Result<(), CounterError> {
        self.handle.flush(Instant::now().checked_add(timeout), CounterError::Lost)
    }

    fn ask(&self, ask: Ask) -> Result<i64, CounterError> {
        number(self.handle.ask(ask)?)
    }
}

fn number(reply: Reply) -> Result<i64, CounterError> {
    match reply {
        Reply::Is(value) => Ok(value),
        Reply::Overflow => Err(CounterError::Overflow),
        Reply::Refused(_) => Err(CounterError::Disconnected),
    }
}

/// That a counter is at least some number; see [`Counter::at_least`].
#[derive(Clone, Debug)]
pub struct AtLeast {
    counter: Counter,
    least: i64,
}

impl Sealed for AtLeast {
    fn pollable(&self) -> Pollable {
        let least = self.least;
        Asking::pollable(&self.counter.handle, move || Ask::WaitAtLeast(least))
    }
}

/// Ready when the number has been so large since the wait began, and as long as it is. Ready too once its owner has ended, for
/// good.
impl Waitable for AtLeast {}
