//! How an actor is started: what it is given, and where it runs.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use callboard_core::NodeId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Actor;
use super::cell::{ActorCell, Body, Plan};
use super::context::{Context, run_as};
use super::error::StartActorError;
use super::exit::Exit;
use super::handle::{ActorRef, Message};
use super::in_hand::InHand;
use super::keeper::Keeper;
use super::mailbox::Capacity;
use super::news::News;
use super::place;
use super::when_full::WhenFull;
use super::wire::Ending;
use crate::names::{self, Object};
use crate::node::{Node, WeakNode};
use crate::process::Process;
use crate::protocol::panic_text;
use crate::runtime::Runtime;

/// How many messages of each sending node may wait, unless it is set.
const CAPACITY: u64 = 8192;
/// How many of its own node's: more would only leave the processor's caches.
const CAPACITY_HERE: u64 = 1024;
/// How many bytes of them, if they come encoded.
const CAPACITY_BYTES: u64 = 1024 * 1024;
/// How many messages an actor may put aside.
const STASH_CAPACITY: usize = 1024;

/// An actor that has not started: its name, its mailbox and where it runs. Made by [`Node::actor`].
///
/// ```
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use callboard::{Actor, ActorRef, Context, Failure, Node, WhenFull};
/// # struct Log;
/// # impl Actor for Log {
/// #     type Message = String;
/// #     type Args = ();
/// #     fn start(_: &mut Context<String>, (): ()) -> Result<Self, Failure> { Ok(Log) }
/// #     fn handle(&mut self, _: &mut Context<String>, _: String) -> Result<(), Failure> { Ok(()) }
/// # }
/// let node = Node::start()?;
/// let log = node.actor::<Log>(()).name("/log").capacity(100).when_full(WhenFull::DropOldest).start()?;
/// assert!(node.open::<ActorRef<String>>("/log")? == log);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing happens before `start`"]
pub struct StartActor<'a, A: Actor> {
    pub(super) node: &'a Node,
    pub(super) args: A::Args,
    pub(super) name: Option<String>,
    pub(super) capacity: Capacity,
    pub(super) when_full: WhenFull<A::Message>,
    pub(super) in_hand: Option<InHand<A::Message>>,
    pub(super) stash_capacity: usize,
    pub(super) has_own_thread: bool,
    /// If a supervisor keeps it in a process of its own.
    pub(super) kept: Option<KeptAs>,
    /// Starts it in a process of its own.
    pub(super) process: Option<StartProcess<A>>,
}

/// How a supervisor keeps one in a process of its own.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct KeptAs {
    /// To its name, which the supervisor's node holds.
    pub(super) key: u64,
    /// The process's node.
    pub(super) node: NodeId,
}

/// Starts an actor in a process, which is told of before it has started there.
pub(super) type StartProcess<A> =
    for<'n> fn(StartActor<'n, A>, &dyn Fn(&Arc<Process<Exit>>)) -> ProcessStarted<A>;
pub(super) type ProcessStarted<A> =
    Result<(ActorRef<<A as Actor>::Message>, Arc<Process<Exit>>), StartActorError>;

impl<A: Actor> fmt::Debug for StartActor<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StartActor<{}>({:?})", std::any::type_name::<A>(), self.name)
    }
}

impl Node {
    /// An actor that lives on this node until it ends, or the node does. It runs from [`StartActor::start`] on.
    pub fn actor<A: Actor>(&self, args: A::Args) -> StartActor<'_, A> {
        StartActor {
            node: self,
            args,
            name: None,
            capacity: Capacity {
                messages: CAPACITY,
                moved: CAPACITY_HERE,
                bytes: CAPACITY_BYTES,
                drops_oldest: false,
            },
            when_full: WhenFull::Wait,
            in_hand: None,
            stash_capacity: STASH_CAPACITY,
            has_own_thread: false,
            kept: None,
            process: None,
        }
    }
}

impl<A: Actor> StartActor<'_, A> {
    /// Gives it a name, under which [`Node::open`] finds its `ActorRef<A::Message>` from anywhere in the job, until it ends. What a name
    /// may be [`Node::create`] says.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How many messages of each sending node may wait in its mailbox, at least 1: 8,192 by default, and 1,024 of its own node. Each node has that
    /// room for itself, so that none keeps another from sending.
    pub fn capacity(mut self, messages: u64) -> Self {
        self.capacity.messages = messages.max(1);
        self.capacity.moved = self.capacity.messages;
        self
    }

    /// How many bytes of them, for those that come from other nodes: 1 MiB by default, at least 1. A single one may be
    /// larger.
    pub fn capacity_bytes(mut self, bytes: u64) -> Self {
        self.capacity.bytes = bytes.max(1);
        self
    }

    /// What becomes of messages for which there is no room: their senders wait, by default.
    pub fn when_full(mut self, what: WhenFull<A::Message>) -> Self {
        self.when_full = what;
        self
    }

    /// What becomes of the message in hand when its code fails: it is gone, by default. Costs an encoding for each message.
    pub fn in_hand(mut self, what: InHand<A::Message>) -> Self {
        self.in_hand = Some(what);
        self
    }

    /// How many messages it may [put aside](Context::stash): 1,024 by default. Zero means none.
    pub fn stash_capacity(mut self, messages: usize) -> Self {
        self.stash_capacity = messages;
        self
    }

    /// Gives it a thread of its own, on which nothing else runs: for one that computes long, or waits in what is none of this
    /// crate's verbs. Its `start` runs on the thread that starts it all the same.
    pub fn own_thread(mut self) -> Self {
        self.has_own_thread = true;
        self
    }

    /// Gives it a process of its own, named like it: its `start` runs there, and the process ends with it. When that process is killed,
    /// it has ended with [`Exit::Disconnected`], and nobody else; if a supervisor keeps it, with [`Exit::Signalled`] for those who
    /// [monitor](ActorRef::monitor) it.
    ///
    /// Its arguments travel, its messages do as to any other process. The process is a child of this node, and ends with it at the
    /// latest. With [`own_thread`](Self::own_thread) it has a thread for itself there.
    pub fn own_process(mut self) -> Self
    where
        A::Args: Serialize + DeserializeOwned,
    {
        self.process = Some(place::start::<A>);
        self
    }

    /// Starts it. Its `start` runs on this thread, or in its own process; this waits until it has, as long as that takes.
    ///
    /// `Ok` means that it takes messages. It lives on also if the reference is dropped.
    ///
    /// # Errors
    ///
    /// [`StartActorError`]. Then nothing is left of it.
    pub fn start(self) -> Result<ActorRef<A::Message>, StartActorError> {
        if let Some(start) = self.process {
            return start(self, &|_| {}).map(|(actor, _)| actor);
        }
        self.start_here(|_| {})
    }
}

impl<A: Actor> StartActor<'_, A> {
    /// Starts it on this node. `made` is told of it before it begins, and before anybody else can know it.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub(super) fn start_here(
        self,
        made: impl FnOnce(&ActorRef<A::Message>),
    ) -> Result<ActorRef<A::Message>, StartActorError> {
        let (runtime, node) = (self.node.runtime(), self.node.downgrade());
        let key = self.kept.map_or(0, |kept| kept.key);
        let stash_capacity = self.stash_capacity;
        let (plan, args) = self.into_plan(None);
        let cell = ActorCell::create(runtime, plan);
        made(&ActorRef::here(runtime, Arc::clone(&cell)));
        cell.take_name(runtime, key)?;
        begin_new::<A>(runtime, cell, node, args, stash_capacity)
    }

    /// What its cell is made with, and its arguments.
    pub(super) fn into_plan(self, keeper: Option<Arc<dyn Keeper>>) -> (Plan<A::Message>, A::Args) {
        let Self { args, name, capacity, when_full, in_hand, has_own_thread, kept, .. } = self;
        let is_kept_elsewhere = kept.is_some();
        (Plan { capacity, name, when_full, in_hand, has_own_thread, keeper, is_kept_elsewhere }, args)
    }
}

/// Begins the life of one that has a new cell. If it does not start nothing is left of it.
fn begin_new<A: Actor>(
    runtime: &Arc<Runtime>,
    cell: Arc<ActorCell<A::Message>>,
    node: WeakNode,
    args: A::Args,
    stash_capacity: usize,
) -> Result<ActorRef<A::Message>, StartActorError> {
    match live::<A>(runtime, &cell, node, args, stash_capacity) {
        Ok(()) => Ok(ActorRef::here(runtime, cell)),
        Err(error) => {
            cell.close(runtime, Exit::NotThere);
            Err(error)
        }
    }
}

/// Starts an actor of this crate's own, which has a mailbox of that capacity and does not know its node.
pub(crate) fn start_plain<A: Actor>(
    runtime: &Arc<Runtime>,
    args: A::Args,
    messages: u64,
) -> Result<ActorRef<A::Message>, StartActorError> {
    let capacity = Capacity { messages, moved: messages, bytes: CAPACITY_BYTES, drops_oldest: false };
    let plan = Plan {
        capacity,
        name: None,
        when_full: WhenFull::Wait,
        in_hand: None,
        has_own_thread: false,
        keeper: None,
        is_kept_elsewhere: false,
    };
    let cell = ActorCell::create(runtime, plan);
    cell.take_name(runtime, 0)?;
    begin_new::<A>(runtime, cell, WeakNode::default(), args, STASH_CAPACITY)
}

impl<M: Message> ActorCell<M> {
    /// Gives a new cell its name and its thread. After an error nothing is left of it.
    pub(super) fn take_name(
        self: &Arc<Self>,
        runtime: &Arc<Runtime>,
        key: u64,
    ) -> Result<(), StartActorError> {
        let type_name = <ActorRef<M> as Object>::type_name();
        let claimed = match &self.name {
            Some(name) => names::claim(runtime, name, self.address, type_name, key),
            None => Ok(()),
        };
        let ready = claimed
            .map_err(StartActorError::from)
            .and_then(|()| self.start_thread(runtime).map_err(StartActorError::Thread));
        if ready.is_err() {
            self.close(runtime, Exit::NotThere);
        }
        ready
    }
}

/// Begins a life of the actor in `cell`: runs its `start`, on this thread.
pub(super) fn live<A: Actor>(
    runtime: &Arc<Runtime>,
    cell: &Arc<ActorCell<A::Message>>,
    node: WeakNode,
    args: A::Args,
    stash_capacity: usize,
) -> Result<(), StartActorError> {
    let mut context = Context::new(runtime, cell, node, stash_capacity);
    let start = || run_as(cell.address, || A::start(&mut context, args));
    match catch_unwind(AssertUnwindSafe(start)) {
        Ok(Ok(state)) => {
            if context.is_stopping() {
                cell.end(runtime, Ending::Stop);
            }
            let running = Running { state, context };
            cell.begin(runtime, Box::new(running));
            Ok(())
        }
        Ok(Err(failure)) => Err(StartActorError::Failed(failure)),
        Err(panic) => Err(StartActorError::Panicked(panic_text(panic))),
    }
}

/// An actor's state, and its own view of its life.
struct Running<A: Actor> {
    state: A,
    context: Context<A::Message>,
}

impl<A: Actor> Running<A> {
    /// Runs some of its code; some if its life ends so.
    fn run(
        &mut self,
        with: impl FnOnce(&mut A, &mut Context<A::Message>) -> Result<(), crate::Failure>,
    ) -> Option<Exit> {
        let Self { state, context } = self;
        let address = context.address();
        match catch_unwind(AssertUnwindSafe(|| run_as(address, || with(state, context)))) {
            Ok(Ok(())) => self.context.is_stopping().then_some(Exit::Normal),
            Ok(Err(failure)) => Some(Exit::Failed(failure)),
            Err(panic) => Some(Exit::Panicked(panic_text(panic))),
        }
    }
}

impl<A: Actor> Body<A::Message> for Running<A> {
    fn handle(&mut self, message: A::Message) -> Option<Exit> {
        self.run(|state, context| state.handle(context, message))
    }

    fn news(&mut self, news: News) -> Option<Exit> {
        self.run(|state, context| match news {
            News::Timer(number) => match context.timer_message(number) {
                Some(message) => state.handle(context, message),
                None => Ok(()),
            },
            News::Down { monitor, over } => match context.is_down(monitor, over) {
                Some((monitor, down)) => state.down(context, monitor, down),
                None => Ok(()),
            },
            News::Exited { from, exit } => state.exited(context, from, exit),
        })
    }

    fn unstashed(&mut self) -> Option<A::Message> {
        self.context.next_unstashed()
    }

    fn has_unstashed(&self) -> bool {
        self.context.has_unstashed()
    }

    fn stopped(&mut self, exit: &Exit) {
        // A panic here changes nothing: its life is over.
        let _ = self.run(|state, context| {
            state.stopped(context, exit);
            Ok(())
        });
    }
}
