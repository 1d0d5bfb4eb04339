//! The hub's machine in a slot of the node that runs the pipeline.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use callboard_core::{Address, Flags, Kind, NodeId, Slot, decode};
use callboard_ipc::Counter;
use parking_lot::Mutex;

use super::hub::{AfterDeath, Hub, Place, Reached, World};
use super::wire::{ToHub, ToWorker};
use super::worker::Inbox;
use crate::cell::{Cell, Incoming, Violation};
use crate::hook::Hook;
use crate::peer::{Peer, encoded};
use crate::runtime::Runtime;
use crate::standing::{Awaited, Known, MAX_NAMED, WaitRole};

/// Where a worker is.
#[derive(Debug)]
enum Link {
    Here(Arc<Inbox>),
    There { peer: Arc<Peer>, slot: Slot, counter: u32 },
}

impl Link {
    fn counter<R>(&self, with: impl FnOnce(&Counter) -> R) -> Option<R> {
        match self {
            Link::Here(inbox) => Some(with(&inbox.own)),
            Link::There { peer, counter, .. } => {
                let link = peer.connection()?.link();
                link.counter(link.side().other(), *counter).map(with)
            }
        }
    }
}

#[derive(Debug)]
struct State {
    hub: Hub,
    links: HashMap<Place, Link>,
    /// Which worker each node is.
    nodes: HashMap<NodeId, Place>,
    /// The thread that runs the pipeline, while it waits.
    runner: Option<Hook>,
}

#[derive(Debug)]
pub(super) struct PipelineCell {
    pub(super) address: Address,
    state: Mutex<State>,
}

impl PipelineCell {
    pub(super) fn create(runtime: &Arc<Runtime>, hub: Hub) -> Arc<Self> {
        runtime.add_cell(|slot| {
            Arc::new(Self {
                address: Address { node: runtime.id, slot },
                state: Mutex::new(State { hub, links: HashMap::new(), nodes: HashMap::new(), runner: None }),
            })
        })
    }

    /// Runs the hub for the runner itself.
    pub(super) fn run<R>(
        &self,
        runtime: &Arc<Runtime>,
        with: impl FnOnce(&mut Hub, &mut Effects<'_>) -> R,
    ) -> R {
        let mut state = self.state.lock();
        let State { hub, links, .. } = &mut *state;
        with(hub, &mut Effects { runtime, links })
    }

    /// Runs the hub, and wakes the runner: it looks for itself whether there is anything to do.
    fn run_and_wake<R>(
        &self,
        runtime: &Arc<Runtime>,
        with: impl FnOnce(&mut Hub, &mut Effects<'_>) -> R,
    ) -> R {
        let result = self.run(runtime, with);
        self.wake_runner();
        result
    }

    pub(super) fn wake_runner(&self) {
        let runner = self.state.lock().runner.take();
        if let Some(runner) = runner {
            runner.notify();
        }
    }

    /// Has `hook` notified at the next change.
    pub(super) fn notify(&self, hook: &Hook) {
        self.state.lock().runner = Some(Arc::clone(hook));
    }

    /// A worker on this very node is there.
    pub(super) fn ready_here(&self, runtime: &Arc<Runtime>, at: Place, inbox: &Arc<Inbox>) {
        self.state.lock().links.insert(at, Link::Here(Arc::clone(inbox)));
        self.run(runtime, |hub, effects| hub.ready(at, effects));
    }

    /// Handles a message of a worker on this node.
    pub(super) fn handle_here(&self, runtime: &Arc<Runtime>, at: Place, message: ToHub) {
        let handled = self.run_and_wake(runtime, |hub, effects| handle(hub, at, message, effects));
        debug_assert!(handled.is_ok(), "our own workers keep to the rules: {handled:?}");
        runtime.flush_listed_by_need();
    }

    /// A worker has died, after its last message; what to do about it.
    pub(super) fn died(
        &self,
        runtime: &Arc<Runtime>,
        at: Place,
        node: Option<NodeId>,
        why: &str,
    ) -> AfterDeath {
        let link = {
            let mut state = self.state.lock();
            if let Some(node) = node {
                state.nodes.remove(&node);
            }
            state.links.remove(&at)
        };
        let words = link.and_then(|link| {
            link.counter(|counter| (counter.taken.load(SeqCst), counter.finished.load(SeqCst)))
        });
        let (in_hand, reached) = match words {
            Some((begun, finished)) if begun > finished => {
                (Some(begun - 1), if finished == 0 { Reached::FirstItem } else { Reached::Working })
            }
            Some(_) => (None, Reached::Working),
            None => (None, Reached::Nothing),
        };
        self.run(runtime, |hub, effects| hub.down(at, in_hand, reached, why, effects))
    }

    fn ready(&self, from: &Arc<Peer>, at: Place, link: Link) -> Result<(), Violation> {
        let mut state = self.state.lock();
        if state.links.contains_key(&at) || state.nodes.contains_key(&from.id) {
            return Err("a second worker for one place of a stage".to_owned());
        }
        state.links.insert(at, link);
        state.nodes.insert(from.id, at);
        Ok(())
    }
}

fn handle(hub: &mut Hub, at: Place, message: ToHub, effects: &mut Effects<'_>) -> Result<(), Violation> {
    match message {
        ToHub::More { count } => {
            hub.more(at, count, effects);
            Ok(())
        }
        ToHub::Step(step) => hub.step(at, step, effects),
        ToHub::Ready { .. } => Err("a worker that says twice that it is there".to_owned()),
    }
}

impl Cell for PipelineCell {
    fn into_any(self: Arc<Self>) -> Arc<dyn std::any::Any + Send + Sync> {
        self
    }

    fn receive(
        &self,
        runtime: &Arc<Runtime>,
        from: &Arc<Peer>,
        incoming: Incoming<'_>,
    ) -> Result<(), Violation> {
        let message: ToHub =
            decode(incoming.body).map_err(|error| format!("a message for a pipeline: {error}"))?;
        if let ToHub::Ready { stage, index, slot, counter } = message {
            let at = Place { stage, index };
            if !self.state.lock().hub.has(at) {
                return Err("a worker for a stage that the pipeline does not have".to_owned());
            }
            self.ready(from, at, Link::There { peer: Arc::clone(from), slot, counter })?;
            self.run_and_wake(runtime, |hub, effects| hub.ready(at, effects));
            return Ok(());
        }
        // Only the present incarnation of a worker is in this list: a stale step finds nothing.
        let Some(at) = self.state.lock().nodes.get(&from.id).copied() else {
            return Err("a message from a node that is no worker of the pipeline".to_owned());
        };
        self.run_and_wake(runtime, |hub, effects| handle(hub, at, message, effects))
    }

    fn awaited(&self, _: Option<Slot>) -> Option<Awaited> {
        Some(self.as_awaited())
    }
}

impl PipelineCell {
    /// The stages, and those workers elsewhere that have something in hand.
    fn as_awaited(&self) -> Awaited {
        let state = self.state.lock();
        let known = |at: Place| match state.links.get(&at) {
            Some(Link::There { peer, .. }) => {
                let (pid, name) = peer.connection()?.link().peer_is()?;
                Some(Known { role: WaitRole::Worker, name, pid: Some(pid) })
            }
            Some(Link::Here(_)) | None => None,
        };
        let parties = state.hub.at_work().into_iter().filter_map(known).take(MAX_NAMED).collect();
        Awaited { name: format!("of {}", state.hub.stage_names().join(", ")), parties }
    }
}

/// What the hub does to its workers, under the cell's lock: it appends to outboxes and inboxes.
pub(super) struct Effects<'a> {
    runtime: &'a Arc<Runtime>,
    links: &'a HashMap<Place, Link>,
}

impl Effects<'_> {
    fn tell(&mut self, to: Place, message: ToWorker) {
        match self.links.get(&to) {
            Some(Link::Here(inbox)) => inbox.told(message),
            Some(Link::There { peer, slot, .. }) => {
                let body = encoded(&message);
                peer.post(self.runtime, crate::peer::header(Kind::Cast, *slot, 0), &body, Vec::new());
            }
            None => {}
        }
    }
}

impl World for Effects<'_> {
    fn send<'a>(&mut self, to: Place, first: u64, items: impl Iterator<Item = &'a [u8]>) {
        match self.links.get(&to) {
            Some(Link::Here(inbox)) => inbox.add(items.map(Into::into)),
            Some(Link::There { peer, slot, .. }) => {
                peer.items(self.runtime, *slot, Flags::NONE, first, items);
            }
            None => {}
        }
    }

    fn flush(&mut self, worker: Place) {
        self.tell(worker, ToWorker::Flush);
    }

    fn finish(&mut self, worker: Place) {
        self.tell(worker, ToWorker::Finish);
    }
}
