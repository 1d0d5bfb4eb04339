//! The list as users hold it: many elements at once, functions that its owner runs, and casts.

use std::ops::{Bound, RangeBounds};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ListError;
use super::handle::{List, encode};
use super::wire::{Ask, Reply};
use crate::protocol::object::asked_name;

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

    /// Appends `value` without waiting for the owner. It is on its way when this returns, in order with all else from this
    /// process; what becomes of it [`flush`](Self::flush) says.
    ///
    /// # Errors
    ///
    /// [`ListError::Encode`], [`ListError::TooLarge`]; [`ListError::Full`] if 64 MiB wait on this node for the owner's, which
    /// does not read. That the owner has ended is told by `flush`.
    pub fn cast_push(&self, value: T) -> Result<(), ListError>
    where
        T: Serialize,
    {
        let value = encode(&value)?;
        if self.handle.is_congested() {
            return Err(ListError::Full);
        }
        self.handle.cast(Ask::CastPush { of: self.handle.runtime.id, value });
        Ok(())
    }

    /// Waits until the owner has all that this node has [cast](Self::cast_push), by any thread; how many of those the list
    /// had no room for. Each is told once, or twice to threads that flush at the same time.
    ///
    /// # Errors
    ///
    /// [`ListError::Disconnected`]: what was cast is gone with the list. [`ListError::Unresponsive`].
    pub fn flush(&self) -> Result<u64, ListError> {
        let of = self.handle.runtime.id;
        let Reply::Refused(refused) = self.ask(Ask::Casts(of))? else {
            return Err(ListError::Disconnected);
        };
        if refused.news() > 0 {
            self.handle.cast(Ask::Told { of, total: refused.total });
        }
        Ok(refused.news())
    }
}
