//! An actor that keeps what it gets, for a test to ask.
//!
//! It is a user of the public interface alone, but for its wait, in which the test's thread reads for its node as in any other verb.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_core::Address;
use parking_lot::Mutex;

use super::eventually::PATIENCE;
use crate::actor::{Actor, ActorRef, Context, Down, Exit, Message, MonitorId};
use crate::failure::Failure;
use crate::hook::{Hook, Hooks, Poll};
use crate::node::Node;
use crate::runtime::Runtime;
use crate::standing::Sought;

/// How many messages a probe keeps that nobody takes. With one more it ends with an error, so that nobody waits for room.
const KEPT_MESSAGES: usize = 65_536;

/// An actor that keeps what it gets, in order, and hands it to the test that asks: give its reference to what is tested.
///
/// Whoever sends may live in any process of the job. A message with a [`ReplyTo`](crate::ReplyTo) is answered by the test. The actor ends when the
/// probe is dropped.
///
/// ```
/// use std::time::Duration;
/// use callboard::ActorRef;
/// use callboard::testing::{PATIENCE, Probe, job};
/// # callboard::test_door!();
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let job = job();
/// let probe = Probe::<u64>::start(&job);
/// let child = job.spawn("child", |_, to: ActorRef<u64>| to.cast(3).is_ok(), probe.actor().clone())?;
/// assert_eq!(probe.expect(PATIENCE), 3);
/// assert!(child.join()?);
/// probe.expect_nothing(Duration::from_millis(5));
/// # Ok(())
/// # }
/// ```
///
/// Source: the test probe of Akka.
#[must_use = "its actor ends when it is dropped"]
pub struct Probe<M: Message> {
    runtime: Arc<Runtime>,
    actor: ActorRef<M>,
    inbox: Arc<Inbox<M>>,
    patience: Duration,
}

struct Inbox<M: Message>(Mutex<Kept<M>>);

/// What the actor does for the test, on its own thread.
type Order<M> = Box<dyn FnOnce(&mut Context<M>) + Send>;

struct Kept<M: Message> {
    messages: VecDeque<M>,
    /// How many the test has taken.
    taken: u64,
    downs: Vec<Down>,
    watched: Vec<Address>,
    orders: VecDeque<Order<M>>,
    ended: Option<String>,
    /// Counts everything that may end a wait.
    changes: u64,
    hooks: Hooks,
}

impl<M: Message> Kept<M> {
    fn changed(&mut self) {
        self.changes += 1;
        self.hooks.notify_all();
    }
}

/// Ready when something has changed.
struct Since<'a, M: Message>(&'a Inbox<M>, u64);

impl<M: Message> Poll for Since<'_, M> {
    fn sought(&self) -> Sought {
        Sought::plain("a message for a probe")
    }

    fn poll(&self, hook: &Hook) -> bool {
        let mut kept = self.0.0.lock();
        let has_changed = kept.changes != self.1;
        if !has_changed {
            kept.hooks.add(hook);
        }
        has_changed
    }

    fn forget(&self, hook: &Hook) {
        self.0.0.lock().hooks.remove(hook);
    }
}

struct Keeps<M: Message>(Arc<Inbox<M>>);

impl<M: Message> Actor for Keeps<M> {
    type Message = M;
    type Args = Arc<Inbox<M>>;

    fn start(context: &mut Context<M>, inbox: Self::Args) -> Result<Self, Failure> {
        context.trap_exits(true);
        Ok(Self(inbox))
    }

    fn handle(&mut self, _: &mut Context<M>, message: M) -> Result<(), Failure> {
        let mut kept = self.0.0.lock();
        if kept.messages.len() == KEPT_MESSAGES {
            return Err(Failure::new(format!(
                "nobody takes the {KEPT_MESSAGES} messages that a probe has got"
            )));
        }
        kept.messages.push_back(message);
        kept.changed();
        Ok(())
    }

    fn down(&mut self, _: &mut Context<M>, _: MonitorId, down: Down) -> Result<(), Failure> {
        let mut kept = self.0.0.lock();
        kept.watched.retain(|address| *address != down.address);
        kept.downs.push(down);
        kept.changed();
        Ok(())
    }

    /// The test's thread rings, or somebody wants it to end: it does not, and what is to be done is done.
    fn exited(&mut self, context: &mut Context<M>, _: Option<Address>, _: Exit) -> Result<(), Failure> {
        loop {
            let Some(order) = self.0.0.lock().orders.pop_front() else { return Ok(()) };
            order(context);
        }
    }

    fn stopped(&mut self, _: &mut Context<M>, exit: &Exit) {
        self.0.0.lock().ended = Some(exit.to_string());
    }
}

/// Whatever ended it, whoever waits is told.
impl<M: Message> Drop for Keeps<M> {
    fn drop(&mut self) {
        let mut kept = self.0.0.lock();
        kept.ended.get_or_insert_with(|| "it was killed, or its node has ended".to_owned());
        kept.changed();
    }
}

impl<M: Message> Probe<M> {
    /// A probe without a name: give [`actor`](Self::actor) on.
    ///
    /// # Panics
    ///
    /// If the actor can't start.
    #[track_caller]
    pub fn start(node: &Node) -> Self {
        Self::begin(node, None)
    }

    /// A probe that stands for the actor `name`, as which others open it.
    ///
    /// # Panics
    ///
    /// If the name is taken, or the actor can't start.
    #[track_caller]
    pub fn named(node: &Node, name: &str) -> Self {
        Self::begin(node, Some(name))
    }

    #[track_caller]
    fn begin(node: &Node, name: Option<&str>) -> Self {
        let inbox = Arc::new(Inbox(Mutex::new(Kept {
            messages: VecDeque::new(),
            taken: 0,
            downs: Vec::new(),
            watched: Vec::new(),
            orders: VecDeque::new(),
            ended: None,
            changes: 0,
            hooks: Hooks::default(),
        })));
        let mut plan = node.actor::<Keeps<M>>(Arc::clone(&inbox));
        if let Some(name) = name {
            plan = plan.name(name);
        }
        match plan.start() {
            Ok(actor) => Self { runtime: Arc::clone(node.runtime()), actor, inbox, patience: PATIENCE },
            Err(error) => panic!("a probe can't start: {error}"),
        }
    }

    /// How long the verbs without a time of their own wait: [`PATIENCE`] by default.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The reference to be given to what is tested.
    pub fn actor(&self) -> &ActorRef<M> {
        &self.actor
    }

    /// Takes the next message, waiting up to `timeout` for it. Zero does not wait.
    ///
    /// # Panics
    ///
    /// If none comes.
    #[track_caller]
    pub fn expect(&self, timeout: Duration) -> M {
        self.next("a message", timeout)
    }

    /// Takes the next message, waiting for it with patience: it must be one of which `predicate` holds.
    ///
    /// # Panics
    ///
    /// If none comes, or another one, saying `what` was expected and what came.
    #[track_caller]
    pub fn expect_that(&self, what: &str, predicate: impl FnOnce(&M) -> bool) -> M
    where
        M: fmt::Debug,
    {
        let message = self.next(what, self.patience);
        assert!(predicate(&message), "{self:?} expected {what} and got {message:?}");
        message
    }

    /// Waits for as long as that, in which no message may come; nor may one have come that was not taken.
    ///
    /// # Panics
    ///
    /// If one comes, showing it, or if the probe's actor has ended.
    #[track_caller]
    pub fn expect_nothing(&self, during: Duration)
    where
        M: fmt::Debug,
    {
        match self.wait(during, |kept| kept.messages.pop_front()) {
            Ok(message) => panic!("{self:?} expected nothing and got {message:?}"),
            Err(Some(ended)) => panic!("{self:?} has ended: {ended}"),
            Err(None) => {}
        }
    }

    /// Takes the next message if it is there now.
    pub fn try_next(&self) -> Option<M> {
        let mut kept = self.inbox.0.lock();
        let message = kept.messages.pop_front()?;
        kept.taken += 1;
        Some(message)
    }

    /// Watches `other`, for [`expect_down`](Self::expect_down) to tell how it ended. Watched before it ends, its reason is known.
    ///
    /// # Panics
    ///
    /// If the probe's actor has ended.
    #[track_caller]
    pub fn monitor<N: Message>(&self, other: &ActorRef<N>) {
        let other = other.clone();
        let address = other.address();
        let inbox = Arc::clone(&self.inbox);
        {
            let mut kept = self.inbox.0.lock();
            if kept.watched.contains(&address) {
                return;
            }
            kept.orders.push_back(Box::new(move |context| {
                context.monitor(&other);
                // This actor is told of the end after this at the earliest.
                let mut kept = inbox.0.lock();
                kept.watched.push(address);
                kept.changed();
            }));
        }
        self.actor.exit(Failure::new("a probe is to look at its orders"));
        let is_watched = |kept: &mut Kept<M>| {
            let is_known =
                kept.watched.contains(&address) || kept.downs.iter().any(|down| down.address == address);
            is_known.then_some(())
        };
        self.found(self.wait(self.patience, is_watched), "to watch", self.patience);
    }

    /// Waits with patience for the end of `of`, and tells how it ended: what it had sent to this probe before is there then, to be taken.
    ///
    /// One that is not [watched](Self::monitor) yet is watched from now on; if it has ended before, that is
    /// [`Exit::NotThere`](crate::Exit::NotThere).
    ///
    /// # Panics
    ///
    /// If it does not end.
    #[track_caller]
    pub fn expect_down<N: Message>(&self, of: &ActorRef<N>) -> Down {
        let address = of.address();
        let take = |kept: &mut Kept<M>| {
            let at = kept.downs.iter().position(|down| down.address == address)?;
            Some(kept.downs.remove(at))
        };
        if let Some(down) = take(&mut self.inbox.0.lock()) {
            return down;
        }
        self.monitor(of);
        self.found(self.wait(self.patience, take), &format!("the end of {of:?}"), self.patience)
    }

    #[track_caller]
    fn next(&self, what: &str, timeout: Duration) -> M {
        let message = self.wait(timeout, |kept| {
            let message = kept.messages.pop_front()?;
            kept.taken += 1;
            Some(message)
        });
        self.found(message, what, timeout)
    }

    /// Waits until there is something for `take`; else why there is nothing, if it will never come.
    fn wait<R>(
        &self,
        timeout: Duration,
        mut take: impl FnMut(&mut Kept<M>) -> Option<R>,
    ) -> Result<R, Option<String>> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let seen = {
                let mut kept = self.inbox.0.lock();
                if let Some(found) = take(&mut kept) {
                    return Ok(found);
                }
                if kept.ended.is_some() {
                    return Err(kept.ended.clone());
                }
                kept.changes
            };
            if !self.runtime.wait_until(&Since(&self.inbox, seen), deadline) {
                return Err(None);
            }
        }
    }

    #[track_caller]
    fn found<R>(&self, found: Result<R, Option<String>>, what: &str, timeout: Duration) -> R {
        match found {
            Ok(found) => found,
            Err(Some(ended)) => panic!("{self:?} expected {what} and has ended: {ended}"),
            Err(None) => panic!("{self:?} expected {what}, and that did not come within {timeout:?}"),
        }
    }
}

impl<M: Message> Drop for Probe<M> {
    fn drop(&mut self) {
        self.actor.stop();
    }
}

impl<M: Message> fmt::Debug for Probe<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.inbox.0.lock();
        let (taken, more) = (kept.taken, kept.messages.len());
        write!(
            f,
            "the probe of {}, of which {taken} messages were taken and {more} wait,",
            std::any::type_name::<M>()
        )
    }
}
