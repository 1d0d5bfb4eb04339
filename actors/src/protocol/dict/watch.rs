//! Watching a dict: one key, or all.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_core::{Address, BodyError};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

use super::ask::{decoded, fitting, unexpected};
use super::error::{DictError, DictWatchError};
use super::handle::Dict;
use super::owner::DictOwner;
use super::wire::{Ask, Reply, Scope};
use crate::hook::{Hook, Hooks, Poll};
use crate::peer::Peer;
use crate::protocol::object::{Asked, Handle};
use crate::runtime::Runtime;
use crate::standing::Sought;
use crate::wait_any::{Pollable, Sealed, Waitable};

/// A change as it travels: the key, where all are watched, and its value now.
pub(crate) type Told = (Option<ByteBuf>, Option<ByteBuf>);

/// That something watched has changed.
pub(crate) struct Watching {
    handle: Handle<DictOwner>,
    /// None: all keys.
    key: Option<ByteBuf>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number of the latest change that has come here.
    since: u64,
    /// The wait that the owner has heard of.
    asked: Option<Asked<DictOwner>>,
    /// Those who wait for its answer.
    hooks: Hooks,
    /// What has come and was not taken.
    told: VecDeque<Result<Told, DictWatchError>>,
}

impl Watching {
    pub(crate) fn begin(handle: &Handle<DictOwner>, key: Option<ByteBuf>) -> Result<Arc<Self>, DictError> {
        let scope = if key.is_some() { Scope::One } else { Scope::All };
        let since = match handle.question(Ask::BeginWatch(scope))? {
            Reply::Count(since) => since,
            other => return unexpected(&other),
        };
        let state = Mutex::new(State { since, ..State::default() });
        Ok(Arc::new(Self { handle: handle.clone(), key, state }))
    }

    fn question(&self, since: u64, wait: bool) -> Ask {
        match &self.key {
            Some(key) => Ask::Watch { key: key.clone(), since, wait },
            None => Ask::DictWatchAll { since, wait },
        }
    }

    /// Waits for a change and takes it; none at `deadline`.
    pub(crate) fn take(&self, deadline: Option<Instant>) -> Result<Option<Told>, DictWatchError> {
        loop {
            if !self.handle.runtime.wait_until(self, deadline) {
                return Ok(None);
            }
            // Another wait for the same watch may have been taken back just now.
            if let Some(told) = self.state.lock().told.pop_front() {
                return told.map(Some);
            }
        }
    }

    /// A change that has happened by now, which the owner is asked.
    pub(crate) fn take_now(&self) -> Result<Option<Told>, DictWatchError> {
        let since = {
            let mut state = self.state.lock();
            if state.told.is_empty()
                && state.hooks.len() == 0
                && let Some(Ok(reply)) = state.asked.take().map(|asked| asked.wait(Some(Instant::now())))
            {
                state.heard(Ok(reply));
            }
            if let Some(told) = state.told.pop_front() {
                return told.map(Some);
            }
            state.since
        };
        let reply =
            self.handle.ask(self.question(since, false)).map_err(|error| match DictError::from(error) {
                DictError::Unresponsive => DictWatchError::Unresponsive,
                _ => DictWatchError::Disconnected,
            });
        let mut state = self.state.lock();
        state.heard(reply);
        state.told.pop_front().transpose()
    }
}

impl State {
    /// Notes what the owner said, unless that is known.
    fn heard(&mut self, reply: Result<Reply, DictWatchError>) {
        match reply {
            Ok(Reply::Report { version, value }) if version > self.since => {
                self.since = version;
                self.told.push_back(Ok((None, value)));
            }
            Ok(Reply::Changes { version, changes }) if version > self.since => {
                self.since = version;
                self.told.extend(changes.into_iter().map(|(key, value)| Ok((Some(key), value))));
            }
            Ok(Reply::Lagged { version }) if version > self.since => {
                self.since = version;
                self.told.push_back(Err(DictWatchError::Lagged));
            }
            Ok(Reply::Report { .. } | Reply::Changes { .. } | Reply::Lagged { .. } | Reply::Unchanged) => {}
            Ok(_) => self.told.push_back(Err(DictWatchError::Disconnected)),
            Err(error) => self.told.push_back(Err(error)),
        }
    }
}

impl Poll for Watching {
    fn sought(&self) -> Sought {
        Sought { part: "a change of", ..self.handle.sought() }
    }

    fn poll(&self, hook: &Hook) -> bool {
        let mut state = self.state.lock();
        // What an answer tells may be known already: then the owner is asked again.
        while state.told.is_empty() {
            let since = state.since;
            let asked = state.asked.get_or_insert_with(|| self.handle.begin(self.question(since, true)));
            if !asked.poll(hook) {
                state.hooks.add(hook);
                return false;
            }
            // All of them have been notified.
            state.hooks.take();
            if let Some(asked) = state.asked.take() {
                // It is there: this does not wait.
                state.heard(asked.wait(None).map_err(DictWatchError::from));
            }
        }
        true
    }

    fn forget(&self, hook: &Hook) {
        let mut state = self.state.lock();
        state.hooks.remove(hook);
        if let Some(asked) = &state.asked {
            asked.forget(hook);
        }
        // Another wait may rely on it.
        if state.hooks.len() == 0 {
            state.asked = None;
        }
    }

    fn peer(&self) -> Option<&Arc<Peer>> {
        self.handle.peer()
    }
}

impl<K, V> Dict<K, V> {
    /// Watches one key, from now on.
    ///
    /// # Errors
    ///
    /// As [`contains_key`](Self::contains_key).
    pub fn watch<Q>(&self, key: &Q) -> Result<DictWatch<V>, DictError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let watching = Watching::begin(&self.handle, Some(fitting(key)?))?;
        Ok(DictWatch { watching, values: PhantomData })
    }

    /// Watches all keys, from now on. From the first time on each change costs the owner a little more, for good.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    pub fn watch_all(&self) -> Result<DictWatchAll<K, V>, DictError> {
        Ok(DictWatchAll { watching: Watching::begin(&self.handle, None)?, types: PhantomData })
    }
}

/// One key of a dict, watched since [`Dict::watch`] returned.
///
/// Every change is followed by a report of what is there then. Several changes in a row may be followed by a single report: the
/// last value always comes, those between may not. A report may say what the one before said: the key was changed and changed
/// back, or so many other keys were removed that the owner does not know.
pub struct DictWatch<V> {
    watching: Arc<Watching>,
    values: PhantomData<fn() -> V>,
}

impl<V: DeserializeOwned> DictWatch<V> {
    /// Waits for a change, as long as that takes; the value then, none if the key is not there.
    ///
    /// # Errors
    ///
    /// [`DictWatchError`], but never [`DictWatchError::Lagged`].
    #[expect(clippy::should_implement_trait, reason = "it waits and fails")]
    pub fn next(&mut self) -> Result<Option<V>, DictWatchError> {
        loop {
            if let Some(value) = self.next_until(None)? {
                return Ok(value);
            }
        }
    }

    /// Waits up to `timeout` for a change; none if there was none, `Some(None)` if the key is not there. Zero does as
    /// [`try_next`](Self::try_next).
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next). An owner that does not answer is no error: no change was seen in time.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<Option<V>>, DictWatchError> {
        if timeout.is_zero() {
            return self.try_next();
        }
        self.next_until(Instant::now().checked_add(timeout))
    }

    /// A change that has happened by now; none if there was none. Takes one round trip to the owner.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next); [`DictWatchError::Unresponsive`] after 60 s.
    pub fn try_next(&mut self) -> Result<Option<Option<V>>, DictWatchError> {
        self.watching.take_now()?.map(|told| self.value(told)).transpose()
    }

    fn next_until(&self, deadline: Option<Instant>) -> Result<Option<Option<V>>, DictWatchError> {
        self.watching.take(deadline)?.map(|told| self.value(told)).transpose()
    }

    fn value(&self, (_, value): Told) -> Result<Option<V>, DictWatchError> {
        value.map(|bytes| self.watching.decoded(&bytes)).transpose()
    }
}

/// One change of a dict that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DictChange<K, V> {
    /// The key that has changed.
    pub key: K,
    /// Its value; none if it was removed.
    pub value: Option<V>,
}

/// All keys of a dict, watched since [`Dict::watch_all`] returned.
///
/// Changes come in the order in which they were made. Every change of a key is followed by a report of its last value or of its
/// removal; those between may be left out. The owner remembers the latest 1,024 removals: a watch that is further behind is told
/// [`DictWatchError::Lagged`] and goes on with what happens after that.
pub struct DictWatchAll<K, V> {
    watching: Arc<Watching>,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: DeserializeOwned, V: DeserializeOwned> DictWatchAll<K, V> {
    /// Waits for a change, as long as that takes.
    ///
    /// # Errors
    ///
    /// [`DictWatchError`].
    #[expect(clippy::should_implement_trait, reason = "it waits and fails")]
    pub fn next(&mut self) -> Result<DictChange<K, V>, DictWatchError> {
        loop {
            if let Some(change) = self.next_until(None)? {
                return Ok(change);
            }
        }
    }

    /// Waits up to `timeout` for a change; none if there was none. Zero does as [`try_next`](Self::try_next).
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next). An owner that does not answer is no error: no change was seen in time.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<Option<DictChange<K, V>>, DictWatchError> {
        if timeout.is_zero() {
            return self.try_next();
        }
        self.next_until(Instant::now().checked_add(timeout))
    }

    /// A change that has happened by now; none if there was none. Takes one round trip to the owner.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next); [`DictWatchError::Unresponsive`] after 60 s.
    pub fn try_next(&mut self) -> Result<Option<DictChange<K, V>>, DictWatchError> {
        self.watching.take_now()?.map(|told| self.change(told)).transpose()
    }

    fn next_until(&self, deadline: Option<Instant>) -> Result<Option<DictChange<K, V>>, DictWatchError> {
        self.watching.take(deadline)?.map(|told| self.change(told)).transpose()
    }

    fn change(&self, (key, value): Told) -> Result<DictChange<K, V>, DictWatchError> {
        let key = self.watching.decoded(&key.unwrap_or_default())?;
        Ok(DictChange { key, value: value.map(|bytes| self.watching.decoded(&bytes)).transpose()? })
    }
}

impl Watching {
    pub(crate) fn decoded<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, DictWatchError> {
        let value: Result<T, BodyError> = decoded(&self.handle.runtime, bytes);
        value.map_err(DictWatchError::Decode)
    }

    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.handle.runtime
    }

    pub(crate) fn address(&self) -> Address {
        self.handle.address
    }
}

impl<V> fmt::Debug for DictWatch<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DictWatch({})", self.watching.handle.address)
    }
}

impl<K, V> fmt::Debug for DictWatchAll<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DictWatchAll({})", self.watching.handle.address)
    }
}

impl<V> Sealed for DictWatch<V> {
    fn pollable(&self) -> Pollable {
        Pollable::new(&self.watching.handle.runtime, Arc::clone(&self.watching) as Arc<dyn Poll>)
    }
}

/// Ready when there is a change that was not taken. Ready too once its owner has ended, for good.
impl<V> Waitable for DictWatch<V> {}

impl<K, V> Sealed for DictWatchAll<K, V> {
    fn pollable(&self) -> Pollable {
        Pollable::new(&self.watching.handle.runtime, Arc::clone(&self.watching) as Arc<dyn Poll>)
    }
}

/// Ready when there is a change that was not taken. Ready too once its owner has ended, for good.
impl<K, V> Waitable for DictWatchAll<K, V> {}
