//! What an actor's code has of its own life.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use callboard_core::{Address, TimerKey};

use super::cell::ActorCell;
use super::handle::{ActorRef, Message};
use super::news::News;
use super::watch::Down;
use super::wire::Over;
use crate::node::{Node, WeakNode};
use crate::runtime::Runtime;

thread_local! {
    /// The actor whose code this thread runs.
    static CURRENT: Cell<Option<Address>> = const { Cell::new(None) };
}

/// The actor whose code runs on this thread.
pub(super) fn current() -> Option<Address> {
    CURRENT.get()
}

/// Runs an actor's code.
pub(super) fn run_as<R>(address: Address, with: impl FnOnce() -> R) -> R {
    /// Restores the outer one, also on unwind.
    struct Restore(Option<Address>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    let _restore = Restore(CURRENT.replace(Some(address)));
    with()
}

/// An actor's own life, as its code sees it.
pub struct Context<M: Message> {
    me: ActorRef<M>,
    node: WeakNode,
    is_stopping: bool,
    stash_capacity: usize,
    /// What only some actors have.
    more: Option<Box<More<M>>>,
}

struct More<M> {
    stash: VecDeque<M>,
    unstashed: VecDeque<M>,
    timers: HashMap<TimerId, Timer<M>>,
    monitors: HashMap<MonitorId, Monitoring>,
}

/// For timers and monitors: what is told of one of a former life is for none of the next.
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(1);

impl<M> Default for More<M> {
    fn default() -> Self {
        Self {
            stash: VecDeque::new(),
            unstashed: VecDeque::new(),
            timers: HashMap::new(),
            monitors: HashMap::new(),
        }
    }
}

/// A timer of an actor, as [`Context::cast_after`] and [`Context::cast_every`] name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId(u64);

/// A watch of an actor over another, as [`Context::monitor`] names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MonitorId(u64);

struct Timer<M> {
    key: TimerKey,
    due: Instant,
    what: Timed<M>,
}

enum Timed<M> {
    Once(M),
    Every(Duration, Box<dyn FnMut() -> M + Send>),
}

/// Over when it is dropped.
struct Monitoring {
    address: Address,
    unwatch: Option<Box<dyn FnOnce() + Send>>,
}

impl Drop for Monitoring {
    fn drop(&mut self) {
        if let Some(unwatch) = self.unwatch.take() {
            unwatch();
        }
    }
}

/// There is no more room in an actor's stash. It has the message.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("the actor's stash is full")]
pub struct StashFull<M>(pub M);

impl<M> fmt::Debug for StashFull<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StashFull(..)")
    }
}

impl<M: Message> Context<M> {
    pub(super) fn new(
        runtime: &Arc<Runtime>,
        cell: &Arc<ActorCell<M>>,
        node: WeakNode,
        stash: usize,
    ) -> Self {
        let me = ActorRef::here(runtime, Arc::clone(cell));
        Self { me, node, is_stopping: false, stash_capacity: stash, more: None }
    }

    fn more(&mut self) -> &mut More<M> {
        self.more.get_or_insert_default()
    }

    fn runtime(&self) -> &Arc<Runtime> {
        self.me.runtime()
    }

    pub(super) fn address(&self) -> Address {
        self.me.at()
    }

    fn cell(&self) -> &Arc<ActorCell<M>> {
        self.me.cell().expect("an actor is on its own node")
    }

    /// A reference to this actor, to give to others, and to cast to itself, which never waits.
    pub fn me(&self) -> &ActorRef<M> {
        &self.me
    }

    /// The node it lives on; none while that ends.
    pub fn node(&self) -> Option<Node> {
        self.node.upgrade()
    }

    /// Ends this actor after the message in hand, with [`Exit::Normal`](super::Exit::Normal); in its `start`, before the first. What becomes of messages that
    /// wait is as with [`ActorRef::stop`].
    pub fn stop(&mut self) {
        self.is_stopping = true;
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping
    }

    // ---- stash -----------------------------------------------------------------------------------

    /// Puts a message aside that can't be handled yet, behind those put aside before.
    ///
    /// The stash holds 1,024 messages, unless [`StartActor::stash_capacity`](super::StartActor::stash_capacity) says otherwise. Their room in the
    /// mailbox is free for others. What is in it when the actor ends is dropped, and callers are told.
    ///
    /// # Errors
    ///
    /// [`StashFull`], with the message.
    ///
    /// Source: the stash of Akka.
    pub fn stash(&mut self, message: M) -> Result<(), StashFull<M>> {
        let capacity = self.stash_capacity;
        let stash = &mut self.more().stash;
        if stash.len() >= capacity {
            return Err(StashFull(message));
        }
        stash.push_back(message);
        Ok(())
    }

    /// Takes back all that was put aside: it is handled next, in the order it was put aside, before what waits in the mailbox.
    pub fn unstash(&mut self) {
        if let Some(more) = &mut self.more {
            let mut stash = std::mem::take(&mut more.stash);
            // Before what was taken back earlier and has not been handled: that came later.
            stash.append(&mut more.unstashed);
            more.unstashed = stash;
        }
    }

    pub(super) fn next_unstashed(&mut self) -> Option<M> {
        self.more.as_mut()?.unstashed.pop_front()
    }

    pub(super) fn has_unstashed(&self) -> bool {
        self.more.as_ref().is_some_and(|more| !more.unstashed.is_empty())
    }

    // ---- timers ----------------------------------------------------------------------------------

    /// Sends `message` to this actor in `delay`, behind what waits then. It takes no room in the mailbox.
    ///
    /// Zero means as soon as possible. The timer goes with the actor's life.
    #[doc(alias = "send_after")]
    pub fn cast_after(&mut self, delay: Duration, message: M) -> TimerId {
        self.start_timer(delay, Timed::Once(message))
    }

    /// Sends what `make` makes to this actor every `interval`, the first time after one, until it is cancelled.
    ///
    /// When the actor has not come to the last one by the time of the next, that one is left out; the times after it stay. An
    /// interval of less than a millisecond counts as one.
    #[doc(alias = "send_interval")]
    pub fn cast_every(&mut self, interval: Duration, make: impl FnMut() -> M + Send + 'static) -> TimerId {
        let interval = interval.max(Duration::from_millis(1));
        self.start_timer(interval, Timed::Every(interval, Box::new(make)))
    }

    fn start_timer(&mut self, delay: Duration, what: Timed<M>) -> TimerId {
        // Later than the clock can tell is never.
        let now = self.runtime().now();
        let due = now.checked_add(delay).unwrap_or_else(|| now + Duration::from_secs(u64::from(u32::MAX)));
        let id = TimerId(NEXT_NUMBER.fetch_add(1, Relaxed));
        self.arm(id, due, what);
        id
    }

    fn arm(&mut self, id: TimerId, due: Instant, what: Timed<M>) {
        let key = self.cell().state.lock().bonds().timers.insert(due, id.0);
        self.more().timers.insert(id, Timer { key, due, what });
        self.cell().tick_when_due(self.runtime());
    }

    /// Ends a timer; whether it was still to come. Its message is not handled any more, also if it waits in the mailbox.
    pub fn cancel(&mut self, timer: TimerId) -> bool {
        let Some(cancelled) = self.more().timers.remove(&timer) else { return false };
        self.cell().state.lock().bonds().cancel(cancelled.key);
        true
    }

    /// The message of a timer that was due; none if it has been cancelled.
    pub(super) fn timer_message(&mut self, number: u64) -> Option<M> {
        let id = TimerId(number);
        let Timer { due, what, .. } = self.more().timers.remove(&id)?;
        match what {
            Timed::Once(message) => Some(message),
            Timed::Every(interval, mut make) => {
                let message = make();
                let late = self.runtime().now().saturating_duration_since(due);
                let missed = (late.as_nanos() / interval.as_nanos()).min(u128::from(u32::MAX)) as u32;
                let next = due + interval.saturating_mul(missed.saturating_add(1));
                self.arm(id, next, Timed::Every(interval, make));
                Some(message)
            }
        }
    }

    // ---- monitors and links ----------------------------------------------------------------------

    /// Watches for another actor's end, of which [`Actor::down`](super::Actor::down) is told: once, after the last message that it
    /// has sent here, and when its name is free, unless its supervisor keeps that.
    ///
    /// Watching one that has ended tells [`Exit::NotThere`](super::Exit::NotThere). The watch goes with this actor's life; and it is over when the other is
    /// started again, of which [`Down::restarts`] tells.
    ///
    /// Source: `monitor` of Erlang.
    #[doc(alias = "watch")]
    pub fn monitor<N: Message>(&mut self, other: &ActorRef<N>) -> MonitorId {
        let number = NEXT_NUMBER.fetch_add(1, Relaxed);
        let cell = Arc::downgrade(self.cell());
        let watching = other.watch(move |runtime, over| {
            if let Some(cell) = cell.upgrade() {
                cell.tell(runtime, News::Down { monitor: number, over });
            }
        });
        let (address, other) = (other.address(), other.clone());
        let unwatch = Box::new(move || other.unwatch(&watching));
        self.more().monitors.insert(MonitorId(number), Monitoring { address, unwatch: Some(unwatch) });
        MonitorId(number)
    }

    /// Ends a watch; whether there was one. Nothing is told of it any more, also if that waits in the mailbox.
    pub fn demonitor(&mut self, monitor: MonitorId) -> bool {
        self.more().monitors.remove(&monitor).is_some()
    }

    /// What is to be told of an end; none if the watch is over.
    pub(super) fn is_down(&mut self, number: u64, over: Over) -> Option<(MonitorId, Down)> {
        let id = MonitorId(number);
        let mut monitoring = self.more().monitors.remove(&id)?;
        // It has been answered.
        monitoring.unwatch = None;
        Some((id, Down::of(monitoring.address, over)))
    }

    /// Links this actor and `other`: when one of them ends with a failure, so does the other, with [`Exit::Linked`](super::Exit::Linked).
    ///
    /// If `other` has ended, this one is told so as if it had failed now, with [`Exit::NotThere`](super::Exit::NotThere). One link more changes nothing. A link
    /// is over when one of the two has ended, also if that is started again. [`Exit::Shutdown`](super::Exit::Shutdown) is no failure.
    ///
    /// Source: `link` of Erlang.
    pub fn link<N: Message>(&mut self, other: &ActorRef<N>) {
        other.link_with(self.me.at(), self.cell());
    }

    /// Takes a link back.
    pub fn unlink<N: Message>(&mut self, other: &ActorRef<N>) {
        other.unlink_from(self.me.at(), self.cell());
    }

    /// Whether this actor is told by [`Actor::exited`](super::Actor::exited) when one to which it is linked has ended, however that ended,
    /// or when it is asked to [exit](ActorRef::exit), in the place of ending too. Not at first, in each of its lives.
    ///
    /// Source: the `trap_exit` of Erlang.
    pub fn trap_exits(&mut self, traps: bool) {
        self.cell().state.lock().traps_exits = traps;
    }
}

impl<M: Message> fmt::Debug for Context<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context of {:?}", self.me)
    }
}
