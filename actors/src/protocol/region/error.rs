//! What can go wrong with a region.

use std::io;

use super::owner::MAX_MAPPINGS;
use crate::call::CallError;
use crate::protocol::object::ObjectError;

/// Why a region is not mapped, or a question to it has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegionError {
    /// Nobody had it any more: its creator has closed it or ended, and so have all who had it mapped. Its memory is gone.
    #[error("the region is gone: nobody had it any more")]
    Gone,
    /// The job's root has ended. What is mapped stays mapped.
    #[error("the root of the job has ended")]
    Disconnected,
    /// The job's root, which keeps all regions, did not answer within 60 s: it is stopped or very busy.
    #[error("the root of the job does not answer")]
    Unresponsive,
    /// This node has the region mapped 4,096 times.
    #[error("this node has the region mapped {MAX_MAPPINGS} times, as often as it may")]
    TooManyMappings,
    /// The system refused: the size can't be, there is no room for so much memory, or this process has no descriptor or mapping left.
    #[error("{reason}")]
    System {
        /// The kind of error; `StorageFull` or `OutOfMemory` if there is no room.
        kind: io::ErrorKind,
        /// What it said.
        reason: String,
    },
}

impl From<ObjectError> for RegionError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Disconnected => RegionError::Disconnected,
            ObjectError::Unresponsive => RegionError::Unresponsive,
        }
    }
}

impl From<CallError> for RegionError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Gone => RegionError::Gone,
            CallError::TimedOut => RegionError::Unresponsive,
            CallError::Disconnected => RegionError::Disconnected,
            // Its descriptor could not be taken: this process has no room for more.
            CallError::BadReply(reason) => RegionError::System { kind: io::ErrorKind::Other, reason },
        }
    }
}

impl From<io::Error> for RegionError {
    fn from(error: io::Error) -> Self {
        RegionError::System { kind: error.kind(), reason: error.to_string() }
    }
}

/// Why a region's name was not taken away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnlinkError {
    /// It has no name: it was created without, or the name has been taken away.
    #[error("the region has no name, or none any more")]
    NoName,
    /// The region could not be asked.
    #[error(transparent)]
    Region(#[from] RegionError),
}

/// Why bytes of a mapping were not read or written, or are no values of that type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// They are not all within what was asked, a mapping or a view; counted in bytes there and in elements here.
    #[error("{len} at {at} of what has {of}")]
    OutOfRange {
        /// The first.
        at: usize,
        /// How many.
        len: usize,
        /// How many there are.
        of: usize,
    },
    /// They do not begin where values of that type may.
    #[error("byte {at} for values that lie at multiples of {alignment}")]
    Misaligned {
        /// The first byte.
        at: usize,
        /// The alignment of the type.
        alignment: usize,
    },
    /// The bytes are no whole number of values of that type. No bytes hold values that have no size.
    #[error("{len_bytes} bytes for values of {size_bytes} each")]
    Indivisible {
        /// How many bytes there are.
        len_bytes: usize,
        /// The size of the type.
        size_bytes: usize,
    },
    /// As many values were given, and the view has another number.
    #[error("{given} values for a view of {expected}")]
    WrongLength {
        /// How many there were.
        given: usize,
        /// How many the view has.
        expected: usize,
    },
}
