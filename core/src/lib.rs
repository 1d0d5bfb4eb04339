//! Bytes and time: ids, frames, timers and the event loop. Opens nothing, knows no actor.
//!
//! `callboard` is what programs use; this crate is its ground floor.

#![warn(clippy::unwrap_used)]
#![forbid(unsafe_code)]

pub mod limits;

mod body;
mod codec;
mod error;
mod event_loop;
mod frame;
mod id;
mod source;
mod timer;
mod waker;

pub use body::{ByteStrings, decode, encode_into, push_bytes, push_encoded, push_parts};
pub use codec::{Assembler, Decoder, Frame, Message};
pub use error::{BodyError, FrameError};
pub use event_loop::{EventLoop, Reactor, Token};
pub use frame::{Flags, Header, Kind, append_message};
pub use id::{Address, NodeId, Slot, Slots};
pub use limits::HEADER_BYTES;
pub use source::{Readiness, Source, Wants};
pub use timer::{TimerKey, Timers};
