//! One program as its node sees it.
//!
//! Its end is known when its guard has ended, which told before how the program did. A guard that was killed tells nothing: then the kernel has
//! killed the program, whose own descriptor says when it is gone.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use callboard_core::{NodeId, Readiness, Slot, Source, Token, Wants, decode};
use callboard_ipc::{Child, Exit, OutputPipe};
use parking_lot::Mutex;

use super::start::Fresh;
use super::wire::Told;
use crate::cell::{Cell, Incoming, Violation};
use crate::exits::Ended;
use crate::hello::{Looked, Opening};
use crate::hook::{Hook, Hooks, Poll};
use crate::peer::Peer;
use crate::process::description::Use;
use crate::process::forward::{Forward, Forwards};
use crate::process::{JoinError, OutOfMemory, Output, Outputs, ended};
use crate::runtime::Runtime;
use crate::standing::{Awaited, Sought};

/// The signals that ask a program to end, end it, and let one that is stopped go on.
const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;
const SIGCONT: i32 = 18;

/// How long a guard may take to end the group, once its program has been killed.
const GUARD_WITHIN: Duration = Duration::from_secs(1);
/// How long after its end a program's lines may take to be passed on before that is told.
const FORWARDED_WITHIN: Duration = Duration::from_secs(1);

/// A program, from its start until its end has been told.
#[derive(Debug)]
pub(crate) struct CommandCell {
    name: String,
    slot: Slot,
    guard: Child,
    program: Child,
    /// The group ends when this closes.
    _life: OwnedFd,
    socket: OwnedFd,
    runtime: Weak<Runtime>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Of the guard, and of the program once that is waited for alone.
    tokens: [Option<Token>; 2],
    /// The guard is gone.
    is_left: bool,
    exit: Option<Exit>,
    opening: Option<Opening>,
    was_killed: bool,
    out_of_memory: Option<OutOfMemory>,
    hooks: Hooks,
    /// How many of its streams are still passed on.
    forwards: usize,
    /// When that is no longer waited for.
    forwards_until: Option<Instant>,
    /// When it is to be killed, and when its whole group is.
    kill_at: Option<Instant>,
    kill_group_at: Option<Instant>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.exit)
    }
}

impl State {
    fn has_ended(&self) -> bool {
        self.is_left && self.exit.is_some() && self.forwards == 0
    }
}

impl CommandCell {
    /// Watches a program that runs, of which some streams are passed on.
    pub(super) fn adopt(
        runtime: &Arc<Runtime>,
        name: &str,
        fresh: Fresh,
        program: Child,
        outputs: &Outputs,
    ) -> io::Result<Arc<Self>> {
        let Fresh { guard, life, socket, opening } = fresh;
        let forwards = outputs.iter().flatten().filter(|(_, usage)| *usage != Use::Capture).count();
        let cell = runtime.add_cell(|slot| {
            let state = State { forwards, opening: Some(opening), ..State::default() };
            Arc::new(Self {
                name: name.to_owned(),
                slot,
                guard,
                program,
                _life: life,
                socket,
                runtime: Arc::downgrade(runtime),
                state: Mutex::new(state),
            })
        });
        let source = Arc::clone(&cell) as Arc<dyn Source>;
        let registered = {
            // Locked over it: an event that comes at once has to find the token.
            let mut state = cell.state.lock();
            let registered = runtime.reactor.register(cell.guard.as_fd(), Wants::Reading, source);
            registered.map(|token| state.tokens[0] = Some(token))
        };
        if let Err(error) = registered {
            let _ = cell.guard.kill_group();
            cell.collect(Instant::now() + GUARD_WITHIN);
            runtime.remove_cell(cell.slot);
            return Err(error);
        }
        runtime.add_command(&cell);
        // It may have ended before it was watched.
        cell.look(runtime);
        Ok(cell)
    }

    /// Captured streams; the others are passed on from now on.
    pub(super) fn hand_out(
        self: &Arc<Self>,
        runtime: &Arc<Runtime>,
        outputs: Outputs,
    ) -> io::Result<[Option<Output>; 2]> {
        crate::process::hand_out(runtime, outputs, |pipe: OutputPipe, to| {
            let its = Arc::downgrade(self);
            let over = move || {
                let Some(cell) = its.upgrade() else { return };
                let Some(runtime) = cell.runtime.upgrade() else { return };
                {
                    let mut state = cell.state.lock();
                    state.forwards = state.forwards.saturating_sub(1);
                }
                cell.announce(&runtime);
            };
            Forwards::add(runtime, Forward::new(pipe, to, &self.name, self.pid(), over))
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn slot(&self) -> Slot {
        self.slot
    }

    pub(crate) fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// The program's own descriptor, once more.
    pub(super) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.program.descriptor()
    }

    pub(crate) fn is_living(&self) -> bool {
        self.state.lock().exit.is_none()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state.lock().has_ended()
    }

    pub(super) fn outcome(&self) -> Result<(), JoinError> {
        let state = self.state.lock();
        match state.exit {
            Some(Exit::Code(0)) if state.has_ended() => Ok(()),
            Some(exit) if state.has_ended() => Err(ended(exit, state.out_of_memory)),
            _ => Err(JoinError::TimedOut),
        }
    }

    pub(crate) fn ended(&self) -> Ended {
        Ended { name: self.name.clone(), pid: self.pid(), is_command: true, reason: self.outcome().err() }
    }

    pub(super) fn signal(&self, signal: i32) -> io::Result<()> {
        self.program.signal(signal)
    }

    /// Kills the program; its guard, which may have been stopped, does the rest, or the tick does.
    pub(crate) fn kill(&self, runtime: &Runtime) -> io::Result<()> {
        let at = Instant::now() + GUARD_WITHIN;
        {
            let mut state = self.state.lock();
            if state.is_left {
                return Ok(());
            }
            state.was_killed = true;
            state.kill_group_at = Some(at);
        }
        runtime.tick_at(at, self.slot);
        let killed = self.guard.signal(SIGCONT).and_then(|()| self.program.signal(SIGKILL));
        if killed.is_err() {
            // It runs as another user and goes on. So must its guard, which the group's end would be.
            let mut state = self.state.lock();
            (state.was_killed, state.kill_group_at) = (false, None);
        }
        killed
    }

    pub(super) fn terminate(&self, runtime: &Runtime, grace: Duration) -> io::Result<()> {
        self.program.signal(SIGTERM)?;
        if let Some(at) = Instant::now().checked_add(grace) {
            self.state.lock().kill_at = Some(at);
            runtime.tick_at(at, self.slot);
        }
        Ok(())
    }

    /// Ends the group, whose leader has not been collected.
    fn kill_group(&self) {
        let state = self.state.lock();
        if !state.is_left {
            let _ = self.guard.kill_group();
        }
    }

    /// Waits until guard and program are gone, for a node that ends: until `deadline`, after which the whole group is killed and a little
    /// more is waited.
    pub(crate) fn collect(&self, deadline: Instant) {
        let left = |at: Instant| Some(at.saturating_duration_since(Instant::now()));
        if matches!(callboard_ipc::wait_readable(self.guard.as_fd(), left(deadline)), Ok(false)) {
            self.kill_group();
            let _ = callboard_ipc::wait_readable(self.guard.as_fd(), Some(GUARD_WITHIN));
        }
        let mut state = self.state.lock();
        self.leave(&mut state);
        drop(state);
        let _ = callboard_ipc::wait_readable(self.program.as_fd(), Some(GUARD_WITHIN));
    }

    /// The same, and tells those who wait for the program's end.
    pub(crate) fn finish(&self, runtime: &Arc<Runtime>, deadline: Instant) {
        self.collect(deadline);
        self.look(runtime);
        {
            // One in an uninterruptible wait is left to the kernel; nobody hears of it any more.
            let mut state = self.state.lock();
            state.is_left = true;
            state.exit.get_or_insert(Exit::Signal { signal: SIGKILL, core_dumped: false });
            state.forwards = 0;
        }
        self.announce(runtime);
    }

    /// Ends a program whose start can't be finished, and waits until it has gone.
    pub(super) fn abandon(&self, runtime: &Arc<Runtime>) {
        runtime.remove_command(self.slot);
        let _ = self.kill(runtime);
        self.finish(runtime, Instant::now() + GUARD_WITHIN);
    }

    /// Takes what the guard has told, and collects it if it has ended; what is left of its group is killed before.
    fn leave(&self, state: &mut State) {
        if state.is_left
            || !matches!(callboard_ipc::wait_readable(self.guard.as_fd(), Some(Duration::ZERO)), Ok(true))
        {
            return;
        }
        // Whoever killed the guard, if somebody has, has not killed the group.
        let _ = self.guard.kill_group();
        if !matches!(self.guard.try_reap(), Ok(Some(_))) {
            return;
        }
        state.is_left = true;
        let looked = state.opening.take().map(|mut opening| opening.look(self.socket.as_fd()));
        if let Some(Ok(Looked::Hello(hello))) = looked {
            state.exit = decode::<Told>(&hello.body).ok().and_then(|told| told.exit());
        }
    }

    /// Looks whether the program has ended, and tells it.
    fn look(&self, runtime: &Arc<Runtime>) {
        let tokens = {
            let mut state = self.state.lock();
            self.leave(&mut state);
            if !state.is_left {
                return;
            }
            if state.exit.is_none() {
                // Its guard was killed, so it was too.
                if matches!(
                    callboard_ipc::wait_readable(self.program.as_fd(), Some(Duration::ZERO)),
                    Ok(true)
                ) {
                    state.exit = Some(Exit::Signal { signal: SIGKILL, core_dumped: false });
                } else if state.tokens[1].is_none()
                    && let Some(source) =
                        runtime.cell(self.slot).and_then(|cell| cell.into_any().downcast::<Self>().ok())
                {
                    let watched = runtime.reactor.register(self.program.as_fd(), Wants::Reading, source);
                    state.tokens[1] = watched.ok();
                }
            }
            let Some(exit) = state.exit else { return };
            let was_killed = state.was_killed;
            state.out_of_memory =
                OutOfMemory::of(exit, false, was_killed, || self.program.kernel_has_killed_since());
            if state.forwards > 0 && state.forwards_until.is_none() {
                let until = Instant::now() + FORWARDED_WITHIN;
                state.forwards_until = Some(until);
                runtime.tick_at(until, self.slot);
            }
            std::mem::take(&mut state.tokens)
        };
        for (token, process) in tokens.into_iter().zip([&self.guard, &self.program]) {
            if let Some(token) = token {
                runtime.reactor.deregister(process.as_fd(), token);
            }
        }
        self.announce(runtime);
    }

    /// Wakes those who wait once all of the end is known.
    fn announce(&self, runtime: &Arc<Runtime>) {
        let hooks = {
            let mut state = self.state.lock();
            if !state.has_ended() {
                return;
            }
            state.hooks.take()
        };
        hooks.iter().for_each(|hook| hook.notify());
        runtime.remove_cell(self.slot);
        runtime.command_ended(self);
    }
}

/// Ready at its end.
impl Poll for CommandCell {
    fn sought(&self) -> Sought {
        Sought::here("the end of", "program", self.slot())
    }

    fn poll(&self, hook: &Hook) -> bool {
        let mut state = self.state.lock();
        if !state.has_ended() {
            state.hooks.add(hook);
        }
        state.has_ended()
    }

    fn forget(&self, hook: &Hook) {
        self.state.lock().hooks.remove(hook);
    }
}

impl Cell for CommandCell {
    fn into_any(self: Arc<Self>) -> Arc<dyn std::any::Any + Send + Sync> {
        self
    }

    fn receive(&self, _: &Arc<Runtime>, from: &Arc<Peer>, _: Incoming<'_>) -> Result<(), Violation> {
        let from: NodeId = from.id;
        Err(format!("a message from node {from} to a program that is no node"))
    }

    fn awaited(&self, _: Option<Slot>) -> Option<Awaited> {
        Some(Awaited::process(&self.name, self.pid()))
    }

    /// The grace of a `terminate` is over, or the time that a guard had, or that is waited for last lines.
    fn tick(&self, runtime: &Arc<Runtime>) {
        let now = Instant::now();
        let is_due = |at: &mut Option<Instant>| at.take_if(|at| *at <= now).is_some();
        let (kills, kills_group) = {
            let mut state = self.state.lock();
            if state.forwards_until.is_some_and(|at| at <= now) {
                state.forwards = 0;
            }
            let is_living = state.exit.is_none();
            (is_due(&mut state.kill_at) && is_living, is_due(&mut state.kill_group_at))
        };
        if kills && let Err(error) = self.kill(runtime) {
            runtime.complain(&format!("the program {} can't be killed: {error}", self.name));
        }
        if kills_group {
            self.kill_group();
        }
        self.announce(runtime);
    }
}

impl Source for CommandCell {
    fn ready(&self, _: Readiness) {
        if let Some(runtime) = self.runtime.upgrade() {
            self.look(&runtime);
        }
    }
}
