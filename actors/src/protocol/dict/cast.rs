//! Changes of a dict that nobody waits for.

use std::borrow::Borrow;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;

use super::ask::{encoded, fitting, unexpected, within};
use super::error::DictError;
use super::handle::Dict;
use super::owner::DictOwner;
use super::update::Number;
use super::wire::{Ask, Reply, Thrown};
use crate::protocol::object::{Asked, Handle};

/// After so many bytes of casts the owner is asked to say that it has them; after as many again its answer is waited for.
const WINDOW_BYTES: usize = 4 * 1024 * 1024;
/// What one cast counts beside its bytes.
const CAST_BYTES: usize = 64;
/// How long that answer is waited for.
const ROOM_WITHIN: Duration = Duration::from_secs(60);

/// How far a handle's casts may be ahead of the owner: what it has not taken is memory of this process.
#[derive(Default)]
pub(crate) struct Casts(Mutex<Window>);

#[derive(Default)]
struct Window {
    /// Cast since the owner was asked.
    bytes: usize,
    asked: Option<Asked<DictOwner>>,
}

impl Casts {
    /// Sends `thrown`, of so many bytes, when the owner is not too far behind.
    pub(crate) fn send(
        &self,
        handle: &Handle<DictOwner>,
        thrown: Thrown,
        bytes: usize,
    ) -> Result<(), DictError> {
        if handle.peer().is_some_and(|peer| peer.has_ended()) {
            return Err(DictError::Disconnected);
        }
        // Casts of the owner's own node are done when they return.
        if handle.peer().is_some() {
            let mut window = self.0.lock();
            if window.bytes >= WINDOW_BYTES {
                if let Some(asked) = window.asked.take() {
                    asked.wait(Instant::now().checked_add(ROOM_WITHIN))?;
                }
                window.asked = Some(handle.begin(Ask::Confirm));
                window.bytes = 0;
            }
            window.bytes += bytes + CAST_BYTES;
        }
        handle.cast(Ask::Cast(handle.runtime.id, thrown));
        Ok(())
    }

    /// Waits until the owner has all casts of this node.
    pub(crate) fn flush(handle: &Handle<DictOwner>) -> Result<(), DictError> {
        // As long as it takes: an answer that nobody waits for could tell of casts that were refused, and nobody would know.
        match handle.ask_until(Ask::Flush(handle.runtime.id), None)? {
            Reply::Done => Ok(()),
            Reply::Refused(refusal) => Err(refusal.into()),
            other => unexpected(&other),
        }
    }
}

impl<K, V> Dict<K, V> {
    /// Puts a value without waiting for the owner.
    ///
    /// `Ok` means that it is on its way, in order with all else that this node asks of the dict. Whether it was done,
    /// [`flush`](Self::flush) tells. If this process is killed before, it may be gone with it. Casts are many times faster
    /// than calls; only one handle that is 8 MiB ahead of the owner waits until that has caught up.
    ///
    /// # Errors
    ///
    /// [`DictError::Encode`], [`DictError::TooLarge`]; [`DictError::Disconnected`] if the owner is known to have ended;
    /// [`DictError::Unresponsive`] if it has been 8 MiB behind for 60 s. This one is not on its way then.
    pub fn cast_insert(&self, key: K, value: V) -> Result<(), DictError>
    where
        K: Serialize,
        V: Serialize,
    {
        let (key, value) = (encoded(&key)?, encoded(&value)?);
        within([&key, &value])?;
        let bytes = key.len() + value.len();
        self.casts.send(&self.handle, Thrown::Insert(key, value), bytes)
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
        let key = fitting(key)?;
        let bytes = key.len();
        self.casts.send(&self.handle, Thrown::Remove(key), bytes)
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
        let (key, by) = (encoded(key)?, encoded(&number)?);
        within([&key, &by])?;
        let bytes = key.len() + by.len();
        self.casts.send(&self.handle, Thrown::Add(key, V::KIND, by), bytes)
    }

    /// Waits until the owner has everything that this node has cast, by whichever handle, as long as that takes.
    ///
    /// # Errors
    ///
    /// [`DictError::Disconnected`]; [`DictError::Lost`] with the number of casts of this node that were refused since its
    /// last flush, for want of room or because a number would have been out of range. The others have been done.
    pub fn flush(&self) -> Result<(), DictError> {
        Casts::flush(&self.handle)
    }
}
