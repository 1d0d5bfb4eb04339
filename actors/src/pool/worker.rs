//! A worker's life: begin, take tasks one after the other, tell what came of them, end.
//!
//! The same code in a process, in a thread and inline: who drives it calls `turn`, which never waits for work.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use callboard_core::{Address, ByteStrings};
use callboard_ipc::Trail;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::crew::WorkerId;
use super::inbox::{Inbox, Next};
use super::line::Line;
use super::nested::AtWork;
use super::reports::REPORT_BYTES;
use super::wire::{Given, ToPool, Told};
use super::work::Fault;
use crate::failure::Failure;
use crate::node::{Node, WeakNode};
use crate::parcel::Rights;
use crate::process::panics::caught;
use crate::process::routine::{self, Found, NoValue, Routine};
use crate::runtime::Runtime;

/// A report leaves at the latest after so long, in the middle of a chunk, unless a single task takes longer.
const REPORT_NANOS: u64 = 2_000_000;
/// A task below this is light, once so many of its function have returned: telling of each by itself would cost more than it does.
const LIGHT_NANOS: u64 = 3_000;
const KNOWN_AFTER: u64 = 16;
/// How often a worker that must not grow looks at its memory.
const WEIGH_NANOS: u64 = 50_000_000;

/// The worker that a task runs on, for [functions that ask for it](super::Pool::submit_to_worker), and for the initializer: the
/// node of its process, its number, and a state of its own that stays from task to task.
pub struct Worker {
    node: WeakNode,
    number: WorkerId,
    state: Option<Box<dyn Any + Send>>,
}

impl Worker {
    /// The node that this worker runs on: of its own process, or of the pool's if it is a thread. None once that has ended.
    pub fn node(&self) -> Option<Node> {
        self.node.upgrade()
    }

    /// The worker's number, from zero. No other worker of the pool ever has it.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Keeps a value for the tasks that follow on this worker. One that was there before is dropped.
    pub fn set_state<S: Send + 'static>(&mut self, state: S) {
        self.state = Some(Box::new(state));
    }

    /// The value kept last, if there is one and it is an `S`.
    pub fn state<S: Send + 'static>(&mut self) -> Option<&mut S> {
        self.state.as_mut()?.downcast_mut()
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Worker({})", self.number)
    }
}

/// What a worker is started with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    pub(super) pool: Address,
    pub(super) worker: WorkerId,
    pub(super) initializer: Option<(Routine, ByteBuf)>,
    /// How much memory it may take before it is replaced.
    pub(super) memory_bytes: Option<u64>,
    /// How many workers a pool has by default that a task makes.
    pub(super) budget: usize,
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Worked,
    Idle,
    Over,
}

/// A worker with what it needs to work.
pub(super) struct Bench {
    worker: Worker,
    runtime: Arc<Runtime>,
    inbox: Arc<Inbox>,
    line: Line,
    functions: Vec<Result<Found<Worker>, String>>,
    told: Told,
    /// When the task in hand began, or the last one returned.
    mark: Instant,
    /// It had nothing to do when it last looked.
    is_idle: bool,
    /// What each function has cost so far.
    costs: Vec<Cost>,
    /// The last values, for the pool if this process dies.
    trail: Option<Trail>,
    memory_bytes: Option<u64>,
    weighed: u64,
}

/// What a function has cost on this worker.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    tasks: u64,
    nanos: u64,
}

impl Cost {
    /// Whether its tasks are light, as far as is known.
    fn is_light(self) -> bool {
        self.tasks >= KNOWN_AFTER && self.nanos / self.tasks < LIGHT_NANOS
    }
}

impl Bench {
    /// A worker whose initializer has run.
    ///
    /// # Errors
    ///
    /// Why it can't begin.
    pub(super) fn begin(
        (node, runtime): (WeakNode, &Arc<Runtime>),
        setup: &Setup,
        inbox: Arc<Inbox>,
        line: Line,
    ) -> Result<Self, String> {
        let mut worker = Worker { node, number: setup.worker, state: None };
        if let Some((routine, args)) = &setup.initializer {
            initialize(&mut worker, runtime, *routine, args)?;
        }
        inbox.reports.go_by(line.clone());
        Ok(Self {
            worker,
            runtime: Arc::clone(runtime),
            inbox,
            line,
            functions: Vec::new(),
            told: Told::default(),
            mark: Instant::now(),
            is_idle: true,
            costs: Vec::new(),
            trail: None,
            memory_bytes: setup.memory_bytes,
            weighed: callboard_ipc::coarse_nanos(),
        })
    }

    /// Does what is next, if there is something.
    pub(super) fn turn(&mut self) -> Turn {
        let (next, functions) = self.inbox.next(self.functions.len());
        self.functions.extend(functions.into_iter().map(Routine::find));
        self.costs.resize(self.functions.len(), Cost::default());
        match next {
            Next::Work(unit) => {
                if std::mem::take(&mut self.is_idle) {
                    self.mark = Instant::now();
                }
                let _here = self.line.here().map(|(pool, worker)| AtWork::begin(pool, worker));
                self.work(&unit);
                self.weigh();
                Turn::Worked
            }
            Next::Nothing => {
                self.is_idle = true;
                self.inbox.reports.tell(&self.runtime);
                Turn::Idle
            }
            Next::End => {
                self.inbox.reports.tell(&self.runtime);
                Turn::Over
            }
        }
    }

    /// Works until it is told to end.
    pub(super) fn drive(&mut self) {
        loop {
            match self.turn() {
                Turn::Worked => {}
                Turn::Idle => self.inbox.wait(&self.runtime, self.line.peer()),
                Turn::Over => return,
            }
        }
    }

    pub(super) fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    /// Runs the tasks of a unit, and tells what came of them.
    fn work(&mut self, unit: &Given) {
        let is_light = self.costs.get(unit.function as usize).is_some_and(|cost| cost.is_light());
        let is_alone = unit.count == 1;
        let mut last = if is_alone { 0 } else { callboard_ipc::coarse_nanos() };
        for (offset, arg) in ByteStrings::new(&unit.args).enumerate() {
            // What the pool sent is as many byte strings as it said.
            let Ok(arg) = arg else { break };
            let number = unit.at + offset as u64;
            if offset > 0 && self.inbox.is_cut() {
                self.tell(unit.function, true);
                return self.inbox.chunk_ends(&self.runtime, Some(number));
            }
            self.line.begins(number);
            if self.inbox.is_cut_off() {
                return;
            }
            self.task(number, arg, unit, is_alone);
            if is_alone {
                break;
            }
            self.weigh();
            let now = callboard_ipc::coarse_nanos();
            if self.told.values.len() >= REPORT_BYTES || now.saturating_sub(last) >= REPORT_NANOS {
                self.tell(unit.function, true);
                last = now;
            }
        }
        // Light ones are told of together, as long as more of them wait.
        self.tell(unit.function, !is_light || !is_alone);
        if !is_alone {
            self.inbox.chunk_ends(&self.runtime, None);
        }
    }

    /// Runs one task.
    fn task(&mut self, number: u64, args: &[u8], unit: &Given, is_alone: bool) {
        if self.told.count == 0 {
            self.told.at = number;
        }
        let before = self.told.values.len();
        let found = self.functions.get(unit.function as usize);
        let ran = match found {
            Some(Ok(found)) => {
                let given = routine::Given { args, rights: unit.rights.clone(), is_alone };
                let (worker, runtime, values) = (&mut self.worker, &self.runtime, &mut self.told.values);
                caught(|| found.run(worker, runtime, given, values))
            }
            Some(Err(why)) => Ok(Err(NoValue::Arguments(why.clone()))),
            None => Ok(Err(NoValue::Arguments("the worker was not told of the function".to_owned()))),
        };
        let is_kept = match &ran {
            Ok(Ok(returned)) => self.keep(number, before, returned),
            // Why it failed is no value.
            _ => self.line.peer().is_none(),
        };
        self.line.returned(number);
        match ran {
            Ok(Ok(returned)) => {
                // Only a task that is alone in its unit, and so here, has any.
                self.told.rights = returned.rights;
                if !returned.is_accepted {
                    self.told.faults.push((self.told.count, Fault::Unsatisfied));
                }
            }
            Ok(Err(no_value)) => self.told.fault(match no_value {
                NoValue::Arguments(why) => Fault::Arguments(why),
                NoValue::Value(why) => Fault::Value(why),
            }),
            Err(panic) => {
                self.told.values.truncate(before);
                self.told.fault(Fault::Panicked(panic));
            }
        }
        self.told.count += 1;
        if !is_kept {
            // On its way before the next task begins, which may end this process.
            self.tell(unit.function, true);
            self.inbox.reports.flush(&self.runtime);
        }
    }

    /// Writes a value down where it outlives this process, until it is told; whether it could. A thread's dies with the pool only.
    fn keep(&mut self, number: u64, before: usize, returned: &routine::Returned) -> bool {
        let Some(trail) = &mut self.trail else { return self.line.peer().is_none() };
        // One that may be tried again does not count yet, and what moves can't be kept.
        let is_plain = returned.is_accepted && returned.rights.is_empty();
        is_plain && trail.append(number, &self.told.values[before..])
    }

    /// Hands on what was gathered of a unit.
    fn tell(&mut self, function: u32, at_once: bool) {
        if self.told.count == 0 {
            return;
        }
        let now = Instant::now();
        self.told.nanos = now.saturating_duration_since(self.mark).as_nanos() as u64;
        self.mark = now;
        if let Some(cost) = self.costs.get_mut(function as usize) {
            cost.tasks += u64::from(self.told.count);
            cost.nanos += self.told.nanos;
        }
        // A slow one is the last of its report: so the pool knows which it was.
        let at_once = at_once || self.told.nanos >= REPORT_NANOS;
        self.inbox.reports.add(&self.runtime, &mut self.told, at_once);
    }

    /// Looks at its memory now and then, if it must not grow.
    fn weigh(&mut self) {
        let Some(most) = self.memory_bytes else { return };
        let now = callboard_ipc::coarse_nanos();
        if now.saturating_sub(self.weighed) < WEIGH_NANOS {
            return;
        }
        self.weighed = now;
        if callboard_ipc::resident_bytes().is_some_and(|bytes| bytes > most) {
            self.inbox.reports.say(&self.runtime, ToPool::Heavy);
        }
    }
}

fn initialize(worker: &mut Worker, runtime: &Arc<Runtime>, of: Routine, args: &[u8]) -> Result<(), String> {
    let found: Found<Worker> = of.find()?;
    let mut out = Vec::new();
    let given = routine::Given { args, rights: Rights::default(), is_alone: true };
    let ran = caught(|| found.run(worker, runtime, given, &mut out));
    let result: Result<(), Failure> = match ran {
        Ok(Ok(_)) => {
            let value = ByteStrings::new(&out).next().and_then(Result::ok).unwrap_or_default();
            callboard_core::decode(value).map_err(|error| error.to_string())?
        }
        Ok(Err(NoValue::Arguments(why) | NoValue::Value(why))) => Err(Failure::new(why)),
        Err(panic) => Err(Failure::new(panic.to_string())),
    };
    result.map_err(|failure| format!("the initializer: {failure}"))
}

/// The life of a worker in a process of its own; an error if it could not begin.
pub(super) fn in_process(node: &Node, setup: Setup) -> Result<(), String> {
    let runtime = node.runtime();
    runtime.set_budget(setup.budget);
    let Some(peer) = runtime.meet(setup.pool.node) else { return Ok(()) };
    if !peer.wait_connected(runtime, None) {
        return Ok(());
    }
    let counter = peer.reserve_counter().ok_or("a fresh process has all its counters")?;
    let mut slot = callboard_core::Slot::default();
    let inbox = runtime.add_cell(|given| {
        slot = given;
        Inbox::new(setup.pool.node, Some(given))
    });
    peer.interests(slot);
    let line = Line::There { peer, slot: setup.pool.slot, counter };
    let mut bench = Bench::begin((node.downgrade(), runtime), &setup, inbox, line.clone())?;
    // Without one each value is written before the next task begins.
    let (trail, descriptor) = Trail::create().ok().unzip();
    bench.trail = trail;
    line.is_there(runtime, &ToPool::Ready { worker: setup.worker, slot, counter }, descriptor);
    bench.drive();
    Ok(())
}
