//! Actors: state that handles one message at a time, on whichever of its node's threads is free.

mod asked;
mod bonds;
mod cell;
mod context;
mod error;
mod exit;
mod fate;
mod handle;
mod in_hand;
mod keeper;
mod kept;
mod link;
mod mailbox;
mod messages;
mod news;
mod place;
mod remote;
mod reply;
mod send;
mod start;
mod stats;
mod thread;
mod watch;
mod when_full;
mod wire;
mod workers;

use callboard_core::Address;

pub use self::asked::Asked;
pub(crate) use self::cell::refuse;
pub use self::context::{Context, MonitorId, StashFull, TimerId};
pub use self::error::{AskError, CastError, StartActorError};
pub use self::exit::Exit;
pub(crate) use self::fate::{Fates, answer as answer_fate};
pub use self::handle::{ActorRef, Message};
pub use self::in_hand::InHand;
pub(crate) use self::kept::Kept;
pub use self::messages::{generated, messages};
pub use self::reply::ReplyTo;
pub use self::start::StartActor;
pub(crate) use self::start::start_plain;
pub use self::stats::ActorStats;
pub use self::watch::{Down, Monitor};
pub use self::when_full::WhenFull;
pub(crate) use self::wire::{HEADED, Right};
#[cfg(any(test, fuzzing))]
pub(crate) use self::wire::{TRIPS, read_head};
pub(crate) use self::workers::{Workers, waits};

use crate::failure::Failure;

/// State that handles one message at a time.
///
/// This is the plain form; [`messages`] writes the enum and `handle` of one whose messages are methods.
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
    /// What it starts with. Serde values, for one in its [own process](StartActor::own_process).
    type Args;

    /// Makes its state, on the thread that starts it. Its name stands for it already; messages that come meanwhile wait.
    ///
    /// # Errors
    ///
    /// It does not start then, and its name is free again; a panic does the same. Whoever starts it is told, by [`StartActorError`]; a
    /// supervisor, when it starts it again, counts that as one failure more.
    fn start(context: &mut Context<Self::Message>, args: Self::Args) -> Result<Self, Failure>;

    /// Handles a message. It may wait for anything; another thread takes the place of one that waits in a verb of this crate.
    ///
    /// # Errors
    ///
    /// End it, with [`Exit::Failed`]. A panic ends it with [`Exit::Panicked`], and nobody else.
    fn handle(&mut self, context: &mut Context<Self::Message>, message: Self::Message)
    -> Result<(), Failure>;

    /// Called when its life is over, also after an error or a panic; not if it was [killed](ActorRef::kill), and not when its node ends.
    /// It handles no more messages, and its name is still its own. A panic in here changes nothing. Does nothing unless it is written.
    ///
    /// Source: `terminate` of Erlang's `gen_server`.
    fn stopped(&mut self, _context: &mut Context<Self::Message>, _exit: &Exit) {}

    /// An actor that it [monitors](Context::monitor) has ended, or is started again. Comes in order with that one's messages. Does
    /// nothing unless it is written.
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle).
    fn down(
        &mut self,
        _context: &mut Context<Self::Message>,
        _monitor: MonitorId,
        _down: Down,
    ) -> Result<(), Failure> {
        Ok(())
    }

    /// An actor to which it is [linked](Context::link) has ended, or, if that is none, somebody wants it to [exit](ActorRef::exit). Only
    /// if it [traps exits](Context::trap_exits). Comes in order with messages. Does nothing unless it is written.
    ///
    /// # Errors
    ///
    /// As [`handle`](Self::handle).
    fn exited(
        &mut self,
        _context: &mut Context<Self::Message>,
        _from: Option<Address>,
        _exit: Exit,
    ) -> Result<(), Failure> {
        Ok(())
    }
}
