//! What objects share that lie in shared memory: locks, semaphores, values and arrays.
//!
//! Their words are `callboard_ipc::sync`'s; this is who owns them and how a process comes to them. The owner is where the object was
//! created: it gives each node that uses the object a number ([`Member`](callboard_ipc::sync::Member)) and the memory, once, and takes back what a node held when that has ended. All
//! else goes by the memory alone, without a message.
//!
//! A node is a member as long as its question [`Stay`](wire::Ask::Stay) waits for an answer at the owner. When the node ends, or lets go, the question
//! is forgotten there, and the owner recovers; when the owner ends, the question fails here, and whoever waits on this node is told.
//!
//! A node that has ended, or whose connection broke, may be in a process that lives on, with a guard in one of its threads. So the owner recovers what such a node
//! held only when that has [let go](attached) of it, or its process has died; until then the node counts as a member.

mod attached;
mod error;
mod face;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod object;
mod owner;
#[cfg(any(test, fuzzing))]
mod probe;
#[cfg(test)]
mod simulated;
mod wire;

pub(crate) use self::attached::Attached;
pub(crate) use self::error::refused;
pub use self::error::{Holder, LockError};
pub(crate) use self::face::{Face, Found};
#[cfg(any(test, fuzzing))]
pub(crate) use self::fuzzing::fuzz;
pub(crate) use self::object::memory_object;
pub(crate) use self::owner::{Shape, SharedOwner};

/// How many nodes may use an object that keeps a line about each of them, unless its options say otherwise.
pub(crate) const PROCESSES: usize = 256;
#[cfg(any(test, fuzzing))]
pub(crate) use self::wire::TRIPS;
