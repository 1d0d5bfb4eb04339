//! One child process as its parent's node sees it.
//!
//! Two things tell that a child has ended: its pidfd, and the end of its connection. Its end counts when both
//! have come, since the last report may still be in the socket when the process is gone.

mod cell;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use callboard_core::{NodeId, Slot, Source, Token, Wants};
use callboard_ipc::{Child, Exit};
use parking_lot::Mutex;

use super::reason::{self, JoinError, OutOfMemory, SpawnError};
use super::wire::{self, Report};
use crate::exits::Ended;
use crate::hook::Hooks;
use crate::parcel::Parcel;
use crate::peer::Peer;
use crate::runtime::Runtime;

/// How long after a child's end its lines may take to be passed on before that is told.
const FORWARDED_WITHIN: Duration = Duration::from_secs(1);

/// A child, from its start until its end has been told.
#[derive(Debug)]
pub(crate) struct ChildCell {
    name: String,
    node: NodeId,
    slot: Slot,
    process: Child,
    /// The child ends when this closes; see `callboard_ipc::LifeLine`.
    _life: OwnedFd,
    this: Weak<Self>,
    runtime: Weak<Runtime>,
    state: Mutex<State>,
}

/// What is to be done when a child has ended.
#[derive(Default)]
struct OnEnd(Vec<Box<dyn FnOnce() + Send>>);

impl std::fmt::Debug for OnEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to be done", self.0.len())
    }
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    exit: Option<Exit>,
    report: Option<Report>,
    disconnected: bool,
    /// The end was asked for, so it needs no line on standard error.
    asked: bool,
    /// This node has killed it.
    was_killed: bool,
    hooks: Hooks,
    on_end: OnEnd,
    /// The child as a peer, until its end.
    peer: Option<Arc<Peer>>,
    /// It had begun before it ended.
    had_begun: bool,
    out_of_memory: Option<OutOfMemory>,
    /// How many of its streams are still passed on to ours, and one for records that this node gathers; its end is told after that.
    forwards: usize,
    /// When that is no longer waited for.
    forwards_until: Option<Instant>,
}

impl State {
    fn failure(&self) -> Option<JoinError> {
        reason::failure(self.report.as_ref(), self.exit, self.out_of_memory, self.had_begun)
    }

    fn has_ended(&self) -> bool {
        self.exit.is_some() && self.disconnected && self.forwards == 0
    }
}

impl ChildCell {
    /// Watches a process that has just been started, whose life-line is held so, and of which so many streams are passed on.
    pub(crate) fn adopt(
        runtime: &Arc<Runtime>,
        name: &str,
        node: NodeId,
        process: Child,
        (life, forwards): (OwnedFd, usize),
    ) -> Result<Arc<Self>, SpawnError> {
        let cell = runtime.add_cell(|slot| {
            Arc::new_cyclic(|this| Self {
                name: name.to_owned(),
                node,
                slot,
                process,
                _life: life,
                this: Weak::clone(this),
                runtime: Arc::downgrade(runtime),
                state: Mutex::new(State { forwards, ..State::default() }),
            })
        });
        let source = Arc::clone(&cell) as Arc<dyn Source>;
        let registered = {
            // Locked over it: an event that reaps the child at once has to find the token.
            let mut state = cell.state.lock();
            runtime
                .reactor
                .register(cell.process.as_fd(), Wants::Reading, source)
                .map(|token| state.token = Some(token))
        };
        if let Err(error) = registered {
            return Err(cell.abandon(error));
        }
        runtime.add_child(&cell);
        // It may have ended before it was watched.
        cell.reap(runtime);
        Ok(cell)
    }

    /// Kills a child that could not be set up, and reaps it.
    pub(crate) fn abandon(self: &Arc<Self>, error: io::Error) -> SpawnError {
        self.state.lock().asked = true;
        let _ = self.process.kill();
        if let Some(runtime) = self.runtime.upgrade() {
            runtime.remove_child(self.slot);
            self.disconnected(&runtime);
        }
        SpawnError::Start(error)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn node_id(&self) -> NodeId {
        self.node
    }

    pub(crate) fn slot(&self) -> Slot {
        self.slot
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Whether the process is there, as far as it is known.
    pub(crate) fn is_living(&self) -> bool {
        self.state.lock().exit.is_none()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state.lock().has_ended()
    }

    pub(crate) fn kill(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.asked = true;
        // Locked, so that nobody reaps it in between.
        if state.exit.is_some() {
            return Ok(());
        }
        state.was_killed = true;
        self.process.kill_group()
    }

    pub(crate) fn terminate(&self, runtime: &Runtime, grace: Duration) {
        self.state.lock().asked = true;
        wire::ask_to_stop(runtime, self.node);
        if let Some(at) = Instant::now().checked_add(grace) {
            runtime.tick_at(at, self.slot);
        }
    }

    /// Remembers whom to look at, when it has ended, for whether it had begun.
    pub(crate) fn speaks_to(&self, peer: &Arc<Peer>) {
        self.state.lock().peer = Some(Arc::clone(peer));
    }

    /// Waits for the end; whether it has come.
    pub(crate) fn wait(&self, runtime: &Arc<Runtime>, deadline: Option<Instant>) -> bool {
        runtime.wait_until(self, deadline)
    }

    /// The value, or why there is none. To be asked after the end. What moves in it is there the first time.
    pub(crate) fn value(&self) -> Result<Parcel, JoinError> {
        let mut state = self.state.lock();
        match &mut state.report {
            Some(Report::Returned { value, unconfirmed: 0 }) => {
                let rights = std::mem::take(&mut value.rights);
                Ok(Parcel { bytes: value.bytes.clone(), rights })
            }
            _ => Err(state.failure().unwrap_or(JoinError::TimedOut)),
        }
    }

    fn failure(&self) -> Option<JoinError> {
        self.state.lock().failure()
    }

    /// How it ended, for those who asked to be told.
    pub(crate) fn ended(&self) -> Ended {
        Ended { name: self.name.clone(), pid: self.pid(), is_command: false, reason: self.failure() }
    }

    /// Takes the exit status if the process has ended; false if the system will not tell.
    fn reap(&self, runtime: &Arc<Runtime>) -> bool {
        let token = {
            // Locked over the question: a second thread that asks would be told that the status is gone.
            let mut state = self.state.lock();
            if state.exit.is_some() {
                return true;
            }
            match self.process.try_reap() {
                Ok(Some(exit)) => {
                    let peer = state.peer.take();
                    let connection = peer.as_ref().and_then(|peer| peer.connection());
                    let link = connection.as_ref().map(|connection| connection.link());
                    state.had_begun = link.is_some_and(|link| link.peer_has_begun());
                    let was_refused = link.is_some_and(|link| link.peer_was_refused_memory());
                    state.out_of_memory = OutOfMemory::of(exit, was_refused, state.was_killed, || {
                        self.process.kernel_has_killed_since()
                    });
                    state.exit = Some(exit);
                    state.forwards += usize::from(self.logs_are_handled(runtime));
                    if state.forwards > 0 {
                        let until = Instant::now() + FORWARDED_WITHIN;
                        state.forwards_until = Some(until);
                        runtime.tick_at(until, self.slot);
                    }
                }
                Ok(None) => return true,
                Err(error) => {
                    drop(state);
                    runtime.complain(&format!("process {} can't be reaped: {error}", self.name));
                    return false;
                }
            }
            state.token.take()
        };
        if let Some(token) = token {
            runtime.reactor.deregister(self.process.as_fd(), token);
        }
        // What it wrote last may not have been read yet; the connection's end comes after it.
        if let Some(peer) = runtime.peer(self.node) {
            peer.readable(runtime);
        }
        self.announce(runtime);
        true
    }

    /// Whether this node gathers records: those of the child are with it once it has ended, and [`forwarded`](Self::forwarded) is called when
    /// they have been handled.
    fn logs_are_handled(&self, runtime: &Arc<Runtime>) -> bool {
        let (this, of) = (Weak::clone(&self.this), Weak::clone(&self.runtime));
        runtime.logs.after_those_there(move || {
            if let (Some(this), Some(runtime)) = (this.upgrade(), of.upgrade()) {
                this.forwarded(&runtime, 1);
            }
        })
    }

    /// So many more of its streams have been passed on, or will not be.
    pub(crate) fn forwarded(&self, runtime: &Arc<Runtime>, streams: usize) {
        {
            let mut state = self.state.lock();
            state.forwards = state.forwards.saturating_sub(streams);
        }
        self.announce(runtime);
    }

    /// Waits until the process is gone and collects it, for a node that ends: until `deadline`.
    pub(crate) fn collect(&self, runtime: &Arc<Runtime>, deadline: Instant) {
        // The loop thread may be about to do the same.
        while self.reap(runtime) && self.is_living() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let _ = callboard_ipc::wait_readable(self.process.as_fd(), Some(left));
        }
        // If it was that one, it may not have read what the child wrote last.
        if let Some(peer) = runtime.peer(self.node) {
            peer.readable(runtime);
        }
    }

    /// Nothing more can come from it, and its names are free.
    fn disconnected(&self, runtime: &Arc<Runtime>) {
        self.state.lock().disconnected = true;
        self.announce(runtime);
    }

    /// Wakes those who wait once the end is known whole.
    fn announce(&self, runtime: &Arc<Runtime>) {
        let (hooks, on_end, unexpected) = {
            let mut state = self.state.lock();
            if !state.has_ended() {
                return;
            }
            let unexpected = !std::mem::replace(&mut state.asked, true);
            (state.hooks.take(), std::mem::take(&mut state.on_end), unexpected)
        };
        if unexpected
            && !runtime.is_ending()
            && let Some(reason) = self.failure()
        {
            runtime.complain(&format!("process {} (pid {}): {reason}", self.name, self.pid()));
        }
        for hook in hooks {
            hook.notify();
        }
        runtime.remove_cell(self.slot);
        runtime.child_ended(self);
        on_end.0.into_iter().for_each(|what| what());
    }

    pub(crate) fn on_end(&self, what: Box<dyn FnOnce() + Send>) {
        {
            let mut state = self.state.lock();
            if !state.has_ended() {
                return state.on_end.0.push(what);
            }
        }
        what();
    }

    /// Its end needs no line on standard error.
    pub(crate) fn is_watched(&self) {
        self.state.lock().asked = true;
    }
}
