//! Questions to the owner: what goes into them, and what their answers say.

use std::sync::Arc;
use std::time::Instant;

use callboard_core::{BodyError, decode, encode_into, limits};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

use super::error::DictError;
use super::owner::DictOwner;
use super::wire::{Ask, Reply};
use crate::protocol::object::{Handle, Strings};
use crate::runtime::Runtime;
use crate::scope;

/// What travels around one byte string of a message, at most.
const AROUND_BYTES: usize = 8;

impl Handle<DictOwner> {
    /// Asks what is answered at once. A refusal is an error.
    pub(crate) fn question(&self, ask: Ask) -> Result<Reply, DictError> {
        self.question_by(ask, None)
    }

    /// The same until `deadline`, if that is sooner than 60 s.
    pub(crate) fn question_by(&self, ask: Ask, deadline: Option<Instant>) -> Result<Reply, DictError> {
        match self.ask_by(ask, deadline)? {
            Reply::Refused(refusal) => Err(refusal.into()),
            reply => Ok(reply),
        }
    }

    pub(crate) fn decoded<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, DictError> {
        decoded(&self.runtime, bytes).map_err(DictError::Decode)
    }

    /// A question that is answered with a value or none.
    pub(crate) fn value<T: DeserializeOwned>(&self, ask: Ask) -> Result<Option<T>, DictError> {
        match self.question(ask)? {
            Reply::Value(bytes) => bytes.map(|bytes| self.decoded(&bytes)).transpose(),
            Reply::Moved(_, parcel) => parcel.unpack(&self.runtime).map(Some).map_err(DictError::Decode),
            other => unexpected(&other),
        }
    }

    pub(crate) fn is(&self, ask: Ask) -> Result<bool, DictError> {
        match self.question(ask)? {
            Reply::Is(is) => Ok(is),
            other => unexpected(&other),
        }
    }

    pub(crate) fn count(&self, ask: Ask) -> Result<usize, DictError> {
        match self.question(ask)? {
            Reply::Count(count) => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
            other => unexpected(&other),
        }
    }

    pub(crate) fn done(&self, ask: Ask) -> Result<(), DictError> {
        match self.question(ask)? {
            Reply::Done => Ok(()),
            other => unexpected(&other),
        }
    }

    /// A question that is answered with byte strings.
    pub(crate) fn strings(&self, ask: Ask) -> Result<Strings, DictError> {
        match self.question(ask)? {
            Reply::Flat(strings) => Ok(strings),
            other => unexpected(&other),
        }
    }

    /// One that is answered with byte strings, each of them a value.
    pub(crate) fn values<T: DeserializeOwned>(&self, ask: Ask) -> Result<Vec<T>, DictError> {
        self.strings(ask)?.decode(&self.runtime).map_err(DictError::Decode)
    }
}

pub(super) fn decoded<T: DeserializeOwned>(runtime: &Arc<Runtime>, bytes: &[u8]) -> Result<T, BodyError> {
    scope::enter(runtime, || decode(bytes))
}

/// An owner that answers something else than it was asked is no owner any more.
pub(crate) fn unexpected<T>(_: &Reply) -> Result<T, DictError> {
    Err(DictError::Disconnected)
}

pub(crate) fn encoded<T: Serialize + ?Sized>(value: &T) -> Result<ByteBuf, DictError> {
    let mut bytes = Vec::new();
    scope::plain(|| encode_into(value, &mut bytes)).map_err(DictError::Encode)?;
    Ok(ByteBuf::from(bytes))
}

/// A key that fits into a message.
pub(crate) fn fitting<Q: Serialize + ?Sized>(key: &Q) -> Result<ByteBuf, DictError> {
    let key = encoded(key)?;
    within([&key])?;
    Ok(key)
}

/// Whether all of `parts` fit into one message.
pub(crate) fn within<'a>(parts: impl IntoIterator<Item = &'a ByteBuf>) -> Result<(), DictError> {
    let bytes: usize = parts.into_iter().map(|part| part.len() + AROUND_BYTES).sum();
    if bytes <= limits::MAX_VALUE_BYTES + AROUND_BYTES { Ok(()) } else { Err(DictError::TooLarge) }
}

/// Keys that fit into one message.
pub(crate) fn keys<'a, Q>(keys: impl IntoIterator<Item = &'a Q>) -> Result<Strings, DictError>
where
    Q: Serialize + ?Sized + 'a,
{
    let mut strings = Strings::default();
    for key in keys {
        push(&mut strings, key)?;
    }
    Ok(strings)
}

/// Appends a key or a value to those that travel in one message.
pub(crate) fn push<T: Serialize + ?Sized>(strings: &mut Strings, value: &T) -> Result<(), DictError> {
    strings.push_encoded(value).map_err(DictError::Encode)?;
    if strings.fit_a_message() { Ok(()) } else { Err(DictError::TooLarge) }
}
