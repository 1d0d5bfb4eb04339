//! The queue as users hold it.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_core::{Address, decode, limits};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::consumer::NoItem;
use super::error::{GetError, NotPut, PutError, QueueError, TryGetError};
use super::face::QueueFace;
use super::kind::{self, ByPriority, Fifo, Kind, Lifo, Sealed};
use super::lease::{DeadLetter, Lease};
use super::producer::{self, Load, ROUND_TRIP, Refused};
use super::wire::{Length, Reply, Terms, ToOwner};
use crate::parcel::Rights;
use crate::process::entry::MAX_RIGHTS;
use crate::runtime::Runtime;
use crate::scope;
use crate::scratch::with_scratch;

/// A queue of `T` between any threads of any processes of a job; each item goes to one getter.
///
/// The handle is a plain value: clone it, pass it to a child, put it into another queue. All work on the same queue,
/// which lives in the process that created it until that process ends.
///
/// Items of one producer keep their order. Only an item that came back may come after later ones: from a lease, from a
/// consumer that was killed, or from one that had prefetched it and did not take it while others waited. Once
/// [`closed`](Self::close), getters drain it and then see the end of the stream; no item is ever a mark for it.
///
/// Source: `Queue` and `JoinableQueue` of Python's `multiprocessing`.
///
/// `K` says which item is next: the first that was put, unless it is a [`LifoQueue`] or a [`PriorityQueue`].
pub struct Queue<T, K = Fifo> {
    pub(super) face: Arc<QueueFace>,
    items: PhantomData<fn(T, K) -> T>,
}

/// A queue whose next item is the last that was put. Nothing is prefetched, so each get is a round trip to the owner, and one
/// that waits gets the item that is next when it comes.
///
/// Source: `LifoQueue` of Python's `queue`.
pub type LifoQueue<T> = Queue<T, Lifo>;

/// A queue of pairs of a priority and something else. Next is that with the lowest priority; of several the first that was
/// put. As with a [`LifoQueue`] nothing is prefetched. While it is full, what waits for room comes in as it was put,
/// whatever its priority.
///
/// Source: `PriorityQueue` of Python's `queue`.
pub type PriorityQueue<T> = Queue<(i64, T), ByPriority>;

impl<T, K> Clone for Queue<T, K> {
    fn clone(&self) -> Self {
        Self { face: Arc::clone(&self.face), items: PhantomData }
    }
}

impl<T, K: Sealed> fmt::Debug for Queue<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}<{}>({})", K::NAME, std::any::type_name::<T>(), self.face.address)
    }
}

impl<T: Serialize, K: Kind<T>> Queue<T, K> {
    /// Puts `item` at the tail, waiting for room.
    ///
    /// `Ok` means the item is on its way: the owner has it after [`flush`](Self::flush), and after the join of the
    /// child that put it. If this process is killed before, the item may be gone with it.
    ///
    /// Items are MessagePack, of less than 256 MiB each. It can't tell `Some(None)` or `Some(())` from `None`. A
    /// `Vec<u8>` is encoded number by number, about a hundred times slower than bytes, unless `serde_bytes` wraps it:
    /// as its `ByteBuf`, or by `#[serde(with = "serde_bytes")]` on a field.
    ///
    /// # Errors
    ///
    /// Each hands `item` back: [`PutError::Closed`], [`PutError::Disconnected`], [`PutError::TooLarge`],
    /// [`PutError::Encode`].
    pub fn put(&self, item: T) -> Result<(), PutError<T>> {
        self.put_until(item, None)
    }

    /// Puts `item` at the tail if there is room now.
    ///
    /// It may take one round trip to the owner, of a second at most.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put); [`PutError::Full`] if there is no room; [`PutError::Unresponsive`] if the owner
    /// does not answer, and then the item may have been put.
    #[doc(alias = "put_nowait")]
    pub fn try_put(&self, item: T) -> Result<(), PutError<T>> {
        self.put_until(item, Some(Instant::now()))
    }

    /// Puts `item` at the tail, waiting up to `timeout` for room; zero asks once, as [`try_put`](Self::try_put). If the
    /// owner does not answer it takes a second more.
    ///
    /// # Errors
    ///
    /// As [`try_put`](Self::try_put); [`PutError::Full`] after `timeout`.
    pub fn put_timeout(&self, item: T, timeout: Duration) -> Result<(), PutError<T>> {
        self.put_until(item, Instant::now().checked_add(timeout))
    }

    /// Puts `item` at the tail, waiting for room, and waits until the owner has it, as long as that takes.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put). After [`PutError::Disconnected`] the item may have reached the owner before its end.
    pub fn put_confirmed(&self, item: T) -> Result<(), PutError<T>> {
        self.put_encoded(&item, None, true).map_err(|why| why.with(item))
    }

    /// Puts the items of an iterator at the tail, waiting for room; how many there were.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put), for the first item that could not be put. Those before it have been.
    pub fn put_many(&self, items: impl IntoIterator<Item = T>) -> Result<usize, PutError<T>> {
        let mut count = 0;
        for item in items {
            self.put(item)?;
            count += 1;
        }
        Ok(count)
    }

    fn put_until(&self, item: T, deadline: Option<Instant>) -> Result<(), PutError<T>> {
        self.put_encoded(&item, deadline, false).map_err(|why| why.with(item))
    }

    fn put_encoded(&self, item: &T, deadline: Option<Instant>, confirm: bool) -> Result<(), NotPut> {
        let QueueFace { runtime, plain, .. } = &*self.face;
        with_scratch(|scratch| {
            let mut departing = RefCell::default();
            scope::collect_into(&departing, || kind::encode::<T, K>(item, scratch))
                .map_err(NotPut::Encode)?;
            let departing = departing.get_mut();
            if scratch.len() > limits::MAX_VALUE_BYTES || departing.count() > MAX_RIGHTS {
                return Err(NotPut::Refused(Refused::TooLarge));
            }
            let rights = departing.rights().map_err(NotPut::Encode)?;
            let put = producer::put(runtime, plain, &Load { bytes: scratch, rights }, deadline);
            if put.is_ok() || put.is_err_and(|why| !why.is_certain()) {
                departing.all_depart();
            }
            put.map_err(NotPut::Refused)
        })?;
        if confirm {
            return match self.confirm(None) {
                Ok(()) => Ok(()),
                Err(QueueError::Disconnected) => Err(NotPut::Refused(Refused::Disconnected)),
                Err(QueueError::Unresponsive) => Err(NotPut::Refused(Refused::Unresponsive)),
            };
        }
        Ok(())
    }
}

impl<T: DeserializeOwned, K: Kind<T>> Queue<T, K> {
    /// Takes the item at the head, waiting for one.
    ///
    /// From when it returns the item is the caller's: if this process is killed, it is gone with it. Who needs more
    /// takes a [`lease`](Self::lease).
    ///
    /// # Errors
    ///
    /// [`GetError::Closed`] once the queue is closed and drained; [`GetError::Disconnected`]; [`GetError::Decode`];
    /// [`GetError::TooManyQueues`].
    pub fn get(&self) -> Result<T, GetError> {
        self.get_until(None)
    }

    /// Takes the item at the head if there is one now.
    ///
    /// It may take one round trip to the owner, of a second at most.
    ///
    /// # Errors
    ///
    /// [`TryGetError`].
    #[doc(alias = "get_nowait")]
    pub fn try_get(&self) -> Result<T, TryGetError> {
        let QueueFace { runtime, plain, .. } = &*self.face;
        with_scratch(|scratch| {
            let taken = plain.try_get(runtime, scratch, Terms::Taken)?;
            self.decode_with(scratch, taken.rights).map_err(TryGetError::Decode)
        })
    }

    /// Takes the item at the head, waiting up to `timeout` for one. Zero asks the owner once, for up to a second.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); [`GetError::TimedOut`] after `timeout`, also if the owner does not answer.
    pub fn get_timeout(&self, timeout: Duration) -> Result<T, GetError> {
        if timeout.is_zero() {
            return self.try_get().map_err(|error| match error {
                TryGetError::Empty | TryGetError::Unresponsive => GetError::TimedOut,
                TryGetError::Closed => GetError::Closed,
                TryGetError::Disconnected => GetError::Disconnected,
                TryGetError::Decode(error) => GetError::Decode(error),
                TryGetError::TooManyQueues => GetError::TooManyQueues,
            });
        }
        self.get_until(Instant::now().checked_add(timeout))
    }

    /// Takes up to `max` items, waiting for the first one only, and asking the owner once for the rest. None if `max`
    /// is zero.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), for the first item. A later one that can't be decoded is passed over, which a line on
    /// standard error says.
    pub fn get_many(&self, max: usize) -> Result<Vec<T>, GetError> {
        let mut items = Vec::new();
        if max == 0 {
            return Ok(items);
        }
        items.push(self.get()?);
        self.take_here(max, &mut items);
        if items.len() < max {
            let QueueFace { runtime, plain, .. } = &*self.face;
            plain.fetch(runtime, (max - items.len()) as u64);
            self.take_here(max, &mut items);
        }
        Ok(items)
    }

    /// All items until the queue is closed and drained. An item that can't be decoded is passed over, and with the
    /// owner's node the items end; either is told by a line on standard error. Whoever must know calls
    /// [`get`](Self::get).
    pub fn iter(&self) -> Iter<'_, T, K> {
        Iter { queue: self }
    }

    /// Takes what is here without asking anybody, up to `max` items with those there are.
    fn take_here(&self, max: usize, items: &mut Vec<T>) {
        let QueueFace { runtime, plain, .. } = &*self.face;
        while items.len() < max {
            let item = with_scratch(|scratch| {
                let taken = plain.get_here(runtime, scratch, Terms::Taken)?;
                Some(self.decode_with(scratch, taken.rights))
            });
            match item {
                Some(Ok(item)) => items.push(item),
                Some(Err(error)) => self.complain(&GetError::Decode(error), "passes an item over"),
                None => return,
            }
        }
    }

    fn get_until(&self, deadline: Option<Instant>) -> Result<T, GetError> {
        let QueueFace { runtime, plain, .. } = &*self.face;
        with_scratch(|scratch| {
            let taken = plain.get(runtime, scratch, Terms::Taken, deadline)?;
            self.decode_with(scratch, taken.rights).map_err(GetError::Decode)
        })
    }

    /// Says on standard error what a loop over this queue can't tell its user.
    fn complain(&self, error: &GetError, what: &str) {
        let runtime = &self.face.runtime;
        if !runtime.is_ending() {
            runtime.complain(&format!("a loop over a queue {what}: {error}"));
        }
    }

    #[inline]
    pub(super) fn decode(&self, bytes: &[u8]) -> Result<T, callboard_core::BodyError> {
        scope::enter(&self.face.runtime, || decode(kind::content::<K>(bytes)))
    }

    /// Decodes an item that may have brought descriptors.
    #[inline]
    fn decode_with(&self, bytes: &[u8], rights: Rights) -> Result<T, callboard_core::BodyError> {
        if rights.is_empty() {
            return self.decode(bytes);
        }
        scope::enter_with(&self.face.runtime, rights, || decode(kind::content::<K>(bytes)))
    }

    /// Takes the item at the head on a lease, waiting for one: it is gone only once the lease is
    /// [acknowledged](Lease::ack). If this process ends before that, or drops the lease, the item goes back to the
    /// head, without limit unless the queue has [`max_attempts`](crate::QueueOptions::max_attempts).
    ///
    /// Once the queue is closed, a node that holds the last leases itself is told [`GetError::Closed`]: they are its
    /// own affair, and what goes back from them is for whoever asks then. No node may have more than 65,536 leases of
    /// one queue at a time, prefetched ones included: the owner would end the connection.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn lease(&self) -> Result<Lease<T>, GetError> {
        Lease::take(self, None, None)
    }

    /// As [`lease`](Self::lease), waiting up to `timeout` for an item. Zero asks the owner once, for up to a second.
    ///
    /// # Errors
    ///
    /// As [`get_timeout`](Self::get_timeout).
    pub fn lease_timeout(&self, timeout: Duration) -> Result<Lease<T>, GetError> {
        Lease::take(self, None, Some(timeout))
    }

    /// As [`lease`](Self::lease), for a lease that ends by itself after `lasting`, counted from the delivery. The item
    /// then goes back, even if its holder is only slow. More than a year counts as one; zero is over when it begins.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub fn lease_for(&self, lasting: Duration) -> Result<Lease<T>, GetError> {
        Lease::take(self, Some(lasting), None)
    }

    /// Takes what was given up after too many attempts, or on a lease could not be decoded, oldest first, and how many
    /// more were dropped for want of room: the newest 1,024 are kept, or 16 MiB of them.
    ///
    /// # Errors
    ///
    /// [`QueueError`], within 60 s. A letter whose item can't be decoded has `None` for it.
    pub fn dead_letters(&self) -> Result<(Vec<DeadLetter<T>>, u64), QueueError> {
        match self.ask(ToOwner::DeadLetters)? {
            Reply::DeadLetters { letters, dropped } => {
                Ok((letters.into_iter().map(|letter| DeadLetter::new(self, &letter)).collect(), dropped))
            }
            _ => Err(QueueError::Disconnected),
        }
    }
}

impl<T, K: Sealed> Queue<T, K> {
    /// How many items no `get` has returned yet, those prefetched anywhere included.
    ///
    /// Exact for everything whose put was confirmed, as after the join of the child that put it. Items
    /// on a lease are not counted.
    ///
    /// # Errors
    ///
    /// [`QueueError`], within 60 s.
    #[doc(alias = "qsize")]
    pub fn len(&self) -> Result<usize, QueueError> {
        Ok(usize::try_from(self.length()?.waiting.items).unwrap_or(usize::MAX))
    }

    /// Whether [`len`](Self::len) is zero.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    #[doc(alias = "empty")]
    pub fn is_empty(&self) -> Result<bool, QueueError> {
        Ok(self.len()? == 0)
    }

    fn length(&self) -> Result<Length, QueueError> {
        match self.ask(ToOwner::Len)? {
            Reply::Length(length) => Ok(length),
            _ => Err(QueueError::Disconnected),
        }
    }

    /// No more puts, from anybody: those waiting are refused, getters drain what is there and then see the end.
    /// Closing again changes nothing.
    ///
    /// # Errors
    ///
    /// [`QueueError`], within 60 s; after [`QueueError::Unresponsive`] it will be closed as soon as the owner goes on.
    #[doc(alias = "shutdown")]
    pub fn close(&self) -> Result<(), QueueError> {
        self.ask(ToOwner::Close).map(drop)
    }

    /// Waits until the owner has everything that this process has put, as long as that takes.
    ///
    /// # Errors
    ///
    /// [`QueueError::Disconnected`].
    #[doc(alias = "join_thread")]
    pub fn flush(&self) -> Result<(), QueueError> {
        self.confirm(None)
    }

    pub(super) fn confirm(&self, deadline: Option<Instant>) -> Result<(), QueueError> {
        let QueueFace { runtime, plain, .. } = &*self.face;
        plain.line.ask(runtime, plain, ToOwner::Confirm, deadline).map(drop)
    }

    /// Waits until everything put has been settled: got, or leased and acknowledged, or given up as a dead letter.
    ///
    /// # Errors
    ///
    /// [`QueueError::Disconnected`].
    pub fn join(&self) -> Result<(), QueueError> {
        let QueueFace { runtime, plain, .. } = &*self.face;
        plain.join(runtime, None).map(drop).map_err(|_| QueueError::Disconnected)
    }

    /// Waits up to `timeout` until everything put has been settled; whether it was. Zero is too short for a queue of
    /// another node: its answer takes a round trip.
    ///
    /// # Errors
    ///
    /// [`QueueError::Disconnected`].
    pub fn join_timeout(&self, timeout: Duration) -> Result<bool, QueueError> {
        let QueueFace { runtime, plain, .. } = &*self.face;
        let deadline = Instant::now().checked_add(timeout);
        plain.join(runtime, deadline).map_err(|_| QueueError::Disconnected)
    }

    fn ask(&self, message: ToOwner) -> Result<Reply, QueueError> {
        let QueueFace { runtime, plain, .. } = &*self.face;
        plain.line.ask(runtime, plain, message, Instant::now().checked_add(ROUND_TRIP * 60))
    }

    pub(super) fn of(runtime: &Arc<Runtime>, address: Address) -> Self {
        Self { face: QueueFace::of(runtime, address, kind::prefetches::<K>()), items: PhantomData }
    }
}

/// The items of a queue until its end; see [`Queue::iter`].
#[derive(Debug)]
pub struct Iter<'a, T, K: Sealed = Fifo> {
    queue: &'a Queue<T, K>,
}

impl<T: DeserializeOwned, K: Kind<T>> Iterator for Iter<'_, T, K> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        loop {
            let error = match self.queue.get() {
                Ok(item) => return Some(item),
                Err(GetError::Closed) => return None,
                Err(error) => error,
            };
            let goes_on = matches!(error, GetError::Decode(_));
            self.queue
                .complain(&error, if goes_on { "passes an item over" } else { "ends before the queue does" });
            if !goes_on {
                return None;
            }
        }
    }
}

impl<'a, T: DeserializeOwned, K: Kind<T>> IntoIterator for &'a Queue<T, K> {
    type Item = T;
    type IntoIter = Iter<'a, T, K>;

    fn into_iter(self) -> Iter<'a, T, K> {
        self.iter()
    }
}

impl From<NoItem> for GetError {
    fn from(why: NoItem) -> Self {
        match why {
            NoItem::Nothing | NoItem::Unresponsive => GetError::TimedOut,
            NoItem::Ended => GetError::Closed,
            NoItem::CutOff => GetError::Disconnected,
            NoItem::TooManyQueues => GetError::TooManyQueues,
        }
    }
}

impl From<NoItem> for TryGetError {
    fn from(why: NoItem) -> Self {
        match why {
            NoItem::Nothing => TryGetError::Empty,
            NoItem::Unresponsive => TryGetError::Unresponsive,
            NoItem::Ended => TryGetError::Closed,
            NoItem::CutOff => TryGetError::Disconnected,
            NoItem::TooManyQueues => TryGetError::TooManyQueues,
        }
    }
}
