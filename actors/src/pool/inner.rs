//! A pool as its handle and its tasks share it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use callboard_core::Slot;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;

use super::cell::{Call, PoolCell, Sink};
use super::crew::{Phase, WorkerId};
use super::error::{SubmitError, TaskError};
use super::inbox::Inbox;
use super::lender::{Either, Lender, Work};
use super::machine::{Death, State, Wanted};
use super::starter::{Launch, begin_here};
use super::task::Outcome;
use super::work::{Terms, Work as Unit};
use super::worker::{Bench, Turn};
use crate::hook::{Hook, Poll};
use crate::process::JoinError;
use crate::process::routine::Routine;
use crate::runtime::Runtime;
use crate::standing::Sought;

/// The one worker of an inline pool, and whoever lends it a thread.
pub(super) struct Inline {
    work: Mutex<InlineWork>,
    /// What it has been given.
    pub(super) inbox: Mutex<Option<Arc<Inbox>>>,
}

struct InlineWork {
    launch: Arc<Launch>,
    wanted: Receiver<WorkerId>,
    bench: Option<(WorkerId, Bench)>,
}

impl Inline {
    pub(super) fn new(launch: Arc<Launch>, wanted: Receiver<WorkerId>) -> Self {
        let work = InlineWork { launch, wanted, bench: None };
        Self { work: Mutex::new(work), inbox: Mutex::new(None) }
    }

    /// Whether somebody is at it.
    pub(super) fn is_at_work(&self) -> bool {
        self.work.is_locked()
    }

    fn has_work(&self) -> bool {
        self.inbox.lock().as_ref().is_some_and(|inbox| inbox.has_work())
    }
}

#[derive(Default)]
pub(super) struct CallBacks {
    calls: Option<Sender<Call>>,
    thread: Option<JoinHandle<()>>,
    /// No more are taken than are there.
    is_closed: bool,
    /// Of an inline pool, until its worker does not work.
    due: VecDeque<Call>,
}

pub(super) struct Inner {
    pub(super) runtime: Arc<Runtime>,
    pub(super) cell: Arc<PoolCell>,
    pub(super) inline: Option<Inline>,
    /// None of a pool of processes.
    pub(super) lender: Option<Lender>,
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
        work: &mut Vec<Unit>,
        terms: Terms,
        (sink, first): (&Sink, u64),
        deadline: Option<Instant>,
        placed: impl FnMut(Slot),
    ) -> Result<(), SubmitError> {
        terms.retries.check()?;
        if terms.limit == Some(Duration::ZERO) {
            return Err(SubmitError::NoTime);
        }
        // Nobody could end a task of the calling thread.
        let terms = if self.inline.is_some() { Terms { limit: None, ..terms } } else { terms };
        let mut placed = placed;
        while !self.try_submit(work, terms, (sink, first), &mut placed)? {
            if deadline.is_some_and(|at| at <= Instant::now())
                || !self.wait(&Room(&self.cell), Wanted::Room, deadline)
            {
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
        work: &mut Vec<Unit>,
        terms: Terms,
        (sink, first): (&Sink, u64),
        placed: &mut impl FnMut(Slot),
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
                placed(machine.submit(work, terms, Arc::clone(sink), first));
                first += count;
            }
            machine.hand_out(Instant::now(), effects);
            Ok(true)
        })
    }

    pub(super) fn has_room(&self) -> bool {
        let state = self.cell.state.lock();
        state.machine.has_room() || state.machine.state != State::Open
    }

    /// Waits until another task may wait, or none will be taken; false at `deadline`.
    pub(super) fn wait_for_room(&self, deadline: Option<Instant>) -> bool {
        self.has_room() || self.wait(&Room(&self.cell), Wanted::Room, deadline)
    }

    /// What came of a task, as its user gets it.
    pub(super) fn read<R: DeserializeOwned>(&self, outcome: Outcome) -> Result<R, TaskError> {
        outcome?.unpack(&self.runtime).map_err(|error| TaskError::BadValue(error.to_string()))
    }

    /// Waits until `what` is ready; false at `deadline`. Does the tasks of an inline pool meanwhile, and within a task what is
    /// `wanted`.
    pub(super) fn wait(&self, what: &dyn Poll, wanted: Wanted<'_, Sink>, deadline: Option<Instant>) -> bool {
        if self.inline.is_none() && !self.is_within() {
            return self.runtime.wait_until_as(what, deadline, &|| self.sought(what, wanted));
        }
        loop {
            self.work_inline();
            // A task that is tried again later comes by the inbox, and another worker by the cell.
            let work = Work { inner: self, wanted };
            let either = Either { what, work: &work, is_ready: AtomicBool::new(false) };
            let is_ready = self.runtime.wait_until_as(&either, deadline, &|| self.sought(what, wanted));
            if either.is_ready.load(Relaxed) {
                return true;
            }
            if !is_ready {
                return false;
            }
            self.do_here(wanted);
        }
    }

    /// What is waited for by who wants that.
    fn sought(&self, what: &dyn Poll, wanted: Wanted<'_, Sink>) -> Sought {
        let pool = self.cell.address.slot;
        match wanted {
            Wanted::Unit(slot) => Sought::part_of("", "task", pool, slot),
            Wanted::Of(_) => Sought::here("values of a mapping of", "pool", pool),
            Wanted::Room | Wanted::Nothing => what.sought(),
        }
    }

    /// Does what an inline pool has to do.
    pub(super) fn work_inline(&self) {
        let Some(inline) = &self.inline else { return };
        loop {
            // A task that submits another leaves that to whoever does the first.
            let Some(mut at_work) = inline.work.try_lock() else { return };
            self.work_off(&mut at_work);
            drop(at_work);
            // Those that waited for this thread may do the next.
            self.cell.wake();
            // They may hand in more; and another thread may have come in between, and relied on this one.
            if !self.make_calls() && !inline.has_work() && !self.is_worker_wanted() {
                return;
            }
        }
    }

    /// Whether an inline pool wants a worker that nobody has begun.
    pub(super) fn is_worker_wanted(&self) -> bool {
        self.cell.state.lock().machine.crew.values().any(is_wanted)
    }

    fn work_off(&self, inline: &mut InlineWork) {
        loop {
            let Some((worker, bench)) = &mut inline.bench else {
                if !self.begin_inline(inline) {
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
                    if let Some(shared) = &self.inline {
                        *shared.inbox.lock() = None;
                    }
                    self.cell.ended(&self.runtime, worker, &Death::of(None, JoinError::Exited(0)));
                }
            }
        }
    }

    /// Begins the worker that is wanted; false if none is.
    fn begin_inline(&self, inline: &mut InlineWork) -> bool {
        let Ok(worker) = inline.wanted.try_recv() else { return false };
        let never_was = || Death::of(None, JoinError::Exited(0));
        if !self.cell.is_wanted(worker) {
            self.cell.ended(&self.runtime, worker, &never_was());
            return true;
        }
        let setup = inline.launch.setup_of(worker);
        match begin_here(inline.launch.node.clone(), &self.runtime, &self.cell, &setup) {
            Ok(bench) => {
                if let Some(shared) = &self.inline {
                    *shared.inbox.lock() = Some(Arc::clone(bench.inbox()));
                }
                inline.bench = Some((worker, bench));
            }
            Err(why) => self.cell.failed_start(&self.runtime, worker, &why),
        }
        true
    }

    /// Whether nothing is left of the pool but what has come of its tasks.
    pub(super) fn wait_over(&self, timeout: Option<Duration>) -> bool {
        self.wait(
            &Over(&self.cell),
            Wanted::Nothing,
            timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
        )
    }

    // ---- call-backs -----------------------------------------------------------------------------

    /// Calls users' code behind all that is to be called already; of an inline pool with the next `make_calls`, when its worker does
    /// not work.
    pub(super) fn call_back(&self, call: Call) {
        let mut call_backs = self.call_backs.lock();
        if self.inline.is_some() {
            return call_backs.due.push_back(call);
        }
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

    /// Makes the calls that are due of an inline pool, with nothing locked; whether there were any.
    pub(super) fn make_calls(&self) -> bool {
        let mut any = false;
        loop {
            let next = self.call_backs.lock().due.pop_front();
            let Some(call) = next else { return any };
            any = true;
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
    fn sought(&self) -> Sought {
        Sought::here("room in", "pool", self.0.address.slot)
    }

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
    fn sought(&self) -> Sought {
        Sought::here("the end of", "pool", self.0.address.slot)
    }

    fn poll(&self, hook: &Hook) -> bool {
        self.0.poll(hook, |state| state.machine.is_over())
    }

    fn forget(&self, hook: &Hook) {
        self.0.forget(hook);
    }
}

fn is_wanted(member: &super::crew::Member) -> bool {
    member.phase == Phase::Starting && !member.is_beginning
}
