//! A set that processes share: another face of the owner of a dict, whose keys are what counts.

mod watch;

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::protocol::dict::{
    Ask, DictError, DictOwner, Operator, Pages, Part, Reply, Settings, fitting, keys, push, throw, unexpected,
};
use crate::protocol::object::{Handle, Strings, Typed, shared_object};

pub use self::watch::{SetChange, SetWatch};

/// How a set is created.
///
/// By default it holds 1,048,576 members and 256 MiB of them as encoded.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SetOptions {
    settings: Settings,
}

impl From<SetOptions> for Settings {
    fn from(options: SetOptions) -> Self {
        options.settings
    }
}

impl SetOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// A set that holds at most so many members; zero counts as one. One more is [`DictError::Full`].
    #[must_use]
    pub fn capacity(mut self, members: u64) -> Self {
        self.settings.entries = members.max(1);
        self
    }

    /// A set whose members take at most so many bytes, as encoded. A larger one is [`DictError::TooLarge`], so zero refuses
    /// all.
    #[must_use]
    pub fn capacity_bytes(mut self, bytes: u64) -> Self {
        self.settings.bytes = bytes;
        self
    }
}

/// A set between any threads of any processes of a job, in the order of insertion.
///
/// All that is said of a [`Dict`](crate::Dict) and its keys is true of a set and its members: each method is one step,
/// members are equal if their encodings are, and the set lives in the process that created it until that ends.
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Node, Set, SetOptions};
///
/// let node = Node::start()?;
/// let seen: Set<String> = node.anonymous(SetOptions::new());
/// // Whichever process comes first to a page has it to itself.
/// let visit = |_: &Node, (seen, page): (Set<String>, String)| seen.insert(page).is_ok_and(|is_new| is_new);
/// let first = node.spawn("first", visit, (seen.clone(), "/index".to_owned()))?.join()?;
/// let second = node.spawn("second", visit, (seen.clone(), "/index".to_owned()))?.join()?;
/// assert!(first && !second && seen.contains("/index")?);
/// # Ok(())
/// # }
/// ```
///
/// Source: `Manager().set()` of Python's `multiprocessing`.
pub struct Set<T> {
    handle: Handle<DictOwner>,
    members: PhantomData<fn(T) -> T>,
}

shared_object!(Set<T>, SetOptions);

impl<T> Typed for Set<T> {
    type Owner = DictOwner;

    fn of(handle: Handle<DictOwner>) -> Self {
        Self { handle, members: PhantomData }
    }

    fn handle(&self) -> &Handle<DictOwner> {
        &self.handle
    }

    fn type_name() -> String {
        format!("Set<{}>", std::any::type_name::<T>())
    }
}

impl<T> Set<T> {
    /// Puts a member; whether it is new.
    ///
    /// # Errors
    ///
    /// [`DictError::Disconnected`], [`DictError::Unresponsive`] within 60 s, [`DictError::Full`],
    /// [`DictError::TooLarge`], [`DictError::Encode`].
    #[doc(alias = "add")]
    pub fn insert(&self, member: T) -> Result<bool, DictError>
    where
        T: Serialize,
    {
        let before = self.value(Ask::Insert(fitting(&member)?, ByteBuf::new(), None))?;
        Ok(before.is_none())
    }

    /// Puts several members in one step: nobody sees some of them without the others; how many are new.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert), and then none has been put; [`DictError::TooLarge`] if they are more than 256 MiB
    /// together.
    #[doc(alias = "update")]
    pub fn insert_many(&self, members: impl IntoIterator<Item = T>) -> Result<usize, DictError>
    where
        T: Serialize,
    {
        let mut strings = Strings::default();
        for member in members {
            push(&mut strings, &member)?;
            strings.push(&[]);
        }
        self.handle.count(Ask::InsertMany(strings))
    }

    /// Removes a member; whether it was there.
    ///
    /// # Errors
    ///
    /// As [`contains`](Self::contains).
    #[doc(alias = "discard")]
    pub fn remove<Q>(&self, member: &Q) -> Result<bool, DictError>
    where
        T: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        Ok(self.value(Ask::Remove(fitting(member)?))?.is_some())
    }

    /// Removes several members in one step; how many of them were there.
    ///
    /// # Errors
    ///
    /// As [`contains`](Self::contains).
    #[doc(alias = "difference_update")]
    pub fn remove_many<'a, Q>(&self, members: impl IntoIterator<Item = &'a Q>) -> Result<usize, DictError>
    where
        T: Borrow<Q>,
        Q: Serialize + ?Sized + 'a,
    {
        self.handle.count(Ask::RemoveMany(keys(members)?))
    }

    /// Whether this is a member.
    ///
    /// # Errors
    ///
    /// [`DictError::Disconnected`], [`DictError::Unresponsive`] within 60 s, [`DictError::TooLarge`],
    /// [`DictError::Encode`].
    #[doc(alias = "__contains__")]
    pub fn contains<Q>(&self, member: &Q) -> Result<bool, DictError>
    where
        T: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.handle.is(Ask::Has(fitting(member)?))
    }

    /// How many members there are.
    ///
    /// # Errors
    ///
    /// [`DictError::Disconnected`], [`DictError::Unresponsive`] within 60 s.
    #[doc(alias = "__len__")]
    pub fn len(&self) -> Result<usize, DictError> {
        self.handle.count(Ask::Len)
    }

    /// Whether there is no member.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    pub fn is_empty(&self) -> Result<bool, DictError> {
        Ok(self.len()? == 0)
    }

    /// Removes all members.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len).
    pub fn clear(&self) -> Result<(), DictError> {
        self.handle.done(Ask::Clear)
    }

    /// Removes the last member in order; none if there is none. Of several who pop, each gets another.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len). After [`DictError::Decode`] it has been removed.
    pub fn pop(&self) -> Result<Option<T>, DictError>
    where
        T: DeserializeOwned,
    {
        match self.handle.question(Ask::Pop)? {
            Reply::Entry(None) => Ok(None),
            Reply::Entry(Some((member, _))) => self.handle.decoded(&member).map(Some),
            other => unexpected(&other),
        }
    }

    /// All members at one moment, in order.
    ///
    /// # Errors
    ///
    /// As [`len`](Self::len); [`DictError::Decode`]; [`DictError::TooLarge`] if they are more than 256 MiB together: then
    /// [`iter`](Self::iter) still goes.
    #[doc(alias = "copy")]
    pub fn snapshot(&self) -> Result<Vec<T>, DictError>
    where
        T: DeserializeOwned,
    {
        self.handle.values(Ask::Snapshot(Part::Keys))
    }

    /// The members in order, fetched page by page while others go on changing the set; see [`Dict::iter`](crate::Dict::iter).
    ///
    /// # Errors
    ///
    /// Each item is one member, or as [`snapshot`](Self::snapshot).
    #[doc(alias = "__iter__")]
    pub fn iter(&self) -> SetIter<T>
    where
        T: DeserializeOwned,
    {
        SetIter { pages: Pages::new(&self.handle, Part::Keys), members: PhantomData }
    }

    /// Puts a member without waiting for the owner; see [`Dict::cast_insert`](crate::Dict::cast_insert).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn cast_insert(&self, member: T) -> Result<(), DictError>
    where
        T: Serialize,
    {
        throw(&self.handle, Operator::Insert, &member, None::<&()>)
    }

    /// Removes a member without waiting for the owner; see [`Dict::cast_insert`](crate::Dict::cast_insert).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn cast_remove<Q>(&self, member: &Q) -> Result<(), DictError>
    where
        T: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        throw(&self.handle, Operator::Remove, member, None::<&()>)
    }

    /// Waits until the owner has everything that this node has cast; see [`Dict::flush`](crate::Dict::flush).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn flush(&self) -> Result<(), DictError> {
        self.handle.flush(None, DictError::Lost)
    }

    /// The same for at most `timeout`; see [`Dict::flush_timeout`](crate::Dict::flush_timeout).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn flush_timeout(&self, timeout: Duration) -> Result<(), DictError> {
        self.handle.flush(Instant::now().checked_add(timeout), DictError::Lost)
    }

    fn value(&self, ask: Ask) -> Result<Option<ByteBuf>, DictError> {
        match self.handle.question(ask)? {
            Reply::Value(value) => Ok(value),
            other => unexpected(&other),
        }
    }
}

/// The members of a set, fetched page by page; see [`Set::iter`].
pub struct SetIter<T> {
    pages: Pages,
    members: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for SetIter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SetIter").field(&self.pages).finish()
    }
}

impl<T: DeserializeOwned> Iterator for SetIter<T> {
    type Item = Result<T, DictError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.pages.next().transpose()
    }
}

impl<T: DeserializeOwned> IntoIterator for &Set<T> {
    type Item = Result<T, DictError>;
    type IntoIter = SetIter<T>;

    fn into_iter(self) -> SetIter<T> {
        self.iter()
    }
}
