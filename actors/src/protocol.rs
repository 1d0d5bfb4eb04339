//! What processes share, each protocol in three rooms: `wire`, its messages; `owner`, a pure machine; the handle
//! that users hold, with what it needs on its node.

pub(crate) mod event;
mod object;
pub(crate) mod pipe;
pub(crate) mod queue;
pub(crate) mod served;
mod travel;

pub use object::ObjectError;
