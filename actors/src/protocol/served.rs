//! Objects of users' own types, with methods that run where the object is.
//!
//! A call names a method by its place in the program, as a spawn names its function; so caller and object must be of one
//! build. Calls wait in the object's mailbox (`mailbox`, the owner) and run one after another on a thread of its own
//! (`worker`), which is started by the first: user code runs under no lock, and may use any handle. A caller may leave a call
//! under way (`reply`).

mod error;
mod handle;
mod mailbox;
mod reply;
mod worker;

pub use self::error::ServedError;
pub use self::handle::{Serve, Served};
#[cfg(any(test, fuzzing))]
pub(crate) use self::mailbox::{TRIPS, fuzz};
pub use self::reply::Reply;
