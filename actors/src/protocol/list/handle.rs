//! The list as users hold it: its elements one by one.

use std::marker::PhantomData;
use std::time::Instant;

use callboard_core::BodyError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

use super::error::ListError;
use super::options::ListOptions;
use super::owner::ListOwner;
use super::wire::{Ask, Reply, to_usize};
use crate::protocol::object::{
    Handle, Swap, Typed, decode_value, encode_value, fit_a_message, shared_object,
};

/// A list of `T` between any threads of any processes of a job.
///
/// The handle is a plain value, as that of a [`Queue`](crate::Queue): clone it, pass it to a child, open it by name. The
/// list lives in the process that created it until that process ends.
///
/// Each method is one step, which nothing comes between: a change is there for everybody when the method returns, and who
/// reads sees it whole or not at all. What reads an element, computes and writes it back in two steps may overwrite
/// another's change; for that there are [`update`](Self::update) and [`compare_and_swap`](Self::compare_and_swap).
///
/// What is got is a copy. Elements may hold handles: a list of queues, or of lists, is a list of things that are
/// shared themselves.
///
/// Elements are MessagePack, with what that can't tell apart as described at [`Queue::put`](crate::Queue::put). They are
/// compared by their encodings: [`position`](Self::position) and the like find what is encoded in the same bytes,
/// whatever `T`'s `PartialEq` says. A float that is not a number equals itself, and two hash maps of the
/// same entries may differ.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{List, ListOptions, Node};
///
/// let node = Node::start()?;
/// let options = ListOptions::new().function("add", |score: u64, by: u64| (score + by, score + by));
/// let scores: List<u64> = node.create("/scores", options)?;
/// scores.extend([10, 20, 30])?;
/// let sum: u64 = scores.update(1, "add", 5_u64)?;
/// assert_eq!((sum, scores.pop()?, scores.snapshot()?), (25, Some(30), vec![10, 25]));
/// # Ok(())
/// # }
/// ```
///
/// Source: `Manager().list()` of Python's `multiprocessing`.
#[doc(alias = "ListProxy")]
pub struct List<T> {
    pub(super) handle: Handle<ListOwner>,
    elements: PhantomData<fn(T) -> T>,
}

shared_object!(List<T>, ListOptions<T>);

impl<T> Typed for List<T> {
    type Owner = ListOwner;

    fn of(handle: Handle<ListOwner>) -> Self {
        Self { handle, elements: PhantomData }
    }

    fn handle(&self) -> &Handle<ListOwner> {
        &self.handle
    }

    fn type_name() -> String {
        format!("List<{}>", std::any::type_name::<T>())
    }
}

impl<T: Serialize> List<T> {
    /// Appends `value`; the length then.
    ///
    /// # Errors
    ///
    /// [`ListError::Encode`], [`ListError::TooLarge`]; [`ListError::Full`]; [`ListError::Disconnected`] and
    /// [`ListError::Unresponsive`], and then it may have been appended.
    #[doc(alias = "append")]
    pub fn push(&self, value: T) -> Result<usize, ListError> {
        self.ask(Ask::Push(encode(&value)?))?.number()
    }

    /// Puts `value` before all others; the length then.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub fn push_front(&self, value: T) -> Result<usize, ListError> {
        self.ask(Ask::PushFront(encode(&value)?))?.number()
    }

    /// Appends all values, or none if there is an error; the length then.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push). They travel in one message: [`ListError::TooLarge`] for more than that holds.
    pub fn extend(&self, values: impl IntoIterator<Item = T>) -> Result<usize, ListError> {
        let values: Vec<ByteBuf> =
            values.into_iter().map(|value| encode(&value)).collect::<Result<_, _>>()?;
        self.ask(Ask::Extend(sized(values)?))?.number()
    }

    /// Puts `value` before the element at `index`, or at the end if that is the length.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push); [`ListError::OutOfBounds`].
    pub fn insert(&self, index: usize, value: T) -> Result<(), ListError> {
        self.ask(Ask::Insert { at: index as u64, value: encode(&value)? }).map(drop)
    }

    /// Removes the first element that is encoded as `value` is; whether there was one. Looks at all before it.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push), but never full.
    pub fn remove_value(&self, value: &T) -> Result<bool, ListError> {
        Ok(self.ask(Ask::RemoveValue(encode(value)?))?.found()?.is_some())
    }

    /// The index of the first element that is encoded as `value` is. Looks at all before it.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push), but never full.
    #[doc(alias = "index")]
    pub fn position(&self, value: &T) -> Result<Option<usize>, ListError> {
        self.ask(Ask::Position(encode(value)?))?.found()
    }

    /// Whether there is an element that is encoded as `value` is. Looks at all before it.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push), but never full.
    pub fn contains(&self, value: &T) -> Result<bool, ListError> {
        Ok(self.position(value)?.is_some())
    }

    /// How many elements are encoded as `value` is. Looks at all.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push), but never full.
    pub fn count(&self, value: &T) -> Result<usize, ListError> {
        self.ask(Ask::Count(encode(value)?))?.number()
    }
}

impl<T: DeserializeOwned> List<T> {
    /// Takes the last element out; none if there is no element.
    ///
    /// # Errors
    ///
    /// [`ListError::Disconnected`] and [`ListError::Unresponsive`], and then it may have been taken out;
    /// [`ListError::Decode`].
    pub fn pop(&self) -> Result<Option<T>, ListError> {
        self.value(Ask::Pop)
    }

    /// Takes the first element out; none if there is no element.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
    pub fn pop_front(&self) -> Result<Option<T>, ListError> {
        self.value(Ask::PopFront)
    }

    /// The element at `index`; none beyond the end.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
    #[doc(alias = "__getitem__")]
    pub fn get(&self, index: usize) -> Result<Option<T>, ListError> {
        self.value(Ask::Get(index as u64))
    }

    /// The first element; none if there is no element.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
    pub fn first(&self) -> Result<Option<T>, ListError> {
        self.value(Ask::Get(0))
    }

    /// The last element; none if there is no element.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop).
    pub fn last(&self) -> Result<Option<T>, ListError> {
        self.value(Ask::Last)
    }

    /// Takes out the element at `index`; those after it move up.
    ///
    /// # Errors
    ///
    /// As [`pop`](Self::pop); [`ListError::OutOfBounds`].
    #[doc(alias = "__delitem__")]
    pub fn remove(&self, index: usize) -> Result<T, ListError> {
        self.value(Ask::Remove(index as u64))?.ok_or(ListError::Disconnected)
    }

    fn value(&self, ask: Ask) -> Result<Option<T>, ListError> {
        match self.ask(ask)? {
            Reply::Value(value) => value.map(|bytes| self.decode(&bytes)).transpose(),
            _ => Err(ListError::Disconnected),
        }
    }
}

impl<T: Serialize + DeserializeOwned> List<T> {
    /// Puts `value` in the place of the element at `index`, which is returned.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push); [`ListError::OutOfBounds`]; [`ListError::Decode`], and then it was replaced.
    #[doc(alias = "__setitem__")]
    pub fn set(&self, index: usize, value: T) -> Result<T, ListError> {
        let value = encode(&value)?;
        self.value(Ask::Set { at: index as u64, value })?.ok_or(ListError::Disconnected)
    }

    /// Puts `new` in the place of the element at `index`, if that is encoded as `expected` is.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    pub fn compare_and_swap(&self, index: usize, expected: &T, new: T) -> Result<Swap<T>, ListError> {
        let [expected, new] = sized([encode(expected)?, encode(&new)?])?;
        match self.ask(Ask::CompareAndSwap { at: index as u64, expected, new })? {
            Reply::Done => Ok(Swap::Done),
            Reply::Value(Some(bytes)) => Ok(Swap::Differs(self.decode(&bytes)?)),
            _ => Err(ListError::Disconnected),
        }
    }
}

impl<T> List<T> {
    /// Exchanges two elements.
    ///
    /// # Errors
    ///
    /// [`ListError::OutOfBounds`]; [`ListError::Disconnected`], [`ListError::Unresponsive`].
    pub fn swap(&self, one: usize, other: usize) -> Result<(), ListError> {
        self.ask(Ask::Swap(one as u64, other as u64)).map(drop)
    }

    /// Puts the elements into the opposite order. The time that takes follows the length.
    ///
    /// # Errors
    ///
    /// [`ListError::Disconnected`], [`ListError::Unresponsive`].
    pub fn reverse(&self) -> Result<(), ListError> {
        self.ask(Ask::Reverse).map(drop)
    }

    /// How many elements there are.
    ///
    /// # Errors
    ///
    /// As [`reverse`](Self::reverse).
    #[doc(alias = "__len__")]
    pub fn len(&self) -> Result<usize, ListError> {
        self.ask(Ask::Len)?.number()
    }

    /// Whether there is no element.
    ///
    /// # Errors
    ///
    /// As [`reverse`](Self::reverse).
    pub fn is_empty(&self) -> Result<bool, ListError> {
        Ok(self.len()? == 0)
    }

    /// Drops all elements.
    ///
    /// # Errors
    ///
    /// As [`reverse`](Self::reverse).
    pub fn clear(&self) -> Result<(), ListError> {
        self.truncate(0)
    }

    /// Drops what lies beyond the first `len` elements; nothing, if there are no more.
    ///
    /// # Errors
    ///
    /// As [`reverse`](Self::reverse).
    pub fn truncate(&self, len: usize) -> Result<(), ListError> {
        self.ask(Ask::Truncate(len as u64)).map(drop)
    }

    pub(super) fn ask(&self, ask: Ask) -> Result<Reply, ListError> {
        self.ask_by(ask, None)
    }

    /// The same until `deadline`, if that is sooner than 60 s.
    pub(super) fn ask_by(&self, ask: Ask, deadline: Option<Instant>) -> Result<Reply, ListError> {
        match self.handle.ask_by(ask, deadline)? {
            Reply::Failed(fault) => Err(fault.into()),
            reply => Ok(reply),
        }
    }

    pub(super) fn decode<V: DeserializeOwned>(&self, bytes: &[u8]) -> Result<V, ListError> {
        decode_value(&self.handle.runtime, bytes).map_err(ListError::Decode)
    }
}

impl Reply {
    fn number(self) -> Result<usize, ListError> {
        match self {
            Reply::Number(number) => Ok(to_usize(number)),
            _ => Err(ListError::Disconnected),
        }
    }

    fn found(self) -> Result<Option<usize>, ListError> {
        match self {
            Reply::Found(at) => Ok(at.map(to_usize)),
            _ => Err(ListError::Disconnected),
        }
    }
}

/// Encodes what travels alone.
pub(super) fn encode<V: Serialize + ?Sized>(value: &V) -> Result<ByteBuf, ListError> {
    let [value] = sized([encode_value(value).map_err(|error: BodyError| ListError::Encode(error))?])?;
    Ok(value)
}

/// What travels together, if it may.
fn sized<B: AsRef<[ByteBuf]>>(values: B) -> Result<B, ListError> {
    if fit_a_message(values.as_ref()) { Ok(values) } else { Err(ListError::TooLarge) }
}
