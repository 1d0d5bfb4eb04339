//! What is asked of the owner of memory that others use, and what it answers.

use callboard_core::NodeId;
use serde::{Deserialize, Serialize};

use crate::parcel::Parcel;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// The node is a member from now until nobody waits for the answer any more. Answered only if it can't be, or the owner ends.
    Stay { key: u64, node: NodeId, pid: u32 },
    /// Answered with `Attached`, where the member of that key finds the object. It has those slabs mapped.
    Attach { key: u64, mapped: Vec<u32> },
    /// Ends the object. Answered with `Gone`.
    Close,
    /// Answered with `Members`: who these numbers are.
    Who { numbers: Vec<u32> },
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply<O> {
    Attached(Place<O>),
    /// There are as many members as there may be.
    Full {
        most: u64,
    },
    /// It is no more.
    Gone,
    /// None for those that have gone.
    Members(Vec<Option<(NodeId, u32)>>),
}

/// What travels of these types.
#[cfg(any(test, fuzzing))]
pub(crate) const TRIPS: &[crate::fuzzing::Trip] = {
    use crate::fuzzing::trip;
    &[trip::<Ask>, trip::<Reply<()>>]
};

/// Where an object lies, and as whom one comes.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place<O> {
    pub(crate) slab: u32,
    pub(crate) slab_bytes: u64,
    pub(crate) at: u64,
    pub(crate) bytes: u64,
    pub(crate) number: u32,
    pub(crate) entry: u64,
    pub(crate) options: O,
    /// No bytes, and the slab's descriptor unless it is mapped.
    pub(crate) memory: Parcel,
}
