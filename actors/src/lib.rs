//! Programs made of several processes that share queues and actors by name, and nothing that hangs when one of them dies.
//!
//! A [`Node`] is this process as a member of a job. It spawns functions in processes of their own, creates and
//! opens objects that all of them share, starts [actors](Actor), and [supervises](Node::supervise) them. Whoever comes from Erlang, or from
//! another library of actors, may begin with the [guides](guide).

#![warn(clippy::unwrap_used)]

mod actor;
mod arriving;
mod call;
mod cell;
mod command;
mod control;
mod exits;
mod failure;
mod family;
mod fault;
mod fnv;
mod group;
mod guests;
pub mod guide;
mod hello;
mod hook;
mod jobs;
mod logs;
mod manager;
mod names;
mod node;
mod outbox;
mod parcel;
mod peer;
pub mod pipeline;
pub mod pool;
mod process;
mod protocol;
mod registry;
mod router;
mod runtime;
mod scope;
mod scratch;
#[cfg(test)]
mod simulation;
mod standing;
mod supervisor;
pub mod testing;
mod tree;
mod wait;
mod wait_any;

/// What a [`View`] asks of the types it shows: [`Pod`](bytemuck::Pod).
#[doc(no_inline)]
pub use bytemuck;

pub use actor::{
    Actor, ActorRef, ActorStats, AskError, Asked, CastError, Context, Down, Exit, InHand, Message, Monitor,
    MonitorId, ReplyTo, StartActor, StartActorError, StashFull, TimerId, WhenFull, messages,
};
pub use callboard_core::{Address, BodyError, NodeId};
pub use callboard_ipc::{Lack, ProcessState, check};
pub use command::{Command, CommandError, CommandInput, CommandOutput, CommandOutputError, StartCommand};
pub use exits::ChildExit;
pub use failure::Failure;
pub use family::ActiveChild;
pub use group::{Group, GroupCastError, GroupChange, GroupError, GroupOptions, GroupWatch};
pub use jobs::{RunningJob, jobs};
pub use logs::{LogError, LogOptions, LogRecord};
pub use manager::{Host, Manager, ManagerError};
pub use names::{NameError, Object};
pub use node::{JoinJobError, Node, StartError};
pub use process::{
    ChildPanic, JoinError, Limit, OutOfMemory, Output, Process, Run, Spawn, SpawnError, StartMethod,
    StartMethodError, processor_count, processors,
};
pub use protocol::array::{Array, ArrayError, ArrayOptions, ArrayRead, ArrayWrite};
pub use protocol::barrier::{Barrier, BarrierError, BarrierOptions, BrokenBy, NoParties};
pub use protocol::condition::{Condition, ConditionGuard, ConditionOptions};
pub use protocol::counter::{AtLeast, Counter, CounterError, CounterOptions};
pub use protocol::dict::{
    Batch, Dict, DictChange, DictError, DictIter, DictOptions, DictWatch, DictWatchAll, DictWatchError,
    Number,
};
pub use protocol::event::{Event, EventOptions};
pub use protocol::latch::{Latch, LatchError, LatchOptions};
pub use protocol::list::{List, ListChange, ListError, ListIter, ListOptions, ListWatch};
pub use protocol::lock::{Lock, LockGuard, LockOptions, ReentrantGuard, ReentrantLock};
pub use protocol::pipe::{
    PipeEnd, PipeReceiver, PipeSender, PollError, RecvBytesError, RecvError, SendError, TryRecvError,
};
pub use protocol::queue::{
    ByPriority, DeadLetter, Fifo, GetError, Iter, Kind, Leasable, Lease, LeaseError, Lifo, LifoQueue,
    PriorityQueue, PutError, Queue, QueueError, QueueOptions, TryGetError,
};
pub use protocol::region::{
    AccessError, MapAccess, Mapping, ReadOnly, ReadWrite, Region, RegionError, RegionOptions, UnlinkError,
    View,
};
pub use protocol::register::{Register, RegisterChange, RegisterError, RegisterOptions, RegisterWatch};
pub use protocol::rw_lock::{ReadGuard, RwLock, RwLockOptions, WriteGuard};
pub use protocol::semaphore::{Permit, ReleaseError, Semaphore, SemaphoreOptions};
pub use protocol::served::{Reply, Serve, Served, ServedError};
pub use protocol::set::{Set, SetChange, SetIter, SetOptions, SetWatch};
pub use protocol::shared::{Holder, LockError};
pub use protocol::value::{Integer, Value, ValueError, ValueGuard, ValueOptions};
pub use protocol::{FunctionError, ObjectError, Swap};
pub use standing::{WaitInfo, WaitParty, WaitRole};
pub use supervisor::{
    AutoShutdown, Backoff, BackoffError, ChildInfo, ChildSpec, ChildState, Restart, Shutdown, Strategy,
    Supervisor, SupervisorEnd, SupervisorError, SupervisorSpec,
};
pub use tree::Tree;
pub use wait_any::{Interest, Member, WaitAny, Waitable, wait_any};

#[doc(hidden)]
pub mod door;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
#[doc(hidden)]
pub use actor::generated;

/// The README's program, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
