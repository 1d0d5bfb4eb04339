//! Changes of a dict that nobody waits for.

use std::borrow::Borrow;
use std::time::{Duration, Instant};

use callboard_core::{encode_into, limits, push_encoded};
use serde::Serialize;

use super::error::DictError;
use super::handle::Dict;
use super::owner::DictOwner;
use super::update::Number;
use super::wire::Operator;
use crate::protocol::object::Handle;
use crate::scratch::with_scratch;

/// Casts an operation on a key, with the value it takes, if any.
pub(crate) fn throw<Q, V>(
    handle: &Handle<DictOwner>,
    operator: Operator,
    key: &Q,
    value: Option<&V>,
) -> Result<(), DictError>
where
    Q: Serialize + ?Sized,
    V: Serialize,
{
    with_scratch(|cast| {
        cast.push(operator.mark());
        let mut bytes = push_encoded(cast, key).map_err(DictError::Encode)?;
        if let Some(value) = value {
            bytes += encode_into(value, cast).map_err(DictError::Encode)?;
        }
        if bytes > limits::MAX_VALUE_BYTES {
            return Err(DictError::TooLarge);
        }
        Ok(handle.throw(cast)?)
    })
}

impl<K, V> Dict<K, V> {
    /// Puts a value without waiting for the owner.
    ///
    /// `Ok` means that it is on its way, in order with all else that this node asks of the dict. Whether it was done,
    /// [`flush`](Self::flush) tells. If this process is killed before, it may be gone with it. Casts are many times faster
    /// than calls. While 8 MiB wait on this node for the owner's, which does not keep up, a cast waits until the owner has
    /// them.
    ///
    /// # Errors
    ///
    /// [`DictError::Encode`], [`DictError::TooLarge`]; [`DictError::Disconnected`] if the owner is known to have ended;
    /// [`DictError::Unresponsive`] if it has been so far behind for 60 s. This one is not on its way then.
    pub fn cast_insert(&self, key: K, value: V) -> Result<(), DictError>
    where
        K: Serialize,
        V: Serialize,
    {
        throw(&self.handle, Operator::Insert, &key, Some(&value))
    }

    /// Removes a key without waiting for the owner; see [`cast_insert`](Self::cast_insert).
    ///
    /// # Errors
    ///
    /// As [`cast_insert`](Self::cast_insert).
    pub fn cast_remove<Q>(&self, key: &Q) -> Result<(), DictError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        throw(&self.handle, Operator::Remove, key, None::<&()>)
    }

    /// Adds to the number of a key without waiting for the owner; see [`cast_insert`](Self::cast_insert) and
    /// [`add`](Self::add).
    ///
    /// # Errors
    ///
    /// As [`cast_insert`](Self::cast_insert).
    pub fn cast_add<Q>(&self, key: &Q, number: V) -> Result<(), DictError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
        V: Number,
    {
        throw(&self.handle, Operator::Add(V::KIND), key, Some(&number))
    }

    /// Waits until the owner has all that this node has cast, by any thread and handle, as long as that takes.
    ///
    /// # Errors
    ///
    /// [`DictError::Lost`] with the number of casts of this node that were refused since its last flush, for want of room or because a number would have been out of range.
    /// Each is told once, or twice to threads that flush at the same time; the others have been done.
    /// [`DictError::Disconnected`]: what was cast is gone with the dict.
    pub fn flush(&self) -> Result<(), DictError> {
        self.handle.flush(None, DictError::Lost)
    }

    /// The same for at most `timeout`.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush); [`DictError::Unresponsive`] if the owner has not answered by then: another flush tells all that
    /// this one would have told.
    pub fn flush_timeout(&self, timeout: Duration) -> Result<(), DictError> {
        self.handle.flush(Instant::now().checked_add(timeout), DictError::Lost)
    }
}
