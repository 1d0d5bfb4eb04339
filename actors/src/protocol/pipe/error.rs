//! What can go wrong with a pipe.

use std::io;

use callboard_core::BodyError;

use super::end::{NotSent, NotTaken};

/// Why a message was not sent. It is handed back.
#[derive(Debug, thiserror::Error)]
pub enum SendError<T> {
    /// There is no room now, or was none within the timeout.
    #[error("the pipe is full")]
    Full(T),
    /// The other end has been closed, or its process has ended: nobody will read.
    #[error("the other end of the pipe is closed")]
    Closed(T),
    /// This end has been sent to another process.
    #[error("this end of the pipe has been sent away")]
    Moved(T),
    /// The message can't be encoded.
    #[error("the message can't be encoded")]
    Encode(T, #[source] BodyError),
    /// The message is larger than 256 MiB, as encoded, or has more than 63 descriptors in it.
    #[error("the message is too large for a pipe")]
    TooLarge(T),
    /// The system has no memory or no descriptor for it.
    #[error("the system has no room for the message")]
    System(T, #[source] io::Error),
}

impl<T> SendError<T> {
    /// The message.
    pub fn into_inner(self) -> T {
        match self {
            SendError::Full(message)
            | SendError::Closed(message)
            | SendError::Moved(message)
            | SendError::Encode(message, _)
            | SendError::TooLarge(message)
            | SendError::System(message, _) => message,
        }
    }
}

/// Why no message was received.
#[derive(Debug, thiserror::Error)]
pub enum RecvError {
    /// The other end has been closed, or its process has ended, and everything it sent has been received.
    #[error("the other end of the pipe is closed")]
    Closed,
    /// No message came within the timeout.
    #[error("no message came in time")]
    TimedOut,
    /// This end has been sent to another process.
    #[error("this end of the pipe has been sent away")]
    Moved,
    /// The next message is bytes, to be received with `recv_bytes`. It stays.
    #[error("the next message is bytes and no value")]
    IsBytes,
    /// A message came that is no value of the pipe's type. That message is gone; the next may be fine.
    #[error("a message can't be decoded")]
    Decode(#[source] BodyError),
    /// The pipe can't be read: its memory was spoilt by the other side, or the system has no room.
    #[error("the pipe can't be read")]
    System(#[source] io::Error),
}

/// Why `try_recv` received no message.
#[derive(Debug, thiserror::Error)]
pub enum TryRecvError {
    /// There is none now.
    #[error("the pipe is empty")]
    Empty,
    /// As with a `recv`.
    #[error(transparent)]
    Recv(RecvError),
}

/// Why no bytes were received.
#[derive(Debug, thiserror::Error)]
pub enum RecvBytesError {
    /// The other end has been closed, or its process has ended, and everything it sent has been received.
    #[error("the other end of the pipe is closed")]
    Closed,
    /// No message came within the timeout.
    #[error("no message came in time")]
    TimedOut,
    /// This end has been sent to another process.
    #[error("this end of the pipe has been sent away")]
    Moved,
    /// The next message is a value, to be received with `recv`. It stays.
    #[error("the next message is a value and no bytes")]
    IsValue,
    /// The next message is longer than the buffer. It stays.
    #[error("the next message has {len} bytes, and the buffer {room}")]
    TooShort {
        /// How long the message is.
        len: usize,
        /// How long the buffer is.
        room: usize,
    },
    /// The pipe can't be read: its memory was spoilt by the other side, or the system has no room.
    #[error("the pipe can't be read")]
    System(#[source] io::Error),
}

/// Why it is not known whether there is something to receive.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// This end has been sent to another process.
    #[error("this end of the pipe has been sent away")]
    Moved,
}

impl NotSent {
    pub(super) fn with<T>(self, message: T) -> SendError<T> {
        match self {
            NotSent::Full => SendError::Full(message),
            NotSent::Closed => SendError::Closed(message),
            NotSent::Moved => SendError::Moved(message),
            NotSent::TooLarge => SendError::TooLarge(message),
            NotSent::System(error) => SendError::System(message, error),
        }
    }
}

impl NotTaken {
    pub(super) fn of_bytes(self, room: usize) -> RecvBytesError {
        match self {
            NotTaken::Nothing => RecvBytesError::TimedOut,
            NotTaken::Closed => RecvBytesError::Closed,
            NotTaken::Moved => RecvBytesError::Moved,
            NotTaken::OtherForm => RecvBytesError::IsValue,
            NotTaken::TooShort { len } => RecvBytesError::TooShort { len, room },
            NotTaken::System(error) => RecvBytesError::System(error),
        }
    }
}

impl From<NotTaken> for RecvError {
    fn from(why: NotTaken) -> Self {
        match why {
            NotTaken::Nothing => RecvError::TimedOut,
            NotTaken::Closed => RecvError::Closed,
            NotTaken::Moved => RecvError::Moved,
            NotTaken::OtherForm => RecvError::IsBytes,
            NotTaken::TooShort { .. } => unreachable!("a value may have any length"),
            NotTaken::System(error) => RecvError::System(error),
        }
    }
}
