//! A pipe: messages straight from one process to another, without an owner.
//!
//! Its ends are move-only. Each has its own socket and memory with the other end, so nothing else delays its messages, and
//! its end is seen by the other side whoever made or once held it. Bytes are published in shared memory as whole messages
//! (`callboard_ipc::Rings`): whoever is killed, a message has left whole or not at all, and what had left can still be read.

mod end;
mod error;
mod handle;
mod moving;
mod short;
mod travel;
mod waiting;
mod wire;

pub use self::error::{PollError, RecvBytesError, RecvError, SendError, TryRecvError};
pub use self::handle::{PipeEnd, PipeReceiver, PipeSender};
#[cfg(any(test, fuzzing))]
pub(crate) use self::wire::fuzz as fuzz_heads;
