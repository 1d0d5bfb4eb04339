//! The threads on which a node's actors run: as many as cores, and a spare for each that waits in one of our own waits.
//!
//! A thread takes whatever actor is next and lets it handle some messages. Nothing is known here of what actors are.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::context::current;
use crate::cell::Cell;
use crate::runtime::Runtime;

/// The most threads that wait and are replaced by spares; with more, actors wait for a thread.
pub(crate) const MAX_SPARES: usize = 256;
/// How long a thread with nothing to do looks for more before it sleeps.
const LOOK_FOR: Duration = Duration::from_micros(20);
/// A yield that took longer than this gave the core to somebody with work of their own.
const CORE_IS_TAKEN: Duration = Duration::from_micros(15);

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
    /// As long as `State::next`, to be looked at without the lock.
    len: AtomicUsize,
    /// How many shall be at work at a time.
    cores: usize,
}

#[derive(Default)]
struct State {
    next: VecDeque<Arc<dyn Run>>,
    threads: usize,
    /// Of them, those that sleep for want of work.
    asleep: usize,
    /// And those that wait for something in the middle of a message.
    waiting: usize,
    has_ended: bool,
    has_complained: bool,
}

impl Default for Workers {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { state: Mutex::default(), more: Condvar::new(), len: AtomicUsize::new(0), cores }
    }
}

thread_local! {
    /// The workers that this thread is one of.
    static OF: RefCell<Option<Arc<Runtime>>> = const { RefCell::new(None) };
}

impl Workers {
    /// Has `run` run on one of the threads.
    pub(crate) fn schedule(&self, runtime: &Arc<Runtime>, run: Arc<dyn Run>) {
        let mut state = self.state.lock();
        if state.has_ended {
            return;
        }
        state.next.push_back(run);
        self.len.store(state.next.len(), Relaxed);
        self.see_to_it(runtime, state);
    }

    /// Has a thread look at what is next, if none will of its own accord.
    fn see_to_it(&self, runtime: &Arc<Runtime>, mut state: parking_lot::MutexGuard<'_, State>) {
        if state.next.is_empty() || state.has_ended {
            return;
        }
        if state.at_work() >= self.cores {
            return;
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
        self.look();
        let mut state = self.state.lock();
        if state.has_ended {
            return None;
        }
        if state.next.is_empty() || state.at_work() > self.cores {
            // Whoever wakes it takes it off.
            state.asleep += 1;
            self.more.wait(&mut state);
        }
        let next = state.next.pop_front();
        self.len.store(state.next.len(), Relaxed);
        next
    }

    /// Yields for a moment, as the next message often comes at once.
    fn look(&self) {
        let begun = Instant::now();
        let mut now = begun;
        while self.len.load(Relaxed) == 0 && now - begun < LOOK_FOR {
            std::thread::yield_now();
            let after = Instant::now();
            if after - now > CORE_IS_TAKEN {
                return;
            }
            now = after;
        }
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
