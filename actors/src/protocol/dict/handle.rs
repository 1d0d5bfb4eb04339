//! The dict as users hold it, entry by entry. More of it is in `many`, `batch`, `update`, `cast` and `watch`.

use std::borrow::Borrow;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ask::{encoded, fitting, unexpected, within};
use super::error::DictError;
use super::options::{DictOptions, Types};
use super::owner::DictOwner;
use super::wire::{Ask, Reply};
use crate::parcel::Parcel;
use crate::process::entry::MAX_RIGHTS;
use crate::protocol::object::{Handle, Typed, shared_object};

/// A map from keys to values between any threads of any processes of a job, in the order of insertion.
///
/// The handle is a plain value, as that of a [`Queue`](crate::Queue): clone it, pass it to a child, open it by name, put
/// it into another dict. The dict lives in the process that created it until that process ends.
///
/// **Everything is one step.** Each method is done whole or not at all, one after the other, whoever is killed; when it
/// returns it is done for everybody. Read-modify-write is [`add`](Self::add), [`append`](Self::append),
/// [`update`](Self::update), [`compare_and_swap`](Self::compare_and_swap) or a [`batch`](Self::batch): a
/// [`get`](Self::get) followed by an [`insert`](Self::insert) is two steps, and another process may come between.
///
/// **Values are copies.** What `get` returns has no tie to the dict: to change what is there, insert it again or
/// update it in place. A value may be a handle, as in a `Dict<String, Queue<u64>>`: then all work on the same queue.
///
/// **Keys are equal if their encodings are.** They are compared as bytes. For numbers, texts and structs that is the same as
/// `==`, except that `0.0` and `-0.0` are two keys, that a `NaN` is equal to itself, and that a `HashMap` or `HashSet` as a key, or in
/// it, is another key with each order. Keys and values are MessagePack, as the items of a [`Queue`](crate::Queue): it
/// can't tell `Some(None)` from `None`, and bytes are best wrapped by `serde_bytes`.
///
/// **The order** is that of insertion: a new value for a key that is there keeps its place.
///
/// **Limits.** An entry, and what one message carries, is less than 256 MiB. How much a dict holds, its
/// [`DictOptions`] say; what is beyond that is an error, and nothing has changed.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Dict, DictOptions, Node};
///
/// fn counts(_: &Node, (seen, word): (Dict<String, u64>, String)) {
///     seen.add(&word, 1).expect("the dict's owner is there");
/// }
///
/// let node = Node::start()?;
/// let seen: Dict<String, u64> = node.create("/seen", DictOptions::new())?;
/// for word in ["to", "be", "or", "not", "to", "be"] {
///     node.spawn("counts", counts, (seen.clone(), word.to_owned()))?.join()?;
/// }
/// assert_eq!(seen.get("be")?, Some(2));
/// # Ok(())
/// # }
/// ```
///
/// Source: `Manager().dict()` of Python's `multiprocessing`.
pub struct Dict<K, V> {
    pub(super) handle: Handle<DictOwner>,
    types: Types<K, V>,
}

shared_object!(Dict<K, V>, DictOptions<K, V>);

impl<K, V> Typed for Dict<K, V> {
    type Owner = DictOwner;

    fn of(handle: Handle<DictOwner>) -> Self {
        Self { handle, types: PhantomData }
    }

    fn handle(&self) -> &Handle<DictOwner> {
        &self.handle
    }

    fn type_name() -> String {
        format!("Dict<{}, {}>", std::any::type_name::<K>(), std::any::type_name::<V>())
    }
}

impl<K, V> Dict<K, V> {
    /// The value of a key; none if the key is not there.
    ///
    /// As in a `HashMap`, the key may be given in any borrowed form that is encoded in the same way, `"text"` for a `String`.
    ///
    /// # Errors
    ///
    /// [`DictError::Disconnected`], [`DictError::Unresponsive`] within 60 s, [`DictError::TooLarge`],
    /// [`DictError::Encode`], [`DictError::Decode`].
    #[doc(alias = "__getitem__")]
    pub fn get<Q>(&self, key: &Q) -> Result<Option<V>, DictError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
        V: DeserializeOwned,
    {
        self.handle.value(Ask::Get(fitting(key)?))
    }

    /// Whether a key is there.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    #[doc(alias = "__contains__")]
    pub fn contains_key<Q>(&self, key: &Q) -> Result<bool, DictError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.handle.is(Ask::Has(fitting(key)?))
    }

    /// Puts a value; the one before, none if the key was not there. It is there until it is replaced or removed, also if the
    /// one before was there [for a time](Self::insert_for).
    ///
    /// A value may hold ends of pipes, which move: they are the dict's then, until they are moved on by another `insert`, by
    /// [`remove`](Self::remove) or by [`pop`](Self::pop). What reads such a value says that it can't be decoded; dropped, or
    /// with the dict's process, they are closed.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); [`DictError::Full`]. After [`DictError::Decode`], which is about the value before, it has been
    /// put.
    #[doc(alias = "__setitem__")]
    pub fn insert(&self, key: K, value: V) -> Result<Option<V>, DictError>
    where
        K: Serialize,
        V: Serialize + DeserializeOwned,
    {
        self.insert_until(&key, &value, None)
    }

    /// Puts a value that is gone after `lasting`, for every question from that moment; the one before. Zero is gone at
    /// once. A later [`insert`](Self::insert) stays for good; updates in place keep the time.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub fn insert_for(&self, key: K, value: V, lasting: Duration) -> Result<Option<V>, DictError>
    where
        K: Serialize,
        V: Serialize + DeserializeOwned,
    {
        self.insert_until(&key, &value, Some(lasting))
    }

    fn insert_until(&self, key: &K, value: &V, lasting: Option<Duration>) -> Result<Option<V>, DictError>
    where
        K: Serialize,
        V: Serialize + DeserializeOwned,
    {
        let key = encoded(key)?;
        let (value, departing) = Parcel::pack(value).map_err(DictError::Encode)?;
        within([&key, &value.bytes])?;
        if departing.count() == 0 {
            return self.handle.value(Ask::Insert(key, value.bytes, lasting));
        }
        if departing.count() > MAX_RIGHTS {
            return Err(DictError::TooLarge);
        }
        departing.depart();
        self.handle.value(Ask::Place(key, value, lasting))
    }

    /// Puts a value unless the key is there; the value that is there after it.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    #[doc(alias = "setdefault")]
    pub fn get_or_insert(&self, key: K, value: V) -> Result<V, DictError>
    where
        K: Serialize,
        V: Serialize + DeserializeOwned,
    {
        let (key, value) = (encoded(&key)?, encoded(&value)?);
        within([&key, &value])?;
        match self.handle.value(Ask::InsertNew(key, value))? {
            Some(value) => Ok(value),
            None => unexpected(&Reply::Value(None)),
        }
    }

    /// Removes a key; its value, none if it was not there.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get). After [`DictError::Decode`] it has been removed.
    #[doc(alias = "pop")]
    #[doc(alias = "__delitem__")]
    pub fn remove<Q>(&self, key: &Q) -> Result<Option<V>, DictError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
        V: DeserializeOwned,
    {
        self.handle.value(Ask::Remove(fitting(key)?))
    }

    /// Removes the last entry in order; none if there is none. Of several who pop, each gets another.
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove).
    #[doc(alias = "popitem")]
    pub fn pop(&self) -> Result<Option<(K, V)>, DictError>
    where
        K: DeserializeOwned,
        V: DeserializeOwned,
    {
        match self.handle.question(Ask::Pop)? {
            Reply::Entry(None) => Ok(None),
            Reply::Entry(Some((key, value))) => {
                Ok(Some((self.handle.decoded(&key)?, self.handle.decoded(&value)?)))
            }
            Reply::Moved(Some(key), value) => {
                let value = value.unpack(&self.handle.runtime).map_err(DictError::Decode)?;
                Ok(Some((self.handle.decoded(&key)?, value)))
            }
            other => unexpected(&other),
        }
    }

    /// How many entries there are.
    ///
    /// # Errors
    ///
    /// [`DictError::Disconnected`], [`DictError::Unresponsive`] within 60 s.
    #[doc(alias = "__len__")]
    pub fn len(&self) -> Result<usize, DictError> {
        self.handle.count(Ask::Len)
    }

    /// Whether there is no entry.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    pub fn is_empty(&self) -> Result<bool, DictError> {
        Ok(self.len()? == 0)
    }

    /// Removes all entries.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    pub fn clear(&self) -> Result<(), DictError> {
        self.handle.done(Ask::Clear)
    }

    /// Has an entry be gone after `lasting` from now, or with none stay for good; whether the key is there.
    ///
    /// # Errors
    ///
    /// As [`contains_key`](Self::contains_key).
    pub fn expire<Q>(&self, key: &Q, lasting: Option<Duration>) -> Result<bool, DictError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.handle.is(Ask::Expire(fitting(key)?, lasting))
    }
}
