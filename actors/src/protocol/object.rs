//! What the protocols of one owner and many askers share: an owner that is a pure machine, the cell that puts it to work,
//! and the way to it from any node.
//!
//! Such a protocol has two kinds of messages: what is asked, and what is answered. A wait is a question whose answer comes
//! later. So an owner keeps no list of clients, and whoever asks keeps nothing but the call: when the owner's node ends,
//! its calls fail, and everybody who waits is told.

mod asking;
mod casts;
mod cell;
mod changes;
pub(crate) mod functions;
mod handle;
mod owner;
#[cfg(test)]
pub(crate) mod simulated;
mod strings;
mod swap;
mod value;

pub(crate) use self::asking::Asking;
pub(crate) use self::casts::{AboutCasts, Refusals, Refused, TakesCasts};
#[cfg(any(test, fuzzing))]
pub(crate) use self::cell::Envelope;
pub(crate) use self::cell::ObjectCell;
pub(crate) use self::changes::Changes;
pub use self::functions::FunctionError;
pub(crate) use self::functions::{Functions, asked_name};
pub use self::handle::ObjectError;
pub(crate) use self::handle::{Asked, Handle, Typed, shared_object};
pub(crate) use self::owner::{Asker, Effects, Owner};
pub(crate) use self::strings::Strings;
pub use self::swap::Swap;
pub(crate) use self::swap::until_done;
pub(crate) use self::value::{decode_value, encode_value, fit_a_message};
