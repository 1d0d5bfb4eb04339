//! One worker of a stage: takes items from its inbox, works on them, reports in steps.
//!
//! The same code in a process, in a thread and inline: who drives it calls `turn`, which never waits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use callboard_core::{Address, ByteStrings, Kind, NodeId, Slot, decode, limits};
use callboard_ipc::Counter;
use parking_lot::Mutex;

use super::cell::PipelineCell;
use super::hub::Place;
use super::stage::{Outputs, Stage};
use super::wire::{Step, ToHub, ToWorker};
use crate::cell::{Cell, Incoming, Violation};
use crate::hook::Hook;
use crate::peer::{Peer, encoded};
use crate::runtime::Runtime;
use crate::standing::Sought;
use crate::wait::Waiter;

/// A worker has about this much work in its inbox, so that it does not run dry while it asks for more. One whose items take longer has
/// only that in hand, since the next may be another's who has nothing to do.
const INBOX_TIME: Duration = Duration::from_millis(2);
const MAX_WINDOW: u64 = 4096;
/// A step leaves when its outputs have grown to this, even if there is more to do.
const STEP_BYTES: usize = 128 * 1024;
/// And at the latest after so many items.
const STEP_ITEMS: u64 = 1024;
/// The largest step. An item that makes a larger one has failed.
const MAX_STEP_BYTES: usize = 64 << 20;
/// The most that outputs may take on their way to the hub: they travel as one message.
const MAX_SENT_BYTES: usize = limits::MAX_VALUE_BYTES;

/// What has come from the hub.
#[derive(Debug, Default)]
pub(super) struct Mail {
    items: VecDeque<Box<[u8]>>,
    flush: bool,
    finish: bool,
    waiter: Option<Hook>,
}

/// A worker's slot on its node.
#[derive(Debug)]
pub(super) struct Inbox {
    hub: NodeId,
    mail: Mutex<Mail>,
    /// The hub has ended, or wants nothing any more. Written before the mail's lock is taken, read under it before waiting.
    cut_off: AtomicBool,
    /// Which item is in hand, for a hub in this process.
    pub(super) own: Counter,
}

impl Inbox {
    pub(super) fn new(hub: NodeId) -> Arc<Self> {
        let own = Counter { taken: 0.into(), finished: 0.into(), poke: 0.into() };
        Arc::new(Self { hub, mail: Mutex::default(), cut_off: AtomicBool::new(false), own })
    }

    pub(super) fn add(&self, items: impl Iterator<Item = Box<[u8]>>) {
        self.change(|mail| mail.items.extend(items));
    }

    pub(super) fn told(&self, message: ToWorker) {
        self.change(|mail| match message {
            ToWorker::Flush => mail.flush = true,
            ToWorker::Finish => mail.finish = true,
        });
    }

    /// The worker is to end with the item in hand.
    pub(super) fn cut_off(&self) {
        self.cut_off.store(true, SeqCst);
        self.change(|_| ());
    }

    fn is_cut_off(&self) -> bool {
        self.cut_off.load(SeqCst)
    }

    fn change(&self, change: impl FnOnce(&mut Mail)) {
        let waiter = {
            let mut mail = self.mail.lock();
            change(&mut mail);
            mail.waiter.take()
        };
        if let Some(waiter) = waiter {
            waiter.notify();
        }
    }
}

impl Cell for Inbox {
    fn into_any(self: Arc<Self>) -> Arc<dyn std::any::Any + Send + Sync> {
        self
    }

    fn receive(&self, _: &Arc<Runtime>, from: &Arc<Peer>, incoming: Incoming<'_>) -> Result<(), Violation> {
        if from.id != self.hub {
            return Err("a message to a pipeline's worker from another than its hub".to_owned());
        }
        if incoming.kind == Kind::Items {
            let items: Result<Vec<Box<[u8]>>, _> =
                ByteStrings::new(incoming.body).map(|item| item.map(Into::into)).collect();
            self.add(items.map_err(|error| format!("items for a stage: {error}"))?.into_iter());
        } else {
            self.told(decode(incoming.body).map_err(|error| format!("a message to a worker: {error}"))?);
        }
        Ok(())
    }

    fn peer_ended(&self, _: &Arc<Runtime>, _: NodeId) {
        self.cut_off();
    }
}

/// The way to the hub.
#[derive(Debug)]
pub(super) enum ToTheHub {
    Here { cell: Arc<PipelineCell>, place: Place },
    There { peer: Arc<Peer>, slot: Slot, counter: u32 },
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Worked,
    /// There is nothing to do until the hub sends something.
    Idle,
    Finished,
}

/// A worker whatever its stage.
pub(super) trait Drive {
    fn turn(&mut self, runtime: &Arc<Runtime>) -> Turn;
    fn wait(&mut self, runtime: &Arc<Runtime>);
}

/// A worker at work.
pub(super) struct Worker<S: Stage> {
    stage: S,
    inbox: Arc<Inbox>,
    hub: ToTheHub,
    out: Outputs<S::Out>,
    failures: Vec<(u64, String)>,
    /// Items begun and items settled, ever.
    done: u64,
    settled: u64,
    held_bytes: u64,
    /// Items asked for and not begun.
    asked: u64,
    window: u64,
    busy: Duration,
    waited: Duration,
    /// Since when there has been work, and how much was done then.
    pace: (Instant, u64),
}

impl<S: Stage> Worker<S> {
    pub(super) fn new(stage: S, inbox: Arc<Inbox>, hub: ToTheHub) -> Self {
        Self {
            stage,
            inbox,
            hub,
            out: Outputs::new(),
            failures: Vec::new(),
            done: 0,
            settled: 0,
            held_bytes: 0,
            asked: 0,
            window: 1,
            busy: Duration::ZERO,
            waited: Duration::ZERO,
            pace: (Instant::now(), 0),
        }
    }

    fn counter<R>(&self, with: impl FnOnce(&Counter) -> R) -> Option<R> {
        match &self.hub {
            ToTheHub::Here { .. } => Some(with(&self.inbox.own)),
            ToTheHub::There { peer, counter, .. } => {
                let link = peer.connection()?.link();
                link.counter(link.side(), *counter).map(with)
            }
        }
    }

    /// Works on one item. Before and after it, the shared words say which item is in hand.
    fn work(&mut self, bytes: &[u8], runtime: &Arc<Runtime>) {
        let seq = self.done;
        self.done += 1;
        self.asked = self.asked.saturating_sub(1);
        self.held_bytes += bytes.len() as u64;
        self.counter(|counter| counter.taken.store(seq + 1, SeqCst));
        let mark = self.out.mark();
        let worked = crate::scope::enter(runtime, || decode(bytes))
            .map_err(|error| error.to_string())
            .and_then(|item| self.stage.item(item, &mut self.out).map_err(|error| error.to_string()));
        let encoded = self.out.take_failure().map(|error| error.to_string());
        let too_much = (self.out.bytes() - mark.1 > MAX_STEP_BYTES)
            .then(|| format!("its outputs take more than {MAX_STEP_BYTES} bytes"));
        if let Some(why) = worked.err().or(encoded).or(too_much) {
            self.out.back_to(mark);
            self.failures.push((seq, why));
        }
        self.counter(|counter| counter.finished.store(seq + 1, SeqCst));
    }

    fn must_step(&self) -> bool {
        let held = self.done - self.settled;
        if S::HOLDS {
            held >= S::MAX_HELD_ITEMS || self.held_bytes >= S::MAX_HELD_BYTES || self.stage.is_full()
        } else {
            held >= STEP_ITEMS || self.out.bytes() >= STEP_BYTES
        }
    }

    /// Reports what has been done since the last step.
    fn step(&mut self, runtime: &Arc<Runtime>) {
        if self.done == self.settled {
            return;
        }
        // A stage that does not say that it holds anything may yet do so: within a step that is no harm.
        self.stage.flush(&mut self.out);
        if let Some(error) = self.out.take_failure() {
            // Nobody could settle these items: the worker ends, and its successor tries again.
            panic!("what a stage held can't be sent: {error}");
        }
        let bytes = self.out.bytes_sent();
        assert!(
            bytes <= MAX_SENT_BYTES,
            "what a stage put out at once takes {bytes} bytes, and {MAX_SENT_BYTES} can be sent"
        );
        self.settled = self.done;
        self.held_bytes = 0;
        let step = Step {
            settled: self.settled,
            failures: std::mem::take(&mut self.failures),
            outputs: self.out.take(),
            busy_nanos: std::mem::take(&mut self.busy).as_nanos() as u64,
            waited_nanos: std::mem::take(&mut self.waited).as_nanos() as u64,
        };
        self.send(runtime, ToHub::Step(step));
    }

    /// Asks for more items when half of what there should be is left.
    fn ask(&mut self, runtime: &Arc<Runtime>) {
        if self.asked > self.window / 2 {
            return;
        }
        let (since, done) = self.pace;
        let spent = since.elapsed().as_nanos().max(1);
        let rate = u128::from(self.done - done) * INBOX_TIME.as_nanos() / spent;
        let rate = u64::try_from(rate).unwrap_or(MAX_WINDOW);
        let least = if rate == 0 { 1 } else { 2 };
        self.window = rate.clamp(least, (self.window * 2).min(MAX_WINDOW));
        self.pace = (Instant::now(), self.done);
        let count = self.window.saturating_sub(self.asked);
        if count > 0 {
            self.asked += count;
            self.send(runtime, ToHub::More { count });
        }
    }

    fn send(&self, runtime: &Arc<Runtime>, message: ToHub) {
        match &self.hub {
            ToTheHub::Here { cell, place } => cell.handle_here(runtime, *place, message),
            ToTheHub::There { peer, slot, .. } => {
                peer.cast(runtime, *slot, &encoded(&message));
                peer.flush_by_need(runtime);
            }
        }
    }
}

impl<S: Stage> Drive for Worker<S> {
    fn turn(&mut self, runtime: &Arc<Runtime>) -> Turn {
        self.ask(runtime);
        let (items, flush, finish) = {
            let mut mail = self.inbox.mail.lock();
            let flush = std::mem::take(&mut mail.flush);
            (std::mem::take(&mut mail.items), flush, mail.finish)
        };
        let mut begun = Instant::now();
        let worked = !items.is_empty();
        for item in items {
            if self.inbox.is_cut_off() {
                return Turn::Finished;
            }
            self.work(&item, runtime);
            self.ask(runtime);
            if self.must_step() {
                self.busy += begun.elapsed();
                self.step(runtime);
                begun = Instant::now();
            }
        }
        self.busy += begun.elapsed();
        if flush || !S::HOLDS {
            self.step(runtime);
        }
        match () {
            () if finish || self.inbox.is_cut_off() => Turn::Finished,
            () if worked || flush => Turn::Worked,
            () => Turn::Idle,
        }
    }

    fn wait(&mut self, runtime: &Arc<Runtime>) {
        let begun = Instant::now();
        let waiter = Waiter::new();
        {
            let mut mail = self.inbox.mail.lock();
            if !mail.items.is_empty() || mail.flush || mail.finish || self.inbox.is_cut_off() {
                return;
            }
            mail.waiter = Some(Arc::clone(&waiter) as Hook);
        }
        let from = match &self.hub {
            ToTheHub::There { peer, .. } => Some(peer),
            ToTheHub::Here { .. } => None,
        };
        let sought = Sought::plain("an item for its stage").idle();
        runtime.wait(&waiter, None, from, sought);
        self.waited += begun.elapsed();
    }
}

/// Drives a worker to its end.
pub(super) fn drive(worker: &mut dyn Drive, runtime: &Arc<Runtime>) {
    loop {
        match worker.turn(runtime) {
            Turn::Worked => {}
            Turn::Idle => worker.wait(runtime),
            Turn::Finished => return,
        }
    }
}

/// The life of a worker in a process of its own.
pub(super) fn in_process<S: Stage>(
    node: &crate::Node,
    (hub, stage, index, value): (Address, usize, usize, S),
) {
    let runtime = node.runtime();
    let Some(peer) = runtime.meet(hub.node) else { return };
    if !peer.wait_connected(runtime, None) {
        return;
    }
    let counter = peer.reserve_counter().expect("a fresh process has all its counters");
    let mut slot = Slot::default();
    let inbox = runtime.add_cell(|given| {
        slot = given;
        Inbox::new(hub.node)
    });
    peer.interests(slot);
    peer.cast(runtime, hub.slot, &encoded(&ToHub::Ready { stage, index, slot, counter }));
    let hub = ToTheHub::There { peer, slot: hub.slot, counter };
    drive(&mut Worker::new(value, inbox, hub), runtime);
}
