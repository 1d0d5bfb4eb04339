//! Programs made of several processes that share queues by name, and nothing that hangs when one of them dies.
//!
//! A [`Node`] is this process as a member of a job. It spawns functions in processes of their own, and creates and
//! opens objects that all of them share.

#![warn(clippy::unwrap_used)]

mod call;
mod cell;
mod control;
mod failure;
mod guests;
mod hello;
mod hook;
mod names;
mod node;
mod outbox;
mod peer;
pub mod pipeline;
mod process;
mod protocol;
mod registry;
mod router;
mod runtime;
mod scope;
mod wait;
mod wait_any;

pub use callboard_core::{Address, BodyError, NodeId};
pub use failure::Failure;
pub use names::{NameError, Object};
pub use node::{JoinJobError, Node, StartError};
pub use process::{ChildPanic, JoinError, Process, Spawn, SpawnError};
pub use protocol::ObjectError;
pub use protocol::dict::{
    Batch, Change, Dict, DictError, DictIter, DictOptions, Number, Swap, Watch, WatchAll, WatchError,
};
pub use protocol::event::{Event, EventOptions};
pub use protocol::queue::{
    DeadLetter, GetError, Iter, Lease, LeaseError, PutError, Queue, QueueError, QueueOptions, TryGetError,
};
pub use protocol::set::{Set, SetIter, SetOptions};
pub use wait_any::{Interest, Member, WaitAny, Waitable, wait_any};

#[doc(hidden)]
pub mod door;

/// The README's program, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
