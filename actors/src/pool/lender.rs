//! Doing oneself what one waits for.
//!
//! A task that waits for another of its own pool keeps its worker from doing that, and all workers may wait so. In one process the
//! waiting thread does it then, within what it does already: it is lent a worker for that. Of an inline pool everybody who waits may,
//! while another thread is at work.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use callboard_core::Slot;
use parking_lot::Mutex;

use super::cell::Sink;
use super::crew::WorkerId;
use super::inner::Inner;
use super::machine::{Death, Place, Wanted};
use super::nested;
use super::starter::{Launch, bench_here};
use super::worker::Bench;
use crate::hook::{Hook, Poll};
use crate::process::JoinError;
use crate::standing::Sought;

/// What workers are lent by, and those that nobody uses just now: their initializer has run.
pub(super) struct Lender {
    launch: Arc<Launch>,
    spare: Mutex<Vec<(WorkerId, Bench)>>,
}

impl Lender {
    pub(super) fn new(launch: &Arc<Launch>) -> Self {
        Self { launch: Arc::clone(launch), spare: Mutex::default() }
    }
}

impl Inner {
    /// Whether this thread runs a task of this pool.
    pub(super) fn is_within(&self) -> bool {
        self.lender.is_some() && nested::is_within(self.cell.address)
    }

    /// Whether a unit is at work on this thread, around whoever asks.
    pub(super) fn is_around(&self, slot: Slot) -> bool {
        if !self.is_within() {
            return false;
        }
        let place = self.cell.state.lock().machine.units.get(slot).map(|unit| unit.place);
        // It is one task, and this thread has it in hand: workers here don't look at the next before it has returned.
        matches!(place, Some(Place::Held(worker, at)) if nested::is_here(self.cell.address, worker)
            && self.cell.progress_of(worker).in_hand() == Some(at))
    }

    /// Whether whoever waits may do what it waits for.
    fn may_do_here(&self) -> bool {
        self.is_within() || self.inline.as_ref().is_some_and(|inline| inline.is_at_work())
    }

    /// Does what is wanted, if it has not begun; whether anything was done.
    pub(super) fn do_here(&self, wanted: Wanted<'_, Sink>) -> bool {
        let Some(lender) = self.lender.as_ref().filter(|_| self.may_do_here()) else { return false };
        let spare = lender.spare.lock().pop();
        let again = spare.as_ref().map(|(worker, _)| *worker);
        let lent = self
            .cell
            .run(&self.runtime, |machine, effects| machine.lend(wanted, again, Instant::now(), effects));
        let Some(worker) = lent else {
            lender.spare.lock().extend(spare);
            return false;
        };
        let bench = spare.map_or_else(|| self.begin_lent(lender, worker), |(_, bench)| Some(bench));
        let Some(mut bench) = bench else { return true };
        let now = Instant::now();
        let begins =
            self.cell.run(&self.runtime, |machine, effects| machine.lent_begins(worker, now, effects));
        if begins {
            bench.turn();
        }
        let now = Instant::now();
        if begins && self.cell.run(&self.runtime, |machine, effects| machine.lent_ends(worker, now, effects))
        {
            lender.spare.lock().push((worker, bench));
        } else {
            self.cell.ended(&self.runtime, worker, &Death::of(None, JoinError::Exited(0)));
        }
        if !self.is_within() {
            self.make_calls();
        }
        true
    }

    /// Has a lent worker begin; none if its initializer fails.
    fn begin_lent(&self, lender: &Lender, worker: WorkerId) -> Option<Bench> {
        let launch = &lender.launch;
        self.cell.run(&self.runtime, |_, effects| effects.figures.starts(worker));
        match bench_here(launch.node.clone(), &self.runtime, &self.cell, &launch.setup_of(worker)) {
            Ok((bench, counter)) => {
                self.cell.lent_is_there(worker, bench.inbox(), &counter);
                Some(bench)
            }
            Err(why) => {
                self.cell.run(&self.runtime, |machine, effects| {
                    effects.figures.ended(worker);
                    machine.lent_fails(worker, &why, Instant::now(), effects);
                });
                None
            }
        }
    }

    /// What there is to do for a task on this thread, as something to wait for.
    pub(super) fn work_for(self: &Arc<Self>, slot: Slot) -> Option<Arc<dyn Poll>> {
        let may = self.inline.is_some() || self.is_within();
        may.then(|| Arc::new(SharedWork(Arc::clone(self), slot)) as Arc<dyn Poll>)
    }
}

/// That an inline pool has something to do that nobody is at: work in the inbox of its worker, or a worker that is to begin. Or that what
/// is wanted may be done by whoever waits for it.
pub(super) struct Work<'a> {
    pub(super) inner: &'a Inner,
    pub(super) wanted: Wanted<'a, Sink>,
}

impl Poll for Work<'_> {
    fn sought(&self) -> Sought {
        Sought::here("work in", "pool", self.inner.cell.address.slot)
    }

    fn poll(&self, hook: &Hook) -> bool {
        // Kept before anything is looked at: whoever works now, and whatever changes, wakes it.
        let is_lendable = self.inner.cell.poll_lendable(hook, self.wanted);
        if is_lendable && self.inner.may_do_here() {
            return true;
        }
        let Some(inline) = &self.inner.inline else { return false };
        let inbox = inline.inbox.lock().clone();
        let has_work = inbox.is_some_and(|inbox| inbox.poll(hook)) || self.inner.is_worker_wanted();
        has_work && !inline.is_at_work()
    }

    fn forget(&self, hook: &Hook) {
        let inbox = self.inner.inline.as_ref().and_then(|inline| inline.inbox.lock().clone());
        if let Some(inbox) = inbox {
            inbox.forget(hook);
        }
        self.inner.cell.forget(hook);
    }
}

/// The same for a task, kept by whoever waits for several things.
struct SharedWork(Arc<Inner>, Slot);

impl SharedWork {
    fn work(&self) -> Work<'_> {
        Work { inner: &self.0, wanted: Wanted::Unit(self.1) }
    }
}

impl Poll for SharedWork {
    fn sought(&self) -> Sought {
        self.work().sought()
    }

    fn poll(&self, hook: &Hook) -> bool {
        self.work().poll(hook)
    }

    fn forget(&self, hook: &Hook) {
        self.work().forget(hook);
    }
}

/// That something is ready, or that there is something to do.
pub(super) struct Either<'a> {
    pub(super) what: &'a dyn Poll,
    pub(super) work: &'a dyn Poll,
    /// Whether it was the first.
    pub(super) is_ready: AtomicBool,
}

impl Poll for Either<'_> {
    fn sought(&self) -> Sought {
        self.what.sought()
    }

    fn poll(&self, hook: &Hook) -> bool {
        if self.what.poll(hook) {
            self.is_ready.store(true, Relaxed);
            self.work.forget(hook);
            return true;
        }
        let has_work = self.work.poll(hook);
        if has_work {
            self.forget(hook);
        }
        has_work
    }

    fn forget(&self, hook: &Hook) {
        self.what.forget(hook);
        self.work.forget(hook);
    }
}
