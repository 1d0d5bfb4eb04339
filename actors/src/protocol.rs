//! What processes share, each protocol in three rooms: `wire`, its messages; `owner`, a pure machine; the handle
//! that users hold, with what it needs on its node.

pub(crate) mod counter;
pub(crate) mod event;
pub(crate) mod list;
mod object;
pub(crate) mod pipe;
pub(crate) mod queue;
pub(crate) mod register;
pub(crate) mod served;
mod travel;

pub(crate) use object::functions::refuse_inside;
pub use object::{FunctionError, ObjectError, Swap};
