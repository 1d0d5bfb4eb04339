//! A pool as its handle and its tasks share it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use callboard_core::Slot;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;

use super::cell::{PoolCell, Sink};
use super::crew::{Phase, WorkerId};
use super::error::{SubmitError, TaskError};
use super::inbox::Inbox;
use super::machine::{Death, State};
use super::starter::{Launch, begin_here};
use super::task::Outcome;
use super::work::{Terms, Work};
use super::worker::{Bench, Turn};
use crate::hook::{Hook, Poll};
use crate::process::JoinError;
use crate::process::routine::Routine;
use crate::runtime::Runtime;

/// Something to be called on the thread for call-backs.
type Call = Box<dyn FnOnce() + Send>;

/// The one worker of an inline pool.
pub(super) struct Inline {
    pub(super) launch: Launch,
    pub(super) wanted: Receiver<WorkerId>,
    pub(super) bench: Option<(WorkerId, Bench)>,
}

#[derive(Default)]
pub(super) struct CallBacks {
    calls: Option<Sender<Call>>,
    thread: Option<JoinHandle<()>>,
    /// No more are taken than are there.
    is_closed: bool,
}

pub(super) struct Inner {
    pub(super) runtime: Arc<Runtime>,
    pub(super) cell: Arc<PoolCell>,
    pub(super) inline: Option<Mutex<Inline>>,
    pub(super) call_backs: Mutex<CallBacks>,
}

impl Inner {
    /// The number of a function.
    pub(super) fn number_of(&self, routine: Routine) -> u32 {
        PoolCell::number_of(&mut self.cell.state.lock(), routine)
    }

    /// Hands in units, waiting for room until `deadline`; none waits for ever. With them, their places in the table.
    ///
    /// The first is handed in or an error; of several, those behind may go beyond the room that there is.
    pub(super) fn submit(
        &self,
        work: &mut Vec<Work>,
        terms: Terms,
        (sink, first): (&Sink, u64),
        deadline: Option<Instant>,
        placed: impl FnMut(u64, Slot),
    ) -> Result<(), SubmitError> {
        terms.retries.check()?;
        let mut placed = placed;
        while !self.try_submit(work, terms, (sink, first), &mut placed)? {
            if deadline.is_some_and(|at| at <= Instant::now()) || !self.wait(&Room(&self.cell), deadline) {
                return Err(SubmitError::Full);
            }
        }
        self.work_inline();
        self.runtime.flush_listed_by_need();
        Ok(())
    }

    /// The same if there is room now; whether there was.
    fn try_submit(
        &self,
        work: &mut Vec<Work>,
        terms: Terms,
        (sink, first): (&Sink, u64),
        placed: &mut impl FnMut(u64, Slot),
    ) -> Result<bool, SubmitError> {
        self.cell.run(&self.runtime, |machine, effects| {
            match &machine.state {
                State::Open => {}
                State::Draining => return Err(SubmitError::Closed),
                State::Broken(why) => return Err(SubmitError::Broken(why.clone())),
            }
            if !machine.has_room() {
                return Ok(false);
            }
            let mut first = first;
            for work in work.drain(..) {
                let count = u64::from(work.count);
                placed(first, machine.submit(work, terms, Arc::clone(sink), first));
                first += count;
            }
            machine.hand_out(Instant::now(), effects);
            Ok(true)
        })
    }

    /// What came of a task, as its user gets it.
    pub(super) fn read<R: DeserializeOwned>(&self, outcome: Outcome) -> Result<R, TaskError> {
        outcome?.unpack(&self.runtime).map_err(|error| TaskError::BadValue(error.to_string()))
    }

    /// Waits until `what` is ready; false at `deadline`. Does the tasks of an inline pool meanwhile.
    pub(super) fn wait(&self, what: &dyn Poll, deadline: Option<Instant>) -> bool {
        if self.inline.is_none() {
            return self.runtime.wait_until(what, deadline);
        }
        loop {
            self.work_inline();
            let inbox = self.inline.as_ref().and_then(|inline| {
                let inline = inline.try_lock()?;
                inline.bench.as_ref().map(|(_, bench)| Arc::clone(bench.inbox()))
            });
            // A task that is tried again later comes by the inbox.
            let either = Either { what, inbox, cell: &self.cell, is_ready: AtomicReady::default() };
            if !self.runtime.wait_until(&either, deadline) {
                return false;
            }
            if either.is_ready.get() {
                return true;
            }
        }
    }

    /// Does what an inline pool has to do.
    pub(super) fn work_inline(&self) {
        // A task that submits another leaves that to whoever does the first.
        let Some(mut inline) = self.inline.as_ref().and_then(Mutex::try_lock) else { return };
        loop {
            let Some((worker, bench)) = &mut inline.bench else {
                if !self.begin_inline(&mut inline) {
                    return;
                }
                continue;
            };
            match bench.turn() {
                Turn::Worked => {}
                Turn::Idle => return,
                Turn::Over => {
                    let worker = *worker;
                    inline.bench = None;
                    self.cell.ended(&self.runtime, worker, &Death { pid: None, why: JoinError::Exited(0) });
                }
            }
        }
    }

    /// Begins the worker that is wanted; false if none is.
    fn begin_inline(&self, inline: &mut Inline) -> bool {
        let Ok(worker) = inline.wanted.try_recv() else { return false };
        let never_was = || Death { pid: None, why: JoinError::Exited(0) };
        if !self.cell.is_wanted(worker) {
            self.cell.ended(&self.runtime, worker, &never_was());
            return true;
        }
        let setup = inline.launch.setup_of(worker);
        match begin_here(inline.launch.node.clone(), &self.runtime, &self.cell, &setup) {
            Ok(bench) => inline.bench = Some((worker, bench)),
            Err(why) => self.cell.failed_start(&self.runtime, worker, &why),
        }
        true
    }

    /// Whether nothing is left of the pool but what has come of its tasks.
    pub(super) fn wait_over(&self, timeout: Option<Duration>) -> bool {
        self.wait(&Over(&self.cell), timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    // ---- call-backs -----------------------------------------------------------------------------

    /// Calls users' code behind all that is to be called already.
    pub(super) fn call_back(&self, call: Call) {
        if self.inline.is_some() {
            return caught(&self.runtime, call);
        }
        let mut call_backs = self.call_backs.lock();
        if call_backs.calls.is_none() && !call_backs.is_closed {
            let (sender, calls) = channel::<Call>();
            let runtime = Arc::clone(&self.runtime);
            let serve = move || calls.into_iter().for_each(|call| caught(&runtime, call));
            match std::thread::Builder::new().name("callboard-done".to_owned()).spawn(serve) {
                Ok(thread) => (call_backs.calls, call_backs.thread) = (Some(sender), Some(thread)),
                Err(error) => {
                    self.runtime.complain(&format!("no thread for a pool's call-backs: {error}"));
                }
            }
        }
        let refused = match &call_backs.calls {
            Some(calls) => calls.send(call).err().map(|refused| refused.0),
            None => Some(call),
        };
        drop(call_backs);
        if let Some(call) = refused {
            // Better here than never: there is no other thread for it.
            caught(&self.runtime, call);
        }
    }

    /// Takes no more call-backs; the thread that makes them, which ends after the last.
    pub(super) fn end_call_backs(&self) -> Option<JoinHandle<()>> {
        let mut call_backs = self.call_backs.lock();
        call_backs.is_closed = true;
        call_backs.calls = None;
        call_backs.thread.take().filter(|thread| thread.thread().id() != std::thread::current().id())
    }
}

/// Calls users' code; a panic is written to standard error by its hook, and a line says whose it was.
fn caught(runtime: &Runtime, call: Call) {
    if catch_unwind(AssertUnwindSafe(call)).is_err() {
        runtime.complain("a call-back of a pool's task panicked");
    }
}

/// That another task may wait, or that none will be taken.
struct Room<'a>(&'a PoolCell);

impl Poll for Room<'_> {
    fn poll(&self, hook: &Hook) -> bool {
        self.0.poll(hook, |state| state.machine.has_room() || state.machine.state != State::Open)
    }

    fn forget(&self, hook: &Hook) {
        self.0.forget(hook);
    }
}

/// That a pool has neither work nor workers.
struct Over<'a>(&'a PoolCell);

impl Poll for Over<'_> {
    fn poll(&self, hook: &Hook) -> bool {
        self.0.poll(hook, |state| state.machine.is_over())
    }

    fn forget(&self, hook: &Hook) {
        self.0.forget(hook);
    }
}

/// That something is ready, or that an inline worker has work or is to begin.
struct Either<'a> {
    what: &'a dyn Poll,
    inbox: Option<Arc<Inbox>>,
    cell: &'a PoolCell,
    is_ready: AtomicReady,
}

/// Which of the two it was.
#[derive(Default)]
struct AtomicReady(std::sync::atomic::AtomicBool);

impl AtomicReady {
    fn get(&self) -> bool {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl Poll for Either<'_> {
    fn poll(&self, hook: &Hook) -> bool {
        if self.what.poll(hook) {
            self.is_ready.0.store(true, std::sync::atomic::Ordering::Relaxed);
            return true;
        }
        let starts = |state: &super::cell::State| {
            state.machine.crew.values().any(|member| member.phase == Phase::Starting)
        };
        match &self.inbox {
            Some(inbox) => inbox.poll(hook),
            // It may be that there is no worker, and then one is wanted.
            None => self.cell.poll(hook, starts),
        }
    }

    fn forget(&self, hook: &Hook) {
        self.what.forget(hook);
        self.cell.forget(hook);
    }
}
