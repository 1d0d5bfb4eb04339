//! The list as users hold it: many elements at once, functions that its owner runs, and casts.

use std::ops::{Bound, RangeBounds};
use std::time::{Duration, Instant};

use callboard_core::{encode_into, limits};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ListError;
use super::handle::{List, encode};
use super::wire::{Ask, Reply};
use crate::protocol::object::{asked_name, fit_a_message, until_done};
use crate::scratch::with_scratch;

impl<T: DeserializeOwned> List<T> {
    /// Copies of the elements of a range, as they were at one moment. What lies beyond the end is left out.
    ///
    /// # Errors
    ///
    /// [`ListError::TooLarge`] if a message does not hold them: then [`iter`](Self::iter) is the way.
    /// [`ListError::Disconnected`], [`ListError::Unresponsive`]; [`ListError::Decode`] for the first that can't be.
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Result<Vec<T>, ListError> {
        let from = match range.start_bound() {
            Bound::Included(from) => *from as u64,
            Bound::Excluded(before) => (*before as u64).saturating_add(1),
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(last) => (*last as u64).saturating_add(1),
            Bound::Excluded(to) => *to as u64,
            Bound::Unbounded => u64::MAX,
        };
        self.values(Ask::Slice { from, to })
    }

    /// Copies of all elements, as they were at one moment.
    ///
    /// # Errors
    ///
    /// As [`slice`](Self::slice).
    #[doc(alias = "copy")]
    pub fn snapshot(&self) -> Result<Vec<T>, ListError> {
        self.slice(..)
    }

    /// Takes all elements out in one step: each goes to one taker, and none is lost between looking and clearing.
    ///
    /// # Errors
    ///
    /// As [`slice`](Self::slice); after [`ListError::TooLarge`] nothing was taken, after the others all may have been.
    #[doc(alias = "drain")]
    pub fn take_all(&self) -> Result<Vec<T>, ListError> {
        self.values(Ask::TakeAll)
    }

    fn values(&self, ask: Ask) -> Result<Vec<T>, ListError> {
        match self.ask(ask)? {
            Reply::Values(values) => values.iter().map(|bytes| self.decode(bytes)).collect(),
            _ => Err(ListError::Disconnected),
        }
    }
}

impl<T: Serialize + DeserializeOwned> List<T> {
    /// Changes the element at `index` by `change`; what that returns. Nothing comes between: if another was faster, `change`
    /// runs again, on what is at `index` then. So it may run several times and should do nothing else. It runs in this
    /// process, and may be slow or use handles. An element that is the same as encoded changes nothing.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push); [`ListError::OutOfBounds`]; after [`ListError::Decode`] nothing has changed.
    pub fn modify<R>(&self, index: usize, change: impl FnMut(&mut T) -> R) -> Result<R, ListError> {
        self.modify_until(index, None, change)?.ok_or(ListError::Unresponsive)
    }

    /// The same for at most `timeout`; none if others were faster until then, and then nothing was changed by this.
    ///
    /// # Errors
    ///
    /// As [`modify`](Self::modify); [`ListError::Unresponsive`] if the owner has not answered by then: the change may have
    /// been made.
    pub fn modify_timeout<R>(
        &self,
        index: usize,
        timeout: Duration,
        change: impl FnMut(&mut T) -> R,
    ) -> Result<Option<R>, ListError> {
        self.modify_until(index, Instant::now().checked_add(timeout), change)
    }

    fn modify_until<R>(
        &self,
        index: usize,
        deadline: Option<Instant>,
        mut change: impl FnMut(&mut T) -> R,
    ) -> Result<Option<R>, ListError> {
        let at = index as u64;
        let found = match self.ask_by(Ask::Get(at), deadline)? {
            Reply::Value(Some(found)) => found,
            Reply::Value(None) => return Err(ListError::OutOfBounds { index, len: self.len()? }),
            _ => return Err(ListError::Disconnected),
        };
        until_done(found, deadline, |expected| {
            let mut value = self.decode(&expected)?;
            let result = change(&mut value);
            let new = encode(&value)?;
            if new == expected {
                return Ok(Ok(result));
            }
            if !fit_a_message([&expected, &new]) {
                return Err(ListError::TooLarge);
            }
            match self.ask_by(Ask::CompareAndSwap { at, expected, new }, deadline)? {
                Reply::Done => Ok(Ok(result)),
                Reply::Value(Some(found)) => Ok(Err(found)),
                _ => Err(ListError::Disconnected),
            }
        })
    }
}

impl<T> List<T> {
    /// Has the owner run the [function](crate::ListOptions::function) of that name on the element at `index`, and put what
    /// it returns in its place; the function's result. Nothing comes between.
    ///
    /// # Errors
    ///
    /// [`ListError::Function`] if there is none of that name, if it panics, or if its types are others;
    /// [`ListError::OutOfBounds`]; [`ListError::Full`] or [`ListError::TooLarge`] for what it returns;
    /// [`ListError::Encode`] for `args`. Then nothing was changed. [`ListError::Decode`] if its result is no `R`: then it was.
    /// [`ListError::Disconnected`], [`ListError::Unresponsive`].
    pub fn update<A, R>(&self, index: usize, name: &str, args: A) -> Result<R, ListError>
    where
        A: Serialize,
        R: DeserializeOwned,
    {
        self.result(Ask::Update { at: index as u64, name: asked_name(name)?, args: encode(&args)? })
    }

    /// Has the owner run the [function](crate::ListOptions::list_function) of that name on all elements, and put what it
    /// returns in their place; the function's result. Nothing comes between.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    #[doc(alias = "sort")]
    pub fn apply<A, R>(&self, name: &str, args: A) -> Result<R, ListError>
    where
        A: Serialize,
        R: DeserializeOwned,
    {
        self.result(Ask::Apply { name: asked_name(name)?, args: encode(&args)? })
    }

    fn result<R: DeserializeOwned>(&self, ask: Ask) -> Result<R, ListError> {
        match self.ask(ask)? {
            Reply::Value(Some(result)) => self.decode(&result),
            _ => Err(ListError::Disconnected),
        }
    }

    /// Appends `value` without waiting for the owner.
    ///
    /// `Ok` means that it is on its way, in order with all else that this node asks of the list; what becomes of it
    /// [`flush`](Self::flush) tells. If this process is killed before, it may be gone with it. While 8 MiB wait on this node
    /// for the owner's, which does not keep up, a cast waits until the owner has them.
    ///
    /// # Errors
    ///
    /// [`ListError::Encode`], [`ListError::TooLarge`]; [`ListError::Disconnected`] if the owner is known to have ended;
    /// [`ListError::Unresponsive`] if it has been so far behind for 60 s. This one is not on its way then.
    pub fn cast_push(&self, value: T) -> Result<(), ListError>
    where
        T: Serialize,
    {
        with_scratch(|bytes| {
            encode_into(&value, bytes).map_err(ListError::Encode)?;
            if bytes.len() > limits::MAX_VALUE_BYTES {
                return Err(ListError::TooLarge);
            }
            Ok(self.handle.throw(bytes)?)
        })
    }

    /// Waits until the owner has all that this node has cast, by any thread and handle, as long as that takes.
    ///
    /// # Errors
    ///
    /// [`ListError::Lost`] with the number of casts of this node that were refused since its last flush, for want of room.
    /// Each is told once, or twice to threads that flush at the same time; the others have been done.
    /// [`ListError::Disconnected`]: what was cast is gone with the list.
    pub fn flush(&self) -> Result<(), ListError> {
        self.handle.flush(None, ListError::Lost)
    }

    /// The same for at most `timeout`.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush); [`ListError::Unresponsive`] if the owner has not answered by then: another flush tells all that
    /// this one would have told.
    pub fn flush_timeout(&self, timeout: Duration) -> Result<(), ListError> {
        self.handle.flush(Instant::now().checked_add(timeout), ListError::Lost)
    }
}
