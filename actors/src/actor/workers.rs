//! The threads on which a node's actors run: as many as cores, and a spare for each that waits in one of our own waits.
//!
//! A thread takes whatever actor is next and lets it handle some messages. Nothing is known here of what actors are.
//!
//! # Who takes what is next
//!
//! A thread that finds nothing looks for more, for a moment, before it sleeps. While one looks no other is woken for the only one that is next: that
//! would find nothing, and take a core from those at work. It is not left lying: the one that looks does so once more under the lock before it sleeps. Whether it
//! has a core can't be known; so it writes down when it looked, and if that is long ago another is woken.
//!
//! What a worker schedules when nothing else is next it mostly takes itself, a moment later, with the sender's data at hand. So those that look leave it there until it has
//! lain for some looks, in which nothing was taken. If its turn is long, they take it; if nobody looks, somebody is woken who does.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use callboard_ipc::monotonic_nanos;
use parking_lot::{Condvar, Mutex};

use super::context::current;
use crate::cell::Cell;
use crate::runtime::Runtime;

/// The most threads that wait and are replaced by spares; with more, actors wait for a thread.
pub(crate) const MAX_SPARES: usize = 256;
/// How long a thread with nothing to do looks for more before it sleeps.
const LOOK_FOR: u64 = Duration::from_micros(20).as_nanos() as u64;
/// A yield that took longer than this gave the core to somebody with work of their own.
const CORE_IS_TAKEN: u64 = Duration::from_micros(15).as_nanos() as u64;

/// `Workers::line`: nothing is next.
const NOTHING: u8 = 0;
/// One is, which a worker has scheduled and takes itself, unless its turn is long.
const KEPT: u8 = 1;
/// Something is that whoever looks takes at once.
const URGENT: u8 = 2;
/// How often in a row a thread that looks finds the same thing kept before it takes it.
const PATIENCE: u32 = 3;

/// Something with messages to handle.
pub(crate) trait Run: Send + Sync {
    /// Handles some of them.
    fn run(self: Arc<Self>, runtime: &Arc<Runtime>);

    /// Whether it will never have any more.
    fn has_ended(&self) -> bool;
}

pub(crate) struct Workers {
    state: Mutex<State>,
    more: Condvar,
    /// What `State::next` has for those that look, without its lock: `NOTHING`, `KEPT` or `URGENT`.
    line: AtomicU8,
    /// How often somebody has taken what was next.
    taken: AtomicUsize,
    /// When one of those that look last looked.
    looked_at: AtomicU64,
    /// How many shall be at work at a time.
    cores: usize,
}

#[derive(Default)]
struct State {
    next: VecDeque<Arc<dyn Run>>,
    threads: usize,
    /// Of them, those that sleep for want of work.
    asleep: usize,
    /// And those that look for more before they sleep.
    looking: usize,
    /// And those that wait for something in the middle of a message.
    waiting: usize,
    has_ended: bool,
    has_complained: bool,
}

impl Default for Workers {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (state, more) = (Mutex::default(), Condvar::new());
        let (line, taken, looked_at) = (AtomicU8::new(NOTHING), AtomicUsize::new(0), AtomicU64::new(0));
        Self { state, more, line, taken, looked_at, cores }
    }
}

thread_local! {
    /// The workers that this thread is one of.
    static OF: RefCell<Option<Arc<Runtime>>> = const { RefCell::new(None) };
}

/// Whether this thread is one of `runtime`'s workers and runs something.
fn is_of(runtime: &Arc<Runtime>) -> bool {
    OF.with_borrow(|of| of.as_ref().is_some_and(|of| Arc::ptr_eq(of, runtime)))
}

impl Workers {
    /// Has `run` run on one of the threads.
    pub(crate) fn schedule(&self, runtime: &Arc<Runtime>, run: Arc<dyn Run>) {
        let mut state = self.state.lock();
        if self.push(&mut state, run, || is_of(runtime)) {
            self.see_to_it(runtime, state);
        }
    }

    /// The same for what this thread, one of them, has just run: it takes it again at once if nothing else is next.
    pub(super) fn schedule_again(&self, runtime: &Arc<Runtime>, run: Arc<dyn Run>) {
        let mut state = self.state.lock();
        if self.push(&mut state, run, || true) && state.next.len() > 1 {
            self.see_to_it(runtime, state);
        }
    }

    /// Adds it, unless the node has ended.
    fn push(&self, state: &mut State, run: Arc<dyn Run>, is_own: impl FnOnce() -> bool) -> bool {
        if state.has_ended {
            return false;
        }
        let is_kept = state.next.is_empty() && is_own();
        state.next.push_back(run);
        self.line.store(if is_kept { KEPT } else { URGENT }, Relaxed);
        true
    }

    /// Has a thread look at what is next, if none will of its own accord.
    fn see_to_it(&self, runtime: &Arc<Runtime>, mut state: parking_lot::MutexGuard<'_, State>) {
        if state.next.is_empty() || state.has_ended {
            return;
        }
        if state.at_work() >= self.cores {
            return;
        }
        if state.looking > 0 && state.next.len() == 1 && self.looks_now() {
            return; // It takes it.
        }
        if state.asleep > 0 {
            // Counted as awake from here on, so that another that is added meanwhile wakes another.
            state.asleep -= 1;
            drop(state);
            self.more.notify_one();
            return;
        }
        if state.threads >= self.cores + MAX_SPARES {
            if !std::mem::replace(&mut state.has_complained, true) {
                drop(state);
                runtime.complain(&format!(
                    "{MAX_SPARES} actors wait in the middle of a message; others wait for them"
                ));
            }
            return;
        }
        state.threads += 1;
        drop(state);
        let of = Arc::downgrade(runtime);
        let thread = std::thread::Builder::new().name("actors".to_owned());
        if let Err(error) = thread.spawn(move || work(&of)) {
            self.state.lock().threads -= 1;
            runtime.complain(&format!("a thread for actors could not be started: {error}"));
        }
    }

    /// The next to run; none when there is nothing for so long that the thread may look whether its node is still there.
    fn next(&self) -> Option<Arc<dyn Run>> {
        let mut state = self.state.lock();
        if state.next.is_empty() && !state.has_ended {
            state.looking += 1;
            self.looked_at.store(monotonic_nanos(), Relaxed);
            drop(state);
            self.look();
            state = self.state.lock();
            state.looking -= 1;
        }
        if state.has_ended {
            return None;
        }
        if state.next.is_empty() || state.at_work() > self.cores {
            // Whoever wakes it takes it off.
            state.asleep += 1;
            self.more.wait(&mut state);
        }
        let next = state.next.pop_front();
        self.taken.fetch_add(1, Relaxed);
        self.line.store(if state.next.is_empty() { NOTHING } else { URGENT }, Relaxed);
        next
    }

    /// Yields for a moment, as the next message often comes at once.
    fn look(&self) {
        let begun = monotonic_nanos();
        let mut now = begun;
        let (mut taken, mut looks) = (self.taken.load(Relaxed), 0);
        while now - begun < LOOK_FOR {
            let line = self.line.load(Relaxed);
            if line == URGENT {
                return;
            }
            if line == KEPT {
                let before = std::mem::replace(&mut taken, self.taken.load(Relaxed));
                looks = if before == taken { looks + 1 } else { 0 };
                if looks == PATIENCE {
                    return;
                }
            }
            std::thread::yield_now();
            let after = monotonic_nanos();
            if after - now > CORE_IS_TAKEN {
                return;
            }
            now = after;
            self.looked_at.store(now, Relaxed);
        }
    }

    /// Whether a thread that looks has a core, as far as can be told.
    fn looks_now(&self) -> bool {
        monotonic_nanos().saturating_sub(self.looked_at.load(Relaxed)) < CORE_IS_TAKEN
    }

    /// Whether no actor has anything to do, or those that do wait for something.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.next.is_empty() && state.at_work() == 0
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state.lock().has_ended
    }

    /// No actor runs any more, once those that run just now have come to the end of their messages.
    pub(crate) fn end(&self) {
        let dropped = {
            let mut state = self.state.lock();
            state.has_ended = true;
            std::mem::take(&mut state.next)
        };
        self.more.notify_all();
        drop(dropped);
    }

    fn waits(&self, runtime: &Arc<Runtime>) {
        let mut state = self.state.lock();
        state.waiting += 1;
        self.see_to_it(runtime, state);
    }

    fn goes_on(&self) {
        self.state.lock().waiting -= 1;
    }
}

impl State {
    fn at_work(&self) -> usize {
        self.threads - self.asleep - self.waiting
    }
}

/// A thread's life.
fn work(of: &Weak<Runtime>) {
    /// Counts the thread as gone, also on unwind.
    struct Leaves<'a>(&'a Weak<Runtime>);
    impl Drop for Leaves<'_> {
        fn drop(&mut self) {
            OF.set(None);
            if let Some(runtime) = self.0.upgrade() {
                runtime.workers.state.lock().threads -= 1;
            }
        }
    }
    let _leaves = Leaves(of);
    while let Some(runtime) = of.upgrade() {
        let workers = Arc::clone(&runtime.workers);
        if workers.has_ended() {
            break;
        }
        // Asleep it does not keep the node.
        drop(runtime);
        let next = workers.next();
        let (Some(next), Some(runtime)) = (next, of.upgrade()) else { continue };
        OF.set(Some(Arc::clone(&runtime)));
        next.run(&runtime);
        OF.set(None);
        runtime.flush_listed_by_need();
    }
}

/// A thread that waits. If it is a worker another takes its place until this is dropped; if it runs an actor's code, that is told.
pub(crate) struct Waits {
    of: Option<Arc<Runtime>>,
    actor: Option<(Arc<Runtime>, Arc<dyn Cell>)>,
}

/// Says that this thread is about to wait for something on `runtime`'s node.
pub(crate) fn waits(runtime: &Arc<Runtime>) -> Waits {
    let of = OF.with_borrow(Clone::clone);
    if let Some(runtime) = &of {
        runtime.workers.waits(runtime);
    }
    let here = current().filter(|actor| actor.node == runtime.id);
    let actor = here.and_then(|actor| runtime.cell(actor.slot)).map(|cell| (Arc::clone(runtime), cell));
    if let Some((runtime, cell)) = &actor {
        cell.code_waits(runtime, true);
    }
    Waits { of, actor }
}

impl Drop for Waits {
    fn drop(&mut self) {
        if let Some(runtime) = &self.of {
            runtime.workers.goes_on();
        }
        if let Some((runtime, cell)) = &self.actor {
            cell.code_waits(runtime, false);
        }
    }
}
