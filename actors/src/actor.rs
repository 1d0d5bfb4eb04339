//! Actors: state that handles one message at a time, on whichever of its node's threads is free.

mod asked;
mod cell;
mod context;
mod error;
mod exit;
mod handle;
mod mailbox;
mod remote;
mod reply;
mod wire;
mod workers;

use std::panic::{AssertUnwindSafe, catch_unwind};

use callboard_core::Address;

pub use self::asked::Asked;
pub(crate) use self::cell::refuse;
pub use self::context::Context;
pub use self::error::{AskError, CastError, StartActorError};
pub use self::exit::Exit;
pub use self::handle::{ActorRef, Message};
pub use self::reply::ReplyTo;
use self::wire::Ending;
pub(crate) use self::wire::{HEADED, Right};
pub(crate) use self::workers::{Workers, waits};

use self::cell::{ActorCell, Body};
use self::context::run_as;
use self::mailbox::Capacity;
use crate::failure::Failure;
use crate::names::{self, Object};
use crate::node::Node;
use crate::protocol::panic_text;

/// How many messages of each sending node may wait, unless it is set.
const CAPACITY: u64 = 1024;
/// How many bytes of them, if they come encoded.
const CAPACITY_BYTES: u64 = 1024 * 1024;

/// State that handles one message at a time.
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use callboard::{Actor, Context, Failure, Node, ReplyTo};
/// use serde::{Deserialize, Serialize};
///
/// struct Counter(u64);
///
/// #[derive(Serialize, Deserialize)]
/// enum Count {
///     Add(u64),
///     Get(ReplyTo<u64>),
/// }
///
/// impl Actor for Counter {
///     type Message = Count;
///     type Args = u64;
///
///     fn start(_: &mut Context<Count>, from: u64) -> Result<Self, Failure> {
///         Ok(Counter(from))
///     }
///
///     fn handle(&mut self, _: &mut Context<Count>, message: Count) -> Result<(), Failure> {
///         match message {
///             Count::Add(by) => self.0 += by,
///             Count::Get(reply) => reply.send(self.0)?,
///         }
///         Ok(())
///     }
/// }
///
/// let node = Node::start()?;
/// let counter = node.actor::<Counter>(40).start()?;
/// counter.cast(Count::Add(2))?;
/// assert_eq!(counter.call(Count::Get)?, 42);
/// # Ok(())
/// # }
/// ```
pub trait Actor: Sized + Send + 'static {
    /// What it handles: usually an enum. It crosses processes as a serde value, and is moved within one.
    type Message: Message;
    /// What it starts with.
    type Args;

    /// Makes its state, on the thread that starts it. Messages that come meanwhile wait.
    ///
    /// # Errors
    ///
    /// It does not start then, and its name is free again.
    fn start(context: &mut Context<Self::Message>, args: Self::Args) -> Result<Self, Failure>;

    /// Handles a message. It may wait for anything; another thread takes the place of one that waits in a verb of this crate.
    ///
    /// # Errors
    ///
    /// End it, with [`Exit::Failed`]. A panic ends it with [`Exit::Panicked`], and nobody else.
    fn handle(&mut self, context: &mut Context<Self::Message>, message: Self::Message)
    -> Result<(), Failure>;

    /// Its life is over, and nothing more comes in; but not if it was killed. Its name is still its own.
    fn stopped(&mut self, _context: &mut Context<Self::Message>, _exit: &Exit) {}
}

/// An actor to be started.
#[must_use = "nothing happens before `start`"]
pub struct StartActor<'a, A: Actor> {
    node: &'a Node,
    args: A::Args,
    name: Option<String>,
    capacity: Capacity,
}

impl<A: Actor> std::fmt::Debug for StartActor<'_, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StartActor<{}>({:?})", std::any::type_name::<A>(), self.name)
    }
}

impl Node {
    /// An actor that lives on this node until it ends, or the node does. It runs from [`StartActor::start`] on.
    pub fn actor<A: Actor>(&self, args: A::Args) -> StartActor<'_, A> {
        let capacity = Capacity { messages: CAPACITY, bytes: CAPACITY_BYTES };
        StartActor { node: self, args, name: None, capacity }
    }
}

impl<A: Actor> StartActor<'_, A> {
    /// Gives it a name, under which [`Node::open`] finds its `ActorRef<A::Message>` from anywhere in the job, until it ends.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How many messages of each sending node may wait in its mailbox: 1,024 by default, at least 1. Each node has that
    /// room for itself, so that none keeps another from sending.
    pub fn capacity(mut self, messages: u64) -> Self {
        self.capacity.messages = messages.max(1);
        self
    }

    /// How many bytes of them, for those that come from other nodes: 1 MiB by default, at least 1. A single one may be
    /// larger.
    pub fn capacity_bytes(mut self, bytes: u64) -> Self {
        self.capacity.bytes = bytes.max(1);
        self
    }

    /// Starts it: its `start` runs on this thread.
    ///
    /// # Errors
    ///
    /// [`StartActorError`]. Then nothing is left of it.
    pub fn start(self) -> Result<ActorRef<A::Message>, StartActorError> {
        let runtime = self.node.runtime();
        let name = self.name.as_deref();
        let cell = ActorCell::<A::Message>::create(runtime, self.capacity, name);
        let me = ActorRef::here(runtime, std::sync::Arc::clone(&cell));
        if let Some(name) = name {
            let type_name = <ActorRef<A::Message> as Object>::type_name();
            if let Err(error) = names::claim(runtime, name, cell.address, type_name) {
                cell.never_began(runtime);
                return Err(error.into());
            }
        }
        let mut context = Context { me: me.clone(), node: self.node.downgrade(), is_stopping: false };
        let start = || run_as(cell.address, || A::start(&mut context, self.args));
        let error = match catch_unwind(AssertUnwindSafe(start)) {
            Ok(Ok(state)) => {
                if context.is_stopping {
                    cell.end(runtime, Ending::Stop);
                }
                let running = Running { state, context, address: cell.address };
                cell.begin(runtime, Box::new(running));
                return Ok(me);
            }
            Ok(Err(failure)) => StartActorError::Failed(failure),
            Err(panic) => StartActorError::Panicked(panic_text(panic)),
        };
        cell.never_began(runtime);
        Err(error)
    }
}

/// An actor's state, and its own view of its life.
struct Running<A: Actor> {
    state: A,
    context: Context<A::Message>,
    address: Address,
}

impl<A: Actor> Body<A::Message> for Running<A> {
    fn handle(&mut self, message: A::Message) -> Option<Exit> {
        let Self { state, context, address } = self;
        let handle = || run_as(*address, || state.handle(context, message));
        match catch_unwind(AssertUnwindSafe(handle)) {
            Ok(Ok(())) => self.context.is_stopping.then_some(Exit::Normal),
            Ok(Err(failure)) => Some(Exit::Failed(failure)),
            Err(panic) => Some(Exit::Panicked(panic_text(panic))),
        }
    }

    fn stopped(&mut self, exit: &Exit) {
        let Self { state, context, address } = self;
        // A panic here changes nothing: its life is over.
        let _ = catch_unwind(AssertUnwindSafe(|| run_as(*address, || state.stopped(context, exit))));
    }
}
