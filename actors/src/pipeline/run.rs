//! Running a pipeline: the thread that feeds the source, empties the sink and replaces workers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use callboard_core::{decode, encode_into};
use serde::{Serialize, de::DeserializeOwned};

use super::build::{Launch, Workers};
use super::cell::PipelineCell;
use super::hub::{AfterDeath, Hub, Item, Place, Spec};
use super::report::{DeadLetter, PipelineError, Report, StageReport};
use super::worker::{Drive, Inbox, ToTheHub, Turn, drive};
use crate::hook::{Hook, Notify, Poll};
use crate::node::Node;
use crate::process::{JoinError, Process};
use crate::runtime::{Runtime, StopOf};
use crate::scope;
use crate::standing::Sought;
use crate::wait::Waiter;

/// How many source items are encoded before the sink is looked at again.
const SOURCE_BATCH: usize = 256;
/// How long finished workers get to end by themselves.
const END_WITHIN: Duration = Duration::from_secs(10);

/// One worker of the pipeline, however it runs.
enum Running {
    Process(Process<()>),
    Thread(Thread),
    Inline(Box<dyn Drive + Send>),
    Ended,
}

/// A worker that is a thread.
struct Thread {
    /// Set when it has panicked.
    died: Arc<AtomicBool>,
    inbox: Arc<Inbox>,
    handle: JoinHandle<()>,
}

/// A pipeline that runs.
pub(super) struct Runner<'a> {
    node: &'a Node,
    cell: Arc<PipelineCell>,
    specs: Vec<Spec>,
    launches: Vec<Box<dyn Launch>>,
    mode: Workers,
    running: Vec<(Place, Running)>,
    waiter: Arc<Waiter>,
    begun: Instant,
}

impl<'a> Runner<'a> {
    pub(super) fn start(
        node: &'a Node,
        specs: Vec<Spec>,
        launches: Vec<Box<dyn Launch>>,
        mode: Workers,
    ) -> Result<Self, PipelineError> {
        let cell = PipelineCell::create(node.runtime(), Hub::new(specs.clone()));
        let places = specs
            .iter()
            .enumerate()
            .flat_map(|(stage, spec)| (0..spec.workers).map(move |index| Place { stage, index }));
        let running = places.map(|place| (place, Running::Ended)).collect();
        let mut runner =
            Self { node, cell, specs, launches, mode, running, waiter: Waiter::new(), begun: Instant::now() };
        for at in 0..runner.running.len() {
            runner.launch(at)?;
        }
        Ok(runner)
    }

    fn launch(&mut self, at: usize) -> Result<(), PipelineError> {
        let place = self.running[at].0;
        let launch = &self.launches[place.stage];
        let name = format!("{}-{}", self.specs[place.stage].name, place.index + 1);
        self.running[at].1 = match self.mode {
            Workers::Processes => {
                let process = launch.process(self.node, &name, self.cell.address, place);
                let process = process.map_err(PipelineError::Spawn)?;
                if process.end().poll(&self.hook()) {
                    self.waiter.notify();
                }
                Running::Process(process)
            }
            Workers::Threads => {
                let (inbox, mut worker) = self.local(place);
                let runtime = Arc::clone(self.node.runtime());
                let (died, cell) = (Arc::new(AtomicBool::new(false)), Arc::clone(&self.cell));
                let dies = Arc::clone(&died);
                let thread = std::thread::Builder::new().name(name).spawn(move || {
                    // A panic is a worker's death here too. The hook has printed it.
                    if catch_unwind(AssertUnwindSafe(|| drive(&mut *worker, &runtime))).is_err() {
                        dies.store(true, Ordering::Release);
                        cell.wake_runner();
                    }
                });
                let handle = thread.map_err(PipelineError::Thread)?;
                Running::Thread(Thread { died, inbox, handle })
            }
            Workers::Inline => Running::Inline(self.local(place).1),
        };
        Ok(())
    }

    /// A worker on this node.
    fn local(&self, place: Place) -> (Arc<Inbox>, Box<dyn Drive + Send>) {
        let inbox = Inbox::new(self.cell.address.node);
        let hub = ToTheHub::Here { cell: Arc::clone(&self.cell), place };
        self.cell.ready_here(self.node.runtime(), place, &inbox);
        let worker = self.launches[place.stage].local(Arc::clone(&inbox), hub);
        (inbox, worker)
    }

    fn runtime(&self) -> &Arc<Runtime> {
        self.node.runtime()
    }

    fn hook(&self) -> Hook {
        Arc::clone(&self.waiter) as Hook
    }

    /// Runs to the end: puts what `source` gives, hands what comes out to `sink`.
    pub(super) fn run<T: Serialize, R: DeserializeOwned>(
        mut self,
        source: &mut dyn Iterator<Item = T>,
        sink: &mut dyn FnMut(R),
    ) -> Result<Report, PipelineError> {
        if StopOf(Arc::clone(self.runtime())).poll(&self.hook()) {
            self.waiter.notify();
        }
        self.run_to_end(source, sink)
    }

    fn run_to_end<T: Serialize, R: DeserializeOwned>(
        &mut self,
        source: &mut dyn Iterator<Item = T>,
        sink: &mut dyn FnMut(R),
    ) -> Result<Report, PipelineError> {
        let mut read = 0;
        let mut delivered = 0;
        let mut source_ended = false;
        loop {
            // What changes from here on notifies the waiter again; what has changed before is seen below.
            self.waiter.begins();
            self.cell.notify(&self.hook());
            let mut active = false;
            if !source_ended {
                let fed = self.feed(source, &mut read)?;
                active |= fed != Fed::Nothing;
                source_ended = fed == Fed::Ended;
            }
            let cell = Arc::clone(&self.cell);
            let out = cell.run(self.node.runtime(), |hub, effects| hub.take(effects));
            active |= !out.is_empty();
            for bytes in out {
                let item = scope::enter(self.runtime(), || decode(&bytes));
                sink(item.map_err(PipelineError::Sink)?);
                delivered += 1;
            }
            active |= self.turn_inline();
            active |= self.replace_dead()?;
            let (ended, failure) =
                cell.run(self.node.runtime(), |hub, _| (hub.has_ended(), hub.failure().map(str::to_owned)));
            self.runtime().flush_listed();
            if let Some(reason) = failure {
                return Err(PipelineError::Failed(reason));
            }
            if ended {
                return Ok(self.report(read, delivered));
            }
            if !active {
                let sought = Sought::here("a step of", "pipeline", self.cell.address.slot);
                self.runtime().wait(&self.waiter, None, None, sought);
            }
        }
    }

    fn feed<T: Serialize>(
        &self,
        source: &mut dyn Iterator<Item = T>,
        read: &mut u64,
    ) -> Result<Fed, PipelineError> {
        let mut fed = Fed::Nothing;
        for _ in 0..SOURCE_BATCH {
            if !self.cell.run(self.runtime(), |hub, _| hub.has_room()) {
                return Ok(fed);
            }
            let item = if self.node.stopping() { None } else { source.next() };
            let Some(item) = item else {
                self.cell.run(self.runtime(), |hub, effects| hub.end_source(effects));
                return Ok(Fed::Ended);
            };
            let mut bytes = Vec::new();
            encode_into(&item, &mut bytes).map_err(PipelineError::Source)?;
            self.cell.run(self.runtime(), |hub, effects| hub.push(Item::new(None, bytes), effects));
            *read += 1;
            fed = Fed::Some;
        }
        Ok(fed)
    }

    fn turn_inline(&mut self) -> bool {
        let runtime = Arc::clone(self.node.runtime());
        let mut active = false;
        for (_, running) in &mut self.running {
            if let Running::Inline(worker) = running {
                match worker.turn(&runtime) {
                    Turn::Worked => active = true,
                    Turn::Idle => {}
                    Turn::Finished => *running = Running::Ended,
                }
            }
        }
        active
    }

    /// Starts new workers for those that have died; whether any had.
    fn replace_dead(&mut self) -> Result<bool, PipelineError> {
        let mut any = false;
        for at in 0..self.running.len() {
            let (place, running) = &self.running[at];
            let place = *place;
            let (node, reason) = match running {
                Running::Process(process) if !process.is_alive() => {
                    (Some(process.node_id()), process.join_timeout(Duration::ZERO).err())
                }
                Running::Thread(thread) if thread.died.load(Ordering::Acquire) => (None, None),
                _ => continue,
            };
            self.running[at].1 = Running::Ended;
            any = true;
            let why = reason.as_ref().map_or_else(|| "it panicked".to_owned(), ToString::to_string);
            if self.cell.died(self.node.runtime(), place, node, &why) == AfterDeath::Replace {
                if let Some(reason @ JoinError::FailedStart(_)) = reason {
                    return Err(PipelineError::Failed(reason.to_string()));
                }
                self.launch(at)?;
            }
        }
        Ok(any)
    }

    /// Waits until the workers have ended; those that do not are killed.
    fn end_workers(&mut self) {
        let deadline = Instant::now() + END_WITHIN;
        let finished = self.cell.run(self.runtime(), |hub, _| hub.has_ended());
        for (_, running) in &mut self.running {
            match std::mem::replace(running, Running::Ended) {
                Running::Process(process) => {
                    if !finished {
                        // Only "it is not there any more" can come back.
                        let _ = process.kill();
                    }
                    let left = deadline.saturating_duration_since(Instant::now());
                    if process.join_timeout(left) == Err(JoinError::TimedOut) {
                        let _ = process.kill();
                    }
                }
                Running::Thread(thread) => {
                    thread.inbox.cut_off();
                    // It never panics: what its stage does is caught.
                    let _ = thread.handle.join();
                }
                Running::Inline(_) | Running::Ended => {}
            }
        }
    }

    fn report(&self, read: u64, delivered: u64) -> Report {
        self.cell.run(self.runtime(), |hub, _| {
            let stages = self.specs.iter().enumerate();
            let stages = stages.map(|(at, spec)| StageReport::new(spec, &hub.figures(at))).collect();
            let letters = hub.letters();
            let letters = letters
                .into_iter()
                .map(|letter| DeadLetter::new(self.node.runtime(), &self.specs, letter))
                .collect();
            Report { read, delivered, stages, dead_letters: letters, took: self.begun.elapsed() }
        })
    }
}

/// Also when a worker can't be started, and when the source or the sink panics.
impl Drop for Runner<'_> {
    fn drop(&mut self) {
        StopOf(Arc::clone(self.runtime())).forget(&self.hook());
        self.end_workers();
        self.runtime().remove_cell(self.cell.address.slot);
    }
}

/// What became of asking the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fed {
    Nothing,
    Some,
    Ended,
}
