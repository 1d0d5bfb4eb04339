//! Being told of an actor's end: once for each watch, after its last message, and when its name is free.
//!
//! A watch of an actor on another node is a call, answered when that ends: so it is answered exactly once, whether the actor
//! ends, was not there, or its node dies. Of a node's death it is told only when the root has freed that node's names; of one that
//! a supervisor keeps in a process of its own, when that has decided whether it is started again (`fate.rs`).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use callboard_core::{Address, NodeId};
use parking_lot::Mutex;

use super::exit::Exit;
use super::fate;
use super::handle::{ActorRef, Line, Message};
use super::wire::{Follows, Over, ToActor};
use crate::call::{self, CallError};
use crate::control::{CONTROL, Control};
use crate::hook::{Hook, Hooks, Poll};
use crate::peer::{Peer, encoded};
use crate::runtime::Runtime;
use crate::standing::Sought;
use crate::wait_any::{Pollable, Sealed, Waitable};

/// What happens on this node when a watched actor has ended.
pub(super) type OnEnd = Box<dyn FnOnce(&Arc<Runtime>, Over) + Send>;

/// Who watches an actor, as its cell keeps it.
pub(super) enum Watcher {
    Here(u64, OnEnd),
    /// A call of that node.
    There(Arc<Peer>, u64),
}

impl Watcher {
    pub(super) fn node(&self) -> Option<NodeId> {
        match self {
            Watcher::Here(..) => None,
            Watcher::There(peer, _) => Some(peer.id),
        }
    }

    pub(super) fn is_here(&self, number: u64) -> bool {
        matches!(self, Watcher::Here(of, _) if *of == number)
    }

    pub(super) fn is_there(&self, node: NodeId, word: u64) -> bool {
        matches!(self, Watcher::There(peer, of) if peer.id == node && *of == word)
    }

    pub(super) fn tell(self, runtime: &Arc<Runtime>, over: &Over) {
        match self {
            Watcher::Here(_, on_end) => on_end(runtime, over.clone()),
            Watcher::There(peer, word) => call::reply(runtime, &peer, word, over),
        }
    }
}

/// Runs `then` when all know that `node` has ended, and its names are free.
pub(super) fn once_names_are_free(
    runtime: &Arc<Runtime>,
    node: NodeId,
    then: impl FnOnce(&Arc<Runtime>) + Send + 'static,
) {
    match runtime.peer(runtime.root) {
        Some(root) if !runtime.is_ending() => {
            runtime.call_then(&root, CONTROL, &Control::AwaitEnd { node }, |runtime, _| then(runtime));
            root.flush(runtime);
        }
        None if runtime.id == runtime.root => runtime.control.await_end_here(runtime, node, Box::new(then)),
        _ => then(runtime),
    }
}

/// Tells the actor at `to` that the one at `ended` has, if they are linked still.
pub(super) fn tell_exited(runtime: &Arc<Runtime>, ended: Address, to: Address, exit: &Exit) {
    if to.node == runtime.id {
        if let Some(cell) = runtime.cell(to.slot) {
            cell.linked_ended(runtime, ended, exit);
        }
    } else if let Some(peer) = runtime.peer(to.node) {
        let told = ToActor::Exited { from: Some(ended.slot), exit: exit.clone() };
        peer.cast(runtime, to.slot, &encoded(&told));
    }
}

/// One watch, to be taken back.
pub(super) enum Watching {
    Here(u64),
    There(u64),
    Nothing,
}

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

impl<M: Message> ActorRef<M> {
    /// Has `on_end` run when the actor has ended, on whichever thread hears of it.
    pub(super) fn watch(&self, on_end: impl FnOnce(&Arc<Runtime>, Over) + Send + 'static) -> Watching {
        let not_there = |exit| Over { exit, follows: Follows::Nothing };
        match &self.line {
            Line::Here(cell) => {
                let number = NEXT_NUMBER.fetch_add(1, Relaxed);
                cell.watch(&self.runtime, Watcher::Here(number, Box::new(on_end)));
                Watching::Here(number)
            }
            Line::There(remote) => {
                let Some(sender) = &remote.sender else {
                    let over = not_there(Exit::Disconnected);
                    let node = self.address.node;
                    once_names_are_free(&self.runtime, node, move |runtime| on_end(runtime, over));
                    return Watching::Nothing;
                };
                let (of, there) = (self.address, Arc::clone(&sender.peer));
                // Of one whose node has ended before, its keeper is not asked: who watches again each time must come to an end.
                let is_late = there.has_ended();
                let keeper = move || there.keeper.get().copied().filter(|_| !is_late);
                let on_reply = move |runtime: &Arc<Runtime>, answer: Result<_, CallError>| match answer
                    .and_then(|answer| call::answered::<Over>(answer, runtime))
                {
                    Ok(Over { exit, follows: Follows::KeeperKnows }) => {
                        fate::tell(runtime, keeper(), of, Some(exit), Box::new(on_end));
                    }
                    Ok(over) => on_end(runtime, over),
                    Err(CallError::Disconnected) => {
                        fate::tell(runtime, keeper(), of, None, Box::new(on_end));
                    }
                    Err(_) => fate::tell(runtime, keeper(), of, Some(Exit::NotThere), Box::new(on_end)),
                };
                let peer = &sender.peer;
                let word = self.runtime.call_then(peer, self.address.slot, &ToActor::Watch, on_reply);
                peer.flush_by_need(&self.runtime);
                Watching::There(word)
            }
            Line::Cut => {
                on_end(&self.runtime, not_there(Exit::NotThere));
                Watching::Nothing
            }
        }
    }

    pub(super) fn unwatch(&self, watching: &Watching) {
        match (&self.line, watching) {
            (Line::Here(cell), Watching::Here(number)) => cell.unwatch_here(*number),
            (Line::There(remote), Watching::There(word)) => {
                if !self.runtime.calls.is_open(*word) {
                    return;
                }
                self.runtime.calls.forget(*word);
                if let Some(sender) = &remote.sender {
                    let told = encoded(&ToActor::Unwatch { word: *word });
                    sender.peer.cast(&self.runtime, self.address.slot, &told);
                    sender.peer.flush_by_need(&self.runtime);
                }
            }
            _ => {}
        }
    }

    /// Watches for its end, from any thread; an actor uses [`Context::monitor`](super::Context::monitor).
    ///
    /// Watching one that has ended gives [`Exit::NotThere`], or [`Exit::Disconnected`] if its node has. Of one that a supervisor keeps
    /// in a process of its own it may also give how it ended.
    ///
    /// Source: `monitor` of Erlang.
    #[doc(alias = "watch")]
    pub fn monitor(&self) -> Monitor<M> {
        let ended = Arc::new(Ended::of(self.address));
        let fills = Arc::clone(&ended);
        let watching = self.watch(move |_, over| fills.fill(over));
        Monitor { of: self.clone(), ended, watching }
    }
}

/// That an actor has ended, or is started again by its supervisor. Told once for each watch.
///
/// Of one in a process of its own its supervisor's node tells, once that process has ended and it is decided whether another
/// follows: so `exit` says what became of the process, as [`Exit::Signalled`]. If that node ends too it is [`Exit::Disconnected`],
/// and nobody is started again. Others in the same process just hear their node end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Down {
    /// The actor.
    pub address: Address,
    /// Why.
    pub exit: Exit,
    /// Its supervisor starts it again, and keeps its name for it meanwhile: a lookup with a timeout finds the next life.
    pub restarts: bool,
    /// It is started again at the same address: references to it stay good, and what is sent meanwhile waits. Not so of one in
    /// a process of its own, whose references are no good any more: open its name.
    pub in_place: bool,
}

impl Down {
    pub(super) fn of(address: Address, over: Over) -> Self {
        let in_place = over.follows == Follows::LifeHere;
        let restarts = in_place || over.follows == Follows::LifeElsewhere;
        Self { address, exit: over.exit, restarts, in_place }
    }
}

/// A watch for an actor's end, made by [`ActorRef::monitor`]. Dropped, it is over.
pub struct Monitor<M: Message> {
    of: ActorRef<M>,
    ended: Arc<Ended>,
    watching: Watching,
}

struct Ended {
    state: Mutex<(Option<Over>, Hooks)>,
    of: Address,
}

impl Ended {
    fn of(of: Address) -> Self {
        Self { state: Mutex::default(), of }
    }

    fn fill(&self, over: Over) {
        let hooks = {
            let mut state = self.state.lock();
            state.0 = Some(over);
            state.1.take()
        };
        hooks.iter().for_each(|hook| hook.notify());
    }
}

impl Poll for Ended {
    fn sought(&self) -> Sought {
        Sought::object("the end of", "actor", self.of)
    }

    fn poll(&self, hook: &Hook) -> bool {
        let mut state = self.state.lock();
        if state.0.is_none() {
            state.1.add(hook);
        }
        state.0.is_some()
    }

    fn forget(&self, hook: &Hook) {
        self.state.lock().1.remove(hook);
    }
}

impl<M: Message> Monitor<M> {
    /// Waits for the end, as long as that takes.
    ///
    /// When it returns all that the actor had sent here has come, and its name is free, unless its supervisor keeps that.
    pub fn wait(&self) -> Down {
        self.of.runtime.wait_until(&*self.ended, None);
        let not_there =
            || Down::of(self.of.address, Over { exit: Exit::NotThere, follows: Follows::Nothing });
        self.down().unwrap_or_else(not_there)
    }

    /// Waits up to `timeout` for the end; none if it has not come by then. Zero does not wait.
    pub fn wait_timeout(&self, timeout: Duration) -> Option<Down> {
        self.of.runtime.wait_until(&*self.ended, Instant::now().checked_add(timeout));
        self.down()
    }

    /// How it ended, as far as it is known here; none if it has not. Never waits.
    pub fn down(&self) -> Option<Down> {
        let over = self.ended.state.lock().0.clone()?;
        Some(Down::of(self.of.address, over))
    }
}

impl<M: Message> Drop for Monitor<M> {
    fn drop(&mut self) {
        self.of.unwatch(&self.watching);
    }
}

impl<M: Message> fmt::Debug for Monitor<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Monitor of {:?}", self.of)
    }
}

impl<M: Message> Sealed for Monitor<M> {
    fn pollable(&self) -> Pollable {
        Pollable::new(&self.of.runtime, Arc::clone(&self.ended) as Arc<dyn Poll>)
    }
}

/// Ready once the actor has ended.
impl<M: Message> Waitable for Monitor<M> {}
