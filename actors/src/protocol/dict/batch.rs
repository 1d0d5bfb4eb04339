//! Changes of a dict on conditions: of one key, and of several in one step.

use std::borrow::Borrow;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

use super::ask::{encoded, fitting, unexpected, within};
use super::error::DictError;
use super::handle::Dict;
use super::wire::{Ask, Changes, Reply};
use crate::protocol::object::{Swap, until_done};

impl<K, V> Dict<K, V> {
    /// Changes the value of a key to `new` if it is `expected`, in one step; otherwise tells what is there. None stands for no
    /// entry: as `expected` it asks for an absent key, as `new` it removes.
    ///
    /// Values are compared as encoded: a `NaN` is equal to itself, and a value with a `HashMap` in it may differ from
    /// an equal one.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert). [`DictError::Decode`] is about what is there; nothing has changed then.
    pub fn compare_and_swap<Q>(
        &self,
        key: &Q,
        expected: Option<&V>,
        new: Option<V>,
    ) -> Result<Swap<Option<V>>, DictError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
        V: Serialize + DeserializeOwned,
    {
        let key = encoded(key)?;
        let expected = expected.map(encoded).transpose()?;
        let new = new.as_ref().map(encoded).transpose()?;
        within([Some(&key), expected.as_ref(), new.as_ref()].into_iter().flatten())?;
        match self.handle.question(Ask::Swap { key, expected, new, keeps_end: false })? {
            Reply::Done => Ok(Swap::Done),
            Reply::Value(found) => {
                Ok(Swap::Differs(found.map(|bytes| self.handle.decoded(&bytes)).transpose()?))
            }
            other => unexpected(&other),
        }
    }

    /// Changes the value of a key by `change`, which is given what is there, none if nothing is, and leaves what shall be
    /// there; what it returns. Nothing comes between: if another was faster, `change` runs again, on what that one left. So
    /// it may run several times and should do nothing else. It runs in this process, and may be slow or use handles.
    ///
    /// A time that the entry had stays. A value that is the same as encoded changes nothing.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let node = callboard::Node::start()?;
    /// let scores: callboard::Dict<String, Vec<u64>> = node.open("/scores")?;
    /// scores.modify("anna", |scores| scores.get_or_insert_default().retain(|score| *score > 10))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert), but after [`DictError::Decode`] nothing has changed.
    pub fn modify<Q, R>(&self, key: &Q, change: impl FnMut(&mut Option<V>) -> R) -> Result<R, DictError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
        V: Serialize + DeserializeOwned,
    {
        self.modify_until(key, None, change)?.ok_or(DictError::Unresponsive)
    }

    /// The same for at most `timeout`; none if others were faster until then, and then nothing was changed by this.
    ///
    /// # Errors
    ///
    /// As [`modify`](Self::modify); [`DictError::Unresponsive`] if the owner has not answered by then: the change may have
    /// been made.
    pub fn modify_timeout<Q, R>(
        &self,
        key: &Q,
        timeout: Duration,
        change: impl FnMut(&mut Option<V>) -> R,
    ) -> Result<Option<R>, DictError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
        V: Serialize + DeserializeOwned,
    {
        self.modify_until(key, Instant::now().checked_add(timeout), change)
    }

    fn modify_until<Q, R>(
        &self,
        key: &Q,
        deadline: Option<Instant>,
        mut change: impl FnMut(&mut Option<V>) -> R,
    ) -> Result<Option<R>, DictError>
    where
        Q: Serialize + ?Sized,
        V: Serialize + DeserializeOwned,
    {
        let key = fitting(key)?;
        let Reply::Value(found) = self.handle.question_by(Ask::Get(key.clone()), deadline)? else {
            return Err(DictError::Disconnected);
        };
        until_done(found, deadline, |expected| {
            let mut value = expected.as_ref().map(|bytes| self.handle.decoded(bytes)).transpose()?;
            let result = change(&mut value);
            let new = value.as_ref().map(encoded).transpose()?;
            if new == expected {
                return Ok(Ok(result));
            }
            within([Some(&key), expected.as_ref(), new.as_ref()].into_iter().flatten())?;
            let ask = Ask::Swap { key: key.clone(), expected, new, keeps_end: true };
            match self.handle.question_by(ask, deadline)? {
                Reply::Done => Ok(Ok(result)),
                Reply::Value(found) => Ok(Err(found)),
                other => unexpected(&other),
            }
        })
    }

    /// Begins a batch: changes that are made together in one step, if all is as they expect.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let node = callboard::Node::start()?;
    /// let accounts: callboard::Dict<String, u64> = node.open("/accounts")?;
    /// let (a, b) = (accounts.get("a")?.unwrap_or(0), accounts.get("b")?.unwrap_or(0));
    /// let moved = accounts
    ///     .batch()
    ///     .expect("a", Some(&a))
    ///     .expect("b", Some(&b))
    ///     .insert("a".to_owned(), a - 5)
    ///     .insert("b".to_owned(), b + 5)
    ///     .apply()?;
    /// # let _ = moved;
    /// # Ok(())
    /// # }
    /// ```
    pub fn batch(&self) -> Batch<'_, K, V> {
        Batch { dict: self, expected: Vec::new(), changes: Vec::new(), error: None }
    }
}

/// Changes of a dict that are made all or not at all; see [`Dict::batch`].
#[derive(Debug)]
#[must_use = "nothing is done before `apply`"]
pub struct Batch<'a, K, V> {
    dict: &'a Dict<K, V>,
    expected: Changes,
    changes: Changes,
    /// The first that went wrong.
    error: Option<DictError>,
}

impl<K, V> Batch<'_, K, V> {
    /// Puts a value.
    pub fn insert(mut self, key: K, value: V) -> Self
    where
        K: Serialize,
        V: Serialize,
    {
        match pair(&key, Some(&value)) {
            Ok(change) => self.changes.push(change),
            Err(error) => self.failed(error),
        }
        self
    }

    /// Removes a key, if it is there.
    pub fn remove<Q>(mut self, key: &Q) -> Self
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        match pair(key, None::<&()>) {
            Ok(change) => self.changes.push(change),
            Err(error) => self.failed(error),
        }
        self
    }

    /// Expects that a key has this value before the batch, or with none that it is not there. Values are compared as encoded.
    pub fn expect<Q>(mut self, key: &Q, value: Option<&V>) -> Self
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
        V: Serialize,
    {
        match pair(key, value) {
            Ok(expected) => self.expected.push(expected),
            Err(error) => self.failed(error),
        }
        self
    }

    fn failed(&mut self, error: DictError) {
        self.error.get_or_insert(error);
    }

    /// Makes the changes in their order, in one step, if all is as expected; whether it was. There must be room for what is
    /// there after it.
    ///
    /// # Errors
    ///
    /// As [`Dict::insert`], also for what was given to the methods before; then nothing has changed.
    /// [`DictError::TooLarge`] if the batch is more than 256 MiB.
    pub fn apply(self) -> Result<bool, DictError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let Self { dict, expected, changes, .. } = self;
        let parts = expected.iter().chain(&changes).flat_map(|(key, value)| [Some(key), value.as_ref()]);
        within(parts.flatten())?;
        match dict.handle.question(Ask::Batch { expected, changes })? {
            Reply::Count(_) => Ok(true),
            Reply::Is(false) => Ok(false),
            other => unexpected(&other),
        }
    }
}

fn pair<Q, V>(key: &Q, value: Option<&V>) -> Result<(ByteBuf, Option<ByteBuf>), DictError>
where
    Q: Serialize + ?Sized,
    V: Serialize,
{
    Ok((encoded(key)?, value.map(encoded).transpose()?))
}
