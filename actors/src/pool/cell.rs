//! The table of a pool in a slot of its node, and what it does to workers.
//!
//! Whichever thread has a report, a submission or a death brings it in, under the cell's lock. Work is appended to outboxes and inboxes
//! under it; what calls others, or the kernel, comes after it is released (`After`).

mod awaited;
mod effects;
mod link;
mod running;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

use callboard_core::{Address, ByteStrings, Kind, NodeId, Slot, TimerKey, decode};
use callboard_ipc::{Counter, Trail};
use parking_lot::Mutex;

use super::crew::{Phase, WorkerId};
use super::inbox::Inbox;
use super::machine::{Death, Hears, Machine};
use super::stats::Figures;
use super::wire::{ToPool, Told};
use super::work::Outcomes;
use crate::cell::{Cell, Incoming, Violation};
use crate::hook::{Hook, Hooks};
use crate::parcel::Rights;
use crate::peer::Peer;
use crate::process::Process;
use crate::process::routine::Routine;
use crate::runtime::Runtime;
use crate::standing::Awaited;

use self::link::{Link, Linked};

/// Who hears what came of tasks. Called with the cell locked: it takes no lock but its own.
pub(super) trait Target: Send + Sync {
    /// What it has to call is left in `calls`, for when that is unlocked.
    fn settled(&self, first: u64, outcomes: Outcomes, calls: &mut Vec<Call>);
}

/// Somebody else's code, to be called with nothing locked.
pub(super) type Call = Box<dyn FnOnce() + Send>;

pub(super) type Sink = Arc<dyn Target>;

impl Hears for Sink {
    fn is(&self, other: &Self) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(self), Arc::as_ptr(other))
    }
}

/// What a pool's worker ends with: nothing, or why it could not begin.
pub(super) type Ends = Process<Result<(), String>>;

pub(super) struct State {
    pub(super) machine: Machine<Sink>,
    links: HashMap<WorkerId, Linked>,
    /// Which worker each node was started to be, until it has ended. A worker that starts says its number, and must be that node.
    started: HashMap<NodeId, WorkerId>,
    /// Which worker each node is.
    nodes: HashMap<NodeId, WorkerId>,
    pub(super) processes: HashMap<WorkerId, Arc<Ends>>,
    functions: Vec<Routine>,
    /// Their numbers.
    known: HashMap<Routine, u32>,
    last: Option<(Routine, u32)>,
    hooks: Hooks,
    /// When the next tick comes.
    tick: Option<(Instant, TimerKey)>,
    pub(super) figures: Figures,
}

impl State {
    /// A worker's process has ended, or was never there.
    fn forget(&mut self, worker: WorkerId) {
        self.processes.remove(&worker);
        self.started.retain(|_, other| *other != worker);
    }
}

pub(super) struct PoolCell {
    pub(super) address: Address,
    /// What its workers' names begin with.
    name: String,
    pub(super) state: Mutex<State>,
    /// To the thread that starts workers; none if the pool is inline, or has ended.
    starter: Mutex<Option<Sender<WorkerId>>>,
}

impl PoolCell {
    pub(super) fn create(
        runtime: &Arc<Runtime>,
        name: String,
        machine: Machine<Sink>,
        starter: Option<Sender<WorkerId>>,
    ) -> Arc<Self> {
        let state = State {
            machine,
            links: HashMap::new(),
            started: HashMap::new(),
            nodes: HashMap::new(),
            processes: HashMap::new(),
            functions: Vec::new(),
            known: HashMap::new(),
            last: None,
            hooks: Hooks::default(),
            tick: None,
            figures: Figures::default(),
        };
        runtime.add_cell(|slot| {
            Arc::new(Self {
                address: Address { node: runtime.id, slot },
                name,
                state: Mutex::new(state),
                starter: Mutex::new(starter),
            })
        })
    }

    // ---- functions ------------------------------------------------------------------------------

    /// The number of a function, which is a new one if nobody has used it yet.
    pub(super) fn number_of(state: &mut State, routine: Routine) -> u32 {
        if let Some((last, number)) = state.last
            && last == routine
        {
            return number;
        }
        let next = state.functions.len() as u32;
        let number = *state.known.entry(routine).or_insert(next);
        if number == next {
            state.functions.push(routine);
        }
        state.last = Some((routine, number));
        number
    }

    // ---- workers --------------------------------------------------------------------------------

    /// Whether a worker is still to be started: then it is about to be.
    pub(super) fn is_wanted(&self, worker: WorkerId) -> bool {
        let mut state = self.state.lock();
        let member = state.machine.crew.get_mut(&worker);
        member.is_some_and(|member| {
            member.is_beginning = true;
            member.phase == Phase::Starting
        })
    }

    /// A worker is about to be started as that node.
    pub(super) fn expects(&self, worker: WorkerId, node: NodeId) {
        self.state.lock().started.insert(node, worker);
    }

    /// A worker in this very process is there.
    pub(super) fn ready_here(
        &self,
        runtime: &Arc<Runtime>,
        worker: WorkerId,
        inbox: &Arc<Inbox>,
        counter: &Arc<Counter>,
    ) {
        let link = Link::Here { inbox: Arc::clone(inbox), counter: Arc::clone(counter) };
        {
            let mut state = self.state.lock();
            if state.machine.crew.get(&worker).is_none_or(|member| member.phase != Phase::Starting) {
                // It was given up meanwhile, and ends at once.
                drop(state);
                return inbox.cut_off();
            }
            state.links.insert(worker, Linked { link, knows: 0, trail: None });
        }
        self.run(runtime, |machine, effects| {
            effects.figures.ready(worker);
            machine.ready(worker, Instant::now(), effects);
        });
    }

    /// A worker could not begin.
    pub(super) fn failed_start(&self, runtime: &Arc<Runtime>, worker: WorkerId, why: &str) {
        self.state.lock().forget(worker);
        self.run(runtime, |machine, effects| {
            effects.figures.ended(worker);
            machine.failed_start(worker, why, Instant::now(), effects);
        });
    }

    /// A worker has ended, after everything that it told.
    pub(super) fn ended(&self, runtime: &Arc<Runtime>, worker: WorkerId, death: &Death) {
        let linked = {
            let mut state = self.state.lock();
            state.forget(worker);
            let linked = state.links.remove(&worker);
            if let Some(Linked { link: Link::There { peer, .. }, .. }) = &linked {
                state.nodes.remove(&peer.id);
            }
            linked
        };
        let progress = linked.as_ref().map(|linked| linked.link.progress());
        let left = linked.as_ref().and_then(|linked| linked.trail.as_ref()).map(Trail::read);
        let death = &Death { values: left.into_iter().flatten().collect(), ..death.clone() };
        self.run(runtime, |machine, effects| {
            effects.figures.ended(worker);
            machine.ended(worker, progress, death, Instant::now(), effects);
        });
        // What it held may have gone to others, and this may be any thread.
        runtime.flush_listed();
    }

    fn ready(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        (worker, slot, counter): (WorkerId, Slot, u32),
        trail: Option<Trail>,
    ) -> Result<(), Violation> {
        {
            let mut state = self.state.lock();
            if state.started.get(&from.id) != Some(&worker) {
                return Err(format!(
                    "a node that was not started as worker {worker} of the pool says that it is that"
                ));
            }
            if state.links.contains_key(&worker) || state.nodes.contains_key(&from.id) {
                return Err("a second worker where there is one".to_owned());
            }
            if !state.machine.crew.contains_key(&worker) {
                // It was given up before it was there, and is about to be killed.
                return Ok(());
            }
            let link = Link::There { peer: Arc::clone(from), slot, counter };
            state.links.insert(worker, Linked { link, knows: 0, trail });
            state.nodes.insert(from.id, worker);
        }
        self.run(runtime, |machine, effects| {
            effects.figures.ready(worker);
            machine.ready(worker, Instant::now(), effects);
        });
        Ok(())
    }

    fn heard(&self, runtime: &Arc<Runtime>, worker: WorkerId, message: ToPool) -> Result<(), Violation> {
        let now = Instant::now();
        self.run(runtime, |machine, effects| match message {
            ToPool::Recalled { one, units } => machine.recalled(worker, one, &units, now, effects),
            ToPool::Flushed => {
                machine.flushed(worker, now, effects);
                Ok(())
            }
            ToPool::Heavy => {
                machine.retire(worker, now, effects);
                Ok(())
            }
            ToPool::Ready { .. } => Err("a worker that says twice that it is there".to_owned()),
        })
    }

    /// Takes a message of a worker in this process.
    pub(super) fn hears(&self, runtime: &Arc<Runtime>, worker: WorkerId, message: ToPool) {
        let heard = self.heard(runtime, worker, message);
        debug_assert!(heard.is_ok(), "our own workers keep to the rules: {heard:?}");
    }

    /// Takes a report of a worker in this process.
    pub(super) fn told_here(&self, runtime: &Arc<Runtime>, worker: WorkerId, told: Told) {
        let (at, outcomes) = (told.at, told.into_outcomes());
        let heard = self.run(runtime, |machine, effects| {
            effects.count(machine, worker, at, &outcomes);
            machine.told(worker, at, outcomes, Instant::now(), effects)
        });
        debug_assert!(heard.is_ok(), "our own workers keep to the rules: {heard:?}");
    }

    fn reports(
        &self,
        runtime: &Arc<Runtime>,
        worker: WorkerId,
        body: &[u8],
        mut rights: Rights,
    ) -> Result<(), Violation> {
        let now = Instant::now();
        self.run(runtime, |machine, effects| {
            for item in ByteStrings::new(body) {
                let item = item.map_err(|error| format!("a worker's report: {error}"))?;
                let (at, outcomes) = Told::read(item, std::mem::take(&mut rights))?;
                effects.count(machine, worker, at, &outcomes);
                machine.told(worker, at, outcomes, now, effects)?;
            }
            Ok(())
        })
    }

    // ---- waiting --------------------------------------------------------------------------------

    /// Has `hook` notified at the next change, unless `is_so` already.
    pub(super) fn poll(&self, hook: &Hook, is_so: impl FnOnce(&State) -> bool) -> bool {
        let mut state = self.state.lock();
        let is_so = is_so(&state);
        if !is_so {
            state.hooks.add(hook);
        }
        is_so
    }

    pub(super) fn forget(&self, hook: &Hook) {
        self.state.lock().hooks.remove(hook);
    }

    /// Has everybody look again who waits for a change.
    pub(super) fn wake(&self) {
        self.state.lock().hooks.notify_all();
    }

    /// The pool starts nobody any more.
    pub(super) fn close_starter(&self) {
        *self.starter.lock() = None;
    }
}

impl Cell for PoolCell {
    fn into_any(self: Arc<Self>) -> Arc<dyn std::any::Any + Send + Sync> {
        self
    }

    fn receive(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        incoming: Incoming<'_>,
    ) -> Result<(), Violation> {
        if incoming.kind != Kind::Items {
            let message: ToPool =
                decode(incoming.body).map_err(|error| format!("a message for a pool: {error}"))?;
            if let ToPool::Ready { worker, slot, counter } = message {
                let trail = incoming.rights.first().and_then(|fd| match Trail::open(fd) {
                    Ok(trail) => Some(trail),
                    Err(error) => {
                        // Values that the worker has not told go with it.
                        runtime.complain(&format!("the trail of a pool's worker can't be read: {error}"));
                        None
                    }
                });
                return self.ready(runtime, from, (worker, slot, counter), trail);
            }
            return self.heard(runtime, self.worker_at(from)?, message);
        }
        self.reports(runtime, self.worker_at(from)?, incoming.body, incoming.rights.into())
    }

    fn awaited(&self, part: Option<Slot>) -> Option<Awaited> {
        Some(self.as_awaited(part))
    }

    fn tick(&self, runtime: &Arc<Runtime>) {
        self.state.lock().tick = None;
        self.run(runtime, |machine, effects| machine.tick(Instant::now(), effects));
    }

    fn node_ends(&self, runtime: &Arc<Runtime>) {
        self.close_starter();
        self.run(runtime, |machine, effects| machine.abort(Instant::now(), effects));
    }
}

impl PoolCell {
    fn worker_at(&self, from: &Arc<Peer>) -> Result<WorkerId, Violation> {
        let worker = self.state.lock().nodes.get(&from.id).copied();
        worker.ok_or_else(|| "a message from a node that is no worker of the pool".to_owned())
    }
}
