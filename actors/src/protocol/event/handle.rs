//! The event as users hold it.

use std::time::Duration;

use super::options::EventOptions;
use super::owner::EventOwner;
use super::wire::{Ask, IsSet};
use crate::protocol::object::{Asking, Handle, ObjectError, Typed, shared_object};
use crate::wait_any::{Pollable, Sealed, Waitable};

/// A flag between any threads of any processes of a job: some wait until others set it.
///
/// The handle is a plain value, as that of a [`Queue`](crate::Queue): clone it, pass it to a child, open it by name. The flag
/// lives in the process that created it until that process ends.
///
/// What one process did is seen by whatever another one does after it has heard of it: when [`set`](Self::set) returns, the
/// flag is set for everybody.
///
/// **A quick set and clear.** Who waited when it was set is woken, even if it is cleared at once; who begins to wait after
/// the clear is not. A wait counts from when the owner has heard of it, which is before any later message of the
/// waiting process.
///
/// Source: `Event` of Python's `multiprocessing`.
pub struct Event {
    handle: Handle<EventOwner>,
}

shared_object!(Event, EventOptions);

impl Typed for Event {
    type Owner = EventOwner;

    fn of(handle: Handle<EventOwner>) -> Self {
        Self { handle }
    }

    fn handle(&self) -> &Handle<EventOwner> {
        &self.handle
    }

    fn type_name() -> String {
        "Event".to_owned()
    }
}

impl Event {
    /// Sets the flag, which wakes all who wait. Setting it again changes nothing.
    ///
    /// # Errors
    ///
    /// [`ObjectError`], within 60 s.
    pub fn set(&self) -> Result<(), ObjectError> {
        self.handle.ask(Ask::Set).map(drop)
    }

    /// Clears the flag. Clearing it again changes nothing.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn clear(&self) -> Result<(), ObjectError> {
        self.handle.ask(Ask::Clear).map(drop)
    }

    /// Whether the flag is set.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn is_set(&self) -> Result<bool, ObjectError> {
        self.handle.ask(Ask::Look).map(|IsSet(is_set)| is_set)
    }

    /// Waits until the flag is set, as long as that takes.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Disconnected`].
    pub fn wait(&self) -> Result<(), ObjectError> {
        self.handle.ask_until(Ask::Wait, None)?;
        Ok(())
    }

    /// Waits up to `timeout` until the flag is set; whether it was. Zero does as [`is_set`](Self::is_set), errors included.
    ///
    /// # Errors
    ///
    /// [`ObjectError::Disconnected`]. An owner that does not answer is no error: the flag was not seen to be set in time.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<bool, ObjectError> {
        if timeout.is_zero() {
            return self.is_set();
        }
        let answer = self.handle.ask_within(Ask::Wait, timeout)?;
        Ok(answer.is_some_and(|IsSet(is_set)| is_set))
    }
}

impl Sealed for Event {
    fn pollable(&self) -> Pollable {
        Asking::pollable(&self.handle, || Ask::Wait)
    }
}

/// Ready when it has been set since the wait began, and as long as it is. Ready too once its owner has ended, for good.
impl Waitable for Event {}
