//! What processes share, each protocol in three rooms: `wire`, its messages; `owner`, a pure machine; the handle
//! that users hold, with what it needs on its node.

pub(crate) mod dict;
pub(crate) mod event;
mod message_pack;
mod object;
pub(crate) mod queue;
pub(crate) mod set;
mod travel;

pub use object::ObjectError;
