//! Being told when a register has changed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::error::RegisterError;
use super::handle::Register;
use super::wire::{Ask, Reply};
use crate::protocol::object::{Asking, ObjectError, Typed};
use crate::wait_any::{Pollable, Sealed, Waitable};

/// What a [`RegisterWatch`] reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterChange<T> {
    /// How many changes there have been since the register was created.
    pub version: u64,
    /// The value after the latest; none if there is none.
    pub value: Option<T>,
}

/// Tells of changes to a register. Every change after [`Register::watch`] is followed by a report, but not each by one of its
/// own: a report tells how it stands, and who comes late misses the values between.
pub struct RegisterWatch<T> {
    register: Register<T>,
    /// The version of the latest report.
    seen: Arc<AtomicU64>,
}

impl<T> fmt::Debug for RegisterWatch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegisterWatch({:?}, seen {})", self.register, self.seen.load(Ordering::Acquire))
    }
}

impl<T> Register<T> {
    /// Watches for changes from now on.
    ///
    /// # Errors
    ///
    /// [`RegisterError::Disconnected`], [`RegisterError::Unresponsive`].
    pub fn watch(&self) -> Result<RegisterWatch<T>, RegisterError> {
        let Reply::Version(version) = self.ask(Ask::Version)? else {
            return Err(RegisterError::Disconnected);
        };
        Ok(RegisterWatch { register: self.clone(), seen: Arc::new(AtomicU64::new(version)) })
    }
}

impl<T: DeserializeOwned> RegisterWatch<T> {
    /// Waits until there has been a change since the latest report, as long as that takes.
    ///
    /// # Errors
    ///
    /// [`RegisterError::Disconnected`]; [`RegisterError::Decode`], and then the next report is of a later change.
    #[expect(clippy::should_implement_trait, reason = "it can fail, and there is no end")]
    pub fn next(&mut self) -> Result<RegisterChange<T>, RegisterError> {
        let reply = self.register.handle().ask_until(self.ask(), None);
        self.report(reply.map_err(ObjectError::from)?)
    }

    /// Waits up to `timeout` for a change since the latest report; none if there was none. Zero does as
    /// [`try_next`](Self::try_next).
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next). An owner that does not answer is no error, but with zero.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<RegisterChange<T>>, RegisterError> {
        if timeout.is_zero() {
            return self.try_next();
        }
        let reply = self.register.handle().ask_within(self.ask(), timeout)?;
        reply.map(|reply| self.report(reply)).transpose()
    }

    /// How the register stands, if it has changed since the latest report. Asks the owner once or twice.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next); [`RegisterError::Unresponsive`].
    pub fn try_next(&mut self) -> Result<Option<RegisterChange<T>>, RegisterError> {
        // The value travels only if it is news.
        let Reply::Version(version) = self.register.ask(Ask::Version)? else {
            return Err(RegisterError::Disconnected);
        };
        if version <= self.seen.load(Ordering::Acquire) {
            return Ok(None);
        }
        let reply = self.register.ask(Ask::Look)?;
        self.report(reply).map(Some)
    }

    fn ask(&self) -> Ask {
        Ask::Watch { after: self.seen.load(Ordering::Acquire) }
    }

    fn report(&self, reply: Reply) -> Result<RegisterChange<T>, RegisterError> {
        let Reply::Report { version, value } = reply else { return Err(RegisterError::Disconnected) };
        // Ordering: pairs with the loads of whoever waits by `pollable`.
        self.seen.store(version, Ordering::Release);
        let value = value.map(|bytes| self.register.decode(&bytes)).transpose()?;
        Ok(RegisterChange { version, value })
    }
}

impl<T> Sealed for RegisterWatch<T> {
    fn pollable(&self) -> Pollable {
        let seen = Arc::clone(&self.seen);
        Asking::pollable(self.register.handle(), move || Ask::Await { after: seen.load(Ordering::Acquire) })
    }
}

/// Ready when the register has changed since the latest report. Ready too once its owner has ended, for good. It may be
/// named once without a change if its user asked between two waits.
impl<T> Waitable for RegisterWatch<T> {}
