//! What is asked of a dict and what it answers. Keys and values are bytes that only their users decode.

use std::time::Duration;

use callboard_core::{BodyError, ByteStrings};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::parcel::Parcel;
use crate::protocol::message_pack::{Kind, Operation};
use crate::protocol::object::{AboutCasts, FunctionError, Refused, Strings};

/// The most entries in one page of an iteration, and in one report of changes.
pub(super) const PAGE_ENTRIES: usize = 1024;
/// The most bytes in one page or report, unless its first entry alone is larger.
pub(super) const PAGE_BYTES: usize = 256 * 1024;

/// Changes of single keys: the new value, or none for a removal.
pub(crate) type Changes = Vec<(ByteBuf, Option<ByteBuf>)>;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// `Reply::Value`.
    Get(ByteBuf),
    /// `Reply::Is`.
    Has(ByteBuf),
    /// `Reply::Value`, the one before. With a time it is there for so long only.
    Insert(ByteBuf, ByteBuf, Option<Duration>),
    /// The same for a value that holds what moves.
    Place(ByteBuf, Parcel, Option<Duration>),
    /// `Reply::Value`, the one there now.
    InsertNew(ByteBuf, ByteBuf),
    /// `Reply::Value`, the one before.
    Remove(ByteBuf),
    /// `Reply::Entry`.
    Pop,
    /// `Reply::Count`.
    Len,
    Clear,
    /// `Reply::Flat`: a value each, empty where there is none.
    GetMany(Strings),
    /// `Reply::Count`.
    RemoveMany(Strings),
    /// Keys, each followed by its value. `Reply::Count` of those that are new.
    InsertMany(Strings),
    /// All the changes if all is as expected: `Reply::Count` of the keys that are new, or `Reply::Is(false)`.
    Batch {
        expected: Changes,
        changes: Changes,
    },
    /// `Reply::Flat`.
    Snapshot(Part),
    /// `Reply::Page`, of entries after the number `after` and none after `until`.
    Page {
        after: u64,
        until: Option<u64>,
        part: Part,
    },
    /// `Reply::Done`, or `Reply::Value` that was found instead.
    Swap {
        key: ByteBuf,
        expected: Option<ByteBuf>,
        new: Option<ByteBuf>,
        /// The new value ends when the one before would have.
        keeps_end: bool,
    },
    /// `Reply::Value`, the one there now.
    Number {
        key: ByteBuf,
        operation: Operation,
        kind: Kind,
        by: ByteBuf,
    },
    /// `Reply::Count`, the length after it.
    Append {
        key: ByteBuf,
        tail: Tail,
    },
    /// `Reply::Value`: what the function answered.
    Update {
        key: ByteBuf,
        function: String,
        args: ByteBuf,
    },
    /// `Reply::Is`: whether the key is there.
    Expire(ByteBuf, Option<Duration>),
    /// `Reply::Casts`.
    Casts(AboutCasts),
    /// `Reply::Count`: the number of the latest change. From now on changes are remembered.
    BeginWatch(Scope),
    /// `Reply::Report` once the key has changed after `since`, or at once.
    Watch {
        key: ByteBuf,
        since: u64,
        wait: bool,
    },
    /// `Reply::Changes` or `Reply::Lagged` once something has changed after `since`, or at once.
    DictWatchAll {
        since: u64,
        wait: bool,
    },
}

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Scope {
    One,
    All,
}

/// What a list of entries tells of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Part {
    Keys,
    Values,
    Both,
}

/// What is put at the end of a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Tail {
    /// So many elements.
    Elements(u32, ByteBuf),
    Text(String),
}

/// What a cast does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Insert,
    Remove,
    Add(Kind),
}

impl Operator {
    /// The first byte of a cast.
    pub(crate) fn mark(self) -> u8 {
        match self {
            Operator::Insert => 0,
            Operator::Remove => 1,
            Operator::Add(kind) => 2 + kind as u8,
        }
    }

    fn of(mark: u8) -> Option<Self> {
        match mark {
            0 => Some(Operator::Insert),
            1 => Some(Operator::Remove),
            mark => Kind::ALL.get(usize::from(mark - 2)).map(|kind| Operator::Add(*kind)),
        }
    }
}

/// A cast as it travels: its mark, the key as a byte string, and the value as the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Thrown<'a> {
    pub(crate) operator: Operator,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
}

impl<'a> Thrown<'a> {
    pub(crate) fn read(cast: &'a [u8]) -> Result<Self, BodyError> {
        let wrong = |reason: &str| BodyError::Decode { expected: "cast", reason: reason.to_owned() };
        let (&mark, rest) = cast.split_first().ok_or_else(|| wrong("it is empty"))?;
        let operator = Operator::of(mark).ok_or_else(|| wrong("no operation has this mark"))?;
        let mut strings = ByteStrings::new(rest);
        let key = strings.next().ok_or_else(|| wrong("it has no key"))??;
        Ok(Self { operator, key, value: &rest[strings.position()..] })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    Value(Option<ByteBuf>),
    Is(bool),
    Count(u64),
    Entry(Option<(ByteBuf, ByteBuf)>),
    /// A value that was taken out, and holds what moves; with its key where that was not asked for.
    Moved(Option<ByteBuf>, Parcel),
    Flat(Strings),
    Page {
        entries: ByteBuf,
        /// The number of the last entry in it; none if nothing comes after it.
        after: Option<u64>,
        /// The number of the last entry when the iteration began.
        until: u64,
    },
    Done,
    Casts(Refused),
    /// The key as it is now.
    Report {
        version: u64,
        value: Option<ByteBuf>,
    },
    Changes {
        version: u64,
        changes: Changes,
    },
    Lagged {
        version: u64,
    },
    Unchanged,
    Refused(Refusal),
}

/// Why something was not done. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    Full,
    TooLarge,
    Overflow,
    WrongKind(String),
    Function(FunctionError),
}

impl From<FunctionError> for Refusal {
    fn from(error: FunctionError) -> Self {
        Refusal::Function(error)
    }
}
