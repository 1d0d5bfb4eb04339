//! What the protocols of one owner and many askers share: an owner that is a pure machine, the cell that puts it to work,
//! and the way to it from any node.
//!
//! Such a protocol has two kinds of messages: what is asked, and what is answered. A wait is a question whose answer comes
//! later. So an owner keeps no list of clients, and whoever asks keeps nothing but the call: when the owner's node ends,
//! its calls fail, and everybody who waits is told.

mod cell;
mod handle;
mod owner;

pub(crate) use self::cell::ObjectCell;
pub use self::handle::ObjectError;
pub(crate) use self::handle::{Asked, Handle, Typed, shared_object};
pub(crate) use self::owner::{Asker, Effects, Owner};
