//! The live right to send to an actor.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_core::Address;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cell::ActorCell;
use super::context::current;
use super::error::{AskError, CastError};
use super::remote::Remote;
use super::reply::{Local, ReplyTo};
use super::send::Patience;
use super::stats::ActorStats;
use super::wire::{Ending, ToActor, deadline_in};
use crate::call::CallError;
use crate::names::{Object, sealed::Sealed};
use crate::node::Node;
use crate::protocol::travel;
use crate::runtime::Runtime;

/// What a message to an actor must be.
pub trait Message: Serialize + DeserializeOwned + Send + 'static {}

impl<M: Serialize + DeserializeOwned + Send + 'static> Message for M {}

/// The right to send messages of type `M` to one actor, wherever it lives: a plain value, as every handle.
///
/// Messages of one sender arrive in the order sent. To an actor on this node a message is moved; to another it is encoded. It keeps
/// nothing alive: an actor ends when it stops, or with its node, and then every reference to it says `Gone` or `Disconnected`.
pub struct ActorRef<M> {
    pub(super) runtime: Arc<Runtime>,
    pub(super) address: Address,
    pub(super) line: Line<M>,
}

pub(super) enum Line<M> {
    Here(Arc<ActorCell<M>>),
    There(Arc<Remote>),
    Cut,
}

impl<M> ActorRef<M> {
    pub(super) fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    pub(super) fn at(&self) -> Address {
        self.address
    }

    /// Its cell, if it is on this node.
    pub(super) fn cell(&self) -> Option<&Arc<ActorCell<M>>> {
        match &self.line {
            Line::Here(cell) => Some(cell),
            Line::There(_) | Line::Cut => None,
        }
    }
}

impl<M: Message> ActorRef<M> {
    pub(super) fn here(runtime: &Arc<Runtime>, cell: Arc<ActorCell<M>>) -> Self {
        Self { runtime: Arc::clone(runtime), address: cell.address, line: Line::Here(cell) }
    }

    pub(crate) fn of(runtime: &Arc<Runtime>, address: Address) -> Self {
        let line = if address.node == runtime.id {
            let cell = runtime.cell(address.slot).and_then(|cell| cell.into_any().downcast().ok());
            cell.map_or(Line::Cut, Line::Here)
        } else {
            Line::There(Remote::of(runtime, address))
        };
        Self { runtime: Arc::clone(runtime), address, line }
    }

    /// Sends `message`, waiting for room in the mailbox, and expects nothing.
    ///
    /// `Ok` means that it is on its way, in order with all else that this thread sends there; the actor may end before it comes to
    /// it. An actor that sends to itself does not wait: without room that is [`CastError::Full`].
    ///
    /// # Errors
    ///
    /// Each hands `message` back: [`CastError::Gone`], [`CastError::Disconnected`], [`CastError::Encode`],
    /// [`CastError::TooLarge`].
    ///
    /// Source: `gen_server:cast` of Erlang, with back-pressure.
    #[doc(alias = "tell")]
    pub fn cast(&self, message: M) -> Result<(), CastError<M>> {
        self.send(message, None, Patience::Until(None))
    }

    /// Sends `message` if there is room now. The first ones to an actor on another node may wait for the news of its room, for a
    /// second at most.
    ///
    /// # Errors
    ///
    /// As [`cast`](Self::cast); [`CastError::Full`].
    pub fn try_cast(&self, message: M) -> Result<(), CastError<M>> {
        self.send(message, None, Patience::None)
    }

    /// As [`try_cast`](Self::try_cast), and not even that.
    pub(crate) fn cast_now(&self, message: M) -> Result<(), CastError<M>> {
        self.send(message, None, Patience::Never)
    }

    /// Sends `message`, waiting up to `timeout` for room. Zero means do not wait.
    ///
    /// # Errors
    ///
    /// As [`cast`](Self::cast); [`CastError::Full`] after `timeout`.
    pub fn cast_timeout(&self, message: M, timeout: Duration) -> Result<(), CastError<M>> {
        self.send(message, None, Patience::Until(deadline_in(timeout)))
    }

    /// Sends the message that `make` makes of a right to reply, and waits for the reply, as long as that takes.
    ///
    /// # Errors
    ///
    /// [`AskError`].
    ///
    /// Source: `gen_server:call` of Erlang.
    #[doc(alias = "ask")]
    pub fn call<R>(&self, make: impl FnOnce(ReplyTo<R>) -> M) -> Result<R, AskError>
    where
        R: DeserializeOwned + Send + 'static,
    {
        self.call_until(make, None)
    }

    /// As [`call`](Self::call), waiting up to `timeout`, in which time the actor must have come to the message: later it is not
    /// handled any more.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call); [`AskError::TimedOut`] after `timeout`, and then it is not known whether the message was handled.
    pub fn call_timeout<R>(
        &self,
        make: impl FnOnce(ReplyTo<R>) -> M,
        timeout: Duration,
    ) -> Result<R, AskError>
    where
        R: DeserializeOwned + Send + 'static,
    {
        self.call_until(make, deadline_in(timeout))
    }

    fn call_until<R>(
        &self,
        make: impl FnOnce(ReplyTo<R>) -> M,
        deadline: Option<Instant>,
    ) -> Result<R, AskError>
    where
        R: DeserializeOwned + Send + 'static,
    {
        Ok(self.begin_until(make, deadline)?.wait(&self.runtime)?)
    }

    /// Sends a call; its answer is waited for at what is returned.
    pub(super) fn begin_until<R>(
        &self,
        make: impl FnOnce(ReplyTo<R>) -> M,
        deadline: Option<Instant>,
    ) -> Result<Arc<Local<R>>, AskError>
    where
        R: DeserializeOwned + Send + 'static,
    {
        if current() == Some(self.address) {
            return Err(AskError::Itself);
        }
        let peer = match &self.line {
            Line::There(remote) => remote.sender.as_ref().map(|sender| Arc::clone(&sender.peer)),
            Line::Here(_) | Line::Cut => None,
        };
        let local = Local::new(self.address, peer, deadline);
        let message = make(ReplyTo::new(&self.runtime, &local));
        self.send(message, deadline, Patience::Until(deadline)).map_err(|error| {
            match AskError::from(error) {
                // It waited for room as long as it would have for the reply.
                AskError::Full if deadline.is_some_and(|at| at <= Instant::now()) => AskError::TimedOut,
                error => error,
            }
        })?;
        Ok(local)
    }
}

impl<M: Message> ActorRef<M> {
    /// Has it end after the message in hand, with [`Exit::Normal`](super::Exit::Normal). Returns at once; a [monitor](Self::monitor) tells of the end.
    ///
    /// What waits is dropped, whoever waits for a reply is told, and what is sent from now on is [`CastError::Gone`]. For one that a
    /// supervisor keeps on its own node that holds only if it is not started again: its next life handles what waits.
    pub fn stop(&self) {
        self.end(Ending::Stop);
    }

    /// Has it end after the messages that wait, with [`Exit::Normal`](super::Exit::Normal). Returns at once. Else as [`stop`](Self::stop): what is sent from
    /// now on is [`CastError::Gone`], but one that a supervisor keeps on its own node handles it too.
    pub fn drain(&self) {
        self.end(Ending::Drain);
    }

    /// As [`stop`](Self::stop), with [`Exit::Killed`](super::Exit::Killed) and without calling its `stopped`. Code that runs is not interrupted: it comes to
    /// the end of the message in hand. That is a failure for those linked to it, and for its supervisor.
    pub fn kill(&self) {
        self.end(Ending::Kill);
    }

    pub(super) fn end(&self, ending: Ending) {
        match &self.line {
            Line::Here(cell) => cell.end(&self.runtime, ending),
            Line::There(remote) => remote.end(ending),
            Line::Cut => {}
        }
    }

    /// Its figures now; no counting by its own code, so that one that is stuck tells them too. Waits up to `timeout` for an actor on
    /// another node; zero is too short for any answer from there.
    ///
    /// # Errors
    ///
    /// [`AskError::Gone`], [`AskError::Disconnected`], [`AskError::TimedOut`].
    pub fn stats(&self, timeout: Duration) -> Result<ActorStats, AskError> {
        match &self.line {
            Line::Here(cell) if cell.has_ended() => Err(AskError::Gone),
            Line::Here(cell) => Ok(cell.stats()),
            Line::There(remote) => {
                let sender = remote.sender.as_ref().ok_or(AskError::Disconnected)?;
                let slot = self.address.slot;
                Ok(self.runtime.call(&sender.peer, slot, &ToActor::Stats, deadline_in(timeout))?)
            }
            Line::Cut => Err(AskError::Gone),
        }
    }

    /// Where it lives. Two references to one actor have the same.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Whether it is known here that it has ended. Of an actor on another node that may be late, until something is sent to it.
    pub fn has_ended(&self) -> bool {
        match &self.line {
            Line::Here(cell) => cell.has_ended(),
            Line::There(remote) => remote.sender.as_ref().is_none_or(|sender| sender.end().is_some()),
            Line::Cut => true,
        }
    }
}

impl From<CallError> for AskError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Gone => AskError::Gone,
            CallError::Disconnected => AskError::Disconnected,
            CallError::TimedOut => AskError::TimedOut,
            CallError::BadReply(text) => AskError::BadReply(text),
        }
    }
}

impl<M> Clone for ActorRef<M> {
    fn clone(&self) -> Self {
        let line = match &self.line {
            Line::Here(cell) => Line::Here(Arc::clone(cell)),
            Line::There(remote) => Line::There(Arc::clone(remote)),
            Line::Cut => Line::Cut,
        };
        Self { runtime: Arc::clone(&self.runtime), address: self.address, line }
    }
}

impl<M> PartialEq for ActorRef<M> {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address
    }
}

impl<M> Eq for ActorRef<M> {}

impl<M> fmt::Debug for ActorRef<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActorRef<{}>({})", std::any::type_name::<M>(), self.address)
    }
}

impl<M> Serialize for ActorRef<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        travel::serialize::<Self, S>(self.address, serializer)
    }
}

impl<'de, M: Message> Deserialize<'de> for ActorRef<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (runtime, address) = travel::deserialize::<Self, D>(deserializer)?;
        Ok(Self::of(&runtime, address))
    }
}

impl<M> Sealed for ActorRef<M> {}

/// Nothing is one: actors are started by [`Node::actor`], not created with options.
#[derive(Debug)]
pub enum NotCreated {}

impl<M: Message> Object for ActorRef<M> {
    type Options = NotCreated;

    fn build(_: &Node, options: NotCreated) -> Self {
        match options {}
    }

    fn at(node: &Node, address: Address) -> Self {
        Self::of(node.runtime(), address)
    }

    fn address(&self) -> Address {
        self.address
    }

    fn type_name() -> String {
        format!("ActorRef<{}>", std::any::type_name::<M>())
    }

    fn discard(self, _: &Node) {}
}
