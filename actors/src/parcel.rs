//! What moves: descriptors that belong to a message, an item or a value, for whoever holds a copy of it.
//!
//! They are closed with the last copy, so whoever drops an item without looking into it also drops what it cannot see there.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use callboard_core::{BodyError, decode, encode_into};
use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::{ByteBuf, Bytes};

use crate::runtime::Runtime;
use crate::scope::{self, Departing};

/// None for nearly everything that travels, which costs nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rights(Option<Box<[Arc<OwnedFd>]>>);

impl Rights {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn as_slice(&self) -> &[Arc<OwnedFd>] {
        self.0.as_deref().unwrap_or_default()
    }

    /// The descriptors for one holder: copies of those that others have still.
    ///
    /// # Errors
    ///
    /// What the kernel says when descriptors run out.
    pub(crate) fn into_owned(self) -> io::Result<Vec<OwnedFd>> {
        self.0
            .into_iter()
            .flatten()
            .map(|right| Arc::try_unwrap(right).or_else(|right| right.try_clone()))
            .collect()
    }
}

/// The same descriptors, not such as lead to the same.
impl PartialEq for Rights {
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.as_slice().iter().zip(other.as_slice());
        self.len() == other.len() && pairs.into_iter().all(|(one, other)| Arc::ptr_eq(one, other))
    }
}

impl Eq for Rights {}

impl From<Vec<OwnedFd>> for Rights {
    fn from(rights: Vec<OwnedFd>) -> Self {
        rights.into_iter().map(Arc::new).collect()
    }
}

impl FromIterator<Arc<OwnedFd>> for Rights {
    fn from_iter<I: IntoIterator<Item = Arc<OwnedFd>>>(rights: I) -> Self {
        let rights: Box<[_]> = rights.into_iter().collect();
        Self(if rights.is_empty() { None } else { Some(rights) })
    }
}

/// A user's value, encoded, and the descriptors in it: they go along with any message that it is part of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parcel {
    pub(crate) bytes: ByteBuf,
    pub(crate) rights: Rights,
}

impl Parcel {
    /// Encodes a value. What moves in it is still where it was, until the second part says that it [departs](Departing::depart).
    pub(crate) fn pack<T: Serialize + ?Sized>(value: &T) -> Result<(Self, Departing), BodyError> {
        let mut bytes = Vec::new();
        let (encoded, departing) = scope::collect(|| encode_into(value, &mut bytes));
        encoded?;
        let rights = departing.rights()?;
        Ok((Self { bytes: ByteBuf::from(bytes), rights }, departing))
    }

    /// Decodes what `runtime`'s node has received: handles in it become that node's.
    pub(crate) fn unpack<T: DeserializeOwned>(self, runtime: &Arc<Runtime>) -> Result<T, BodyError> {
        if self.rights.is_empty() {
            return scope::enter(runtime, || decode(&self.bytes));
        }
        scope::enter_with(runtime, self.rights, || decode(&self.bytes))
    }
}

impl From<(Vec<u8>, Rights)> for Parcel {
    fn from((bytes, rights): (Vec<u8>, Rights)) -> Self {
        Self { bytes: ByteBuf::from(bytes), rights }
    }
}

impl From<ByteBuf> for Parcel {
    fn from(bytes: ByteBuf) -> Self {
        Self { bytes, rights: Rights::default() }
    }
}

/// A byte string; with descriptors, an array of it, the number of the first among those of its message, and how many.
impl Serialize for Parcel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.rights.is_empty() {
            return self.bytes.serialize(serializer);
        }
        let (first, count) = scope::board_rights(&self.rights).map_err(serde::ser::Error::custom)?;
        (Bytes::new(&self.bytes), first as u32, count as u32).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Parcel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ParcelVisitor)
    }
}

struct ParcelVisitor;

impl<'de> Visitor<'de> for ParcelVisitor {
    type Value = Parcel;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte string, or one with descriptors")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Parcel, E> {
        Ok(ByteBuf::from(bytes).into())
    }

    fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Parcel, E> {
        Ok(ByteBuf::from(bytes).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Parcel, A::Error> {
        let missing = || A::Error::custom("a part of a value with descriptors is missing");
        let bytes: ByteBuf = parts.next_element()?.ok_or_else(missing)?;
        let first: u32 = parts.next_element()?.ok_or_else(missing)?;
        let count: u32 = parts.next_element()?.ok_or_else(missing)?;
        let rights = scope::claim(first as usize, count as usize).map_err(A::Error::custom)?;
        Ok(Parcel { bytes, rights: rights.into() })
    }
}
