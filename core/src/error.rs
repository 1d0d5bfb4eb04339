//! What can be wrong with bytes.

use thiserror::Error;

/// Why a value can't be encoded, or bytes can't be decoded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BodyError {
    /// The value's own `Serialize` refused, or the format can't express it.
    #[error("the value can't be encoded: {0}")]
    Encode(String),
    /// The bytes are not a value of the type asked for.
    #[error("not a {expected}: {reason}")]
    Decode {
        /// The type asked for.
        expected: &'static str,
        /// What the decoder met.
        reason: String,
    },
    /// The value was followed by bytes that belong to nothing.
    #[error("there are bytes after the value that belong to nothing")]
    TrailingBytes,
    /// A sequence of byte strings ends within one, or holds something else.
    #[error("not a sequence of byte strings, at byte {0}")]
    NotByteStrings(usize),
}

/// Why bytes from a connection are not frames. The connection can't be used any more.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// No kind of frame has this number.
    #[error("frame kind {0} does not exist")]
    UnknownKind(u8),
    /// A flag is set that means nothing.
    #[error("frame flags {0:#010b} have a bit that means nothing")]
    UnknownFlags(u8),
    /// The body is longer than a frame's may be.
    #[error("a frame body of {0} bytes; at most {max} were expected", max = crate::limits::MAX_FRAME_BODY_BYTES)]
    BodyTooLong(u32),
    /// More descriptors are announced than a message may carry.
    #[error("{0} descriptors; at most {max} were expected", max = crate::limits::MAX_FRAME_DESCRIPTORS)]
    TooManyDescriptors(u16),
    /// The frames of one message add up to more than a message may hold.
    #[error("a message of more than {max} bytes", max = crate::limits::MAX_MESSAGE_BYTES)]
    MessageTooLong,
    /// Too many messages were begun and not finished.
    #[error("more than {max} messages begun and not finished", max = crate::limits::MAX_UNFINISHED_MESSAGES)]
    TooManyUnfinished,
}
