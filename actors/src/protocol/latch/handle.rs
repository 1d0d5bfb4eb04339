//! The latch as users hold it.

use std::time::Duration;

use super::error::LatchError;
use super::options::LatchOptions;
use super::owner::LatchOwner;
use super::wire::{Ask, Reply};
use crate::protocol::object::{Asking, Handle, ObjectError, Typed, shared_object};
use crate::wait_any::{Pollable, Sealed, Waitable};

/// A count that any processes of a job bring down, and wait for to be zero. It goes down only, and at zero it is open for ever.
///
/// The handle is a plain value, as that of a [`Queue`](crate::Queue): clone it, pass it to a child, open it by name. The latch lives in
/// the process that created it until that process ends.
///
/// A process that ends without having counted leaves the latch closed: whoever counts on others should wait with a timeout, or for
/// their ends too, see [`WaitAny`](crate::WaitAny).
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Failure, Latch, LatchOptions, Node};
///
/// fn prepares(_: &Node, ready: Latch) -> Result<(), Failure> {
///     ready.count_down()?;
///     Ok(())
/// }
///
/// let node = Node::start()?;
/// let ready: Latch = node.create("/ready", LatchOptions::new(2))?;
/// let one = node.spawn("one", prepares, ready.clone())?;
/// let other = node.spawn("other", prepares, ready.clone())?;
/// ready.wait()?;
/// # one.join()??;
/// # other.join()??;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "CountDownLatch")]
pub struct Latch {
    handle: Handle<LatchOwner>,
}

shared_object!(Latch, LatchOptions);

impl Typed for Latch {
    type Owner = LatchOwner;

    fn of(handle: Handle<LatchOwner>) -> Self {
        Self { handle }
    }

    fn handle(&self) -> &Handle<LatchOwner> {
        &self.handle
    }

    fn type_name() -> String {
        "Latch".to_owned()
    }
}

impl Latch {
    /// Counts down by one; what is left.
    ///
    /// # Errors
    ///
    /// [`LatchError::BelowZero`] if it is open already; [`LatchError::Disconnected`] and [`LatchError::Unresponsive`], and then it may have
    /// been counted down.
    pub fn count_down(&self) -> Result<u64, LatchError> {
        self.count_down_by(1)
    }

    /// Counts down by `count`, in one step; what is left. Zero changes nothing.
    ///
    /// # Errors
    ///
    /// As [`count_down`](Self::count_down); [`LatchError::BelowZero`] if less than `count` is left.
    pub fn count_down_by(&self, count: u64) -> Result<u64, LatchError> {
        match self.handle.ask(Ask::CountDown(count))? {
            Reply::Left(left) => Ok(left),
            Reply::TooFew(left) => Err(LatchError::BelowZero { left }),
        }
    }

    /// What is left to be counted down; zero if it is open.
    ///
    /// # Errors
    ///
    /// [`ObjectError`], within 60 s.
    pub fn left(&self) -> Result<u64, ObjectError> {
        let (Reply::Left(left) | Reply::TooFew(left)) = self.handle.ask(Ask::Look)?;
        Ok(left)
    }

    /// Whether it is open.
    ///
    /// # Errors
    ///
    /// As [`left`](Self::left).
    pub fn try_wait(&self) -> Result<bool, ObjectError> {
        Ok(self.left()? == 0)
    }

    /// Waits until it is open, as long as that takes.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Disconnected`].
    pub fn wait(&self) -> Result<(), ObjectError> {
        self.handle.ask_until(Ask::Wait, None)?;
        Ok(())
    }

    /// Waits up to `timeout` until it is open; whether it is. Zero does as [`try_wait`](Self::try_wait), errors included.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Disconnected`]. An owner that does not answer is no error: the latch was not seen to be open in time.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<bool, ObjectError> {
        if timeout.is_zero() {
            return self.try_wait();
        }
        Ok(self.handle.ask_within(Ask::Wait, timeout)?.is_some())
    }
}

impl Sealed for Latch {
    fn pollable(&self) -> Pollable {
        Asking::pollable(&self.handle, || Ask::Wait)
    }
}

/// Ready when it is open, for good. Ready too once its owner has ended.
impl Waitable for Latch {}
