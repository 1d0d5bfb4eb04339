//! What is asked of a region, and of the root to make one.

use callboard_core::{Address, NodeId};
use serde::{Deserialize, Serialize};

use crate::parcel::Parcel;
use crate::registry::Entry;

/// To the root's [`REGIONS`](super::REGIONS).
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ToRoot {
    /// Make a region. A call.
    Make(Make),
    /// Whoever asked for the region with that key has not heard of it in time, and does not want it.
    Unmake { key: u64 },
}

/// A region to be made.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Make {
    pub(super) size_bytes: u64,
    /// The descriptor of its memory.
    pub(super) memory: Parcel,
    /// None: nobody shall find it.
    pub(super) name: Option<String>,
    /// A number that its creator has drawn.
    pub(super) key: u64,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Made {
    At(Address),
    /// The name stands for something already, and nothing was made.
    Stands(Entry),
}

/// What travels of these types.
#[cfg(any(test, fuzzing))]
pub(crate) const TRIPS: &[crate::fuzzing::Trip] = {
    use crate::fuzzing::trip;
    &[trip::<ToRoot>, trip::<Made>, trip::<Ask>, trip::<Reply>]
};

/// To a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Answered with how it is.
    Look,
    /// That node has it mapped as long as this is not answered, nor taken back. Answered if it can't.
    Hold { by: NodeId },
    /// Answered with its memory.
    Memory,
    /// That node needs it no longer as its creator; of the region with that key, if one is given. Answered once it is so.
    Close { by: NodeId, key: Option<u64> },
    /// Answered once it has no name.
    Unlink,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    Is {
        size_bytes: u64,
        holders: u64,
    },
    Memory {
        size_bytes: u64,
        memory: Parcel,
    },
    Done,
    /// It has no name.
    NoName,
    /// That node has it mapped as often as it may.
    TooMany,
    /// Nobody has it any more.
    Gone,
}
