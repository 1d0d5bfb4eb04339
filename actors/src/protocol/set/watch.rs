//! Being told what comes into a set and what goes.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::Set;
use crate::hook::Poll;
use crate::protocol::dict::{DictError, DictWatchError, Told, Watching};
use crate::protocol::object::Typed;
use crate::wait_any::{Pollable, Sealed, Waitable};

/// One change of a set that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetChange<T> {
    /// What was put in or removed.
    pub member: T,
    /// Whether it is in the set now.
    pub is_member: bool,
}

/// A set, watched since [`Set::watch`] returned.
///
/// All is as with [`DictWatchAll`](crate::DictWatchAll): every change of a member is followed by a report of whether it is there,
/// in the order of the changes; those between may be left out.
pub struct SetWatch<T> {
    watching: Arc<Watching>,
    members: PhantomData<fn() -> T>,
}

impl<T> Set<T> {
    /// Watches the set, from now on. From the first time on each change costs the owner a little more, for good.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    pub fn watch(&self) -> Result<SetWatch<T>, DictError> {
        Ok(SetWatch { watching: Watching::begin(self.handle(), None)?, members: PhantomData })
    }
}

impl<T: DeserializeOwned> SetWatch<T> {
    /// Waits for a change, as long as that takes.
    ///
    /// # Errors
    ///
    /// [`DictWatchError`].
    #[expect(clippy::should_implement_trait, reason = "it waits and fails")]
    pub fn next(&mut self) -> Result<SetChange<T>, DictWatchError> {
        loop {
            if let Some(told) = self.watching.take(None)? {
                return self.change(told);
            }
        }
    }

    /// Waits up to `timeout` for a change; none if there was none. Zero does as [`try_next`](Self::try_next).
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next). An owner that does not answer is no error: no change was seen in time.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<SetChange<T>>, DictWatchError> {
        if timeout.is_zero() {
            return self.try_next();
        }
        let told = self.watching.take(Instant::now().checked_add(timeout))?;
        told.map(|told| self.change(told)).transpose()
    }

    /// A change that has happened by now; none if there was none. Takes one round trip to the owner.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next); [`DictWatchError::Unresponsive`] after 60 s.
    pub fn try_next(&mut self) -> Result<Option<SetChange<T>>, DictWatchError> {
        self.watching.take_now()?.map(|told| self.change(told)).transpose()
    }

    fn change(&self, (member, value): Told) -> Result<SetChange<T>, DictWatchError> {
        let member = self.watching.decoded(&member.unwrap_or_default())?;
        Ok(SetChange { member, is_member: value.is_some() })
    }
}

impl<T> fmt::Debug for SetWatch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SetWatch({})", self.watching.address())
    }
}

impl<T> Sealed for SetWatch<T> {
    fn pollable(&self) -> Pollable {
        Pollable::new(self.watching.runtime(), Arc::clone(&self.watching) as Arc<dyn Poll>)
    }
}

/// Ready when there is a change that was not taken. Ready too once its owner has ended, for good.
impl<T> Waitable for SetWatch<T> {}
