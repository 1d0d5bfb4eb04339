//! Many entries of a dict at once.

use std::borrow::Borrow;
use std::marker::PhantomData;

use callboard_core::{ByteStrings, decode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

use super::ask::{keys as encoded_keys, push, unexpected};
use super::error::DictError;
use super::handle::Dict;
use super::owner::DictOwner;
use super::wire::{Ask, Part, Reply};
use crate::protocol::object::{Handle, Strings};

impl<K, V> Dict<K, V> {
    /// The values of several keys at one moment, in the order of `keys`; none for each that is not there.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); [`DictError::TooLarge`] if they are more than 256 MiB together.
    pub fn get_many<'a, Q>(&self, keys: impl IntoIterator<Item = &'a Q>) -> Result<Vec<Option<V>>, DictError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized + 'a,
        V: DeserializeOwned,
    {
        let values = self.handle.strings(Ask::GetMany(encoded_keys(keys)?))?;
        let value = |bytes: &[u8]| (!bytes.is_empty()).then(|| decode(bytes)).transpose();
        let values = values.decode_by(&self.handle.runtime, |strings| strings.next().map(value));
        values.map_err(DictError::Decode)
    }

    /// Puts several entries in one step: nobody sees some of them without the others. If a key comes twice its last value
    /// stays.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert), and then none has been put; [`DictError::TooLarge`] if they are more than 256 MiB
    /// together.
    #[doc(alias = "update")]
    pub fn insert_many(&self, entries: impl IntoIterator<Item = (K, V)>) -> Result<(), DictError>
    where
        K: Serialize,
        V: Serialize,
    {
        let mut strings = Strings::default();
        for (key, value) in entries {
            push(&mut strings, &key)?;
            push(&mut strings, &value)?;
        }
        self.handle.count(Ask::InsertMany(strings)).map(drop)
    }

    /// Removes several keys in one step; how many of them were there.
    ///
    /// # Errors
    ///
    /// As [`contains_key`](Self::contains_key).
    pub fn remove_many<'a, Q>(&self, keys: impl IntoIterator<Item = &'a Q>) -> Result<usize, DictError>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized + 'a,
    {
        self.handle.count(Ask::RemoveMany(encoded_keys(keys)?))
    }

    /// All entries at one moment, in order.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); [`DictError::TooLarge`] if they are more than 256 MiB together: then
    /// [`iter`](Self::iter) still goes.
    #[doc(alias = "copy")]
    #[doc(alias = "items")]
    pub fn snapshot(&self) -> Result<Vec<(K, V)>, DictError>
    where
        K: DeserializeOwned,
        V: DeserializeOwned,
    {
        let entries = self.handle.strings(Ask::Snapshot(Part::Both))?;
        let entry = |key: &[u8], value: &[u8]| Ok((decode(key)?, decode(value)?));
        let entries = entries.decode_by(&self.handle.runtime, |strings| {
            let (key, value) = (strings.next()?, strings.next()?);
            Some(entry(key, value))
        });
        entries.map_err(DictError::Decode)
    }

    /// All keys at one moment, in order.
    ///
    /// # Errors
    ///
    /// As [`snapshot`](Self::snapshot).
    pub fn keys(&self) -> Result<Vec<K>, DictError>
    where
        K: DeserializeOwned,
    {
        self.handle.values(Ask::Snapshot(Part::Keys))
    }

    /// All values at one moment, in the order of their keys.
    ///
    /// # Errors
    ///
    /// As [`snapshot`](Self::snapshot).
    pub fn values(&self) -> Result<Vec<V>, DictError>
    where
        V: DeserializeOwned,
    {
        self.handle.values(Ask::Snapshot(Part::Values))
    }

    /// The entries in order, fetched page by page, of at most 1,024 entries and 256 KiB, while others go on changing them.
    ///
    /// What is there all the time is seen exactly once, with a value that it had meanwhile. What is removed before its page
    /// is fetched is not seen, nor is what is inserted after the first page was. So it always comes to an end.
    ///
    /// After an error there is nothing more, but for [`DictError::Decode`], which is about one entry.
    ///
    /// # Errors
    ///
    /// Each item is one entry, or as [`get`](Self::get).
    #[doc(alias = "__iter__")]
    pub fn iter(&self) -> DictIter<K, V>
    where
        K: DeserializeOwned,
        V: DeserializeOwned,
    {
        DictIter { pages: Pages::new(&self.handle, Part::Both), types: PhantomData }
    }
}

/// Where an iteration has come to.
pub(crate) struct Pages {
    handle: Handle<DictOwner>,
    part: Part,
    /// What comes next: after which entry, and up to which. None at the end.
    next: Option<(u64, Option<u64>)>,
    page: ByteBuf,
    /// How much of the page has been taken.
    at: usize,
}

impl Pages {
    pub(crate) fn new(handle: &Handle<DictOwner>, part: Part) -> Self {
        Self { handle: handle.clone(), part, next: Some((0, None)), page: ByteBuf::new(), at: 0 }
    }

    /// The next key or value.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, DictError> {
        while self.at >= self.page.len() {
            let Some((after, until)) = self.next.take() else { return Ok(None) };
            match self.handle.question(Ask::Page { after, until, part: self.part })? {
                Reply::Page { entries, after, until } => {
                    self.next = after.map(|after| (after, Some(until)));
                    self.page = entries;
                    self.at = 0;
                }
                other => return unexpected(&other),
            }
        }
        let mut rest = ByteStrings::new(&self.page[self.at..]);
        let bytes = rest.next().transpose().map_err(DictError::Decode)?;
        self.at += rest.position();
        bytes.map(|bytes| self.handle.decoded(bytes)).transpose()
    }
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "of {}", self.handle.address)
    }
}

/// The entries of a dict, fetched page by page; see [`Dict::iter`].
pub struct DictIter<K, V> {
    pages: Pages,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> std::fmt::Debug for DictIter<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DictIter").field(&self.pages).finish()
    }
}

impl<K: DeserializeOwned, V: DeserializeOwned> Iterator for DictIter<K, V> {
    type Item = Result<(K, V), DictError>;

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.pages.next().transpose()?;
        // Taken in any case: the next entry begins behind it.
        let value = self.pages.next().transpose().unwrap_or(Err(DictError::Disconnected));
        Some(key.and_then(|key| Ok((key, value?))))
    }
}

impl<K: DeserializeOwned, V: DeserializeOwned> IntoIterator for &Dict<K, V> {
    type Item = Result<(K, V), DictError>;
    type IntoIter = DictIter<K, V>;

    fn into_iter(self) -> DictIter<K, V> {
        self.iter()
    }
}
