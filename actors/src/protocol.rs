//! What processes share, each protocol in three rooms: `wire`, its messages; `owner`, a pure machine; the handle
//! that users hold, with what it needs on its node.

pub(crate) mod array;
pub(crate) mod barrier;
pub(crate) mod condition;
pub(crate) mod counter;
pub(crate) mod dict;
pub(crate) mod event;
pub(crate) mod latch;
pub(crate) mod list;
pub(crate) mod lock;
pub(crate) mod message_pack;
pub(crate) mod object;
pub(crate) mod pipe;
pub(crate) mod queue;
pub(crate) mod region;
pub(crate) mod register;
pub(crate) mod rw_lock;
pub(crate) mod semaphore;
pub(crate) mod served;
pub(crate) mod set;
pub(crate) mod shared;
pub(crate) mod travel;
pub(crate) mod value;

pub(crate) use object::functions::{panic_text, refuse_inside};
pub use object::{FunctionError, ObjectError, Swap};
