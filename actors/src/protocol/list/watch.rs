//! Being told when a list has changed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::error::ListError;
use super::handle::List;
use super::wire::{Ask, Reply, to_usize};
use crate::protocol::object::{Asking, Typed};
use crate::wait_any::{Pollable, Sealed, Waitable};

/// What a [`ListWatch`] reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListChange {
    /// How many changes there have been since the list was created.
    pub version: u64,
    /// How many elements there are after the latest.
    pub len: usize,
}

/// Tells of changes to a list. Every change after [`List::watch`] is followed by a report, but not each by one of its own:
/// a report tells how it stands, and who comes late misses those between.
pub struct ListWatch<T> {
    list: List<T>,
    /// The version of the latest report.
    seen: Arc<AtomicU64>,
}

impl<T> fmt::Debug for ListWatch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ListWatch({:?}, seen {})", self.list, self.seen.load(Ordering::Acquire))
    }
}

impl<T> List<T> {
    /// Watches for changes from now on.
    ///
    /// # Errors
    ///
    /// [`ListError::Disconnected`], [`ListError::Unresponsive`].
    pub fn watch(&self) -> Result<ListWatch<T>, ListError> {
        let ListChange { version, .. } = change(self.ask(Ask::Look)?)?;
        Ok(ListWatch { list: self.clone(), seen: Arc::new(AtomicU64::new(version)) })
    }
}

impl<T> ListWatch<T> {
    /// Waits until there has been a change since the latest report, as long as that takes.
    ///
    /// # Errors
    ///
    /// [`ListError::Disconnected`].
    #[expect(clippy::should_implement_trait, reason = "it can fail, and there is no end")]
    pub fn next(&mut self) -> Result<ListChange, ListError> {
        let reply = self.list.handle().ask_until(self.ask(), None);
        self.seen(reply.map_err(crate::protocol::ObjectError::from)?)
    }

    /// Waits up to `timeout` for a change since the latest report; none if there was none. Zero does as
    /// [`try_next`](Self::try_next).
    ///
    /// # Errors
    ///
    /// [`ListError::Disconnected`]. An owner that does not answer is no error, but with zero.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<ListChange>, ListError> {
        if timeout.is_zero() {
            return self.try_next();
        }
        let reply = self.list.handle().ask_within(self.ask(), timeout)?;
        reply.map(|reply| self.seen(reply)).transpose()
    }

    /// How the list stands, if it has changed since the latest report. Asks the owner once.
    ///
    /// # Errors
    ///
    /// [`ListError::Disconnected`], [`ListError::Unresponsive`].
    pub fn try_next(&mut self) -> Result<Option<ListChange>, ListError> {
        let seen = self.seen.load(Ordering::Acquire);
        let reply = self.list.ask(Ask::Look)?;
        Ok(Some(self.seen(reply)?).filter(|change| change.version > seen))
    }

    fn ask(&self) -> Ask {
        Ask::Watch { after: self.seen.load(Ordering::Acquire) }
    }

    fn seen(&self, reply: Reply) -> Result<ListChange, ListError> {
        let change = change(reply)?;
        // Ordering: pairs with the loads of whoever waits by `pollable`.
        self.seen.store(change.version, Ordering::Release);
        Ok(change)
    }
}

fn change(reply: Reply) -> Result<ListChange, ListError> {
    match reply {
        Reply::Report { version, len } => Ok(ListChange { version, len: to_usize(len) }),
        _ => Err(ListError::Disconnected),
    }
}

impl<T> Sealed for ListWatch<T> {
    fn pollable(&self) -> Pollable {
        let seen = Arc::clone(&self.seen);
        Asking::pollable(self.list.handle(), move || Ask::Watch { after: seen.load(Ordering::Acquire) })
    }
}

/// Ready when the list has changed since the latest report. Ready too once its owner has ended, for good. It may be named
/// once without a change if its user asked between two waits.
impl<T> Waitable for ListWatch<T> {}
