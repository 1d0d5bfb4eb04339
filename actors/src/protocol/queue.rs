//! Queues: items from many producers to many consumers, each item to one of them.
//!
//! `Queue` is the handle. All handles of one node share a face, which keeps the node's credit (`producer`) and
//! prefetched items (`consumer`). `cell` puts the owner's machine into a slot of the node that created the queue,
//! and `line` carries what faces and cell say to each other, in one process or between two.

mod cell;
mod client;
mod consumer;
mod effects;
mod error;
mod face;
#[cfg(any(test, fuzzing))]
mod fuzzing;
mod getting;
mod handle;
mod inbox;
mod kind;
mod lease;
mod line;
mod options;
mod owner;
mod producer;
mod travel;
mod watching;
mod wire;

#[cfg(any(test, fuzzing))]
pub(crate) use self::fuzzing::{Fuzzed, TRIPS, a_word};
#[cfg(any(test, fuzzing))]
pub(crate) use self::inbox::fuzz as fuzz_inbox;
#[cfg(any(test, fuzzing))]
pub(crate) use self::owner::fuzz;
pub use error::{GetError, LeaseError, PutError, QueueError, TryGetError};
pub use handle::{Iter, LifoQueue, PriorityQueue, Queue};
pub use kind::{ByPriority, Fifo, Kind, Lifo};
pub use lease::{DeadLetter, Lease};
pub use options::QueueOptions;
pub use watching::Leasable;
